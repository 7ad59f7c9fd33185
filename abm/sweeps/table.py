"""A design given as a table: rows in the spec, or in a CSV file beside it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abm.scenarios.scenario import Scenario
from abm.support.files import read_text
from abm.support.inputs import parse_float, parse_int
from abm.support.messages import did_you_mean, shortened
from abm.sweeps.targets import day_of

LARGEST_TABLE = 200_000_000  # bytes


def inside(name: str, folder: Path | None, confined: bool) -> Path:
    """A path of a file that a sweep names. Raises ValueError where it leads outside the folder of the sweep."""
    path = (folder or Path()) / name
    if confined and not path.resolve().is_relative_to((folder or Path()).resolve()):
        raise ValueError(f"{shortened(name)} is outside the folder of the sweep")
    return path


def read_rows(
    design: Mapping[str, Any], folder: Path | None, confined: bool, problems: list[str]
) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    """The rows of a table, and where each stands; what is wrong with them goes to `problems`."""
    if design.get("kind") != "table":
        if design.get("rows") or design.get("file"):
            problems.append("design: 'rows' and 'file' go with kind = \"table\"")
        return (), []
    rows = design.get("rows") or ()
    if bool(rows) == bool(design.get("file")):
        problems.append("design: a table takes either 'rows' or a CSV 'file'")
        return (), []
    if rows:
        if not isinstance(rows, tuple) or not all(isinstance(row, Mapping) for row in rows):
            problems.append("design.rows: must be a list of tables, each from factors to values")
            return (), []
        rows = tuple({key: cell if key == "scenario" else day_of(cell) for key, cell in row.items()} for row in rows)
        if any(set(row) != set(rows[0]) for row in rows):
            problems.append("design.rows: every row must name the same factors")
            return (), []
        return rows, [f"design.rows: row {number}" for number in range(1, len(rows) + 1)]
    name = design["file"]
    try:
        text = read_text(inside(str(name), folder, confined), shortened(name), LARGEST_TABLE)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        head = [word.strip() for word in next(reader, [])]
        if not all(head) or len(set(head)) < len(head) or not head:
            raise ValueError(f"{shortened(name)}: the first line must name every column once")
        read = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        problems.append(f"design.file: {shortened(name)}, line {reader.line_num}: {error}")
        return (), []
    except (OSError, ValueError) as error:
        problems.append(f"design.file: {error}")
        return (), []
    found, places = [], []
    for number, line in read:
        place = f"design.file: {shortened(name)}, line {number}"
        if not any(line):
            continue
        if len(line) != len(head):
            problems.append(f"{place}: has {len(line)} cells, and the first line {len(head)}")
            continue
        found.append({k: cell if k == "scenario" else _cell(cell) for k, cell in zip(head, line, strict=True)})
        places.append(place)
    if not any(any(line) for _, line in read):
        problems.append(f"design.file: {shortened(name)}: has no rows")
    return tuple(found), places


def _cell(text: str) -> Any:
    """A number, a date, or the text as it is, which the check of its factor then refuses."""
    for kind in (parse_int, parse_float, dt.date.fromisoformat):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def unknown_scenarios(
    rows: tuple[dict[str, Any], ...], places: list[str], stories: Mapping[str, Scenario]
) -> list[str]:
    """Complaints of the column ``scenario``, each at the first row that has the word."""
    first = {str(row["scenario"]): at for at, row in reversed(list(enumerate(rows))) if "scenario" in row}
    return [
        f"{places[at]}: scenario {shortened(word)} is not among the sweep's scenarios{did_you_mean(word, list(stories))}"
        for word, at in first.items()
        if word not in stories
    ]
