"""Inspect one agent: its state, its neighbours, its latest decisions."""

from __future__ import annotations

from typing import Any, NamedTuple

import networkx as nx
import numpy as np

from abm.agents import Lab
from abm.charts.labels import in_digits, parameter_name
from abm.engine import Agent
from abm.figures.multilayer_network import TITLES, network_numbers
from abm.figures.products import month_name
from abm.runs.mesa_model import MarketModel
from abm.runs.network import firms_and_regulators, present
from abm.support.axes import OFFER_NAMES, OPERATORS, TIER_NAMES

DECISIONS = {
    "labs": ("price", "released", "revision", "research_spending", "training_budget", "taught_by", "copied_from"),
    "vendors": ("chip_price", "capacity", "backlog", "delivered"),
    "operators": ("construction", "places"),
    "programmes": ("financed", "refused", "cancelled", "raised", "construction"),
    "regulators": ("ip_strength", "ip_clarity", "enforcement_effort", "permitting_lag", "announced"),
    "infrastructure": (),
}
"""Fields that agents of a group set by their own rules."""
ENTRIES = {
    name: {"tier": TIER_NAMES, "offer": OFFER_NAMES}[field.shape[0]]
    for name, field in Lab.fields().items()
    if field.shape in (("tier",), ("offer",)) and name != "released"
}
"""Names of the entries of labs' fields by tier and by offer."""
REMEMBERED = 6
"""Number of months of decisions shown."""


class Inspected(NamedTuple):
    """One agent: its group, its class, and its values of all fields."""

    group: str
    kind: type[Agent]
    values: dict[str, np.ndarray]


def names_of(model: MarketModel) -> dict[str, list[str]]:
    """Names of agents by group, in the order of their slots; users and investors have no names."""
    return firms_and_regulators(model.market, model.setup)


def find(model: MarketModel, node: str) -> Inspected | None:
    """The agent of a node; None for a group of users or investors, and for a firm that is not there."""
    for group, names in names_of(model).items():
        if node not in names:
            continue
        slot = names.index(node)
        if not present(model.market, group)[slot]:
            return None
        for population in getattr(model.market, group).populations:
            if slot < population.size:
                values = {name: np.asarray(column[slot]) for name, column in population.columns.items()}
                return Inspected(group, population.kind, values)
            slot -= population.size
    return None


def state_of(model: MarketModel, agent: Inspected) -> list[tuple[str, str, str, str]]:
    """All fields of an agent, as (field, value, unit, meaning)."""
    fields = agent.kind.fields().items()
    return [
        (parameter_name(name), value_as_text(model, name, agent.values[name]), field.unit, field.meaning)
        for name, field in fields
    ]


def neighbours_of(graph: nx.MultiDiGraph, node: str) -> list[tuple[str, str, str, str]]:
    """Edges of a node as drawn, as (layer, direction, neighbour, weight), at most six per layer, largest weight first."""
    _, edges = network_numbers(graph)
    rows = []
    for layer, title in TITLES.items():
        own = edges[(edges["layer"] == layer) & ((edges["tail"] == node) | (edges["head"] == node))]
        for row in own.sort_values("weight", ascending=False).head(6).itertuples():
            outward = row.tail == node
            other = (row.head if outward else row.tail).replace("_", " ")
            weight = "weights copied" if row.channel == "fork" else as_text(row.weight)
            rows.append((title.partition(":")[0], "to" if outward else "from", other, weight))
    return rows


def decisions_of(model: MarketModel, node: str, past: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Table of a node's decisions: a heading (month, decisions ...), and one row per month, newest first."""
    group = next((group for group, names in names_of(model).items() if node in names), "")
    names = DECISIONS.get(group, ())
    rows = [
        (month_name(record["month"]), *(value_as_text(model, name, record[node][name]) for name in names))
        for record in reversed(past[-REMEMBERED:])
        if node in record
    ]
    return [("month", *(name.replace("_", " ") for name in names)), *rows] if names and rows else []


def record_of(model: MarketModel) -> dict[str, Any]:
    """Decisions of all firms and regulators in the latest month of the model."""
    record: dict[str, Any] = {"month": model.month - 1}
    for group, names in names_of(model).items():
        for node in names:
            if (agent := find(model, node)) is not None:
                record[node] = {name: agent.values[name] for name in DECISIONS[group]}
    return record


def value_as_text(model: MarketModel, field: str, value: Any) -> str:
    """The value of a field as text, with names instead of indices of labs, operators, jurisdictions, tiers and offers."""
    if field in ("taught_by", "copied_from"):
        number = int(value)
        return model.setup.cast.labs[number].replace("_", " ") if number >= 0 else "none"
    if field == "provider":
        return OPERATORS[int(value)].replace("_", " ") if int(value) >= 0 else "none"
    if field in ENTRIES and np.shape(value) == (len(ENTRIES[field]),):
        return ", ".join(f"{entry} {as_text(number)}" for entry, number in zip(ENTRIES[field], value, strict=True))
    if field == "home":
        return str(model.setup.cast.jurisdictions[int(value)])
    if field == "released":
        tiers = [tier for tier, released in zip(TIER_NAMES, np.atleast_1d(value), strict=False) if released]
        return " and ".join(tiers) or "–"
    return as_text(value)


def as_text(value: Any) -> str:
    """Format a number, or a few numbers, to three digits."""
    values = np.atleast_1d(np.asarray(value))
    if values.size > 6:
        return f"{values.size} numbers, {as_text(values.min())} to {as_text(values.max())}"
    if values.dtype == bool:
        return ", ".join("yes" if flag else "no" for flag in values)
    return ", ".join(_short(float(number)) for number in values.ravel())


def _short(value: float) -> str:
    """Format one number; huge magnitudes are placeholders for "never" (negative) and infinity."""
    if abs(value) >= 1e15:
        return "never" if value < 0 else "∞"
    return in_digits(value)
