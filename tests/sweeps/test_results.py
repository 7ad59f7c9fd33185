"""Reading a sweep: arrays, SQL, comparisons and intervals, and the stopping rule."""

import dataclasses
import datetime as dt
import sys

import numpy as np
import pandas as pd
import pytest
from helpers.sweeps import MONTHS, small
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.sweeps import Results, Sweep, open_sweep, run_sweep
from abm.sweeps.comparison import paired
from abm.sweeps.plan import Plan
from abm.sweeps.stopping import Rule, half_widths, judge, run_until

# --- reading ---


def test_missing_runs_are_nan_in_the_dataset_with_their_status(tmp_path):
    run_sweep(small(), tmp_path / "x", shard=(1, 2))
    results = open_sweep(tmp_path / "x")
    assert results.counts() == {"ok": 6, "missing": 6}
    assert len(results.failures()) == 6
    cube = results.to_xarray()
    assert dict(cube.sizes) == {"point": 3, "replication": 4, "month": MONTHS}
    absent = cube["status"] == "missing"
    assert bool((cube["welfare"].isnull().all("month") == absent).all())
    assert list(cube["ip_strength"].values) == [0.0, 0.5, 1.0]


def test_sql_sees_runs_and_panel(folder):
    results = open_sweep(folder)
    result = results.sql("select ip_strength, avg(welfare) as w from panel where month = 2 group by all order by all")
    panel = results.panel(["welfare"])
    expected = panel[panel["month"] == 2].groupby("ip_strength")["welfare"].mean()
    np.testing.assert_allclose(result["w"], expected, rtol=1e-12)
    assert results.sql("select count(*) as n from runs")["n"][0] == 12


def test_compare_pairs_runs_on_the_same_draws(folder):
    results = open_sweep(folder)
    runs = results.runs()
    a, b = (runs[runs["ip_strength"] == level].set_index("replication")["welfare_mean"] for level in (1.0, 0.0))
    row = results.compare("ip_strength", 1.0, 0.0, ["welfare_mean"]).loc["welfare_mean"]
    assert row["difference"] == pytest.approx((a - b).mean(), rel=1e-12)
    assert row["low"] < row["difference"] < row["high"]
    assert row["variance_reduction"] > 10
    assert results.compare("ip_strength", 1, 1e-15, "welfare_mean")["difference"].iloc[0] == row["difference"]
    shown = str(results.compare("ip_strength", 1.0, 0.0))
    assert shown.splitlines()[0].split() == ["difference", "low", "high", "points", "replications"]
    assert max(map(len, shown.splitlines())) <= 80
    assert list(results.panel("welfare").columns[-2:]) == ["month", "welfare"]
    with pytest.raises(ValueError, match="never 0.3"):
        results.compare("ip_strength", 0.3, 0.0)
    with pytest.raises(KeyError, match="did you mean 'ip_strength'"):
        results.compare("ip_strenth", 0.0, 1.0)
    with pytest.raises(KeyError, match="was not stored"):
        results.panel(["hhi"])
    with pytest.raises(FileNotFoundError, match="no sweep here"):
        open_sweep(folder / "parts")


def invented(values, **fields):
    """Results with a given outcome (points, replications); nothing is run."""
    sweep = Sweep(observables=["welfare"], outcomes={"x": {"of": "welfare"}}, replications=values.shape[1], **fields)
    plan = Plan.of(sweep)
    design = pd.DataFrame(
        [
            {"point": i, "point_id": point.id, "scenario": point.scenario, **point.factors}
            for i, point in enumerate(plan.points)
        ]
    )
    results = Results(None, {"replications": sweep.replications}, sweep, design)
    rows = [{"run_id": r.id, "replication": r.replication, "seed": r.seed, "point": r.point} for r in plan.runs()]
    runs = pd.DataFrame(rows).merge(design.drop(columns="point_id"), on="point")
    results.__dict__["_table"] = runs.assign(status="ok", error="", seconds=0.0, x=values.ravel())
    return results


def test_points_that_coincide_are_paired_once():
    rows = [{"ip_strength": s, "adopters": a} for s, a in ((0.0, 5), (1.0, 5), (0.0, 5), (1.0, 5), (0.0, 6), (1.0, 6))]
    values = np.array([[0.0, 1.0], [2.0, 5.0], [0.0, 1.0], [2.0, 5.0], [0.0, 0.0], [4.0, 4.0]])
    results = invented(values, design={"kind": "table", "rows": rows})
    row = results.compare("ip_strength", 1.0, 0.0).loc["x"]
    assert row["difference"] == 3.5  # 2, 4; 4, 4
    assert (row["points"], row["replications"], row["left_out"]) == (2, 2, 0)


