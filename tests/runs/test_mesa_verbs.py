"""Mesa's methods on models and agents either work as in Mesa or raise a clear error; none is silently ignored."""

import copy
import pickle

import mesa
import numpy as np
import pytest
from helpers.sizes import FEW

from abm import MarketModel, Parameters, simulate
from abm.agents import Adopter, ChipVendor, ClosedLab, Investor, OpenLab
from abm.engine import Field
from abm.market.measures import UNDEFINED

ACCOUNTS = ("money_residual", "compute_residual")


def market(rng=3, **options):
    return MarketModel(rng=rng, **{"months": 4} | FEW | options)


@pytest.fixture(scope="module")
def _started():
    model = market()
    model.step()
    return model


@pytest.fixture
def model(_started):
    return copy.deepcopy(_started)


def labs(model, kind=ClosedLab):
    return sorted(model.agents_by_type[kind], key=lambda lab: lab.slot)


# --- exit ---


def by_remove(model, lab):
    lab.remove()


def by_do(model, lab):
    model.agents_by_type[ClosedLab].select(lambda agent: agent is lab).do("remove")


def by_deregister(model, lab):
    model.deregister_agent(lab)


def by_field(model, lab):
    lab.active = False


@pytest.mark.parametrize("leave", [by_remove, by_do, by_deregister, by_field])
def test_a_lab_that_is_removed_is_out_of_the_market(model, leave):
    lab, other = labs(model)[1], labs(model)[0]
    lab.cash, lab.exchanges = 500.0, np.array([3.0, 0, 0, 0, 0])
    rescued, exits = float(model.market.flows.rescued), float(model.market.accounts.exits)
    leave(model, lab)
    assert np.asarray(model.market.labs.active).tolist() == [True, False, True, True, False]
    assert labs(model) == [other]
    assert lab not in model.agents
    assert "closed_2" not in model.network()
    # as in an exit of the model: remaining cash is written off, and it learns from no teacher
    assert float(model.market.labs.cash[1]) == 0.0
    assert not np.asarray(model.market.labs.exchanges)[1].any()
    assert float(model.market.flows.rescued) - rescued == pytest.approx(-500.0)
    assert float(model.market.accounts.exits) - exits == 1
    model.step()
    assert model.active_closed_labs == 1
    assert max(model.last_report[name] for name in ACCOUNTS) < 1e-9
    assert all(np.isfinite(value) for name, value in model.last_report.items() if name not in UNDEFINED)
    assert not [row for row in model.network().edges(data="layer") if "closed_2" in row[:2]]


def test_debts_are_taken_over(model):
    lab = labs(model)[1]
    lab.cash = -200.0
    rescued = float(model.market.flows.rescued)
    lab.remove()
    assert float(model.market.flows.rescued) - rescued == pytest.approx(200.0)


def test_a_removed_open_lab_leaves_a_free_slot(model):
    lab = labs(model, OpenLab)[1]
    lab.remove()
    assert float(np.asarray(model.market.labs.cash)[3]) == 0.0  # as in a free slot


def test_a_removed_agent_keeps_its_last_values_and_takes_no_others(model):
    lab = labs(model, OpenLab)[0]
    capability = lab.capability.copy()
    lab.remove()
    lab.remove()  # a second call does nothing, as in Mesa
    rows = model.market.labs
    model.market = model.market.replace(  # an entrant takes the slot
        labs=rows.replace(active=rows.active.at[2].set(True), capability=rows.capability + 1.0)
    )
    assert not lab.active
    np.testing.assert_array_equal(lab.capability, capability)
    with pytest.raises(ValueError, match="has left the market"):
        lab.cash = 1.0
    entrant = labs(model, OpenLab)[0]
    assert entrant is not lab
    np.testing.assert_array_equal(entrant.capability, capability + 1.0)
    assert copy.deepcopy(lab).capability.tolist() == pickle.loads(pickle.dumps(lab)).capability.tolist()


