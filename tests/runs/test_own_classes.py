"""What happens when a user's own class is wrong: the rule, the class and the month are named."""

import subprocess
import sys
import threading
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abm
from abm import MarketModel, Parameters, compare, ensemble, simulate
from abm.agents import ClosedLab, Investor
from abm.engine import RuleError
from abm.experiments.replay import Unplayable, replay_result

FEW = {"adopters": 20, "investors": 30, "months": 3}


def pricing(answer):
    """Closed labs whose wanted price is this."""

    class Mine(ClosedLab):
        def wanted_price(self, p, offer):
            return answer(self, super().wanted_price(p, offer))

    return Mine


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda lab, usual: jnp.ones(3), "returns shape (3,), where numbers of shape (2,) are wanted"),
        (lambda lab, usual: None, "returns None"),
        (lambda lab, usual: "dear", "returns 'dear'"),
        (lambda lab, usual: usual * 1j, "where numbers of shape (2,)"),
    ],
)
def test_a_price_that_is_none_names_the_rule(answer, said):
    with pytest.raises(RuleError, match=r"rule Mine\.wanted_price") as error:
        simulate(classes=[pricing(answer)], **FEW)
    assert said in str(error.value)


def test_a_pair_or_one_number_is_a_price():
    one = simulate(classes=[pricing(lambda lab, usual: 5.0)], **FEW)
    two = simulate(classes=[pricing(lambda lab, usual: (5.0, 5.0))], **FEW)
    assert one["mean_price_paid"].tolist() == two["mean_price_paid"].tolist()


class Undecided(Investor):
    def felt_belief(self, p):
        return super().felt_belief(p) * jnp.nan


def test_a_rule_that_gives_nan_is_no_result():
    for play in (
        lambda: simulate(classes=[Undecided], **FEW),
        lambda: ensemble(seeds=[4, 9], classes=[Undecided], **FEW),
    ):
        with pytest.raises(
            ValueError, match=r"is not a finite number from month 0 on \(seed \d\): look at the rules of Undecided"
        ):
            play()
    with pytest.raises(ValueError, match=r"the price of closed_\d in month \d is nan"):
        simulate(classes=[pricing(lambda lab, usual: usual * jnp.nan)], **FEW)


def test_a_price_beyond_any_market_is_told():
    with pytest.warns(
        UserWarning, match=r"the price of closed_\d in month \d is 1e\+30 \$ per million tokens, above 1e\+09"
    ):
        simulate(classes=[pricing(lambda lab, usual: usual * 0 + 1e30)], **FEW)
    with pytest.warns(UserWarning, match=r"of 2 of 2 runs is above 1e\+09 .*, first in month \d of seed 4"):
        ensemble(seeds=[4, 9], classes=[pricing(lambda lab, usual: usual * 0 + 1e30)], **FEW)


@pytest.mark.parametrize("play", [simulate, MarketModel])
def test_compiled_is_true_or_false(play):
    with pytest.raises(ValueError, match="compiled = 'yes': must be True or False"):
        play(compiled="yes", **FEW)


@pytest.mark.parametrize("key", [0, slice(0, 2), ["welfare"], None])
def test_a_result_is_read_by_name(key):
    one = simulate(**FEW)
    with pytest.raises(
        TypeError, match=r"read by the name of an observable, such as result\['lerner_closed'\], not by"
    ):
        one[key]


def test_a_name_that_is_almost_a_rule_is_told():
    with pytest.warns(UserWarning, match="did you mean 'wanted_price'"):

        class Typo(ClosedLab):
            def wanted_prise(self, p, offer):
                return 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Fine(ClosedLab):
            def what_i_think_of_it(self):
                return 1.0


def test_natural_mistakes_are_told_what_to_write():
    with pytest.raises(TypeError, match="scenario='baseline'"):
        simulate("baseline")
    with pytest.raises(TypeError, match=r"give Parameters\(ip_strength=\.\.\.\)"):
        simulate(ip_strength=0.9)
    with pytest.raises(TypeError, match="MarketModel rng= or seed="):
        simulate(Parameters(), rng=1, seeds=[1])
    assert MarketModel(classes=ClosedLab, **FEW).setup.populations.closed_labs == 5
    short, long = (ensemble(seeds=range(2), **FEW | {"months": months}) for months in (3, 4))
    with pytest.raises(ValueError, match="3 and 4 months"):
        compare(short, long)
    with pytest.raises(abm.ScenarioError, match="2025-06-31"):
        abm.Scenario.load("baseline").with_event(kind="attention", date="2025-06-31", salience=1.0)
    one = abm.Scenario.load("baseline").with_event(kind="attention", date="2025-06-30", salience=1.0)
    assert str(one.events[-1].date) == "2025-06-30"


