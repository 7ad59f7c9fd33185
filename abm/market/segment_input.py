"""Read a user's own segments of adopters: a table, a CSV or Parquet file, or a function that makes one.

Columns replace what the model would draw; what is not given is drawn as usual. `fit_LAB` is the fit of one lab's models.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abm.support.axes import JURISDICTIONS
from abm.support.files import Unreadable, read_text
from abm.support.inputs import parse_float
from abm.support.messages import did_you_mean, shortened

COLUMNS: dict[str, tuple[float, float, str]] = {
    "segment": (0, 2, "0 developers, 1 an enterprise, 2 consumers"),
    "home": (0, len(JURISDICTIONS) - 1, "number of a jurisdiction"),
    "difficulty": (-20, 40, "nats"),
    "value": (1e-9, 1e12, "$ per M tokens"),
    "tasks": (0, 1e18, "M tokens per month"),
    "compliance_need": (0, 1, "share"),
    "adopted": (0, 1, "share"),
}
"""Columns of own segments: least and largest value, unit."""
WHOLE = ("segment", "home")
FIT = "fit_"
FIT_LIMIT = 100.0
"""Largest fit, log points either way."""
LARGEST_FILE = 200_000_000
"""Bytes."""
PARQUET = (".parquet", ".pq")


class SegmentError(ValueError):
    """Segments that cannot be used; the message says where and what to do."""


class Segments(Mapping[str, np.ndarray]):
    """Checked columns of own segments by name, one row per adopter; read-only."""

    def __init__(self, columns: Mapping[str, np.ndarray]):
        self._columns = dict(columns)
        for column in self._columns.values():
            column.setflags(write=False)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def rows(self) -> int:
        return max(map(len, self._columns.values()), default=0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segments) or set(self) != set(other):
            return False
        return all(np.array_equal(column, other[name]) for name, column in self.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self.rows} segments: {', '.join(self)}>"

    def to_csv(self) -> str:
        """The text of a CSV file that is read back unchanged."""
        return csv_of({name: column.tolist() for name, column in self.items()})

    def with_fits(self, labs: Sequence[str]) -> dict[str, np.ndarray]:
        """The columns, with fits of labs as one column "fit" (adopters, labs); NaN: to be drawn."""
        fits = [FIT + lab for lab in labs]
        columns = {name: column for name, column in self.items() if name not in fits}
        if len(columns) < len(self):
            nothing = np.full(self.rows, np.nan)
            columns["fit"] = np.stack([self.get(name, nothing) for name in fits], axis=1)
        return columns


@dataclass(frozen=True)
class Table:
    """Columns as the user gave them, not yet checked."""

    columns: dict[str, Any]
    places: tuple[str, ...] = ()
    """File and line of each row of a CSV file."""

    @property
    def rows(self) -> int | None:
        """Number of rows of the first column that has any; None: there is no such column."""
        for column in self.columns.values():
            try:
                return len(column)
            except TypeError:  # one number
                continue
        return None

    def checked(self, adopters: int, labs: Sequence[str]) -> Segments:
        """The columns as arrays. Raises `SegmentError` with column and row."""
        fits = [FIT + lab for lab in labs]
        columns: dict[str, np.ndarray] = {}
        for name, values in self.columns.items():
            if name not in COLUMNS and name not in fits:
                raise SegmentError(f"segments: unknown column {shortened(name)}{did_you_mean(name, [*COLUMNS, *fits])}")
            columns[name] = self._numbers(name, values, adopters)
        if "tasks" in columns and not columns["tasks"].sum() > 0:
            raise SegmentError("segments.tasks: are all 0, so that nobody would use a model; give some segments tasks")
        return Segments(columns)

    def _numbers(self, name: str, values: Any, adopters: int) -> np.ndarray:
        low, high, unit = COLUMNS.get(name, (-FIT_LIMIT, FIT_LIMIT, "log points"))
        try:
            array = np.asanyarray(values)
            if array.dtype.kind in "mM":
                raise SegmentError(f"segments.{name}: are dates or times; give numbers ({unit})")
            if array.dtype.kind not in "biufO" or not all(map(_is_number, _objects(array))):
                raise TypeError
            column = np.ma.filled(np.ma.asarray(array).astype(float), np.nan)  # a masked number is a missing one
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, SegmentError):
                raise
            row, wrong = _first_wrong(values)
            if row is None:
                raise SegmentError(f"segments.{name}: must be numbers ({unit}), not {shortened(values)}") from None
            raise SegmentError(f"{self._at(name, row)}: {shortened(wrong)} is not a number ({unit})") from None
        if column.ndim == 0:
            raise SegmentError(f"segments.{name}: is one number, but {adopters} rows are needed, one for each adopter")
        if column.shape != (adopters,):
            size = f"{len(column)} rows" if column.ndim == 1 else f"shape {column.shape}"
            raise SegmentError(f"segments.{name}: has {size}, but adopters = {adopters}; give one value for each")
        whole = name in WHOLE
        outside = ~np.isfinite(column) | (column < low) | (column > high) | (whole & (column != np.round(column)))
        if outside.any():
            row = int(np.argmax(outside))
            kind = "a whole number" if whole else "a number"
            wrong = "is missing; give" if np.isnan(column[row]) else f"{column[row]:g} must be"
            raise SegmentError(f"{self._at(name, row)}: {wrong} {kind} from {low:g} to {high:g} ({unit})")
        return column.astype(int) if whole else column

    def _at(self, name: str, row: int) -> str:
        """Place of a number; without a file, rows count from 0, as adopters do."""
        return f"segments.{name}, {self.places[row]}" if self.places else f"segments.{name}, row {row}"


def _objects(array: np.ndarray) -> Iterator[Any]:
    """What an array of objects, which may be anything, has in it."""
    return array.flat if array.dtype.kind == "O" else iter(())


def _first_wrong(values: Any) -> tuple[int | None, Any]:
    """Row and value of the first thing that is not a number, for the message."""
    rows = () if isinstance(values, str) or not hasattr(values, "__iter__") else values
    return next(((row, value) for row, value in enumerate(rows) if not _is_number(value)), (None, values))


def _is_number(value: Any) -> bool:
    """Whether a value is a number, or a missing one; text is not, whatever it says."""
    if isinstance(value, str | bytes | np.datetime64 | np.timedelta64):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return value is None
    return True


def table_of(given: Any, adopters: int) -> Table:
    """Read own segments: a mapping or data frame of columns, the path of a file, or a function of the number of adopters.

    Raises `SegmentError` for anything else, an unreadable file, or a column that is given twice.
    """
    if isinstance(given, Callable):  # type: ignore[arg-type]
        try:
            given, name = given(adopters), getattr(given, "__name__", "function")
        except Exception as error:
            name = getattr(given, "__name__", "function")
            what = f": {shortened(str(error))}" if str(error) else ""
            raise SegmentError(f"segments: {name}({adopters}) failed with {type(error).__name__}{what}") from error
    if isinstance(given, str | Path):
        return _read(Path(given))
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        names = _once([str(name).strip() for name in given.columns], "")
        return Table({name: given.iloc[:, number].to_numpy() for number, name in enumerate(names)})
    if not isinstance(given, Mapping):
        raise SegmentError(f"segments = {shortened(given)}: give a table of columns, the path of a file, or a function")
    return Table(dict(given))


def csv_of(columns: Mapping[str, Sequence[float]]) -> str:
    """Columns as the text of a CSV file that is read back unchanged."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def segments_of(given: Any, adopters: int, labs: Sequence[str]) -> Segments:
    """Read own segments with `table_of` and check them: one row for each adopter, known columns, numbers in range."""
    return table_of(given, adopters).checked(adopters, labs)


