"""What the default cast starts with just before January 2023: numbers with their unit and source.

`abm.market.start` reads them here, and docs/ODD.md lists them. Whatever an experiment may want to vary is a parameter instead
(`abm.parameters`); the numbers here are the shape of the cast.
"""

from typing import Any, NamedTuple

from abm.agents.lab import COMPLEMENT, HOSTING, METERED, OPEN_CORE, SUBSCRIPTION

BY_HAND = "set by hand to the order of magnitude of early 2023"
FACTS = "docs/explanation/stylised_facts.md: stock of machines by owner"


class Start(NamedTuple):
    """A starting value: one number, or one for each agent of the default cast in its order."""

    value: Any
    unit: str
    meaning: str
    source: str = BY_HAND
    beyond: float | None = None
    """For every agent that is added to the default cast."""


STARTING_VALUES: dict[str, Start] = {
    # --- chip vendors: leader, follower, inhouse, domestic ---
    "vendor_capacity": Start((1.0, 0.12, 0.2, 0.06), "of capacity_start", "capacity", beyond=0.05),
    "vendor_cost": Start((1.0, 1.25, 1.0, 1.8), "of chip_cost_start", "cost of a chip", beyond=1.4),
    "vendor_price": Start((1.0, 0.85, 0.8, 1.2), "of chip_price_start", "price of a chip", beyond=0.9),
    "vendor_software": Start((1.0, 0.0, 0.0, 0.0), "of leader_lock_in", "lock-in by software", beyond=0.0),
    "vendor_lock_in": Start((0.0, 0.0, 0.3, -0.8), "utility", "lock-in for other reasons", beyond=-0.5),
    "vendor_generation_age": Start((3.0, 1.0, 8.0, 6.0), "months", "age of the generation on sale", beyond=6.0),
    "vendor_merchant": Start(
        (1, 1, 0, 1), "yes or no", "sells to everybody, not only to those who design it", beyond=1
    ),
    "vendor_tools": Start(
        (1.0, 1.0, 1.0, 0.3),
        "share",
        "expansion for which it gets tools: under export control for China",
        FACTS,
        beyond=1.0,
    ),
    "vendor_expansion": Start((1.0, 0.7, 0.5), "of capacity", "capacity that comes on line, by stage of the delay"),
    "vendor_output": Start(36.0, "months of capacity", "chips made so far, of this generation and in all"),
    "vendor_cash": Start(15_000.0, "$ M, of a vendor with the leader's capacity", "cash"),
    # --- closed labs, then open labs ---
    "closed_capability": Start((0.0, -0.5, -1.0, -1.4, -2.2), "nats", "capability of the flagship", beyond=-2.0),
    "closed_training": Start((20_000, 25_000, 8_000, 6_000, 5_000), "H100e", "machines that train", beyond=5_000),
    "closed_cash": Start((10_000, 8_000, 2_000, 1_500, 1_500), "$ M", "cash", beyond=1_500),
    "closed_monetisation": Start(
        (SUBSCRIPTION, COMPLEMENT, METERED, SUBSCRIPTION, METERED), "kind", "how it earns money", beyond=METERED
    ),
    "closed_markup": Start(2.8, "of cost", "price"),
    "access_cut": Start(
        6.0, "months", "until flagships can be used through an API by anybody: GPT-4 could in July 2023"
    ),
    "open_capability": Start((-2.4, -2.0, -2.4, -2.8, -2.6, -3.0), "nats", "capability of the flagship", beyond=-2.8),
    "open_training": Start((2_000, 4_000, 2_000, 900, 1_000, 800), "H100e", "machines that train", beyond=800),
    "open_cash": Start((1_500, 6_000, 2_000, 600, 800, 600), "$ M", "cash", beyond=600),
    "open_monetisation": Start(
        (HOSTING, COMPLEMENT, OPEN_CORE, OPEN_CORE, HOSTING, HOSTING), "kind", "how it earns money", beyond=HOSTING
    ),
    "open_markup": Start(1.25, "of cost", "price"),
    "open_licence": Start(0.7, "share", "openness of the licence"),
    "lab_model_size": Start(0.5, "nats per nat of capability", "size of the flagship"),
    "lab_efficiency": Start(0.35, "of capability", "algorithmic efficiency"),
    "lab_run": Start(
        1.5, "months of the machines that train", "compute of the training run under way: enough for releases in 2023"
    ),
    "lab_claimed_cost": Start(50.0, "$ M, of a model at the frontier", "training cost that it claimed last"),
    "closed_provider": Start((1, 0, 2, 4, 5), "operator", "whose machines it rents", beyond=4),
    "closed_of_parent": Start((0, 1, 0, 0, 1), "yes or no", "whether that operator is its parent", beyond=0),
    "closed_own_share": Start(
        (0.0, 0.0, 0.0, 0.8, 0.0), "share", "of its machines that it wants to own", FACTS, beyond=0.0
    ),
    "open_provider": Start((5, 3, 5, 6, 4, 7), "operator", "whose machines it rents", beyond=4),
    "open_of_parent": Start((0, 1, 1, 0, 0, 0), "yes or no", "whether that operator is its parent", beyond=0),
    "open_own_share": Start(
        (0.8, 0.0, 0.0, 0.0, 0.0, 0.5), "share", "of its machines that it wants to own", beyond=0.0
    ),
    "lab_age": Start((3.0, 1.0), "months", "age of flagship and efficient model, staggered by up to 3 months"),
    "market_growth": Start(1.1, "per year", "growth of spending on tokens that labs expect"),
    "market_size": Start(60.0, "$ M per month", "spending on tokens and subscriptions"),
    "lead_seen": Start(12.0, "months", "for which flagships have stayed ahead of labs behind them"),
    "leads_seen": Start(2.0, "", "leads that labs have seen end"),
    "rent_decay": Start((0.02, 0.06), "per month", "by which rents fall while a lead lasts, and after it"),
    "leak_seen": Start(
        (0.5, 16.0), "nats, M exchanges", "by which students came nearer to a teacher, and exchanges behind that"
    ),
    "exchanges_risked": Start(20.0, "M exchanges x effort", "on which what labs know of detection rests"),
    "subscription_fee": Start(20.0, "$ per month", "fee of a subscription"),
    # --- listed layers: power, platforms, applications ---
    "layer_revenue": Start((200.0, 1_000.0, 100.0), "$ M per month", "revenue from AI"),
    "layer_other_income": Start((300.0, 15_000.0, 2_000.0), "$ M per month", "profit from elsewhere, and in all"),
    # --- users and investors ---
    "adopter_homes": Start((0.4, 0.2, 0.2, 0.2), "share", "homes, by jurisdiction"),
    "adopter_scale_sd": Start(0.4, "sd of the logarithm", "size of a segment, of mean one"),
    "adopted": Start((0.018, 0.009, 0.018), "share", "developers, enterprises, consumers that use models"),
    "early_share": Start(0.1, "share", "segments in which they are"),
    "review_pace": Start(
        (1.0, 0.25, 0.5), "of developers", "how often users review what they use: developers, enterprises, consumers"
    ),
    "compliance_least": Start((0.0, 0.3, 0.0), "share", "least need of a trusted provider, by kind of user"),
    "compliance_most": Start((0.1, 0.95, 0.2), "share", "largest need of one"),
    "investor_homes": Start((0.6, 0.1, 0.15, 0.15), "share", "homes, by jurisdiction"),
    "investor_wealth_sd": Start(0.8, "sd of the logarithm", "wealth"),
    "investor_aggressiveness_sd": Start(0.5, "sd of the logarithm", "aggressiveness, of mean one"),
    "investor_least": Start(0.5, "of the parameter", "least susceptibility and threshold; the most is 1 more"),
    # --- owners of machines ---
    "machines": Start(330_000.0, "H100e", "machines in their places", FACTS),
    "operator_home": Start((0, 0, 0, 0, 0, 1, 2, 3), "jurisdiction", "where an operator's places are"),
    "operator_designs": Start((1, 1, 1, 1, 0, 0, 0, 0), "yes or no", "buys the chips that platforms design"),
    "operator_machines": Start(
        (0.11, 0.20, 0.10, 0.12, 0.15, 0.13, 0.09, 0.10), "share of machines", "what an operator owns", FACTS
    ),
    "operator_orders": Start(
        (0.24, 0.21, 0.16, 0.14, 0.25, 1.0, 1.0, 1.0), "share of orders at home", "what an operator orders", FACTS
    ),
    "old_machines": Start(0.6, "share", "machines of the generation before the one on sale"),
    "places_free": Start(0.1, "of places in use", "places without machines"),
    "places_building": Start(1.4, "of places in use", "places being built, in each stage of the delay"),
    "chips_on_order": Start(1.0, "of machines in their places", "backlog of all vendors, shared out by capacity"),
    "growth_expected": Start(1.2, "per year", "growth of machines wanted at a given rent that owners expect"),
    "decline_expected": Start(0.31, "per year", "fall of the price of chips that owners expect"),
    "book_value": Start(0.6, "of the price of a chip", "book value of a machine"),
}
"""By name; `value_of` and `values_of` read them."""


def value_of(name: str) -> Any:
    """One starting value."""
    return STARTING_VALUES[name].value


def values_of(name: str, size: int) -> tuple[float, ...]:
    """One starting value for each of `size` agents: those of the default cast, then `beyond`."""
    start = STARTING_VALUES[name]
    return (*start.value, *([start.beyond] * size))[:size]


def offset_of(name: str) -> float:
    """Half the variance: what is taken off a normal logarithm so that the variable has mean one."""
    return round(STARTING_VALUES[name].value ** 2 / 2, 12)
