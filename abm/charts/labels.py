"""Labels of observables for axes and tables, with units. Imports nothing heavy: the command line uses it."""

import datetime as dt
import re
from typing import Any, NamedTuple


class Label(NamedTuple):
    """Readable name of a quantity, and its unit ("" for a pure number)."""

    name: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


def as_text(value: Any) -> str:
    """Convert any label or key to one line of text.

    Members of a tuple are joined by commas, a date at midnight is shown without the time, control characters and line
    breaks become spaces, and an empty label becomes "(blank)", since legends leave out empty labels.
    """
    if isinstance(value, tuple | list):
        text = ", ".join(map(as_text, value))
    else:
        text = str(value)
        if isinstance(value, dt.datetime) or type(value).__name__ == "datetime64":
            text = re.sub(r"[ T]00:00(:00(\.0+)?)?$", "", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "(blank)"


def spaced(name: Any) -> str:
    """Replace the underscores between the words of a name by spaces; those at its ends belong to the name and stay."""
    return re.sub(r"(?<=[^\W_])_(?=[^\W_])", " ", as_text(name))


def parameter_name(name: Any) -> str:
    """Readable name of a parameter or factor: `ip_strength` is "IP strength"."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in spaced(name).split(" "))


def name_and_unit(text: str) -> Label:
    """Split a label into name and unit: "Growth (% a year)" is "Growth" in "% a year".

    Only the last pair of brackets is a unit: "Share (of all) (%)" is "Share (of all)" in "%".
    """
    match = re.fullmatch(r"(.*\S) \(([^()]*(?:\([^()]*\)[^()]*)*)\)", text)
    return Label(match[1], match[2]) if match else Label(text)


ABBREVIATIONS = {"ip": "IP", "h100": "H100", "r1": "R1", "us": "US", "eu": "EU"}

LABELS = {
    # pricing power
    "lerner_closed": Label("Lerner index, closed labs", "share of price"),
    "lerner_leader": Label("Lerner index, leading closed lab", "share of price"),
    "lerner_rest": Label("Lerner index, other closed labs", "share of price"),
    "lerner_rest_nash": Label("Lerner, other closed labs, Nash prices", "share of price"),
    "lerner_followers": Label("Lerner index, followers", "share of price"),
    "lerner_closed_nash": Label("Lerner, closed, Nash prices", "share of price"),
    "lerner_leader_nash": Label("Lerner, leader, Nash prices", "share of price"),
    "lerner_followers_nash": Label("Lerner, followers, Nash prices", "share of price"),
    "lerner_open": Label("Lerner index, open models", "share of price"),
    "lerner_basket": Label("Lerner, pre-shock basket", "share of price"),
    "closed_premium": Label("Premium over equal open", "log points"),
    "premium_coverage": Label("Closed sales that open models span", "share"),
    "contestable_share": Label("Spending that open models contest", "share"),
    "rent_half_life": Label("Half-life of a rent", "months"),
    "closed_profit": Label("Profit of closed labs", "$ M per month"),
    "closed_profit_per_training": Label("Profit per $ of training", "ratio"),
    "open_token_share": Label("Open share of tokens", "share"),
    "open_revenue_share": Label("Open share of revenue", "share"),
    "open_developer_share": Label("Open share, developers", "share of tokens"),
    "open_enterprise_share": Label("Open share, enterprises", "share of spending"),
    "hhi": Label("Concentration (HHI of revenue)", "0 to 1"),
    "token_volume": Label("Tokens", "million per month"),
    "token_revenue": Label("Spending on tokens and subscriptions", "$ M per month"),
    "api_revenue": Label("Spending on tokens", "$ M per month"),
    "subscription_revenue": Label("Spending on subscriptions", "$ M per month"),
    "adoption": Label("Adoption", "share of tasks"),
    # prices
    "price_index": Label("Quality-adjusted price index", "$ per million tokens"),
    "frontier_price": Label("List price, frontier model", "$ per million tokens"),
    "mean_price_paid": Label("Mean price paid", "$ per million tokens"),
    # race
    "frontier": Label("Frontier capability", "nats above January 2023"),
    "open_frontier": Label("Open frontier", "nats above January 2023"),
    "open_closed_gap": Label("Open-closed gap", "nats"),
    "research_spending": Label("Research spending", "$ M per month"),
    "distillation_volume": Label("Distillation", "million exchanges per month"),
    "active_labs": Label("Active labs", "number"),
    # compute and chips
    "chip_revenue": Label("Chip revenue, all vendors", "$ M per month"),
    "leader_revenue": Label("Chip revenue, leading vendor", "$ M per month"),
    "leader_margin": Label("Margin of the leading vendor", "share of price"),
    "chip_price": Label("Chip price", "$ M per H100e"),
    "chip_orders": Label("Chip orders", "H100e per month"),
    "chip_deliveries": Label("Chip deliveries", "H100e per month"),
    "lead_time": Label("Lead time of chips", "months"),
    "china_share": Label("China's share of the leader's chips", "share"),
    "capex": Label("Spending on chips", "$ M per month"),
    "compute_installed": Label("Compute installed", "H100e"),
    "compute_waiting": Label("Machines without a place", "H100e"),
    "compute_china": Label("Machines in China", "H100e"),
    "compute_utilisation": Label("Utilisation of compute", "share"),
    "machines_platforms": Label("Machines of platforms", "H100e"),
    "machines_programmes": Label("Machines of programmes", "H100e"),
    "machines_labs": Label("Machines of labs", "H100e"),
    "training_share": Label("Machines that train", "share"),
    "serving_share": Label("Machines that serve tokens", "share"),
    "rental_price": Label("Rent of compute", "$ M per H100e month"),
    "contract_price": Label("Rent of a one-year contract", "$ M per H100e month"),
    "rental_price_china": Label("Rent of compute in China", "$ M per H100e month"),
    "rent_over_cost": Label("Rent over user cost", "ratio"),
    "places": Label("Powered places", "GW"),
    "places_building": Label("Places under construction", "GW"),
    "power_at_work": Label("Power at work", "GW"),
    "power_price": Label("Price of power", "$ per MWh"),
    "additionality": Label("Additionality of programmes", "share"),
    "growth_expected": Label("Growth that owners expect", "per year"),
    # beliefs and equities
    "belief_dispersion": Label("Dispersion of beliefs", "nats"),
    "winner_entropy": Label("Entropy of open questions", "nats"),
    "posterior_variance": Label("Mean posterior variance", "nats²"),
    "attention": Label("Attentive investors", "share of wealth"),
    "equity_chips": Label("Market value of chip vendors", "$ M"),
    "equity_leader": Label("Market value of the leading vendor", "$ M"),
    # welfare
    "consumer_surplus": Label("Consumer surplus", "$ M per month"),
    "producer_surplus": Label("Producer surplus", "$ M per month"),
    "work_surplus": Label("Surplus of other work", "$ M per month"),
    "welfare": Label("Welfare", "$ M per month"),
}

PRICING_POWER = (
    "lerner_closed",
    "lerner_leader",
    "lerner_rest",
    "lerner_basket",
    "closed_premium",
    "contestable_share",
    "rent_half_life",
    "closed_profit",
    "closed_profit_per_training",
)
"""Measures of pricing power: no single one captures it (Frank and Salkever 1997)."""

OVERVIEW = (
    "lerner_closed",
    "open_token_share",
    "open_closed_gap",
    "frontier_price",
    "chip_revenue",
    "equity_chips",
)
"""Observables in the figure of one run: margins, openness, race, prices, chips, shares."""

HEADLINES = (
    "lerner_closed",
    "closed_premium",
    "contestable_share",
    "closed_profit",
    "frontier_price",
    "mean_price_paid",
    "open_token_share",
    "hhi",
    "open_closed_gap",
    "leader_revenue",
    "leader_margin",
    "compute_installed",
    "equity_chips",
    "belief_dispersion",
    "active_labs",
    "welfare",
)
"""Observables that `abm run` prints."""

LAYERS = {
    "compute": "Compute (chips)",
    "power": "Power",
    "platforms": "Platforms",
    "applications": "Applications",
}
"""Layers of listed firms with observed returns on 27 January 2025."""

MECHANISMS = {
    "crash_capacity": "(a) saturation, capacity",
    "crash_rents": "(b) rents, capex",
    "crash_rivals": "(c) rivals, export rules",
    "crash_beliefs": "(d) narrative, over-reaction",
}


def label_of(observable: str) -> Label:
    """Label of an observable; without an entry in `LABELS`, its own name and the unit of its measure."""
    if observable.startswith("price_at_k"):
        return Label(f"Cheapest price at {observable.removeprefix('price_at_k')} nats", "$ per million tokens")
    if observable in LABELS:
        return LABELS[observable]
    from abm.market.measures import MEASURES

    measure = MEASURES.get(observable)
    return Label(observable.replace("_", " "), measure.unit if measure else "")


def brief(value: float) -> str:
    """Format a number for tables of the command line: three digits, thousands separators up to a million, n/a for NaN."""
    if value != value:
        return "n/a"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def in_digits(value: float, digits: int = 3) -> str:
    """Format a number to `digits` significant digits; larger numbers as integers with thousands separators."""
    text = f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return text.replace("-", "−")
