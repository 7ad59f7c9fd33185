"""Line numbers of keys and tables in a TOML file, for error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping

Where = tuple[str, int, str | None]
"""(table, its number within an array of tables, key or None for the table itself)"""

_PAIR = re.compile(r"""(["']?)([^"'=\s.\[\]{}#,]+)([^"'=\s\[\]{}#,]*)\1\s*[.=]""")


def lines_of(text: str) -> dict[Where, int]:
    """Lines of keys and tables, counted from 1. A dotted key is listed in full and by its first part."""
    lines: dict[Where, int] = {}
    tables: dict[str, int] = {}
    section, number, quote = "", 0, None
    for line, content in enumerate(text.split("\n"), start=1):
        start = content.strip()[:200]
        if quote is None and start.startswith("["):
            section, *inner = (part.strip(" \t\"'") for part in start.strip("[").split("]")[0].split("."))
            number = tables[section] = tables.get(section, 0) + (start.startswith("[[") and not inner)
            lines.setdefault((section, number, inner[0] if inner else None), line)
            lines.setdefault((section, number, ".".join(inner) or None), line)
        elif quote is None and (pair := _PAIR.match(start)):
            lines.setdefault((section, number, pair[2]), line)
            lines.setdefault((section, number, pair[2] + pair[3]), line)
        for mark in ('"""', "'''"):
            if quote in (None, mark) and content.count(mark) % 2:
                quote = mark if quote is None else None
                break
    return lines


def line_of(place: str, lines: Mapping[Where, int]) -> int | None:
    """Line of a place such as `months`, `factors.ip_strength.china` or, in an array of tables, `test 2.y`.

    If the place has no line of its own, the line of the part of the file that contains it; None if there is none.
    """
    table, _, key = place.partition(".")
    table, _, number = table.partition(" ")
    index = int(number) if number.isdecimal() else 0
    keys: list[str | None] = [key.rsplit(".", cut)[0] for cut in range(key.count(".") + 1)] if key else []
    candidates: list[Where] = [(table, index, name) for name in [*keys, None]]
    candidates += [("", 0, place), ("", 0, table)]
    return next((lines[where] for where in candidates if where in lines), None)


def placed(label: str, problem: str, lines: Mapping[Where, int]) -> str:
    """Prefix a problem, which begins with its place, with its file and line: `file.toml:12: months = 0: ...`."""
    line = line_of(problem.partition(":")[0].partition(" = ")[0], lines)
    return f"{label}{f':{line}' if line else ''}: {problem}"