def test_points_do_not_count_as_replications():
    """Ten points that share their draws carry no more information on chance than one."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(1, 8)) * np.array([[0.0]] * 10 + [[1.0]] * 10)
    factors = {"ip_strength": [0.0, 1.0], "adopters": list(range(1, 11))}
    ten = invented(shared, factors=factors).compare("ip_strength", 1.0, 0.0)
    one = invented(shared[[0, -1]], factors={"ip_strength": [0.0, 1.0]}).compare("ip_strength", 1.0, 0.0)
    pd.testing.assert_frame_equal(ten.drop(columns="points"), one.drop(columns="points"), check_exact=False)
    assert (ten["points"].iloc[0], one["points"].iloc[0]) == (10, 1)


def test_dates_may_be_compared_as_text():
    days = [dt.date(2025, 1, 20), dt.date(2025, 2, 20)]
    results = invented(np.array([[1.0, 2.0], [2.0, 4.0]]), factors={"r1.date": days})
    row = results.compare("r1.date", "2025-02-20", dt.datetime(2025, 1, 20)).loc["x"]
    assert row["difference"] == 1.5
    with pytest.raises(ValueError, match="it takes 2025-01-20, 2025-02-20"):
        results.compare("r1.date", "2025-03-20", days[0])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_intervals_have_their_nominal_coverage(missing):
    """Six points share the effect of a replication and have noise of their own."""
    rng = np.random.default_rng(5)
    trials, covered, naive = 2_000, 0, 0
    for _ in range(trials):
        effects = np.linspace(0, 2, 6)[:, None]
        difference = 1 + effects - effects.mean() + rng.normal(size=(1, 10)) + 0.5 * rng.normal(size=(6, 10))
        difference[rng.random(difference.shape) < missing] = np.nan
        result = paired(difference, np.zeros_like(difference), 0.95)
        covered += result["low"] <= 1 <= result["high"]
        pooled = difference[np.isfinite(difference)]
        naive += abs(pooled.mean() - 1) <= 2 * pooled.std(ddof=1) / np.sqrt(len(pooled))
    assert 0.93 < covered / trials < 0.97
    assert naive / trials < 0.9  # as if pairs were independent


@pytest.mark.parametrize(("name", "package"), [("to_xarray", "xarray"), ("sql", "duckdb")])
def test_a_missing_extra_is_named(folder, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'ai-market-abm\[(xarray|sql)\]'"):
        getattr(open_sweep(folder), name)(*(["select 1"] if name == "sql" else []))


# --- enough replications ---


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    points=st.integers(1, 3),
    number=st.integers(2, 40),
    half_width=st.floats(0.01, 1.0),
    look_ahead=st.integers(0, 5),
)
def test_the_rule_finds_the_first_number_that_stays_narrow(seed, points, number, half_width, look_ahead):
    """Compare with the definition, interval by interval with scipy.stats."""
    from scipy import stats

    values = np.random.default_rng(seed).normal(5, 1, (points, number))
    rule = Rule("x", half_width, minimum=2, maximum=1_000, look_ahead=look_ahead)

    def narrow(n):
        watched = values[1:, :n] - values[:1, :n] if points > 1 else values[:, :n]
        ends = [stats.t.interval(0.95, n - 1, row.mean(), stats.sem(row)) for row in watched]
        return max((high - low) / 2 for low, high in ends) / abs(values[0, :n].mean()) <= half_width

    expected = None
    for n in range(2, number - look_ahead + 1):
        if all(narrow(m) for m in range(n, n + look_ahead + 1)):
            expected = n
            break
    assert judge(values, rule).enough == expected


def test_runs_without_a_finite_value_are_left_out_and_counted():
    values = np.random.default_rng(1).normal(5, 1, (2, 30))
    values[1, 4] = np.nan
    rule = Rule("x", 0.5)
    verdict = judge(values, rule)
    assert verdict.left_out == 1
    assert np.isfinite(half_widths(values, rule)[2:]).all()


def test_replications_are_added_until_the_interval_is_narrow(tmp_path):
    sweep = small(replications=2)
    never = Rule("welfare", 1e-9, minimum=15, maximum=40, look_ahead=2)
    most = run_until(sweep, tmp_path / "most", never)[1]
    assert most.enough is None and len(most.widest) == never.maximum + 1
    rule = dataclasses.replace(never, half_width=1.1 * most.widest[15:].min())
    seen = []
    tally, verdict = run_until(sweep, tmp_path / "x", rule, on_verdict=lambda n, v: seen.append(n))
    assert len(seen) > 1
    assert (tally.before, sum(tally.counts.values())) == (0, tally.total)  # of all rounds
    assert verdict.enough is not None
    assert verdict.widest[verdict.enough] <= rule.half_width
    assert tally.total == 3 * seen[-1]
    assert len(open_sweep(tmp_path / "x").runs()) == tally.total
    again, same = run_until(sweep, tmp_path / "x", rule)
    assert same.enough == verdict.enough
    assert sum(again.counts.values()) == 0
