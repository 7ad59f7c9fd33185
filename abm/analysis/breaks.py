"""Does a linear relation change at some point that nobody named beforehand? The test of Andrews."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from abm.support.samples import by_label, is_constant

RADEMACHER = np.array([-1.0, 1.0])
WEBB = np.sqrt([0.5, 1.0, 1.5]).repeat(2) * np.tile([-1.0, 1.0], 3)
"""Weights of a wild bootstrap: mean 0, variance 1. Two points give few different draws when units are few."""
FEW_UNITS = 12
BLOCK = 2_000_000
"""Most numbers in one array of the bootstrap: draws are done in blocks, so that many observations fit in memory."""


class Break(NamedTuple):
    """The most likely place of a break, and how much it takes to believe in one."""

    statistic: float  # the largest Wald statistic; infinite where two lines fit without error
    p: float  # of the hypothesis that one line does for all x
    at: float  # halfway between the neighbouring values of x, in the unit of x
    before: tuple[float, float]  # intercept and slope below it, in the units of y and x
    after: tuple[float, float]  # the same above it


class _Design(NamedTuple):
    """What the Wald statistics need to know of x: J admissible breaks among m different values.

    A line through all observations has the basis (1, z), z the standardized x, so that no digits are lost.
    """

    basis: np.ndarray  # (m, 2): (1, z) at each value
    last: np.ndarray  # (J,): the value after which the break comes
    below: np.ndarray  # (J, 2, 2): sums of squares and products of the basis, observations below the break
    whole: np.ndarray  # (2, 2): of all observations
    freedom: int  # observations less parameters of the two lines


def sup_wald(x: Any, y: Any, groups: Any = None, *, trim: float = 0.15, draws: int = 999, seed: int = 0) -> Break:
    """Test for one break at an unknown place of y = a + b x: both a and b may change there.

    x, y : (observations,), in any order; Series are paired by their row labels, `groups` too. A break lies between two
    neighbouring values of x, with two values and a share `trim` of the observations on each side at least. The
    statistic is the largest Wald statistic of them (twice Chow's F) for errors of one variance.
    groups : (observations,), the replication that an observation belongs to; one replication is one set of random
    draws at every x, as often at each x as the others. Then y is taken less its mean over the replication.
    p comes from `draws` draws of a wild bootstrap that imposes the one line: residuals keep their place and get a
    random sign by replication (without groups: by observation), or one of Webb's six weights for fewer than 12. It
    therefore allows for errors of unequal variance and, with groups, for any dependence within a replication; with
    fewer than about ten replications it is cautious. It also allows for x being sorted, which the critical values of
    Andrews do not: those are for regressors without a trend, and here about a tenth too small.

    Raises ValueError for x with fewer than four values, values that differ by rounding only or no admissible break,
    and for what is not finite, of unequal length or out of range. Source: Andrews (1993), *Econometrica* 61(4);
    Hansen (2000), *Journal of Econometrics* 97(1), for regressors that are given and any errors; Cameron, Gelbach &
    Miller (2008), *Review of Economics and Statistics* 90(3), and Webb (2023), *Canadian Journal of Economics* 56(3),
    for weights by group.
    """
    from scipy.sparse import coo_array

    x, y, groups = by_label(x=x, y=y, groups=groups)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x {x.shape} and y {y.shape} must be one-dimensional and of one length")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    if not 0 <= trim < 0.5:
        raise ValueError(f"trim {trim} must be at least 0 and below 0.5")
    if draws < 1:
        raise ValueError(f"{draws} draws: take at least 1")
    values, place, count = np.unique(x, return_inverse=True, return_counts=True)
    if values.size < 4:
        raise ValueError(f"{values.size} different values of x: two lines take at least 4")
    if is_constant(values) or np.diff(values).min() <= 1e-9 * np.ptp(values):  # a slope between the two would be noise
        raise ValueError("x has values that differ by rounding only: round them")
    level, size = y.mean(), np.abs(y).max()
    if groups is None:
        unit, units = np.empty(y.size, dtype=int), y.size
        unit[np.lexsort((y, x))] = np.arange(units)  # the order of the rows is not to matter for the draws
        y = y - level
    else:
        unit, units = _replications(groups, place, values.size)
        y = y - (np.bincount(unit, y) / np.bincount(unit))[unit]
    centre, scale = x.mean(), x.std()
    design = _design((values - centre) / scale, count, trim, 1 if groups is None else units)

    basis = design.basis[place]
    residual = y - basis @ np.linalg.solve(design.whole, basis.T @ y)
    if np.abs(residual).max() <= 1e-13 * size:
        residual = np.zeros_like(y)  # the rest is rounding: one line fits without error
    # All that a draw takes: sums of residuals by value of x and unit, sums of squares by unit.
    sums = coo_array((residual, (place, unit)), shape=(values.size, units)).tocsr()
    squares = np.bincount(unit, residual**2)
    gains, single = _gains(design, sums @ np.ones((units, 1)), squares.sum(keepdims=True))
    statistic = float(_largest(design, gains, single)[0])
    null = _null(design, sums, squares, draws, seed)
    # A draw that repeats the data counts, however it is rounded.
    p = float((1 + np.count_nonzero(null >= statistic * (1 - 1e-9))) / (1 + draws))

    best = int(gains[0].argmax())
    last = design.last[best]
    moments = np.cumsum(design.basis * np.bincount(place, y)[:, None], axis=0)
    lines = []
    for products, target in (
        (design.below[best], moments[last]),
        (design.whole - design.below[best], moments[-1] - moments[last]),
    ):
        height, slope = np.linalg.solve(products, target)
        lines.append((float(level + height - slope * centre / scale), float(slope / scale)))
    return Break(statistic, p, float(values[last : last + 2].mean()), lines[0], lines[1])


def _replications(groups: Any, place: np.ndarray, values: int) -> tuple[np.ndarray, int]:
    """Number of the replication of each observation, and how many there are; `place` is that of x among its values."""
    import pandas as pd

    groups = np.asarray(groups)
    if groups.shape != place.shape:
        raise ValueError(f"groups {groups.shape} and x {place.shape} must be of one length")
    unit, names = pd.factorize(groups, sort=True)
    if (unit < 0).any():
        raise ValueError("groups must not be missing")
    if len(names) < 2:
        raise ValueError("one group is no replication: take more, or none")
    seen = np.bincount(unit * values + place, minlength=len(names) * values).reshape(len(names), values)
    if (seen != seen[0]).any():
        raise ValueError("every group must have the same values of x, equally often: leave out those that have not")
    return unit, len(names)


def _design(z: np.ndarray, count: np.ndarray, trim: float, intercepts: int) -> _Design:
    """Admissible breaks among the standardized values `z` (m,) of x, each seen `count` (m,) times, and their sums."""
    observations = int(count.sum())
    freedom = observations - 3 - intercepts
    below = np.cumsum(count)
    enough = np.minimum(below, observations - below) >= trim * observations - 1e-9
    enough[[0, -2, -1]] = False  # no line through a single value of x
    last = np.flatnonzero(enough)
    if not last.size or freedom < 1:
        raise ValueError(f"no admissible break in {observations} observations at {z.size} values of x")
    basis = np.stack([np.ones_like(z), z], axis=1)
    products = np.cumsum(count[:, None, None] * basis[:, :, None] * basis[:, None, :], axis=0)
    return _Design(basis, last, products[last], products[-1], freedom)


def _gains(design: _Design, sums: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much a break lowers the sum of squares (draws, J), and the sum without one (draws,).

    sums : (m, draws), of y at each value of x; squares : (draws,), of y squared.
    The sums below a break, less what one line through all takes of them, are the score of a change there; the gain
    is its square, weighed with the variance of the difference between the two lines.
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
    """Largest Wald statistics (draws,) of what `_gains` returns; 0 where one line fits without error."""
    gain = gains.max(1)
    left = single - gain
    left = np.where(left > 1e-12 * single, left, 0.0)  # less is rounding: two lines fit without error
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gain > 0, design.freedom * gain / left, 0.0)


def _null(design: _Design, sums: Any, squares: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Largest Wald statistics (draws,) with the residuals of one line, weighed at random by unit.

    sums : sparse (m, units), of residuals; squares : (units,), of residuals squared.
    """
    generator, points = np.random.default_rng(seed), WEBB if squares.size < FEW_UNITS else RADEMACHER
    block = max(1, BLOCK // (squares.size + design.basis.size))
    found = []
    for start in range(0, draws, block):
        # By draw first: the size of the blocks does not change the draws.
        weights = points[generator.integers(points.size, size=(min(block, draws - start), squares.size))].T
        found.append(_largest(design, *_gains(design, sums @ weights, squares @ weights**2)))
    return np.concatenate(found)
