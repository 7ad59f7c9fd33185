"""The test for a break at an unknown point: separate regressions, size, power, rejected input."""

import numpy as np
import pandas as pd
import pytest

from abm.analysis import breaks
from abm.analysis.breaks import sup_wald

LEVELS = np.arange(15.0)


def panel(groups, levels=LEVELS):
    """x and the group of each observation; every group has every level."""
    return np.tile(levels, groups), np.repeat(np.arange(groups), levels.size)


def sum_of_squares(design, y):
    return ((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum()


def by_hand(x, y, fixed, trim):
    """Largest Wald statistic and its location, from one least-squares regression per break.

    `fixed` : (observations, effects), intercepts that stay as they are: of groups, or a single one.
    """
    one = sum_of_squares(np.column_stack([fixed, x]), y)
    result = []
    for low, high in zip(np.unique(x)[1:-2], np.unique(x)[2:-1], strict=True):
        if min((x <= low).mean(), (x > low).mean()) < trim - 1e-12:
            continue
        after = x > low
        two = sum_of_squares(np.column_stack([fixed, x, after, after * x]), y)
        result.append(((len(x) - fixed.shape[1] - 3) * (one - two) / two, (low + high) / 2))
    return max(result)


@pytest.mark.parametrize("trim", [0.0, 0.15, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_statistic_by_separate_regressions(seed, trim):
    """Values of x are unevenly spaced, unequally frequent and unordered."""
    draws = np.random.default_rng(seed)
    x = draws.choice(1000 + 7 * draws.random(12), 90)
    y = 5 + 0.3 * x + draws.normal(size=90)
    result = sup_wald(x, y, trim=trim, draws=9)
    statistic, at = by_hand(x, y, np.ones((90, 1)), trim)
    assert result.statistic == pytest.approx(statistic, rel=1e-6)
    assert result.at == pytest.approx(at, rel=1e-12)
    for line, side in ((result.before, x < result.at), (result.after, x > result.at)):
        slope, intercept = np.polyfit(x[side], y[side], 1)
        assert line == pytest.approx((intercept, slope), rel=1e-6)


def test_statistic_with_an_intercept_for_each_group():
    draws = np.random.default_rng(4)
    x, group = panel(8)
    y = 10 * draws.normal(size=8)[group] + np.maximum(x - 6, 0) / 4 + draws.normal(size=x.size)
    result = sup_wald(x, y, [f"seed {number}" for number in group], draws=9)
    statistic, at = by_hand(x, y, (group[:, None] == np.arange(8)).astype(float), 0.15)
    assert result.statistic == pytest.approx(statistic, rel=1e-9)
    assert result.at == at
    line = np.polyfit(x[x < at], y[x < at], 1)  # of the average group: all groups have the same x
    assert result.before == pytest.approx((line[1], line[0]), rel=1e-9)


def test_order_of_rows_and_units_do_not_matter():
    draws = np.random.default_rng(5)
    x, group = panel(20)
    y = draws.normal(size=x.size) + np.maximum(x - 6, 0) / 20
    order = draws.permutation(x.size)
    for groups in (None, group):
        result = sup_wald(x, y, groups)
        shuffled = sup_wald(x[order], y[order], None if groups is None else groups[order])
        scaled = sup_wald(1e3 + 20 * x, 1e4 - 3 * y, groups)
        for other in (shuffled, scaled):
            assert other.statistic == pytest.approx(result.statistic, rel=1e-6)
        assert shuffled.p == result.p
        assert scaled.at == 1e3 + 20 * result.at
        assert scaled.after[1] == pytest.approx(-3 / 20 * result.after[1])
        assert scaled.after[0] == pytest.approx(1e4 - 3 * result.after[0] - 1e3 * scaled.after[1])
    assert sup_wald(x, y, seed=1).p != sup_wald(x, y).p


def rejected(sample, times, **options):
    """Share of `times` samples without a break in which the test rejects at 5 %."""
    draws = np.random.default_rng(6)
    return np.mean([sup_wald(*sample(draws), draws=199, seed=number, **options).p <= 0.05 for number in range(times)])


def uneven(draws):
    """Errors that grow tenfold with x, and four observations at each value."""
    x = np.repeat(LEVELS, 4)
    return x, 2 * x + draws.normal(size=x.size) * (0.1 + x / 15)


def shared(groups):
    """Errors shared within a group over all x: its own level, slope and bend, which average out over groups."""

    def sample(draws):
        x, group = panel(groups)
        level, slope, bend = draws.normal(size=(3, groups))[:, group]
        return x, 10 * level + slope / 5 * x + bend * np.abs(x - 7) + draws.normal(size=x.size), group

    return sample


@pytest.mark.parametrize("sample", [uneven, shared(6), shared(30)], ids=["uneven", "6 groups", "30 groups"])
def test_size(sample):
    """Four standard deviations of a share of 600 at 5 % are 3.6 points."""
    assert 0.02 < rejected(sample, 600) < 0.085


def test_weights_by_observation_mistake_shared_errors_for_breaks():
    """The same samples minus each group's mean, treated as if observations were independent."""

    def apart(draws):
        x, y, group = shared(30)(draws)
        return x, y - (np.bincount(group, y) / LEVELS.size)[group]

    assert rejected(apart, 100) > 0.2


@pytest.mark.parametrize("grouped", [False, True])
def test_draws_are_statistics_of_weighted_residuals(monkeypatch, grouped):
    draws, null, result = np.random.default_rng(14), breaks._null, []
    x, group = panel(14, np.arange(5.0) ** 2)
    if not grouped:
        x, group = np.sort(x), np.arange(x.size)
    y = np.sort(draws.normal(size=x.size))
    monkeypatch.setattr(breaks, "_null", lambda *given: result.append(null(*given)) or result[-1])
    sup_wald(x, y, group if grouped else None, draws=20, seed=3)

    fixed = (group[:, None] == np.arange(14)).astype(float) if grouped else np.ones((x.size, 1))
    design = np.column_stack([fixed, x])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    signs = np.random.default_rng(3).choice([-1, 1], size=(20, group.max() + 1))
    expected = [by_hand(x, sign[group] * residual, fixed, 0.15)[0] for sign in signs]
    np.testing.assert_allclose(result[0], expected, rtol=1e-9)


def test_few_groups_have_many_distinct_draws():
    """Five signs give 16 different statistics, one of them the data's own: p could not fall below 1 / 16."""
    x, group = panel(5)
    y = np.random.default_rng(10).normal(size=x.size) + 2 * np.maximum(x - 7, 0)
    assert sup_wald(x, y, group).p < 0.03
    for points in (breaks.RADEMACHER, breaks.WEBB):
        assert len(set(points)) in (2, 6)
        assert points.mean() == pytest.approx(0, abs=1e-15)
        assert points.var() == pytest.approx(1)


def test_the_block_size_does_not_change_the_result(monkeypatch):
    x = np.random.default_rng(11).random(50)
    y = np.sin(2 * x) + np.random.default_rng(12).normal(size=50)
    whole = sup_wald(x, y)
    monkeypatch.setattr(breaks, "BLOCK", 1100)
    assert sup_wald(x, y) == whole


def simulated(z, normal):
    """Largest Wald statistics by separate regressions on (1, z) in the order given, for columns of `normal` errors."""
    n = len(z)
    design = np.column_stack([np.ones(n), z])
    unexplained = lambda part: np.linalg.lstsq(design[part], normal[part], rcond=None)[1]  # noqa: E731
    one, breaks_at = unexplained(slice(None)), range(int(0.15 * n), n - int(0.15 * n) + 1)
    two = np.min([unexplained(slice(at)) + unexplained(slice(at, None)) for at in breaks_at], axis=0)
    return (n - 4) * (one - two) / two


def test_critical_values(monkeypatch):
    """The 5 % critical value of Andrews (2003, *Econometrica* 71(1)) for two parameters and 15 % trimming is 11.72; it
    is for regressors without a trend. Sorted x has one, which makes it 10 % larger (Hansen 2000); the bootstrap must
    reproduce this.
    """
    draws, null = np.random.default_rng(7), breaks._null
    x, normal = np.linspace(0, 1, 200), draws.normal(size=(200, 3000))
    mixed = np.quantile(simulated(draws.permutation(x), normal), 0.95)
    in_order = np.quantile(simulated(x, normal), 0.95)
    result = []
    monkeypatch.setattr(breaks, "_null", lambda *given: result.append(null(*given)) or result[-1])
    for column in range(5):
        sup_wald(x, normal[:, column])
    bootstrap = np.quantile(np.concatenate(result), 0.95)
    assert mixed == pytest.approx(11.72, rel=0.05)
    assert bootstrap == pytest.approx(in_order, rel=0.05)
    assert 1.03 < bootstrap / 11.72 < 1.15


def test_finds_a_kink_and_a_jump():
    draws, kinks, jumps = np.random.default_rng(8), [], []
    x, group = panel(40)
    for _ in range(20):
        noise = 5 * draws.normal(size=40)[group] + draws.normal(size=x.size)
        kinks.append(sup_wald(x, noise + 0.4 * np.maximum(x - 8, 0), group, draws=199))
        jumps.append(sup_wald(x, noise + 1.0 * (x > 5), group, draws=199))
    assert all(result.p <= 0.01 for result in kinks + jumps)
    assert np.mean([abs(result.at - 8) < 3 for result in kinks]) >= 0.9
    assert np.mean([result.at == 5.5 for result in jumps]) >= 0.9
    assert np.mean([result.after[1] - result.before[1] for result in kinks]) == pytest.approx(0.4, abs=0.05)


def test_a_line_needs_two_values():
    """The last value of x is an outlier, but a line through a single value is not admissible, with or without trimming."""
    x = np.tile(np.arange(6.0), 10)
    y = 50 * (x == 5) + np.random.default_rng(13).normal(size=x.size)
    assert sup_wald(x, y, trim=0).at == 3.5
    assert sup_wald(-x, y, trim=0).at == -3.5


def test_groups_reveal_a_break_hidden_by_their_levels():
    draws = np.random.default_rng(9)
    x, group = panel(40)
    y = 20 * draws.normal(size=40)[group] + draws.normal(size=x.size) + 0.2 * np.maximum(x - 8, 0)
    assert sup_wald(x, y).p > 0.1
    assert sup_wald(x, y, group).p < 0.01


def test_lines_without_error():
    x = np.repeat(LEVELS, 3)
    straight = sup_wald(x, 1 / 3 + 0.1 * x, draws=99)
    assert straight.statistic == 0
    assert straight.p == 1
    assert sup_wald(x, np.zeros(x.size), draws=9).p == 1
    bent = sup_wald(x, np.where(x < 8, 1 / 3 + 0.1 * x, 7 - 0.3 * x), draws=99)
    assert bent.statistic == np.inf
    assert bent.p == 0.01
    assert bent.at == 7.5
    np.testing.assert_allclose([bent.before, bent.after], [(1 / 3, 0.1), (7, -0.3)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sup_wald([1, 2, 3], [1, 2]), "the same length"),
        (lambda: sup_wald(np.ones((4, 2)), np.ones((4, 2))), "one-dimensional"),
        (lambda: sup_wald(LEVELS, np.where(LEVELS == 3, np.nan, 1)), "finite"),
        (lambda: sup_wald(np.where(LEVELS == 3, np.inf, LEVELS), LEVELS), "finite"),
        (lambda: sup_wald([], []), "0 distinct values"),
        (lambda: sup_wald(np.tile([1, 2, 3], 9), np.arange(27)), "3 distinct values"),
        (lambda: sup_wald([1, 2, 3, 4], [1, 2, 3, 5]), "no admissible break in 4 observations"),
        (lambda: sup_wald([1] * 20 + [2, 3, 4], np.arange(23)), "no admissible break in 23"),
        (lambda: sup_wald(LEVELS, LEVELS, trim=0.5), "trim"),
        (lambda: sup_wald(LEVELS, LEVELS, trim=-0.1), "trim"),
        (lambda: sup_wald(LEVELS, LEVELS, draws=0), "draws"),
        (lambda: sup_wald(LEVELS, LEVELS, [1, 2]), "groups (2,)"),
        (lambda: sup_wald(LEVELS, LEVELS, np.ones(15)), "only one group"),
        (lambda: sup_wald(LEVELS, LEVELS, np.where(LEVELS < 7, 1, np.nan)), "missing"),
        (lambda: sup_wald(LEVELS, LEVELS, LEVELS < 7), "equally often"),
    ],
)
def test_invalid_arguments_are_rejected(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_rows_are_paired_by_their_labels():
    x, groups = panel(8)
    y = np.minimum(x, 7) + groups + 0.1 * np.random.default_rng(2).normal(size=x.size)
    right = sup_wald(x, y, groups, draws=19)
    x, y, groups = pd.Series(x), pd.Series(y), pd.Series(groups)
    assert sup_wald(x, y.sort_values(), groups.sample(frac=1, random_state=1), draws=19) == right
    with pytest.raises(ValueError, match="x and groups have different row labels"):
        sup_wald(x, y, groups.set_axis(groups.index + 1))


def test_values_that_differ_by_rounding_are_rejected():
    """A slope between 0.3 and 0.1 + 0.2 is of the order of 10^15."""
    x = np.repeat([0.1 + 0.2, 0.3, 0.5, 0.6, 0.8], 5)
    with pytest.raises(ValueError, match="rounding"):
        sup_wald(x, np.random.default_rng(1).normal(size=x.size), trim=0.0)
