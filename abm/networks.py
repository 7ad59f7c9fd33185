"""Who meets whom: static layers from networkx generators, dynamic layers read off the state."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np

LAYERS = ("supply", "access", "ownership", "information", "peers", "usage", "jurisdiction")
GENERATORS = ("small_world", "scale_free", "core_periphery", "random", "complete")
LISTENS_TO = 8


def static_layer(kind: str | nx.Graph | Any, size: int, seed: int = 0, neighbours: int = LISTENS_TO) -> np.ndarray:
    """Neighbour lists of a static layer, (size, k) integers: each row whom that agent listens to.

    Parameters
    ----------
    kind
        ``small_world`` (Watts-Strogatz), ``scale_free`` (Barabasi-Albert), ``core_periphery`` (two-block stochastic block
        model), ``random`` (Erdos-Renyi), ``complete``, or a user's own networkx graph or GraphML path with `size` nodes.
    neighbours
        Attention is limited: an agent listens to at most this many of its neighbours (drawn once); agents with fewer
        listen to some of them twice, and isolated ones to themselves. Hubs are therefore listened to by many.
    """
    k = max(1, min(neighbours, size - 1)) if size > 1 else 1
    if size == 1:
        return np.zeros((1, 1), dtype=np.int32)
    rng = np.random.default_rng((seed, size))
    if isinstance(kind, str) and kind == "small_world":
        return _small_world(size, k, rng)
    graph = layer_graph(kind, size, seed, k)
    return _listen(graph, size, k, rng)


def _small_world(size: int, k: int, rng: np.random.Generator, rewired: float = 0.1) -> np.ndarray:
    """Watts-Strogatz ring with rewired ends, built directly: networkx needs minutes for a million nodes."""
    half = [d for i in range(1, k // 2 + 1) for d in (i, -i)] + ([k // 2 + 1] if k % 2 else [])
    lists = (np.arange(size)[:, None] + np.array(half)[None, :]) % size
    swap = rng.random(lists.shape) < rewired
    lists[swap] = rng.integers(0, size, swap.sum())
    return lists.astype(np.int32)


def layer_graph(kind: Any, size: int, seed: int, k: int) -> nx.Graph:
    """The whole graph that `static_layer` draws from: kinds as there, about k neighbours per agent."""
    if isinstance(kind, nx.Graph):
        graph = kind
    elif kind == "scale_free":
        return nx.barabasi_albert_graph(size, min(max(1, k // 2), size - 1), seed=seed)
    elif kind == "random":
        return nx.fast_gnp_random_graph(size, min(1.0, k / max(size - 1, 1)), seed=seed)
    elif kind == "complete":
        return nx.complete_graph(size)
    elif kind == "core_periphery":
        core = max(1, size // 10)
        inside, across, outside = min(1.0, k / core), min(1.0, k / (2 * core)), min(1.0, 1.0 / size)
        return nx.stochastic_block_model([core, size - core], [[inside, across], [across, outside]], seed=seed)
    elif str(kind).endswith(".graphml"):
        try:
            graph = nx.read_graphml(kind)
        except (OSError, nx.NetworkXError, SyntaxError) as error:
            raise ValueError(f"network file {kind}: cannot be read as GraphML ({error})") from None
    else:
        raise ValueError(
            f"network {kind!r} is not known: choose {', '.join(GENERATORS)}, a .graphml file or a networkx graph"
        )
    if graph.number_of_nodes() != size:
        raise ValueError(
            f"the network has {graph.number_of_nodes()} nodes but there are {size} agents: make them equal"
        )
    return nx.convert_node_labels_to_integers(graph)


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
