"""Parameters: research, imitation and the release of models."""

from __future__ import annotations

from pydantic import BaseModel

from abm.parameters.quantities import BY_HAND, Number, fitted, quantity


class Research(BaseModel):
    """Research, imitation and the release of models."""

    # --- research, imitation, release -------------------------------------------------------------------------------
    algorithmic_doubling_time: Number = quantity(
        8, 1, 60, "T_a", "months", "halving time of compute for equal capability", "Ho et al. 2024: 8 (5-14)"
    )
    research_returns: Number = quantity(
        0.3, 0.01, 0.95, "psi", "", "elasticity of progress with respect to research effort"
    )
    research_luck: Number = quantity(
        1.0,
        0,
        3,
        "sd_R",
        "",
        "standard deviation of log productivity in research",
        "assumption: plants of one industry differ by 0.3 to 0.6 (Syverson 2011), ideas by more",
    )
    luck_persistence: Number = quantity(
        0.97, 0, 1, "", "", "correlation of a lab's productivity from month to month", "Syverson 2011: 0.6-0.8 a year"
    )
    scarcity_induction: Number = quantity(0.2, 0, 5, "iota", "per nat", "progress induced by scarcity of compute")
    scarcity_diversion: Number = quantity(
        0.3, 0, 5, "", "nats per nat", "efficiency of serving given up for it at a release", "assumption"
    )
    spillover_rate: Number = quantity(0.1, 0, 2, "s", "per month", "catch-up with published efficiency")
    publication_gap: Number = quantity(0.5, 0, 5, "", "nats", "efficiency that closed labs keep unpublished")
    reference_compute: Number = quantity(
        50_000, 1, 1e9, "C_ref", "H100e months", "compute of the frontier model of January 2023"
    )
    training_months: Number = quantity(6, 1, 60, "T", "months", "months over which a lab spends what a run is worth")
    copying_rate: Number = quantity(
        4.0,
        0,
        100,
        "kappa_c",
        "per year",
        "rate of copying open weights",
        "as for distillation",
    )
    fork_cost: Number = quantity(0.3, 0, 5, "", "nats", "what a change to another parent costs", BY_HAND)
    copy_fidelity: Number = quantity(0.95, 0.1, 1, "", "", "capability of a fork relative to its source")
    distillation_rate: Number = quantity(
        4.0,
        0,
        100,
        "kappa_d",
        "per year",
        "rate at which distillation closes a gap",
        "lag of 3.6 months for levels of late 2024 (11 for those of 2023)",
    )
    distillation_ceiling: Number = quantity(
        0.95,
        0.3,
        1.2,
        "rho",
        "",
        "capability a student can reach relative to its teacher",
        "assumption: 0.8-1.05, after Busbridge et al. 2025",
    )
    exchange_scale: Number = quantity(
        2.0,
        0.001,
        1e4,
        "x_0",
        "M exchanges per month",
        "exchanges at which 63 % of the effect is reached",
        "C9: 16 M exchanges in all alleged",
    )
    exchange_limit: Number = quantity(20, 0, 1e5, "", "M exchanges per month", "most exchanges that a student can send")
    tokens_per_exchange: Number = quantity(0.002, 1e-5, 1, "", "M tokens", "length of an exchange")
    access_delay: Number = quantity(
        1, 1, 12, "d", "months", "delay after which a teacher's capability can be learnt (whole months)"
    )
    lead_forgetting: Number = quantity(
        0.0167,
        0,
        1,
        "",
        "per month",
        "forgetting of how leads ended, what exchanges taught, and who was detected",
        BY_HAND,
    )
    growth_fading: Number = quantity(
        0.25, 0.01, 10, "", "per year", "rate at which labs expect the market's growth to fade", BY_HAND
    )
    detection_rate: Number = quantity(0.02, 0, 10, "eta", "per M exchanges", "hazard of detection per unit of effort")
    access_cut_months: Number = quantity(6, 0, 60, "D", "months", "duration of denied access after detection")
    court_time: Number = quantity(
        18, 1, 120, "", "months", "from a suit to its ruling", "assumption; US median to trial about 2 years"
    )
    damages_multiple: Number = quantity(
        1, 0, 20, "F", "share", "damages after a lost lawsuit, of sales of what was taught"
    )
    damages_pace: Number = quantity(0.1, 0, 1, "", "per month", "share of the damages owed that is paid each month")
    ruling_spread: Number = quantity(0.3, 0, 1, "", "", "spread of win probabilities when the law is unclear")
    ruling_learning: Number = quantity(0.1, 0, 1, "", "per month", "weight of the last ruling in forecasts", BY_HAND)
    vigilance_cost: Number = quantity(3.0, 0.001, 1e4, "c_d", "$ M per month", "cost of a unit of defence")
    vigilance_maximum: Number = quantity(5, 0, 100, "", "", "largest defence effort of a teacher")
    hiding_cost: Number = quantity(
        3.0, 0.001, 1e4, "c_h", "$ M per month", "cost of hiding a nat of what exchanges teach an account", BY_HAND
    )
    hurry_loss: Number = quantity(0.5, 0, 5, "", "nats", "capability lost by a release at once after the last", BY_HAND)
    release_threshold: Number = quantity(
        0.3, 0.01, 5, "delta_l", "nats", "improvement that is worth a release", "assumption"
    )
    release_hazard: Number = quantity(
        0.8, 0.01, 1, "", "per month", "chance that a due release happens this month", BY_HAND
    )
    efficient_tier_threshold: Number = quantity(
        1.0, 0.1, 20, "", "", "improvement worth a release of the efficient tier, relative to the flagship's", BY_HAND
    )
    maximum_age: Number = quantity(15, 2, 120, "", "months", "age at which any improvement is released")
    tier_step: Number = quantity(
        0.35,
        0,
        5,
        "",
        "nats",
        "capability of a usual efficient model below the flagship",
        "median of ten pairs of 2024-25, Epoch ECI",
    )
    tier_size_step: Number = fitted(
        "tier_size_step", 0.1, 8, "", "ln parameters", "size of a usual efficient model below the flagship"
    )
    overtraining_loss: Number = quantity(
        0.31,
        0.01,
        10,
        "",
        "nats",
        "capability lost per squared departure from the compute-optimal size, ln parameters",
        "Hoffmann et al. 2022, curvature of the loss",
    )
    licence_needed: Number = quantity(0.3, 0, 1, "", "", "openness of a licence above which weights may be forked")
    openness_response: Number = quantity(
        1.5, 0, 20, "", "per nat", "how much being behind increases an open lab's openness"
    )
    research_cost_start: Number = quantity(8, 0.1, 1e5, "w_R0", "$ M per month", "cost of trend research at the start")
    research_burden_growth: Number = quantity(
        0.5, -1, 5, "", "per year", "growth of that cost", "Bloom et al. 2020: ideas get harder to find"
    )
    research_adjustment: Number = quantity(
        0.1, 0, 1, "", "per month", "adjustment of research intensity towards its target"
    )
    research_floor: Number = quantity(0.2, 0.001, 1, "", "", "lowest research intensity")
    research_ceiling: Number = quantity(5, 1, 100, "", "", "highest research intensity")
    demand_volatility: Number = quantity(
        0.25, 0, 3, "", "per sqrt year", "volatility of the value of research due to demand"
    )
    runway: Number = quantity(12, 1, 120, "", "months", "months of spending that a lab keeps in reserve")
    compute_budget_share: Number = quantity(
        0.8, 0, 1, "", "", "share of affordable spending after research that may go into training"
    )
    expected_open_gap: Number = quantity(1.2, 0, 10, "", "nats", "gap of open models that the market expects")
