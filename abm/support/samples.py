"""Samples as analyses take them: rows paired by the labels that they carry, and values that vary by more than rounding."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

from abm.support.messages import shortened

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the quantiles that bands are drawn of."""
CONSTANT = 1e-10
"""Values whose range is a smaller share of their size do not vary but for rounding."""


def is_constant(y: np.ndarray, axis: int | None = None) -> Any:
    """Whether values differ by no more than rounding: one answer, or one for each place along the other axes."""
    return np.ptp(y, axis=axis) <= CONSTANT * np.abs(y).max(axis=axis)


def quantiles(values: np.ndarray, levels: Iterable[float] = LEVELS, axis: int = 0) -> dict[str, np.ndarray]:
    """Quantiles and mean along an axis; values that are NaN are left out, and where all are the result is NaN.

    Keys are `quantile_name` of the levels, and mean. Raises ValueError for levels that are not numbers above 0 and below 1,
    or that repeat.
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
    """Column of a quantile, its level in per cent: q05 of 0.05, q02.5 of 0.025, q99.9 of 0.999."""
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(
            f"level {shortened(level)}: must be a number above 0 and below 1, such as 0.05; the least and the greatest value of"
            " the runs are no quantiles"
        )
    percent = np.format_float_positional(100 * float(level), precision=12, fractional=False, trim="-")
    whole, point, rest = percent.partition(".")
    return f"q{whole.zfill(2)}{point}{rest}"


def by_label(**data: Any) -> list[Any]:
    """The data, with the rows of every Series or DataFrame in the order of the first one's labels; the rest as they are.

    Labels may repeat only where both sides have the same ones in the same order. Raises ValueError, with the names that
    the data were given here, for labels that do not match: pairing such rows by position would give a wrong answer silently.
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
        for one, labels in ((first, index), (name, other)):
            if labels.has_duplicates:
                label = labels[labels.duplicated()][0]
                raise ValueError(f"{one}: row label {label} repeats, so {first} and {name} cannot be paired; {advice}")
        if missing := [*index.difference(other, sort=False)[:1], *other.difference(index, sort=False)[:1]]:
            raise ValueError(f"{first} and {name} have different row labels: {missing[0]} is in one only; {advice}")
        labelled[name] = labelled[name].loc[index]
    return [labelled.get(name, value) for name, value in data.items()]


def in_order(values: Any, name: str) -> Any:
    """The values, unless they carry numbered rows that are out of order. Raises ValueError where they do.

    Of a Series that was sorted or shuffled only the index remembers the order of the design.
    """
    import pandas as pd

    if isinstance(values, pd.Series | pd.DataFrame):
        index = values.index
        if index.dtype.kind in "iuf" and not (index.is_monotonic_increasing and index.is_unique):
            raise ValueError(
                f"{name}: its rows are numbered, and not in increasing order; {name}.sort_index() restores the order of the"
                " design, .to_numpy() takes the rows as they stand"
            )
    return values
