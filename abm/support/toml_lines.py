"""Line numbers of keys and tables in a TOML file, for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PAIR = re.compile(r"""(["']?)([^"'=\s.\[\]{}#,]+)([^"'=\s\[\]{}#,]*)\1\s*[.=]""")
_ASIDE = re.compile(r"""\"(?:\\.|[^"\\])*"?|'[^']*'?|\#.*""")  # strings and comments, whose brackets mean nothing

LONGEST = 200
"""Characters of a line that are read."""


def lines_of(text: str) -> dict[str, int]:
    """Lines, counted from 1, of places: `months`, `factors.ip_strength`, or `test 2.y` in an array of tables.

    A dotted key is listed in full and by its first part, an array of tables also by its bare name.
    """
    lines: dict[str, int] = {}
    numbers: dict[str, int] = {}
    table, depth = "", 0
    quote: str | None = None
    for line, content in enumerate(text.split("\n"), start=1):
        start = content.strip()[:LONGEST]
        before = quote
        if quote or depth:
            pass  # the line continues a string or an array
        elif start.startswith("["):
            outer, *inner = (part.strip(" \t\"'") for part in start.strip("[").split("]")[0].split("."))
            if start.startswith("[[") and not inner:
                lines.setdefault(outer, line)
                numbers[outer] = numbers.get(outer, 0) + 1
            if outer in numbers:
                outer = f"{outer} {numbers[outer]}"
            table = ".".join([outer, *inner])
            for place in (outer, ".".join([outer, *inner[:1]]), table):
                lines.setdefault(place, line)
        elif pair := _PAIR.match(start):
            for key in (pair[2], pair[2] + pair[3]):
                lines.setdefault(f"{table}.{key}" if table else key, line)
        for mark in ('"""', "'''"):
            if quote in (None, mark) and content.count(mark) % 2:
                quote = mark if quote is None else None
                break
        if not (before or quote):
            bare = _ASIDE.sub("", content)
            depth = max(depth + bare.count("[") - bare.count("]"), 0)
    return lines


def line_of(place: str, lines: Mapping[str, int]) -> int | None:
    """Line of a place, or else of the part of the file that contains it; None if there is none."""
    place = place[: 3 * LONGEST]  # a longer one, of thousands of dots, would take long and is not listed
    while place and place not in lines:
        place = place[: max(place.rfind("."), place.rfind(" "), 0)]
    return lines.get(place)
