"""Sweeps whose points branch off a trunk, and stored runs read as ensembles."""

import re

import jax
import numpy as np
import pytest

from abm import Scenario, ensembles
from abm.data import draws
from abm.runs import event_study
from abm.runs.policy import PolicyWarning
from abm.runs.simulate import Setting
from abm.sweeps import SpecError, Sweep, open_sweep, run_sweep
from abm.sweeps.lists import PRODUCT
from abm.sweeps.plan import Plan
from tests.helpers.sweeps import TINY, assert_equal, tiny

MONTHS, BRANCH_AT = 5, 3
STRICT = Scenario(name="strict", parameters={"ip_strength": 0.9})
FIELDS = dict(
    scenarios=("baseline", STRICT),
    factors={"crash_beliefs": [0.0, 1.0]},
    months=MONTHS,
    branch_at=BRANCH_AT,
    replications=4,
    observables=["welfare", "ip_strength", "equity_leader"],
    outcomes={"end": {"of": "welfare", "take": "last"}},
    daily=(1, 4),
    products=True,
    populations=TINY,
)
POINTS = [(scenario, value) for scenario in FIELDS["scenarios"] for value in FIELDS["factors"]["crash_beliefs"]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("branches")
    run_sweep(Sweep(**FIELDS), folder)
    return folder


def assert_same(actual, expected):
    """Two ensembles are equal to the last digit, in all that the first one has."""
    assert actual.seeds == expected.seeds
    for name in actual.names:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)
    for name in set(actual.out) - {"observables"}:
        jax.tree.map(np.testing.assert_array_equal, actual.out[name], expected.out[name])


def test_branches_are_those_of_ensembles(stored):
    runs = open_sweep(stored).ensembles()
    branches = [Setting({"crash_beliefs": value}, scenario, branch_at=BRANCH_AT) for scenario, value in POINTS]
    seeds = runs[0].seeds
    trunk, *worlds = ensembles([Setting(), *branches], seeds, months=MONTHS, daily=(1, 4), products=True, **TINY)
    for actual, expected in zip(runs, worlds, strict=True):
        assert_same(actual, expected)
        assert actual.setup.scenario.name == expected.setup.scenario.name
        assert actual.setup.parameters.crash_beliefs == expected.setup.parameters.crash_beliefs
        np.testing.assert_array_equal(actual["welfare"][:, :BRANCH_AT], trunk["welfare"][:, :BRANCH_AT])
        assert (actual.daily(4) == expected.daily(4)).all()
    assert (runs[2]["ip_strength"][:, BRANCH_AT] != runs[0]["ip_strength"][:, BRANCH_AT]).all()
    assert (runs[0]["equity_leader"][:, BRANCH_AT] != runs[1]["equity_leader"][:, BRANCH_AT]).all()
    assert runs[0].out["products"]._fields == PRODUCT


def test_numbers_do_not_depend_on_chunks_shards_or_failures(stored, tmp_path, monkeypatch):
    run_sweep(Sweep(**FIELDS), tmp_path / "chunks", chunk=3)
    assert_equal(tmp_path / "chunks", stored)
    for shard in (2, 1):
        run_sweep(Sweep(**FIELDS), tmp_path / "shards", shard=(shard, 2))
    assert_equal(tmp_path / "shards", stored)
    monkeypatch.setenv("ABM_FAIL_AT", "1/2:raise")
    run_sweep(Sweep(**FIELDS), tmp_path / "failed")
    failed = open_sweep(tmp_path / "failed")
    assert failed.counts() == {"ok": 15, "failed": 1, "missing": 0}
    with pytest.raises(ValueError, match="1 of 4 runs failed, the first with: Injected"):
        failed.ensembles([1])
    assert_same(failed.ensembles([3])[0], open_sweep(stored).ensembles([3])[0])
    monkeypatch.delenv("ABM_FAIL_AT")
    run_sweep(Sweep(**FIELDS), tmp_path / "failed", retry_failed=True)
    assert_equal(tmp_path / "failed", stored)


