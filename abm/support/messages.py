"""Building blocks of messages: suggestions, shortened values, and the class of warnings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

PARAMETERS, OBSERVABLES = "abm list --parameters", "abm list --observables"
"""Commands that list names which are too many for a message."""
CLOSE = 0.65
"""Least similarity, from 0 to 1, of a suggestion: `rnu` is close enough to `run`, `mars` to none of the jurisdictions."""


class AbmWarning(UserWarning):
    """Something the user should know about a result that is returned nevertheless."""


def did_you_mean(word: Any, words: Sequence[str], listed: str = "") -> str:
    """`; did you mean 'policy'?`; if no word is close, the choices, or `listed`, the command that prints them."""
    if near := nearest(word, words):
        return near
    if listed and len(words) > 12:
        return f"; `{listed}` lists them all"
    return f" (one of: {', '.join(words[:12])}{', ...' if len(words) > 12 else ''})" if words else ""


def nearest(word: Any, words: Iterable[str]) -> str:
    """`; did you mean 'policy'?`, or nothing if no word is close."""
    if not isinstance(word, str):
        return ""
    words = list(words)
    longer = [name for name in words if len(word) > 2 and name.startswith(f"{word}_")]  # `lerner`: `lerner_closed`
    close = get_close_matches(word, words, n=1, cutoff=CLOSE) or longer
    return f"; did you mean {close[0]!r}?" if close else ""


def printable(text: str) -> str:
    """Make a text safe for a terminal: escape control characters, except line breaks."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def shortened(value: Any) -> str:
    """Format any value for an error message: on one line, at most 60 characters, with the brackets that a file has."""
    try:
        text = str(value) if isinstance(value, dt.date) else repr(_with_lists(value))
    except ValueError:  # an integer too long to print
        return "a very long number"
    text = printable(text).replace("\n", "\\n")
    return text if len(text) <= 60 else text[:57] + "..."


def _with_lists(value: Any, depth: int = 8) -> Any:
    """A value with lists for tuples, as a file writes both; what lies too deep to be shown stays as it is."""
    if depth and type(value) in (tuple, list):
        return [_with_lists(item, depth - 1) for item in value]
    if depth and type(value) is dict:
        return {key: _with_lists(item, depth - 1) for key, item in value.items()}
    return value


def duration(seconds: float) -> str:
    """Format a duration, given in seconds, in a convenient unit."""
    for unit, length in (("years", 31_557_600), ("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.0f} {unit}" if seconds >= 10 * length else f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def size(number: float) -> str:
    """Format a number of bytes in a convenient unit."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if number >= length:
            return f"{number / length:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"


INPUT_ERROR, INTERRUPTED = 2, 130
"""Exit codes of the command line: invalid input, and interrupted by Ctrl-C."""
