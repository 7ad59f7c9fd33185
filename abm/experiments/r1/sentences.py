"""Numbers in sentences: every number shown in the text is recorded, so that text and tables agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.html import number

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Findings:
    """Format numbers for sentences, and record each with its key (`table`)."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def say(self, key: str, value: float, unit: str = "", digits: int = 2, signed: bool = False) -> str:
        """Format a value for the text; all its digits are recorded under `key`."""
        shown = plus(value, digits) if signed else number(float(value), digits)
        self.rows.append(
            {"key": key, "value": float(value), "low": np.nan, "high": np.nan, "unit": unit, "shown": shown}
        )
        return f"{shown} {unit}" if unit else shown

    def count(self, key: str, value: int) -> str:
        """Format a whole number for the text."""
        shown = f"{value:.0f}"
        self.rows.append({"key": key, "value": float(value), "low": np.nan, "high": np.nan, "unit": "", "shown": shown})
        return shown

    def change(self, key: str, row: Mapping[str, Any], unit: str = "", scale: float = 1.0, digits: int = 2) -> str:
        """Format a difference with its 95 % interval, e.g. "+5.1 points [4.2, 6.0]", or say that it is not defined."""
        value, low, high = (scale * float(row[name]) for name in ("difference", "low", "high"))
        shown = plus(value, digits)
        interval = f"[{number(low, digits)}, {number(high, digits)}]"
        self.rows.append({"key": key, "value": value, "low": low, "high": high, "unit": unit, "shown": shown})
        return f"{shown}{' ' + unit if unit else ''} {interval}" if np.isfinite(value) else f"{shown} (not defined)"

    def percent(self, key: str, row: Mapping[str, Any], digits: int = 2) -> str:
        """Format a difference of logarithms as a change in percent."""
        return self.change(key, in_percent(row), "%", digits=digits)

    def moved(self, key: str, row: Mapping[str, Any], unit: str = "%", scale: float = 1.0, what: str = "") -> str:
        """Format a difference, with its interval if it has one, as a clause (`change_in_words`)."""
        value, low, high = (scale * float(row.get(name, np.nan)) for name in ("difference", "low", "high"))
        shown = number(value, 2) if low <= 0 <= high else number(abs(value), 2)
        self.rows.append({"key": key, "value": value, "low": low, "high": high, "unit": unit, "shown": shown})
        return change_in_words(value, low, high, unit, what)

    def table(self) -> pd.DataFrame:
        """All numbers recorded so far: key, value, low, high, unit, shown."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def in_percent(row: Mapping[str, Any]) -> dict[str, float]:
    """Convert a difference of logarithms, with its interval, to percent."""
    return {name: 100 * np.expm1(float(row[name])) for name in ("difference", "low", "high")}


def change_in_words(
    value: float,
    low: float = np.nan,
    high: float = np.nan,
    unit: str = "%",
    what: str = "",
    show: Callable[[float], str] = lambda value: number(value, 2),
) -> str:
    """A change as a clause: "rose by 5.1 points [4.2, 6.0]" or, with `what`, "raised use by 5.1 points [4.2, 6.0]".

    The verb gives the direction, so the numbers have no sign: "fell by 3.4 % [1.7, 5.1]". If the interval contains zero,
    the direction is unclear and they keep their signs: "did not clearly change (−0.3 % [−1.2, 0.6])".
    """
    of = f" {what}" if what else ""
    unit = f" {unit}" if unit else ""
    value, low, high = float(value), float(low), float(high)
    if not np.isfinite(value):
        return f"changed{of} by an unknown amount"
    if value == 0 and not low < 0 < high:
        return f"did not change{of}"
    if low <= 0 <= high:
        return f"did not clearly change{of} ({show(value)}{unit} [{show(low)}, {show(high)}])"
    if show(abs(value)) == "0":
        return f"hardly changed{of}"
    verb = ("raised" if value > 0 else "lowered") if what else ("rose" if value > 0 else "fell")
    ends = sorted((abs(low), abs(high)))
    interval = f" [{show(ends[0])}, {show(ends[1])}]" if np.isfinite(ends).all() else ""
    return f"{verb}{of} by {show(abs(value))}{unit}{interval}"


def plus(value: float, digits: int = 2) -> str:
    """Format a number with its sign."""
    text = number(float(value), digits)
    return f"+{text}" if value > 0 and text != "0" else text


def direction(row: Mapping[str, Any]) -> int:
    """Sign of a difference: 1, -1, or 0 if the interval contains zero or is unknown."""
    low, high = float(row["low"]), float(row["high"])
    return 1 if low > 0 else -1 if high < 0 else 0


def listed(words: list[str]) -> str:
    """Join words: "a, b and c"; "none" for no words."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"
