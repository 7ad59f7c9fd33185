"""Differences between treatments, paired by replication."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from abm.experiments.sampling import (
    Finding,
    Unanswerable,
    bootstrap_interval,
    by_replication,
    equals,
    mean_interval,
    outcome_matrix,
    relative_difference,
    scaled_finding,
    select_runs,
)
from abm.experiments.spec import Test
from abm.experiments.statistics.registry import FLAG, NUMBER, WORD, statistic

if TYPE_CHECKING:
    import pandas as pd


@statistic(sides="ab", optional={"relative": FLAG})
def contrast(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Paired difference of y, runs selected by a minus those by b, mean over replications.

    `options.relative`: as a share of b's mean.
    """
    findings = []
    for y in test.y:
        a, b = (by_replication(table, y, {**test.where, **side}) for side in (test.a, test.b))
        numbers = relative_difference(a, b) if test.options.get("relative") else mean_interval((a - b).dropna())
        findings.append(scaled_finding(test, y, *numbers))
    return findings


@statistic(sides="abcd")
def interaction(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Difference in differences, (a - b) - (c - d), mean over replications: how much one treatment adds to the other."""
    findings = []
    for y in test.y:
        a, b, c, d = (by_replication(table, y, {**test.where, **side}) for side in (test.a, test.b, test.c, test.d))
        findings.append(scaled_finding(test, y, *mean_interval(((a - b) - (c - d)).dropna())))
    return findings


@statistic(y=2)
def gap(table: pd.DataFrame, test: Test) -> list[Finding]:
    """y[0] - y[1] of the same runs, mean over replications."""
    first, second = (by_replication(table, y, test.where) for y in test.y)
    return [scaled_finding(test, f"{test.y[0]} - {test.y[1]}", *mean_interval((first - second).dropna()))]


@statistic(x=True, needed={"of": NUMBER})
def lowest(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Smallest paired difference between y at another value of x and y at x = `options.of`: positive if y is lowest there."""
    rows = select_runs(table, test.where)
    x = test.options["of"]
    findings = []
    for y in test.y:
        here = by_replication(rows, y, {test.x: x})
        others = [v for v in rows[test.x].unique() if not equals(rows[test.x].iloc[:1] * 0 + v, x).any()]
        gaps = [mean_interval((by_replication(rows, y, {test.x: v}) - here).dropna()) for v in others]
        findings.append(scaled_finding(test, y, *min(gaps, key=lambda gap: gap[0])))
    return findings


@statistic(
    sides="ab",
    needed={"paid": WORD, "a_factor": WORD, "b_factor": WORD, "at": NUMBER},
    gives=("low", "high", "paid"),
    where=False,
)
def at_equal(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Difference of y between arms a and b at equal payment: `options.paid` is the outcome that is held equal.

    In each arm, y and the payment are known at several values of that arm's own factor (`options.a_factor`, `b_factor`);
    y is interpolated at the payment `options.at`, which must lie within the range of both arms.
    """
    paid = str(test.options["paid"])
    curves, highest, lowest_paid = [], [], []
    for side, where in (("a", test.a), ("b", test.b)):
        rows = select_runs(table, where)
        factor = str(test.options[f"{side}_factor"])
        _, payments = outcome_matrix(rows, factor, paid)
        mean = payments.mean(0)
        curves.append((rows, factor, mean))
        highest.append(mean.max())
        lowest_paid.append(mean.min())
    payment = float(test.options["at"])
    if not max(lowest_paid) <= payment <= min(highest):
        raise Unanswerable(
            f"options.at: {payment:g} is not reached in both arms, which share {max(lowest_paid):g} to {min(highest):g}"
        )
    findings = []
    for y in test.y:
        values = []
        for rows, factor, mean in curves:
            _, outcomes = outcome_matrix(rows, factor, y)
            order = np.argsort(mean)
            values.append(np.array([np.interp(payment, mean[order], row[order]) for row in outcomes]))
        findings.append(scaled_finding(test, y, *mean_interval(values[0] - values[1]), more={"paid": payment}))
    return findings


@statistic(
    y=2, sides="ab", needed={"psi": NUMBER}, gives=("low", "high", "simulated", "predicted"), where=False, scale=False
)
def option_effect(table: pd.DataFrame, test: Test) -> list[Finding]:
    """Change of ln y[0] from b to a, over what the option multiple y[1] predicts: -ln(M_a / M_b) / (1 - psi).

    The first-order condition of research makes intensity proportional to M^(-1/(1 - psi)), at a given value of a lead
    (`abm.mechanisms.research.research_target`); `options.psi` is the elasticity of progress in effort.
    """
    effort, multiple = test.y
    change = {
        y: (by_replication(table, y, test.a).map(np.log) - by_replication(table, y, test.b).map(np.log)).to_numpy()
        for y in (effort, multiple)
    }
    psi = float(test.options["psi"])

    def simulated_over_predicted(sample: np.ndarray) -> float:
        predicted = -change[multiple][sample].mean() / (1 - psi)
        return float(change[effort][sample].mean() / predicted)

    if not 0 < psi < 1:
        raise Unanswerable(f"options.psi: {psi:g} must lie between 0 and 1")
    number = len(change[effort])
    value = simulated_over_predicted(np.arange(number))
    low, high = bootstrap_interval(number, simulated_over_predicted)
    predicted = -change[multiple].mean() / (1 - psi)
    more = {"simulated": float(change[effort].mean()), "predicted": float(predicted)}
    return [Finding(f"{effort} over prediction", value, low, high, number=number, more=more)]
