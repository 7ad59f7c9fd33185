"""A user's own network: nodes are mapped to agents and edges to weights; anything unusable raises an error."""

import re

import jax
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from abm import MarketModel, Populations, simulate
from abm.engine import mean_of_neighbours
from abm.market.networks import static_layer
from abm.sweeps import SpecError, Sweep

TINY = dict(closed_labs=1, open_labs=1, entrants=0, vendors=1, adopters=4, investors=5, months=2)


def places(lists):
    """By agent: the agents it listens to, and the number of places of each."""
    return [dict(zip(*map(np.ndarray.tolist, np.unique(row, return_counts=True)), strict=True)) for row in lists]


def shares(lists):
    """By agent: the agents it listens to, and the share of its attention for each."""
    return [{head: pytest.approx(n / lists.shape[1]) for head, n in row.items()} for row in places(lists)]


def names(lists):
    """By agent: the set of agents it listens to."""
    return [set(row.tolist()) for row in lists]


# --- which node is which agent ---

PATH = [{1}, {0, 2}, {1, 3}, {2}]
"""`names` of the path 0 - 1 - 2 - 3."""


@pytest.mark.parametrize(
    "nodes",
    [
        [0, 1, 2, 3],
        [np.int64(0), np.int32(1), 2.0, np.float64(3)],
        ["0", "1", "2", "3"],
        ["investor_0", "investor_1", "investor_2", "investor_3"],
        [0, "1", "investor_2", 3],
    ],
)
@pytest.mark.parametrize("inserted", [[3, 2, 1, 0], [2, 0, 3, 1]])
def test_nodes_are_identified_by_number_whatever_their_order(nodes, inserted):
    graph = nx.Graph()
    graph.add_nodes_from(nodes[i] for i in inserted)
    graph.add_edges_from(zip(nodes, nodes[1:], strict=False))
    assert names(static_layer(graph, 4, layer="information")) == names(static_layer(graph, 4)) == PATH


def test_nodes_with_other_names_need_an_order_or_an_attribute():
    graph = nx.path_graph(["d", "c", "b", "a"])
    with pytest.raises(ValueError, match=r"the node 'd' .*: name the nodes 0 to 3 or investor_0 to .*: order="):
        static_layer(graph, 4, neighbours=1)
    lists = static_layer(graph, 4, neighbours=1, order=["a", "b", "c", "d"])
    assert lists.shape == (4, 1)
    assert all(drawn <= neighbours for drawn, neighbours in zip(names(lists), PATH, strict=True))
    nx.set_node_attributes(graph, {name: i for i, name in enumerate("abcd")}, "agent")
    assert names(static_layer(graph, 4)) == PATH
    assert names(static_layer(graph, 4, order="dcba")) == PATH  # the mirror image of a path is that path
    assert names(static_layer(graph, 4, order="badc")) == [{1, 3}, {0}, {3}, {0, 2}]


@pytest.mark.parametrize(
    ("graph", "order", "message"),
    [
        (nx.path_graph([1, 2, 3, 4]), None, "the node 4 is agent 4, but agents are numbered from 0 to 3"),
        (nx.path_graph([0, 1, 2, -1]), None, "the node -1 is agent -1"),
        (nx.path_graph([0, 1, 2, "2"]), None, "the nodes 2 and '2' are both agent 2"),
        (nx.path_graph([0, 1, 2, 2.5]), None, "the node 2.5 does not name an agent"),
        (nx.path_graph(["0", "1", "2", "03"]), None, "the node '03' does not name an agent"),
        (nx.path_graph(["0", "1", "2", "٣"]), None, "the node '٣' does not name an agent"),
        (
            nx.path_graph(["adopter_0", "adopter_1", "adopter_2", "adopter_3"]),
            None,
            "the node 'adopter_0' does not name an agent",
        ),
        (nx.path_graph(5), None, "5 nodes but there are 4 agents"),
        (nx.path_graph(list("abcd")), list("abc"), "order leaves out the node 'd'"),
        (nx.path_graph(list("abcd")), list("abcc"), "order names a node twice"),
        (nx.path_graph(list("abcd")), list("abcx"), "order names 'x', which is not a node"),
        ("random", [0, 1, 2, 3], "order applies to your own network; the nodes of 'random'"),
    ],
)
def test_nodes_that_are_no_agents_are_refused(graph, order, message):
    with pytest.raises(ValueError, match=message):
        static_layer(graph, 4, layer="information", order=order)


