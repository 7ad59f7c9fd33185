"""Alarms: a run whose observables leave their sane range says which, when and how far, once."""

import warnings

import numpy as np
import pytest
from helpers.sizes import SMALL, TINY

import abm
from abm import MarketModel, ensemble, ensembles, simulate
from abm.market.measures import MEASURES, Measure
from abm.runs import alarms
from abm.runs.alarms import Alarm, alarms_of, outside
from abm.support.messages import AbmWarning

MISSES: dict[str, str] = {}
"""Observables that leave their range with the defaults, and why. Who mends one takes it out."""
FEW_SEGMENTS = {
    "token_revenue": "of 24 segments few or none have tasks that the first models can do",
    "api_revenue": "the same, and consumers pay by subscription",
    "lab_cash": "a lab that has a whole segment of high value to itself keeps what it earns: it pays no dividends",
}
"""The same in small markets, where one segment is a twentieth of the world."""


def ranges(monkeypatch, **sane):
    """Let only these observables have ranges."""
    table = {name: measure._replace(sane=sane.get(name)) for name, measure in MEASURES.items()}
    monkeypatch.setattr(
        alarms, "MEASURES", table | {name: Measure("", "", sane[name]) for name in sane if name not in table}
    )


def told(call):
    """What a call returns, and its messages about alarms."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = call()
    return value, [str(w.message) for w in caught if w.category is AbmWarning and "sane range" in str(w.message)]


def test_every_range_is_an_interval_in_which_a_share_is_a_share():
    for name, measure in MEASURES.items():
        if measure.sane:
            assert measure.sane[0] < measure.sane[1], name
            assert measure.sane == (0, 1) or not measure.unit.startswith("share"), name


def test_the_first_month_the_value_there_and_the_number_of_runs(monkeypatch):
    ranges(monkeypatch, x=(0, 1), y=(-1, 1), z=(0, 1), w=None)
    observables = {
        "x": np.array([[0, 1, 5, 7], [0, 0, 0, -2], [0, 1, 0.5, 1]]),
        "y": np.array([[0, 0, 0, 0], [0, np.inf, 0, 0], [0, -3, 0, 0]]),
        "z": np.full((3, 4), np.nan),  # has no value
        "w": np.full((3, 4), 1e9),  # has no range
        "without a measure": np.full((3, 4), 1e9),
    }
    assert alarms_of(observables) == [Alarm("y", 1, np.inf, -1, 1, 2), Alarm("x", 2, 5, 0, 1, 2)]
    assert outside(observables)["x"].tolist() == [[False, False, True, True], [False, False, False, True], [False] * 4]
    assert alarms_of({"x": np.array([0, 2, 0])}) == [Alarm("x", 1, 2, 0, 1, 1)]  # one run
    later, earlier = {"x": [[0, 0, 3]]}, {"x": [[0, 2, 0], [0, 0, 0]]}
    assert alarms_of(later, earlier) == alarms_of(earlier, later) == [Alarm("x", 1, 2, 0, 1, 2)]
    assert alarms_of({}) == []


@pytest.mark.parametrize("bits", [32, 64])
def test_rounding_is_no_alarm(monkeypatch, bits):
    ranges(monkeypatch, x=(0, 1))
    kind = np.dtype(f"float{bits}").type
    above, below = kind(1) + 10 * np.finfo(kind).eps, -10 * np.finfo(kind).eps
    assert not outside({"x": np.array([above, below], kind)})
    assert outside({"x": np.array([1.001], kind)})
    assert bool(outside({"x": np.array([1 + 1e-6], kind)})) == (bits == 64)


def test_a_run_that_leaves_a_range_is_told_once_with_the_first_month(monkeypatch):
    ranges(monkeypatch)
    usual, silent = told(lambda: simulate(seed=1, months=4, **TINY))
    assert silent == [] and usual.alarms().empty
    level = usual["serving_efficiency"]
    assert (np.diff(level) > 0).all()
    ranges(monkeypatch, serving_efficiency=(0, level[1]))
    run, (message,) = told(lambda: simulate(seed=1, months=4, **TINY))
    assert message.splitlines()[1:] == [
        f"  serving_efficiency = {level[2]:.6g} nats in March 2023 (range 0 to {level[1]:g})"
    ]
    assert run.alarms().reset_index().to_dict("records") == [
        {
            "observable": "serving_efficiency",
            "date": run.frame().index[2],
            "value": level[2],
            "low": 0.0,
            "high": level[1],
            "runs": 1,
        }
    ]
    assert "2023-03-01" in str(run.alarms()) and "nats" in str(run.alarms())
    assert all(np.array_equal(run[name], usual[name], equal_nan=True) for name in MEASURES)


def test_an_ensemble_counts_runs_and_several_settings_are_told_together(monkeypatch):
    usual = ensemble(seeds=[1, 2, 3], months=4, **TINY)
    top = np.sort(usual["equity_leader"].max(1))
    limit = float(top[:2].mean())  # which two of three runs exceed
    ranges(monkeypatch, equity_leader=(0, limit))
    runs, (message,) = told(lambda: ensemble(seeds=[1, 2, 3], months=4, **TINY))
    month = int((usual["equity_leader"] > limit).any(0).argmax())
    first = usual["equity_leader"][:, month]
    row = runs.alarms().loc["equity_leader"]
    assert (row["runs"], row["date"]) == (2, usual.bands("hhi").index[month])
    assert row["value"] == first[first > limit][0]
    assert message.endswith(", 2 of 3 runs")
    _, (message,) = told(lambda: ensembles([abm.Setting(), abm.Setting(months=3)], [1, 2, 3], months=4, **TINY))
    assert " of 6 runs" in message and len(message.splitlines()) == 2


def test_a_warning_lists_five_alarms_and_counts_the_others(monkeypatch):
    names = [name for name, measure in MEASURES.items() if not measure.undefined][:7]
    ranges(monkeypatch, **dict.fromkeys(names, (1e20, 1e21)))
    _, (message,) = told(lambda: simulate(seed=1, months=4, **TINY))
    _, *lines, last = message.splitlines()
    assert [line.split()[0] for line in lines] == names[:5] and last == "  and 2 more"
    ranges(monkeypatch, **dict.fromkeys(names[:5], (1e20, 1e21)))
    _, (message,) = told(lambda: simulate(seed=1, months=4, **TINY))
    assert len(message.splitlines()) == 6 and "more" not in message


def test_a_mesa_model_tells_after_its_last_month(monkeypatch):
    ranges(monkeypatch, serving_efficiency=(0, 0.1))
    model = MarketModel(rng=1, months=3, **TINY)
    _, messages = told(lambda: model.run_for(2))
    assert messages == []
    assert model.alarms()["date"].astype(str).tolist() == ["2023-02-01"]
    _, messages = told(model.step)
    assert len(messages) == 1 and "February 2023 (range 0 to 0.1)" in messages[0]


def outside_with_defaults(**sizes):
    return set(ensemble(seeds=range(4), months=60, **sizes).alarms().index)


@pytest.mark.filterwarnings("ignore:observables outside")
def test_the_defaults_stay_inside_with_few_agents():
    assert outside_with_defaults(**SMALL) <= set(MISSES) | set(FEW_SEGMENTS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:observables outside")
def test_the_defaults_stay_inside():
    assert outside_with_defaults() == set(MISSES)
