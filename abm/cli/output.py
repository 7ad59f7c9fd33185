"""What the command line prints, on whatever it is printed: any encoding, any width, a pipe, a full disk, nothing at all."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

NARROWEST = 80
"""Columns that tables are laid out for: a narrower terminal wraps their lines, so that no value is cut off."""
PLAIN = {
    "\u00a0": " ", "…": "...", "±": "+/-", "×": "x", "·": ".", "–": "-", "—": "-", "−": "-", "⁻": "-", "→": "->", "←": "<-",
    "≤": "<=", "≥": ">=", "∞": "inf", "‘": "'", "’": "'", "“": '"', "”": '"', "ß": "ss", "µ": "u", "μ": "u", "°": " deg",
}  # fmt: skip
"""What stands for a character that the output's encoding lacks; for others the letter without its accent."""


def plain(error: UnicodeError) -> tuple[str, int]:
    """An error handler for encoding: what the encoding lacks is written in other words, never refused."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_plain_character, lacking)), error.end


def _plain_character(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return bare or character.encode("ascii", "backslashreplace").decode()


codecs.register_error("abm.plain", plain)


@contextlib.contextmanager
def any_output() -> Iterator[None]:
    """Inside, whatever is printed can be printed; at the end it has been written, or OSError says why not."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="abm.plain")
    before = os.environ.get("COLUMNS")
    if _columns() < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)  # where rich looks for it, and typer for its help
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    finally:
        if before is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = before


def _columns() -> int:
    from rich.console import Console

    try:
        return Console().width
    except ValueError:  # COLUMNS=²
        return 0


def hold_standard_streams() -> None:
    """Let /dev/null stand for standard streams that are closed: a file that is opened later would take their number, and
    what the compiler logs would be written into it. Python's `print` would put on the output what is meant for a closed
    error stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def give_up(stream: Any) -> None:
    """Let what a stream still holds go nowhere: at exit, Python would try once more to write it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
