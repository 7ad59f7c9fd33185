"""Andrews' sup-Wald test for a break at an unknown point of a linear relation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from abm.support.samples import by_label, is_constant

RADEMACHER = np.array([-1.0, 1.0])
WEBB = np.sqrt([0.5, 1.0, 1.5]).repeat(2) * np.tile([-1.0, 1.0], 3)
"""Weights of a wild bootstrap, with mean 0 and variance 1. With few units, two-point weights give few distinct draws."""
FEW_UNITS = 12
"""Number of units below which Webb's weights are used."""
BLOCK = 2_000_000
"""Maximum size of one bootstrap array: draws are done in blocks, so that many observations fit in memory."""


class Break(NamedTuple):
    """Estimated break and the evidence for it."""

    statistic: float  # largest Wald statistic; infinite if two lines fit without error
    p: float  # of the hypothesis of a single line for all x
    at: float  # midpoint of the two neighbouring values of x, in the unit of x
    before: tuple[float, float]  # intercept and slope below the break, in the units of y and x
    after: tuple[float, float]  # the same above the break


class _Design(NamedTuple):
    """Quantities of x that the Wald statistics need: J admissible breaks among m distinct values.

    Lines are expressed in the basis (1, z), where z is the standardized x, to preserve precision.
    """

    basis: np.ndarray  # (m, 2): (1, z) at each value
    last: np.ndarray  # (J,): index of the last value before the break
    below: np.ndarray  # (J, 2, 2): sums of squares and products of the basis over observations below the break
    whole: np.ndarray  # (2, 2): the same over all observations
    freedom: int  # number of observations minus parameters of the two lines


def sup_wald(x: Any, y: Any, groups: Any = None, *, trim: float = 0.15, draws: int = 999, seed: int = 0) -> Break:
    """Test for one break at an unknown point of y = a + b x, at which both a and b may change.

    x, y : (observations,), in any order; Series are paired by their row labels, and so is `groups`. A break lies between
    two neighbouring values of x, with at least two values and a share `trim` of the observations on each side. The
    statistic is the largest Wald statistic over all such breaks (twice Chow's F), for errors of equal variance.
    groups : (observations,), the replication of each observation; a replication is one set of random draws at every x, and
    all replications must have the same values of x equally often. The mean over the replication is then subtracted from y.
    p comes from `draws` draws of a wild bootstrap under the null hypothesis of a single line: residuals keep their position
    and get a random sign by replication (without groups: by observation), or one of Webb's six weights if there are fewer
    than 12. The test is therefore robust to heteroscedasticity and, with groups, to any dependence within a replication;
    with fewer than about ten replications it is conservative. It is also valid for sorted x, unlike the critical values of
    Andrews, which hold for regressors without a trend and are about 10 % too small here.

    Raises ValueError for x with fewer than four distinct values, values that differ by rounding only or no admissible
    break, and for values that are not finite, of unequal length or out of range. Source: Andrews (1993), *Econometrica*
    61(4); Hansen (2000), *Journal of Econometrics* 97(1), for fixed regressors and general errors; Cameron, Gelbach &
    Miller (2008), *Review of Economics and Statistics* 90(3), and Webb (2023), *Canadian Journal of Economics* 56(3), for
    weights by group.
    """
    from scipy.sparse import coo_array

    x, y, groups = by_label(x=x, y=y, groups=groups)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x {x.shape} and y {y.shape} must be one-dimensional and of the same length")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    if not 0 <= trim < 0.5:
        raise ValueError(f"trim {trim} must be at least 0 and below 0.5")
    if draws < 1:
        raise ValueError(f"draws = {draws}: must be at least 1")
    values, position, count = np.unique(x, return_inverse=True, return_counts=True)
    if values.size < 4:
        raise ValueError(f"{values.size} distinct values of x: two lines need at least 4")
    if is_constant(values) or np.diff(values).min() <= 1e-9 * np.ptp(values):  # a slope between the two would be noise
        raise ValueError("x has values that differ by rounding only: round them")
    level, size = y.mean(), np.abs(y).max()
    if groups is None:
        unit, units = np.empty(y.size, dtype=int), y.size
        unit[np.lexsort((y, x))] = np.arange(units)  # draws must not depend on the order of the rows
        y = y - level
    else:
        unit, units = _replications(groups, position, values.size)
        y = y - (np.bincount(unit, y) / np.bincount(unit))[unit]
    centre, scale = x.mean(), x.std()
    design = _design((values - centre) / scale, count, trim, 1 if groups is None else units)

    basis = design.basis[position]
    residual = y - basis @ np.linalg.solve(design.whole, basis.T @ y)
    if np.abs(residual).max() <= 1e-13 * size:
        residual = np.zeros_like(y)  # only rounding errors: one line fits without error
    # All that a draw needs: sums of residuals by value of x and unit, sums of squares by unit.
    sums = coo_array((residual, (position, unit)), shape=(values.size, units)).tocsr()
    squares = np.bincount(unit, residual**2)
    gains, single = _gains(design, sums @ np.ones((units, 1)), squares.sum(keepdims=True))
    statistic = float(_largest(design, gains, single)[0])
    null = _null(design, sums, squares, draws, seed)
    # The tolerance counts draws that repeat the data, despite rounding.
    p = float((1 + np.count_nonzero(null >= statistic * (1 - 1e-9))) / (1 + draws))

    best = int(gains[0].argmax())
    last = design.last[best]
    moments = np.cumsum(design.basis * np.bincount(position, y)[:, None], axis=0)
    lines = []
    for products, target in (
        (design.below[best], moments[last]),
        (design.whole - design.below[best], moments[-1] - moments[last]),
    ):
        height, slope = np.linalg.solve(products, target)
        lines.append((float(level + height - slope * centre / scale), float(slope / scale)))
    return Break(statistic, p, float(values[last : last + 2].mean()), lines[0], lines[1])


