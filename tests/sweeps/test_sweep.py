"""Sweeps: what is asked for, how it is laid out, what comes out, and how it is read."""

import datetime as dt
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import abm
from abm.agents import ClosedLab
from abm.sweeps import Design, Results, SpecError, Sweep, open_sweep, run_sweep, store
from abm.sweeps.comparison import paired
from abm.sweeps.estimate import time_of
from abm.sweeps.plan import Plan, points_of
from abm.sweeps.stopping import Rule, half_widths, judge, run_until
from abm.sweeps.store import Changed

SMALL = {"adopters": 24, "investors": 40}  # as in tests/test_market.py: one compiled program does for all
MONTHS = 3


def small(**said):
    usual = dict(
        factors={"ip_strength": [0.0, 0.5, 1.0]},
        populations=SMALL,
        observables=["lerner_closed", "welfare"],
        replications=4,
        months=MONTHS,
    )
    return Sweep(**{**usual, **said})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep that nothing happened to."""
    place = tmp_path_factory.mktemp("sweep") / "reference"
    run_sweep(small(), place)
    return place


def numbers(folder):
    results = open_sweep(folder)
    return results.runs().drop(columns="seconds"), results.panel()


def equal(folder, reference):
    for mine, theirs in zip(numbers(folder), numbers(reference), strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


# --- what is asked for ---


RANGE = {"low": 0.0, "high": 1.0}


def complaints(**said):
    with pytest.raises(SpecError) as caught:
        Sweep(**said)
    return caught.value.problems


def test_every_mistake_is_told_at_once():
    problems = complaints(
        months=0,
        replications="ten",
        factors={"ip_strenght": [0, 1], "ip_strength": [0, 2, float("nan")], "adopters": [0, 1.5], "noise_sd": []},
        observables=["lerner"],
        scenarios=["baselin"],
        design={"kind": "grid", "points": 3},
        parameters={"ip_clarity": 7.0},
        panel=[99],
        outcomes={"seed": {"of": "welfar", "first": 9, "last": 3}},
        desing=1,
    )
    text = "\n".join(problems)
    for said in (
        "months: 0",
        "replications: 'ten'",
        "factors.ip_strenght: is no parameter, population or event; did you mean 'ip_strength'?",
        "factors.ip_strength: 2 must lie between 0 and 1",
        "factors.ip_strength: nan is not finite",
        "factors.adopters: 0 must lie between 1",
        "factors.adopters: 1.5 is not a whole number",
        "factors.noise_sd: is empty",
        "observables: no observable 'lerner'",
        "unknown scenario 'baselin'; did you mean 'baseline'?",
        "design.points: a design of kind grid takes levels from its factors; leave out points",
        "parameters.ip_clarity = 7: must lie between 0 and 1",
        "no observable 'welfar'; did you mean 'welfare'?",
        "outcomes.seed: is the name of a column",
        "desing: unknown key 'desing'; did you mean 'design'?",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"factors": {"permitting_lag": {"values": [1.0], "unit": "years"}}}, "is measured in months, not in 'years'"),
        ({"factors": {"ip_strength": [0.1, 0.1]}}, "has a value twice"),
        ({"factors": {"ip_strength": [0.1]}, "parameters": {"ip_strength": 0.2}}, "is a factor, too"),
        ({"factors": {"noise_sd.us": [0.1]}}, "has one value everywhere; leave out .us"),
        ({"factors": {"ip_strength.uk": [0.1]}}, "no jurisdiction 'uk'"),
        ({"factors": {"r1.date": [0.1]}}, "is not a date"),
        ({"factors": {"r1.date": [dt.date(2040, 1, 1)]}}, "outside the horizon"),
        (
            {"factors": {"r1.date": [dt.date(2025, 1, 1)]}, "scenarios": ["no_r1"]},
            "is no parameter, population or event",
        ),
        (
            {"factors": {"r1.date": [dt.date(2025, 2, 3)]}, "scenarios": ["baseline", "no_r1"]},
            "'no_r1' has no event 'r1'",
        ),
        ({"factors": {"ip_strength": {"low": 0.5, "high": 0.5, "levels": 2}}}, "must be below"),
        ({"factors": {"ip_strength": {"low": 0.0, "high": 0.5}}}, "needs levels"),
        ({"factors": {"ip_strength": {"low": 0.0, "high": 0.5, "levels": 2, "scale": "log"}}}, "must start above 0"),
        ({"factors": {"ip_strength": [0.1]}, "design": {"kind": "sobol", "points": 100}}, "such as 128, not 100"),
        ({"factors": {"ip_strength": {"a": {"b": 1}}}}, "give a list of values"),
        ({"scenarios": []}, "is empty"),
        ({"observables": []}, "is empty"),
        ({"design": {"kind": "table", "rows": [{"ip_strength": 0.1}, {"ip_clarity": 0.1}]}}, "the same factors"),
        ({"design": {"kind": "table", "rows": [{"ip_strength": 1.1}]}}, "1.1 must lie between"),
        ({"populations": {"adopter": 3}}, "unknown; did you mean 'adopters'?"),
        ({"seed": -1}, "seed: -1"),
        ({"factors": {"adopters": [10**400]}}, "too large a number"),
        ({"parameters": {"ip_strength": 10**400}}, "parameters.ip_strength: 1000"),
        ({"replications": 10**400}, "replications: 1000"),
        ({"factors": {"ip_strength": RANGE}, "design": {"kind": "sobol", "points": 4.5}}, "whole number of points"),
        ({"factors": {"ip_strength": RANGE}, "design": {"kind": "sobol", "points": 10**400}}, "whole number of points"),
        ({"factors": {"ip_strength": RANGE | {"levels": 3}}, "design": {"kind": "sobol", "points": 4}}, "in a grid"),
        ({"factors": {"ip_strength": {"values": [0.1], "scale": "log"}}}, "scale goes with a range"),
        ({"factors": {"ip_strength": [0.1]}, "design": {"second_order": True}}, 'kind = "saltelli"'),
        ({"factors": {"ip_strength": [0.1]}, "design": {"levels": 4}}, 'kind = "morris"'),
        (
            {"factors": {"ip_strength": [0.1]}, "design": {"kind": "table", "rows": [{"ip_strength": 0.1}]}},
            "stands beside a table",
        ),
        (
            {"factors": {"adopters": [1, 2, 3]}, "design": {"kind": "morris", "trajectories": 4}},
            "do not fall evenly: choose 4 values and design.levels = 4",
        ),
        (
            {"factors": {"adopters": {"low": 10, "high": 20}}, "design": {"kind": "morris", "trajectories": 4}},
            "do not fall evenly: choose 13 values, or design.levels = 6",
        ),
        ({"outcomes": {"point_id": {"of": "welfare"}}}, "outcomes.point_id: is the name of a column"),
        ({"outcomes": {"month": {"of": "welfare"}}}, "outcomes.month: is the name of a column"),
        ({"outcomes": {"Good": {"of": "welfare"}}}, "outcomes.Good: is the name of a column"),
        ({"outcomes": {"there": {"of": "welfare"}}}, "outcomes.there: is the name of a column"),
        ({"outcomes": {"welfare": {"of": "welfare"}}}, "outcomes.welfare: is the name of a column"),
        ({"outcomes": {"a": {"of": "welfare"}, "A": {"of": "hhi"}}}, "outcomes.A: is the name of a column"),
        (
            {"factors": {"ip_strength": [0.1]}, "outcomes": {"ip_strength": {"of": "welfare"}}},
            "outcomes.ip_strength: is the name of a column",
        ),
        ({"factors": {"ip_strength": [0.1]}, "observables": ["ip_strength"]}, "is a factor, too"),
        ({"seeds": [1, 2], "replications": 3}, "there are 2 seeds"),
        ({"seeds": [1, 1]}, "one is there twice"),
        ({"seeds": []}, "seeds: is empty"),
        ({"seeds": [1], "common_draws": False}, "leave out common_draws"),
        ({"seeds": [1], "seed": 3}, "decides nothing"),
    ],
)
def test_a_mistake_names_what_and_where(said, message):
    assert message in "\n".join(complaints(**said))


@pytest.mark.parametrize(
    ("said", "only"),
    [
        ({"months": 0}, "months: 0"),
        ({"months": 0, "outcomes": {"late": {"of": "welfare", "first": 5}}}, "months: 0"),
        ({"panel": "som"}, "panel: 'som': must be"),
        ({"populations": {"adopters": 1.5}}, "populations.adopters: 1.5 is not a whole number"),
        ({"parameters": {"ip_strength": "x"}}, "parameters.ip_strength: 'x'"),
        ({"factors": {"ip_strength": RANGE | {"levels": 2.5}}}, "factors.ip_strength: a range needs levels"),
        ({"design": {"kind": "gird"}}, "design.kind: 'gird'"),
        ({"factors": {"r1.date": [dt.date(2040, 1, 1)]}}, "factors.r1.date: 2040-01-01: is outside the horizon"),
        (
            {"factors": {"h20_licence.availability": [3.0]}},
            "factors.h20_licence.availability: 3.0: availability (share): must be at most 1",
        ),
    ],
)
def test_one_fault_is_told_in_one_line(said, only):
    (line,) = complaints(**said)
    assert line.startswith(only)


def test_levels_may_be_arrays_ranges_and_dates_in_quotes():
    sweep = Sweep(
        factors={
            "ip_strength": np.linspace(0, 1, 3),
            "adopters": range(10, 30, 10),
            "noise_sd": pd.Series([0.01]),
            "ip_clarity": [np.float64(0.5)],
            "r1.date": ["2025-01-20"],
        },
        observables="welfare",
        seeds=np.arange(3),
        months=np.int64(60),
    )
    assert sweep.factors["adopters"].values == (10, 20)
    assert sweep.factors["r1.date"].values == (dt.date(2025, 1, 20),)
    assert sweep.number_of_runs == 3 * 2 * 3
    assert sweep.seeds == (0, 1, 2)


def test_a_thousand_million_points_are_refused_before_they_are_laid_out():
    axis = {"low": 0.01, "high": 0.1, "levels": 1000}
    said = complaints(factors={"ip_strength": axis, "ip_clarity": axis, "noise_sd": axis})
    assert "1,000,000,000 points x 10 replications = 10,000,000,000 runs" in said[0]
    assert "years" in said[0]


spec_numbers = st.floats(0.0, 1.0).map(lambda x: round(x, 6))


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(spec_numbers, min_size=1, max_size=4, unique=True),
    china=st.lists(spec_numbers, min_size=1, max_size=3, unique=True),
    adopters=st.lists(st.integers(1, 500), min_size=1, max_size=3, unique=True),
    days=st.lists(st.dates(dt.date(2025, 1, 1), dt.date(2025, 12, 1)), min_size=1, max_size=2, unique=True),
    seed=st.integers(0, 2**63 - 1),
    panel=st.one_of(st.sampled_from(["all", "none"]), st.lists(st.integers(0, 59), min_size=1, max_size=4)),
)
def test_a_file_says_all_that_the_object_says(tmp_path_factory, values, china, adopters, days, seed, panel):
    sweep = Sweep(
        factors={"ip_strength": values, "ip_strength.china": china, "adopters": adopters, "r1.date": days},
        seed=seed,
        panel=panel,
        parameters={"permitting_lag": {"us": 3.0, "default": 6.0}},
        outcomes={"late": {"of": "welfare", "first": 48}},
    )
    path = tmp_path_factory.mktemp("spec") / "one.toml"
    path.write_text(sweep.to_toml(), encoding="utf-8")
    again = Sweep.load(path)
    assert again.plain() == sweep.plain()
    assert again.hash == sweep.hash


@pytest.mark.parametrize(
    "said",
    [
        {"common_draws": False},
        {"name": "a.b-c", "scenarios": ["no_r1"], "months": 7, "replications": 3, "seed": 5},
        {"seeds": [3, 1, 2**63 - 1]},
        {"observables": ["hhi"], "panel": [0, 5], "precision": 32, "pricing": "nash", "price_form": "linear"},
        {"parameters": {"ip_strength": 1e-7, "permitting_lag": {"us": 3.0}}},
        {"populations": {"adopters": 30, "peer_network": "random", "network_seed": 3}},
        {"factors": {"noise_sd": {"low": 0.01, "high": 0.1, "levels": 3, "scale": "log", "unit": "per day"}}},
        {"factors": {"r1.date": {"low": dt.date(2025, 1, 1), "high": dt.date(2025, 3, 1), "levels": 3}}},
        {"factors": {"ip_strength": RANGE}, "design": {"kind": "latin_hypercube", "points": [4, 8]}},
        {"factors": {"ip_strength": RANGE}, "design": {"kind": "saltelli", "points": 4, "second_order": True}},
        {"factors": {"ip_strength": RANGE}, "design": {"kind": "morris", "trajectories": 4, "levels": 6}},
        {"design": {"kind": "table", "rows": [{"ip_strength": 0.1, "r1.date": dt.date(2025, 1, 20)}]}},
        {"outcomes": {"late": {"of": "welfare", "take": "change", "first": 1, "last": 2}}},
    ],
)
def test_every_key_reads_back(tmp_path, said):
    sweep = Sweep(**said)
    store.keep_spec(tmp_path, Plan.of(sweep))
    again = Sweep.load(tmp_path / "spec.toml")
    assert again.plain() == sweep.plain()
    assert [run.id for run in Plan.of(again).runs()] == [run.id for run in Plan.of(sweep).runs()]
    assert set(said) - set(Sweep.model_fields) == set()


def test_a_file_reaches_nothing_outside_its_folder(tmp_path):
    outside = tmp_path / "secret.csv"
    outside.write_text("ip_strength\n0.1\n", encoding="utf-8")
    inner = tmp_path / "inner"
    inner.mkdir()
    for text in ('[design]\nkind = "table"\nfile = "../secret.csv"', 'scenarios = ["../x.toml"]', "folder = '/'"):
        path = inner / "spec.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SpecError, match=r"outside the folder|no keys|unknown key"):
            Sweep.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"months = ", "bad.toml:1: TOML syntax: Invalid value"),
        (b"\xff\xfe", "bad.toml:1: cannot be read: it is not UTF-8 text"),
        (b"factors = 3", "factors"),
        (b"months = 1e3", "months"),
    ],
)
def test_a_file_that_is_none_is_told_by_its_name(tmp_path, content, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="bad.toml") as caught:
        Sweep.load(path)
    assert message in str(caught.value)
    with pytest.raises(SpecError, match="no such file"):
        Sweep.load(tmp_path / "absent.toml")


def test_a_table_names_the_line_that_is_short(tmp_path):
    (tmp_path / "points.csv").write_text("ip_strength,adopters\n0.1,20\n0.2\n", encoding="utf-8")
    with pytest.raises(SpecError, match="line 3: has 1 cells, and the first line 2"):
        Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)


def test_a_table_takes_blanks_and_blank_rows_and_names_the_line_of_a_wrong_value(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("ip_strength, adopters\n0.1, 20\n,\n0.2, 30\n", encoding="utf-8")
    sweep = Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)
    assert sweep.rows == ({"ip_strength": 0.1, "adopters": 20}, {"ip_strength": 0.2, "adopters": 30})
    path.write_text("ip_strength,adopters\n,\n1.2,20\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"line 3: ip_strength: 1\.2 must lie between 0 and 1"):
        Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)


# --- how it is laid out ---

RANGES = {
    "ip_strength": {"low": 0.0, "high": 1.0},
    "noise_sd": {"low": 0.001, "high": 0.1, "scale": "log"},
    "adopters": {"low": 10, "high": 13},
    "r1.date": {"low": dt.date(2025, 1, 10), "high": dt.date(2025, 1, 19)},
    "ip_clarity": [0.1, 0.9],
}


@pytest.mark.parametrize(
    "design",
    [
        {"kind": "latin_hypercube", "points": 64},
        {"kind": "sobol", "points": 64},
        {"kind": "saltelli", "points": 16},
        {"kind": "morris", "trajectories": 9},
    ],
)
def test_points_fill_the_ranges_evenly_and_no_more(design):
    sweep = Sweep(factors=RANGES, design=design)
    points = pd.DataFrame(points_of(sweep))
    assert len(points) == sweep.number_of_points
    assert points["ip_strength"].between(0, 1).all()
    assert points["noise_sd"].between(0.001, 0.1).all()
    assert set(points["adopters"]) == {10, 11, 12, 13}
    assert points["r1.date"].min() >= dt.date(2025, 1, 10)
    assert points["r1.date"].max() <= dt.date(2025, 1, 19)
    assert 0.3 < (points["ip_clarity"] == 0.1).mean() < 0.7
    assert 0.35 < (points["noise_sd"] < 0.01).mean() < 0.65  # half of a logarithmic range lies below its middle decade


def test_a_latin_hypercube_has_one_point_in_every_slice():
    points = points_of(
        Sweep(factors={"ip_strength": RANGES["ip_strength"]}, design={"kind": "latin_hypercube", "points": 50})
    )
    assert sorted(int(50 * point["ip_strength"]) for point in points) == list(range(50))


def test_levels_of_a_grid_are_round_and_end_where_the_range_does():
    factors = {
        "ip_strength": {"low": 0.1, "high": 0.7, "levels": 7},
        "noise_sd": {"low": 0.01, "high": 1 / 6, "levels": 3},
    }
    points = pd.DataFrame(points_of(Sweep(factors=factors)))
    assert sorted(set(points["ip_strength"])) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert points["noise_sd"].max() == 1 / 6


@pytest.mark.parametrize("levels", [2, 4, 6])
def test_a_step_of_a_morris_design_is_always_as_many_values(levels):
    """Of whole numbers and lists, wherever it is not refused."""
    taken = 0
    for number in range(2, 13):
        for values in ({"low": 1, "high": number}, list(range(1, number + 1))):
            try:
                design = {"kind": "morris", "trajectories": 20, "levels": levels}
                sweep = Sweep(factors={"adopters": values, "investors": values}, design=design)
            except SpecError:
                continue
            taken += 1
            points = np.array([list(point.values()) for point in points_of(sweep)]).reshape(20, 3, 2)
            steps = np.sort(np.abs(np.diff(points, axis=1)), axis=2)
            assert (steps[:, :, 0] == 0).all()
            assert len(np.unique(steps[:, :, 1])) == 1
            assert len(np.unique(points)) == min(levels, number)
    assert taken >= 5


def test_saltelli_and_morris_points_are_what_salib_expects():
    from SALib.analyze import morris, sobol

    factors = {"ip_strength": RANGES["ip_strength"], "ip_clarity": {"low": 0.0, "high": 1.0}}
    problem = {"num_vars": 2, "names": list(factors), "bounds": [[0, 1]] * 2}
    points = pd.DataFrame(points_of(Sweep(factors=factors, design={"kind": "saltelli", "points": 512}))).to_numpy()
    found = sobol.analyze(problem, 2 * points[:, 0] + points[:, 1], calc_second_order=False, seed=1)
    np.testing.assert_allclose(found["S1"], [0.8, 0.2], atol=0.02)  # of 2 x + y: 4/5 and 1/5
    points = pd.DataFrame(points_of(Sweep(factors=factors, design={"kind": "morris", "trajectories": 6}))).to_numpy()
    found = morris.analyze(problem, points, 2 * points[:, 0] + points[:, 1], num_levels=4, seed=1)
    np.testing.assert_allclose(found["mu"], [2, 1])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    fewer=st.integers(1, 5),
    more=st.integers(0, 5),
    kind=st.sampled_from(["grid", "sobol", "lhs"]),
)
def test_more_points_and_replications_leave_the_others_as_they_are(seed, fewer, more, kind):
    designs = {
        "grid": [({"kind": "grid"}, [0.1 * n for n in range(1, 1 + number)]) for number in (fewer, fewer + more)],
        "sobol": [
            ({"kind": "sobol", "points": 2**number}, {"low": 0.0, "high": 1.0}) for number in (fewer, fewer + more)
        ],
        "lhs": [
            ({"kind": "latin_hypercube", "points": sizes}, {"low": 0.0, "high": 1.0})
            for sizes in ([fewer], [fewer, more + 1])
        ],
    }[kind]
    before, after = (
        {
            run.id: run
            for run in Plan.of(Sweep(factors={"ip_strength": values}, design=design, replications=n, seed=seed)).runs()
        }
        for (design, values), n in zip(designs, (fewer, fewer + more), strict=True)
    )
    assert before.keys() <= after.keys()
    assert all(
        after[name].seed == run.seed and after[name].replication == run.replication for name, run in before.items()
    )
    by_replication = {}
    for run in after.values():
        by_replication.setdefault(run.replication, set()).add(run.seed)
    assert all(len(seeds) == 1 for seeds in by_replication.values())
    assert len({next(iter(seeds)) for seeds in by_replication.values()}) == len(by_replication)


def test_points_may_have_draws_of_their_own():
    runs = list(Plan.of(small(common_draws=False)).runs())
    assert len({run.seed for run in runs}) == len(runs)


def test_seeds_may_be_given_and_a_run_is_the_same_run():
    derived = Plan.of(small(replications=3))
    seeds = derived.common_seeds
    given = Plan.of(small(replications=3, seeds=seeds))
    assert list(given.runs()) == list(derived.runs())
    turned = list(Plan.of(small(replications=3, seeds=seeds[::-1])).runs())
    assert {run.id for run in turned} == {run.id for run in derived.runs()}
    assert [run.seed for run in turned[:3]] == seeds[::-1]
    with pytest.raises(ValueError, match="names 3 seeds"):
        Plan.of(small(replications=3, seeds=seeds), 4)


def test_shards_share_the_runs_without_overlap():
    plan = Plan.of(small(replications=5))
    shares = [[run.id for run in plan.runs((k, 4))] for k in range(1, 5)]
    assert sorted(sum(shares, [])) == sorted(run.id for run in plan.runs())
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_million_runs_make_about_a_thousand_chunks():
    plan = Plan.of(small(replications=10))
    runs = list(plan.runs()) * 40_000
    assert 1_000 <= len(plan.chunks(runs, workers=2)) <= 3_000


# --- what comes out ---


def test_a_run_of_a_sweep_is_the_run_that_simulate_gives(folder):
    results = open_sweep(folder)
    row = results.runs().iloc[-1]
    alone = abm.simulate({"ip_strength": row["ip_strength"]}, seed=int(row["seed"]), months=MONTHS, **SMALL)
    panel = results.panel()
    mine = panel[panel["run_id"] == row["run_id"]]
    for name in ("lerner_closed", "welfare"):
        np.testing.assert_allclose(mine[name], alone[name], rtol=1e-9)
        assert row[f"{name}_last"] == mine[name].iloc[-1]
        assert row[f"{name}_mean"] == pytest.approx(mine[name].mean(), rel=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunks_change_nothing(folder, tmp_path, chunk):
    run_sweep(small(), tmp_path / "x", chunk=chunk)
    equal(tmp_path / "x", folder)


def test_shards_do_the_whole_in_any_order(folder, tmp_path):
    for k in (3, 1, 2):
        run_sweep(small(), tmp_path / "x", shard=(k, 3))
    equal(tmp_path / "x", folder)


def test_dates_of_events_and_user_classes_can_be_swept(tmp_path):
    dates = [dt.date(2023, 1, 10), dt.date(2023, 3, 10)]
    sweep = small(factors={"gpt4.date": dates}, replications=2)
    run_sweep(sweep, tmp_path / "dates")
    panel = open_sweep(tmp_path / "dates").panel(["lerner_closed"])
    early, late = (panel[panel["gpt4.date"] == date]["lerner_closed"].to_numpy() for date in dates)
    assert not np.allclose(early, late)
    story = abm.Scenario.load("baseline")
    event = next(e for e in story.all_events if e.id == "gpt4")
    told = story.without("gpt4").with_event(
        {"kind": event.kind} | event.model_dump(exclude_defaults=True) | {"date": dates[0]}
    )
    seed = int(open_sweep(tmp_path / "dates").runs()["seed"][0])
    alone = abm.simulate(scenario=told, seed=seed, months=MONTHS, **SMALL)
    np.testing.assert_allclose(early[:MONTHS], alone["lerner_closed"], rtol=1e-9)


class Fighter(ClosedLab):
    """Sells at a tenth over cost."""

    def wanted_price(self, p, offer):
        return 1.1 * self.token_cost


@pytest.mark.slow
def test_user_classes_run_in_a_sweep_and_are_part_of_what_was_run(tmp_path, folder):
    classes = {"closed_labs": {Fighter: 5}}
    sweep = small(replications=1, factors={"ip_strength": [0.5]})
    run_sweep(sweep, tmp_path / "x", classes=classes)
    lerner = open_sweep(tmp_path / "x").runs()["lerner_closed_last"][0]
    usual = open_sweep(folder).runs()
    assert lerner < usual[(usual["ip_strength"] == 0.5) & (usual["replication"] == 0)]["lerner_closed_last"].iloc[0]
    with pytest.raises(Changed, match="classes of agents"):
        run_sweep(sweep, tmp_path / "x")


def test_a_sweep_in_one_call_runs_the_seeds_that_are_named(tmp_path):
    results = abm.sweep(
        {"ip_strength": np.array([0.0, 0.5])}, seeds=[7, 3], months=MONTHS, populations=SMALL, observables="welfare"
    )
    runs, place = results.runs(), results.folder
    assert list(runs["seed"]) == [7, 3, 7, 3]
    assert list(runs["replication"]) == [0, 1, 0, 1]
    alone = abm.simulate({"ip_strength": 0.5}, "baseline", 3, months=MONTHS, **SMALL)
    assert runs["welfare_last"].iloc[-1] == pytest.approx(alone["welfare"][-1], rel=1e-9)
    assert "2 points x 2 replications" in repr(results)
    assert len(repr(results)) < 200
    del results
    assert not place.exists()  # it lived as long as the results
    usual = dict(months=MONTHS, populations=SMALL, observables=["welfare"])
    abm.sweep({"ip_strength": [0.5]}, seeds=[3, 7], out=tmp_path / "x", **usual)
    spec = Sweep(factors={"ip_strength": [0.5]}, seeds=[7, 5, 3], **usual)
    tally = run_sweep(spec, tmp_path / "x", accept_changes=True)
    assert tally.before == 2
    again = open_sweep(tmp_path / "x").runs()
    assert list(again["seed"]) == [7, 5, 3]
    assert list(again["replication"]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"workers": 0}, "workers = 0"),
        ({"workers": 1.5}, "workers = 1.5"),
        ({"chunk": 0}, "chunk = 0"),
        ({"replications": 0}, "replications = 0"),
        ({"shard": (3, 2)}, r"shard = \(3, 2\)"),
        ({"shard": "1/2"}, "shard = '1/2'"),
    ],
)
def test_arguments_are_checked_as_those_of_the_command(tmp_path, words, message):
    with pytest.raises(ValueError, match=message):
        run_sweep(small(), tmp_path / "x", **words)
    assert not (tmp_path / "x").exists()


# --- losing nothing, on this process (others: test_sweep_failures) ---


def test_what_is_done_is_not_done_again(folder):
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    tally = run_sweep(small(), folder)
    assert (tally.before, sum(tally.counts.values())) == (12, 0)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == stamps


def test_a_run_that_fails_is_a_row_with_its_reason(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ABM_FAIL_AT", "0/2:raise,1/0:nan,2/3:memory")
    tally = run_sweep(small(), tmp_path / "x")
    assert tally.counts == {"ok": 9, "failed": 2, "nonfinite": 1}
    results = open_sweep(tmp_path / "x")
    bad = results.failures().set_index(["point", "replication"])
    assert list(bad["status"]) == ["failed", "nonfinite", "failed"]
    assert "Injected: injected at point 0, replication 2" in bad.loc[(0, 2), "error"]
    assert "not finite: lerner_closed from month 2" in bad.loc[(1, 0), "error"]
    assert "MemoryError" in bad.loc[(2, 3), "error"]
    mine, theirs = results.runs(), open_sweep(folder).runs()
    fine = mine["status"] == "ok"
    pd.testing.assert_frame_equal(
        mine[fine].drop(columns="seconds"), theirs[fine].drop(columns="seconds"), check_exact=True
    )
    assert mine.loc[0 * 4 + 2, ["lerner_closed_mean", "welfare_last"]].isna().all()
    pairs = results.compare("ip_strength", 1.0, 0.0)
    assert list(pairs["replications"]) == [2] * 4
    assert list(pairs["left_out"]) == [2] * 4

    monkeypatch.delenv("ABM_FAIL_AT")
    run_sweep(small(), tmp_path / "x", retry_failed=True)
    done = open_sweep(tmp_path / "x").runs()
    assert (done["status"] == "ok").sum() == 11  # what is not finite is an answer, and stays


def test_damaged_and_foreign_files_count_for_nothing(folder, tmp_path):
    place = tmp_path / "x"
    run_sweep(small(), place, chunk=4)
    runs = sorted((place / "parts").glob("*.runs.parquet"))
    runs[0].write_bytes(runs[0].read_bytes()[:-9])
    runs[1].with_name(runs[1].name.replace(".runs.", ".panel.")).unlink()
    (place / "parts" / "foreign.runs.parquet").write_bytes(b"not parquet")
    pd.DataFrame({"x": [1]}).to_parquet(place / "parts" / "other.runs.parquet")
    counts = open_sweep(place).counts()
    assert counts["missing"] == 8  # before it is mended: counted, not filled in
    tally = run_sweep(small(), place)
    assert tally.total - tally.before == 8
    equal(place, folder)


def test_what_tells_the_spec_and_the_design_is_mended(folder, tmp_path):
    place = tmp_path / "x"
    shutil.copytree(folder, place)
    for name in ("spec.toml", "design.parquet", "scenarios/baseline.toml"):
        for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:40])):
            damage(place / name)
            with pytest.raises(store.Damaged, match="run the sweep again"):
                open_sweep(place)
            tally = run_sweep(small(), place)
            assert tally.before == tally.total
            equal(place, folder)
    (place / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(store.Damaged, match=r"manifest\.json"):
        open_sweep(place)
    with pytest.raises(Changed, match=r"no manifest\.json"):
        run_sweep(small(), place)
    run_sweep(small(), place, accept_changes=True)
    equal(place, folder)


def test_a_changed_byte_is_noticed(folder, tmp_path):
    place = tmp_path / "x"
    run_sweep(small(), place, chunk=4)

    def flip(path, column):
        group = pq.read_metadata(path).row_group(0)
        chunk = next(group.column(at) for at in range(group.num_columns) if group.column(at).path_in_schema == column)
        content = bytearray(path.read_bytes())
        content[chunk.data_page_offset - 2] ^= 1  # in the last of the numbers, which still reads as one
        path.write_bytes(content)

    first, second, _ = sorted((place / "parts").glob("*.runs.parquet"))
    flip(first, "welfare_mean")
    assert open_sweep(place).counts()["missing"] == 4
    tally = run_sweep(small(), place)
    assert tally.total - tally.before == 4
    equal(place, folder)
    panel = second.with_name(second.name.replace(".runs.", ".panel."))
    flip(panel, "welfare")
    with pytest.raises(store.Damaged, match=f"{panel.name}: is damaged.*; delete it and run the sweep again"):
        open_sweep(place).panel()
    panel.unlink()
    run_sweep(small(), place)
    equal(place, folder)


def test_an_observable_more_leaves_older_parts_out_of_the_tables(tmp_path):
    place = tmp_path / "x"
    run_sweep(small(replications=2), place)
    run_sweep(small(replications=2, observables=["lerner_closed", "welfare", "hhi"]), place, accept_changes=True)
    results = open_sweep(place)
    assert len(results.panel()) == 6 * MONTHS
    assert results.panel("hhi")["hhi"].notna().all()
    assert results.to_xarray()["hhi"].notnull().all()
    assert results.sql("select count(hhi) as n from panel")["n"][0] == 6 * MONTHS
    run_sweep(small(replications=2, observables=["hhi"]), place, accept_changes=True)
    results = open_sweep(place)
    assert list(results.panel().columns[-2:]) == ["month", "hhi"]
    assert list(results.sql("select * from panel limit 1").columns[:3]) == ["run_id", "month", "hhi"]


def test_other_seeds_leave_older_runs_out_of_the_tables(tmp_path):
    for draws in (True, False):
        place = tmp_path / str(draws)
        run_sweep(small(replications=2, common_draws=draws), place)
        run_sweep(small(replications=2, common_draws=draws, seed=1), place, accept_changes=True)
        runs = open_sweep(place).runs()
        assert len(runs) == 6
        assert set(runs["seed"]) == {
            run.seed for run in Plan.of(small(replications=2, common_draws=draws, seed=1)).runs()
        }


def test_a_changed_sweep_model_or_package_is_refused_and_recorded_when_accepted(tmp_path, monkeypatch):
    place = tmp_path / "x"
    run_sweep(small(replications=2), place)
    with pytest.raises(Changed) as caught:
        run_sweep(small(replications=3), place)
    assert caught.value.differences == ["spec, replications: 2 -> 3"]
    with monkeypatch.context() as patch:
        patch.setattr(store, "source_hash", lambda: "other")
        with pytest.raises(Changed, match="the model's code"):
            run_sweep(small(replications=2), place)
    said = json.loads((place / "manifest.json").read_text())
    said["versions"]["jax"] = "0.0.1"
    (place / "manifest.json").write_text(json.dumps(said))
    with pytest.raises(Changed, match=r"jax: 0.0.1 ->"):
        run_sweep(small(replications=2), place)
    tally = run_sweep(small(replications=3), place, accept_changes=True)
    assert tally.before == 6
    assert tally.total == 9
    accepted = open_sweep(place).manifest["accepted"]
    assert len(accepted) == 1
    assert "spec, replications: 2 -> 3" in accepted[0]["changes"]
    assert len(open_sweep(place).runs()) == 9


def test_a_manifest_says_what_was_run_with_what(folder):
    said = json.loads((folder / "manifest.json").read_text())
    assert said["spec_hash"] == small().hash
    assert {"jax", "numpy", "mesa", "ai-market-abm"} <= said["versions"].keys()
    assert len(said["model"]) == 64
    assert said["machine"]["cores"] >= 1
    session = json.loads(next((folder / "sessions").iterdir()).read_text())
    assert session["done"] == 12
    assert "finished" in session
    assert Sweep.load(folder / "spec.toml").hash == said["spec_hash"]


# --- how it is read ---


def test_a_cube_has_missing_runs_as_nan_with_their_status(tmp_path):
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
    found = results.sql("select ip_strength, avg(welfare) as w from panel where month = 2 group by all order by all")
    panel = results.panel(["welfare"])
    expected = panel[panel["month"] == 2].groupby("ip_strength")["welfare"].mean()
    np.testing.assert_allclose(found["w"], expected, rtol=1e-12)
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
    with pytest.raises(KeyError, match="was not kept"):
        results.panel(["hhi"])
    with pytest.raises(FileNotFoundError, match="no sweep is kept here"):
        open_sweep(folder / "parts")


def invented(values, **said):
    """Results whose one outcome (points, replications) is given; nothing is run."""
    sweep = Sweep(observables=["welfare"], outcomes={"x": {"of": "welfare"}}, replications=values.shape[1], **said)
    plan = Plan.of(sweep)
    design = pd.DataFrame(
        [
            {"point": at, "point_id": one.id, "scenario": one.scenario, **one.factors}
            for at, one in enumerate(plan.points)
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


def test_points_are_no_replications():
    """Ten points that share their draws say as much of chance as one."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(1, 8)) * np.array([[0.0]] * 10 + [[1.0]] * 10)
    factors = {"ip_strength": [0.0, 1.0], "adopters": list(range(1, 11))}
    ten = invented(shared, factors=factors).compare("ip_strength", 1.0, 0.0)
    one = invented(shared[[0, -1]], factors={"ip_strength": [0.0, 1.0]}).compare("ip_strength", 1.0, 0.0)
    pd.testing.assert_frame_equal(ten.drop(columns="points"), one.drop(columns="points"), check_exact=False)
    assert (ten["points"].iloc[0], one["points"].iloc[0]) == (10, 1)


