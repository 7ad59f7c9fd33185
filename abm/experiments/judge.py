"""From runs to a verdict: the answers to an experiment's tests, and the verdict they imply."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.sampling import Finding, Pending, Unanswerable, complete_replications
from abm.experiments.spec import Experiment, Test, holds
from abm.experiments.statistics import STATISTICS

if TYPE_CHECKING:
    import pandas as pd

SUPPORTED, UNSUPPORTED, FALSIFIED, PENDING = "supported", "not supported", "falsified", "pending"
LEAST = 2
"""Least number of replications for a verdict."""
REPORTED = "reported"
"""Answer of a test without conditions."""
SUPPORTS, AGAINST, NEITHER = "supports", "against", "neither"
"""Marks of a single finding: it meets the condition supported_if, the condition falsified_if, or neither."""


@dataclass(frozen=True)
class Answer:
    """A test, the findings of its statistic, and the answer they give."""

    test: Test
    findings: list[Finding]
    says: str
    trouble: str = ""
    """Why there is no answer."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim, and the answers it follows from.

    falsified: at least one test falsifies the claim. pending: a deciding outcome has not been observed. supported: every
    test that can support the claim does. Otherwise not supported.
    """

    says: str
    answers: list[Answer]

    def table(self) -> pd.DataFrame:
        """One row per finding: test, of, value, low, high, p, number, unit, its own mark (`mark`), the answer of the whole
        test (`test_says`), and by-products (`more`)."""
        import pandas as pd

        rows = []
        for answer in self.answers:
            for finding in answer.findings:
                more = "; ".join(f"{name} = {value:.4g}" for name, value in finding.more.items())
                rows.append(
                    {"test": answer.test.name, "of": finding.of, **finding.numbers(), "number": finding.number}
                    | {"unit": answer.test.unit, "mark": mark(answer.test, vars(finding))}
                    | {"test_says": answer.says, "more": more}
                )
        columns = ["test", "of", "value", "low", "high", "p", "number", "unit", "mark", "test_says", "more"]
        return pd.DataFrame(rows, columns=columns)

    def plain(self) -> dict[str, Any]:
        """The verdict as a dictionary for JSON."""
        return {
            "verdict": self.says,
            "tests": [
                {
                    "name": answer.test.name,
                    "statistic": answer.test.statistic,
                    "supported_if": answer.test.supported_if,
                    "falsified_if": answer.test.falsified_if,
                    "says": answer.says,
                    "trouble": answer.trouble,
                    "findings": [
                        {"of": finding.of, **finding.numbers(), "number": finding.number, "more": finding.more}
                        for finding in answer.findings
                    ],
                }
                for answer in self.answers
            ],
        }


def judge(experiment: Experiment, table: pd.DataFrame) -> Verdict:
    """Answer every test from the table of runs that did not fail, and combine the answers into a verdict.

    A replication that lacks a run of its arm is left out of that arm, unless every point has its own draws.
    """
    if all(sweep.common_draws for sweep in experiment.sweeps().values()):
        table = complete_replications(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a division by zero gives NaN, which supports nothing
        answers = [answered(test, table) for test in experiment.test]
    decisive = [answer.says for answer in answers if answer.test.supported_if or answer.test.falsified_if]
    if FALSIFIED in decisive:
        verdict = FALSIFIED
    elif PENDING in decisive:
        verdict = PENDING
    else:
        verdict = SUPPORTED if all(says == SUPPORTED for says in decisive) else UNSUPPORTED
    return Verdict(verdict, answers)


def answered(test: Test, table: pd.DataFrame) -> Answer:
    """Compute the statistic of a test and apply its conditions; what goes wrong is reported in `Answer.trouble`."""
    try:
        findings = STATISTICS[test.statistic].compute(table, test)
    except Pending as error:
        return Answer(test, [], PENDING, str(error))
    except (Unanswerable, ValueError) as error:
        return Answer(test, [], UNSUPPORTED if test.supported_if or test.falsified_if else REPORTED, str(error))
    if not test.supported_if and not test.falsified_if:
        return Answer(test, findings, REPORTED)
    if few := [finding for finding in findings if finding.number < LEAST]:
        plural = "" if few[0].number == 1 else "s"
        trouble = f"{few[0].of}: {few[0].number} replication{plural}; a verdict needs at least {LEAST}"
        return Answer(test, findings, UNSUPPORTED, trouble)
    if test.falsified_if and met(test.falsified_need or test.need, test.falsified_if, findings):
        return Answer(test, findings, FALSIFIED)
    known = all(np.isfinite(finding.value) for finding in findings)
    supports = met(test.need, test.supported_if, findings) if test.supported_if else known
    return Answer(test, findings, SUPPORTED if supports else UNSUPPORTED)


def mark(test: Test, finding: Mapping[str, Any]) -> str:
    """Whether a finding (the fields of `Finding`) by itself supports the claim; empty if the test has no conditions."""
    if not test.supported_if and not test.falsified_if:
        return ""
    numbers = {**finding["more"], **{name: finding[name] for name in ("value", "low", "high", "p")}}
    numbers = {name: np.nan if value is None else value for name, value in numbers.items()}
    if finding["number"] < LEAST:
        return NEITHER
    if test.falsified_if and holds(test.falsified_if, numbers):
        return AGAINST
    supports = holds(test.supported_if, numbers) if test.supported_if else np.isfinite(numbers["value"])
    return SUPPORTS if supports else NEITHER


def met(need: str, condition: str, findings: list[Finding]) -> bool:
    """Whether enough findings (`need`: all, any or most) meet a condition, which may also name keys of `Finding.more`."""
    meets = [holds(condition, finding.more | finding.numbers()) for finding in findings]
    enough: dict[str, Callable[[list[bool]], Any]] = {
        "all": all,
        "any": any,
        "most": lambda flags: 2 * sum(flags) > len(flags),
    }
    return bool(meets) and bool(enough[need](meets))
