"""From runs to a verdict: every test of an experiment, and what they say together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.sampling import Finding, Pending, Unanswerable, whole_replications
from abm.experiments.spec import Experiment, Test, holds
from abm.experiments.special import STATISTICS

if TYPE_CHECKING:
    import pandas as pd

SUPPORTED, UNSUPPORTED, FALSIFIED, PENDING = "supported", "not supported", "falsified", "pending"
LEAST = 2
"""Replications that a verdict rests on, at least."""
REPORTED = "reported"
"""Of a test that has no conditions."""
SUPPORTS, AGAINST, NEITHER = "supports", "against", "neither"
"""What one finding by itself is to the claim: it meets the test's first condition, its second one, or none."""


@dataclass(frozen=True)
class Answer:
    """A test, what its statistic gave, and what that says."""

    test: Test
    findings: list[Finding]
    says: str
    trouble: str = ""
    """Why there is no answer."""


@dataclass(frozen=True)
class Verdict:
    """falsified: some test falsifies it. pending: what would decide has not been observed. supported: every test that can
    support it does. Else not supported.
    """

    says: str
    answers: list[Answer]

    def table(self) -> pd.DataFrame:
        """One row a finding: test, of, value, low, high, p, number, unit, what it says by itself (`mark`) and the test of
        all its findings (`test_says`), and what more there is."""
        import pandas as pd

        rows = []
        for answer in self.answers:
            for one in answer.findings:
                more = "; ".join(f"{name} = {value:.4g}" for name, value in one.more.items())
                rows.append(
                    {"test": answer.test.name, "of": one.of, **one.numbers(), "number": one.number}
                    | {"unit": answer.test.unit, "mark": mark(answer.test, vars(one))}
                    | {"test_says": answer.says, "more": more}
                )
        columns = ["test", "of", "value", "low", "high", "p", "number", "unit", "mark", "test_says", "more"]
        return pd.DataFrame(rows, columns=columns)

    def plain(self) -> dict[str, Any]:
        """As JSON keeps it."""
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
                        {"of": one.of, **one.numbers(), "number": one.number, "more": one.more}
                        for one in answer.findings
                    ],
                }
                for answer in self.answers
            ],
        }


def judge(experiment: Experiment, table: pd.DataFrame) -> Verdict:
    """Answer every test from the table of runs (those in order only).

    A replication that lacks a run of its arm is left out of that arm, unless every point has draws of its own.
    """
    if all(sweep.common_draws for sweep in experiment.sweeps().values()):
        table = whole_replications(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # quotients of nought are no numbers, and no verdict
        answers = [answered(test, table) for test in experiment.test]
    said = [answer.says for answer in answers if answer.test.supported_if or answer.test.falsified_if]
    if FALSIFIED in said:
        verdict = FALSIFIED
    elif PENDING in said:
        verdict = PENDING
    else:
        verdict = SUPPORTED if all(one == SUPPORTED for one in said) else UNSUPPORTED
    return Verdict(verdict, answers)


def answered(test: Test, table: pd.DataFrame) -> Answer:
    try:
        findings = STATISTICS[test.statistic].work(table, test)
    except Pending as error:
        return Answer(test, [], PENDING, str(error))
    except (Unanswerable, ValueError) as error:
        return Answer(test, [], UNSUPPORTED if test.supported_if or test.falsified_if else REPORTED, str(error))
    if not test.supported_if and not test.falsified_if:
        return Answer(test, findings, REPORTED)
    if few := [one for one in findings if one.number < LEAST]:
        what = f"{few[0].of}: rests on {few[0].number} replications, and a verdict takes at least {LEAST}"
        return Answer(test, findings, UNSUPPORTED, what)
    if test.falsified_if and met(test.falsified_need or test.need, test.falsified_if, findings):
        return Answer(test, findings, FALSIFIED)
    known = all(np.isfinite(one.value) for one in findings)
    supports = met(test.need, test.supported_if, findings) if test.supported_if else known
    return Answer(test, findings, SUPPORTED if supports else UNSUPPORTED)


def mark(test: Test, one: Mapping[str, Any]) -> str:
    """What a finding (fields of `Finding`) is to the claim by itself; empty where the test has no conditions."""
    if not test.supported_if and not test.falsified_if:
        return ""
    numbers = {**one["more"], **{name: one[name] for name in ("value", "low", "high", "p")}}
    numbers = {name: np.nan if value is None else value for name, value in numbers.items()}
    if one["number"] < LEAST:
        return NEITHER
    if test.falsified_if and holds(test.falsified_if, numbers):
        return AGAINST
    supports = holds(test.supported_if, numbers) if test.supported_if else np.isfinite(numbers["value"])
    return SUPPORTS if supports else NEITHER


def met(need: str, condition: str, findings: list[Finding]) -> bool:
    """Whether enough of the findings meet the condition, which may name what more a finding has."""
    each = [holds(condition, one.more | one.numbers()) for one in findings]
    enough: dict[str, Callable[[list[bool]], Any]] = {
        "all": all,
        "any": any,
        "most": lambda flags: 2 * sum(flags) > len(flags),
    }
    return bool(each) and bool(enough[need](each))