TINY = {"closed_labs": 1, "open_labs": 1, "entrants": 0, "vendors": 1, "adopters": 2, "investors": 2}
FACTOR = 1.2


class Marked(ClosedLab):
    """Sells at a factor over cost, which stands outside the class."""

    def wanted_price(self, p, offer):
        return FACTOR * self.token_cost


def lerner(**more):
    return simulate(seed=2, months=3, classes=[Marked], **TINY, **more)["lerner_closed"][-1]


def test_a_changed_rule_is_what_runs(monkeypatch):
    dear, cheap = {}, {}
    for factor, found in ((2.5, dear), (1.2, cheap), (2.5, dear)):
        monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)
        found.setdefault("compiled", []).append(lerner())
        found["in Python"] = lerner(compiled=False)
        found["many"] = ensemble(seeds=[2], months=3, classes=[Marked], **TINY)["lerner_closed"][0, -1]
    assert dear["compiled"] == pytest.approx([dear["in Python"]] * 2)
    assert cheap["compiled"] == pytest.approx([cheap["in Python"]])
    assert (dear["many"], cheap["many"]) == pytest.approx((dear["in Python"], cheap["in Python"]))
    assert dear["compiled"][0] - cheap["compiled"][0] > 0.1


class Paying(ClosedLab):
    """Pays its customers."""

    def wanted_price(self, p, offer):
        return -1.0 * self.token_cost


def played_by_steps(**options):
    model = MarketModel(rng=2, **options)
    model.run_model()


@pytest.mark.parametrize("compiled", [True, False])
def test_a_price_that_is_not_above_0_is_no_result_of_any_run(compiled):
    asked = dict(months=3, classes=[Paying], **TINY)
    told = r"price of closed_1 in month 2 is -\d.*: a price must be a finite number above 0"
    if not compiled:  # its first buyer says so
        told = "price must be positive in the log form"
    for play in (
        lambda: simulate(seed=2, compiled=compiled, **asked),
        lambda: played_by_steps(compiled=compiled, **asked),
    ):
        with pytest.raises(ValueError, match=told):
            play()
    if compiled:
        with pytest.raises(ValueError, match=r"from month 2 on \(seed 2\): look at the rules of Paying"):
            ensemble(seeds=[2], **asked)
        found = abm.sweep(
            {"ip_strength": [0.5]}, seeds=[2], months=3, populations=TINY, classes=[Paying],
            observables=["welfare"],
        ).runs()  # fmt: skip
        assert found["status"].tolist() == ["nonfinite"]
        assert found["error"][0].startswith("not finite: active_closed_labs from month 2")


def dear(cost):
    return FACTOR * cost


class Branching(ClosedLab):
    """Calls a function of the module through JAX, which keeps its trace by the function alone."""

    def wanted_price(self, p, offer):
        return jax.lax.cond(jnp.all(self.token_cost > 0), dear, dear, self.token_cost * jnp.ones(2))


def test_what_jax_keeps_of_a_rule_goes_when_the_rule_changes(monkeypatch):
    found = []
    for factor in (1.2, 2.5):
        monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)
        found += [
            simulate(seed=2, months=3, classes=[Branching], compiled=how, **TINY)["lerner_closed"][-1]
            for how in (True, False)
        ]
    assert found == pytest.approx([0.43535, 0.43535, 0.63519, 0.63519], abs=1e-4)


def test_a_helper_that_is_defined_again_is_what_runs(monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "rate", lambda: 1.2, raising=False)
    monkeypatch.setattr(module, "dear", lambda cost: rate() * cost)  # noqa: F821
    first = simulate(seed=2, months=3, classes=[Branching], compiled=False, **TINY)["lerner_closed"][-1]
    monkeypatch.setattr(module, "rate", lambda: 2.5)
    again = simulate(seed=2, months=3, classes=[Branching], compiled=False, **TINY)["lerner_closed"][-1]
    assert (first, again) == pytest.approx((0.43535, 0.63519), abs=1e-4)


