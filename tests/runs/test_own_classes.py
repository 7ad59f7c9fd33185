"""User classes: errors name the rule, the class and the month, and changed rules take effect."""

import functools
import subprocess
import sys
import threading
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.sizes import TINY

import abm
from abm import MarketModel, Parameters, compare, ensemble, simulate
from abm.agents import ClosedLab, Investor, Operator
from abm.engine import RuleError
from abm.experiments.replay import Unplayable, replay_result

FEW = TINY | {"months": 3}


def pricing(rule):
    """A class of closed labs with this pricing rule."""

    class Mine(ClosedLab):
        def wanted_price(self, p, offer):
            return rule(self, super().wanted_price(p, offer))

    return Mine


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda lab, usual: jnp.ones(2), "returns shape (2,), but must return numbers of shape (3,)"),
        (lambda lab, usual: None, "returns None"),
        (lambda lab, usual: "dear", "returns 'dear'"),
        (lambda lab, usual: usual * 1j, "must return numbers of shape (3,)"),
    ],
)
def test_an_invalid_return_value_names_the_rule(rule, message):
    with pytest.raises(RuleError, match=r"rule Mine\.wanted_price") as error:
        simulate(classes=[pricing(rule)], **FEW)
    assert message in str(error.value)


@pytest.mark.slow
def test_a_price_may_be_one_number_or_one_for_each_offer():
    single = simulate(classes=[pricing(lambda lab, usual: 5.0)], **FEW)
    pair = simulate(classes=[pricing(lambda lab, usual: (5.0, 5.0, 5.0))], **FEW)
    assert single["mean_price_paid"].tolist() == pair["mean_price_paid"].tolist()


def test_operators_can_be_of_an_own_class():
    class Slow(Operator):
        def build(self, p, site):
            super().build(p, site._replace(lag=2 * site.lag))

    usual, changed = simulate(**FEW), simulate(classes={"operators": {Slow: 2, Operator: 6}}, **FEW)
    assert (changed["places"] < usual["places"]).all()
    with pytest.raises(ValueError, match="classes for operators add up to 2 agents, but there are 8"):
        simulate(classes={"operators": {Slow: 2}}, **FEW)


class Undecided(Investor):
    def felt_belief(self, p):
        return super().felt_belief(p) * jnp.nan


@pytest.mark.slow
def test_a_rule_that_gives_nan_raises():
    for run in (
        lambda: simulate(classes=[Undecided], **FEW),
        lambda: ensemble(seeds=[4, 9], classes=[Undecided], **FEW),
    ):
        with pytest.raises(ValueError, match=r"not a finite number from month 0 on \(seed \d\): .*rules of Undecided"):
            run()
    with pytest.raises(ValueError, match=r"the price of closed_\d in month \d is nan"):
        simulate(classes=[pricing(lambda lab, usual: usual * jnp.nan)], **FEW)


@pytest.mark.slow
def test_an_implausible_price_raises_a_warning():
    with pytest.warns(
        UserWarning, match=r"the price of closed_\d in month \d is 1e\+30 \$ per million tokens, above 1e\+09"
    ):
        simulate(classes=[pricing(lambda lab, usual: usual * 0 + 1e30)], **FEW)
    with pytest.warns(UserWarning, match=r"of 2 of 2 runs is above 1e\+09 .*, first in month \d of seed 4"):
        ensemble(seeds=[4, 9], classes=[pricing(lambda lab, usual: usual * 0 + 1e30)], **FEW)


@pytest.mark.parametrize("run", [simulate, MarketModel])
def test_compiled_must_be_true_or_false(run):
    with pytest.raises(ValueError, match="compiled = 'yes': must be True or False"):
        run(compiled="yes", **FEW)


@pytest.mark.parametrize("key", [0, slice(0, 2), ["welfare"], None])
def test_a_result_is_indexed_by_name(key):
    result = simulate(**FEW)
    with pytest.raises(TypeError, match=r"the name of an observable, such as result\['lerner_closed'\], not"):
        result[key]


def test_a_method_whose_name_nearly_matches_a_rule_raises_a_warning():
    with pytest.warns(UserWarning, match="did you mean 'wanted_price'"):

        class Typo(ClosedLab):
            def wanted_prise(self, p, offer):
                return 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Fine(ClosedLab):
            def what_i_think_of_it(self):
                return 1.0


