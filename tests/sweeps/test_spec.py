"""Specification of a sweep: object, file, and one line per problem."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.sweeps import SpecError, Sweep, store
from abm.sweeps.plan import Plan

RANGE = {"low": 0.0, "high": 1.0}


def problems_of(**fields):
    """Problems that a sweep with these fields raises."""
    with pytest.raises(SpecError) as caught:
        Sweep(**fields)
    return caught.value.problems


def test_all_problems_are_reported_at_once():
    problems = problems_of(
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
    for message in (
        "months: 0",
        "replications: 'ten'",
        "factors.ip_strenght: is not a parameter, population or event field; did you mean 'ip_strength'?",
        "factors.ip_strength: 2 must lie between 0 and 1",
        "factors.ip_strength: nan is not finite",
        "factors.adopters: 0 must lie between 1",
        "factors.adopters: 1.5 is not a whole number",
        "factors.noise_sd: empty",
        "observables: unknown observable 'lerner'",
        "unknown scenario 'baselin'; did you mean 'baseline'?",
        "design.points: a grid design takes levels of its factors, not points",
        "parameters.ip_clarity = 7: must lie between 0 and 1",
        "unknown observable 'welfar'; did you mean 'welfare'?",
        "outcomes.seed: the tables already have a column",
        "desing: unknown key 'desing'; did you mean 'design'?",
    ):
        assert message in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"factors": {"permitting_lag": {"values": [1.0], "unit": "years"}}}, "is measured in months, not 'years'"),
        ({"factors": {"ip_strength": [0.1, 0.1]}}, "contains a duplicate value"),
        ({"factors": {"ip_strength": [0.1]}, "parameters": {"ip_strength": 0.2}}, "is also a factor"),
        ({"factors": {"noise_sd.us": [0.1]}}, "has one value everywhere; remove .us"),
        ({"factors": {"ip_strength.uk": [0.1]}}, "unknown jurisdiction 'uk'"),
        ({"factors": {"r1.date": [0.1]}}, "is not a date"),
        ({"factors": {"r1.date": [dt.date(2040, 1, 1)]}}, "outside the horizon"),
        (
            {"factors": {"r1.date": [dt.date(2025, 1, 1)]}, "scenarios": ["no_r1"]},
            "is not a parameter, population or event field",
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
        ({"scenarios": []}, "scenarios: empty"),
        ({"observables": []}, "observables: empty"),
        ({"design": {"kind": "table", "rows": [{"ip_strength": 0.1}, {"ip_clarity": 0.1}]}}, "the same factors"),
        ({"design": {"kind": "table", "rows": [{"ip_strength": 1.1}]}}, "1.1 must lie between"),
        ({"populations": {"adopter": 3}}, "unknown key; did you mean 'adopters'?"),
        ({"seed": -1}, "seed: -1"),
        ({"factors": {"adopters": [10**400]}}, "too large a number"),
        ({"parameters": {"ip_strength": 10**400}}, "parameters.ip_strength: 1000"),
        ({"replications": 10**400}, "replications: 1000"),
        ({"factors": {"ip_strength": RANGE}, "design": {"kind": "sobol", "points": 4.5}}, "whole number of points"),
        ({"factors": {"ip_strength": RANGE}, "design": {"kind": "sobol", "points": 10**400}}, "whole number of points"),
        ({"factors": {"ip_strength": RANGE | {"levels": 3}}, "design": {"kind": "sobol", "points": 4}}, "in a grid"),
        ({"factors": {"ip_strength": {"values": [0.1], "scale": "log"}}}, "scale applies only to a range"),
        ({"factors": {"ip_strength": [0.1]}, "design": {"second_order": True}}, 'kind = "saltelli"'),
        ({"factors": {"ip_strength": [0.1]}, "design": {"levels": 4}}, 'kind = "morris"'),
        (
            {"factors": {"ip_strength": [0.1]}, "design": {"kind": "table", "rows": [{"ip_strength": 0.1}]}},
            "a table defines its factors",
        ),
        (
            {"factors": {"adopters": [1, 2, 3]}, "design": {"kind": "morris", "trajectories": 4}},
            "evenly: choose 4 values and design.levels = 4",
        ),
        (
            {"factors": {"adopters": {"low": 10, "high": 20}}, "design": {"kind": "morris", "trajectories": 4}},
            "evenly: choose 13 values, or design.levels = 6",
        ),
        ({"outcomes": {"point_id": {"of": "welfare"}}}, "outcomes.point_id: the tables already have a column"),
        ({"outcomes": {"month": {"of": "welfare"}}}, "outcomes.month: the tables already have a column"),
        ({"outcomes": {"Good": {"of": "welfare"}}}, "outcomes.Good: the tables already have a column"),
        ({"outcomes": {"there": {"of": "welfare"}}}, "outcomes.there: the tables already have a column"),
        ({"outcomes": {"welfare": {"of": "welfare"}}}, "outcomes.welfare: the tables already have a column"),
        ({"outcomes": {"a": {"of": "welfare"}, "A": {"of": "hhi"}}}, "outcomes.A: the tables already have a column"),
        (
            {"factors": {"ip_strength": [0.1]}, "outcomes": {"ip_strength": {"of": "welfare"}}},
            "outcomes.ip_strength: the tables already have a column",
        ),
        ({"factors": {"ip_strength": [0.1]}, "observables": ["ip_strength"]}, "is also a factor"),
        ({"seeds": [1, 2], "replications": 3}, "2 seeds make 2 replications"),
        ({"seeds": [1, 1]}, "duplicate seed"),
        ({"seeds": []}, "seeds: empty"),
        ({"seeds": [1], "common_draws": False}, "remove common_draws"),
        ({"seeds": [1], "seed": 3}, "has no effect"),
    ],
)
def test_a_problem_names_key_and_cause(fields, message):
    assert message in "\n".join(problems_of(**fields))


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"months": 0}, "months: 0"),
        ({"months": 0, "outcomes": {"late": {"of": "welfare", "first": 5}}}, "months: 0"),
        ({"panel": "som"}, "panel: 'som': must be"),
        ({"populations": {"adopters": 1.5}}, "populations.adopters: 1.5 is not a whole number"),
        ({"parameters": {"ip_strength": "x"}}, "parameters.ip_strength: 'x'"),
        ({"parameters": {"guarantee_share": {"us": "a"}}}, "parameters.guarantee_share"),
        ({"factors": {"ip_strength": RANGE | {"levels": 2.5}}}, "factors.ip_strength: a range needs levels"),
        ({"design": {"kind": "gird"}}, "design.kind: 'gird'"),
        ({"factors": {"r1.date": [dt.date(2040, 1, 1)]}}, "factors.r1.date: 2040-01-01: outside the horizon"),
        (
            {"factors": {"h20_licence.availability": [3.0]}},
            "factors.h20_licence.availability: 3.0: availability (share): must be at most 1",
        ),
    ],
)
def test_one_problem_is_reported_in_one_line(fields, start):
    (line,) = problems_of(**fields)
    assert line.startswith(start)


def test_levels_may_be_arrays_ranges_and_dates_as_text():
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


def test_a_billion_points_are_refused_before_they_are_laid_out():
    axis = {"low": 0.01, "high": 0.1, "levels": 1000}
    problems = problems_of(factors={"ip_strength": axis, "ip_clarity": axis, "noise_sd": axis})
    assert "1,000,000,000 points x 10 replications = 10,000,000,000 runs" in problems[0]
    assert "years" in problems[0]


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
def test_a_sweep_survives_a_round_trip_through_its_file(tmp_path_factory, values, china, adopters, days, seed, panel):
    sweep = Sweep(
        factors={"ip_strength": values, "ip_strength.china": china, "adopters": adopters, "r1.date": days},
        seed=seed,
        panel=panel,
        parameters={"permitting_lag": {"us": 3.0, "default": 6.0}},
        outcomes={"late": {"of": "welfare", "first": 48}},
    )
    path = tmp_path_factory.mktemp("spec") / "one.toml"
    path.write_text(sweep.to_toml(), encoding="utf-8")
    loaded = Sweep.load(path)
    assert loaded.plain() == sweep.plain()
    assert loaded.hash == sweep.hash


@pytest.mark.parametrize(
    "fields",
    [
        {"common_draws": False},
        {"name": "a.b-c", "scenarios": ["no_r1"], "months": 7, "replications": 3, "seed": 5},
        {"seeds": [3, 1, 2**63 - 1]},
        {"observables": ["hhi"], "panel": [0, 5], "precision": 32, "pricing": "nash"},
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
def test_every_key_reads_back(tmp_path, fields):
    sweep = Sweep(**fields)
    store.write_spec(tmp_path, Plan.of(sweep))
    loaded = Sweep.load(tmp_path / "spec.toml")
    assert loaded.plain() == sweep.plain()
    assert [run.id for run in Plan.of(loaded).runs()] == [run.id for run in Plan.of(sweep).runs()]
    assert set(fields) - set(Sweep.model_fields) == set()


def test_a_file_cannot_refer_to_files_outside_its_folder(tmp_path):
    outside = tmp_path / "secret.csv"
    outside.write_text("ip_strength\n0.1\n", encoding="utf-8")
    inner = tmp_path / "inner"
    inner.mkdir()
    for text in ('[design]\nkind = "table"\nfile = "../secret.csv"', 'scenarios = ["../x.toml"]', "folder = '/'"):
        path = inner / "spec.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SpecError, match=r"outside the folder|not keys|unknown key"):
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
def test_an_unreadable_file_is_named(tmp_path, content, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="bad.toml") as caught:
        Sweep.load(path)
    assert message in str(caught.value)
    with pytest.raises(SpecError, match="absent.toml"):
        Sweep.load(tmp_path / "absent.toml")


def test_a_short_line_of_a_table_is_named(tmp_path):
    (tmp_path / "points.csv").write_text("ip_strength,adopters\n0.1,20\n0.2\n", encoding="utf-8")
    with pytest.raises(SpecError, match="line 3: 1 cells, but the header has 2"):
        Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)


def test_a_table_may_have_blanks_and_a_wrong_value_is_named_by_line(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("ip_strength, adopters\n0.1, 20\n,\n0.2, 30\n", encoding="utf-8")
    sweep = Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)
    assert sweep.rows == ({"ip_strength": 0.1, "adopters": 20}, {"ip_strength": 0.2, "adopters": 30})
    path.write_text("ip_strength,adopters\n,\n1.2,20\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"line 3: ip_strength: 1\.2 must lie between 0 and 1"):
        Sweep(design={"kind": "table", "file": "points.csv"}, folder=tmp_path)
