"""Read a user's own network: map its nodes to agents, and its edges to weights of listening.

Names, directions, weights, parallel edges and self-loops are all used; what cannot be used raises an error instead of
being ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from scipy import sparse

from abm.support.axes import NODE_ROLES
from abm.support.files import read_text
from abm.support.inputs import parse_float
from abm.support.messages import shortened

GENERATORS = ("small_world", "scale_free", "core_periphery", "random", "complete")
LARGEST_FILE = 100_000_000
"""Largest GraphML file read, in bytes."""
MOST_PLACES = 64
"""Largest number of places per agent that is tried to give neighbours exactly the shares of their weights."""
NUMBER_KEY = re.compile(r'<(?:\w+:)?key\b(?=[^>]*\battr\.type="(?:int|long|float|double)")[^>]*\bid="([^"]*)"')
DATA = re.compile(r'<(?:\w+:)?data\b[^>]*\bkey="([^"]*)"[^>]*>([^<]*)<')
"""GraphML: keys of numeric attributes, and key and text of data elements."""
AGENT = "agent"
"""Node attribute with the number of the agent."""


class StaticLayer(NamedTuple):
    """A layer that a user may supply: its option, and the role and name of its nodes."""

    option: str
    role: str
    agent: str
    listens_to: int
    """Neighbours that an agent of a generated network listens to."""


STATIC = {
    "information": StaticLayer("information_network", "investors", "investor", 8),
    "peers": StaticLayer("peer_network", "adopters", "adopter", 6),
}


class NetworkError(ValueError):
    """A network that cannot be used; the message says why and what to do."""


def weights_of(
    network: Any, size: int, layer: str | None = None, order: Sequence[Any] | None = None
) -> sparse.csr_array:
    """Weights (size, size) of a user's network: row i holds the agents i listens to; parallel edges are summed.

    `network` is a networkx graph, a square NumPy or SciPy array, a pandas table of adjacency, or the path of a GraphML
    file. Raises NetworkError for any other, and for a network that does not fit `size`.
    """
    where = STATIC[layer].option if layer in STATIC else "network"
    try:
        return _weights(network, size, layer, order)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None


def _weights(network: Any, size: int, layer: str | None, order: Sequence[Any] | None) -> sparse.csr_array:
    if isinstance(network, str | Path) and str(network).endswith(".graphml"):
        network = read_graphml(Path(network))
    if hasattr(network, "columns") and hasattr(network, "index"):  # a pandas table
        if [str(name) for name in network.index] != [str(name) for name in network.columns]:
            raise NetworkError("the table's rows and columns must have the same names in the same order")
        nodes: dict[Any, Any] = dict.fromkeys(network.index, {})
        edges = _of_array(network.to_numpy())
        if len(nodes) != len(network.index):
            raise NetworkError("the table has two rows of the same name")
    elif isinstance(network, nx.Graph):
        nodes, edges = _of_graph(network, layer)
    elif sparse.issparse(network) or hasattr(network, "__array__"):
        edges = _of_array(network)
        nodes = dict.fromkeys(range(edges.shape[0]), {})
    else:
        raise NetworkError(
            f"{shortened(network)} is not a network: choose {', '.join(GENERATORS)}, or give a networkx graph, a NumPy or"
            " SciPy array, a pandas table, or the path of a .graphml file"
        )
    if len(nodes) != size:
        raise NetworkError(
            f"the network has {len(nodes):,} nodes but there are {size:,} agents: make the numbers equal"
        )
    agents = _agents(nodes, layer, order)
    weights = sparse.coo_array((edges.data, (agents[edges.row], agents[edges.col])), shape=(size, size)).tocsr()
    weights.eliminate_zeros()
    return weights


def read_graphml(path: Path) -> nx.Graph:
    """The graph in a GraphML file. Raises NetworkError if the file cannot be read as one."""
    text = read_text(path, largest=LARGEST_FILE)
    try:
        if len(re.findall(r"<(?:\w+:)?graph[\s>]", text)) > 1:
            raise NetworkError("the file holds several graphs; keep one")
        numbers = set(NUMBER_KEY.findall(text))
        for key, content in DATA.findall(text):
            if key in numbers:
                parse_float(content.strip())  # networkx would accept Python syntax such as 1_000
        return nx.parse_graphml(text)
    except KeyError as error:  # networkx looks up types and keys of the file in dictionaries
        raise NetworkError(f"{path}: cannot be read as GraphML: unknown type or key {error}") from None
    except (nx.NetworkXError, NetworkError, SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise NetworkError(f"{path}: cannot be read as GraphML: {error}") from None


def _of_array(array: Any) -> sparse.coo_array:
    """Edges of a square array, where zero means no edge."""
    if np.ma.isMaskedArray(array):
        raise NetworkError("a masked array: fill it with numbers, such as array.filled(0)")
    array = sparse.coo_array(array) if sparse.issparse(array) else np.asarray(array)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise NetworkError(
            f"an array of shape {array.shape}: must be square, row i with the agents that agent i listens to"
        )
    if array.dtype.kind not in "biuf":
        raise NetworkError(f"an array of type {array.dtype}: must hold numbers")
    edges = sparse.coo_array(array)
    _check(edges.data.astype(float), lambda edge: f"row {edges.row[edge]}, column {edges.col[edge]}")
    return sparse.coo_array((edges.data.astype(float), (edges.row, edges.col)), shape=edges.shape)


def _of_graph(graph: nx.Graph, layer: str | None) -> tuple[dict[Any, Any], sparse.coo_array]:
    """Nodes with their attributes, and edges by position of the nodes; of an exported network those of one layer."""
    edges = list(graph.edges(data=True))
    layers = {data.get("layer") for *_, data in edges} - {None}
    layer = next(iter(layers)) if layer is None and len(layers) == 1 else layer
    nodes = dict(graph.nodes(data=True))
    if layers:
        if layer not in layers:
            fault = f"but none is of layer {layer!r}" if layer else "choose one with layer=..."
            raise NetworkError(f"its edges are of the layers {', '.join(sorted(map(str, layers)))}; {fault}")
        if any("layer" not in data for *_, data in edges):
            tail, head = next((a, b) for a, b, data in edges if "layer" not in data)
            raise NetworkError(
                f"the edge {shortened(tail)} - {shortened(head)} has no layer, but others do: give it one"
            )
        edges = [edge for edge in edges if edge[2]["layer"] == layer]
        others = [role for role in NODE_ROLES if layer not in STATIC or role != STATIC[layer].role]
        nodes = {node: data for node, data in nodes.items() if data.get("role") not in others}
    place = {node: i for i, node in enumerate(nodes)}
    if strays := [edge for edge in edges if edge[0] not in place or edge[1] not in place]:
        tail, head = strays[0][:2]
        raise NetworkError(
            f"the edge {shortened(tail)} - {shortened(head)} of layer {layer!r} has an end outside this layer"
        )
    weights = _edge_weights(edges)
    tails, heads = (np.array([place[edge[end]] for edge in edges], dtype=int) for end in (0, 1))
    if not graph.is_directed():  # both ends listen
        apart = tails != heads
        tails, heads = np.append(tails, heads[apart]), np.append(heads, tails[apart])
        weights = np.append(weights, weights[apart])
    return nodes, sparse.coo_array((weights, (tails, heads)), shape=(len(nodes), len(nodes)))


def _edge_weights(edges: list[Any]) -> np.ndarray:
    """The attribute `weight` of every edge, or 1 for all if no edge has it."""
    given = [data.get("weight") for *_, data in edges]

    def name(index: int) -> str:
        return f"the edge {shortened(edges[index][0])} - {shortened(edges[index][1])}"

    if all(weight is None for weight in given):
        return np.ones(len(edges))
    for index, weight in enumerate(given):
        if weight is None:
            raise NetworkError(f"{name(index)} has no weight, but others do: give it one")
        if isinstance(weight, str) or np.ndim(weight) or np.asarray(weight).dtype.kind not in "biuf":
            raise NetworkError(f"{name(index)} has the weight {shortened(weight)}: must be a number")
    weights = np.array(given, dtype=float)
    _check(weights, name)
    return weights


def _check(weights: np.ndarray, name: Callable[[int], str]) -> None:
    """Raise NetworkError unless all weights are finite and not negative; `name` describes an edge by its index."""
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise NetworkError(
            f"{name(int(bad[0]))} has the weight {weights[bad[0]]:g}: must be a finite number, 0 or more"
        )


def _agents(nodes: Mapping[Any, Any], layer: str | None, order: Sequence[Any] | None) -> np.ndarray:
    """The number of the agent that each node stands for, (nodes,)."""
    if order is not None:
        order = list(order)
        numbers = {node: i for i, node in enumerate(order)}
        if unknown := [node for node in order if node not in nodes]:
            raise NetworkError(f"order names {shortened(unknown[0])}, which is not a node of the network")
        if len(numbers) != len(order):
            raise NetworkError("order names a node twice")
        if missing := [node for node in nodes if node not in numbers]:
            raise NetworkError(f"order leaves out the node {shortened(missing[0])}")
        return np.array([numbers[node] for node in nodes], dtype=int)
    names = [static.agent for key, static in STATIC.items() if layer in (None, key)]
    marked = any(AGENT in data for data in nodes.values())
    option = STATIC[layer].option.replace("network", "order") if layer in STATIC else "order"
    node_of: dict[int, Any] = {}  # agent -> node, in the order of the nodes
    for node, data in nodes.items():
        number = _number(data.get(AGENT) if marked else node, names)
        if number is None:
            raise NetworkError(
                f"the node {shortened(node)} does not name an agent: name the nodes 0 to {len(nodes) - 1} or {names[0]}_0 to"
                f" {names[0]}_{len(nodes) - 1}, or give each an attribute {AGENT!r} with its number, or list them in the"
                f" order of the agents: {option}=[...]"
            )
        if not 0 <= number < len(nodes):
            raise NetworkError(
                f"the node {shortened(node)} is agent {number}, but agents are numbered from 0 to {len(nodes) - 1}"
            )
        if number in node_of:
            raise NetworkError(f"the nodes {shortened(node_of[number])} and {shortened(node)} are both agent {number}")
        node_of[number] = node
    return np.array(list(node_of), dtype=int)


def _number(label: Any, names: Sequence[str]) -> int | None:
    """The agent's number from a label: an integer, its text, or `investor_12`; None for any other."""
    if isinstance(label, str):
        match = re.fullmatch(rf"(?:(?:{'|'.join(names)})_)?(0|[1-9][0-9]*)", label)
        return int(match[1]) if match else None
    number = isinstance(label, int | float | np.integer | np.floating) and not isinstance(label, bool)
    return int(label) if number and label == label // 1 else None