def test_an_exit_in_the_model_is_not_confused_with_a_later_entrant(model):
    lab = labs(model, OpenLab)[1]
    lab.distressed, lab.cash = 1_000.0, -1e6
    model.step()  # agents are not read before the slot is taken again
    rows = model.market.labs
    model.market = model.market.replace(labs=rows.replace(active=rows.active.at[3].set(True)))
    assert not lab.active
    assert lab not in model.agents


def test_only_labs_can_leave(model):
    before = model.market
    for kind in (ChipVendor, Adopter, Investor):
        agent = next(iter(model.agents_by_type[kind]))
        for leave in (by_remove, by_field):
            with pytest.raises(ValueError, match=f"{kind.__name__} agents cannot leave the market: only labs"):
                leave(model, agent)
        assert agent in model.agents
    with pytest.raises(NotImplementedError, match="only labs can, by"):
        model.remove_all_agents()
    with pytest.raises(ValueError, match="cannot leave the market"):
        model.agents.do("remove")
    assert model.market is before


def test_a_selection_is_not_the_market(model):
    everyone = set(model.agents)
    model.agents.select(lambda agent: False, inplace=True)
    model.agents_by_type[ClosedLab].discard(labs(model)[0])
    model.agents.clear()
    assert set(model.agents) == everyone
    assert len(labs(model)) == 2
    ordered = model.agents_by_type[Investor].sort("wealth", ascending=True, inplace=True)
    assert ordered.get("wealth") == sorted(ordered.get("wealth"))
    assert set(model.agents.shuffle(inplace=True)) == everyone


# --- creating agents, calling methods ---


def test_market_agents_cannot_be_created(model):
    lab = labs(model)[0]
    everyone = len(model.agents)
    for join in (
        lambda: ClosedLab(model),
        lambda: ClosedLab(model, ("labs", 0), 0),
        lambda: ClosedLab.create_agents(model, 3),
        lambda: ClosedLab.create_agents(model, 1, ("labs", 0), 1),
        lambda: model.register_agent(lab),
    ):
        with pytest.raises(TypeError, match=r"ClosedLab: agents are rows .* closed_labs=6, .*entrants=3"):
            join()
    assert len(model.agents) == everyone


def test_agents_outside_the_market_can_be_added(model):
    class Journalist(mesa.Agent):
        pass

    own = Journalist(model)
    assert own in model.agents
    own.remove()
    assert own not in model.agents


@pytest.mark.parametrize("verb", ["do", "shuffle_do", "map"])
@pytest.mark.parametrize("method", ["step", "advance"])
def test_agents_have_no_step(model, verb, method):
    with pytest.raises(NotImplementedError, match=r"model\.step\(\)"):
        getattr(model.agents, verb)(method)


def test_a_step_method_that_is_never_called_raises_a_warning():
    class Stepping(ClosedLab):
        def step(self):
            self.cash = 1.0

    with pytest.warns(UserWarning, match=r"Stepping\.step: no phase of a month calls it"):
        model = market(classes=[Stepping])
    model.agents_by_type[Stepping].do("step")
    assert model.agents_by_type[Stepping].get("cash") == [1.0, 1.0]


def test_agent_set_functions(model):
    sets = model.agents_by_type
    assert sets[Investor].map(lambda investor: investor.slot) == [0, 1, 2, 3, 4, 5]
    assert sets[Investor].agg("wealth", sum) == pytest.approx(1.0)
    assert sets[Adopter].groupby("home").count() == {0: 5} or len(sets[Adopter].groupby("home")) > 1
    sets[ClosedLab].set("cash", 7.0)
    assert np.asarray(model.market.labs.cash)[:2].tolist() == [7.0, 7.0]


