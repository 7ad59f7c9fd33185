"""Preparation of samples for analysis: quantiles, rows paired by label, and checks for order and constant values."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

from abm.support.messages import shortened

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Levels of the quantiles that bands show."""
CONSTANT = 1e-10
"""Values vary only by rounding error if their range is at most this share of the largest absolute value."""


def is_constant(y: np.ndarray, axis: int | None = None) -> Any:
    """Whether values differ only by rounding error: one answer, or one for each position along the other axes."""
    return np.ptp(y, axis=axis) <= CONSTANT * np.abs(y).max(axis=axis)


def quantiles(values: np.ndarray, levels: Iterable[float] = LEVELS, axis: int = 0) -> dict[str, np.ndarray]:
    """Quantiles and mean along an axis, ignoring NaN; where all values are NaN, so is the result.

    Keys are the `quantile_name` of each level, and `mean`. Raises ValueError for levels that are not numbers above 0 and
    below 1, or that repeat.
    """
    if isinstance(levels, str) or not isinstance(levels, Iterable):
        raise ValueError(f"levels = {shortened(levels)}: must be a list of numbers, such as (0.05, 0.5, 0.95)")
    names: dict[str, float] = {}
    for level in levels:
        name = quantile_name(level)
        if name in names:
            raise ValueError(f"levels: {level} is given twice")
        names[name] = float(level)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN columns: before the first model of a level
        table = {name: np.nanquantile(values, level, axis=axis) for name, level in names.items()}
        return table | {"mean": np.nanmean(values, axis=axis)}


def quantile_name(level: float) -> str:
    """Column name of a quantile, its level in per cent: q05 for 0.05, q02.5 for 0.025, q99.9 for 0.999."""
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(
            f"level {shortened(level)}: must be a number above 0 and below 1, such as 0.05; the minimum and maximum of the"
            " runs are not quantiles"
        )
    percent = np.format_float_positional(100 * float(level), precision=12, fractional=False, trim="-")
    whole, point, rest = percent.partition(".")
    return f"q{whole.zfill(2)}{point}{rest}"


def by_label(**data: Any) -> list[Any]:
    """Reorder the rows of every Series and DataFrame to match the labels of the first one; other data are unchanged.

    Labels may repeat only if both sides have the same labels in the same order. Raises ValueError, with the argument names
    used here, if labels do not match: pairing such rows by position would silently give a wrong answer.
    """
    import pandas as pd

    labelled = {name: value for name, value in data.items() if isinstance(value, pd.Series | pd.DataFrame)}
    if len(labelled) < 2:
        return list(data.values())
    first, *others = labelled
    index = labelled[first].index
    for name in others:
        other = labelled[name].index
        if other.equals(index):
            continue
        advice = "give both the same index, or .to_numpy() of both to pair rows by position"
        for side, labels in ((first, index), (name, other)):
            if labels.has_duplicates:
                label = labels[labels.duplicated()][0]
                raise ValueError(f"{side}: row label {label} repeats, so {first} and {name} cannot be paired; {advice}")
        if missing := [*index.difference(other, sort=False)[:1], *other.difference(index, sort=False)[:1]]:
            raise ValueError(f"{first} and {name} have different row labels: {missing[0]} is in one only; {advice}")
        labelled[name] = labelled[name].loc[index]
    return [labelled.get(name, value) for name, value in data.items()]


def in_order(values: Any, name: str) -> Any:
    """Return the values. Raises ValueError if their rows are numbered and out of order.

    Once a Series has been sorted or shuffled, only its index still records the order of the design.
    """
    import pandas as pd

    if isinstance(values, pd.Series | pd.DataFrame):
        index = values.index
        if index.dtype.kind in "iuf" and not (index.is_monotonic_increasing and index.is_unique):
            raise ValueError(
                f"{name}: its rows are numbered, but not in increasing order; {name}.sort_index() restores the order of the"
                " design, .to_numpy() keeps the rows as they are"
            )
    return values