def test_the_agent_attribute_must_be_on_all_nodes():
    graph = nx.path_graph(4)
    graph.nodes[2]["agent"] = 2
    with pytest.raises(ValueError, match="the node 0 does not name an agent"):
        static_layer(graph, 4)


# --- edges and weights ---


def test_a_directed_edge_points_to_the_agent_listened_to():
    graph = nx.DiGraph([(0, 1), (1, 2)])
    assert names(static_layer(graph, 3)) == [{1}, {2}, {2}]  # an agent without neighbours listens to itself


def test_places_follow_weights():
    graph = nx.Graph()
    graph.add_weighted_edges_from([(0, 1, 0.75), (0, 2, 0.25), (0, 3, 0.0)])
    assert places(static_layer(graph, 4))[0] == {1: 6, 2: 2}
    assert names(static_layer(graph, 4))[3] == {3}
    graph.edges[0, 1]["weight"], graph.edges[0, 2]["weight"] = 7, 3
    assert places(static_layer(graph, 4))[0] == {1: 7, 2: 3}  # ten places, since eight do not give these shares
    drawn = [(static_layer(graph, 4, seed, neighbours=3)[0] == 1).sum() for seed in range(400)]
    assert set(drawn) == {2, 3}
    assert np.mean(drawn) == pytest.approx(2.1, abs=0.05)


def test_the_scale_of_weights_does_not_matter():
    rng = np.random.default_rng(1)
    matrix = rng.random((9, 9))
    plain = (matrix > 0.6) * 1
    for weights, rescaled in ((matrix, 7.0 * matrix), (plain, 3 * plain), (plain, plain.astype(bool))):
        np.testing.assert_array_equal(static_layer(weights, 9), static_layer(rescaled, 9))


def test_parallel_edges_add_up():
    graph = nx.MultiDiGraph([(0, 1), (0, 1), (0, 1), (0, 2)])
    assert places(static_layer(graph, 3))[0] == {1: 6, 2: 2}
    graph = nx.MultiGraph()
    graph.add_weighted_edges_from([(0, 1, 0.5), (0, 1, 2.5), (0, 2, 1.0)])
    assert places(static_layer(graph, 3))[0] == {1: 6, 2: 2}


def test_self_loops_count():
    graph = nx.Graph([(0, 0), (0, 1)])
    assert places(static_layer(graph, 2)) == [{0: 4, 1: 4}, {0: 8}]


def test_all_neighbours_get_a_place_by_default():
    star = nx.star_graph(19)
    assert names(static_layer(star, 20))[0] == set(range(1, 20))
    assert static_layer(star, 20, neighbours=8).shape == (20, 8)  # unless the caller wants fewer
    assert len(names(static_layer(star, 20, neighbours=8))[0]) == 8
    with pytest.raises(ValueError, match="6,000 agents with up to 5,999 neighbours"):
        static_layer(nx.star_graph(5_999), 6_000)


def test_means_over_a_wide_table_are_exact():
    lists = static_layer(nx.star_graph(19), 20)
    values = np.random.default_rng(1).random((2, 20, 3))  # two runs
    for together in (
        mean_of_neighbours(values[0], lists),
        jax.vmap(lambda run: mean_of_neighbours(run, lists))(values)[0],
    ):
        np.testing.assert_allclose(together, values[0][lists].mean(1), rtol=1e-12)