def _replications(groups: Any, position: np.ndarray, values: int) -> tuple[np.ndarray, int]:
    """Replication index of each observation and number of replications.

    position : (observations,), index of each x among its distinct values; `values` is the number of these.
    """
    import pandas as pd

    groups = np.asarray(groups)
    if groups.shape != position.shape:
        raise ValueError(f"groups {groups.shape} and x {position.shape} must be of the same length")
    unit, names = pd.factorize(groups, sort=True)
    if (unit < 0).any():
        raise ValueError("groups must not be missing")
    if len(names) < 2:
        raise ValueError("groups: only one group; give at least two, or leave groups out")
    counts = np.bincount(unit * values + position, minlength=len(names) * values).reshape(len(names), values)
    if (counts != counts[0]).any():
        raise ValueError("every group must have the same values of x, equally often: leave out incomplete groups")
    return unit, len(names)


def _design(z: np.ndarray, count: np.ndarray, trim: float, intercepts: int) -> _Design:
    """Admissible breaks among the standardized values `z` (m,) of x, which occur `count` (m,) times, and their sums."""
    observations = int(count.sum())
    freedom = observations - 3 - intercepts
    below = np.cumsum(count)
    admissible = np.minimum(below, observations - below) >= trim * observations - 1e-9
    admissible[[0, -2, -1]] = False  # no line through a single value of x
    last = np.flatnonzero(admissible)
    if not last.size or freedom < 1:
        raise ValueError(f"no admissible break in {observations} observations at {z.size} values of x")
    basis = np.stack([np.ones_like(z), z], axis=1)
    products = np.cumsum(count[:, None, None] * basis[:, :, None] * basis[:, None, :], axis=0)
    return _Design(basis, last, products[last], products[-1], freedom)


def _gains(design: _Design, sums: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduction of the sum of squares by each break (draws, J), and the sum of squares without a break (draws,).

    sums : (m, draws), sums of y at each value of x; squares : (draws,), sums of y squared.
    The sums below a break, minus the part explained by one line through all observations, are the score of a change there;
    the gain is its square, weighted by the variance of the difference between the two lines.
    """
    moments = np.cumsum(sums.T[:, :, None] * design.basis, axis=1)  # (draws, m, 2)
    total = moments[:, -1]
    line = total @ np.linalg.inv(design.whole)
    score = moments[:, design.last] - np.einsum("db,jba->dja", line, design.below)
    spread = np.linalg.inv(design.below) + np.linalg.inv(design.whole - design.below)
    a, b = score[..., 0], score[..., 1]
    gains = spread[:, 0, 0] * a**2 + 2 * spread[:, 0, 1] * a * b + spread[:, 1, 1] * b**2
    return gains, squares - (line * total).sum(1)


def _largest(design: _Design, gains: np.ndarray, single: np.ndarray) -> np.ndarray:
    """Largest Wald statistics (draws,) from the results of `_gains`; 0 where one line fits without error."""
    gain = gains.max(1)
    remaining = single - gain
    remaining = np.where(remaining > 1e-12 * single, remaining, 0.0)  # below that is rounding: two lines fit exactly
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0, design.freedom * gain / remaining, 0.0)


def _null(design: _Design, sums: Any, squares: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Largest Wald statistics (draws,) when the residuals of one line are randomly weighted by unit.

    sums : sparse (m, units), sums of residuals; squares : (units,), sums of squared residuals.
    """
    generator, points = np.random.default_rng(seed), WEBB if squares.size < FEW_UNITS else RADEMACHER
    block = max(1, BLOCK // (squares.size + design.basis.size))
    statistics = []
    for start in range(0, draws, block):
        # Draws are the first axis, so that the size of the blocks does not change them.
        weights = points[generator.integers(points.size, size=(min(block, draws - start), squares.size))].T
        statistics.append(_largest(design, *_gains(design, sums @ weights, squares @ weights**2)))
    return np.concatenate(statistics)