def _once(names: list[str], file: str) -> list[str]:
    """Names of columns. Raises `SegmentError` if one is given twice."""
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise SegmentError(f"segments: {file}column {shortened(twice[0])} is given twice; remove one of them")
    return names


def _read(path: Path) -> Table:
    try:
        return _read_parquet(path) if path.suffix.lower() in PARQUET else _read_csv(path)
    except Unreadable as error:
        raise SegmentError(f"segments: {error}") from None


def _read_csv(path: Path) -> Table:
    text = read_text(path, largest=LARGEST_FILE)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        raise Unreadable(f"{path}:{reader.line_num}: cannot be read: {error}") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise Unreadable(f"{path}: has no rows; give names of columns in the first line, and a line for each adopter")
    names = _once(lines[0][1], f"{path}: ")
    if uneven := [(number, cells) for number, cells in lines if len(cells) != len(names)]:
        number, cells = uneven[0]
        raise Unreadable(f"{path}, line {number}: {len(cells)} cells, but the first line has {len(names)}")
    rows = [cells for _, cells in lines[1:]]
    columns = {
        name: [_number(cells[column]) for cells in rows]
        for column, name in enumerate(names)
        if name and not name.startswith("Unnamed:")  # a saved index
    }
    return Table(columns, tuple(f"{path}, line {number}" for number, _ in lines[1:]))


def _number(text: str) -> Any:
    """The number in a cell; an empty cell is a missing number, and other text is left for the check to refuse."""
    try:
        return parse_float(text or "nan")
    except ValueError:
        return text


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet as pq

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Unreadable(f"{path}: cannot be read: more than {LARGEST_FILE:,} bytes")
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read().to_pandas()
    except Unreadable:
        raise
    except FileNotFoundError:
        raise Unreadable(f"{path}: cannot be read: file not found") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        strerror = getattr(error, "strerror", None)
        reason = strerror.lower() if strerror else "it is not a Parquet file"
        raise Unreadable(f"{path}: cannot be read: {reason}") from None
    return table_of(table, len(table))
