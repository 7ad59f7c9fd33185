"""Parameters: chips, power and data centres."""

from __future__ import annotations

from pydantic import BaseModel

from abm.parameters.quantities import BY_HAND, Number, fitted, quantity


class Compute(BaseModel):
    """Chips, power and data centres."""

    # --- chips and compute ------------------------------------------------------------------------------------------
    chip_price_start: Number = quantity(
        0.03, 1e-4, 1, "p_v0", "$ M per H100e", "price of compute, January 2023", "Epoch: H100 30-45 k$"
    )
    chip_cost_start: Number = quantity(
        0.0105, 1e-5, 1, "c_v0", "$ M per H100e", "unit cost of compute at the start", BY_HAND
    )
    capacity_start: Number = quantity(
        40_000, 10, 1e8, "K_0", "H100e per month", "leading vendor's capacity at the start", BY_HAND
    )
    capacity_lead: Number = quantity(13, 1, 60, "T_K", "months", "time to build capacity (4-8 quarters)", "assumption")
    capacity_ambition: Number = quantity(1.2, 0.1, 5, "a_K", "", "desired capacity relative to orders")
    capacity_growth_plan: Number = fitted(
        "capacity_growth_plan", 0, 5, "g_K", "nats", "growth of orders that planners expect over the lead time"
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
        0.53, 0.001, 2, "i_K", "per month", "largest expansion started in a month, share of capacity", BY_HAND
    )
    capacity_depreciation: Number = quantity(0.01, 0, 0.5, "d_K", "per month", "depreciation of capacity")
    capacity_cost: Number = quantity(2.0, 0, 100, "f_K", "unit costs", "cost of a unit of monthly capacity")
    vendor_overhead: Number = quantity(0.1, 0, 0.9, "o_v", "share of revenue", "research and overhead of vendors")
    payout_ratio: Number = quantity(0.5, 0, 1, "pay", "", "share of profit paid to owners")
    chip_learning_rate: Number = quantity(
        0.2, 0, 0.9, "lr", "", "fall in unit cost per doubling of output", "Irwin and Klenow 1994"
    )
    chip_performance_growth: Number = quantity(
        0.31, 0, 3, "g_phi", "per year", "growth of performance per dollar (1.37x)", "Epoch: doubling 2.07-2.46 years"
    )
    chip_generation_gap: Number = quantity(24, 3, 120, "T_g", "months", "months between product generations")
    chip_price_sensitivity: Number = quantity(
        1.5, 0.1, 20, "sigma_v", "", "coefficient on log chip price: spending shares"
    )
    chip_price_adjustment: Number = quantity(
        0.25, 0, 1, "a_p", "per month", "adjustment of the chip price towards its target"
    )
    scarcity_elasticity: Number = quantity(4, 0.2, 50, "eta_s", "", "elasticity of the scarcity rent")
    scarcity_cap: Number = quantity(1.5, 1, 10, "", "", "largest scarcity factor")
    leader_lock_in: Number = fitted(
        "leader_lock_in", -10, 20, "z_lead", "utils", "lock-in of the leading vendor over the follower"
    )
    build_time: Number = quantity(2, 0.5, 60, "T_b", "months", "building time of a data centre's machines")
    compute_depreciation: Number = quantity(0.017, 0, 0.5, "delta", "per month", "retirement of machines (five years)")
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
    saturation_weight: Number = quantity(
        0.3, 0, 1, "w_s", "", "share of demand that saturates when mechanism (a) is on"
    )
    compute_start: Number = quantity(850_000, 1e2, 1e10, "K_c0", "H100e", "platforms' machines at the start", BY_HAND)
    workload_scale: Number = quantity(
        700_000, 1e2, 1e10, "A_w", "H100e", "platforms' own demand for compute at the start", BY_HAND
    )
    workload_growth: Number = quantity(1.0, -2, 10, "g_w", "per year", "growth of that demand at the start", BY_HAND)
    workload_slowdown: Number = quantity(0.35, 0.001, 5, "s_w", "per year", "rate at which that growth fades", BY_HAND)
    capex_adjustment: Number = quantity(
        15, 1, 120, "T_x", "months", "time over which platforms close the gap to desired compute"
    )
    capex_ambition: Number = quantity(
        2.2,
        0.1,
        10,
        "",
        "",
        "desired compute relative to expected use: platforms fear falling behind more than idle machines",
        BY_HAND,
    )
    capex_foresight: Number = quantity(12, 0, 120, "", "months", "how far ahead platforms build")
    capex_belief: Number = quantity(0.5, 0, 10, "b_x", "", "response of capex to investors' mean beliefs")
    capex_additionality: Number = quantity(0.1, 0, 1, "", "", "share of announced programmes that is new spending")
    chip_share_of_capex: Number = quantity(0.5, 0, 1, "", "", "share of a programme spent on chips")
    usual_utilisation: Number = quantity(0.8, 0.05, 1, "u_0", "", "utilisation at which the rental price is stable")
    rental_adjustment: Number = quantity(
        0.04, 0, 1, "a_w", "per month", "response of the rental price to demand over supply"
    )
    rental_price_start: Number = quantity(
        0.0015, 1e-6, 1, "w_0", "$ M per H100e month", "rental price at the start (2 $ per hour)"
    )
    energy_cost: Number = quantity(0.0001, 0, 0.1, "e_w", "$ M per H100e month", "energy cost of a running H100e")
    interest_rate: Number = quantity(0.06, 0.001, 1, "r_d", "per year", "discount rate")
    payout_rate: Number = quantity(
        0.06, 0.001, 1, "delta_V", "per year", "payout rate of a project (Dixit-Pindyck delta)"
    )
    region_us: Number = quantity(0.6, 0, 1, "", "", "share of platforms' compute in the United States")
    region_china: Number = quantity(0.15, 0, 1, "", "", "share in China")
    region_eu: Number = quantity(0.1, 0, 1, "", "", "share in the European Union")
    region_row: Number = quantity(0.15, 0, 1, "", "", "share elsewhere")
    power_headroom: Number = quantity(2.0, 0.1, 100, "", "", "power at the start relative to machines at the start")