def places_for(weights: sparse.csr_array, usual: int) -> int:
    """Columns of the table of neighbours: `usual`, or more for more neighbours or to give shares exactly."""
    number = np.diff(weights.indptr)
    least = max(usual, int(number.max()))
    of_row = np.repeat(np.arange(len(number)), number)
    shares = weights.data / np.asarray(weights.sum(axis=1))[of_row]
    exact = (k for k in range(least, MOST_PLACES + 1) if np.allclose(k * shares, np.round(k * shares), 0, 1e-9))
    return next(exact, least)


def neighbour_lists(weights: sparse.csr_array, seed: int, neighbours: int) -> np.ndarray:
    """Agents that each agent listens to, (size, neighbours): places are allotted in proportion to the weights.

    Remainders are drawn at random, so that a neighbour has its share in expectation and at most one place more or less.
    An agent without neighbours listens to itself.
    """
    size = weights.shape[0]
    rng = np.random.default_rng((seed, size))
    lists = np.repeat(np.arange(size, dtype=np.int32)[:, None], neighbours, axis=1)
    weights.sort_indices()
    for agent in np.flatnonzero(np.diff(weights.indptr)):
        row = slice(weights.indptr[agent], weights.indptr[agent + 1])
        shuffled = rng.permutation(row.stop - row.start)
        share = weights.data[row][shuffled] / weights.data[row].max()
        ends = np.round(
            neighbours * np.cumsum(share) / share.sum(), 9
        )  # rounded, so that a whole number of places stays whole
        places = np.searchsorted(ends, rng.random() + np.arange(neighbours), side="right")
        lists[agent] = weights.indices[row][shuffled][np.minimum(places, share.size - 1)]
    return lists
