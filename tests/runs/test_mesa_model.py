"""`MarketModel` for users of Mesa: live agents, data collection, copies, branches, subclasses, errors."""

import copy
import pickle

import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from helpers.market import FAST, MODEST, PatientLab
from helpers.sizes import FEW

from abm import MarketModel, ensemble, simulate
from abm.agents import (
    Adopter,
    ChipVendor,
    ClosedLab,
    InfrastructureFirm,
    Investor,
    OpenLab,
    Operator,
    Programme,
    Regulator,
)
from abm.market.measures import MEASURES
from abm.support.axes import NETWORK_LAYERS, OFFERS, OPERATORS, PROGRAMMES


def market(rng=1, months=8, **options):
    return MarketModel(
        options.pop("parameters", None), options.pop("scenario", "baseline"), rng, months=months, **FEW, **options
    )


def closed(model):
    return sorted(model.agents_by_type[ClosedLab], key=lambda lab: lab.slot)


def frames_equal(a, b):
    assert a.shape == b.shape
    np.testing.assert_array_equal(a.to_numpy(), b.to_numpy())


@pytest.fixture(scope="module")
def _started():
    """A model after two months; tests get copies, so that they do not affect one another."""
    model = market(rng=3)
    model.run_for(2)
    return model


@pytest.fixture
def model(_started):
    return copy.deepcopy(_started)


@pytest.fixture(scope="module")
def reference():
    return simulate(seed=3, months=8, **FEW)


# --- numbers ---


def test_the_model_gives_the_numbers_of_simulate(model, reference):
    model.run_model()
    assert model.month == 8
    table, expected = model.frame(), reference.frame()
    assert set(table) == set(MEASURES) == set(expected) - {"month"}
    frames_equal(table, expected[table.columns])
    np.testing.assert_array_equal(model.daily_returns, reference.report.daily_returns[-1])
    assert model.last_report["hhi"] == model.hhi == table["hhi"].iloc[-1]


def test_different_seeds_give_different_runs(model):
    other = market(rng=4)
    other.run_for(2)
    assert (other.frame()["price_index"] != model.frame()["price_index"]).all()


@pytest.mark.parametrize("rng", [-1, True, 1.5, "1", 2**64, np.random.default_rng(1)])
def test_seeds_are_whole_numbers(rng):
    with pytest.raises(ValueError, match=r"rng = .*whole number|seed = .*between 0"):
        market(rng=rng)


def test_numpy_seeds_zero_and_no_seed_are_accepted():
    assert market(rng=np.int64(5)).seed == 5
    assert market(rng=0).seed == 0
    assert 0 <= market(rng=None).seed < 2**31


# --- agents ---


def test_agent_sets_hold_all_active_agents(model):
    sizes = {ChipVendor: 2, ClosedLab: 2, OpenLab: 2, Adopter: 5, Investor: 6, Regulator: 4, InfrastructureFirm: 3}
    sizes |= {Operator: len(OPERATORS), Programme: PROGRAMMES}
    assert {kind: len(agents) for kind, agents in model.agents_by_type.items()} == sizes
    assert set(model.agent_types) == set(sizes)
    assert len(model.agents) == sum(sizes.values())
    ids = [agent.unique_id for agent in model.agents]
    assert len(set(ids)) == len(ids)
    rich = model.agents_by_type[Investor].select(lambda i: i.wealth > 0)
    assert len(rich) == 6
    np.testing.assert_allclose(
        sum(model.agents_by_type[Investor].get("wealth")), np.asarray(model.market.investors.wealth).sum()
    )
    names = {agent.slot: agent.cash for agent in model.agents_by_type[ChipVendor]}
    np.testing.assert_array_equal([names[0], names[1]], model.market.vendors.cash)


def test_reads_are_live(model):
    lab = closed(model)[0]
    before, price = lab.cash, lab.price
    assert isinstance(before, float)
    assert isinstance(lab.home, int)
    assert isinstance(lab.active, bool)
    assert price.shape == (OFFERS,)
    model.step()
    assert lab is closed(model)[0], "agents keep their identity"
    assert lab.cash == float(model.market.labs.cash[0]) != before
    np.testing.assert_array_equal(lab.price, model.market.labs.price[0])
    with pytest.raises(ValueError, match="read-only"):
        lab.price[0] = 1.0