def test_dates_are_compared_as_text_too():
    days = [dt.date(2025, 1, 20), dt.date(2025, 2, 20)]
    results = invented(np.array([[1.0, 2.0], [2.0, 4.0]]), factors={"r1.date": days})
    row = results.compare("r1.date", "2025-02-20", dt.datetime(2025, 1, 20)).loc["x"]
    assert row["difference"] == 1.5
    with pytest.raises(ValueError, match="it takes 2025-01-20, 2025-02-20"):
        results.compare("r1.date", "2025-03-20", days[0])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_intervals_cover_as_often_as_they_say(missing):
    """Six points share what a replication brings, and have noise of their own."""
    rng = np.random.default_rng(5)
    trials, covered, naive = 2_000, 0, 0
    for _ in range(trials):
        effects = np.linspace(0, 2, 6)[:, None]
        difference = 1 + effects - effects.mean() + rng.normal(size=(1, 10)) + 0.5 * rng.normal(size=(6, 10))
        difference[rng.random(difference.shape) < missing] = np.nan
        found = paired(difference, np.zeros_like(difference), 0.95)
        covered += found["low"] <= 1 <= found["high"]
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
def test_the_rule_is_the_first_number_that_stays_narrow(seed, points, number, half_width, look_ahead):
    """Against the definition, interval by interval with scipy.stats."""
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


