"""Which labs may learn from which: the possible links of the access layer, by a generator or from a user's own network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from abm.market.network_input import NetworkError, read_graphml
from abm.support.messages import did_you_mean, shortened

KINDS = ("complete", "random", "one_teacher")
CHANNELS = ("distillation", "fork")
"""Ways to learn: from a teacher's outputs, or by building on its weights."""
KNOWN = 0.3
"""Share of the other labs that a lab can learn from in a `random` network."""
OPTION = "access_network"


def access_links(network: Any, labs: Sequence[str], seed: int = 0) -> np.ndarray:
    """Whether each lab may distil, and build on the weights of, each other lab: (2 channels, L students, L teachers), bool.

    Parameters
    ----------
    network
        ``complete``: every lab may learn from every other; ``random``: from 30 % of them, drawn once by `seed`;
        ``one_teacher``: from the first lab alone. Or your own: a networkx graph or the path of a GraphML file with labs as
        nodes and edges from the one that teaches to the one that learns, as `Result.network` exports the layer ``access``,
        where the edge attribute `channel` ("distillation" or "fork") keeps an edge to one way of learning; an undirected edge
        means both directions; or a square array with a row for each teacher. Labs without an edge learn from nobody.
    labs
        Names of all labs, entrants included, in the order of rows and columns.

    Raises `NetworkError`, a ValueError, for unknown kinds, names and channels, weights that are not numbers, and arrays of
    another shape.
    """
    size = len(labs)
    if isinstance(network, str) and not network.endswith(".graphml"):
        links = _generated(network, size, seed)
    elif isinstance(network, str | Path | nx.Graph):
        graph = network if isinstance(network, nx.Graph) else read_graphml(Path(network))
        links = _of_graph(graph, labs)
    elif hasattr(network, "__array__"):
        links = _of_array(np.asarray(network), size)
    else:
        raise NetworkError(
            f"{OPTION}: {shortened(network)} is not a network: choose {', '.join(KINDS)}, or give a networkx graph, a square"
            " array, or the path of a .graphml file"
        )
    return links & ~np.eye(size, dtype=bool)


def _generated(kind: str, size: int, seed: int) -> np.ndarray:
    links = np.zeros((2, size, size), dtype=bool)
    if kind == "complete":
        links[:] = True
    elif kind == "random":
        links[:] = np.random.default_rng((seed, size)).random((size, size)) < KNOWN
    elif kind == "one_teacher":
        links[:, :, 0] = True
    else:
        raise NetworkError(f"{OPTION}: unknown network {shortened(kind)}{did_you_mean(kind, KINDS)}")
    return links


def _of_graph(graph: nx.Graph, labs: Sequence[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(labs)}
    links = np.zeros((2, len(labs), len(labs)), dtype=bool)
    layered = any("layer" in data for *_, data in graph.edges(data=True))
    for tail, head, data in graph.edges(data=True):
        if layered and data.get("layer") != "access":
            continue
        for name in (tail, head):
            if name not in place:
                raise NetworkError(f"{OPTION}: {shortened(name)} is not a lab{did_you_mean(str(name), list(place))}")
        channel = data.get("channel")
        if channel is not None and channel not in CHANNELS:
            raise NetworkError(
                f"{OPTION}: the edge {tail} - {head} has the channel {shortened(channel)}: choose {', '.join(CHANNELS)}"
            )
        if not _weight(data.get("weight", 1.0), f"the edge {tail} - {head}"):
            continue
        of = slice(None) if channel is None else CHANNELS.index(channel)
        links[of, place[head], place[tail]] = True
        if not graph.is_directed():
            links[of, place[tail], place[head]] = True
    return links


def _of_array(array: np.ndarray, size: int) -> np.ndarray:
    if array.shape != (size, size):
        raise NetworkError(
            f"{OPTION}: an array of shape {array.shape}: must be ({size}, {size}), a row for each lab that teaches, entrants"
            " included"
        )
    if array.dtype.kind not in "biuf":
        raise NetworkError(f"{OPTION}: an array of type {array.dtype}: must hold numbers or truth values")
    for row, column in np.argwhere(~(np.isfinite(array) & (array >= 0)))[:1]:
        _weight(array[row, column].item(), f"row {row}, column {column}")
    return np.stack([(array > 0).T] * 2)


def _weight(weight: Any, where: str) -> bool:
    """Whether a link is there; NetworkError unless its weight is a finite number, 0 or more."""
    number = np.asarray(weight)
    if number.ndim or number.dtype.kind not in "biuf" or not np.isfinite(number) or number < 0:
        raise NetworkError(f"{OPTION}: {where} has the weight {shortened(weight)}: must be a finite number, 0 or more")
    return bool(number > 0)
