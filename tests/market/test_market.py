"""The whole month: balanced books, and the same numbers alone, in ensembles, in branches and in other processes."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.machines import EXITS
from helpers.market import gap
from helpers.sizes import FEW, SMALL
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from abm import Parameters, Scenario, Setting, compare, ensemble, ensembles, simulate
from abm.market.measures import MEASURES
from abm.market.observables import ProductRecord
from abm.runs.guards import check_prices
from abm.runs.setup import Setup


def bounds(name):
    extra = Parameters.model_fields[name].json_schema_extra
    return extra["low"], extra["high"]


FREE = [
    "copying_rate", "distillation_rate", "distillation_ceiling", "guarantee_share", "fit_spread", "entry_rate",
    "spillover_rate", "export_leakage", "attention_contagion", "habit_rate",
]  # fmt: skip


@st.composite
def settings_of_a_run(draw):
    """A table of some parameters within the usual part of their bounds, some policy levers, a scenario and a seed."""
    chosen = draw(st.lists(st.sampled_from(FREE), unique=True, max_size=6))
    table = {}
    for name in chosen:
        low, high = bounds(name)
        table[name] = draw(st.floats(max(low, 0.05), min(high, 5.0)))
    for name in ("ip_strength", "ip_clarity", "compliance_proportional"):
        if draw(st.booleans()):
            table[name] = {"china": draw(st.floats(0, 0.8)), "default": draw(st.floats(0, 0.8))}
    return table, draw(st.sampled_from(Scenario.names())), draw(st.integers(0, 2**40))


# Students owe damages to teachers that have left.
EVERY_CLOSED_LAB_FAILS = {
    "copying_rate": 1.0,
    "task_volume": 1e14,
    "distillation_rate": 1.0,
    "distillation_ceiling": 1.0,
    "compliance_proportional": {"china": 0.0, "default": 0.5},
}


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(settings_of_a_run())
@example((EVERY_CLOSED_LAB_FAILS, "baseline", 37))
@example((EVERY_CLOSED_LAB_FAILS, "baseline", 57))
def test_money_and_compute_balance_every_month(case):
    parameters, scenario, seed = case
    run = simulate(parameters, scenario, seed, months=39, **FEW)
    assert run["money_residual"].max() < 1e-8
    assert run["compute_residual"].max() < 1e-8
    for name, measure in MEASURES.items():
        assert measure.undefined or np.isfinite(run[name]).all(), name


def test_books_balance_through_entry_and_exit():
    run = simulate(EXITS | {"guarantee_share": 0.5}, seed=5, months=39, **FEW)
    assert run["entries"].sum() > 0 and run["exits"].sum() > 0
    assert run["money_residual"].max() < 1e-8 and run["compute_residual"].max() < 1e-8


def test_a_run_is_the_same_alone_and_in_an_ensemble():
    alone = simulate(seed=7, months=30, **SMALL)
    many = ensemble(seeds=[3, 1, 4, 15, 9, 2, 6, 5, 35, 7, 8], months=30, daily=None, **SMALL)  # two chunks
    assert gap(alone.report.observables, {name: many[name][9] for name in many.names}) < 1e-9
    assert np.abs(alone.report.daily_returns - many.out["daily"][9]).max() < 1e-9


def test_a_run_does_not_depend_on_the_other_runs_of_its_ensemble():
    a = ensemble(seeds=[3, 7, 11], months=30, daily=None, **SMALL)
    b = ensemble(seeds=[7], months=30, daily=None, **SMALL)
    assert gap({n: a[n][1] for n in a.names}, {n: b[n][0] for n in b.names}) < 1e-9


@pytest.mark.slow
def test_empty_slots_do_not_change_results():
    few = simulate({"entry_rate": 0}, seed=2, months=30, **SMALL)
    more = simulate({"entry_rate": 0}, seed=2, months=30, entrants=6, **SMALL)
    assert gap(few.report.observables, more.report.observables) < 1e-9
    returns = np.delete(
        more.report.daily_returns, np.r_[more.report.daily_returns.shape[2] + np.arange(-6, -3)], axis=2
    )
    assert np.abs(few.report.daily_returns - returns).max() < 1e-9


def test_settings_that_share_a_history_give_the_same_numbers_as_alone():
    """Shared months are computed once; a branch has the history of the first setting up to `branch_at`."""
    switched = {"crash_beliefs": 0.0}
    specs = ensembles(
        [(None, "baseline"), (None, "no_r1"), (switched, "baseline"), (switched, "baseline", 26, 12)],
        range(3), months=30, daily=[24], **SMALL,
    )  # fmt: skip
    for runs, setting in zip(specs, [(None, "baseline"), (None, "no_r1"), (switched, "baseline")], strict=False):
        alone = ensemble(*setting, range(3), months=30, daily=[24], **SMALL)
        assert gap({n: alone[n] for n in alone.names}, {n: runs[n] for n in runs.names}) == 0
        assert (alone.daily(24) == runs.daily(24)).all()
    base, switched_throughout, branch = specs[0], specs[2], specs[3]
    assert branch["welfare"].shape == (3, 26)
    assert (branch["equity_leader"][:, :12] == base["equity_leader"][:, :12]).all()
    assert (branch["equity_leader"][:, 13] != base["equity_leader"][:, 13]).all()
    assert (switched_throughout["equity_leader"][:, 11] != base["equity_leader"][:, 11]).all()


@pytest.mark.slow
def test_runs_longer_than_the_rows_of_a_program():
    """61 months need a longer timeline than 60; the first 60 months are the same."""
    short, long = (ensemble(seeds=[1], months=n, daily=None, **SMALL) for n in (60, 61))
    assert gap({n: short[n] for n in short.names}, {n: long[n][:, :60] for n in long.names}) == 0
    assert long["welfare"].shape == (1, 61) and np.isfinite(long["welfare"]).all()
    _, branch = ensembles([Setting(), Setting(months=61, branch_at=58)], [1], daily=None, **SMALL)
    assert gap({n: branch[n] for n in branch.names}, {n: long[n] for n in long.names}) == 0


def test_an_event_changes_nothing_before_its_month():
    before = Scenario.load("baseline")
    after = before.with_event(kind="news", month=20, day=3, question="compute_intensity", signal=-1.0, precision=4.0)
    a = simulate(scenario=before, seed=2, months=30, **SMALL)
    b = simulate(scenario=after, seed=2, months=30, **SMALL)
    assert gap({n: a[n][:20] for n in MEASURES}, {n: b[n][:20] for n in MEASURES}) == 0
    assert abs(a["belief_intensity"][20] - b["belief_intensity"][20]) > 1e-4


def test_a_common_seed_pairs_scenarios():
    a = ensemble(scenario="baseline", seeds=range(6), months=30, **SMALL)
    b = ensemble(scenario="no_r1", seeds=range(6), months=30, **SMALL)
    paired = compare(a, b).frame("closed_profit")
    assert (paired["difference"].iloc[:23].abs() < 1e-9).all()
    assert paired["variance_reduction"].iloc[-1] > 1
    assert (paired["low"].iloc[-1] < paired["difference"].iloc[-1]) and (
        paired["difference"].iloc[-1] < paired["high"].iloc[-1]
    )


def test_a_comparison_needs_the_same_seeds():
    a = ensemble(seeds=[1, 2], months=30, **SMALL)
    b = ensemble(seeds=[1, 3], months=30, **SMALL)
    with pytest.raises(ValueError, match="different seeds"):
        compare(a, b)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"months": 0}, "months = 0"),
        ({"pricing": "auction"}, "posted, flexible, nash"),
        ({"adopters": 0}, "adopters = 0"),
        ({"information_network": "tree"}, "small_world"),
        ({"parameters": {"ip_strenght": 0.5}}, "did you mean 'ip_strength'"),
        ({"parameters": {"ip_strength": 1.5, "copying_rate": -1}}, "copying_rate = -1"),
        ({"parameters": {"ip_strength": {"chnia": 0.2}}}, "did you mean 'china'"),
        ({"scenario": "basline"}, "baseline"),
    ],
)
def test_invalid_options_are_named(option, message):
    with pytest.raises(ValueError, match=message):
        simulate(**option)


def test_every_observable_is_described():
    assert set(simulate(seed=7, months=30, **SMALL).report.observables) == set(MEASURES)


@pytest.mark.parametrize("network", ["small_world", "scale_free", "core_periphery", "random", "complete"])
def test_static_layers_are_valid_and_reproducible(network):
    from abm.market.networks import static_layer

    lists = static_layer(network, 60, seed=3)
    assert lists.shape == (60, 8) and lists.min() >= 0 and lists.max() < 60
    assert (static_layer(network, 60, seed=3) == lists).all()


def test_signs_an_industrial_economist_would_expect():
    """One parameter at a time, each for its own mechanism, paired over seeds."""
    seeds = range(6)

    def effect(name, low, high, observable):
        a = ensemble({name: high}, seeds=seeds, months=30, **SMALL)
        b = ensemble({name: low}, seeds=seeds, months=30, **SMALL)
        return compare(a, b).difference(observable)[:, -1].mean()

    assert effect("inference_efficiency_growth", 0.5, 1.5, "mean_price_paid") < 0
    assert effect("permitting_lag", 2, 24, "compute_installed") < 0
    assert effect("trust_in_open", 0.05, 0.9, "open_enterprise_share") > 0


@pytest.mark.slow
def test_other_processes_and_stored_traces_give_bitwise_identical_numbers(tmp_path):
    """This process without stored traces, and two with them, of which the second loads those of the first."""
    code = (
        "import sys, numpy as np; from abm import ensemble;"
        "e = ensemble(seeds=[7, 8], months=30, adopters=24, investors=40);"
        "np.save(sys.argv[1], np.stack([e[name] for name in e.names]))"
    )
    here = ensemble(seeds=[7, 8], months=30, **SMALL)
    for number in range(2):
        path = tmp_path / f"{number}.npy"
        subprocess.run([sys.executable, "-c", code, path], check=True, env=os.environ | {"ABM_KEEP_TRACED": "1"})
        np.testing.assert_array_equal(np.load(path), np.stack([here[name] for name in here.names]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate(seed=1.5), "seed = 1.5: must be a whole number"),
        (lambda: simulate(seed=True), "seed = True"),
        (lambda: simulate(seed=None), "seed = None"),
        (lambda: simulate(seed=2**64), "2\\^64 - 1"),
        (lambda: simulate(months=10**9), "from 1 to 1,200"),
        (lambda: simulate(closed_labs=4_000_000_000), "from 0 to 1,000"),
        (lambda: ensemble(seeds=5), "give several, such as range\\(5\\)"),
        (lambda: ensemble(seeds=[1, 1]), "duplicate seed 1"),
        (lambda: simulate(scenaro="no_r1"), "no option 'scenaro'; did you mean 'scenario'"),
    ],
)
def test_invalid_calls_say_what_is_valid(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize("price", [np.nan, -1.0, 0.0, np.inf])
def test_prices_that_are_not_finite_and_positive_are_rejected(price):
    """Only for products on sale."""
    setup = Setup.of(months=3)
    prices, active = np.ones((3, 14, 2)), np.ones((3, 14, 2), bool)
    record = ProductRecord(prices, *[prices] * 3, active, *[prices] * 5)
    check_prices(record, setup)
    prices[2, 1, 0] = price
    with pytest.raises(ValueError, match=r"the price of closed_2 in month 2 is (nan|-1|0|inf): a price must be"):
        check_prices(record, setup)
    active[2, 1, 0] = False
    check_prices(record, setup)