def test_the_trunk_has_the_posterior_draw_of_its_replication(tmp_path):
    sweep = Sweep(**FIELDS | {"posterior": "june_2025", "scenarios": ("baseline",), "replications": 3})
    run_sweep(sweep, tmp_path)
    drawn = [dict(row) for _, row in draws("june_2025").iloc[:3].iterrows()]
    changed = [row | {"crash_beliefs": 0.0} for row in drawn]
    runs = open_sweep(tmp_path).ensembles([0])[0]
    assert runs.own_parameters
    settings = [Setting(drawn), Setting(changed, branch_at=BRANCH_AT)]
    expected = ensembles(settings, runs.seeds, months=MONTHS, daily=(1, 4), products=True, **TINY)[1]
    assert_same(runs, expected)


def test_the_trunk_is_part_of_the_identity():
    def ids(**fields):
        return {
            point.scenario: point.id
            for point in Plan.of(Sweep(**FIELDS | fields)).points
            if point.factors == {"crash_beliefs": 1.0}
        }

    usual = ids()
    assert usual["strict"] != ids(branch_at=2)["strict"]
    assert usual["strict"] != ids(branch_at=0)["strict"]
    assert usual["strict"] != ids(scenarios=(STRICT, "baseline"))["strict"]
    assert usual["strict"] == ids(scenarios=("baseline", "no_r1", STRICT))["strict"]
    assert Sweep(**FIELDS).hash != Sweep(**FIELDS | {"scenarios": (STRICT, "baseline")}).hash


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"branch_at": MONTHS}, "branch_at = 5: must lie between 0 and 4"),
        ({"branch_at": -1}, "branch_at: -1: must be"),
        ({"branch_at": 2.0}, "branch_at: 2.0: must be"),
        ({"common_draws": False}, "common_draws: runs that share their history share its draws"),
        (
            {"factors": {"adopters": [2, 3]}, "populations": {}},
            "factors.adopters: runs that share their history have the same populations",
        ),
        ({"factors": {"consumer_value": [1.0, 1.1]}}, "factors.consumer_value: has no effect"),
        (
            {"scenarios": ("baseline",), "factors": {"r1.date": ["2024-01-20", "2025-06-20"]}}
            | {"months": 31, "branch_at": 24},
            "factors.r1.date: 2024-01-20: differs from scenario 'baseline' before branch_at = 24 (January 2025)",
        ),
        ({"daily": (5,)}, "daily: 5 is not a month of the run"),
        ({"daily": (1, 1)}, "daily: duplicate month"),
        ({"daily": ("a",)}, "daily: 'a' is not a month of the run"),
        ({"panel": "none"}, 'daily: is stored in the panel; set panel = "all"'),
        ({"panel": (1,), "daily": ()}, 'products: is stored in the panel; set panel = "all"'),
        ({"products": "yes"}, "products: 'yes': must be"),
    ],
)
def test_mistakes_are_reported(fields, message):
    with pytest.raises(SpecError) as error:
        Sweep(**FIELDS | fields)
    assert message in str(error.value)
    assert len(error.value.problems) == 1 + (fields.get("panel") == "none")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("adopters", 2, "runs that share their history have the same populations"),
        ("consumer_value", 1.1, "has no effect: it is read in the first month only"),
        ("r1.date", "2024-01-20", "2024-01-20: differs from scenario 'baseline' before branch_at = 24"),
        ("r1.date", "2040-01-01", "2040-01-01: outside the horizon"),
    ],
)
def test_a_mistake_in_a_table_names_its_column(column, value, message):
    with pytest.raises(SpecError) as error:
        Sweep(design={"kind": "table", "rows": [{column: value}]}, branch_at=24)
    assert error.value.problems[0].startswith(f"design: column {column}: {message}")
    assert len(error.value.problems) == 1