def test_runs_without_a_number_are_left_out_and_counted():
    values = np.random.default_rng(1).normal(5, 1, (2, 30))
    values[1, 4] = np.nan
    rule = Rule("x", 0.5)
    verdict = judge(values, rule)
    assert verdict.left_out == 1
    assert np.isfinite(half_widths(values, rule)[2:]).all()


def test_replications_are_added_until_the_interval_is_narrow(tmp_path):
    sweep = small(replications=2)
    rule = Rule("welfare", 1e-2, minimum=4, maximum=40, look_ahead=2)
    seen = []
    tally, verdict = run_until(sweep, tmp_path / "x", rule, on_verdict=lambda n, v: seen.append(n))
    assert len(seen) > 1
    assert (tally.before, sum(tally.counts.values())) == (0, tally.total)  # of all rounds
    assert verdict.enough is not None
    assert verdict.widest[verdict.enough] <= 1e-2
    assert tally.total == 3 * seen[-1]
    assert len(open_sweep(tmp_path / "x").runs()) == tally.total
    again, same = run_until(sweep, tmp_path / "x", rule)
    assert same.enough == verdict.enough
    assert sum(again.counts.values()) == 0


# --- the command ---


def test_help_and_bare_workers_import_little():
    heavy = ["mesa", "pandas", "scipy.stats", "matplotlib", "jax", "distributed", "SALib", "duckdb"]
    lines = [
        "import abm.cli.app",
        "import abm.support.workers",
        "import abm.sweeps.run, abm.sweeps.plan, abm.sweeps.chunk, abm.sweeps.stopping",
    ]
    for line in lines:
        code = f"{line}; import sys; print([m for m in {heavy!r} if m in sys.modules])"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert said.stdout.strip() == "[]", line


