"""Parameters: chips, machines, places and power."""

from __future__ import annotations

from pydantic import BaseModel

from abm.parameters.quantities import BESIDE_RECORD, BY_HAND, Number, fitted, quantity


class Compute(BaseModel):
    """Chips, machines, places and power."""

    # --- chips and compute ------------------------------------------------------------------------------------------
    chip_price_start: Number = quantity(
        0.03, 1e-4, 1, "p_v0", "$ M per H100e", "price of compute, January 2023", "Epoch: H100 30-45 k$"
    )
    chip_cost_start: Number = quantity(
        0.0105, 1e-5, 1, "c_v0", "$ M per H100e", "unit cost of compute at the start", BY_HAND
    )
    capacity_start: Number = quantity(
        28_000, 10, 1e8, "K_0", "H100e per month", "leading vendor's capacity at the start", BESIDE_RECORD
    )
    capacity_lead: Number = quantity(4, 1, 60, "T_K", "months", "time to build capacity", BESIDE_RECORD)
    delivery_time: Number = quantity(
        2, 0.5, 60, "T_B", "months", "backlog at which a vendor has the capacity it wants", BESIDE_RECORD
    )
    investment_response: Number = quantity(
        0.3,
        0,
        5,
        "b_q",
        "",
        "elasticity of planned capacity with respect to Tobin's q, price over capitalised earnings",
        "Hayashi 1982",
    )
    capacity_build_limit: Number = quantity(
        0.53, 0.001, 2, "i_K", "per month", "largest expansion started in a month, share of capacity", BESIDE_RECORD
    )
    capacity_depreciation: Number = quantity(0.01, 0, 0.5, "d_K", "per month", "depreciation of capacity")
    capacity_cost: Number = quantity(2.0, 0, 100, "f_K", "unit costs", "cost of a unit of monthly capacity")
    vendor_overhead: Number = quantity(0.1, 0, 0.9, "o_v", "share of revenue", "research and overhead of vendors")
    payout_ratio: Number = quantity(0.5, 0, 1, "pay", "", "share of profit paid to owners")
    chip_learning_rate: Number = quantity(
        0.2, 0, 0.9, "lr", "", "fall in unit cost per doubling of output", "Irwin and Klenow 1994"
    )
    chip_performance_growth: Number = quantity(
        0.26, 0, 3, "g_phi", "per year", "growth of performance per dollar (1.3x)", BESIDE_RECORD
    )
    chip_generation_gap: Number = quantity(24, 3, 120, "T_g", "months", "months between product generations")
    chip_price_sensitivity: Number = quantity(
        1.5, 0.1, 20, "sigma_v", "", "coefficient on log chip price: spending shares"
    )
    chip_price_adjustment: Number = quantity(
        0.25, 0, 1, "a_p", "per month", "adjustment of the chip price towards its target"
    )
    elasticity_learning: Number = quantity(
        0.1, 0, 1, "", "per month", "weight of the last month in the elasticity of orders that a vendor perceives"
    )
    leader_lock_in: Number = fitted(
        "leader_lock_in", -10, 20, "z_lead", "utils", "lock-in of the leading vendor over the follower"
    )
    machine_wear: Number = quantity(0.017, 0, 0.5, "delta", "per month", "retirement of machines (five years)")
    book_depreciation: Number = quantity(0.02, 0, 0.5, "delta_b", "per month", "accounting depreciation of machines")
    chip_demand_elasticity: Number = quantity(
        1.1,
        0.1,
        5,
        "eps",
        "",
        "elasticity of demand for compute with respect to its user cost",
        "Demirer et al.: 1.11 as an upper bound",
    )
    saturation_elasticity: Number = quantity(
        0.84,
        0.1,
        1,
        "eps_s",
        "",
        "the same elasticity where demand saturates or capacity binds",
        "derived from 27 January 2025: docs/explanation/stylised_facts.md",
    )
    machine_power: Number = quantity(
        1.6, 0.01, 100, "k_1", "kW per H100e", "power of an H100 with its share of the site", "FACTS: 690 H100e per MW"
    )
    power_saving: Number = quantity(
        0.5, 0, 3, "", "nats", "fall of that power from one generation to the next", "FACTS: 1.74 times in two years"
    )
    workload_growth: Number = quantity(
        1.7, -2, 10, "g_w", "per year", "growth of other work wanted at a given price, at the start", BESIDE_RECORD
    )
    workload_slowdown: Number = quantity(
        0.45, 0.001, 5, "s_w", "per year", "rate at which that growth fades", BESIDE_RECORD
    )
    boom_volatility: Number = quantity(
        0.05, 0, 2, "", "per year", "standard deviation of the monthly shock to that growth", BESIDE_RECORD
    )
    boom_persistence: Number = quantity(
        0.9, 0, 0.999, "", "per month", "what is left of such a shock a month later", BESIDE_RECORD
    )
    growth_learning: Number = quantity(
        0.1, 0, 1, "", "per month", "weight of the last month in the growth that owners expect"
    )
    capital_cost: Number = quantity(
        0.12, 0.001, 1, "r_k", "per year", "return that owners of machines ask", "assumption: above the discount rate"
    )
    capex_belief: Number = quantity(0.5, 0, 10, "b_x", "", "response of orders to investors' mean beliefs")
    rental_price_start: Number = quantity(
        0.0026, 1e-6, 1, "w_0", "$ M per H100e month", "rental price at the start", "FACTS: lists of 3.4 k$ a month"
    )
    interest_rate: Number = quantity(0.06, 0.001, 1, "r_d", "per year", "discount rate")
    payout_rate: Number = quantity(
        0.06, 0.001, 1, "delta_V", "per year", "payout rate of a project (Dixit-Pindyck delta)"
    )
    # --- places and power -------------------------------------------------------------------------------------------
    place_cost: Number = quantity(
        12, 0.1, 1e3, "$_N", "$ M per MW", "building and power of a place", "FACTS: 26 B$ per GW all in"
    )
    place_life: Number = quantity(180, 12, 1e3, "", "months", "life of a place")
    build_time: Number = quantity(
        10, 0.5, 60, "T_b", "months", "building time of a place, permits apart", BESIDE_RECORD
    )
    place_adjustment: Number = quantity(
        3, 1, 120, "T_N", "months", "months over which owners order the places that are missing", BESIDE_RECORD
    )
    connection_rate: Number = quantity(
        0.3, 0, 10, "", "per month", "places that the grid can connect, as a share of those in use", BESIDE_RECORD
    )
    power_price_start: Number = quantity(7.5e-5, 1e-7, 1e-2, "e_0", "$ M per MWh", "price of power at the start")
    power_elasticity: Number = quantity(3, 0.05, 50, "eta_e", "", "elasticity of the supply of power")
    # --- programmes -------------------------------------------------------------------------------------------------
    own_site_time: Number = quantity(
        12.5, 1, 120, "", "months", "months to power of a programme's own site", "FACTS: Abilene, phase 1"
    )
    lenders_cover: Number = quantity(
        1.0, 0, 10, "", "", "rent over cost at which lenders finance a phase", "assumption"
    )
    lenders_spread: Number = quantity(
        0.2, 0, 3, "", "", "standard deviation of that demand, in logarithms", "assumption"
    )
    programme_patience: Number = quantity(
        12, 1, 240, "", "months", "refusals in a row after which a programme is given up", "assumption"
    )