def test_a_sweep_refuses_rules_that_were_replaced_before_anything_was_run(tmp_path):
    script = f"""
from abm.agents import ClosedLab
import functools
old = ClosedLab.wanted_price
ClosedLab.wanted_price = functools.wraps(old)(lambda self, p, offer: 1.2 * self.token_cost)
import abm
abm.sweep({{"ip_strength": [0.5]}}, seeds=[2], months=2, populations={TINY}, out={str(tmp_path / "x")!r})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "ValueError: abm.agents.closed_lab.ClosedLab.wanted_price: replaced in memory" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_rule_replaced_in_the_package_is_what_runs_and_no_sweep_keeps_it(monkeypatch, tmp_path):
    usual = simulate(seed=2, months=3, **TINY)
    with monkeypatch.context() as patch:
        patch.setattr(ClosedLab, "wanted_price", Marked.wanted_price)
        assert simulate(seed=2, months=3, **TINY)["lerner_closed"][-1] == pytest.approx(lerner())
        with pytest.raises(ValueError, match=r"abm\.agents\.closed_lab\.ClosedLab\.wanted_price: replaced in memory"):
            abm.sweep({"ip_strength": [0.5]}, seeds=[2], months=3, populations=TINY, out=tmp_path / "x")
        with pytest.raises(ValueError, match="have changed since this run"):
            usual.market(1)
    again = simulate(seed=2, months=3, **TINY)
    assert np.array_equal(again["lerner_closed"], usual["lerner_closed"])


def test_a_rule_changed_between_two_steps_acts_from_the_next(monkeypatch):
    model = MarketModel(rng=2, months=3, classes=[Marked], **TINY)
    twin = MarketModel(rng=2, months=3, classes=[Marked], compiled=False, **TINY)
    for factor in (2.5, 2.5, 1.2):
        monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)
        for one in (model, twin):
            one.step()
    found = model.frame()["lerner_closed"].tolist()
    assert found == pytest.approx(twin.frame()["lerner_closed"].tolist())
    assert found[-1] == pytest.approx(0.435, abs=1e-3)  # 0.635 if it went on selling at 2.5 times cost


def test_a_rule_that_reads_a_clock_is_told_once(recwarn):
    class Timely(ClosedLab):
        def wanted_price(self, p, offer):
            return (2.5 + 0 * time.time()) * self.token_cost

    for _ in range(2):
        simulate(seed=2, months=1, classes=[Timely], **TINY)
    told = [str(one.message) for one in recwarn if "Timely" in str(one.message)]
    assert len(told) == 1
    assert "Timely.wanted_price uses time" in told[0]


def factory(markup):
    class Made(ClosedLab):
        def wanted_price(self, p, offer):
            return markup * self.token_cost

    return Made


@pytest.mark.parametrize("workers", [1, 2])
def test_classes_of_a_function_run_in_a_sweep_and_are_part_of_what_was_run(tmp_path, workers):
    asked = {"seeds": [2], "months": 3, "populations": TINY, "observables": ["lerner_closed"], "workers": workers}
    found = abm.sweep({"ip_strength": [0.4, 0.5]}, classes=[factory(2.5)], out=tmp_path / "x", **asked).runs()
    assert set(found["status"]) == {"ok"}
    alone = simulate({"ip_strength": 0.5}, seed=2, months=3, classes=[factory(2.5)], **TINY)
    assert found["lerner_closed_last"].iloc[-1] == pytest.approx(alone["lerner_closed"][-1], rel=1e-9)
    with pytest.raises(ValueError, match="classes of agents: changed"):
        abm.sweep({"ip_strength": [0.4, 0.5]}, classes=[factory(1.2)], out=tmp_path / "x", **asked)
    again = abm.sweep({"ip_strength": [0.4, 0.5]}, classes=[factory(2.5)], out=tmp_path / "x", **asked)
    assert len(again.sessions()) == 1  # the same rules: nothing is done twice


def test_classes_that_cannot_play_or_travel_are_refused(tmp_path):
    asked = {"seeds": [2], "months": 3, "populations": TINY}
    with pytest.raises(ValueError, match="classes for closed_labs add up to 3, but there are 1"):
        abm.sweep({"ip_strength": [0.4]}, classes={"closed_labs": {Marked: 3}}, **asked)
    with pytest.raises(ValueError, match="plays no role"):
        abm.sweep({"ip_strength": [0.4]}, classes=[int], **asked)
    lock = threading.Lock()

    class Locked(ClosedLab):
        own = lock

    with pytest.warns(UserWarning, match=r"holds a _thread\.lock"), pytest.raises(ValueError, match="cannot be sent"):
        abm.sweep({"ip_strength": [0.4]}, classes=[Locked], **asked)


def test_a_sweep_with_own_classes_says_that_it_cannot_be_replayed_alone(tmp_path):
    abm.sweep({"ip_strength": [0.5]}, classes=[Marked], seeds=[2], months=3, populations=TINY, out=tmp_path / "x")
    with pytest.raises(Unplayable, match=r"classes of agents that it does not hold \(Marked\)"):
        replay_result(tmp_path / "x")