def test_common_mistakes_raise_errors_that_show_the_right_call():
    with pytest.raises(TypeError, match="scenario='baseline'"):
        simulate("baseline")
    with pytest.raises(TypeError, match=r"give Parameters\(ip_strength=\.\.\.\)"):
        simulate(ip_strength=0.9)
    with pytest.raises(TypeError, match="MarketModel rng= or seed="):
        simulate(Parameters(), rng=1, seeds=[1])
    assert MarketModel(classes=ClosedLab, **FEW).setup.populations.closed_labs == 1
    short, long = (ensemble(seeds=range(2), **FEW | {"months": months}) for months in (3, 4))
    with pytest.raises(ValueError, match="3 and 4 months"):
        compare(short, long)
    with pytest.raises(abm.ScenarioError, match="2025-06-31"):
        abm.Scenario.load("baseline").with_event(kind="attention", date="2025-06-31", salience=1.0)
    scenario = abm.Scenario.load("baseline").with_event(kind="attention", date="2025-06-30", salience=1.0)
    assert str(scenario.events[-1].date) == "2025-06-30"


FACTOR = 1.2


class Marked(ClosedLab):
    """Sells at a multiple of cost; the factor is a global variable."""

    def wanted_price(self, p, offer):
        return FACTOR * self.token_cost


def lerner(**options):
    """Final Lerner index of a run with `Marked` labs."""
    return simulate(seed=2, months=3, classes=[Marked], **TINY, **options)["lerner_closed"][-1]


@pytest.mark.slow
def test_a_changed_rule_takes_effect(monkeypatch):
    expensive, cheap = {}, {}
    for factor, values in ((2.5, expensive), (1.2, cheap), (2.5, expensive)):
        monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)
        values.setdefault("compiled", []).append(lerner())
        if "interpreted" not in values:
            values["interpreted"] = lerner(compiled=False)
            values["ensemble"] = ensemble(seeds=[2], months=3, classes=[Marked], **TINY)["lerner_closed"][0, -1]
    assert expensive["compiled"] == pytest.approx([expensive["interpreted"]] * 2)
    assert cheap["compiled"] == pytest.approx([cheap["interpreted"]])
    assert (expensive["ensemble"], cheap["ensemble"]) == pytest.approx((expensive["interpreted"], cheap["interpreted"]))
    assert expensive["compiled"][0] - cheap["compiled"][0] > 0.05  # of labs that released in these months


class Paying(ClosedLab):
    """Pays its customers."""

    def wanted_price(self, p, offer):
        return -1.0 * self.token_cost


def run_model(**options):
    model = MarketModel(rng=2, **options)
    model.run_model()


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [True, False])
def test_a_price_that_is_not_positive_raises_in_every_kind_of_run(compiled):
    options = dict(months=3, classes=[Paying], **TINY)
    message = r"price of closed_1 in month 2 is nan: a price must be a finite number above 0; check the rules"
    for run in (
        lambda: simulate(seed=2, compiled=compiled, **options),
        lambda: run_model(compiled=compiled, **options),
    ):
        with pytest.raises(ValueError, match=message):
            run()
    if compiled:
        with pytest.raises(ValueError, match=r"from month 2 on \(seed 2\): .*rules of Paying"):
            ensemble(seeds=[2], **options)
        runs = abm.sweep(
            {"ip_strength": [0.5]}, seeds=[2], months=3, populations=TINY, classes=[Paying],
            observables=["welfare"],
        ).runs()  # fmt: skip
        assert runs["status"].tolist() == ["nonfinite"]
        assert runs["error"][0].startswith("not finite: active_closed_labs from month 2")


def marked_up(cost):
    return FACTOR * cost


class Branching(ClosedLab):
    """Calls a function of the module through JAX, which caches its trace by the identity of the function."""

    def wanted_price(self, p, offer):
        return jax.lax.cond(jnp.all(self.token_cost > 0), marked_up, marked_up, self.token_cost)


@functools.cache
def lerner_at(factor):
    """The same where the factor stands in the rule."""
    return simulate(seed=2, months=3, classes=[pricing(lambda lab, usual: factor * lab.token_cost)], **TINY)[
        "lerner_closed"
    ][-1]


@pytest.mark.slow
def test_cached_traces_of_a_rule_are_dropped_when_it_changes(monkeypatch):
    cheap, dear = lerner_at(1.2), lerner_at(2.5)
    assert dear - cheap > 0.05
    values = []
    for factor in (1.2, 2.5):
        monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)
        values += [
            simulate(seed=2, months=3, classes=[Branching], compiled=compiled, **TINY)["lerner_closed"][-1]
            for compiled in (True, False)
        ]
    assert values == pytest.approx([cheap, cheap, dear, dear])


