"""Numbers in sentences: every figure that the text shows is kept, so that text and tables cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.reproduce.report import number

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Findings:
    """Collects what is said, value by value."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def say(self, key: str, value: float, unit: str = "", digits: int = 2, signed: bool = False) -> str:
        """The value as it stands in the text; its full digits go into the table under `key`."""
        shown = plus(value, digits) if signed else number(float(value), digits)
        self.rows.append(
            {"key": key, "value": float(value), "low": np.nan, "high": np.nan, "unit": unit, "shown": shown}
        )
        return f"{shown} {unit}" if unit else shown

    def count(self, key: str, value: int) -> str:
        """A whole number as it stands in the text."""
        shown = f"{value:.0f}"
        self.rows.append({"key": key, "value": float(value), "low": np.nan, "high": np.nan, "unit": "", "shown": shown})
        return shown

    def change(self, key: str, row: Mapping[str, Any], unit: str = "", scale: float = 1.0, digits: int = 2) -> str:
        """A difference with its 95 % interval, e.g. "+5.1 points [4.2, 6.0]"."""
        value, low, high = (scale * float(row[name]) for name in ("difference", "low", "high"))
        shown = plus(value, digits)
        interval = f"[{number(low, digits)}, {number(high, digits)}]"
        self.rows.append({"key": key, "value": value, "low": low, "high": high, "unit": unit, "shown": shown})
        return f"{shown}{' ' + unit if unit else ''} {interval}"

    def percent(self, key: str, row: Mapping[str, Any], digits: int = 2) -> str:
        """A difference of logarithms as a change in percent."""
        changed = {name: 100 * np.expm1(float(row[name])) for name in ("difference", "low", "high")}
        return self.change(key, changed, "%", digits=digits)

    def table(self) -> pd.DataFrame:
        """Everything that was said: key, value, low, high, unit, shown."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def plus(value: float, digits: int = 2) -> str:
    """A number with its sign."""
    text = number(float(value), digits)
    return f"+{text}" if value > 0 and text != "0" else text


def direction(row: Mapping[str, Any]) -> int:
    """1, -1, or 0 where the interval holds zero or is not known."""
    low, high = float(row["low"]), float(row["high"])
    return 1 if low > 0 else -1 if high < 0 else 0


def listed(words: list[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"