def weighted(weight, other=1.0):
    graph = nx.path_graph(3)
    graph.edges[0, 1]["weight"] = weight
    if other is not None:
        graph.edges[1, 2]["weight"] = other
    return graph


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (weighted(-1), "the edge 0 - 1 has the weight -1: must be a finite number, 0 or more"),
        (weighted(float("nan")), "has the weight nan"),
        (weighted(float("inf")), "has the weight inf"),
        (weighted("0.5"), "the edge 0 - 1 has the weight '0.5': must be a number"),
        (weighted([1]), "must be a number"),
        (weighted(1.0, None), "the edge 1 - 2 has no weight"),
        (np.full((3, 3), np.nan), "row 0, column 0 has the weight nan"),
        (-np.eye(3), "row 0, column 0 has the weight -1"),
        (np.ones((3, 2)), r"an array of shape \(3, 2\): must be square"),
        (np.ones(3), r"an array of shape \(3,\)"),
        (np.eye(3) * 1j, "an array of type complex128: must hold numbers"),
        (np.eye(3).astype(str), "must hold numbers"),
        (np.ma.masked_array(np.eye(3), np.eye(3) > 0), "a masked array"),
        (sparse.csr_array((3, 4)), r"an array of shape \(3, 4\)"),
        (np.eye(4), "4 nodes but there are 3 agents"),
        (pd.DataFrame(np.eye(3), index=[0, 1, 2], columns=[0, 2, 1]), "rows and columns must have the same names"),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], "is not a network: choose small_world"),
        ("friends.gml", r"'friends.gml' is not a network: .*\.graphml"),
        (None, "None is not a network"),
        (3, "3 is not a network"),
    ],
)
def test_unusable_networks_are_refused(network, message):
    with pytest.raises(ValueError, match=message):
        static_layer(network, 3)
    with pytest.raises(ValueError, match=f"peer_network: .*{message}"):
        Populations(
            **{k: v for k, v in TINY.items() if k != "months"} | {"adopters": 3}, peer_network=network
        ).networks()


# --- forms ---

ARROWS = nx.DiGraph([(2, 0), (0, 1), (1, 3), (3, 0), (0, 2)])
for number, edge in enumerate(ARROWS.edges):
    ARROWS.edges[edge]["weight"] = float(number + 1)
FORMS = {
    "dense": nx.to_numpy_array(ARROWS, nodelist=range(4)),
    "whole": nx.to_numpy_array(ARROWS, nodelist=range(4), dtype=int),
    "matrix": np.asmatrix(nx.to_numpy_array(ARROWS, nodelist=range(4))),
    "sparse": nx.to_scipy_sparse_array(ARROWS, nodelist=range(4)),
    "coordinates": sparse.coo_matrix(nx.to_numpy_array(ARROWS, nodelist=range(4))),
    "columns": sparse.csc_matrix(nx.to_numpy_array(ARROWS, nodelist=range(4))),
    "lists": sparse.lil_array(nx.to_numpy_array(ARROWS, nodelist=range(4))),
    "table": nx.to_pandas_adjacency(ARROWS),  # in the order in which nodes were added, with their names
    "named": nx.to_pandas_adjacency(nx.relabel_nodes(ARROWS, lambda node: f"investor_{node}")),
    "parallel": nx.MultiDiGraph(ARROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_network_is_the_same_in_every_form(form):
    np.testing.assert_array_equal(static_layer(FORMS[form], 4, 7), static_layer(ARROWS, 4, 7))


def test_a_table_from_a_csv_file(tmp_path):
    nx.to_pandas_adjacency(ARROWS).to_csv(tmp_path / "own.csv")
    table = pd.read_csv(tmp_path / "own.csv", index_col=0)  # column names are strings, row names are numbers
    np.testing.assert_array_equal(static_layer(table, 4), static_layer(ARROWS, 4))


def test_a_graphml_file(tmp_path):
    path = tmp_path / "own.graphml"
    nx.write_graphml(ARROWS, path)
    for given in (path, str(path)):
        np.testing.assert_array_equal(static_layer(given, 4), static_layer(ARROWS, 4))


GRAPHML = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="w" for="edge" attr.name="weight" attr.type="{}"/>
<graph edgedefault="undirected"><node id="0"/><node id="1"/><node id="2"/>
<edge source="0" target="1"><data key="{}">{}</data></edge></graph></graphml>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: file not found"),
        ("", "cannot be read as GraphML"),
        ("<html/>", "cannot be read as GraphML"),
        (GRAPHML.format("decimal", "w", "1"), "cannot be read as GraphML: .*decimal"),
        (GRAPHML.format("double", "v", "1"), "cannot be read as GraphML: .*v"),
        (GRAPHML.format("double", "w", "much"), "cannot be read as GraphML: .*much"),
        (
            GRAPHML.format("string", "w", "1"),
            "information_network: the edge '0' - '1' has the weight '1': must be a number",
        ),
        (GRAPHML.format("double", "w", "1").replace('"undirected">', '"undirected"></graph><graph>'), "several graphs"),
        (
            GRAPHML.format("double", "w", "1").replace("<edge source", '<edge directed="true" source'),
            "cannot be read as GraphML: directed",
        ),
    ],
)
def test_an_unusable_file_is_named(tmp_path, text, message):
    path = tmp_path / "own.graphml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        static_layer(path, 3, layer="information")
    assert "\n" not in str(error.value)
    if "information_network: the edge" not in message:
        assert str(path) in str(error.value)


