"""Lind and Mehlum's test for an inverted-U relation over the range of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from abm.support.samples import by_label, is_constant


class InvertedU(NamedTuple):
    """Result of the test for an inverted U with a quadratic."""

    p: float  # of the hypothesis that the relation is monotone or U-shaped
    peak: float  # turning point of the quadratic, in the unit of x; infinite for a straight line
    slopes: tuple[float, float]  # at the two ends of the range, in the unit of y per unit of x


def lind_mehlum(x: Any, y: Any) -> InvertedU:
    """Test for an inverted U: a positive slope at the lowest x together with a negative slope at the highest.

    x, y : (observations,), at least four, with three distinct x; Series are paired by their row labels. y = a + b x + c x^2
    is fitted by ordinary least squares; p is the larger of the two one-sided p-values of the slopes at the ends (an
    intersection-union test). A constant y has slopes of zero, p = 1 and no peak (NaN).

    Raises ValueError for too few observations, and for values that are not finite or of unequal length. Source: Lind &
    Mehlum (2010), *Oxford Bulletin of Economics and Statistics* 72(1); Sasabuchi (1980).
    """
    from scipy.stats import t as student

    x, y = by_label(x=x, y=y)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x {x.shape} and y {y.shape} must be one-dimensional and of the same length")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    if x.size < 4 or np.unique(x).size < 3 or is_constant(x):
        raise ValueError(
            f"{x.size} observations at {np.unique(x).size} values of x: the test needs at least 4 at 3 values"
        )
    if is_constant(y):
        return InvertedU(1.0, float("nan"), (0.0, 0.0))
    centre, scale = x.mean(), x.std()
    z = (x - centre) / scale  # a quadratic in calendar years would lose all precision
    design = np.stack([np.ones_like(z), z, z**2], axis=1)
    if np.linalg.cond(design) > 1e8:
        raise ValueError("x has values that differ by rounding only: the test needs three distinct values")
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ design.T @ y
    size = np.abs(y).max()
    fitted[np.abs(fitted) <= 1e-12 * size] = 0.0  # rounding
    residual = y - design @ fitted
    variance = (residual**2).sum() / (x.size - 3) if np.abs(residual).max() > 1e-12 * size else 0.0
    ends = np.array([[0, 1, 2 * z.min()], [0, 1, 2 * z.max()]])
    slopes = ends @ fitted
    slopes[np.abs(slopes) <= 1e-12 * size] = 0.0
    errors = np.sqrt(variance * np.einsum("ij,jk,ik->i", ends, inverse, ends))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(slopes == 0, -np.inf if variance == 0 else 0.0, np.array([1, -1]) * slopes / errors)
        peak = centre - scale * fitted[1] / (2 * fitted[2])
    return InvertedU(float(student.sf(ratios, x.size - 3).max()), float(peak), tuple((slopes / scale).tolist()))