def test_what_a_scenario_has_before_the_branch_is_reported(tmp_path):
    start = Scenario(name="start", extends="baseline", parameters={"consumer_value": 2.0})
    late = Scenario(name="late", extends="baseline", parameters={"ip_strength": 0.9})

    def warnings_of(*scenarios, **fields):
        return Plan.of(Sweep(scenarios=("baseline", *scenarios), replications=1, **fields)).without_effect

    (sentence,) = warnings_of(start, late, branch_at=24)
    assert sentence.startswith("scenario start: consumer_value has no effect: it is read in the first month only")
    (sentence,) = warnings_of("no_r1", late, branch_at=30)
    assert sentence == (
        "scenario no_r1: its events before branch_at = 30 (July 2025) have no effect: until then every run is one of scenario"
        " baseline"
    )
    assert warnings_of("no_r1", "no_stargate", branch_at=24) == []
    assert warnings_of("no_r1", start) == []
    dates = {"r1.date": ["2025-02-20", "2025-06-20"]}
    assert warnings_of(late, branch_at=24, factors=dates) == []
    with pytest.warns(PolicyWarning, match="scenario start: consumer_value has no effect"):
        run_sweep(tiny(scenarios=("baseline", start), factors={}, branch_at=1, replications=1), tmp_path)


def test_ensembles_need_all_months_and_all_runs(tmp_path):
    run_sweep(tiny(panel=[1]), tmp_path / "some")
    with pytest.raises(ValueError, match="all months of the panel"):
        open_sweep(tmp_path / "some").ensembles()
    run_sweep(tiny(), tmp_path / "half", shard=(1, 2))
    with pytest.raises(ValueError, match="2 runs are missing"):
        open_sweep(tmp_path / "half").ensembles()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([0, 4], "point = 4: must be a whole number from 0 to 3"),
        ([-1], "point = -1: must be a whole number from 0 to 3"),
        (np.array([1.0]), "point = 1.0: must be a whole number from 0 to 3"),
        ([0, 0], "points = [0, 0]: duplicate point; give different points from 0 to 3"),
        (0, "points = 0: give a list of points from 0 to 3, such as [0]"),
        ("01", "points = '01': give a list of points from 0 to 3"),
    ],
)
def test_points_that_a_sweep_does_not_have_are_refused(stored, points, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        open_sweep(stored).ensembles(points)


def test_points_are_taken_from_arrays_and_tables(stored):
    results = open_sweep(stored)
    for points in (np.array([3, 1]), iter([3, 1]), results.design["point"].iloc[[3, 1]]):
        runs = results.ensembles(points)
        assert [one.setup.scenario.name for one in runs] == ["strict", "baseline"]
        assert_same(runs[0], results.ensembles([3])[0])
    assert results.ensembles([]) == []


def test_an_event_study_of_a_sweep_without_daily_returns_says_what_to_set(tmp_path):
    run_sweep(tiny(factors={}, replications=1), tmp_path)
    with pytest.raises(ValueError, match="no daily returns were kept: set `daily`"):
        event_study.around(open_sweep(tmp_path).ensembles()[0])


def test_ensembles_have_the_scenario_of_their_point(tmp_path):
    sweep = tiny(factors={"r1.date": ["2025-01-20", "2025-02-10"]}, months=27, daily=[25], seeds=[7, 5])
    run_sweep(sweep, tmp_path)
    runs = open_sweep(tmp_path).ensembles()
    events = [next(event for event in one.setup.scenario.all_events if event.id == "r1") for one in runs]
    assert [event.when[0] for event in events] == [24, 25]
    assert runs[0].seeds == [7, 5]
    assert runs[0].daily(25).shape == (2, 21, len(runs[0].firms))
    assert (runs[0].daily(25) != runs[1].daily(25)).any()


@pytest.mark.parametrize(
    "stored", [{"products": True}, pytest.param({"daily": [1], "precision": 32}, marks=pytest.mark.slow)]
)
def test_ensembles_are_complete_after_a_retry_of_a_part_in_which_no_run_finished(tmp_path, monkeypatch, stored):
    monkeypatch.setenv("ABM_FAIL_AT", "1/0:raise")
    run_sweep(tiny(**stored), tmp_path, chunk=1)
    monkeypatch.delenv("ABM_FAIL_AT")
    run_sweep(tiny(**stored), tmp_path, chunk=1, retry_failed=True)
    runs = open_sweep(tmp_path).ensembles()
    assert [len(one.seeds) for one in runs] == [2, 2]
    if "products" in stored:
        assert runs[1].out["products"].released.dtype == bool
    else:
        assert runs[1].daily(1).dtype == np.float32
