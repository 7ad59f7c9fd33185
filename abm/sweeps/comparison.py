"""Comparison of two levels of a factor: mean paired differences over points and replications, with intervals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd


class Comparison(pd.DataFrame):
    """A data frame that prints its main columns in full, with four significant digits.

    `left_out` is printed only where pairs were left out; `variance_reduction` is not printed.
    """

    def __repr__(self) -> str:
        plain = pd.DataFrame(self)
        complete = not plain.loc[:, plain.columns == "left_out"].to_numpy().any()
        hidden = ["variance_reduction", *(["left_out"] if complete else [])]
        shown = [name not in hidden for name in plain.columns]  # columns may have been dropped or renamed
        return plain.loc[:, shown].to_string(float_format="{:.4g}".format)

    __str__ = __repr__


def paired(first: np.ndarray, second: np.ndarray, confidence: float) -> dict[str, Any]:
    """Mean of `first - second` and its confidence interval.

    first, second : (points, replications), NaN where a pair is incomplete.

    Replication k has the same draws at every point, so its pairs are one observation: differences are averaged over
    points first, and Student's t is over replications. Where pairs are missing, each point's mean is subtracted first, so
    that which points a replication happens to have does not count as noise.
    """
    from scipy.special import stdtrit

    difference = first - second
    complete = np.isfinite(difference)
    points, replications = int(complete.any(1).sum()), int(complete.any(0).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a point without complete pairs has no mean
        mean = float(np.nanmean(np.nanmean(difference, axis=1)))
    variance = _variance(difference)
    half = np.nan
    if replications > 1:
        half = float(stdtrit(replications - 1, 0.5 + confidence / 2)) * np.sqrt(variance / replications)
    unpaired = _variance(np.where(complete, first, np.nan)) + _variance(np.where(complete, second, np.nan))
    return {
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "points": points,
        "replications": replications,
        "left_out": int((~complete).sum()),
        "variance_reduction": unpaired / variance if variance > 0 else np.nan,
    }


def _variance(values: np.ndarray) -> float:
    """Variance, between replications, of the mean over points; the usual one if values (points, replications) are complete."""
    counts = np.isfinite(values).sum(1, keepdims=True)
    usable = values[counts[:, 0] > 1]
    counts = counts[counts[:, 0] > 1]
    if not len(usable):
        return float("nan")
    residuals = (usable - np.nanmean(usable, axis=1, keepdims=True)) * np.sqrt(counts / (counts - 1))
    residuals = residuals[:, np.isfinite(residuals).any(0)]
    return float(np.mean(np.nanmean(residuals, axis=0) ** 2))
