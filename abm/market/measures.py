"""The table of observables: unit, meaning and sane range of every number that a run reports each month."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Measure(NamedTuple):
    unit: str
    meaning: str
    sane: tuple[float, float] | None = None
    """Lowest and highest plausible value, in the unit; a run that leaves the range raises an alarm. None: no range."""
    undefined: bool = False
    """Whether it may have no value, so that NaN is a valid result and not a failure."""


# Sane ranges are those of the industry from 2023 to 2032, whatever the model gives today. Where a definition sets limits,
# they are the range; money and stocks end about an order of magnitude beyond what has been observed or forecast.

_PRICING_POWER = {
    "lerner_closed": (
        "",
        "Lerner index (p - c)/p of closed labs, subscriptions included, weighted by sales",
        (-1, 1),
        True,
    ),
    "lerner_leader": ("", "Lerner index of the closed lab with the best model", (-1, 1), True),
    "lerner_followers": (
        "",
        "Lerner index of the other closed labs, each counted as far as it owes its flagship to others",
        (-1, 1),
        True,
    ),
    "lerner_rest": ("", "Lerner index of all closed labs but that with the best model", (-1, 1), True),
    "lerner_closed_nash": ("", "Lerner index of closed labs at the month's Nash prices", (-1, 1), True),
    "lerner_leader_nash": ("", "Lerner index of the closed lab with the best model, at Nash prices", (-1, 1), True),
    "lerner_followers_nash": ("", "Lerner index of the followers at Nash prices", (-1, 1), True),
    "lerner_rest_nash": (
        "",
        "Lerner index of all closed labs but that with the best model, at Nash prices",
        (-1, 1),
        True,
    ),
    "lerner_leader_api": ("", "Lerner index of the closed lab with the best model on API sales alone", (-1, 1), True),
    "lerner_followers_api": ("", "Lerner index of the followers on API sales alone", (-1, 1), True),
    "lerner_leader_api_nash": (
        "",
        "Lerner index of the closed lab with the best model on API sales alone, at Nash prices",
        (-1, 1),
        True,
    ),
    "lerner_followers_api_nash": (
        "",
        "Lerner index of the followers on API sales alone, at Nash prices",
        (-1, 1),
        True,
    ),
    "lerner_open": ("", "Lerner index of open models at their hosts, weighted by sales", (-1, 1), True),
    "lerner_basket": (
        "",
        "Lerner index on each segment's current purchases, weighted by its spending on closed models before the shock",
        (-1, 1),
        True,
    ),
    "closed_premium": (
        "ln",
        "log price of closed models over the hedonic line of open ones, weighted by sales",
        (-3, 8),  # GPT-4 over DeepSeek-V3 in December 2024, from abm/data/model_prices.csv: 5.4
        True,
    ),
    "premium_coverage": ("share", "sales of closed models of a capability that open ones span", (0, 1), True),
    "contestable_share": (
        "share of spending",
        "spending on closed models where only open ones keep closed labs from raising prices by a tenth (SSNIP)",
        (0, 1),
        True,
    ),
    "rent_half_life": (
        "months",
        "time in which a closed flagship that led at its release loses half of its rent, adoption and unit cost held",
        (0.1, 1e4),
        True,
    ),
    "closed_profit": ("$ M per month", "profit of closed labs", (-5e4, 1e5)),
    "closed_profit_per_training": ("$ per $", "profit of closed labs per dollar of training compute", (-10, 50), True),
    "closed_margin_share": (
        "share",
        "closed labs' share of the margin of token sales over the cost of serving",
        (0, 1),
        True,
    ),
    "open_token_share": ("share", "open models' share of tokens", (0, 1), True),
    "open_revenue_share": ("share", "open models' share of spending on tokens", (0, 1), True),
    "open_developer_share": (
        "share",
        "open models' share of the tokens of developers",
        (0, 1),
        True,
    ),
    "open_enterprise_share": ("share", "open models' share of enterprises' spending", (0, 1), True),
    "hhi": ("", "Herfindahl-Hirschman index of labs' token sales", (0, 1), True),
    "token_volume": ("M tokens per month", "tokens used", (1e5, 1e14)),
    "token_revenue": ("$ M per month", "spending on tokens and subscriptions", (1, 3e5)),
    "api_revenue": ("$ M per month", "spending on tokens by developers and enterprises", (1, 3e5)),
    "subscription_revenue": ("$ M per month", "consumers' spending on subscriptions", (0, 3e5)),
    "adoption": ("share", "use of models, as a share of the tasks by value", (0, 1)),
}
_PRICES = {
    # A fall by a factor of a thousand a year for five years; observed are factors of 9 to 900.
    "price_index": ("$ per M tokens", "quality-adjusted price index, weighted by spending", (1e-15, 100), True),
    "frontier_price": ("$ per M tokens", "list price of the most capable model", (0.01, 1e3)),
    "mean_price_paid": ("$ per M tokens", "average price paid", (1e-4, 100), True),
    "price_revisions": (
        "share of products",
        "list prices of closed models changed this month without a release",
        (0, 1),
        True,
    ),
    **{
        f"price_at_k{k}": (
            "$ per M tokens",
            f"cheapest list price at capability {k} or more (undefined before the first)",
            (1e-5, 1e3),
            True,
        )
        for k in range(7)
    },
}
_RACE = {
    "frontier": (
        "nats",
        "best capability on sale, ln effective compute relative to the frontier of January 2023; -30 if none",
        (-1, 40),
    ),
    "open_frontier": ("nats", "best open capability on sale; -30 if none", (-5, 40)),
    "open_closed_gap": ("nats", "frontier minus open frontier", (-5, 10), True),
    "open_closed_lag": (
        "months",
        "time since a closed model first reached the open frontier's capability, counted from the start of the run",
        (0, 60),
        True,
    ),
    "us_china_gap": ("nats", "best capability on sale from the United States minus that from China", (-5, 10), True),
    "research_intensity": ("", "mean research effort relative to the industry's trend", (0, 5)),
    # Industries that spend less than half a per cent of their sales on research count as low-tech.
    "research_to_sales": ("", "research spending over sales", (0.005, 20)),
    "research_spending": ("$ M per month", "research wages of labs", (10, 2e4)),
    "research_of_leader": (
        "",
        "research effort of the closed lab with the best model, relative to trend",
        (0, 5),
        True,
    ),
    "research_of_rest": ("", "mean research effort of all other labs, relative to trend", (0, 5), True),
    "lead_expected": ("months", "time for which that lab has seen its leads last", (0.5, 120), True),
    "option_multiple": ("", "value over cost at which labs invest (Dixit and Pindyck), mean over labs", (1, 10)),
    "releases": ("per month", "tiers released", (0, 100)),
    "distillation_volume": ("M exchanges per month", "exchanges of students with teachers", (0, 1e4)),
    "distilled_share": ("", "share of released capability owed to teachers or copied weights, mean over labs", (0, 1)),
    "vigilance": ("", "mean defence of labs against distillation", (0, 5)),
}
_CHIPS = {
    "leader_revenue": ("$ M per month", "sales of the leading chip vendor", (100, 3e5)),
    "leader_margin": ("", "gross margin of the leading chip vendor", (0, 0.95)),
    "hardware_share": ("share", "chip vendors' share of the gross margins of vendors and labs together", (0, 1)),
    "leader_profit": ("$ M per month", "profit of the leading chip vendor", (-1e4, 2e5)),
    "chip_revenue": ("$ M per month", "sales of all chip vendors", (100, 3e5)),
    "chip_profit": ("$ M per month", "profit of all chip vendors", (-1e4, 2e5)),
    "chip_price": ("$ M per H100e", "leading vendor's price of compute", (3e-4, 0.1)),
    "chip_margin": ("", "gross margin of all vendors, weighted by sales", (0, 0.95)),
    "chip_orders": ("H100e per month", "compute ordered", (0, 1e9)),
    "chip_deliveries": ("H100e per month", "effective compute delivered", (0, 1e9)),
    "lead_time": ("months", "leading vendor's backlog over its capacity", (0, 30)),
    "leader_share": ("share", "leading vendor's share of sales", (0, 1)),
    "china_share": ("share", "China's share of the leading vendor's deliveries", (0, 1)),
    "capex": ("$ M per month", "spending of all owners on chips", (100, 3e5)),
    "stranded_value": ("$ M", "book value of machines above the price of new ones for the work they do", (0, 1e6)),
}
_COMPUTE = {
    "compute_installed": ("H100e", "machines in their places, of all owners", (1e5, 1e10)),
    "compute_waiting": ("H100e", "machines delivered that wait for a place", (0, 1e9)),
    "compute_china": ("H100e", "machines in China", (1e3, 1e10)),
    # Machines stand idle only where rent does not cover their energy.
    "compute_utilisation": ("", "share of the machines in their places that run", (0.5, 1)),
    "machines_platforms": ("H100e", "machines of the four large platforms", (1e4, 1e10)),
    "machines_programmes": ("H100e", "machines of announced programmes", (0, 1e9)),
    "machines_labs": ("H100e", "machines that labs own", (0, 1e9)),
    "training_share": ("share", "machines that train, of those that run", (0, 1)),
    "serving_share": ("share", "machines that serve tokens, of those that run", (0, 1)),
    "rental_price": ("$ M per H100e month", "spot rent in the United States", (5e-5, 0.01)),
    "contract_price": ("$ M per H100e month", "rent of a contract for a year in the United States", (5e-5, 0.01)),
    "rental_price_china": ("$ M per H100e month", "spot rent in China", (5e-5, 0.03)),
    # Free entry keeps rent near user cost; in the scarcity of 2023 it was three times as high.
    "rent_over_cost": ("", "spot rent over the user cost of a new machine, United States", (0.4, 4)),
    "places": ("GW", "powered places", (0.1, 500)),
    "places_building": ("GW", "places between order and power", (0, 500)),
    # The world's power stations average 3,500 GW.
    "power_at_work": ("GW", "power that running machines draw", (0.1, 350)),
    "power_price": ("$ per MWh", "price of power, United States", (10, 400)),
    "additionality": (
        "",
        "places of programmes that others would not have built, as a share (undefined without any)",
        (0, 1),
        True,
    ),
    "growth_expected": (
        "per year",
        "growth of machines wanted at a given rent that owners expect, United States",
        (-1, 2),
    ),
    "serving_efficiency": ("nats", "inference efficiency since January 2023", (-1, 20)),
}
_ENFORCEMENT = {
    "detections": ("per month", "students caught distilling", (0, 50)),
    "suits_lost": ("per month", "suits lost by students", (0, 20)),
    # The largest settlement so far, over pirated books, was 1.5 $ B.
    "damages": ("$ M per month", "damages paid", (0, 5e3)),
    "royalties": ("$ M per month", "paid to owners of the weights that models descend from", (0, 5e3)),
    "active_labs": ("labs", "labs in business", (1, 500)),
    "active_closed_labs": ("labs", "closed labs in business", (1, 200)),
    "entries": ("per month", "entrants", (0, 50)),
    "exits": ("per month", "labs that left", (0, 50)),
    # All large platforms together hold about half of the upper limit.
    "lab_cash": ("$ M", "cash of labs", (0, 1e6)),
    "ip_strength": ("", "IP strength, mean over jurisdictions", (0, 1)),
}
_BELIEFS_AND_EQUITIES = {
    # 50 $ T is about half of the value of the world's listed shares.
    **{
        f"equity_{layer}": ("$ M", f"market value of {words}", (1e3, 5e7))
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
        (0, 3),
    ),
    "posterior_variance": ("nats^2", "mean variance of investors' own beliefs", (0, 10)),
    "winner_entropy": (
        "nats",
        "entropy of the market's beliefs about who wins (all questions except credibility)",
        (0, 0.7),
    ),
    "attention": ("share of wealth", "investors who follow the news at the end of the month", (0, 1)),
    "trend_share": ("", "weight of the trend strategy", (0, 1)),
    "belief_intensity": ("nats", "mean belief: compute intensity of the future", (-5, 5)),
    "belief_appropriability": ("nats", "mean belief: closed labs keep the rents", (-5, 5)),
    "belief_tightness": ("nats", "mean belief: tightness of policy", (-5, 5)),
    "belief_credibility": ("logits", "mean belief: credibility of cost claims", (-5, 5)),
}
_WELFARE = {
    # World output is about 10 $ T a month: users gain at most a tenth of it.
    "consumer_surplus": (
        "$ M per month",
        "gain of users over the status quo, net of payments for tokens, fees and applications",
        (-1e4, 1e6),
    ),
    "producer_surplus": (
        "$ M per month",
        "profits of labs, vendors and layers from AI minus machines bought; power at cost",
        (-3e5, 3e5),
    ),
    "work_surplus": ("$ M per month", "gain of those who use machines for other work over its price", (0, 3e6)),
    "research_spillover": (
        "$ M per month",
        "social return to research beyond the private one; not in welfare",
        (0, 1e5),
    ),
    "compliance_cost": ("$ M per month", "fees and costs of compliance; already in profits", (0, 1e4)),
    "delay_loss": ("$ M per month", "interest on machines that wait for a place; not in welfare", (0, 1e4)),
    "welfare": ("$ M per month", "consumer and producer surplus, and that of other work", (-3e5, 3e6)),
    **{
        f"welfare_{where}": (
            "$ M per month",
            f"users, labs and vendors at home in {name}; without the listed layers, which have no home",
            (-3e5, 1e6),
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
    "money_residual": ("", "largest violation of a money identity, relative to flows: zero up to rounding", (0, 1e-8)),
    "compute_residual": (
        "",
        "violation of the compute identity, relative to the stock: zero up to rounding",
        (0, 1e-8),
    ),
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
