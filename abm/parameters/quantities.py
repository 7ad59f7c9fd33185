"""Declaration of parameters: default, bounds, symbol, unit, meaning, source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from abm.data import fit
from abm.support.inputs import plain


def _reject_non_numbers(value: Any) -> Any:
    """Reject True and "0.5", and NumPy's equivalents, which pydantic would convert to numbers."""
    if isinstance(plain(value), bool | str | bytes):
        raise PydanticCustomError("no_number", "must be a number")
    return value


def _reject_non_tables(value: Any) -> Any:
    """Reject all but tables, in a message that says what the table is of; pydantic's own would not."""
    if not isinstance(value, Mapping):
        raise PydanticCustomError("no_table", "must be a table of jurisdictions")
    return value


Number = Annotated[float, BeforeValidator(_reject_non_numbers)]
Lever = Number | Annotated[dict[str, Number], BeforeValidator(_reject_non_tables)]


def quantity(default: float, low: float, high: float, symbol: str, unit: str, meaning: str, source: str = "") -> Any:
    """Declare a bounded quantity with its symbol, unit, meaning and source."""
    extra: Any = {"symbol": symbol, "unit": unit, "low": low, "high": high, "source": source}
    return Field(default=default, description=meaning, json_schema_extra=extra)


BY_HAND = "calibrated by hand: docs/calibration.md"
BESIDE_RECORD = "calibrated by hand: docs/compute_record.md"
"""Chips, machines and places: beside the record of 2023 to mid-2025, as decision 24 lists them."""


def fitted(name: str, low: float, high: float, symbol: str, unit: str, meaning: str, source: str = "") -> Any:
    """Declare a quantity whose default is estimated by the calibration to June 2025; interval and dates form its source."""
    row = fit("june_2025")[name]
    interval = f"90 % interval {row['low']:.3g} to {row['high']:.3g}"
    origin = f"fitted on {row['fitted_on']} to data up to {row['data_to']}: {interval}"
    return quantity(
        row["estimate"], low, high, symbol, unit, meaning, f"{origin}; prior: {source}" if source else origin
    )