def test_writes_reach_the_next_step(model):
    control = copy.deepcopy(model)
    lab, other = closed(model)
    unchanged = other.price.copy()
    lab.price = [3.0, 0.3, 5.0]
    np.testing.assert_array_equal(lab.price, [3.0, 0.3, 5.0])
    np.testing.assert_array_equal(other.price, unchanged)
    np.testing.assert_array_equal(model.market.labs.price[0], [3.0, 0.3, 5.0])
    model.agents_by_type[Adopter].set("tasks", 0.0)
    model.step()
    control.step()
    assert model.token_volume == 0.0
    assert control.token_volume > 0.0
    assert model.frontier == control.frontier, "what was not written stays the same"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("price", 3.0, r"ClosedLab\.price: expected shape \(3,\), not \(\)"),
        ("price", [1.0, 2.0], r"expected shape \(3,\), not \(2,\)"),
        ("cash", [1.0], r"ClosedLab\.cash: expected shape \(\), not \(1,\)"),
        ("cash", float("nan"), r"ClosedLab\.cash = nan: must be finite"),
        ("price", [1.0, float("inf"), 1.0], "must be finite"),
        ("cash", "much", "must be finite numbers"),
        ("cash", None, "must be finite numbers"),
    ],
)
def test_invalid_writes_are_refused(model, name, value, message):
    lab = closed(model)[0]
    before = np.array(getattr(lab, name))
    with pytest.raises(ValueError, match=message):
        setattr(lab, name, value)
    np.testing.assert_array_equal(getattr(lab, name), before)


@pytest.mark.parametrize("price", [[1e300, 3.0, 3.0], [30.0, 0.0, 3.0], [-1.0, 3.0, 3.0]])
def test_implausible_prices_are_refused(model, price):
    with pytest.raises(
        ValueError, match=r"ClosedLab\.price = .*: must be above 0 and at most 1e\+09 \$ per million tokens"
    ):
        closed(model)[0].price = price


def test_a_misspelt_field_raises_with_a_suggestion(model):
    lab = closed(model)[0]
    with pytest.raises(AttributeError, match=r"ClosedLab has no field 'prise'; did you mean 'price'\?"):
        lab.prise = [3.0, 0.3, 5.0]
    with pytest.raises(AttributeError, match="did you mean 'wealth'"):
        model.agents_by_type[Investor].set("weatlh", 1.0)


def test_attributes_of_mesa_and_of_users_can_be_set_on_agents(model):
    class Watched(ClosedLab):
        prises = None

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self._prise, self.prises, self.colour = 1, 2, "red"

        @property
        def pric(self):
            return self._prise

        @pric.setter
        def pric(self, value):
            self._prise = value

    lab = market(classes=[Watched]).agents_by_type[Watched][0]
    lab.pos, lab.cell, lab.colour, lab.pric = (1, 2), None, "blue", 5
    assert (lab._prise, lab.prises, lab.colour, lab.pos) == (5, 2, "blue", (1, 2))
    assert copy.deepcopy(lab).colour == "blue"


def test_exit_and_entry_follow_the_active_mask(model):
    first, second = closed(model)
    everyone = len(model.agents)
    second.active = False
    assert closed(model) == [first]
    assert len(model.agents) == everyone - 1
    gone = second.unique_id
    volume_before = model.active_labs
    model.step()
    assert model.active_labs == volume_before - 1
    assert closed(model) == [first]
    assert "closed_2" not in model.network()

    entrant = np.asarray(model.market.labs.active).tolist().index(False, 2)
    labs = model.market.labs
    model.market = model.market.replace(labs=labs.replace(active=labs.active.at[entrant].set(True)))
    opened = model.agents_by_type[OpenLab]
    assert len(opened) == 3
    assert max(agent.unique_id for agent in opened) > gone, "an entrant is a new agent"
    model.step()
    assert model.active_labs == volume_before


def test_insolvent_labs_exit(model):
    second = closed(model)[1]
    second.distressed = 1_000.0
    second.cash = -1e6
    model.step()
    assert model.exits == 1.0
    assert [lab.slot for lab in closed(model)] == [0]


# --- data collection ---


def test_the_data_collector_takes_model_and_agent_reporters():
    model = market(
        rng=3,
        model_reporters={"labs": lambda m: len(m.agents_by_type[ClosedLab]), "clock": "steps"},
        agenttype_reporters={
            ClosedLab: {"cash": "cash", "double": lambda lab: 2 * lab.cash},
            Adopter: {"used": "tokens"},
        },
    )
    model.run_for(2)
    table = model.datacollector.get_model_vars_dataframe()
    assert set(table) == set(MEASURES) | {"labs", "clock"}
    assert table["labs"].tolist() == [2, 2]
    assert table["clock"].tolist() == [1, 2]
    np.testing.assert_array_equal(table["hhi"], model.frame()["hhi"])
    labs = model.datacollector.get_agenttype_vars_dataframe(ClosedLab)
    assert labs.shape == (4, 2)
    np.testing.assert_array_equal(labs["double"], 2 * labs["cash"])
    np.testing.assert_array_equal(labs.loc[2, "cash"], np.asarray(model.market.labs.cash[:2]))
    assert len(model.datacollector.get_agenttype_vars_dataframe(Adopter)) == 10
    named = market(agenttype_reporters={Regulator: {"effort": "enforcement_effort"}}, agent_reporters={"cash": "cash"})
    named.step()
    assert len(named.datacollector.get_agent_vars_dataframe()) == len(named.agents)
    again = pickle.loads(pickle.dumps(named))
    assert len(again.datacollector.get_agenttype_vars_dataframe(Regulator)) == 4


