"""The table of statistics by name, and what each of them needs from a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from abm.experiments.sampling import Finding
from abm.experiments.spec import Test

if TYPE_CHECKING:
    import pandas as pd

Compute = Callable[["pd.DataFrame", Test], list[Finding]]
FLAG, WORD, NUMBER, WORDS, TABLE = bool, str, (int, float), list, dict
"""Types of options."""


@dataclass(frozen=True)
class Statistic:
    """A statistic and what it needs from a test; `checks.of_test` compares the two before anything runs."""

    compute: Compute
    x: bool = False
    """Whether it takes a factor."""
    y: int | None = None
    """Number of outcomes; None: one or more."""
    sides: str = ""
    """Which of the selections a, b, c, d it takes."""
    needed: Mapping[str, Any] = field(default_factory=dict)
    """Required options, with their types."""
    optional: Mapping[str, Any] = field(default_factory=dict)
    gives: tuple[str, ...] = ("low", "high")
    """What conditions may name besides the value."""
    where: bool = True
    scale: bool = True
    installed: Callable[[], None] = lambda: None
    """Raises ImportError if a package that the statistic needs is missing; called before anything runs."""


STATISTICS: dict[str, Statistic] = {}


def statistic(**needs: Any) -> Callable[[Compute], Compute]:
    """Register a function as the statistic of its name; `needs` are fields of `Statistic`."""

    def register(compute: Compute) -> Compute:
        STATISTICS[compute.__name__] = Statistic(compute, **needs)
        return compute

    return register
