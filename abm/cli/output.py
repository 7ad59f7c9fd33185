"""Robust output of the command line: any encoding, any width, a pipe, a full disk, closed streams."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

NARROWEST = 80
"""Minimum width of tables, in columns: a narrower terminal wraps their lines, so that no value is cut off."""
PLAIN = {
    "\u00a0": " ", "…": "...", "±": "+/-", "×": "x", "·": ".", "–": "-", "—": "-", "−": "-", "⁻": "-", "→": "->", "←": "<-",
    "≤": "<=", "≥": ">=", "∞": "inf", "‘": "'", "’": "'", "“": '"', "”": '"', "ß": "ss", "µ": "u", "μ": "u", "°": " deg",
}  # fmt: skip
"""Replacements for characters missing from the output's encoding; other characters lose their accent."""


def plain(error: UnicodeError) -> tuple[str, int]:
    """Encoding error handler that replaces characters missing from the encoding instead of failing."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(map(_plain_character, missing)), error.end


def _plain_character(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return bare or character.encode("ascii", "backslashreplace").decode()


codecs.register_error("abm.plain", plain)


@contextlib.contextmanager
def any_output() -> Iterator[None]:
    """Make every character printable inside the block, and flush at its end. Raises OSError if the output fails."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="abm.plain")
    before = os.environ.get("COLUMNS")
    if _columns() < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)  # read by rich, and by typer for its help
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
    """Replace closed standard streams by /dev/null.

    Otherwise a file opened later would take their number and receive the compiler's log, and Python's `print` would
    write to stdout what is meant for a closed stderr.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def give_up(stream: Any) -> None:
    """Discard what a stream still buffers: at exit, Python would try to write it again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
