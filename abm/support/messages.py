"""Building blocks of messages: suggestions, requirements, shortened values, and the class of warnings."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

PARAMETERS, OBSERVABLES = "abm list --parameters", "abm list --observables"
"""Commands that list what there are too many of to name in a message."""
CLOSE = 0.65
"""Least likeness, from 0 to 1, of a word that is proposed: `rnu` has it of `run`, `mars` of no jurisdiction."""


class AbmWarning(UserWarning):
    """What the user should know of a result that is given all the same."""


def did_you_mean(word: Any, words: Sequence[str], listed: str = "") -> str:
    """`; did you mean 'policy'?`; where nothing is close the choices, or the command that lists them all."""
    if near := nearest(word, words):
        return near
    if listed and len(words) > 12:
        return f"; `{listed}` has them all"
    return f" (one of: {', '.join(words[:12])}{', ...' if len(words) > 12 else ''})" if words else ""


def nearest(word: Any, words: Iterable[str]) -> str:
    """`; did you mean 'policy'?`, or nothing where no word is close."""
    if not isinstance(word, str):
        return ""
    words = list(words)
    begun = [one for one in words if len(word) > 2 and one.startswith(f"{word}_")]  # `lerner` of `lerner_closed`
    close = get_close_matches(word, words, n=1, cutoff=CLOSE) or begun
    return f"; did you mean {close[0]!r}?" if close else ""


def requirement(fault: Mapping[str, Any]) -> str:
    """What pydantic finds wrong with a value, in the words of whoever writes a file: `must be a list`."""
    kind, said = fault["type"], fault.get("ctx", {})
    if kind == "string_pattern_mismatch":
        marks = [mark for mark in "_.-" if mark in re.sub("[a-zA-Z0-9]-[a-zA-Z0-9]", "", said["pattern"])]
        letters = "letters" if "A-Z" in said["pattern"] else "small letters"
        return f"must be a short name of {letters}, digits and {' '.join(marks)}"
    if kind == "literal_error":
        return f"must be {said['expected']}"
    if kind in LIMITS:
        what, key = LIMITS[kind]
        return (
            f"must be {what} {said[key]:g}"
            if isinstance(said[key], float)
            else f"must be {what} {shortened(said[key])}"
        )
    return next((what for start, what in MUST_BE.items() if kind.startswith(start)), fault["msg"].lower())


LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
MUST_BE = {
    "tuple": "must be a list",
    "list": "must be a list",
    "dict": "must be a table",
    "model": "must be a table",
    "string_type": "must be a text",
    "int": "must be a whole number",
    "float": "must be a number",
    "finite_number": "must be a finite number",
    "bool": "must be true or false",
    "date": "must be a date, such as 2025-01-27",
    "too_short": "must not be empty",
    "missing": "is missing",
}
"""What a type of fault says, by how its name begins."""


def printable(text: str) -> str:
    """A text that cannot steer a terminal: escapes and other control characters are written out, line breaks stay."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def shortened(value: Any) -> str:
    """A value as an error shows it: one line, not long, whatever it holds."""
    try:
        text = str(value) if isinstance(value, dt.date) else repr(value)
    except ValueError:  # an integer too long to print
        return "a very long number"
    text = printable(text).replace("\n", "\\n")
    return text if len(text) <= 60 else text[:57] + "..."


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    for unit, length in (("years", 31_557_600), ("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.0f} {unit}" if seconds >= 10 * length else f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def size(number: float) -> str:
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if number >= length:
            return f"{number / length:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"


INPUT_ERROR, INTERRUPTED = 2, 130