@pytest.mark.slow
def test_a_redefined_helper_takes_effect(monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "rate", lambda: 1.2, raising=False)
    monkeypatch.setattr(module, "marked_up", lambda cost: rate() * cost)  # noqa: F821
    first = simulate(seed=2, months=3, classes=[Branching], compiled=False, **TINY)["lerner_closed"][-1]
    monkeypatch.setattr(module, "rate", lambda: 2.5)
    again = simulate(seed=2, months=3, classes=[Branching], compiled=False, **TINY)["lerner_closed"][-1]
    assert (first, again) == pytest.approx((lerner_at(1.2), lerner_at(2.5)))


def test_a_sweep_refuses_rules_replaced_before_the_import(tmp_path):
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


@pytest.mark.slow
def test_a_rule_replaced_in_the_package_takes_effect_but_not_in_sweeps(monkeypatch, tmp_path):
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


@pytest.mark.slow
def test_a_rule_changed_between_steps_takes_effect_in_the_next_step(monkeypatch):
    model = MarketModel(rng=2, months=3, classes=[Marked], **TINY)
    twin = MarketModel(rng=2, months=3, classes=[Marked], compiled=False, **TINY)
    for factor in (2.5, 2.5, 1.2):
        monkeypatch.setattr(sys.modules[__name__], "FACTOR", factor)
        model.step()
        twin.step()
    values = model.frame()["lerner_closed"].tolist()
    assert values == pytest.approx(twin.frame()["lerner_closed"].tolist())
    assert values[-1] == pytest.approx(lerner_at(1.2), abs=1e-3)  # 0.2 more if it still sold at 2.5 times cost


@pytest.mark.slow
def test_a_rule_that_reads_a_clock_raises_one_warning(recwarn):
    class Timely(ClosedLab):
        def wanted_price(self, p, offer):
            return (2.5 + 0 * time.time()) * self.token_cost

    for _ in range(2):
        simulate(seed=2, months=1, classes=[Timely], **TINY)
    messages = [str(warning.message) for warning in recwarn if "Timely" in str(warning.message)]
    assert len(messages) == 1
    assert "Timely.wanted_price uses time" in messages[0]


def factory(markup):
    """A class of closed labs whose rule refers to a variable of this function."""

    class Local(ClosedLab):
        def wanted_price(self, p, offer):
            return markup * self.token_cost

    return Local


@pytest.mark.slow
@pytest.mark.usefixtures("stored_traces")
def test_classes_defined_in_functions_run_in_a_sweep_and_identify_it(tmp_path):
    options = {"seeds": [2], "months": 3, "populations": TINY, "observables": ["lerner_closed"], "workers": 2}
    runs = abm.sweep({"ip_strength": [0.4, 0.5]}, classes=[factory(2.5)], out=tmp_path / "x", **options).runs()
    assert set(runs["status"]) == {"ok"}
    alone = simulate({"ip_strength": 0.5}, seed=2, months=3, classes=[factory(2.5)], **TINY)
    assert runs["lerner_closed_last"].iloc[-1] == pytest.approx(alone["lerner_closed"][-1], rel=1e-9)
    for classes in ([factory(1.2)], None):
        with pytest.raises(ValueError, match="classes of agents: changed"):
            abm.sweep({"ip_strength": [0.4, 0.5]}, classes=classes, out=tmp_path / "x", **options)
    again = abm.sweep({"ip_strength": [0.4, 0.5]}, classes=[factory(2.5)], out=tmp_path / "x", **options)
    assert len(again.sessions()) == 1  # the same rules, so no run is repeated


def test_classes_without_a_role_or_that_cannot_be_pickled_are_refused(tmp_path):
    options = {"seeds": [2], "months": 3, "populations": TINY}
    with pytest.raises(ValueError, match="classes for closed_labs add up to 3 agents, but closed_labs = 1"):
        abm.sweep({"ip_strength": [0.4]}, classes={"closed_labs": {Marked: 3}}, **options)
    with pytest.raises(ValueError, match="has no role"):
        abm.sweep({"ip_strength": [0.4]}, classes=[int], **options)
    lock = threading.Lock()

    class Locked(ClosedLab):
        own = lock

    with pytest.warns(UserWarning, match=r"holds a _thread\.lock"), pytest.raises(ValueError, match="cannot be sent"):
        abm.sweep({"ip_strength": [0.4]}, classes=[Locked], **options)


@pytest.mark.slow
def test_a_sweep_with_own_classes_cannot_be_replayed_from_its_files(tmp_path):
    abm.sweep({"ip_strength": [0.5]}, classes=[Marked], seeds=[2], months=3, populations=TINY, out=tmp_path / "x")
    with pytest.raises(Unplayable, match=r"not stored with it \(Marked\)"):
        replay_result(tmp_path / "x")
