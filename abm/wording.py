"""How what is wrong is told: the word that was perhaps meant, and values in a few letters."""

import datetime as dt
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


def meant(word: Any, words: Sequence[str]) -> str:
    """`; did you mean 'policy'?`, or the choices where nothing is close."""
    choices = f" (one of: {', '.join(words[:12])}{', ...' if len(words) > 12 else ''})" if words else ""
    return nearest(word, words) or choices


def nearest(word: Any, words: Iterable[str]) -> str:
    """`; did you mean 'policy'?`, or nothing where no word is close."""
    close = get_close_matches(word, list(words), n=1, cutoff=0.5) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def short(value: Any) -> str:
    """A value as an error shows it: one line, not long, whatever it holds."""
    try:
        text = str(value) if isinstance(value, dt.date) else repr(value)
    except ValueError:  # an integer too long to print
        return "a very long number"
    return text if len(text) <= 60 else text[:57] + "..."
