"""What users hand over: NumPy's and pandas' values as plain Python, and numbers that are written as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from abm.support.messages import shortened


def plain(value: Any) -> Any:
    """The same in plain Python.

    Arrays, series, ranges, generators and lists become tuples, a data frame a tuple of its rows (each a dict); NumPy's and
    pandas' scalars become Python's, and a time at midnight the date of its day. Anything else stays as it is.
    """
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        value = value.to_dict("records")
    elif hasattr(value, "tolist"):
        if getattr(getattr(value, "dtype", None), "kind", "") == "M" and type(value).__module__ == "numpy":
            value = value.astype("datetime64[us]")  # of nanoseconds NumPy makes integers
        value = value.tolist()
    if isinstance(value, dt.datetime):  # pandas' NaT is one, too, and equals nothing
        return value.date() if value == value and value.time() == dt.time() else value
    if isinstance(value, list | tuple | range | Iterator):
        return tuple(plain(item) for item in value)
    return {key: plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """`value` as an int. Raises ValueError unless it is an integer from `low` to `high`; True, 2.0 and "2" are refused."""
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < low or (high is not None and number > high):
        wanted = f", {low} or more" if high is None else f" from {low} to {high:,}"
        raise ValueError(f"{name} = {shortened(value)}: must be a whole number{wanted}")
    return number


def parse_float(text: str) -> float:
    """The number that a text is. Raises ValueError, also for `1_000` and for digits of other scripts, which Python reads."""
    if "_" in text or not text.isascii():
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)


def parse_int(text: str) -> int:
    """The integer that a text is. Raises ValueError, also for `1_000` and for digits of other scripts, which Python reads."""
    if "_" in text or not text.isascii():
        raise ValueError(f"invalid literal for int() with base 10: {text!r}")
    return int(text)
