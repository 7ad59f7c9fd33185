"""Files of frozen predictions and of outcomes: reading, writing and checking, with one line per problem.

Predictions, one row per event and layer:

| column | meaning |
|---|---|
| `event`, `layer` | names; each pair occurs once |
| `date` | first trading day of the window, as predicted; the same for all layers of an event |
| `days` | trading days in the window; the same for all layers of an event |
| `probability_up` | probability that the layer's abnormal return over the window is positive |
| `sign` | 1 for a probability of at least 0.55, -1 for at most 0.45, else 0: too close to call (see `called_sign`) |
| `mean`, `low`, `high` | mean and central 90 % interval of the predictive distribution: fractions, -0.05 for 5 % down |
| `fitted_to` | date of the last observation that the parameters were fitted to |
| `made_on` | date on which the row was computed |
| `climatology` | share of past windows of that length with a positive abnormal return of the layer; blank: 0.5 |

Outcomes, one row per prediction: `event`, `layer`, `value` (the abnormal return, as a fraction) and optionally `date`, the
actual first trading day, which is the same for all layers of an event.
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
"""Probabilities from which a sign is called: two standard errors of a share near a half over experiment 16's 400 runs."""
COIN = 0.5
"""Climatology of predictions that give none."""
OPTIONAL = ("climatology",)


@dataclass(frozen=True)
class Prediction:
    """One row of a file of predictions. Returns are fractions."""

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
    """None if not given; `base_rate` is then `COIN`."""

    @property
    def base_rate(self) -> float:
        """Probability of a rise in the reference forecast."""
        return COIN if self.climatology is None else self.climatology


@dataclass(frozen=True)
class Observed:
    """One row of a file of outcomes."""

    event: str
    layer: str
    value: float
    date: dt.date | None = None


def called_sign(probability_up: float) -> int:
    """Return the predicted sign: 1, -1, or 0 if the probability is too close to a half to call."""
    return 1 if probability_up >= UP else -1 if probability_up <= DOWN else 0


