"""From runs to a verdict: every test of an experiment, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.sampling import Finding, Pending, Unanswerable
from abm.experiments.spec import Experiment, Test, holds
from abm.experiments.special import STATISTICS

if TYPE_CHECKING:
    import pandas as pd

SUPPORTED, UNSUPPORTED, FALSIFIED, PENDING = "supported", "not supported", "falsified", "pending"
REPORTED = "reported"
"""Of a test that has no conditions."""


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
    """supported: every test that can support it does. falsified: some test falsifies it. Else not supported.

    pending: what would decide has not been observed, or is not in the runs.
    """

    says: str
    answers: list[Answer]

    def table(self) -> pd.DataFrame:
        """One row a finding: test, of, value, low, high, p, number, unit, says, and what more there is."""
        import pandas as pd

        rows = []
        for answer in self.answers:
            for one in answer.findings:
                more = "; ".join(f"{name} = {value:.4g}" for name, value in one.more.items())
                rows.append(
                    {"test": answer.test.name, "of": one.of, **one.numbers(), "number": one.number}
                    | {"unit": answer.test.unit, "says": answer.says, "more": more}
                )
        columns = ["test", "of", "value", "low", "high", "p", "number", "unit", "says", "more"]
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
    """Answer every test from the table of runs (those in order only)."""
    answers = [answered(test, table) for test in experiment.test]
    said = [answer.says for answer in answers if answer.test.supported_if or answer.test.falsified_if]
    if not said or any(one == PENDING for one in said):
        verdict = PENDING
    elif FALSIFIED in said:
        verdict = FALSIFIED
    else:
        verdict = SUPPORTED if all(one == SUPPORTED for one in said) else UNSUPPORTED
    return Verdict(verdict, answers)


def answered(test: Test, table: pd.DataFrame) -> Answer:
    try:
        findings = STATISTICS[test.statistic](table, test)
    except Pending as error:
        return Answer(test, [], PENDING, str(error))
    except (Unanswerable, KeyError, ValueError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        return Answer(test, [], UNSUPPORTED if test.supported_if else REPORTED, what)
    if not test.supported_if and not test.falsified_if:
        return Answer(test, findings, REPORTED)
    if test.falsified_if and met(test.falsified_need or test.need, test.falsified_if, findings):
        return Answer(test, findings, FALSIFIED)
    supports = not test.supported_if or met(test.need, test.supported_if, findings)
    return Answer(test, findings, SUPPORTED if supports else UNSUPPORTED)


def met(need: str, condition: str, findings: list[Finding]) -> bool:
    """Whether enough of the findings meet the condition, which may name what more a finding has."""
    each = [holds(condition, one.more | one.numbers()) for one in findings]
    enough: dict[str, Callable[[list[bool]], Any]] = {
        "all": all,
        "any": any,
        "most": lambda flags: 2 * sum(flags) > len(flags),
    }
    return bool(each) and bool(enough[need](each))


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
