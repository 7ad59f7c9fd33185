"""Levels and distributions of outcomes over runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abm.experiments.sampling import (
    Finding,
    Pending,
    Unanswerable,
    bootstrap_interval,
    by_replication,
    mean_interval,
    scaled_finding,
    select_runs,
)
from abm.experiments.spec import Test
from abm.experiments.statistics.registry import NUMBER, WORD, statistic

if TYPE_CHECKING:
    import pandas as pd


@statistic()
def level(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Mean of y over the selected runs."""
    return [scaled_finding(test, y, *mean_interval(by_replication(table, y, test.where))) for y in test.y]


@statistic()
def band(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Median of y over runs; `low` and `high` are the 5 and 95 % quantiles, the range in which a single history may lie."""
    rows = select_runs(table, test.where)
    findings = []
    for y in test.y:
        x = rows[y].to_numpy(float)
        x = x[np.isfinite(x)]
        low, median, high = np.quantile(x, [0.05, 0.5, 0.95]) if x.size else (np.nan,) * 3
        findings.append(scaled_finding(test, y, median, low, high, x.size))
    return findings


@statistic(y=2, optional={"least": NUMBER})
def band_of_ratio(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Median and 5 to 95 % quantiles of -y[0] / y[1] over runs in which y[1] falls by at least `options.least`."""
    rows = select_runs(table, test.where)
    top, bottom = (rows[y].to_numpy(float) for y in test.y)
    fell = bottom <= -float(test.options.get("least", 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (-top / bottom)[fell]
    if not ratios.size:
        raise Unanswerable(f"no run in which {test.y[1]} falls by at least {test.options.get('least', 0)}")
    low, median, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    return [scaled_finding(test, f"-{test.y[0]} / {test.y[1]}", median, low, high, ratios.size)]


@statistic()
def positive_share(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Share of runs in which y is positive, with an interval by resampling replications."""
    rows = select_runs(table, test.where)
    findings = []
    for y in test.y:
        values = rows.groupby("replication")[y].mean()
        positive = (values[np.isfinite(values)] > 0).to_numpy(float)
        low, high = bootstrap_interval(len(positive), lambda sample, up=positive: float(up[sample].mean()))  # type: ignore[misc]
        findings.append(scaled_finding(test, y, float(positive.mean()), low, high, len(positive)))
    return findings


@statistic(y=0, optional={"what": WORD})
def awaited(table: pd.DataFrame, test: Test) -> list[Finding]:
    """An outcome that has not been observed yet: always pending; `options.what` says what is missing."""
    raise Pending(str(test.options.get("what", "it has not been observed")))
