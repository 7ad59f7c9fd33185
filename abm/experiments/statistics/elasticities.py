"""Elasticities of use in efficiency: slopes of one outcome's logarithm on another outcome, across a factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abm.experiments.sampling import (
    Finding,
    Unanswerable,
    equals,
    logs,
    mean_interval,
    ols_slopes,
    outcome_matrix,
    scaled_finding,
    select_runs,
    slopes_between,
)
from abm.experiments.spec import Test
from abm.experiments.statistics.registry import WORD, statistic

if TYPE_CHECKING:
    import pandas as pd


@statistic(x=True, y=2, needed={"over": WORD})
def crossing(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Value of `options.over` at which the slope of ln y[1] on y[0] (nats) across x turns from negative to positive.

    Slopes are taken within each replication at each value of `over`; the crossing is interpolated between values.
    """
    rows = select_runs(table, test.where)
    over = str(test.options["over"])
    levels, slopes = slopes_over(rows, test, over)
    crossings = np.array([zero_of(levels, row) for row in slopes])
    mean, low, high, number = mean_interval(crossings)
    if 2 * number < len(crossings):
        raise Unanswerable(f"the slope changes sign in only {number} of {len(crossings)} replications")
    return [scaled_finding(test, f"{over} where the slope is 0", mean, low, high, number)]


@statistic(x=True, y=2, needed={"over": WORD}, optional={"expected": WORD})
def log_slopes(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Slope of ln y[1] on y[0] (nats) across x, at each value of `options.over`, minus the value `options.expected` gives.

    expected: "e - 1", "(e - 1) / e" or "" for the slope itself, where e is the value of `over`.
    """
    rows = select_runs(table, test.where)
    over = str(test.options["over"])
    levels, slopes = slopes_over(rows, test, over)
    findings = []
    for index, level in enumerate(levels):
        expected = {"e - 1": level - 1, "(e - 1) / e": (level - 1) / level, "": 0.0}[test.options.get("expected", "")]
        mean, low, high, number = mean_interval(slopes[:, index] - expected)
        more = {"expected": expected}
        findings.append(scaled_finding(test, f"{over} = {level:g}", mean, low, high, number, more=more))
    return findings


def slopes_over(rows: pd.DataFrame, test: Test, over: str) -> tuple[np.ndarray, np.ndarray]:
    """Levels of `over`, and slopes (replications, levels) of ln y[1] on y[0] (nats) across x."""
    first, second = test.y
    levels = np.sort(rows[over].unique())
    slopes = []
    for level in levels:
        runs = rows[equals(rows[over], float(level))]
        _, efficiency = outcome_matrix(runs, test.x, first)
        _, use = outcome_matrix(runs, test.x, second)
        slopes.append(slopes_between(efficiency, logs(use)))
    return levels, np.stack(slopes, axis=1)


def zero_of(x: np.ndarray, y: np.ndarray) -> float:
    """First x at which the line through the points rises through zero; NaN if there is none."""
    for i in range(len(x) - 1):
        if y[i] <= 0 < y[i + 1]:
            return float(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i]))
    return np.nan


@statistic(x=True, gives=("low", "high", "first", "last"))
def fading(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Trend, per year, of the elasticity of use in efficiency: d ln y[2t + 1] / d y[2t] (nats) across x, regressed on t.

    y: efficiency and use of the first year, of the second, and so on. Within each replication; `more` has the elasticity
    in the first and in the last year.
    """
    rows = select_runs(table, test.where)
    elasticities = []
    for efficiency_name, use_name in zip(test.y[::2], test.y[1::2], strict=True):
        _, efficiency = outcome_matrix(rows, test.x, efficiency_name)
        _, use = outcome_matrix(rows, test.x, use_name)
        elasticities.append(slopes_between(efficiency, logs(use)))
    path = np.stack(elasticities, axis=1)  # (replications, years)
    trends = ols_slopes(np.arange(path.shape[1], dtype=float), path)
    more = {"first": float(path[:, 0].mean()), "last": float(path[:, -1].mean())}
    return [scaled_finding(test, "trend of the elasticity", *mean_interval(trends), more=more)]
