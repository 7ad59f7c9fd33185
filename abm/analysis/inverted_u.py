"""Is a relation an inverted U over the range of the data? The test of Lind and Mehlum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class InvertedU(NamedTuple):
    """What a quadratic says of an inverted U."""

    p: float  # of the hypothesis that the relation is monotone or a U
    peak: float  # where the quadratic turns, in the unit of x; infinite for a straight line
    slopes: tuple[float, float]  # at the two ends of the range


def lind_mehlum(x: Any, y: Any) -> InvertedU:
    """Test for an inverted U: a slope that is positive at the lowest x and negative at the highest, both at once.

    x, y : (observations,), at least four, with three different x. y = a + b x + c x^2 by ordinary least squares;
    p is the larger of the two one-sided p-values of the slopes at the ends (an intersection-union test).

    Raises ValueError for fewer observations. Source: Lind & Mehlum (2010), *Oxford Bulletin of Economics and
    Statistics* 72(1); Sasabuchi (1980).
    """
    from scipy.stats import t as student

    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.size < 4 or np.unique(x).size < 3:
        raise ValueError(f"{x.size} observations at {np.unique(x).size} values of x: take at least 4 at 3 values")
    design = np.stack([np.ones_like(x), x, x**2], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ design.T @ y
    variance = ((y - design @ fitted) ** 2).sum() / (x.size - 3)
    ends = np.array([[0, 1, 2 * x.min()], [0, 1, 2 * x.max()]])
    slopes = ends @ fitted
    errors = np.sqrt(variance * np.einsum("ij,jk,ik->i", ends, inverse, ends))
    p = student.sf(np.array([1, -1]) * slopes / errors, x.size - 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = -fitted[1] / (2 * fitted[2])
    return InvertedU(float(p.max()), float(peak), (float(slopes[0]), float(slopes[1])))
