"""Table designs: points listed as rows in the specification or in a CSV file next to it."""

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
    """Resolve a file path from a sweep. Raises ValueError if it leads outside the sweep's folder and `confined` is set."""
    path = (folder or Path()) / name
    if confined and not path.resolve().is_relative_to((folder or Path()).resolve()):
        raise ValueError(f"{shortened(name)} is outside the folder of the sweep")
    return path


def read_rows(
    design: Mapping[str, Any], folder: Path | None, confined: bool, problems: list[str]
) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    """Return the rows of a table and the place of each (for messages); append problems to `problems`."""
    if design.get("kind") != "table":
        if design.get("rows") or design.get("file"):
            problems.append("design: 'rows' and 'file' are only for kind = \"table\"")
        return (), []
    rows = design.get("rows") or ()
    if bool(rows) == bool(design.get("file")):
        problems.append("design: a table needs either 'rows' or a CSV 'file'")
        return (), []
    if rows:
        if not isinstance(rows, tuple) or not all(isinstance(row, Mapping) for row in rows):
            problems.append("design.rows: must be a list of tables that map factors to values")
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
        header = [word.strip() for word in next(reader, [])]
        if not all(header) or len(set(header)) < len(header) or not header:
            raise ValueError(f"{shortened(name)}: the first line must give each column a unique name")
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        problems.append(f"design.file: {shortened(name)}, line {reader.line_num}: {error}")
        return (), []
    except (OSError, ValueError) as error:
        problems.append(f"design.file: {error}")
        return (), []
    parsed, places = [], []
    for number, line in lines:
        place = f"design.file: {shortened(name)}, line {number}"
        if not any(line):
            continue
        if len(line) != len(header):
            problems.append(f"{place}: {len(line)} cells, but the header has {len(header)}")
            continue
        parsed.append({k: cell if k == "scenario" else _cell(cell) for k, cell in zip(header, line, strict=True)})
        places.append(place)
    if not any(any(line) for _, line in lines):
        problems.append(f"design.file: {shortened(name)}: has no rows")
    return tuple(parsed), places


def _cell(text: str) -> Any:
    """Parse a number or a date; other text is returned unchanged, for the factor's check to reject."""
    for kind in (parse_int, parse_float, dt.date.fromisoformat):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def unknown_scenarios(
    rows: tuple[dict[str, Any], ...], places: list[str], scenarios: Mapping[str, Scenario]
) -> list[str]:
    """Problems in the column ``scenario``, each reported at the first row where it occurs."""
    first = {str(row["scenario"]): index for index, row in reversed(list(enumerate(rows))) if "scenario" in row}
    return [
        f"{places[index]}: scenario {shortened(name)} is not one of the sweep's scenarios{did_you_mean(name, list(scenarios))}"
        for name, index in first.items()
        if name not in scenarios
    ]
