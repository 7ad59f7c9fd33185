"""Frozen predictions and what came of them, as files: read, written, and refused with one line for each fault.

Predictions, one row an event and layer:

| column | meaning |
|---|---|
| `event`, `layer` | names; together they are there once |
| `date` | first trading day of the window, as predicted: the same for all layers of an event |
| `days` | trading days in the window: likewise |
| `probability_up` | probability that the layer's abnormal return over the window is above nought |
| `sign` | 1 from a probability of 0.55 up, -1 from 0.45 down, else 0: too close to call (see `called_sign`) |
| `mean`, `low`, `high` | mean and central 90 % interval of the predictive distribution: fractions, -0.05 for 5 % down |
| `fitted_to` | date of the last datum that the parameters were fitted to |
| `made_on` | date on which the row was computed |
| `climatology` | share of past windows of that length in which the layer's abnormal return was above nought; blank: 0.5 |

Outcomes, one row for each of those: `event`, `layer`, `value` (the abnormal return, as a fraction), and `date`, the first
trading day as it turned out, where that is to be told: one for all layers of an event.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from abm.support.files import read_text, write_whole
from abm.support.inputs import parse_float
from abm.support.messages import did_you_mean, shortened

UP, DOWN = 0.55, 0.45
"""A sign is called from here. Two standard errors of a share near a half over 400 runs, as many as experiment 16 makes."""
COIN = 0.5
"""Climatology where none is given."""
OPTIONAL = ("climatology",)


@dataclass(frozen=True)
class Prediction:
    """A row of a file of predictions. Returns are fractions."""

    event: str
    date: dt.date
    layer: str
    days: int
    probability_up: float
    sign: int
    mean: float
    low: float
    high: float
    fitted_to: dt.date
    made_on: dt.date
    climatology: float | None = None
    """None: none was given, and `COIN` stands for it."""

    @property
    def base_rate(self) -> float:
        return COIN if self.climatology is None else self.climatology


@dataclass(frozen=True)
class Observed:
    """A row of a file of outcomes."""

    event: str
    layer: str
    value: float
    date: dt.date | None = None


def called_sign(probability_up: float) -> int:
    """The sign that is called: 1, -1, or 0 where the probability is too close to a half for the runs to tell."""
    return 1 if probability_up >= UP else -1 if probability_up <= DOWN else 0


def write_predictions(path: Path | str, rows: Iterable[Prediction]) -> Path:
    """Write a file of predictions, whole or not at all; numbers with all their digits.

    Raises ValueError with a line for each fault that `read_predictions` would refuse the file for.
    """
    path, rows = Path(path), list(rows)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_columns(Prediction))
    table.writerows(["" if cell is None else cell for cell in asdict(row).values()] for row in rows)
    _predictions(text.getvalue(), path)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))
    return path


def read_predictions(path: Path | str) -> list[Prediction]:
    """The rows of a file of predictions. Raises ValueError with one line a fault."""
    return _predictions(read_text(Path(path)), Path(path))


def read_outcomes(path: Path | str, predictions: Sequence[Prediction]) -> dict[tuple[str, str], Observed]:
    """What came of each prediction, by event and layer: in the order of the predictions.

    Raises ValueError with one line a fault: also for outcomes that are missing and those of what was not predicted.
    """
    path = Path(path)
    events = list(dict.fromkeys(row.event for row in predictions))
    found, there, problems = _parsed(read_text(path), path, Observed, ("date",))
    for line, row in found:
        layers = [each.layer for each in predictions if each.event == row.event]
        if row.event not in events:
            problems.append(
                f"{path}, line {line}: no event {shortened(row.event)} was predicted{did_you_mean(row.event, events)}"
            )
        elif row.layer not in layers:
            what = f"no layer {shortened(row.layer)} was predicted for {row.event}"
            problems.append(f"{path}, line {line}: {what}{did_you_mean(row.layer, layers)}")
    dated: dict[str, Observed] = {}
    for line, row in found:
        problems += _differs(f"{path}, line {line}", "date", row, dated.setdefault(row.event, row)) if row.date else []
    wanted = [(row.event, row.layer) for row in predictions]
    problems += [
        f"{path}: there is no outcome of {event}, {layer}" for event, layer in wanted if (event, layer) not in there
    ]
    if problems:
        raise ValueError("\n".join(problems))
    observed = {(row.event, row.layer): row for _, row in found}
    return {key: observed[key] for key in wanted}


def _predictions(text: str, path: Path) -> list[Prediction]:
    found, _, problems = _parsed(text, path, Prediction, OPTIONAL)
    first: dict[str, Prediction] = {}
    for line, row in found:
        where = f"{path}, line {line}"
        if row.sign != called_sign(row.probability_up):
            rule = f"1 from {UP} up, -1 from {DOWN} down, else 0"
            problems.append(f"{where}: sign {row.sign} does not go with probability_up {row.probability_up:g} ({rule})")
        if row.low > row.high:
            problems.append(f"{where}: low {row.low:g} is above high {row.high:g}")
        if row.fitted_to > row.made_on:
            problems.append(f"{where}: fitted_to {row.fitted_to} is after made_on {row.made_on}")
        other = first.setdefault(row.event, row)
        for name in ("date", "days"):
            problems += _differs(where, name, row, other)
    if not found and not problems:
        problems.append(f"{path}: there are no rows")
    if problems:
        raise ValueError("\n".join(problems))
    return [row for _, row in found]


def _differs(where: str, name: str, row: Any, other: Any) -> list[str]:
    """The fault of a row whose cell is another than that of another row of its event; no line where there is none."""
    one, two = getattr(other, name), getattr(row, name)
    return [f"{where}: {name} {two} of {row.event} is {one} for {other.layer}: an event has one"] if one != two else []


def _columns(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _parsed(
    text: str, path: Path, kind: type, optional: Sequence[str]
) -> tuple[list[tuple[int, Any]], set[tuple[str, str]], list[str]]:
    """Rows with their lines in the file, event and layer of all rows, and what is wrong with those that are left out.

    Raises ValueError for columns that are wrong, since nothing can be said of the rows then.
    """
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, problems = [], []
    seen: dict[tuple[str, str], int] = {}
    try:
        head = [name.strip() for name in next(table, [])]
        if faults := _faults_of_head(head, _columns(kind), optional):
            raise ValueError("\n".join(f"{path}: {fault}" for fault in faults))
        for cells in table:
            line = table.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                problems.append(f"{path}, line {line}: {len(cells)} cells, and there are {len(head)} columns")
                continue
            said = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
            values, faults = _values(said, optional)
            key = said["event"], said["layer"]
            if key in seen:
                faults.append(f"{key[0]}, {key[1]} is there already, in line {seen[key]}")
            seen.setdefault(key, line)
            problems += [f"{path}, line {line}: {fault}" for fault in faults]
            if not faults:
                rows.append((line, kind(**values)))
    except csv.Error as error:
        problems.append(f"{path}, line {table.line_num}: {error}")
    return rows, set(seen), problems


def _faults_of_head(head: Sequence[str], columns: Sequence[str], optional: Sequence[str]) -> list[str]:
    """What is wrong with the names of the columns."""
    faults = [f"unknown column {shortened(name)}{did_you_mean(name, columns)}" for name in head if name not in columns]
    faults += [f"column {name} is there twice" for name in dict.fromkeys(head) if head.count(name) > 1]
    faults += [f"column {name} is missing" for name in columns if name not in head and name not in optional]
    return faults


def _values(said: Mapping[str, str], optional: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Cells as what they stand for, and what is wrong with them."""
    values: dict[str, Any] = {}
    faults = []
    for name, text in said.items():
        if not text:
            values[name] = None
            if name not in optional:
                faults.append(f"{name} is blank")
            continue
        try:
            values[name] = READ[name](text)
        except ValueError as error:
            faults.append(f"{name} {shortened(text)} {error}")
    return values, faults


