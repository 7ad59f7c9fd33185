"""Building blocks of statistics: selecting runs, replications as observations, intervals, findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.spec import Test
from abm.support.samples import is_constant

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 400
"""Bootstrap samples of replications."""
SEED = 20250127
CONFIDENCE = 0.95


class Unanswerable(ValueError):
    """A test that the runs cannot answer; the message says what is missing."""


class Pending(Exception):
    """A test whose outcome has not been observed yet."""


@dataclass(frozen=True)
class Finding:
    """The result of a statistic for one outcome."""

    of: str
    """The outcome, or what else the finding is about."""
    value: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    number: int = 0
    """Number of observations (replications, where there is an interval)."""
    more: dict[str, float] = field(default_factory=dict)
    """By-products of the computation: the position of a break, the peak, ..."""

    def numbers(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high, "p": self.p}


def select_runs(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Rows whose columns have the given values (one, or any of a list). Raises Unanswerable if there are none."""
    keep = np.ones(len(table), bool)
    for name, wanted in where.items():
        if name not in table:
            raise Unanswerable(f"no run has a {name}")
        values = wanted if isinstance(wanted, list | tuple) else [wanted]
        keep &= np.any([equals(table[name], value) for value in values], axis=0)
    if not keep.any():
        raise Unanswerable(f"no run has {', '.join(f'{k} = {v}' for k, v in where.items())}")
    return table[keep]


def equals(column: pd.Series, value: Any) -> np.ndarray:
    """Which rows of a column have a value: numbers up to rounding, everything else as text."""
    if column.dtype.kind in "if" and isinstance(value, int | float):
        return np.isclose(column.to_numpy(float), float(value), rtol=1e-9, atol=1e-12)
    return (column.astype(str) == str(value)).to_numpy()


def by_replication(table: pd.DataFrame, y: str, where: Mapping[str, Any]) -> pd.Series:
    """Mean of an outcome over the selected points, by replication; replications with a missing value are left out."""
    grouped = select_runs(table, where).groupby("replication")[y]
    return grouped.mean()[grouped.count() == grouped.size()]


def complete_replications(table: pd.DataFrame) -> pd.DataFrame:
    """Runs of the replications that have a run at every point of their arm.

    Means over different sets of points would not be paired.
    """
    points = table.groupby("arm")["point"].transform("nunique")
    present = table.groupby(["arm", "replication"])["point"].transform("nunique")
    return table[present == points]


def relative_difference(a: pd.Series, b: pd.Series) -> tuple[float, float, float, int]:
    """mean(a) / mean(b) - 1 of paired series, with a 95 % interval by linearisation (Cochran 1977, ch. 6)."""
    pairs = (a + 0 * b).dropna().index
    a, b = a[pairs], b[pairs]
    quotient = a.mean() / b.mean()
    _, low, high, number = mean_interval((a - quotient * b) / b.mean())
    return float(quotient - 1), float(quotient - 1 + low), float(quotient - 1 + high), number


def mean_interval(values: Iterable[float]) -> tuple[float, float, float, int]:
    """Mean, 95 % interval by Student's t, and number of the finite values."""
    from scipy.special import stdtrit

    x = np.asarray(list(values), float)
    x = x[np.isfinite(x)]
    if not x.size:
        return np.nan, np.nan, np.nan, 0
    half = np.nan
    if x.size > 1:
        half = float(stdtrit(x.size - 1, 0.5 + CONFIDENCE / 2)) * x.std(ddof=1) / np.sqrt(x.size)
    return float(x.mean()), float(x.mean() - half), float(x.mean() + half), int(x.size)


def scaled_finding(test: Test, of: str, mean: float, low: float, high: float, number: int, **more: Any) -> Finding:
    """A finding in the unit of the test; a negative scale swaps the ends of the interval."""
    scale = test.scale
    ends = sorted((scale * low, scale * high))
    return Finding(of, scale * mean, ends[0], ends[1], number=number, **more)


def outcome_matrix(table: pd.DataFrame, x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    """Distinct x (points,) and the outcome (replications, points), averaged over everything else that varies."""
    wide = table.pivot_table(index="replication", columns=x, values=y, aggfunc="mean")
    if wide.shape[1] < 2:
        raise Unanswerable(f"{x} has {wide.shape[1]} value: use several")
    wide = wide.dropna()  # drops replications without a value at some point
    if wide.empty:
        raise Unanswerable(f"no replication has a {y} at every {x}")
    if wide.columns.dtype.kind not in "iuf":  # dates: calendar days
        return np.array([float(date.toordinal()) for date in wide.columns]), wide.to_numpy(float)
    values = wide.columns.to_numpy(float)
    if is_constant(values) or np.diff(values).min() <= 1e-9 * np.ptp(values):  # a slope between the two would be noise
        raise Unanswerable(
            f"{x} has values that differ only by rounding: give runs at the same value exactly the same number"
        )
    return values, wide.to_numpy(float)


def bootstrap_interval(rows: int, compute: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """95 % percentile interval of a statistic of replications, which are resampled with replacement."""
    if rows < 2:
        return np.nan, np.nan
    generator = np.random.default_rng(SEED)
    draws = [compute(generator.integers(0, rows, rows)) for _ in range(DRAWS)]
    low, high = np.nanquantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def ols_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slope of each row of y (replications, points) on x (points,); zero for a row that varies only by rounding."""
    centred = x - x.mean()
    return np.where(is_constant(y, -1), 0.0, (y * centred).sum(-1) / (centred**2).sum())


def logs(values: Any) -> np.ndarray:
    """Natural logarithms; NaN for values that are not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(values) > 0, np.log(values), np.nan)


def slopes_between(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of each row of y on the same row of x, both (replications, points); NaN where x does not vary."""
    centred = x - x.mean(1, keepdims=True)
    squares = np.where(is_constant(x, 1), np.nan, (centred**2).sum(1))
    return np.asarray((centred * (y - y.mean(1, keepdims=True))).sum(1) / squares)