def command(*words):
    from typer.testing import CliRunner

    from abm.cli.app import app

    return CliRunner().invoke(app, list(map(str, words)))


def test_a_dry_run_says_how_much_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "mine.toml"
    spec.write_text(small(name="mine").to_toml(), encoding="utf-8")
    said = command("sweep", spec, "--dry-run")
    assert said.exit_code == 0
    assert "3 points x 4 replications = 12 runs" in said.output
    assert "seconds" in said.output
    assert "0 runs are there already, 12 to do" in said.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
    said = command("sweep", spec, "--dry-run", "--shard", "9/20")
    assert "this shard: 1)" in said.output
    assert "0 runs are there already, 1 to do" in said.output


def test_a_dry_run_looks_at_the_folder(folder, tmp_path):
    spec, out = tmp_path / "mine.toml", tmp_path / "out"
    shutil.copytree(folder, out)
    spec.write_text(small(name="sweep").to_toml(), encoding="utf-8")
    max((out / "parts").glob("*.runs.parquet")).unlink()
    before = sorted(out.rglob("*"))
    said = command("sweep", spec, "--out", out, "--dry-run", "--resume")
    assert said.exit_code == 0
    there = open_sweep(out).counts()["ok"]
    assert f"{there} runs are there already, {12 - there} to do" in said.output
    assert there < 12
    spec.write_text(small(months=4).to_toml(), encoding="utf-8")
    said = command("sweep", spec, "--out", out, "--dry-run")
    assert said.exit_code == 2
    assert "spec, months: 3 -> 4" in said.output
    said = command("sweep", spec, "--out", out, "--dry-run", "--accept-changes")
    assert said.exit_code == 0
    assert "would be accepted" in said.output
    assert sorted(out.rglob("*")) == before
    for place in (spec, spec / "inside"):
        said = command("sweep", spec, "--out", place, "--dry-run")
        assert said.exit_code == 2
        assert "a file is in the way" in said.output