def write_predictions(path: Path | str, rows: Iterable[Prediction]) -> Path:
    """Write a file of predictions atomically, with all digits of the numbers.

    Raises ValueError, with one line per problem, for rows that `read_predictions` would reject.
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
    """Read a file of predictions. Raises ValueError with one line per problem."""
    return _predictions(read_text(Path(path)), Path(path))


def read_outcomes(path: Path | str, predictions: Sequence[Prediction]) -> dict[tuple[str, str], Observed]:
    """Read the outcome of each prediction: (event, layer) -> outcome, in the order of the predictions.

    Raises ValueError with one line per problem, including missing outcomes and outcomes without a prediction.
    """
    path = Path(path)
    events = list(dict.fromkeys(row.event for row in predictions))
    rows, keys, problems = _parsed(read_text(path), path, Observed, ("date",))
    for line, row in rows:
        layers = [prediction.layer for prediction in predictions if prediction.event == row.event]
        if row.event not in events:
            problems.append(
                f"{path}, line {line}: no event {shortened(row.event)} was predicted{did_you_mean(row.event, events)}"
            )
        elif row.layer not in layers:
            message = f"no layer {shortened(row.layer)} was predicted for {row.event}"
            problems.append(f"{path}, line {line}: {message}{did_you_mean(row.layer, layers)}")
    dated: dict[str, Observed] = {}
    for line, row in rows:
        problems += _differs(f"{path}, line {line}", "date", row, dated.setdefault(row.event, row)) if row.date else []
    wanted = [(row.event, row.layer) for row in predictions]
    problems += [f"{path}: no outcome for {event}, {layer}" for event, layer in wanted if (event, layer) not in keys]
    if problems:
        raise ValueError("\n".join(problems))
    observed = {(row.event, row.layer): row for _, row in rows}
    return {key: observed[key] for key in wanted}


def _predictions(text: str, path: Path) -> list[Prediction]:
    """Parse and check the text of a file of predictions."""
    rows, _, problems = _parsed(text, path, Prediction, OPTIONAL)
    first: dict[str, Prediction] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        if row.sign != called_sign(row.probability_up):
            rule = f"1 for {UP} or more, -1 for {DOWN} or less, else 0"
            problems.append(f"{where}: sign {row.sign} contradicts probability_up {row.probability_up:g} ({rule})")
        if row.low > row.high:
            problems.append(f"{where}: low {row.low:g} is above high {row.high:g}")
        if row.fitted_to > row.made_on:
            problems.append(f"{where}: fitted_to {row.fitted_to} is after made_on {row.made_on}")
        other = first.setdefault(row.event, row)
        for name in ("date", "days"):
            problems += _differs(where, name, row, other)
    if not rows and not problems:
        problems.append(f"{path}: contains no rows")
    if problems:
        raise ValueError("\n".join(problems))
    return [row for _, row in rows]


def _differs(where: str, name: str, row: Any, other: Any) -> list[str]:
    """Problem of a cell that must agree with another row of the same event; empty if it does."""
    value, expected = getattr(row, name), getattr(other, name)
    if value == expected:
        return []
    return [f"{where}: {name} {value} of {row.event} differs from {expected} in the row of layer {other.layer}"]


def _columns(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _parsed(
    text: str, path: Path, kind: type, optional: Sequence[str]
) -> tuple[list[tuple[int, Any]], set[tuple[str, str]], list[str]]:
    """Return the valid rows with their line numbers, (event, layer) of all rows, and the problems of the other rows.

    Raises ValueError for invalid columns, since the rows cannot be checked then.
    """
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, problems = [], []
    first_line: dict[tuple[str, str], int] = {}
    try:
        head = [name.strip() for name in next(table, [])]
        if wrong := _column_problems(head, _columns(kind), optional):
            raise ValueError("\n".join(f"{path}: {problem}" for problem in wrong))
        for cells in table:
            line = table.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                problems.append(f"{path}, line {line}: {len(cells)} cells, but the table has {len(head)} columns")
                continue
            texts = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
            values, wrong = _values(texts, optional)
            key = texts["event"], texts["layer"]
            if key in first_line:
                wrong.append(f"duplicate row for {key[0]}, {key[1]}; the first is in line {first_line[key]}")
            first_line.setdefault(key, line)
            problems += [f"{path}, line {line}: {problem}" for problem in wrong]
            if not wrong:
                rows.append((line, kind(**values)))
    except csv.Error as error:
        problems.append(f"{path}, line {table.line_num}: {error}")
    return rows, set(first_line), problems


def _column_problems(head: Sequence[str], columns: Sequence[str], optional: Sequence[str]) -> list[str]:
    """Problems of the column names: unknown, duplicate or missing."""
    problems = [
        f"unknown column {shortened(name)}{did_you_mean(name, columns)}" for name in head if name not in columns
    ]
    problems += [f"duplicate column {name}" for name in dict.fromkeys(head) if head.count(name) > 1]
    problems += [f"column {name} is missing" for name in columns if name not in head and name not in optional]
    return problems


def _values(texts: Mapping[str, str], optional: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Parse the cells of a row; returns values and problems."""
    values: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        if not text:
            values[name] = None
            if name not in optional:
                problems.append(f"{name} is blank")
            continue
        try:
            values[name] = READ[name](text)
        except ValueError as error:
            problems.append(f"{name} {shortened(text)} {error}")
    return values, problems


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
        raise ValueError("is not a probability: must lie between 0 and 1")
    return number


def _return(text: str) -> float:
    number = _number(text)
    if abs(number) > 1:
        raise ValueError("is out of range: returns are fractions, -0.05 for 5 % down")
    return number


def _whole(text: str) -> int:
    if re.fullmatch(r"\d{1,3}(\.\d{3})+", text):
        raise ValueError("could mean one or one thousand: write whole numbers without a point")
    number = _number(text)
    if number != int(number):
        raise ValueError("is not a whole number")
    return int(number)


def _days(text: str) -> int:
    if (number := _whole(text)) < 1:
        raise ValueError("must be at least 1")
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
"""Parser of each column."""
