"""Sensitivity analysis: published indices, closed forms, and rejection of missing or non-finite values."""

import numpy as np
import pandas as pd
import pytest
from helpers.sensitivity import NAN, PARAMETERS, Answers, cube_of, ishigami, value
from SALib.sample import morris
from scipy.stats import qmc

from abm.analysis.require_finite import IncompleteRuns
from abm.analysis.seed_noise import components, seed_noise, shares
from abm.analysis.sensitivity import morris_effects, of_sweep, positive, sobol_indices, subsets
from abm.analysis.sensitivity_design import BUILT_IN, Wanted, load, noise_sweep, years_of
from abm.figures import sensitivity as figures
from abm.parameters import Parameters
from abm.sweeps import Sweep

RANGE = {"low": 0.0, "high": 1.0}


G = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])


def sobol_g(cube):
    """Saltelli and Sobol (1995)."""
    return np.prod((np.abs(4 * cube - 2) + G) / (1 + G), axis=1)


# --- published indices, to an absolute 0.02 ---


def test_ishigami():
    analysis = of_sweep(Answers(ishigami, 3, "saltelli", 4096, second_order=True))
    table, names = analysis.indices, analysis.factors
    for order, known in (("first", (0.3139, 0.4424, 0.0)), ("total", (0.5576, 0.4424, 0.2437))):
        assert [value(table, order, name) for name in names] == pytest.approx(known, abs=0.02)
    for (i, j), known in {(0, 1): 0.0, (0, 2): 0.2437, (1, 2): 0.0}.items():
        assert value(table, "second", names[i], names[j]) == pytest.approx(known, abs=0.02)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    assert set(table["n"]) == {4096}
    assert sorted(analysis.convergence["n"].unique()) == [256, 512, 1024, 2048, 4096]
    assert analysis.constant == []


@pytest.mark.slow
def test_sobol_g():
    analysis = of_sweep(Answers(sobol_g, 8, "saltelli", 4096, replications=2))
    single = 1 / (3 * (1 + G) ** 2)
    whole = np.prod(1 + single) - 1
    totals = [single[i] * np.prod(1 + np.delete(single, i)) / whole for i in range(8)]
    assert [value(analysis.indices, "first", name) for name in analysis.factors] == pytest.approx(
        single / whole, abs=0.02
    )
    assert [value(analysis.indices, "total", name) for name in analysis.factors] == pytest.approx(totals, abs=0.02)


def test_a_linear_model_is_exact_in_its_total_indices_and_effects():
    weights = np.array([1.0, 2.0, 0.0])
    analysis = of_sweep(Answers(lambda cube: 5 + cube @ weights, 3, "saltelli", 4096))
    for order in ("first", "total"):
        got = [value(analysis.indices, order, name) for name in analysis.factors]
        assert got == pytest.approx([0.2, 0.8, 0.0], abs=0.01)
    assert value(analysis.indices, "total", analysis.factors[2]) == 0
    effects = of_sweep(Answers(lambda cube: 5 - cube @ weights, 3, "morris", 6))
    for order, known in (("mu_star", weights), ("mu", -weights), ("sigma", 0 * weights)):
        got = [value(effects.indices, order, name) for name in effects.factors]
        assert got == pytest.approx(known, abs=1e-9)


def test_morris_of_a_known_function():
    """y = x1 + x2 x3: effects of x2 are the levels of x3, 0, 1/3, 2/3 and 1, equally likely (mean 1/2, variance 5/36)."""
    analysis = of_sweep(Answers(lambda x: x[:, 0] + x[:, 1] * x[:, 2], 3, "morris", 2000))
    names = analysis.factors
    assert value(analysis.indices, "mu_star", names[0]) == pytest.approx(1, abs=1e-9)
    assert value(analysis.indices, "sigma", names[0]) == pytest.approx(0, abs=1e-9)
    for name in names[1:]:
        for order, known in (("mu_star", 0.5), ("mu", 0.5), ("sigma", np.sqrt(5 / 36))):
            rows = analysis.indices[(analysis.indices["order"] == order) & (analysis.indices["factor"] == name)].iloc[0]
            assert rows["value"] == pytest.approx(known, abs=0.02)
            assert rows["low"] < known < rows["high"]
    assert sorted(analysis.convergence["n"].unique()) == [125, 250, 500, 1000, 2000]


@pytest.mark.parametrize("levels", [4, 6, 10])
def test_effects_use_the_actual_steps(levels):
    problem = {"num_vars": 2, "names": ["a", "b"], "bounds": [[0, 1]] * 2}
    x = morris.sample(problem, 12, num_levels=levels, seed=3)
    table = morris_effects(x, x[:, 0] - 2 * x[:, 1], ["a", "b"])
    for order, known in (("mu_star", (1, 2)), ("mu", (1, -2)), ("sigma", (0, 0))):
        assert [value(table, order, name) for name in ("a", "b")] == pytest.approx(known, abs=1e-9)


