"""Static network layers: neighbour lists from networkx generators or from a user's own network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from abm.market.network_input import GENERATORS, STATIC, NetworkError, neighbour_lists, places_for, weights_of
from abm.support.messages import shortened

LARGEST_TABLE = 10_000_000
"""Most entries of a table of neighbours (40 MB)."""


def static_layer(
    kind: str | nx.Graph | Any,
    size: int,
    seed: int = 0,
    neighbours: int | None = None,
    *,
    layer: str | None = None,
    order: Sequence[Any] | None = None,
) -> np.ndarray:
    """Neighbour lists of a static layer, (size, k) integers: row i holds the agents that agent i listens to.

    Parameters
    ----------
    kind
        ``small_world`` (Watts-Strogatz), ``scale_free`` (Barabasi-Albert), ``core_periphery`` (two-block stochastic block
        model), ``random`` (Erdos-Renyi), ``complete``; or your own network of `size` nodes: a networkx graph, a square
        NumPy or SciPy array, a pandas adjacency table, or the path of a GraphML file.
    neighbours
        Attention is limited: an agent listens to at most this many of its neighbours (drawn once); agents with fewer
        listen to some of them twice, and isolated ones to themselves. Hubs are therefore heard by many. Default: 8 in a
        generated network (6 in layer ``peers``); in your own network all, with as many places as their weights need.
    layer
        ``information`` or ``peers``: decides the names of the nodes (``investor_3``, ``adopter_3``), and which edges of
        a network from `Result.network` count.
    order
        Nodes of your own network in the order of the agents, if their names do not identify the agents.

    In your own network, row i of an array is agent i, and an edge i -> j means that i listens to j; undirected edges mean
    both. The k places are allotted in proportion to the weights. Raises `NetworkError`, a ValueError.
    """
    if layer is not None and layer not in STATIC:
        raise NetworkError(f"layer = {shortened(layer)}: choose {', '.join(STATIC)}")
    usual = STATIC[layer or "information"].listens_to
    if not (isinstance(kind, str) and kind in GENERATORS):
        weights = weights_of(kind, size, layer, order)
        k = places_for(weights, usual) if neighbours is None else max(1, neighbours)
        if size * k > LARGEST_TABLE:
            raise NetworkError(
                f"{size:,} agents with up to {k:,} neighbours need more than the {LARGEST_TABLE:,} entries of the largest"
                " table; use a sparser network"
            )
        return neighbour_lists(weights, seed, k)
    if order is not None:
        raise NetworkError(f"order applies to your own network; the nodes of {kind!r} have no names")
    k = max(1, min(usual if neighbours is None else neighbours, size - 1))
    if size == 1:
        return np.zeros((1, 1), dtype=np.int32)
    rng = np.random.default_rng((seed, size))
    if kind == "small_world":
        return _small_world(size, k, rng)
    return _listen(layer_graph(kind, size, seed, k), size, k, rng)


def _small_world(size: int, k: int, rng: np.random.Generator, rewired: float = 0.1) -> np.ndarray:
    """Watts-Strogatz ring with rewired edges, built directly: networkx needs minutes for a million nodes."""
    half = [d for i in range(1, k // 2 + 1) for d in (i, -i)] + ([k // 2 + 1] if k % 2 else [])
    lists = (np.arange(size)[:, None] + np.array(half)[None, :]) % size
    swap = rng.random(lists.shape) < rewired
    lists[swap] = rng.integers(0, size, swap.sum())
    return lists.astype(np.int32)


def layer_graph(kind: str, size: int, seed: int, k: int) -> nx.Graph:
    """The full graph from which `static_layer` draws, by the same generators, with about k neighbours per agent."""
    if kind == "scale_free":
        return nx.barabasi_albert_graph(size, min(max(1, k // 2), size - 1), seed=seed)
    if kind == "random":
        return nx.fast_gnp_random_graph(size, min(1.0, k / max(size - 1, 1)), seed=seed)
    if kind == "complete":
        return nx.complete_graph(size)
    assert kind == "core_periphery"
    core = max(1, size // 10)
    inside, across, outside = min(1.0, k / core), min(1.0, k / (2 * core)), min(1.0, 1.0 / size)
    return nx.stochastic_block_model([core, size - core], [[inside, across], [across, outside]], seed=seed)


def _listen(graph: nx.Graph, size: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k neighbours of every node, (size, k)."""
    lists = np.empty((size, k), dtype=np.int32)
    for node in range(size):
        near = np.fromiter(graph.neighbors(node), dtype=np.int64)
        if near.size == 0:
            lists[node] = node
        elif near.size >= k:
            lists[node] = rng.choice(near, k, replace=False)
        else:
            lists[node] = np.concatenate([rng.permutation(near), rng.choice(near, k - near.size)])
    return lists
