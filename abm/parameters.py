"""Every parameter of the model: symbol, meaning, unit, bounds, default, source."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from abm.data import fit

JURISDICTIONS = ("us", "china", "eu", "row")
INSTRUMENTS = (
    "ip_strength",
    "ip_clarity",
    "enforcement_effort",
    "compliance_fixed",
    "compliance_proportional",
    "permitting_lag",
    "power_growth",
    "policy_uncertainty",
)

Number = float
Lever = float | dict[str, float]


class ParameterError(ValueError):
    """Parameters that do not exist or are out of bounds; the message lists all of them."""


def q(default: float, low: float, high: float, symbol: str, unit: str, meaning: str, source: str = "") -> Any:
    """A bounded quantity with its symbol, unit, meaning and source."""
    extra: Any = {"symbol": symbol, "unit": unit, "low": low, "high": high, "source": source}
    return Field(default=default, description=meaning, json_schema_extra=extra)


FIT = "set by hand against docs/calibration.md"


def fitted(name: str, low: float, high: float, symbol: str, unit: str, meaning: str, source: str = "") -> Any:
    """A quantity whose default is the estimate of the calibration to June 2025, with its interval and dates as source."""
    row = fit("june_2025")[name]
    found = (
        f"fitted {row['fitted_on']} to data to {row['data_to']}: 90 % interval {row['low']:.3g} to {row['high']:.3g}"
    )
    return q(row["estimate"], low, high, symbol, unit, meaning, f"{found}; prior: {source}" if source else found)


class Parameters(BaseModel):
    """All parameters, with defaults; unknown names and values out of bounds are refused, all at once.

    A policy lever (the first group) is one number for all jurisdictions, or a table of jurisdictions with an optional
    ``default``: ``Parameters(ip_strength={"china": 0.2, "default": 0.5})``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # --- policy levers, by jurisdiction -------------------------------------------------------------------------
    ip_strength: Lever = q(
        0.4, 0, 1, "S_r0", "", "probability that a rights holder wins over copied or distilled capability"
    )
    ip_clarity: Lever = q(0.5, 0, 1, "Cl_r0", "", "one less the spread of that probability from case to case")
    enforcement_effort: Lever = q(0.2, 0, 10, "E_r0", "", "public effort at detecting distillation")
    compliance_fixed: Lever = q(
        0.5,
        0,
        1e4,
        "F_r0",
        "$ M per month",
        "fixed compliance cost of a lab",
        "ECONOMICS A6: 50-500 k$ per firm, contested",
    )
    compliance_proportional: Lever = q(0.01, 0, 0.9, "c_r0", "share of revenue", "proportional compliance cost")
    permitting_lag: Lever = q(4, 0.5, 120, "L_r0", "months", "permits and connection, before machines come on line")
    power_growth: Lever = q(0.5, -1, 3, "G_r0", "per year", "growth of power available to compute")
    policy_uncertainty: Lever = q(0.1, 0, 2, "u_r0", "", "standard deviation of announced against enacted policy")

    # --- public policy and politics -----------------------------------------------------------------------------
    guarantee_share: Number = q(0.1, 0, 1, "g", "", "share of losses that the public bears")
    guarantee_insurance: Number = q(0.5, 0, 1, "g_v", "", "how far a guarantee takes risk out of a lab's planning")
    policy_adjustment: Number = q(0.1, 0, 1, "a_r", "per month", "step of an instrument towards its target")
    policy_response: Number = q(0.1, 0, 2, "b_r", "", "strength of lobbying, rivalry, safety and users on targets")
    lobbying_scale: Number = q(500, 1, 1e6, "pi_0", "$ M per month", "closed profit at which lobbying is strong")
    risk_threshold: Number = q(6, -5, 40, "k_risk", "nats", "open capability beyond which regulators worry")
    export_leakage: Number = q(
        0.06,
        0,
        1,
        "leak",
        "share",
        "share of embargoed chips that arrive all the same",
        "CNAS 2025: median 6 % of inference compute",
    )
    export_reach: Number = q(0.1, -50, 50, "z_0", "utils", "lock-in below which a vendor hardly sells abroad")

    # --- chips and compute --------------------------------------------------------------------------------------
    chip_price_start: Number = q(
        0.03, 1e-4, 1, "p_v0", "$ M per H100e", "price of compute, January 2023", "Epoch: H100 30-45 k$"
    )
    chip_cost_start: Number = q(0.0105, 1e-5, 1, "c_v0", "$ M per H100e", "unit cost of compute at the start", FIT)
    capacity_start: Number = q(40_000, 10, 1e8, "K_0", "H100e per month", "leading vendor's capacity at the start", FIT)
    capacity_lead: Number = q(13, 1, 60, "T_K", "months", "time to build capacity (4-8 quarters)", "ECONOMICS A3")
    capacity_ambition: Number = q(1.2, 0.1, 5, "a_K", "", "capacity wanted relative to orders")
    capacity_growth_plan: Number = fitted(
        "capacity_growth_plan", 0, 5, "g_K", "nats", "growth of orders that planners expect over the lead"
    )
    investment_response: Number = q(
        0.3,
        0,
        5,
        "b_q",
        "",
        "elasticity of planned capacity in Tobin's q, price over capitalised earnings",
        "Hayashi 1982",
    )
    capacity_build_limit: Number = q(
        0.53, 0.001, 2, "i_K", "per month", "largest expansion started in a month, share of capacity", FIT
    )
    capacity_depreciation: Number = q(0.01, 0, 0.5, "d_K", "per month", "depreciation of capacity")
    capacity_cost: Number = q(2.0, 0, 100, "f_K", "unit costs", "cost of a unit of monthly capacity")
    vendor_overhead: Number = q(0.1, 0, 0.9, "o_v", "share of revenue", "research and overhead of vendors")
    payout_ratio: Number = q(0.5, 0, 1, "pay", "", "share of profit paid to owners")
    chip_learning_rate: Number = q(
        0.2, 0, 0.9, "lr", "", "fall of unit cost per doubling of output", "Irwin and Klenow 1994"
    )
    chip_performance_growth: Number = q(
        0.31, 0, 3, "g_phi", "per year", "growth of performance per dollar (1.37x)", "Epoch: doubling 2.07-2.46 years"
    )
    chip_generation_gap: Number = q(24, 3, 120, "T_g", "months", "months between product generations")
    chip_price_sensitivity: Number = q(1.5, 0.1, 20, "sigma_v", "", "coefficient on log chip price: spending shares")
    chip_price_adjustment: Number = q(0.25, 0, 1, "a_p", "per month", "step of chip price towards its target")
    scarcity_elasticity: Number = q(4, 0.2, 50, "eta_s", "", "elasticity of the scarcity rent")
    scarcity_cap: Number = q(1.5, 1, 10, "", "", "largest scarcity factor")
    leader_lock_in: Number = fitted(
        "leader_lock_in", -10, 20, "z_lead", "utils", "lock-in of the leading vendor over the follower"
    )
    build_time: Number = q(2, 0.5, 60, "T_b", "months", "building time of a data centre's machines")
    compute_depreciation: Number = q(0.017, 0, 0.5, "delta", "per month", "machines retired (five years)")
    book_depreciation: Number = q(0.02, 0, 0.5, "delta_b", "per month", "accounting depreciation of machines")
    chip_demand_elasticity: Number = q(
        1.1,
        0.1,
        5,
        "eps",
        "",
        "elasticity of demand for compute in its user cost",
        "Demirer et al.: 1.11 as an upper bound",
    )
    saturation_elasticity: Number = q(
        0.84, 0.1, 1, "eps_s", "", "the same where demand saturates or capacity binds", "ECONOMICS C7"
    )
    saturation_weight: Number = q(0.3, 0, 1, "w_s", "", "share of demand that saturates when mechanism (a) is on")
    compute_start: Number = q(850_000, 1e2, 1e10, "K_c0", "H100e", "platforms' machines at the start", FIT)
    workload_scale: Number = q(
        700_000, 1e2, 1e10, "A_w", "H100e", "platforms' own demand for compute at the start", FIT
    )
    workload_growth: Number = q(1.0, -2, 10, "g_w", "per year", "growth of that demand at the start", FIT)
    workload_slowdown: Number = q(0.35, 0.001, 5, "s_w", "per year", "rate at which that growth fades", FIT)
    capex_adjustment: Number = q(
        15, 1, 120, "T_x", "months", "time over which platforms close the gap to desired compute"
    )
    capex_ambition: Number = q(
        2.2,
        0.1,
        10,
        "",
        "",
        "compute wanted relative to expected use: falling behind is feared more than idle machines",
        FIT,
    )
    capex_foresight: Number = q(12, 0, 120, "", "months", "how far ahead platforms build")
    capex_belief: Number = q(0.5, 0, 10, "b_x", "", "response of capex to investors' mean beliefs")
    capex_additionality: Number = q(0.1, 0, 1, "", "", "share of announced programmes that is new spending")
    chip_share_of_capex: Number = q(0.5, 0, 1, "", "", "share of a programme spent on chips")
    usual_utilisation: Number = q(0.8, 0.05, 1, "u_0", "", "utilisation at which the rental price rests")
    rental_adjustment: Number = q(0.04, 0, 1, "a_w", "per month", "response of the rental price to demand over supply")
    rental_price_start: Number = q(
        0.0015, 1e-6, 1, "w_0", "$ M per H100e month", "rental price at the start (2 $ an hour)"
    )
    energy_cost: Number = q(0.0001, 0, 0.1, "e_w", "$ M per H100e month", "energy of a running H100e")
    interest_rate: Number = q(0.06, 0.001, 1, "r_d", "per year", "discount rate")
    payout_rate: Number = q(0.06, 0.001, 1, "delta_V", "per year", "payout rate of a project (Dixit-Pindyck delta)")
    region_us: Number = q(0.6, 0, 1, "", "", "share of platforms' compute in the United States")
    region_china: Number = q(0.15, 0, 1, "", "", "share in China")
    region_eu: Number = q(0.1, 0, 1, "", "", "share in the European Union")
    region_row: Number = q(0.15, 0, 1, "", "", "share elsewhere")
    power_headroom: Number = q(2.0, 0.1, 100, "", "", "power at the start relative to machines at the start")

    # --- research, imitation, release ---------------------------------------------------------------------------
    algorithmic_doubling_time: Number = q(
        8, 1, 60, "T_a", "months", "halving time of compute for equal capability", "Ho et al. 2024: 8 (5-14)"
    )
    research_returns: Number = q(0.3, 0.01, 0.95, "psi", "", "elasticity of progress in research effort")
    research_luck: Number = q(0.5, 0, 3, "sd_R", "", "standard deviation of log luck, monthly")
    scarcity_induction: Number = q(0.2, 0, 5, "iota", "per nat", "progress induced by scarcity of compute")
    spillover_rate: Number = q(0.1, 0, 2, "s", "per month", "catch-up with published efficiency")
    publication_gap: Number = q(0.5, 0, 5, "", "nats", "how much of their efficiency closed labs keep unpublished")
    ip_stifling: Number = q(0.5, 0, 1, "st", "", "how far strict IP blocks building on what is published")
    ip_copy_block: Number = q(0.5, 0, 1, "", "", "how far strict IP blocks copying open weights")
    reference_compute: Number = q(
        50_000, 1, 1e9, "C_ref", "H100e months", "compute of the frontier model of January 2023"
    )
    training_share: Number = q(0.5, 0.01, 1, "tau", "", "share of a lab's machines that trains")
    copying_rate: Number = fitted(
        "copying_rate",
        0,
        50,
        "kappa_c",
        "per year",
        "rate of copying open weights",
        "ECONOMICS 0.2: 3-4 from the open lag",
    )
    copy_fidelity: Number = q(0.95, 0.1, 1, "", "", "capability of a fork relative to its source")
    distillation_rate: Number = fitted(
        "distillation_rate", 0, 50, "kappa_d", "per year", "rate at which distillation closes a gap", "ECONOMICS 0.2"
    )
    distillation_ceiling: Number = q(
        0.95, 0.3, 1.2, "rho", "", "capability a student can reach relative to its teacher", "MODEL 6.1: 0.8-1.05"
    )
    exchange_scale: Number = q(
        2.0,
        0.001,
        1e4,
        "x_0",
        "M exchanges per month",
        "exchanges at which 63 % of the effect is had",
        "C9: 16 M exchanges in all alleged",
    )
    exchange_limit: Number = q(20, 0, 1e5, "", "M exchanges per month", "most a student can send")
    tokens_per_exchange: Number = q(0.002, 1e-5, 1, "", "M tokens", "length of an exchange")
    access_delay: Number = q(
        3, 1, 12, "d", "months", "delay after which a teacher's capability can be learnt (whole months)"
    )
    lead_horizon: Number = q(12, 1, 120, "H", "months", "months over which a student counts its gain")
    detection_rate: Number = q(0.1, 0, 10, "eta", "per M exchanges", "hazard of detection per unit of effort")
    access_cut_months: Number = q(6, 0, 60, "D", "months", "access denied after detection")
    damages_multiple: Number = q(6, 0, 120, "F", "months of revenue", "damages of a lost suit")
    damages_floor: Number = q(5, 0, 1e4, "", "$ M per month", "least revenue that damages are counted on")
    damages_pace: Number = q(0.1, 0, 1, "", "per month", "share of damages owed paid in a month")
    ruling_spread: Number = q(0.3, 0, 1, "", "", "spread of win probabilities when the law is unclear")
    vigilance_cost: Number = q(1.0, 0.001, 1e4, "c_d", "$ M per month", "cost of a unit of defence")
    vigilance_maximum: Number = q(5, 0, 100, "", "", "most defence a teacher can mount")
    imitation_loss: Number = q(0.3, 0, 5, "", "nats", "lead a teacher loses to a student at full exposure")
    release_threshold: Number = q(0.4, 0.01, 5, "delta_l", "nats", "improvement that is worth a release", "MODEL 6.1")
    release_hazard: Number = q(0.2, 0.01, 1, "", "per month", "chance that a due release happens this month", FIT)
    efficient_tier_threshold: Number = q(
        1.5, 0.1, 20, "", "", "improvement worth a release of the efficient tier, relative to the flagship's", FIT
    )
    accustoming: Number = q(0.2, 0, 1, "", "per month", "how fast a lab gets used to being undercut")
    maximum_age: Number = q(15, 2, 120, "", "months", "age at which any improvement is released")
    escape_competition: Number = q(
        4, 0, 50, "", "per nat", "how being undercut hurries a release", "Aghion et al. 2005"
    )
    tier_step: Number = q(0.35, 0, 5, "", "nats", "capability of the efficient tier below the flagship", FIT)
    tier_size_step: Number = fitted(
        "tier_size_step", 0, 8, "", "ln parameters", "size of the efficient tier below the flagship"
    )
    licence_needed: Number = q(0.3, 0, 1, "", "", "licence openness from which weights may be forked")
    openness_response: Number = q(1.5, 0, 20, "", "per nat", "how being behind makes an open lab open more")
    research_cost_start: Number = q(20, 0.1, 1e5, "w_R0", "$ M per month", "cost of research on trend at the start")
    research_burden_growth: Number = q(
        0.5, -1, 5, "", "per year", "growth of that cost", "Bloom et al. 2020: ideas get harder to find"
    )
    research_adjustment: Number = q(0.1, 0, 1, "", "per month", "step of research intensity towards its target")
    research_floor: Number = q(0.2, 0.001, 1, "", "", "least research intensity")
    research_ceiling: Number = q(5, 1, 100, "", "", "greatest research intensity")
    lead_decay: Number = q(0.3, 0, 20, "", "per year", "hazard that a lead is overtaken without imitation")
    closed_leak: Number = q(0.2, 0, 1, "", "", "share of the copying hazard that reaches closed labs (staff, papers)")
    demand_volatility: Number = q(0.25, 0, 3, "", "per sqrt year", "volatility of the value of research from demand")
    runway: Number = q(12, 1, 120, "", "months", "months of spending a lab keeps in hand")
    compute_budget_share: Number = q(0.8, 0, 1, "", "", "share of affordable spending after research that buys chips")
    expected_open_gap: Number = q(1.2, 0, 10, "", "nats", "distance of open models that the market expects")

    # --- tokens -------------------------------------------------------------------------------------------------
    token_cost_start: Number = fitted(
        "token_cost_start",
        0.01,
        1e3,
        "c_0",
        "$ per M tokens",
        "unit cost of the reference model at the start",
    )
    inference_efficiency_growth: Number = fitted(
        "inference_efficiency_growth",
        0,
        5,
        "",
        "per year",
        "growth of inference efficiency",
        "Ho et al. 2024: halving in 8 months (5-14)",
    )
    serving_retrofit: Number = q(0.3, 0, 1, "", "", "share of later inference efficiency that reaches models on sale")
    usefulness_width: Number = q(0.8, 0.05, 10, "w", "nats", "width of the step from useless to useful")
    outside_price: Number = q(60, 0.01, 1e4, "p_0", "$ per M tokens", "price of the status quo (human work)", FIT)
    enterprise_share: Number = q(0.4, 0, 1, "", "", "share of segments that are enterprises")
    enterprise_scale: Number = q(
        5, 0.01, 100, "", "", "use of an enterprise segment relative to a developer segment", FIT
    )
    enterprise_sensitivity: Number = fitted(
        "enterprise_sensitivity", 0.01, 20, "sigma_E", "", "coefficient on log price, enterprises: spending shares"
    )
    developer_sensitivity: Number = fitted(
        "developer_sensitivity", 0.01, 20, "sigma_D", "", "coefficient on log price, developers: spending shares"
    )
    sensitivity_spread: Number = q(0.15, 0, 1, "", "", "standard deviation of log price sensitivity within a group")
    enterprise_compliance: Number = q(1.5, 0, 20, "tau_E", "", "weight of enterprises on trust", FIT)
    developer_compliance: Number = q(0.6, 0, 20, "tau_D", "", "weight of developers on trust", FIT)
    closed_trust: Number = fitted("closed_trust", -10, 10, "", "utils", "trust of closed labs over open ones")
    openness_taste: Number = q(0.0, -10, 10, "o", "utils", "mean taste for open weights", FIT)
    openness_taste_spread: Number = q(0.8, 0, 10, "", "utils", "its standard deviation")
    quality_taste: Number = fitted("quality_taste", 0, 20, "theta", "utils", "coefficient on log usefulness")
    difficulty_low: Number = q(-1, -20, 40, "", "nats", "easiest tasks")
    difficulty_high: Number = q(11, -20, 40, "", "nats", "hardest tasks")
    token_scale: Number = q(
        7e5,
        1,
        1e12,
        "m",
        "M tokens per month",
        "use at the price of the status quo if all segments were developers",
        FIT,
    )
    usage_elasticity: Number = q(1.1, 0.05, 5, "eps_u", "", "elasticity of use in the price index", "Demirer et al.")
    nest_correlation: Number = q(
        0.3, 0, 0.95, "rho_n", "", "correlation of tastes within closed and within open models", "ECONOMICS A1: 0.3-0.7"
    )
    network_effect: Number = q(0.3, 0, 20, "n", "utils", "effect of peers' usage share")
    switching_cost: Number = q(1.0, 0, 20, "k", "utils", "cost of switching to another model", "Klemperer 1995")
    habit_rate: Number = q(0.25, 0.01, 1, "rho_j", "per month", "step of usage towards target shares")
    adoption_speed: Number = q(
        1.2, 0, 10, "", "per year", "speed of diffusion of use", "logistic diffusion, Griliches 1957"
    )
    adoption_midpoint: Number = q(36, -60, 240, "", "months", "month at which diffusion is half done")
    linear_price_scale: Number = q(
        10,
        0.01,
        1e4,
        "",
        "$ per M tokens",
        "price at which the linear form has the log form's elasticity of substitution between nests",
    )
    price_change_hazard: Number = q(
        0.012, 0, 1, "", "per month", "chance that a posted price may change", "STYLISED_FACTS B: 1.5 %"
    )
    undercut_response: Number = q(3, 0, 50, "", "per nat", "how being undercut raises that chance")
    menu_cost_band: Number = q(0.2, 0, 3, "", "nats", "smallest change worth its menu cost")
    price_adjustment: Number = q(0.3, 0, 1, "", "per month", "step towards the wanted price when prices are flexible")
    elasticity_floor: Number = q(1.15, 1.01, 5, "", "", "least elasticity a lab prices on")
    elasticity_ceiling: Number = q(15, 2, 1e3, "", "", "greatest elasticity a lab prices on")
    capability_slack: Number = q(0.35, 0, 5, "", "nats", "capability difference that buyers overlook")
    host_differentiation: Number = q(0.12, 0, 5, "mu_h", "", "margin over cost of a single host")
    host_fixed_cost: Number = q(0.2, 1e-4, 1e3, "", "$ M per month", "fixed cost of hosting a model")
    first_party_share: Number = q(0.5, 0, 1, "", "", "share of an open model's tokens its lab serves")
    subscription_fee_share: Number = q(
        0.3, 0, 1, "", "", "how far a two-part tariff moves the token price to cost", "Oi 1971"
    )
    subscription_capture: Number = q(0.2, 0, 1, "", "", "share of customers' surplus taken by the fee")
    complement_benefit: Number = q(0.5, 0, 5, "", "unit costs", "income of a complement per token")
    open_core_fee: Number = q(
        0.3, 0, 5, "", "share of sales", "support contracts of enterprises that use the lab's open models"
    )
    closed_monetisation: Number = q(
        -1,
        -1,
        4,
        "",
        "",
        "how all closed labs earn: 0 API, 1 subscription, 3 complement, 4 open core; -1 each its own way",
    )
    open_capture: Number = q(0.3, 0, 1, "", "", "share of an open model's margin that reaches its lab")

    # --- labs' money --------------------------------------------------------------------------------------------
    funding_rate: Number = q(0.02, 0, 1, "", "per month", "equity a lab in need can raise, share of its value")
    cash_target: Number = q(18, 1, 120, "", "months", "months of spending at which a lab stops raising")
    insolvency_months: Number = q(3, 1, 60, "", "months", "months without money before a lab leaves")
    entry_rate: Number = q(0.3, 0, 12, "", "per year", "entry of forks per free slot in a neutral climate")
    entry_cost_weight: Number = q(10, 0, 1e3, "", "", "how fixed compliance cost deters entry")
    seed_funding: Number = q(100, 0.1, 1e5, "", "$ M", "money of an entrant")
    seed_machines: Number = q(500, 0, 1e7, "", "H100e", "machines of an entrant")
    social_return_ratio: Number = q(
        1.6, 0, 20, "", "", "spillover per $ of research", "Bloom, Schankerman and Van Reenen 2013: 55 % against 21 %"
    )
    application_share: Number = q(0.02, 0, 1, "", "", "share of users' surplus that applications earn")

    # --- the crash of January 2025 ------------------------------------------------------------------------------
    crash_capacity: Number = q(1, 0, 1, "M_a", "", "mechanism (a): saturating demand or binding capacity")
    crash_rents: Number = q(1, 0, 1, "M_b", "", "mechanism (b): lower rents of labs, lower capex")
    crash_rivals: Number = q(1, 0, 1, "M_c", "", "mechanism (c): rivals and export rules")
    crash_beliefs: Number = q(1, 0, 1, "M_d", "", "mechanism (d): narrative and diagnostic over-reaction")
    narrative_loading: Number = q(
        0.05, 0, 5, "", "", "how far the story 'less compute, fewer chips' moves values", "Shiller 2017"
    )
    diagnostic_weight: Number = fitted(
        "diagnostic_weight",
        0,
        20,
        "theta_D",
        "",
        "over-weighting of news against the reference",
        "Bordalo, Gennaioli and Shleifer 2018: about 1",
    )
    reference_adjustment: Number = fitted(
        "reference_adjustment", 0, 1, "", "per day", "speed at which news becomes the reference"
    )
    chip_rent_exposure: Number = q(0.33, 0, 5, "", "", "loading of chip makers on appropriability", FIT)
    chip_policy_exposure: Number = q(0.22, 0, 5, "", "", "loading of chip makers on policy tightness", FIT)
    power_leverage: Number = fitted(
        "power_leverage", 0, 20, "", "", "power firms' loading relative to the quantity of compute"
    )
    platform_exposure: Number = q(0.0, -5, 5, "", "", "platforms' loading relative to the quantity of compute")
    platform_rent_exposure: Number = q(0.02, -5, 5, "", "", "platforms' loading on appropriability")
    application_rent_exposure: Number = fitted(
        "application_rent_exposure", -5, 5, "", "", "what applications lose when labs keep the rents"
    )
    closed_rent_exposure: Number = q(0.4, 0, 5, "", "", "loading of closed labs on appropriability")
    open_rent_exposure: Number = q(0.2, 0, 5, "", "", "gain of open labs when rents are not kept")

    # --- news and beliefs ---------------------------------------------------------------------------------------
    claim_value_sd: Number = q(
        1.0, 1e-3, 10, "sd_f", "nats", "standard deviation of true log cost", "Fischer and Verrecchia 2000"
    )
    claim_motive_sd: Number = q(1.0, 0, 10, "sd_m", "nats", "standard deviation of the motive to shade")
    claim_bias_cost: Number = q(1.0, 1e-3, 100, "c", "", "cost of biasing a report")
    claim_precision: Number = q(12, 0, 1e4, "", "per nat^2", "precision of a cost claim to a full believer", FIT)
    cost_to_intensity: Number = q(0.2, 0, 2, "", "", "nats of compute intensity per nat of training cost")
    audit_precision: Number = q(3.0, 0, 1e4, "tau_a", "per nat^2", "precision of an audit")
    audit_noise: Number = q(0.5, 0, 10, "", "nats", "standard deviation of an audit's error")
    capex_precision: Number = q(0.5, 0, 1e4, "", "per nat^2", "precision of a capex plan as news")
    capex_to_intensity: Number = q(0.3, 0, 5, "", "", "what a plan the size of the scale says about intensity")
    capex_news_scale: Number = q(300_000, 1, 1e9, "", "$ M", "programme that counts as large")
    release_precision: Number = q(4.0, 0, 1e4, "", "per nat^3", "precision of a release as news, per nat of surprise")
    gap_to_rents: Number = q(0.5, 0, 10, "", "", "nats of appropriability per nat of surprise in the race")
    rivals_to_tightness: Number = q(0.5, 0, 10, "", "", "nats of policy tightness per nat of a foreign surprise")
    earnings_precision: Number = q(1.0, 0, 1e4, "", "per nat^2", "precision of the leading vendor's orders as news")
    earnings_day: Number = q(18, 0, 20, "", "trading day", "day on which accounts are read")
    orders_to_intensity: Number = q(0.3, 0, 5, "", "", "nats of intensity per nat of orders over capacity")
    release_salience: Number = q(0.5, 0, 100, "", "", "salience of a release per nat of surprise")
    belief_spread: Number = q(0.3, 0, 5, "", "nats", "standard deviation of initial opinions")
    belief_variance: Number = q(0.15, 1e-4, 10, "", "nats^2", "initial variance of each investor's belief")
    belief_drift: Number = q(0.0003, 0, 1, "", "nats^2 per day", "variance added by a changing world")
    susceptibility: Number = q(0.3, 0, 1, "Lambda", "", "mean weight on neighbours")
    social_influence: Number = q(0.5, 0, 1, "", "", "scale of that weight in one conversation")
    anchoring: Number = q(0.02, 0, 1, "", "per week", "return to the initial opinion", "Friedkin and Johnsen 1990")
    credibility: Number = q(0.5, 0.01, 0.99, "w_c", "", "mean credibility given to cost claims", "ECONOMICS C7: 0.2-1")
    credibility_spread: Number = q(0.8, 0, 5, "", "logits", "its spread across investors")
    base_attention: Number = q(0.015, 0, 1, "a_0", "per day", "chance of reading the news anyway")
    news_exposure: Number = q(0.017, 0, 10, "a_1", "per day", "chance per unit of salience of hearing a story", FIT)
    attention_span: Number = q(5, 1, 250, "", "days", "how long interest lasts")
    attention_threshold: Number = q(0.6, 0, 1, "", "", "mean share of attentive neighbours that wakes an investor", FIT)
    attention_contagion: Number = q(1, 0, 1, "", "", "1 with threshold contagion, 0 broadcast only")
    salience_floor: Number = q(3, 0, 100, "", "", "salience below which nobody talks about it")
    story_life: Number = q(8, 0.5, 250, "", "days", "life of a story")

    # --- trading ------------------------------------------------------------------------------------------------
    trend_share: Number = q(0.3, 0, 1, "", "", "trend followers at the start")
    trend_share_maximum: Number = q(0.6, 0, 1, "", "", "most of an investor's weight on trend")
    trend_strength: Number = q(3, 0, 50, "chi", "", "trend followers' extrapolation of average daily returns")
    strategy_switching: Number = q(1, 0, 1e3, "beta", "", "intensity of choice", "Brock and Hommes 1998")
    strategy_scale: Number = q(200, 0, 1e6, "", "", "unit of strategies' profits")
    demand_per_mispricing: Number = q(2.0, 0.01, 100, "tau_d", "", "position per log point of mispricing")
    market_depth: Number = q(0.3, 0.001, 100, "lambda", "", "market maker's depth", "Farmer 2002")
    inventory_aversion: Number = q(
        0.02, 0, 1, "", "per day", "quote shading of a dealer with stock", "Ho and Stoll 1981"
    )
    noise_sd: Number = fitted("noise_sd", 1e-5, 0.2, "", "per day", "daily noise")
    broad_noise: Number = q(
        0.38,
        0.01,
        2,
        "",
        "",
        "daily noise of platforms and applications, layers of many firms, relative to that of one firm",
        "daily closes June 2024 to January 2025: 1.39 % (four platforms together) over 3.62 % (leading vendor)",
    )
    noise_correlation: Number = q(0.35, 0, 0.99, "", "", "share of it common to all assets")
    liquidity_feedback: Number = fitted(
        "liquidity_feedback",
        0,
        0.99,
        "phi",
        "",
        "how far past volatility thins liquidity",
        "Brunnermeier and Pedersen 2009",
    )
    variance_update: Number = q(0.12, 0, 1, "", "per day", "memory of volatility", "RiskMetrics 0.94")
    momentum_update: Number = q(0.05, 0, 1, "", "per day", "memory of average returns")
    risk_premium: Number = q(0.05, 0, 10, "", "", "discount for unresolved doubt")
    short_sale_constraint: Number = q(0, 0, 1, "", "", "1 forbids negative positions", "Miller 1977")
    price_limit: Number = q(0.5, 0.01, 5, "", "per day", "largest daily log change (circuit breaker)")
    multiple_chips: Number = q(20, 0.1, 500, "", "years of sales", "value of a vendor")
    multiple_labs: Number = q(25, 0.1, 500, "", "years of sales", "value of a lab")
    multiple_layers: Number = q(20, 0.1, 500, "", "years of profit", "value of a listed layer")
    lab_option_value: Number = q(40_000, 0, 1e7, "", "$ M", "value of being at the frontier without sales")
    earnings_smoothing: Number = q(0.3, 0.01, 1, "", "per month", "how fast accounts enter valuations")

    @model_validator(mode="after")
    def _inside_bounds(self) -> Parameters:
        problems = []
        for name, declared in type(self).model_fields.items():
            value = getattr(self, name)
            extra: Any = declared.json_schema_extra
            table = value if isinstance(value, dict) else {"": value}
            for where, number in table.items():
                label = f"{name}.{where}" if where else name
                if where and where not in (*JURISDICTIONS, "default"):
                    problems.append(f"{label}: no such jurisdiction{_nearest(where, (*JURISDICTIONS, 'default'))}")
                elif not math.isfinite(number):
                    problems.append(f"{label} = {number}: must be a finite number")
                elif not extra["low"] <= number <= extra["high"]:
                    unit = f" {extra['unit']}" if extra["unit"] else ""
                    problems.append(
                        f"{label} = {number:g}: must lie between {extra['low']:g} and {extra['high']:g}{unit}"
                    )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ParameterError(_explain(error)) from None

    def replace(self, **changes: Any) -> Parameters:
        """A copy with some parameters changed; ``ip_strength__china`` style is not needed: give a table."""
        return Parameters(**{**self.model_dump(exclude_unset=True), **changes})

    def values(self) -> dict[str, np.ndarray]:
        """Numbers as the compiled model takes them: scalars, and (R,) arrays for policy levers."""
        out = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in INSTRUMENTS:
                out[name] = np.array([_at(value, where, name) for where in JURISDICTIONS])
            else:
                out[name] = np.array(float(value))
        return out

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(cls.model_fields)

    @classmethod
    def table(cls) -> list[dict[str, Any]]:
        """One row per parameter: name, symbol, default, unit, low, high, meaning, source."""
        rows = []
        for name, declared in cls.model_fields.items():
            extra: Any = declared.json_schema_extra
            rows.append({"name": name, "default": declared.default, "meaning": declared.description, **extra})
        return rows


def _at(value: Lever, where: str, name: str) -> float:
    if not isinstance(value, dict):
        return float(value)
    default = value.get("default", Parameters.model_fields[name].default)
    return float(value.get(where, default))


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"] if part not in ("float", "dict[str,float]"))
        if problem["type"] == "extra_forbidden":
            lines.append(f"{where}: no such parameter{_nearest(where, Parameters.model_fields)}")
        elif problem["type"] == "value_error":
            lines.extend(str(problem["ctx"]["error"]).split("\n"))
        else:
            lines.append(f"{where} = {problem['input']!r}: {problem['msg'].lower()}")
    return "\n".join(dict.fromkeys(lines))
