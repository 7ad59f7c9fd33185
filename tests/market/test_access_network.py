"""Which labs may learn from which, as users give it, and that nobody learns from anybody else."""

import networkx as nx
import numpy as np
import pytest
from helpers.sizes import SMALL

from abm import simulate
from abm.market.access_input import CHANNELS, access_links
from abm.market.network_input import NetworkError
from abm.runs.mesa_model import MarketModel
from abm.support.files import Unreadable
from abm.sweeps import SpecError, Sweep

LABS = ("closed_1", "closed_2", "open_1", "entrant_1")
MONTHS = 20


def learnt(model):
    """Exchanges, and parents built on, from the start to the end of a run: (students, teachers) each."""
    exchanges = np.zeros((len(model.setup.cast.labs),) * 2)
    parents = np.zeros_like(exchanges)
    for _ in range(MONTHS):
        model.run_for(1)
        labs = model.market.labs
        exchanges += np.asarray(labs.exchanges)
        built = np.flatnonzero(np.asarray(labs.copied_from) >= 0)
        parents[built, np.asarray(labs.copied_from)[built]] += 1
    return exchanges, parents


def model_with(network):
    options = {name: value for name, value in SMALL.items() if name != "months"}
    return MarketModel(rng=2, months=MONTHS, access_network=network, **options)


def test_all_learn_from_all_unless_told_otherwise():
    links = access_links("complete", LABS)
    assert links.shape == (len(CHANNELS), len(LABS), len(LABS))
    assert (links == ~np.eye(len(LABS), dtype=bool)).all()


def test_nobody_learns_where_there_is_no_link():
    labs = model_with("complete").setup.cast.labs
    graph = nx.DiGraph([("closed_1", "open_1"), ("open_2", "open_1")])
    graph.add_edge("closed_2", "open_2", channel="distillation")
    exchanges, parents = learnt(model_with(graph))
    allowed = access_links(graph, labs)
    assert not exchanges[~allowed[0]].any()
    assert not parents[~allowed[1]].any()
    assert exchanges[labs.index("open_1"), labs.index("closed_1")] > 0
    everywhere, built = learnt(model_with("complete"))
    assert (everywhere > 0).sum() > (exchanges > 0).sum()
    assert built[~allowed[1]].any()


def test_one_teacher_is_the_first_lab():
    exchanges, parents = learnt(model_with("one_teacher"))
    assert exchanges[:, 0].any()
    assert not exchanges[:, 1:].any()
    assert not parents.any()  # its weights are closed


def test_a_network_at_random_is_drawn_once_by_its_seed():
    first, again, other = (access_links("random", [f"open_{i}" for i in range(40)], seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert 0.2 < first.mean() < 0.4
    assert (first[0] == first[1]).all()


def test_an_exported_network_gives_the_links_it_shows():
    run = simulate(seed=2, **SMALL | {"months": 15})
    graph = run.network(14)
    links = access_links(graph, run.setup.cast.labs)
    shown = [data["channel"] for *_, data in graph.edges(data=True) if data["layer"] == "access"]
    assert shown
    for channel, of in zip(CHANNELS, links, strict=True):
        assert of.sum() == shown.count(channel)


def test_an_array_has_teachers_as_rows():
    array = np.zeros((4, 4))
    array[0, 2] = 1.0
    links = access_links(array, LABS)
    assert links.sum() == 2
    assert links[:, 2, 0].all()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("compleat", "complete"),
        (np.ones((3, 3)), r"shape \(3, 3\): must be \(4, 4\)"),
        (-np.ones((4, 4)), "weight -1"),
        (np.full((4, 4), np.nan), "weight nan"),
        (np.full((4, 4), "x"), "type"),
        (nx.DiGraph([("closed_1", "open_9")]), "'open_9' is not a lab"),
        (nx.DiGraph([("closed_1", "open_1", {"channel": "theft"})]), "distillation, fork"),
        (nx.DiGraph([("closed_1", "open_1", {"weight": "much"})]), "closed_1 - open_1 has the weight 'much'"),
        ("nowhere.graphml", "nowhere.graphml"),
        (3, "not a network"),
    ],
)
def test_what_is_no_network_of_labs_is_refused_with_its_place(network, message):
    with pytest.raises((NetworkError, Unreadable), match=message):
        access_links(network, LABS)


def test_a_sweep_takes_the_names_of_generators():
    assert Sweep(replications=2, populations={"access_network": "one_teacher"})
    with pytest.raises(SpecError, match=r"populations\.access_network: .*complete"):
        Sweep(replications=2, populations={"access_network": "complet"})
