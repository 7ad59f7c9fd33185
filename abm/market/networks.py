"""Who meets whom: static layers from networkx generators, dynamic layers read off the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from abm.market.network_input import GENERATORS, STATIC, NetworkError, listened_to, places_for, weights_of
from abm.support.messages import shortened

LARGEST_TABLE = 10_000_000
"""Entries of a table of neighbours: 40 MB."""


def static_layer(
    kind: str | nx.Graph | Any,
    size: int,
    seed: int = 0,
    neighbours: int | None = None,
    *,
    layer: str | None = None,
    order: Sequence[Any] | None = None,
) -> np.ndarray:
    """Neighbour lists of a static layer, (size, k) integers: each row whom that agent listens to.

    Parameters
    ----------
    kind
        ``small_world`` (Watts-Strogatz), ``scale_free`` (Barabasi-Albert), ``core_periphery`` (two-block stochastic block
        model), ``random`` (Erdos-Renyi), ``complete``; or a network of `size` nodes of your own: a networkx graph, a
        square NumPy or SciPy array, a pandas table of adjacency, the path of a GraphML file.
    neighbours
        Attention is limited: an agent listens to at most this many of its neighbours (drawn once); agents with fewer
        listen to some of them twice, and isolated ones to themselves. Hubs are therefore listened to by many. By default
        8 of a generated network (6 of layer ``peers``); of your own all, with as many places as their weights take.
    layer
        ``information`` or ``peers``: what a node is called (``investor_3``, ``adopter_3``), and which edges count in a
        network that `Result.network` gave.
    order
        Nodes of your own network in the order of the agents, where their names do not say which agent they are.

    Of a network of your own row i of an array is agent i, and an edge i -> j says that i listens to j; edges without
    direction say both. Places among the k are shared out in proportion to weights. Raises `NetworkError`, a ValueError.
    """
    if layer is not None and layer not in STATIC:
        raise NetworkError(f"layer = {shortened(layer)}: choose {', '.join(STATIC)}")
    usual = STATIC[layer or "information"].listens_to
    if not (isinstance(kind, str) and kind in GENERATORS):
        weights = weights_of(kind, size, layer, order)
        k = places_for(weights, usual) if neighbours is None else max(1, neighbours)
        if size * k > LARGEST_TABLE:
            raise NetworkError(
                f"{size:,} agents with up to {k:,} neighbours: more than a table of {LARGEST_TABLE:,} numbers can hold"
            )
        return listened_to(weights, seed, k)
    if order is not None:
        raise NetworkError(f"order is of a network of your own; {kind} names no nodes")
    k = max(1, min(usual if neighbours is None else neighbours, size - 1))
    if size == 1:
        return np.zeros((1, 1), dtype=np.int32)
    rng = np.random.default_rng((seed, size))
    if kind == "small_world":
        return _small_world(size, k, rng)
    return _listen(layer_graph(kind, size, seed, k), size, k, rng)


def _small_world(size: int, k: int, rng: np.random.Generator, rewired: float = 0.1) -> np.ndarray:
    """Watts-Strogatz ring with rewired ends, built directly: networkx needs minutes for a million nodes."""
    half = [d for i in range(1, k // 2 + 1) for d in (i, -i)] + ([k // 2 + 1] if k % 2 else [])
    lists = (np.arange(size)[:, None] + np.array(half)[None, :]) % size
    swap = rng.random(lists.shape) < rewired
    lists[swap] = rng.integers(0, size, swap.sum())
    return lists.astype(np.int32)


def layer_graph(kind: str, size: int, seed: int, k: int) -> nx.Graph:
    """The whole graph that `static_layer` draws from: generators as there, about k neighbours per agent."""
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