# --- copies and branches ---


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_continue_identically(model, copied):
    lab = closed(model)[0]
    twin = copied(model)
    twins = closed(twin)[0]
    assert twins is not lab
    assert twins.unique_id == lab.unique_id
    for copy_or_original in (model, twin):
        copy_or_original.run_for(2)
    assert model.month == twin.month == twin.steps == 4
    frames_equal(model.frame(), twin.frame())
    assert twins.cash == lab.cash
    twins.cash = 1.0
    assert lab.cash != 1.0
    twin.step()
    assert (model.month, twin.month) == (4, 5)


def test_branches_differ_only_after_the_branch(model):
    same, faster = model.branch(), model.branch({"adoption_imitation": 9.0})
    for branch in (model, same, faster):
        branch.run_for(2)
    frames_equal(model.frame(), same.frame())
    frames_equal(model.frame()[:2], faster.frame()[:2])
    changed = faster.frame().iloc[2] != model.frame().iloc[2]
    assert changed["token_volume"]
    assert not changed["frontier"], "research comes before the customers' choice"
    assert model.setup.parameters.adoption_imitation != 9.0
    with pytest.raises(ValueError, match="habit_rat"):
        model.branch({"habit_rat": 0.9})


def test_a_branch_to_another_scenario_shares_its_history():
    model = market(rng=3, months=27)
    history = {name: array[:3] for name, array in model.setup.timeline.items()}
    other = model.branch(scenario="no_r1")
    for name, array in other.setup.timeline.items():
        np.testing.assert_array_equal(array[:3], history[name])
    changed = [name for name in history if (other.setup.timeline[name][24] != model.setup.timeline[name][24]).any()]
    assert changed, "January 2025 differs"
    model.step()
    other.step()
    frames_equal(model.frame(), other.frame())


# --- classes ---


def prices(report):
    """Posted prices (months, labs, tiers)."""
    return np.asarray(report.products.price)


@pytest.fixture(scope="module")
def plain():
    return simulate(FAST, seed=2, months=2, pricing="flexible", **FEW)


@pytest.mark.slow
def test_a_custom_lab(plain):
    """One patient lab next to a plain one, compiled: in a single run, in a Mesa model and in an ensemble."""
    options = dict(months=2, pricing="flexible", classes={"closed_labs": {PatientLab: 1, ClosedLab: 1}}, **FEW)
    run = simulate(FAST, seed=2, **options)
    np.testing.assert_allclose(prices(run.report)[0, 0] / np.asarray(run.report.products.cost)[0, 0], MODEST, rtol=1e-9)
    ratio = prices(run.report)[0, 1:4] / prices(plain.report)[0, 1:4]
    np.testing.assert_allclose(ratio, 1.0, rtol=1e-12)  # in the first month rivals have not reacted yet

    model = MarketModel(FAST, rng=2, **options)
    assert len(model.agents_by_type[PatientLab]) == len(closed(model)) == 1
    model.run_for(2)
    frames_equal(model.frame(), run.frame()[model.frame().columns])
    kinds = nx.get_node_attributes(model.network(), "kind")
    assert [kinds["closed_1"], kinds["closed_2"]] == ["PatientLab", "ClosedLab"]

    many = ensemble(FAST, seeds=[1, 2], daily=[], products=True, **options)
    np.testing.assert_allclose(np.asarray(many.out["products"].price)[1], prices(run.report), rtol=1e-9)


def test_classes_are_checked():
    for classes, message in (
        ({"closed_labs": {PatientLab: 3}}, "add up to 3 agents, but closed_labs = 2"),
        ({"open_labs": {PatientLab: 2}}, "PatientLab cannot play open_labs"),
        ({"labs": {PatientLab: 2}}, "unknown role 'labs'"),
        ([dict], "has no role"),
    ):
        with pytest.raises(ValueError, match=message):
            market(classes=classes)


# --- time ---


