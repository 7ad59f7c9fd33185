"""The table of observables: unit and meaning of every number that a run reports each month."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Measure(NamedTuple):
    unit: str
    meaning: str
    undefined: bool = False
    """Whether it may have no value, so that NaN is a valid result and not a failure."""


_PRICING_POWER = {
    "lerner_closed": ("", "Lerner index (p - c)/p of closed models, weighted by sales"),
    "lerner_open": ("", "Lerner index of open models at their hosts, weighted by sales"),
    "lerner_basket": (
        "",
        "Lerner index on each segment's current purchases, weighted by its spending on closed models before the shock",
    ),
    "closed_premium": ("ln", "log price of closed models over the cheapest open model of equal capability"),
    "contestable_share": (
        "share of spending",
        "segments whose best open offer is within one switching cost of the best closed one",
    ),
    "closed_profit": ("$ M per month", "profit of closed labs"),
    "closed_profit_per_training": ("$ per $", "profit of closed labs per dollar of training compute"),
    "closed_margin_share": ("share", "closed labs' share of the margin of token sales over the cost of serving"),
    "open_token_share": ("share", "open models' share of tokens"),
    "open_revenue_share": ("share", "open models' share of spending on tokens"),
    "open_developer_share": ("share", "open models' share of the tokens of developers, the price-sensitive segments"),
    "hhi": ("", "Herfindahl-Hirschman index of labs' token sales"),
    "token_volume": ("M tokens per month", "tokens used"),
    "token_revenue": ("$ M per month", "spending on tokens"),
}
_PRICES = {
    "price_index": ("$ per M tokens", "quality-adjusted price index, weighted by spending"),
    "frontier_price": ("$ per M tokens", "list price of the most capable model"),
    "mean_price_paid": ("$ per M tokens", "average price paid"),
    "price_revisions": ("share of products", "list prices changed this month without a release"),
    **{
        f"price_at_k{k}": (
            "$ per M tokens",
            f"cheapest list price at capability {k} or more (undefined before the first)",
            True,
        )
        for k in range(7)
    },
}
_RACE = {
    "frontier": (
        "nats",
        "best capability on sale, ln effective compute relative to the frontier of January 2023; -30 if none",
    ),
    "open_frontier": ("nats", "best open capability on sale; -30 if none"),
    "open_closed_gap": ("nats", "frontier minus open frontier"),
    "open_closed_lag": (
        "months",
        "time since a closed model first reached the open frontier's capability, counted from the start of the run",
    ),
    "us_china_gap": ("nats", "best capability on sale from the United States minus that from China"),
    "research_intensity": ("", "mean research effort relative to the industry's trend"),
    "research_to_sales": ("", "research spending over sales"),
    "research_spending": ("$ M per month", "research wages of labs"),
    "option_multiple": ("", "value over cost at which labs invest (Dixit and Pindyck), mean over labs"),
    "releases": ("per month", "tiers released"),
    "distillation_volume": ("M exchanges per month", "exchanges of students with teachers"),
    "distilled_share": ("", "share of released capability owed to teachers or copied weights, mean over labs"),
    "vigilance": ("", "mean defence of labs against distillation"),
}
_CHIPS = {
    "leader_revenue": ("$ M per month", "sales of the leading chip vendor"),
    "leader_margin": ("", "gross margin of the leading chip vendor"),
    "hardware_share": ("share", "chip vendors' share of the gross margins of vendors and labs together"),
    "leader_profit": ("$ M per month", "profit of the leading chip vendor"),
    "chip_revenue": ("$ M per month", "sales of all chip vendors"),
    "chip_profit": ("$ M per month", "profit of all chip vendors"),
    "chip_price": ("$ M per H100e", "leading vendor's price of compute"),
    "chip_margin": ("", "gross margin of all vendors, weighted by sales"),
    "chip_orders": ("H100e per month", "compute ordered"),
    "chip_deliveries": ("H100e per month", "effective compute delivered"),
    "lead_time": ("months", "leading vendor's backlog over its capacity"),
    "leader_share": ("share", "leading vendor's share of sales"),
    "china_share": ("share", "China's share of the leading vendor's deliveries"),
    "capex": ("$ M per month", "spending of all owners on chips"),
    "stranded_value": ("$ M", "book value of machines above the price of new ones for the work they do"),
}
_COMPUTE = {
    "compute_installed": ("H100e", "machines in their places, of all owners"),
    "compute_waiting": ("H100e", "machines delivered that wait for a place"),
    "compute_china": ("H100e", "machines in China"),
    "compute_utilisation": ("", "share of the machines in their places that run"),
    "machines_platforms": ("H100e", "machines of the four large platforms"),
    "machines_programmes": ("H100e", "machines of announced programmes"),
    "machines_labs": ("H100e", "machines that labs own"),
    "training_share": ("share", "machines that train, of those that run"),
    "serving_share": ("share", "machines that serve tokens, of those that run"),
    "rental_price": ("$ M per H100e month", "spot rent in the United States"),
    "contract_price": ("$ M per H100e month", "rent of a contract for a year in the United States"),
    "rental_price_china": ("$ M per H100e month", "spot rent in China"),
    "rent_over_cost": ("", "spot rent over the user cost of a new machine, United States"),
    "places": ("GW", "powered places"),
    "places_building": ("GW", "places between order and power"),
    "power_at_work": ("GW", "power that running machines draw"),
    "power_price": ("$ per MWh", "price of power, United States"),
    "additionality": (
        "",
        "places of programmes that others would not have built, as a share (undefined without any)",
        True,
    ),
    "growth_expected": ("per year", "growth of machines wanted at a given rent that owners expect, United States"),
    "serving_efficiency": ("nats", "inference efficiency since January 2023"),
}
_ENFORCEMENT = {
    "detections": ("per month", "students caught distilling"),
    "suits_lost": ("per month", "suits lost by students"),
    "damages": ("$ M per month", "damages paid"),
    "active_labs": ("labs", "labs in business"),
    "active_closed_labs": ("labs", "closed labs in business"),
    "entries": ("per month", "entrants"),
    "exits": ("per month", "labs that left"),
    "lab_cash": ("$ M", "cash of labs"),
    "ip_strength": ("", "IP strength, mean over jurisdictions"),
}
_BELIEFS_AND_EQUITIES = {
    **{
        f"equity_{layer}": ("$ M", f"market value of {words}")
        for layer, words in {
            "leader": "the leading chip vendor",
            "chips": "chip vendors",
            "closed": "closed labs",
            "open": "open labs",
            "power": "power",
            "platforms": "platforms",
            "applications": "applications",
        }.items()
    },
    "belief_dispersion": (
        "nats",
        "standard deviation of beliefs across investors, mean over the questions except credibility",
    ),
    "posterior_variance": ("nats^2", "mean variance of investors' own beliefs"),
    "winner_entropy": ("nats", "entropy of the market's beliefs about who wins (all questions except credibility)"),
    "attention": ("share of wealth", "investors who follow the news at the end of the month"),
    "trend_share": ("", "weight of the trend strategy"),
    "belief_intensity": ("nats", "mean belief: compute intensity of the future"),
    "belief_appropriability": ("nats", "mean belief: closed labs keep the rents"),
    "belief_tightness": ("nats", "mean belief: tightness of policy"),
    "belief_credibility": ("logits", "mean belief: credibility of cost claims"),
}
_WELFARE = {
    "consumer_surplus": (
        "$ M per month",
        "gain of users over the status quo, net of payments for tokens, fees and applications",
    ),
    "producer_surplus": (
        "$ M per month",
        "profits of labs, vendors and layers from AI minus machines bought; power at cost",
    ),
    "work_surplus": ("$ M per month", "gain of those who use machines for other work over its price"),
    "research_spillover": ("$ M per month", "social return to research beyond the private one; not in welfare"),
    "compliance_cost": ("$ M per month", "fees and costs of compliance; already in profits"),
    "delay_loss": ("$ M per month", "interest on machines that wait for a place; not in welfare"),
    "welfare": ("$ M per month", "consumer and producer surplus, and that of other work"),
    **{
        f"welfare_{where}": (
            "$ M per month",
            f"users, labs and vendors at home in {name}; without the listed layers, which have no home",
        )
        for where, name in {
            "us": "the United States",
            "china": "China",
            "eu": "the European Union",
            "row": "the rest of the world",
        }.items()
    },
}
_CHECKS = {
    "money_residual": ("", "largest violation of a money identity, relative to flows: zero up to rounding"),
    "compute_residual": ("", "violation of the compute identity, relative to the stock: zero up to rounding"),
}

GROUPS: dict[str, dict[str, tuple[Any, ...]]] = {
    "pricing power": _PRICING_POWER,
    "prices": _PRICES,
    "race": _RACE,
    "chips": _CHIPS,
    "compute": _COMPUTE,
    "enforcement and entry": _ENFORCEMENT,
    "beliefs and equities": _BELIEFS_AND_EQUITIES,
    "welfare": _WELFARE,
    "accounting": _CHECKS,
}

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {name: Measure(*row) for group in GROUPS.values() for name, row in group.items()}
)
UNDEFINED = frozenset(name for name, measure in MEASURES.items() if measure.undefined)
"""Observables that may have no value."""
