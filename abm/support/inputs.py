"""Conversion of user input: NumPy and pandas values to plain Python, and text to numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from abm.support.messages import shortened


def plain(value: Any) -> Any:
    """Convert a value to plain Python.

    Arrays, series, ranges, generators and lists become tuples; a data frame becomes a tuple of its rows (each a dict).
    NumPy and pandas scalars become Python scalars, and a time at midnight becomes a date. Anything else is unchanged.
    """
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        value = value.to_dict("records")
    elif hasattr(value, "tolist"):
        if getattr(getattr(value, "dtype", None), "kind", "") == "M" and type(value).__module__ == "numpy":
            value = value.astype("datetime64[us]")  # NumPy converts nanoseconds to integers
        value = value.tolist()
    if isinstance(value, dt.datetime):  # pandas' NaT is a datetime as well, and is not equal to itself
        return value.date() if value == value and value.time() == dt.time() else value
    if isinstance(value, list | tuple | range | Iterator):
        return tuple(plain(item) for item in value)
    return {key: plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` as an int. Raises ValueError unless it is an integer from `low` to `high`, not True, 2.0 or "2"."""
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < low or (high is not None and number > high):
        bounds = f", {low} or more" if high is None else f" from {low} to {high:,}"
        raise ValueError(f"{name} = {shortened(value)}: must be a whole number{bounds}")
    return number


def parse_float(text: str) -> float:
    """Parse a number. Raises ValueError, also for `1_000` and for non-ASCII digits, which Python would accept."""
    if "_" in text or not text.isascii():
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)


def parse_int(text: str) -> int:
    """Parse an integer. Raises ValueError, also for `1_000` and for non-ASCII digits, which Python would accept."""
    if "_" in text or not text.isascii():
        raise ValueError(f"invalid literal for int() with base 10: {text!r}")
    return int(text)
