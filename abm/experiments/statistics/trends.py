"""How an outcome moves with a factor: correlations, slopes, breaks, inverted U."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abm.experiments.sampling import (
    SEED,
    Finding,
    Unanswerable,
    bootstrap_interval,
    logs,
    mean_interval,
    ols_slopes,
    outcome_matrix,
    scaled_finding,
    select_runs,
)
from abm.experiments.spec import Test
from abm.experiments.statistics.registry import FLAG, NUMBER, TABLE, statistic
from abm.support.samples import is_constant

if TYPE_CHECKING:
    import pandas as pd


@statistic(x=True, optional={"signs": TABLE}, gives=("low", "high", "pooled"), scale=False)
def spearman(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Rank correlation of y with x within each replication, mean over replications.

    `options.signs`: outcome -> -1 reverses the sign of an outcome. `pooled` is the correlation over all runs at once, in
    which differences between seeds count as noise.
    """
    from scipy.stats import rankdata, spearmanr

    rows = select_runs(table, test.where)
    signs = test.options.get("signs", {})
    findings = []
    for y in test.y:
        x, values = outcome_matrix(rows, test.x, y)
        values = signs.get(y, 1) * values
        x_ranks = rankdata(x) - (x.size + 1) / 2
        y_ranks = rankdata(values, axis=1) - (x.size + 1) / 2
        y_ranks[is_constant(values, 1)] = 0.0  # ranks of rounding errors
        with np.errstate(invalid="ignore"):  # an outcome that is the same at every x has no rank correlation
            correlations = (y_ranks * x_ranks).sum(1) / np.sqrt((y_ranks**2).sum(1) * (x_ranks**2).sum())
        pooled = spearmanr(np.broadcast_to(x, values.shape).ravel(), values.ravel()).statistic
        mean, low, high, number = mean_interval(correlations)
        more = {"pooled": float(pooled)}
        findings.append(Finding(y, mean, max(low, -1.0), min(high, 1.0), number=number, more=more))
    return findings


@statistic(x=True, optional={"log_x": FLAG, "log_y": FLAG})
def slope(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Least-squares slope of y on x within each replication; `options.log_x`, `log_y` take logarithms."""
    rows = select_runs(table, test.where)
    findings = []
    for y in test.y:
        x, values = outcome_matrix(rows, test.x, y)
        if (test.options.get("log_x") and x.min() <= 0) or (test.options.get("log_y") and values.min() <= 0):
            raise Unanswerable(f"{y} on {test.x}: the logarithm needs positive values")
        slopes = ols_slopes(
            np.log(x) if test.options.get("log_x") else x, logs(values) if test.options.get("log_y") else values
        )
        findings.append(scaled_finding(test, y, *mean_interval(slopes)))
    return findings


@statistic(x=True, y=2)
def slope_of_ratio(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Slope on x of 1 - mean(y[0]) / mean(y[1]): a ratio of means, since single runs have denominators near zero."""
    rows = select_runs(table, test.where)
    top, bottom = test.y
    x, numerators = outcome_matrix(rows, test.x, top)
    _, denominators = outcome_matrix(rows, test.x, bottom)

    def slope_over(sample: np.ndarray) -> float:
        return float(ols_slopes(x, 1 - np.nanmean(numerators[sample], 0) / np.nanmean(denominators[sample], 0)))

    low, high = bootstrap_interval(len(numerators), slope_over)
    value = slope_over(np.arange(len(numerators)))
    return [scaled_finding(test, f"1 - {top} / {bottom}", value, low, high, len(numerators))]


@statistic(x=True, gives=("p", "at", "slope_before", "slope_after"), scale=False)
def structural_break(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Sup-Wald test of one change of intercept and slope at an unknown value of x (Andrews 1993); p by wild bootstrap."""
    from abm.analysis.breaks import sup_wald

    rows = select_runs(table, test.where)
    findings = []
    for y in test.y:
        x, values = outcome_matrix(rows, test.x, y)
        values = values[np.isfinite(values).all(1)]  # replications with a value at every point
        groups = np.repeat(np.arange(len(values)), x.size)
        result = sup_wald(np.tile(x, len(values)), values.ravel(), groups, seed=SEED)
        more = {"at": result.at, "slope_before": result.before[1], "slope_after": result.after[1]}
        findings.append(Finding(y, result.statistic, p=result.p, number=len(values), more=more))
    return findings


@statistic(x=True, gives=("p", "slope_low", "slope_high"), scale=False)
def inverted_u(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Test of Lind and Mehlum (2010) for an inverted U of y in x, by replication; the value is the turning point.

    A quadratic is fitted in each replication. Its slope must be positive at the lowest x and negative at the highest: p is
    the larger of the two one-sided p-values, by Student's t over replications.
    """
    from scipy.stats import ttest_1samp

    rows = select_runs(table, test.where)
    findings = []
    for y in test.y:
        x, values = outcome_matrix(rows, test.x, y)
        if x.size < 3 or len(values) < 2:
            raise Unanswerable(
                f"{x.size} values of {test.x} in {len(values)} replications: use at least 3 values and 2 replications"
            )
        curvature, tilt, _ = np.polyfit(x, values.T, 2) * ~is_constant(values, 1)
        ends = tilt + 2 * curvature * np.array([[x.min()], [x.max()]])
        with np.errstate(divide="ignore", invalid="ignore"):
            rises = ttest_1samp(ends[0], 0, alternative="greater").pvalue
            falls = ttest_1samp(ends[1], 0, alternative="less").pvalue
            turning_point = -tilt.mean() / (2 * curvature.mean())
        p = np.nan_to_num([rises, falls], nan=1.0).max()  # NaN: flat in every replication
        more = {"slope_low": float(ends[0].mean()), "slope_high": float(ends[1].mean())}
        findings.append(Finding(y, float(turning_point), p=float(p), number=len(values), more=more))
    return findings


@statistic(
    x=True,
    y=2,
    needed={"below": NUMBER, "above": NUMBER},
    gives=("early_least", "late_most", "early_from", "late_to"),
    scale=False,
)
def drift(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Whether y[0] < `options.below` at one value of x and y[1] > `options.above` at a smaller one: 1 or 0."""
    rows = select_runs(table, test.where)
    first, second = test.y
    x, early = outcome_matrix(rows, test.x, first)
    _, late = outcome_matrix(rows, test.x, second)
    early, late = early.mean(0), late.mean(0)
    low, high = x[early < test.options["below"]], x[late > test.options["above"]]
    more = {"early_least": float(early.min()), "late_most": float(late.max())}
    if low.size:
        more["early_from"] = float(low.min())
    if high.size:
        more["late_to"] = float(high.max())
    possible = bool(low.size and high.size and high.min() < low.max())
    return [Finding(f"{first}, then {second}", float(possible), number=rows["replication"].nunique(), more=more)]
