"""Two levels of a factor, side by side: mean paired differences over points and replications, with intervals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd


class Comparison(pd.DataFrame):
    """A data frame whose printed form is never cut: the columns that one looks for, with four digits.

    Pairs left out are printed where there are any, and the reduction of the variance is not.
    """

    def __repr__(self) -> str:
        plain = pd.DataFrame(self)
        none_left_out = not plain.loc[:, plain.columns == "left_out"].to_numpy().any()
        hidden = ["variance_reduction", *(["left_out"] if none_left_out else [])]
        shown = [name not in hidden for name in plain.columns]  # whatever columns have been dropped or renamed
        return plain.loc[:, shown].to_string(float_format="{:.4g}".format)

    __str__ = __repr__


def paired(one: np.ndarray, other: np.ndarray, confidence: float) -> dict[str, Any]:
    """The mean of one - other and its interval, from (points, replications) with NaN where a pair is not complete.

    Replication k has the same draws at every point, so that its pairs are one observation: differences are averaged over
    points first, and Student's t is over replications. Where pairs are missing, each is taken less its own point's mean,
    so that which points a replication happens to have does not count as noise.
    """
    from scipy.special import stdtrit

    difference = one - other
    there = np.isfinite(difference)
    points, replications = int(there.any(1).sum()), int(there.any(0).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a point without any pair has no mean
        mean = float(np.nanmean(np.nanmean(difference, axis=1)))
    variance = _variance(difference)
    half = np.nan
    if replications > 1:
        half = float(stdtrit(replications - 1, 0.5 + confidence / 2)) * np.sqrt(variance / replications)
    apart = _variance(np.where(there, one, np.nan)) + _variance(np.where(there, other, np.nan))
    return {
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "points": points,
        "replications": replications,
        "left_out": int((~there).sum()),
        "variance_reduction": apart / variance if variance > 0 else np.nan,
    }


def _variance(values: np.ndarray) -> float:
    """Of the mean over points, from replication to replication; the usual one where all (points, replications) are there."""
    counts = np.isfinite(values).sum(1, keepdims=True)
    some = values[counts[:, 0] > 1]
    counts = counts[counts[:, 0] > 1]
    if not len(some):
        return float("nan")
    residuals = (some - np.nanmean(some, axis=1, keepdims=True)) * np.sqrt(counts / (counts - 1))
    residuals = residuals[:, np.isfinite(residuals).any(0)]
    return float(np.mean(np.nanmean(residuals, axis=0) ** 2))
