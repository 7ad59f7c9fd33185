"""Samples whose layout, unit or order does not match the analysis are rejected."""

import numpy as np
import pandas as pd
import pytest
from helpers.sensitivity import Answers, ishigami, value
from SALib.sample import morris, sobol

from abm.analysis.replications import needed, replications
from abm.analysis.seed_noise import seed_noise
from abm.analysis.sensitivity import morris_effects, of_sweep, sobol_indices


def saltelli_design(k, second, n=64):
    problem = {"num_vars": k, "names": [f"x{at}" for at in range(k)], "bounds": [[0, 1]] * k}
    return sobol.sample(problem, n, calc_second_order=second, seed=5)


@pytest.mark.parametrize("k", [2, 3, 6, 7, 14, 15])
def test_the_layout_of_the_other_order_is_rejected(k):
    """Its length fits these numbers of factors, so that indices would look precise but be wrong."""
    names = [f"x{at}" for at in range(k)]
    for second in (False, True):
        cube = saltelli_design(k, second, 512)
        y = (cube - 0.5) @ np.arange(1.0, k + 1)
        right = sobol_indices(y, names, second_order=second)
        share = k**2 / (np.arange(1, k + 1) ** 2).sum()
        assert value(right, "total", names[-1]) == pytest.approx(share, rel=0.15)
        with pytest.raises(ValueError, match=rf"second_order={second}"):
            sobol_indices(y, names, second_order=not second)
        pd.testing.assert_frame_equal(sobol_indices(y, names, x=cube, second_order=second), right)
        with pytest.raises(ValueError, match=rf"Saltelli design of .* order, .*second_order={second}"):
            sobol_indices(y, names, x=cube, second_order=not second)


def test_points_reveal_rows_in_the_wrong_order():
    names = ["a", "b", "c"]
    cube = saltelli_design(3, False)
    y = pd.Series(ishigami(cube))
    right = sobol_indices(y, names)
    with pytest.raises(ValueError, match=r"y: its rows are numbered.*sort_index"):
        sobol_indices(y.sort_values(), names)
    with pytest.raises(ValueError, match="315 outputs of 3 factors: .* a power of two of blocks"):
        sobol_indices(y[:-5], names)
    natural = pd.DataFrame(10 + 5 * cube, columns=names).assign(point=range(len(cube)))
    pd.testing.assert_frame_equal(sobol_indices(y, names, x=natural), right)
    pd.testing.assert_frame_equal(sobol_indices(y.sample(frac=1, random_state=1), names, x=natural), right)
    hundred = natural[: 5 * 40]  # no power of two, but whole blocks
    assert set(sobol_indices(y[: 5 * 40], names, x=hundred)["n"]) == {40}
    for wrong in (natural.sample(frac=1, random_state=1), natural[["c", "b", "a"]].set_axis(names, axis=1)):
        with pytest.raises(ValueError, match="x is not a Saltelli design of first order"):
            sobol_indices(y, names, x=wrong)
    with pytest.raises(ValueError, match=r"x and y have different row labels: 319 is in one only"):
        sobol_indices(y[:-1], names, x=natural)
    with pytest.raises(ValueError, match="x has no column 'c'"):
        sobol_indices(y, names, x=natural[["a", "b"]])


def test_effects_in_natural_units_need_bounds():
    names, ends = ["a", "b"], np.array([[2.0, 6.0], [0.2, 0.4]])
    unit = morris.sample({"num_vars": 2, "names": names, "bounds": [[0, 1]] * 2}, 12, seed=3)
    x = ends[:, 0] + unit * np.ptp(ends, axis=1)
    y = x[:, 0] - 10 * x[:, 1]
    with pytest.raises(ValueError, match=r"points from 0\.2 to 6 do not all lie in the unit cube: .*`bounds`"):
        morris_effects(x, y, names)
    with pytest.raises(ValueError, match=r"steps from .*`bounds`"):
        morris_effects(0.2 + 0.2 * unit, y, names)  # within the unit cube, and yet no share of a range
    table = morris_effects(x, y, names, bounds=ends)
    assert [value(table, "mu", name) for name in names] == pytest.approx([4, -2])
    frame = pd.DataFrame(x, columns=names)[["b", "a"]]
    shuffled = pd.Series(y).sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(morris_effects(frame, shuffled, names, bounds=ends), table)
    with pytest.raises(ValueError, match="do not all lie in bounds"):
        morris_effects(x, y, names, bounds=ends[::-1])
    with pytest.raises(ValueError, match="must be 2 pairs"):
        morris_effects(x, y, names, bounds=ends[:, ::-1])


def test_duplicate_names_and_outcomes_are_rejected():
    cube = saltelli_design(3, False)
    for work in (
        lambda names: sobol_indices(ishigami(cube), names),
        lambda names: morris_effects(cube, cube[:, 0], names),
    ):
        with pytest.raises(ValueError, match="duplicate name 'a'"):
            work(["a", "b", "a"])
        with pytest.raises(ValueError, match="must be a list of factor names"):
            work("abc")
    answers = Answers(ishigami, 3, "saltelli", 16)
    with pytest.raises(ValueError, match="duplicate outcome"):
        of_sweep(answers, ["y", "y"])
    with pytest.raises(ValueError, match=r"years = \[2099\]"):
        of_sweep(answers, years=[2099])
    with pytest.raises(ValueError, match="logarithm of 'yy': not an analysed outcome"):
        seed_noise(answers, logarithms=["yy"])


def test_a_pilot_pairs_its_runs_by_seed():
    rng = np.random.default_rng(1)
    first = pd.Series(10 + rng.normal(size=50), index=range(50, 100))
    second = first + 1 + 0.01 * rng.normal(size=50)
    right = needed(first.to_numpy(), second.to_numpy())
    assert needed(first, second.sample(frac=1, random_state=3)) == right
    with pytest.raises(ValueError, match="first and second have different row labels: 50 is in one only"):
        needed(first, second[1:])
    with pytest.raises(ValueError, match="both must have the same runs"):
        needed(first.to_numpy(), second.to_numpy()[1:])
    with pytest.raises(ValueError, match="values of 3 scenarios"):
        replications({"y": np.ones((3, 5))})
