"""Designs: position of points, stability when points are added, and the resulting runs."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from helpers.sweeps import small
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.sweeps import SpecError, Sweep
from abm.sweeps.plan import Plan, points_of

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
def test_points_fill_the_ranges_evenly(design):
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
def test_a_step_of_a_morris_design_always_spans_the_same_number_of_values(levels):
    """For whole numbers and lists, wherever the design is accepted."""
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
    result = sobol.analyze(problem, 2 * points[:, 0] + points[:, 1], calc_second_order=False, seed=1)
    np.testing.assert_allclose(result["S1"], [0.8, 0.2], atol=0.02)  # of 2 x + y: 4/5 and 1/5
    points = pd.DataFrame(points_of(Sweep(factors=factors, design={"kind": "morris", "trajectories": 6}))).to_numpy()
    result = morris.analyze(problem, points, 2 * points[:, 0] + points[:, 1], num_levels=4, seed=1)
    np.testing.assert_allclose(result["mu"], [2, 1])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    fewer=st.integers(1, 5),
    more=st.integers(0, 5),
    kind=st.sampled_from(["grid", "sobol", "lhs"]),
)
def test_adding_points_and_replications_leaves_the_others_unchanged(seed, fewer, more, kind):
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


def test_points_may_have_their_own_draws():
    runs = list(Plan.of(small(common_draws=False)).runs())
    assert len({run.seed for run in runs}) == len(runs)


def test_explicit_seeds_give_the_same_runs():
    derived = Plan.of(small(replications=3))
    seeds = derived.common_seeds
    given = Plan.of(small(replications=3, seeds=seeds))
    assert list(given.runs()) == list(derived.runs())
    turned = list(Plan.of(small(replications=3, seeds=seeds[::-1])).runs())
    assert {run.id for run in turned} == {run.id for run in derived.runs()}
    assert [run.seed for run in turned[:3]] == seeds[::-1]
    with pytest.raises(ValueError, match="has 3 seeds"):
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