def test_a_folder_is_shown(folder, tmp_path):
    said = command("sweep", "--show", folder)
    assert said.exit_code == 0
    for word in ("3 points x 4 replications = 12 runs", "12 ok", "seconds in", "spec.toml"):
        assert word in said.output
    run_sweep(small(), tmp_path / "half", shard=(1, 2))
    assert "6 missing, 6 ok" in command("sweep", "--show", tmp_path / "half").output
    (tmp_path / "half" / "design.parquet").write_bytes(b"PAR1")
    for place, message in (
        (tmp_path / "none", "no sweep is kept here"),
        (tmp_path / "half", "design.parquet: is damaged"),
    ):
        said = command("sweep", "--show", place)
        assert said.exit_code == 2
        assert message in said.output


def test_observables_are_listed():
    said = command("list", "--observables")
    assert "lerner_closed" in said.output
    assert "ip_clarity" not in said.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shard", "5/4"], "must read K/N"),
        (["--until-ci", "0.02"], "say of what"),
        (["--until-ci", "0.02", "--of", "welfar"], "no outcome 'welfar'"),
        (["--until-ci", "-1", "--of", "welfare"], "must be a number above 0"),
        (["--of", "welfare"], "go with --until-ci"),
        (["--maximum", "9"], "go with --until-ci"),
        (["--resume"], "no sweep is kept in"),
        (["--show", "x"], "without a SPEC.toml"),
        pytest.param(["--dask", "tcp://127.0.0.1:9"], "no scheduler answers there", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_word_is_one_line_and_code_2(tmp_path, words, message):
    spec = tmp_path / "mine.toml"
    spec.write_text(small().to_toml(), encoding="utf-8")
    said = command("sweep", spec, "--out", tmp_path / "out", *words)
    assert said.exit_code == 2
    assert message in said.output
    assert "Traceback" not in said.output


def test_the_command_says_what_failed_and_refuses_changes(tmp_path, monkeypatch):
    spec, out = tmp_path / "mine.toml", tmp_path / "out"
    spec.write_text(small(replications=2).to_toml(), encoding="utf-8")
    monkeypatch.setenv("ABM_FAIL_AT", "1/1:raise")
    said = command("sweep", spec, "--out", out, "--workers", 1)
    assert said.exit_code == 1, said.output
    assert "1 failed: Injected" in said.output
    assert "--retry-failed" in said.output
    spec.write_text(small(replications=3).to_toml(), encoding="utf-8")
    said = command("sweep", spec, "--out", out, "--workers", 1)
    assert said.exit_code == 2
    assert "spec, replications: 2 -> 3" in said.output
    said = command("sweep", spec, "--out", out, "--workers", 1, "--accept-changes", "--retry-failed")
    assert said.exit_code == 1
    assert "accepted and recorded" in said.output
    monkeypatch.delenv("ABM_FAIL_AT")
    assert command("sweep", spec, "--out", out, "--workers", 1, "--retry-failed", "--resume").exit_code == 0
    said = command("sweep", out)
    assert said.exit_code == 2
    assert f"it is a folder; give the file, {out / 'spec.toml'}" in " ".join(said.output.split())


def test_points_that_differ_in_more_than_one_factor_are_not_compared(tmp_path):
    sweep = small(
        factors={"ip_strength": {"low": 0.0, "high": 1.0}, "ip_clarity": {"low": 0.0, "high": 1.0}},
        design={"kind": "latin_hypercube", "points": 2},
        replications=1,
    )
    run_sweep(sweep, tmp_path / "x")
    a, b = open_sweep(tmp_path / "x").design["ip_strength"]
    with pytest.raises(ValueError, match="no two points differ in ip_strength only"):
        open_sweep(tmp_path / "x").compare("ip_strength", a, b)


def test_a_table_of_points_with_scenarios_is_run_and_kept_with_the_results(tmp_path):
    (tmp_path / "points.csv").write_text(
        "scenario,ip_strength,adopters\nbaseline,0.1,24\nno_r1,0.2,24\n", encoding="utf-8"
    )
    spec = tmp_path / "table.toml"
    text = small(replications=1).to_toml().replace("ip_strength = [0.0, 0.5, 1.0]", "").replace("adopters = 24\n", "")
    text = text.replace('scenarios = ["baseline"]', 'scenarios = ["baseline", "no_r1"]')
    spec.write_text(text + '\n[design]\nkind = "table"\nfile = "points.csv"\n', encoding="utf-8")
    run_sweep(spec, tmp_path / "out")
    results = open_sweep(tmp_path / "out")
    assert list(results.runs()["scenario"]) == ["baseline", "no_r1"]
    assert list(results.runs()["ip_strength"]) == [0.1, 0.2]
    (tmp_path / "points.csv").unlink()
    again = run_sweep(tmp_path / "out" / "spec.toml", tmp_path / "out")
    assert again.before == 2


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["baseline", "grid", 10**400, -(10**400)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([*Sweep.model_fields, "sweep", "events"])
parts = {
    "factors": st.dictionaries(
        st.sampled_from(["ip_strength", "ip_strength.us", "adopters", "r1.date", "r1.x", "nobody", ""]),
        st.lists(anything, max_size=3)
        | st.dictionaries(st.sampled_from(["low", "high", "levels", "values", "scale", "unit"]), anything, max_size=4),
        max_size=3,
    ),
    "design": st.dictionaries(
        st.sampled_from([*Design.model_fields, "x"]),
        anything | st.sampled_from(["table", "sobol", "morris"]),
        max_size=4,
    ),
    "outcomes": st.dictionaries(
        st.text(max_size=5),
        st.dictionaries(st.sampled_from(["of", "take", "first", "last"]), anything, max_size=4),
        max_size=2,
    ),
    "populations": st.dictionaries(st.sampled_from(["adopters", "investors", "peer_network"]), anything, max_size=2),
    "parameters": st.dictionaries(st.sampled_from(["ip_strength", "noise_sd", "x"]), anything, max_size=2),
}


@settings(max_examples=150, deadline=None)
@given(said=st.dictionaries(keys, anything, max_size=3), inner=st.fixed_dictionaries({}, optional=parts))
def test_anything_is_a_sweep_or_a_spec_error(said, inner):
    problems = []
    try:
        sweep = Sweep(**{**said, **inner})
    except SpecError as error:
        problems = list(error.problems) or [""]
    assert all(problem and "\n" not in problem for problem in problems)
    if not problems and sweep.number_of_points < 2_000:
        assert len(Plan.of(sweep).points) == sweep.number_of_points >= 1


def test_a_small_sweep_is_foreseen_with_and_without_compiling():
    assert time_of(small(), 2) == "about 25 seconds with 2 workers (6 seconds where programs are compiled already)"
    assert "compiled" not in time_of(small(replications=10_000, months=600), 1)