def test_the_clock_counts_months(model):
    assert (model.month, model.steps, model.time) == (2, 2, 2.0)
    assert str(model.date) == "2023-03-01"
    model.run_for(0)
    assert model.month == 2
    model.run_for(2)
    model.run_until(5)
    assert (model.month, model.steps, model.time) == (5, 5, 5.0)
    for wrong in (-1, 1.5, True):
        with pytest.raises(ValueError, match="give a whole number"):
            model.run_for(wrong)
    assert model.month == 5


def test_stepping_past_the_end(model):
    assert model.running
    with pytest.raises(ValueError, match="ends after 8 months"):
        model.run_for(10)
    assert not model.running
    for _ in range(2):  # on every further call
        with pytest.raises(ValueError, match="ends after 8 months"):
            model.step()
    assert (model.month, model.steps) == (8, 8)
    model.run_model()
    assert model.month == 8


def test_a_failed_month_can_be_repeated(model, reference, monkeypatch):
    import abm.runs.mesa_model

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(abm.runs.mesa_model, "one_month", interrupted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                model.step()
    assert (model.month, model.steps) == (2, 2)
    model.step()
    assert (model.month, model.steps) == (3, 3)
    assert model.hhi == reference["hhi"][2]


def test_a_subclass_may_extend_step():
    class Levied(MarketModel):
        levied = 0

        def step(self):
            super().step()
            for vendor in self.agents_by_type[ChipVendor]:
                vendor.cash = 0.9 * vendor.cash
            self.levied += 1

    model = Levied(rng=3, months=8, **FEW)
    model.run_for(2)
    assert (model.levied, model.month, model.steps) == (2, 2, 2)
    plain = market(rng=3)
    plain.step()
    cash = plain.agents_by_type[ChipVendor].get("cash")
    plain.step()
    assert len(cash) == 2
    assert (np.array(model.agents_by_type[ChipVendor].get("cash")) < plain.agents_by_type[ChipVendor].get("cash")).all()


def test_unknown_attributes_and_options(model):
    with pytest.raises(AttributeError, match="no attribute or observable 'lerner_clsd'"):
        _ = model.lerner_clsd
    with pytest.raises(ValueError, match="adopters = 0"):
        MarketModel(adopters=0)
    with pytest.raises(ValueError, match="months = 0"):
        MarketModel(months=0)
    with pytest.raises(ValueError, match="pricing = 'haggled'"):
        MarketModel(pricing="haggled")
    fresh = market()
    assert fresh.last_report == {}
    assert np.isnan(fresh.hhi)


# --- networks ---


def test_the_network_has_active_agents_and_typed_edges(model, reference):
    graph = model.network()
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.graph["month"] == 1
    assert {data["layer"] for *_, data in graph.edges(data=True)} <= set(NETWORK_LAYERS)
    roles = nx.get_node_attributes(graph, "role")
    assert len(graph) == len(model.agents) - PROGRAMMES  # nothing is announced yet
    assert roles["us"] == "regulators"
    assert all(
        np.isfinite(data["weight"]) and data["weight"] > 0
        for *_, data in graph.edges(data=True)
        if data["layer"] != "access"
    )
    ends = {
        "supply": ("vendors", {"operators", "labs"}),
        "rental": ("operators", {"labs"}),
        "access": ("labs", {"labs"}),
        "ownership": ("investors", {"vendors", "labs", "infrastructure"}),
        "information": ("investors", {"investors"}),
        "peers": ("adopters", {"adopters"}),
        "usage": ("adopters", {"labs"}),
        "jurisdiction": ("regulators", set(roles.values()) - {"regulators"}),
    }
    for tail, head, data in graph.edges(data=True):
        assert roles[tail] == ends[data["layer"]][0]
        assert roles[head] in ends[data["layer"]][1]
        if data["layer"] == "jurisdiction":
            assert graph.nodes[head]["home"] == tail
    used = graph.get_edge_data("adopter_0", "closed_1") or {}
    share = np.asarray(model.market.adopters.usage)[0].reshape(-1, OFFERS).sum(1)[0]
    assert [d["weight"] for d in used.values() if d["layer"] == "usage"] == (
        [pytest.approx(share)] if share > 1e-3 else []
    )
    owned = [
        data["weight"] for _, head, data in graph.edges(data=True) if head == "leader" and data["layer"] == "ownership"
    ]
    holdings = np.asarray(model.market.investors.holdings)[:, 0]
    assert sum(owned) == pytest.approx(holdings[holdings > 0].sum())

    usage = model.network(("usage",))
    assert {data["layer"] for *_, data in usage.edges(data=True)} == {"usage"}
    assert set(usage) == set(graph)
    with pytest.raises(ValueError, match="unknown layers .*friends"):
        model.network(("friends",))
    replayed = reference.network(1)
    assert nx.utils.graphs_equal(graph, replayed)
    assert jnp.isfinite(model.market.labs.price).all()