# --- export and import ---


@pytest.fixture(scope="module")
def run():
    matrix = np.random.default_rng(3).random((5, 5))
    return simulate(seed=2, information_network=matrix, peer_network="random", **TINY)


def test_an_exported_network_can_be_imported(run, tmp_path):
    path = tmp_path / "run.graphml"
    graph = run.network(1)
    nx.write_graphml(graph, path)
    for network in (path, graph, nx.read_graphml(path)):
        again = Populations(
            **{k: v for k, v in TINY.items() if k != "months"}, information_network=network, peer_network=network
        ).networks()
        for layer in ("information", "peers"):
            before, after = (np.asarray(getattr(networks, layer)) for networks in (run.setup.networks, again))
            assert shares(before) == [{k: v / after.shape[1] for k, v in row.items()} for row in places(after)]


def test_an_edited_export(run):
    graph = run.network(1)
    for tail, head, key, layer in list(graph.edges(keys=True, data="layer")):
        if tail == "investor_0" and layer == "information":
            graph.remove_edge(tail, head, key)
    graph.add_edge("investor_0", "investor_4", layer="information", weight=1.0)
    assert names(static_layer(graph, 5, layer="information"))[0] == {4}
    with pytest.raises(ValueError, match=r"its edges are of the layers .*information, .*layer="):
        static_layer(graph, 5)
    with pytest.raises(ValueError, match="its edges are of the layers peers; but none is of layer 'information'"):
        static_layer(
            nx.MultiDiGraph([e for e in graph.edges(data=True) if e[2]["layer"] == "peers"]), 4, layer="information"
        )
    graph.add_edge("investor_0", "adopter_1", layer="information", weight=1.0)
    with pytest.raises(ValueError, match="'investor_0' - 'adopter_1' of layer 'information' has an end outside"):
        static_layer(graph, 5, layer="information")
    graph.add_edge("investor_1", "investor_2")
    with pytest.raises(ValueError, match="'investor_1' - 'investor_2' has no layer"):
        static_layer(graph, 5, layer="information")


# --- entry points ---


def test_all_entry_points_take_the_same_network(run):
    graph = nx.relabel_nodes(nx.path_graph(5), dict(enumerate("edcba")))
    own = {"information_network": graph, "information_order": list("abcde"), **TINY}
    result = simulate(seed=2, **own)
    assert names(np.asarray(result.setup.networks.information)) == [{1}, {0, 2}, {1, 3}, {2, 4}, {3}]
    model = MarketModel(rng=2, **own)
    model.run_model()
    assert model.frame()["attention"].tolist() == result["attention"].tolist()
    assert names(np.asarray(model.branch().setup.networks.information)) == names(
        np.asarray(result.setup.networks.information)
    )
    for refused in (simulate, MarketModel):
        with pytest.raises(ValueError, match=r"information_network: the node 'e' .* information_order="):
            refused(information_network=graph, **TINY)


def test_one_investor_is_checked_too():
    with pytest.raises(ValueError, match="information_network: 'nonsense' is not a network"):
        simulate(information_network="nonsense", **TINY | {"investors": 1})
    assert set(static_layer(nx.empty_graph(1), 1).ravel()) == {0}


@pytest.mark.parametrize("network", [nx.path_graph(3), np.eye(3), "own.graphml"])
def test_a_sweep_takes_only_the_names_of_generators(network):
    with pytest.raises(SpecError, match=r"populations\.peer_network: .*" + re.escape("small_world")):
        Sweep(replications=2, populations={"peer_network": network})
