"""Parameters: the token market, and the finances of labs."""

from __future__ import annotations

from pydantic import BaseModel

from abm.parameters.quantities import BY_HAND, Number, fitted, quantity


class Tokens(BaseModel):
    """The token market, and the finances of labs."""

    # --- tokens -----------------------------------------------------------------------------------------------------
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
    serving_retrofit: Number = quantity(
        0.3, 0, 1, "", "", "share of later inference efficiency that reaches models on sale"
    )
    usefulness_width: Number = quantity(0.8, 0.05, 10, "w", "nats", "width of the step from useless to useful")
    outside_price: Number = quantity(
        60, 0.01, 1e4, "p_0", "$ per M tokens", "price of the status quo (human work)", BY_HAND
    )
    enterprise_share: Number = quantity(0.4, 0, 1, "", "", "share of segments that are enterprises")
    enterprise_scale: Number = quantity(
        5, 0.01, 100, "", "", "use of an enterprise segment relative to a developer segment", BY_HAND
    )
    enterprise_sensitivity: Number = fitted(
        "enterprise_sensitivity", 0.01, 20, "sigma_E", "", "coefficient on log price, enterprises: spending shares"
    )
    developer_sensitivity: Number = fitted(
        "developer_sensitivity", 0.01, 20, "sigma_D", "", "coefficient on log price, developers: spending shares"
    )
    sensitivity_spread: Number = quantity(
        0.15, 0, 1, "", "", "standard deviation of log price sensitivity within a group"
    )
    enterprise_compliance: Number = quantity(1.5, 0, 20, "tau_E", "", "weight of enterprises on trust", BY_HAND)
    developer_compliance: Number = quantity(0.6, 0, 20, "tau_D", "", "weight of developers on trust", BY_HAND)
    closed_trust: Number = fitted("closed_trust", -10, 10, "", "utils", "trust of closed labs over open ones")
    openness_taste: Number = quantity(0.0, -10, 10, "o", "utils", "mean taste for open weights", BY_HAND)
    openness_taste_spread: Number = quantity(0.8, 0, 10, "", "utils", "its standard deviation")
    quality_taste: Number = fitted("quality_taste", 0, 20, "theta", "utils", "coefficient on log usefulness")
    difficulty_low: Number = quantity(-1, -20, 40, "", "nats", "easiest tasks")
    difficulty_high: Number = quantity(11, -20, 40, "", "nats", "hardest tasks")
    token_scale: Number = quantity(
        7e5,
        1,
        1e12,
        "m",
        "M tokens per month",
        "use at the price of the status quo if all segments were developers",
        BY_HAND,
    )
    usage_elasticity: Number = quantity(
        1.1, 0.05, 5, "eps_u", "", "elasticity of use with respect to the price index", "Demirer et al."
    )
    nest_correlation: Number = quantity(
        0.3, 0, 0.95, "rho_n", "", "correlation of tastes within closed and within open models", "assumption: 0.3-0.7"
    )
    network_effect: Number = quantity(0.3, 0, 20, "n", "utils", "effect of peers' usage share")
    switching_cost: Number = quantity(1.0, 0, 20, "k", "utils", "cost of switching to another model", "Klemperer 1995")
    habit_rate: Number = quantity(0.25, 0.01, 1, "rho_j", "per month", "adjustment of usage towards target shares")
    adoption_speed: Number = quantity(
        1.2, 0, 10, "", "per year", "speed of diffusion of use", "logistic diffusion, Griliches 1957"
    )
    adoption_midpoint: Number = quantity(36, -60, 240, "", "months", "month at which diffusion is half done")
    linear_price_scale: Number = quantity(
        10,
        0.01,
        1e4,
        "",
        "$ per M tokens",
        "price at which the linear form has the log form's elasticity of substitution between nests",
    )
    price_change_hazard: Number = quantity(
        0.012, 0, 1, "", "per month", "chance that a posted price may change", "list prices to June 2025: 1.5 %"
    )
    undercut_response: Number = quantity(3, 0, 50, "", "per nat", "how much being undercut raises that chance")
    menu_cost_band: Number = quantity(0.2, 0, 3, "", "nats", "smallest change worth its menu cost")
    price_adjustment: Number = quantity(
        0.3, 0, 1, "", "per month", "adjustment towards the desired price when prices are flexible"
    )
    elasticity_floor: Number = quantity(1.15, 1.01, 5, "", "", "lowest elasticity on which a lab bases its prices")
    elasticity_ceiling: Number = quantity(15, 2, 1e3, "", "", "highest elasticity on which a lab bases its prices")
    capability_slack: Number = quantity(0.35, 0, 5, "", "nats", "capability difference that buyers overlook")
    host_differentiation: Number = quantity(0.12, 0, 5, "mu_h", "", "margin over cost of a single host")
    host_fixed_cost: Number = quantity(0.2, 1e-4, 1e3, "", "$ M per month", "fixed cost of hosting a model")
    first_party_share: Number = quantity(0.5, 0, 1, "", "", "share of an open model's tokens its lab serves")
    subscription_fee_share: Number = quantity(
        0.3, 0, 1, "", "", "how far a two-part tariff moves the token price towards cost", "Oi 1971"
    )
    subscription_capture: Number = quantity(0.2, 0, 1, "", "", "share of customers' surplus taken by the fee")
    complement_benefit: Number = quantity(0.5, 0, 5, "", "unit costs", "income of a complement per token")
    open_core_fee: Number = quantity(
        0.3, 0, 5, "", "share of sales", "support contracts of enterprises that use the lab's open models"
    )
    closed_monetisation: Number = quantity(
        -1,
        -1,
        4,
        "",
        "",
        "how all closed labs earn money: 0 API, 1 subscription, 3 complement, 4 open core; -1 each in its own way",
    )
    open_capture: Number = quantity(0.3, 0, 1, "", "", "share of an open model's margin that reaches its lab")

    # --- finances of labs -------------------------------------------------------------------------------------------
    funding_rate: Number = quantity(
        0.02, 0, 1, "", "per month", "equity that a lab in need can raise, as a share of its value"
    )
    cash_target: Number = quantity(
        18, 1, 120, "", "months", "months of spending in cash at which a lab stops raising money"
    )
    insolvency_months: Number = quantity(3, 1, 60, "", "months", "months without money before a lab leaves the market")
    entry_rate: Number = quantity(0.3, 0, 12, "", "per year", "entry of forks per free slot in a neutral climate")
    entry_cost_weight: Number = quantity(10, 0, 1e3, "", "", "how strongly fixed compliance costs deter entry")
    seed_funding: Number = quantity(100, 0.1, 1e5, "", "$ M", "initial cash of an entrant")
    social_return_ratio: Number = quantity(
        1.6, 0, 20, "", "", "spillover per $ of research", "Bloom, Schankerman and Van Reenen 2013: 55 % against 21 %"
    )
    application_share: Number = quantity(0.02, 0, 1, "", "", "share of users' surplus that applications earn")