def test_intervals_have_their_nominal_coverage():
    """In nearly all of 60 designs, the 95 % interval of a total index contains the true value."""
    held = 0
    for seed in range(60):
        cube = cube_of(
            Sweep(factors=dict.fromkeys(PARAMETERS[:3], RANGE), design=dict(kind="saltelli", points=256), seed=seed)
        )
        table = sobol_indices(ishigami(cube), ["a", "b", "c"])
        row = table[(table["order"] == "total") & (table["factor"] == "a")].iloc[0]
        held += row["low"] < 0.5576 < row["high"]
    assert held >= 51


# --- the design ---


@pytest.mark.parametrize("second", [False, True])
def test_a_prefix_of_a_saltelli_design_is_a_saltelli_design(second):
    """The first 2^m blocks are those of the smaller design, and their base points are a net in every coordinate."""
    factors = dict.fromkeys(PARAMETERS[:4], RANGE)

    def cube(n):
        return cube_of(Sweep(factors=factors, design={"kind": "saltelli", "points": n, "second_order": second}))

    step, large = (10, cube(256)) if second else (6, cube(256))
    for n in (8, 64, 128):
        small = cube(n)
        np.testing.assert_array_equal(small, large[: n * step])
        base = np.hstack([small[::step], small[step - 1 :: step]])
        for column in base.T:
            assert sorted(np.floor(column * n).astype(int)) == list(range(n))
        assert qmc.discrepancy(base) < qmc.discrepancy(np.random.default_rng(1).random(base.shape))
    assert subsets(1024, "sobol") == [64, 128, 256, 512, 1024]
    assert subsets(16, "sobol") == [8, 16]
    assert subsets(4, "sobol") == [4]
    assert subsets(20, "morris") == [5, 10, 20]


def test_the_built_in_analysis():
    sweep = load(None, Wanted())
    assert len(sweep.factors) >= 20
    assert len(sweep.columns) - len(years_of(sweep)) == 6
    assert sweep.number_of_runs == 256 * (len(sweep.factors) + 2) * sweep.replications
    for name, factor in sweep.factors.items():
        assert factor.low <= Parameters.model_fields[name].default <= factor.high, name
    assert years_of(sweep)["lerner_closed_in_2027"] == ("lerner_closed", 2027)
    assert load(None, Wanted("morris", trajectories=8)).number_of_points == 8 * (len(sweep.factors) + 1)
    assert noise_sweep(sweep, 7).replications == 7
    short = load(BUILT_IN, Wanted(months=18))
    assert "crash_compute" not in short.columns
    assert years_of(short)["frontier_in_2024"] == ("frontier", 2024)
    assert short.columns["frontier_in_2024"].last == 17


def test_bars_beyond_the_axis_are_labelled():
    rows = [("y", order, "a", "", 2.13, 0.9, 3.4, 8) for order in ("total", "first")]
    rows += [("y", "total", "b", "", 0.5, 0.4, 0.6, 8), ("y", "first", "b", "", -0.7, -1.0, 0.1, 8)]
    columns = ["outcome", "order", "factor", "other", "value", "low", "high", "n"]
    drawn = figures.indices(pd.DataFrame(rows, columns=columns))
    assert [text.get_text() for text in drawn.axes[0].texts] == ["2.1 →", "2.1 →", "← -0.7"]


def saltelli_output(n=64, k=3):
    cube = cube_of(Sweep(factors=dict.fromkeys(PARAMETERS[:k], RANGE), design={"kind": "saltelli", "points": n}))
    return ishigami(cube)


# --- missing and non-finite values ---