def test_in_place_operators_on_vector_fields(model):
    lab = labs(model)[0]
    price = np.array(lab.price)
    lab.price += 1
    lab.price *= 2
    lab.price /= 4
    np.testing.assert_allclose(lab.price, (price + 1) / 2)
    np.testing.assert_array_equal(lab.price, model.market.labs.price[0])
    values = lab.price
    values -= 0.1
    np.testing.assert_allclose(lab.price, (price + 1) / 2)
    with pytest.raises(ValueError, match="read-only"):
        lab.price[0] = 1.0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("monetisation", 1.7, "must be a whole number"),
        ("home", 7, "must be a whole number from 0 to 3"),
        ("copied_from", 5, "must be a whole number from -1 to 4"),
        ("active", 0.5, "must be True or False"),
    ],
)
def test_numbers_are_not_rounded_or_clipped(model, name, value, message):
    with pytest.raises(ValueError, match=message):
        setattr(labs(model)[0], name, value)


def test_draws_come_from_the_seed(model):
    for reset in (model.reset_rng, model.reset_randomizer):
        with pytest.raises(NotImplementedError, match="comes from its seed, 3"):
            reset(5)


# --- months ---


class Broken(Exception):
    pass


def failing(*kinds):
    """A model with reporters of which one fails once, in the second month."""
    todo = [True]

    def report(reported):
        if (reported if isinstance(reported, MarketModel) else reported.model).month == 2 and todo:
            todo.pop()
            raise Broken
        return 0.0

    options = {"model": {"mine": report}, "agent": {"mine": report}, "type": {ClosedLab: {"mine": report}}}
    named = {"model": "model_reporters", "agent": "agent_reporters", "type": "agenttype_reporters"}
    return market(**{named[kind]: options[kind] for kind in kinds})


@pytest.mark.parametrize("kind", ["model", "agent", "type"])
def test_a_failing_reporter_undoes_its_month(kind):
    model = failing(kind)
    model.step()
    before = model.market
    with pytest.raises(Broken):
        model.step()
    assert model.month == model.steps == model.time == len(model.frame()) == 1
    assert model.market is before
    assert len(model.datacollector.get_model_vars_dataframe()) == 1
    model.run_model()
    assert model.month == model.steps == model.time == 4
    table = model.datacollector.get_model_vars_dataframe()
    result = simulate(seed=3, months=4, **FEW)
    np.testing.assert_array_equal(table["hhi"], result["hhi"])
    if kind == "agent":
        assert model.datacollector.get_agent_vars_dataframe().index.unique("Step").tolist() == [1, 2, 3, 4]


def test_a_failing_step_of_a_subclass_undoes_its_month():
    class Levied(MarketModel):
        def step(self):
            super().step()
            self.agents_by_type[ChipVendor].set("cash", 0.0)
            if self.month == 2 and not self.stopped:
                self.stopped = True
                raise Broken

        stopped = False

    model = Levied(rng=3, months=4, **FEW)
    model.step()
    model.agents_by_type[ChipVendor].set("cash", 5.0)
    with pytest.raises(Broken):
        model.step()
    assert model.month == model.steps == 1
    assert model.agents_by_type[ChipVendor].get("cash") == [5.0, 5.0]
    model.step()
    assert model.month == model.steps == 2


def test_running_stops_the_model():
    class Stopping(MarketModel):
        def step(self):
            super().step()
            if self.month == 2:
                self.running = False

    model = Stopping(rng=3, months=4, **FEW)
    model.run_model()
    assert model.month == 2
    model.running = True
    model.run_model()
    assert model.month == 4
    assert not model.running


@pytest.mark.parametrize("wrong", [1.5, float("nan"), float("inf"), -1, True, "2", None])
def test_months_are_whole(model, wrong):
    for run in (model.run_for, model.run_until):
        with pytest.raises(ValueError, match="give a whole number"):
            run(wrong)
    assert model.month == 1
    model.run_until(2.0)
    assert model.month == 2


