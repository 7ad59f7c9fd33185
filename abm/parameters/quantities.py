"""How a parameter is declared: default, bounds, symbol, unit, meaning, source."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from abm.data import fit
from abm.support.inputs import plain


def _not_a_word(value: Any) -> Any:
    """Refuse True and "0.5", also NumPy's, which Python would convert to numbers."""
    if isinstance(plain(value), bool | str | bytes):
        raise PydanticCustomError("no_number", "must be a number")
    return value


Number = Annotated[float, BeforeValidator(_not_a_word)]
Lever = Number | dict[str, Number]


def quantity(default: float, low: float, high: float, symbol: str, unit: str, meaning: str, source: str = "") -> Any:
    """A bounded quantity with its symbol, unit, meaning and source."""
    extra: Any = {"symbol": symbol, "unit": unit, "low": low, "high": high, "source": source}
    return Field(default=default, description=meaning, json_schema_extra=extra)


BY_HAND = "set by hand against docs/calibration.md"


def fitted(name: str, low: float, high: float, symbol: str, unit: str, meaning: str, source: str = "") -> Any:
    """A quantity whose default is the estimate of the calibration to June 2025, with its interval and dates as source."""
    row = fit("june_2025")[name]
    origin = (
        f"fitted {row['fitted_on']} to data to {row['data_to']}: 90 % interval {row['low']:.3g} to {row['high']:.3g}"
    )
    return quantity(
        row["estimate"], low, high, symbol, unit, meaning, f"{origin}; prior: {source}" if source else origin
    )
