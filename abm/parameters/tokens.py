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
    enterprise_share: Number = quantity(0.4, 0, 1, "", "", "share of segments that are enterprises")
    consumer_share: Number = quantity(0.2, 0, 1, "", "", "share of segments that are consumers, who subscribe")
    substitution: Number = quantity(
        20, 2, 100, "sigma", "", "elasticity of substitution between tokens of equal worth, less one", BY_HAND
    )
    usefulness_width: Number = quantity(
        0.65, 0.05, 10, "w", "nats", "width of the step from useless to useful", BY_HAND
    )
    difficulty_low: Number = quantity(-2, -20, 40, "", "nats", "easiest tasks", BY_HAND)
    difficulty_high: Number = quantity(16, -20, 40, "", "nats", "hardest tasks", BY_HAND)
    task_value: Number = quantity(
        5, 0.01, 1e4, "v", "$ per M tokens", "median of segments' mean value of tasks", BY_HAND
    )
    value_spread: Number = quantity(1.8, 0, 5, "", "log points", "standard deviation of segments' mean value", BY_HAND)
    value_slope: Number = quantity(0.2, -1, 1, "", "log points per nat", "rise of that value with difficulty", BY_HAND)
    enterprise_value: Number = quantity(1.0, -5, 5, "", "log points", "what enterprises' tasks are worth more", BY_HAND)
    consumer_value: Number = quantity(
        10, 0.01, 1e4, "", "$ per month", "mean value of a subscription to a consumer", BY_HAND
    )
    consumer_spread: Number = quantity(
        0.7, 0, 5, "", "log points", "standard deviation of that value over segments", BY_HAND
    )
    consumers: Number = quantity(4e9, 1, 1e11, "", "persons", "consumers in all", "people online")
    task_volume: Number = quantity(
        3e9,
        1,
        1e14,
        "m",
        "M tokens per month",
        "use if it cost nothing, all having adopted, at the median value",
        BY_HAND,
    )
    volume_slope: Number = quantity(1.6, 0, 3, "", "", "fall of log volume with log value", BY_HAND)
    subscriber_tokens: Number = quantity(0.5, 1e-4, 1e3, "", "M tokens per month", "what a subscriber uses", BY_HAND)
    free_use: Number = quantity(
        0.02, 0, 1, "", "of a subscriber's tokens", "use of consumers who have adopted and do not subscribe", BY_HAND
    )
    fit_spread: Number = quantity(
        0.5, 0, 5, "", "log points", "standard deviation of how well a lab's own models suit a segment", BY_HAND
    )
    fit_persistence: Number = quantity(0.9, 0, 1, "", "", "what is left of own fit after a release", BY_HAND)
    fit_inheritance: Number = quantity(
        1.0, 0, 1, "", "", "how much of its source's fit a model takes over, per share of capability owed", BY_HAND
    )
    trust_in_closed: Number = quantity(0.9, 0, 1, "", "", "trust in closed labs at the start", BY_HAND)
    trust_in_open: Number = quantity(0.25, 0, 1, "", "", "trust in open labs, also new ones, at the start", BY_HAND)
    trust_in_hosts: Number = quantity(0.85, 0, 1, "", "", "trust in certified hosts at the start", BY_HAND)
    trust_rate: Number = quantity(
        0.02, 0, 1, "", "per month", "trust gained with full use by oneself or all peers", BY_HAND
    )
    trust_ceiling: Number = quantity(0.95, 0, 1, "", "", "trust that use can earn", BY_HAND)
    incident_loss: Number = quantity(
        0.1, 0, 1, "", "share", "trust lost with an incident, such as a lost suit", BY_HAND
    )
    certified_margin: Number = quantity(
        0.9, 0, 5, "", "log points", "price of open weights at certified hosts over their lab's", "labs/FACTS row 17"
    )
    certified_delay: Number = quantity(
        1, 0, 24, "", "months", "time until they offer a release", "9 and 49 days after R1"
    )
    adoption_innovation: Number = quantity(0.005, 0, 5, "", "per year", "adoption by oneself", "Bass 1969")
    adoption_imitation: Number = quantity(2.9, 0, 10, "", "per year", "adoption in answer to peers", "Bass 1969")
    habit_rate: Number = quantity(
        0.45, 0.01, 1, "rho_d", "per month", "adjustment of developers' usage towards what is best", "labs/FACTS row 15"
    )
    menu_cost: Number = quantity(
        3.0, 0, 5, "", "share of best gross profit", "monthly gain that is worth a change of posted prices", BY_HAND
    )
    price_adjustment: Number = quantity(
        0.3, 0, 1, "", "per month", "adjustment towards the desired price when prices are flexible"
    )
    host_differentiation: Number = quantity(0.12, 0, 5, "mu_h", "", "margin over cost of a single host")
    host_fixed_cost: Number = quantity(0.2, 1e-4, 1e3, "", "$ M per month", "fixed cost of hosting a model")
    first_party_share: Number = quantity(0.5, 0, 1, "", "", "share of an open model's tokens its lab serves")
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
    perfect_copies: Number = quantity(
        0, 0, 1, "", "", "1: hosts offer a faithful copy of every closed product at cost; 0: none do", BY_HAND
    )

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