def test_run_until_a_past_month_warns_and_runs_nothing(model):
    with pytest.warns(RuntimeWarning, match=r"run_until\(0\): the clock is already at 1"):
        model.run_until(0)
    assert model.month == 1


def test_reports_are_copies(model):
    model.reports.append({})
    model.reports[0]["hhi"] = model.last_report["hhi"] = 99.0
    assert model.month == 1
    assert model.hhi == model.frame()["hhi"].iloc[0] != 99.0
    with pytest.raises(ValueError, match="read-only"):
        model.daily_returns[:] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        model.column(("labs", 0), "cash")[:] = 0.0


# --- seeds ---


def test_a_model_without_a_seed_records_the_one_it_drew():
    model, other = (MarketModel(months=4, **FEW) for _ in range(2))
    assert model.seed != other.seed
    model.step()
    again = market(rng=model.seed)
    again.step()
    assert again.hhi == model.hhi
    assert again.random.random() == MarketModel(rng=model.seed, months=4, **FEW).random.random()
    assert model.datacollector.get_model_vars_dataframe()["seed"].tolist() == [model.seed]
    assert "seed" not in again.datacollector.model_vars
    assert f"with seed {model.seed}: scenario 'baseline', 1 of 4 months" in repr(model)
    assert f"{len(model.agents)} agents" in repr(model)


@pytest.mark.parametrize("seed", [7, np.int64(7), "7"])
def test_seed_is_another_name_of_rng(seed):
    assert MarketModel(seed=seed, months=4, **FEW).seed == 7


@pytest.mark.parametrize("seed", [-1, 1.5, True, "seven", "٧", 2**64])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match=r"seed = .*: must be a whole number from 0 to 2\^64 - 1"):
        MarketModel(seed=seed)


def test_rng_and_seed_cannot_both_be_given():
    with pytest.raises(ValueError, match="two names for the same argument"):
        MarketModel(rng=1, seed=1)


def test_iterations_of_a_batch_differ():
    rows = mesa.batch_run(  # noqa: TID251 # the function of Mesa 3, which users have
        MarketModel,
        {"months": 2, **FEW, "ip_clarity": [0.1, 0.9]},
        iterations=2,
        display_progress=False,
    )
    assert len(rows) == len({row["seed"] for row in rows}) == 4
    assert len({row["price_index"] for row in rows}) == 4
    for row in rows:
        result = simulate({"ip_clarity": row["ip_clarity"]}, seed=row["seed"], months=2, **FEW)
        assert row["price_index"] == result["price_index"][-1]


# --- parameters ---


def test_parameters_can_be_given_as_keywords():
    model = market(ip_strength={"us": 0.9, "default": 0.2})
    assert model.setup.values["ip_strength"].tolist() == [0.9, 0.2, 0.2, 0.2]
    both = market(parameters=Parameters(ip_clarity=0.1), ip_strength=0.2)
    assert both.setup.parameters.model_dump(exclude_unset=True) == {"ip_clarity": 0.1, "ip_strength": 0.2}
    for parameters in (Parameters(ip_strength=0.2), {"ip_strength": 0.2}):
        with pytest.raises(ValueError, match="ip_strength: given in `parameters` and as a keyword"):
            market(parameters=parameters, ip_strength=0.2)
    with pytest.raises(ValueError, match="ip_strength = 2: must lie between"):
        market(ip_strength=2)
    with pytest.raises(TypeError, match="no option 'ip_strenght'; did you mean 'ip_strength'"):
        market(ip_strenght=0.2)


def test_copies_keep_custom_fields():
    class Patient(ClosedLab):
        patience = Field(1.0, "", "how long it waits")

    model = market(classes=[Patient])
    model.agents_by_type[Patient].set("patience", 3.0)
    twin = copy.deepcopy(model)
    twin.agents_by_type[Patient].set("patience", 5.0)
    assert model.agents_by_type[Patient].get("patience") == [3.0, 3.0]
