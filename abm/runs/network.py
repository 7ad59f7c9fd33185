"""The multilayer network of a month, as a networkx graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from abm.market.phases.machines import OWNERS, of_owners
from abm.scenarios.events import CapexProgramme
from abm.support.axes import NETWORK_LAYERS, NODE_ROLES, OPERATORS

if TYPE_CHECKING:
    from abm.market.state import Market
    from abm.runs.setup import Setup

USED = 1e-3  # usage shares below this have no edge


def network_of(market: Market, setup: Setup, layers: str | tuple[str, ...] | None = None) -> nx.MultiDiGraph:
    """Graph with active agents as nodes (`kind`, `role`, `home`), and an edge per relation with `layer` and `weight`.

    Layers (`layers` selects some): ``supply`` vendor -> operator, programme or lab ($ M of chips delivered this month),
    ``rental`` operator -> lab (H100e that the lab rents, to train and to serve tokens), ``access`` lab -> lab that learns
    from it, ``descent`` lab -> lab whose flagship descends from its weights (share of its capability), ``ownership``
    investor -> firm (share of the firm), ``information`` investor -> investor it listens to, ``peers`` adopter -> adopter it
    observes (both are shares of its attention, its own included; `information_network` and `peer_network` accept the exported
    graph), ``usage`` adopter -> lab (share of its tokens), ``jurisdiction`` regulator -> every agent at home there.

    A programme is a node from its announcement on, named by its event, unless lenders refused it from the first phase on.

    Edges of two layers have a `channel`. Of ``rental``, "parent": the operator owns the lab; "market": it does not. Of
    ``access``, where a pair of labs may have both, "distillation": M exchanges this month, with the teacher's `vigilance` towards
    this account and the nats of reasoning `hidden` from it; "fork": the source of the open weights that the lab built on last, in
    any month, whose weight is always 1. `since` is the month in which such a link began.
    """
    wanted = NETWORK_LAYERS if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    if unknown := set(wanted) - set(NETWORK_LAYERS):
        raise ValueError(f"unknown layers {sorted(unknown)}: choose from {', '.join(NETWORK_LAYERS)}")
    graph = nx.MultiDiGraph(month=int(market.month) - 1)
    names = _add_nodes(graph, market, setup)
    for layer in wanted:
        _EDGES[layer](graph, market, names)
    return graph


def firms_and_regulators(market: Market, setup: Setup) -> dict[str, list[str]]:
    """Names of agents by role, in the order of their slots, of the roles whose agents have names.

    A programme has the id of its event, if no other agent has that name, else its number.
    """
    names = {
        "vendors": list(setup.cast.vendors),
        "operators": list(OPERATORS),
        "labs": list(setup.cast.labs),
        "regulators": list(setup.cast.jurisdictions),
        "infrastructure": ["power", "platforms", "applications"],
    }
    taken = {name for others in names.values() for name in others}
    events = [event for event in setup.scenario.all_events if isinstance(event, CapexProgramme)]
    names["programmes"] = []
    amounts, months = np.asarray(market.programmes.amount), np.asarray(market.programmes.months)
    for i in range(amounts.size):
        # After a branch into another scenario a slot may hold a programme that the scenario's events do not know.
        known = i < len(events) and (events[i].amount, events[i].months) == (amounts[i], months[i])
        label = events[i].id if known else None
        names["programmes"].append(label if label and label not in taken else f"programme_{i + 1}")
    return names


def present(market: Market, role: str) -> np.ndarray:
    """Mask of the agents of a role that are in the network."""
    group = getattr(market, role)
    there = np.asarray(group.active)
    if role == "programmes":
        refused = np.asarray(group.cancelled) & (np.asarray(group.financed) == 0)
        there = there & (np.asarray(group.amount) > 0) & ~refused
    return there


def _add_nodes(graph: nx.MultiDiGraph, market: Market, setup: Setup) -> dict[str, list[str]]:
    jurisdictions = setup.cast.jurisdictions
    names = firms_and_regulators(market, setup)
    for role in NODE_ROLES:
        group = getattr(market, role)
        labels = names.setdefault(role, [f"{role[:-1]}_{i}" for i in range(group.size)])
        kinds = [p.kind.__name__ for p in group.populations for _ in range(p.size)]
        homes = np.asarray(group.home) if role != "infrastructure" else np.zeros(3, int)
        for i in np.flatnonzero(present(market, role)):
            graph.add_node(labels[i], kind=kinds[i], role=role, home=jurisdictions[homes[i]])
    return names


def _connect(
    graph: nx.MultiDiGraph,
    layer: str,
    tails: list[str],
    heads: list[str],
    weight: np.ndarray,
    least: float,
    **more: Any,
) -> None:
    """Add edges tail[i] -> head[j] for weight[i, j] above `least`, among active agents."""
    for i, j in np.argwhere(weight > least):
        if tails[i] in graph and heads[j] in graph:
            graph.add_edge(tails[i], heads[j], layer=layer, weight=float(weight[i, j]), **more)


def _supply(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    owners = [name for role in OWNERS for name in names[role]]
    _connect(graph, "supply", names["vendors"], owners, np.asarray(of_owners(market, "bought")).T, 0.0)


def _rental(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    labs = market.labs
    used = np.asarray(labs.training + labs.first_party_share * labs.serving)
    rented = np.maximum(used - np.asarray(labs.machines.sum(-1)), 0.0)
    for lab in np.flatnonzero(np.asarray(labs.active) & (np.asarray(labs.provider) >= 0) & (rented > 0)):
        operator, channel = names["operators"][int(labs.provider[lab])], "parent" if labs.of_parent[lab] else "market"
        if operator in graph:
            graph.add_edge(operator, names["labs"][lab], layer="rental", weight=float(rented[lab]), channel=channel)


def _access(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    labs, month, name = market.labs, int(market.month), names["labs"]
    exchanges, ages, vigilance, hidden = (
        np.asarray(getattr(labs, column)) for column in ("exchanges", "link_age", "vigilance", "hidden")
    )
    for student in np.flatnonzero(np.asarray(labs.active)):
        for teacher in np.flatnonzero(exchanges[student] > 0):
            if name[teacher] in graph:
                graph.add_edge(
                    name[teacher],
                    name[student],
                    layer="access",
                    weight=float(exchanges[student, teacher]),
                    channel="distillation",
                    since=month - int(ages[student, teacher]),
                    vigilance=float(vigilance[teacher, student]),
                    hidden=float(hidden[teacher, student]),
                )
        parent = int(labs.copied_from[student])
        if parent >= 0 and parent != student and name[parent] in graph:
            since = month - int(labs.fork_age[student])
            graph.add_edge(name[parent], name[student], layer="access", weight=1.0, channel="fork", since=since)


def _descent(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    owed = np.asarray(market.labs.lineage) * ~np.eye(market.labs.size, dtype=bool)
    _connect(graph, "descent", names["labs"], names["labs"], owed.T, USED)


def _ownership(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    firms = [*names["vendors"], *names["labs"], *names["infrastructure"]]
    _connect(graph, "ownership", names["investors"], firms, np.asarray(market.investors.holdings), 0.0)


def _lists(graph: nx.MultiDiGraph, layer: str, names: list[str], lists: np.ndarray) -> None:
    """Add edges for neighbour lists, weighted by the share of places."""
    for i, row in enumerate(lists):
        heads, times = np.unique(row, return_counts=True)
        for j, n in zip(heads, times, strict=True):
            graph.add_edge(names[i], names[j], layer=layer, weight=float(n / row.size))


def _information(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    _lists(graph, "information", names["investors"], np.asarray(market.networks.information))


def _peers(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    _lists(graph, "peers", names["adopters"], np.asarray(market.networks.peers))


def _usage(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    usage = np.asarray(market.adopters.usage)
    share = usage.reshape(usage.shape[0], market.labs.size, -1).sum(-1)
    _connect(graph, "usage", names["adopters"], names["labs"], share, USED)


def _jurisdiction(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    for node, data in list(graph.nodes(data=True)):
        if data["role"] != "regulators":
            graph.add_edge(data["home"], node, layer="jurisdiction", weight=1.0)


_EDGES = {
    "supply": _supply,
    "rental": _rental,
    "access": _access,
    "descent": _descent,
    "ownership": _ownership,
    "information": _information,
    "peers": _peers,
    "usage": _usage,
    "jurisdiction": _jurisdiction,
}