def test_seed_zero_is_a_seed():
    y = saltelli_output()
    one, two = (sobol_indices(y, ["a", "b", "c"], seed=0) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    other = sobol_indices(y, ["a", "b", "c"], seed=1)
    assert (other["low"] != one["low"]).any()
    assert (other["value"] == one["value"]).all()
    assert positive(0) > 0
    cube = cube_of(Sweep(factors=dict.fromkeys(PARAMETERS[:3], RANGE), design={"kind": "morris", "trajectories": 9}))
    one, two = (morris_effects(cube, ishigami(cube), ["a", "b", "c"], seed=0) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_a_nonfinite_output_raises_and_names_the_run(bad):
    y = saltelli_output()
    y[17] = bad
    with pytest.raises(IncompleteRuns, match=r"1 of 320 runs has no finite value of output: run 17;"):
        sobol_indices(y, ["a", "b", "c"])
    with pytest.raises(IncompleteRuns, match="the_run"):
        sobol_indices(y, ["a", "b", "c"], runs=["other"] * 17 + ["the_run"] + ["other"] * (y.size - 18))
    answers = Answers(ishigami, 3, "saltelli", 64)
    answers.table.loc[17, "y"] = bad
    with pytest.raises(IncompleteRuns, match=r"no finite value of y") as caught:
        of_sweep(answers)
    assert caught.value.run_ids == (answers.table["run_id"][17],)
    assert caught.value.run_ids[0] in str(caught.value)
    cube = cube_of(Sweep(factors=dict.fromkeys(PARAMETERS[:3], RANGE), design={"kind": "morris", "trajectories": 9}))
    effects = ishigami(cube)
    effects[3] = bad
    with pytest.raises(IncompleteRuns, match="run 3"):
        morris_effects(cube, effects, ["a", "b", "c"])


def test_missing_and_failed_runs_raise():
    answers = Answers(ishigami, 3, "saltelli", 64, replications=2)
    absent = answers.table["run_id"][40]
    answers.table = answers.table.drop(index=40)
    with pytest.raises(IncompleteRuns, match=r"1 of 640 runs has no result: .* \(missing\)") as caught:
        of_sweep(answers)
    assert caught.value.run_ids == (absent,)
    answers.table.loc[[1, 2, 3, 4], "status"] = "failed"
    with pytest.raises(IncompleteRuns, match=r"5 of 640 runs have .* and 2 more; .*--retry-failed") as caught:
        of_sweep(answers)
    assert len(caught.value.run_ids) == 5


def test_a_constant_output_has_no_indices():
    table = sobol_indices(np.full(320, 3.3), ["a", "b", "c"], of="flat")
    assert table[["value", "low", "high"]].isna().all(axis=None)
    rounding = 3.3 + 1e-15 * np.random.default_rng(0).normal(size=320)
    assert sobol_indices(rounding, ["a", "b", "c"])["value"].isna().all()
    assert sobol_indices(np.zeros(320), ["a", "b", "c"])["value"].isna().all()
    analysis = of_sweep(Answers(lambda cube: np.full(len(cube), 3.3), 3, "saltelli", 16))
    assert analysis.constant == ["y"]
    assert analysis.indices["value"].isna().all()
    still = of_sweep(Answers(lambda cube: np.full(len(cube), 3.3), 3, "morris", 5))
    assert still.constant == ["y"]
    assert (still.indices["value"] == 0).all()


def test_a_skewed_output_is_reported_and_its_logarithm_analysed():
    def skewed(cube):
        return np.exp(12 * cube[:, 0] + 8 * cube[:, 1])

    answers = Answers(skewed, 3, "saltelli", 512)
    assert of_sweep(answers).skewed == ["y"]
    analysis = of_sweep(answers, logarithms=["y"])
    assert analysis.skewed == []
    assert [value(analysis.indices, "total", name) for name in analysis.factors] == pytest.approx(
        [9 / 13, 4 / 13, 0], abs=0.02
    )
    with pytest.raises(ValueError, match=r"y: \d+ of 2,560 values are not above 0"):
        of_sweep(Answers(ishigami, 3, "saltelli", 512), logarithms=["y"])
    assert of_sweep(Answers(ishigami, 3, "saltelli", 512)).skewed == []
    few = Answers(skewed, 3, "saltelli", 16)
    assert of_sweep(few).skewed == [], "80 points are too few for the share of the top 1 %"


def test_invalid_designs_are_rejected():
    with pytest.raises(ValueError, match="5 outputs per block"):
        sobol_indices(np.arange(321.0), ["a", "b", "c"])
    with pytest.raises(ValueError, match="at least two factors"):
        sobol_indices(np.arange(9.0), ["a"])
    x = np.random.default_rng(0).random((8, 3))
    with pytest.raises(ValueError, match="not a Morris design"):
        morris_effects(x, x[:, 0], ["a", "b", "c"])
    answers = Answers(ishigami, 3, "saltelli", 16)
    answers.design.loc[3, answers.factors[0]] += 0.1
    with pytest.raises(ValueError, match="the design differs"):
        of_sweep(answers)
    with pytest.raises(KeyError, match="did you mean"):
        of_sweep(Answers(ishigami, 3, "saltelli", 16), ["yy"])
    for of in ([], "y"):
        with pytest.raises(ValueError, match="must be a list of"):
            of_sweep(Answers(ishigami, 3, "saltelli", 16), of)
    with pytest.raises(ValueError, match="logarithm of 'yy': .*did you mean 'y'"):
        of_sweep(Answers(ishigami, 3, "saltelli", 16), logarithms=["yy"])


# --- seed noise ---


def test_components_of_variance():
    rng = np.random.default_rng(3)
    values = 2 * rng.normal(size=(800, 1)) + rng.normal(size=(1, 600)) + 0.5 * rng.normal(size=(800, 600))
    analysis = components(values)
    assert analysis == pytest.approx((4, 1, 0.25), rel=0.15)
    share = shares(values, replications=5)
    assert share["parameters"] + share["seed"] + share["interaction"] == pytest.approx(1)
    assert share["left_in_indices"] == pytest.approx(0.05 / 4.05, rel=0.15)
    assert np.isnan(shares(np.ones((4, 4)))["seed"])
    with pytest.raises(ValueError, match="two points"):
        components(values[:, :1])


def test_noise_of_chosen_outcomes_ignores_the_others():
    answers = Answers(ishigami, 3, "saltelli", 16, replications=2)
    answers.table["z"] = NAN
    answers.outcomes = ["y", "z"]
    assert set(seed_noise(answers, of=["y"])["outcome"]) == {"y"}
    with pytest.raises(IncompleteRuns, match="no finite value of z"):
        seed_noise(answers)
