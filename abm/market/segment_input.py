"""Read a user's own segments of adopters: a table, a CSV file, or a function that makes one.

Columns replace what the model would draw; what is not given is drawn as usual. `fit_LAB` is the fit of one lab's models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from abm.support.axes import JURISDICTIONS
from abm.support.messages import did_you_mean, shortened

COLUMNS: dict[str, tuple[float, float, str]] = {
    "segment": (0, 2, "0 developers, 1 an enterprise, 2 consumers"),
    "home": (0, len(JURISDICTIONS) - 1, "number of a jurisdiction"),
    "difficulty": (-1e3, 1e3, "nats"),
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


class SegmentError(ValueError):
    """Segments that cannot be used; the message says where and what to do."""


def segments_of(given: Any, adopters: int, labs: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of own segments by name, one row per adopter; fits of labs as one column "fit" (adopters, labs), NaN: drawn.

    given : a mapping or data frame of columns, the path of a CSV file, or a function from the number of adopters to one of
    these. Raises `SegmentError`, a ValueError, for an unknown column, a wrong length, or a value that is not finite or out
    of range, with its row.
    """
    if isinstance(given, Callable):  # type: ignore[arg-type]
        try:
            given = given(adopters)
        except Exception as error:
            name = getattr(given, "__name__", "function")
            raise SegmentError(f"segments: {name}({adopters}) failed with {type(error).__name__}: {error}") from error
    if isinstance(given, str | Path):
        given = _read(Path(given))
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        given = {str(name): given[name].to_numpy() for name in given.columns}
    if not isinstance(given, Mapping):
        raise SegmentError(
            f"segments = {shortened(given)}: give a table of columns, the path of a CSV file, or a function"
        )
    fits = [FIT + lab for lab in labs]
    columns: dict[str, np.ndarray] = {}
    for name, values in given.items():
        if name not in COLUMNS and name not in fits:
            raise SegmentError(f"segments: unknown column {shortened(name)}{did_you_mean(name, [*COLUMNS, *fits])}")
        low, high, unit = COLUMNS.get(name, (-FIT_LIMIT, FIT_LIMIT, "log points"))
        columns[name] = _checked(name, values, adopters, low, high, unit)
    if "tasks" in columns and not columns["tasks"].sum() > 0:
        raise SegmentError("segments.tasks: are all 0, so that nobody would use a model; give some segments tasks")
    own = [name for name in fits if name in columns]
    if own:
        fit = np.full((adopters, len(labs)), np.nan)
        for name in own:
            fit[:, fits.index(name)] = columns.pop(name)
        columns["fit"] = fit
    return columns


def _checked(name: str, values: Any, adopters: int, low: float, high: float, unit: str) -> np.ndarray:
    try:
        column = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise SegmentError(f"segments.{name}: must be numbers ({unit}), not {shortened(values)}") from None
    if column.shape != (adopters,):
        size = len(column) if column.ndim == 1 else f"shape {column.shape}"
        raise SegmentError(
            f"segments.{name}: has {size} rows, but there are {adopters} adopters; give one value for each"
        )
    whole = name in WHOLE
    wrong = ~np.isfinite(column) | (column < low) | (column > high) | (whole & (column != np.round(column)))
    if wrong.any():
        row = int(np.argmax(wrong))
        kind = "a whole number" if whole else "a number"
        raise SegmentError(
            f"segments.{name}, row {row}: {column[row]:g} must be {kind} from {low:g} to {high:g} ({unit})"
        )
    return column.astype(int) if whole else column


def _read(path: Path) -> Any:
    import pandas as pd

    try:
        table = pd.read_csv(path)
        return table.drop(columns=[name for name in table if str(name).startswith("Unnamed:")])  # a saved index
    except FileNotFoundError:
        raise SegmentError(f"segments: no file {path}") from None
    except (OSError, ValueError) as error:
        raise SegmentError(f"segments: {path} cannot be read as CSV ({shortened(str(error))})") from None
