"""The multilayer network of a month, as a networkx graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from abm.support.axes import NETWORK_LAYERS

if TYPE_CHECKING:
    from abm.market.state import Market
    from abm.runs.setup import Setup

USED = 1e-3  # usage shares below this have no edge


def network_of(market: Market, setup: Setup, layers: str | tuple[str, ...] | None = None) -> nx.MultiDiGraph:
    """Graph with active agents as nodes (`kind`, `role`, `home`), and an edge per relation with `layer` and `weight`.

    Layers (`layers` selects some): ``supply`` vendor -> lab ($ M of chips this month), ``access`` lab -> lab that learns
    from it, ``ownership`` investor -> firm (share of the firm), ``information`` investor -> investor it listens to,
    ``peers`` adopter -> adopter it observes (both are shares of its attention, its own included; `information_network` and
    `peer_network` accept the exported graph), ``usage`` adopter -> lab (share of its tokens), ``jurisdiction`` regulator ->
    every agent at home there.

    Edges of ``access`` have a `channel`, and a pair of labs may have both. "api": distillation, M exchanges this month.
    "weights": the source of the open weights that the lab copied last, in any month; its weight is always 1.
    """
    wanted = NETWORK_LAYERS if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    if unknown := set(wanted) - set(NETWORK_LAYERS):
        raise ValueError(f"unknown layers {sorted(unknown)}: choose from {', '.join(NETWORK_LAYERS)}")
    graph = nx.MultiDiGraph(month=int(market.month) - 1)
    names = _add_nodes(graph, market, setup)
    for layer in wanted:
        _EDGES[layer](graph, market, names)
    return graph


def _add_nodes(graph: nx.MultiDiGraph, market: Market, setup: Setup) -> dict[str, list[str]]:
    jurisdictions = setup.cast.jurisdictions
    given = {"vendors": setup.cast.vendors, "labs": setup.cast.labs, "regulators": jurisdictions}
    given["infrastructure"] = ("power", "platforms", "applications")
    names = {}
    for role in ("vendors", "labs", "adopters", "investors", "regulators", "infrastructure"):
        group = getattr(market, role)
        labels = [str(n) for n in given[role]] if role in given else [f"{role[:-1]}_{i}" for i in range(group.size)]
        names[role] = labels
        kinds = [p.kind.__name__ for p in group.populations for _ in range(p.size)]
        homes = np.asarray(group.home) if role != "infrastructure" else np.zeros(3, int)
        for i in np.flatnonzero(np.asarray(group.active)):
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
    _connect(graph, "supply", names["vendors"], names["labs"], np.asarray(market.labs.supplied).T, 0.0)


def _access(graph: nx.MultiDiGraph, market: Market, names: dict[str, list[str]]) -> None:
    labs = market.labs
    for student in np.flatnonzero(np.asarray(labs.active)):
        for channel, teacher, weight in (
            ("api", int(labs.teacher[student]), float(labs.exchanges[student])),
            ("weights", int(labs.copied_from[student]), 1.0),
        ):
            if teacher >= 0 and teacher != student and names["labs"][teacher] in graph:
                graph.add_edge(
                    names["labs"][teacher], names["labs"][student], layer="access", weight=weight, channel=channel
                )


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
    "access": _access,
    "ownership": _ownership,
    "information": _information,
    "peers": _peers,
    "usage": _usage,
    "jurisdiction": _jurisdiction,
}