def _number(text: str) -> float:
    try:
        number = parse_float(text)
    except ValueError:
        raise ValueError("is not a number") from None
    if not math.isfinite(number):
        raise ValueError("is not finite")
    return number


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise ValueError("is no probability: it must lie between 0 and 1")
    return number


def _return(text: str) -> float:
    number = _number(text)
    if abs(number) > 1:
        raise ValueError("is out of range: returns are fractions, -0.05 for five per cent down")
    return number


def _whole(text: str) -> int:
    if re.fullmatch(r"\d{1,3}(\.\d{3})+", text):
        raise ValueError("could be one or a thousand: write whole numbers without a point")
    number = _number(text)
    if number != int(number):
        raise ValueError("is not a whole number")
    return int(number)


def _days(text: str) -> int:
    if (number := _whole(text)) < 1:
        raise ValueError("is not one day or more")
    return number


def _sign(text: str) -> int:
    if (number := _whole(text)) not in (-1, 0, 1):
        raise ValueError("is not -1, 0 or 1")
    return number


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a date such as 2025-06-30") from None


READ: dict[str, Any] = {
    **dict.fromkeys(("event", "layer"), str),
    **dict.fromkeys(("date", "fitted_to", "made_on"), _date),
    **dict.fromkeys(("probability_up", "climatology"), _share),
    **dict.fromkeys(("mean", "low", "high", "value"), _return),
    "days": _days,
    "sign": _sign,
}
"""How the text of a column is read."""
