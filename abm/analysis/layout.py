"""Checks that points and outputs have the layout of the design from which indices are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from abm.support.messages import shortened
from abm.support.samples import by_label, in_order


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names of factors as a list. Raises ValueError for a single string and for duplicates."""
    if isinstance(names, str):
        raise ValueError(f"names = {names!r}: must be a list of factor names, not one string")
    names = list(names)
    if duplicates := [name for index, name in enumerate(names) if name in names[:index]]:
        raise ValueError(f"names: duplicate name {shortened(duplicates[0])}; give every factor a different name")
    return names


def paired(x: Any, y: Any, names: Sequence[str]) -> tuple[Any, np.ndarray]:
    """Return points and outputs as arrays with matching rows: (rows, factors) or None, and (rows,) floats.

    Rows are paired by label if both have labels; the columns `names` of a DataFrame are taken in that order.
    """
    import pandas as pd

    if isinstance(x, pd.DataFrame):
        if missing := [name for name in names if name not in x.columns]:
            raise ValueError(f"x has no column {shortened(missing[0])}; its columns are {shortened(list(x.columns))}")
        x, y = by_label(x=x[list(names)], y=y)
    else:
        y = in_order(y, "y")
    return None if x is None else np.asarray(x), np.asarray(y, float)


def block_size(factors: int, second_order: bool) -> int:
    """Number of points in a block of a Saltelli design: A, one point per factor (two with second order), B."""
    return (2 * factors if second_order else factors) + 2


def check_saltelli(x: np.ndarray | None, outputs: int, factors: int, second_order: bool) -> None:
    """Raise ValueError unless outputs, and points x (outputs, factors) if given, form a Saltelli design of this order.

    A second-order sample analysed as first-order, or the reverse, gives indices that are wrong but look precise. The
    numbers of points N (k + 2) and N (2 k + 2) never coincide for powers of two N.
    """
    order, other = ("second", "first") if second_order else ("first", "second")
    if x is None:
        size, others = block_size(factors, second_order), block_size(factors, not second_order)
        if is_whole(outputs, size):
            return
        likely = f"; these would be {outputs // others} blocks of {other} order" if is_whole(outputs, others) else ""
        raise ValueError(
            f"{outputs} outputs of {factors} factors: a {order}-order design has {size} outputs per block and a power of two"
            f" of blocks{likely}; pass second_order={not second_order} for a {other}-order design, or pass the points as x,"
            " which allows any number of blocks"
        )
    if x.shape != (outputs, factors):
        raise ValueError(
            f"points {x.shape} and {outputs} outputs of {factors} factors: x must be ({outputs}, {factors})"
        )
    if is_saltelli(x, second_order):
        return
    if is_saltelli(x, not second_order):
        raise ValueError(
            f"x is a Saltelli design of {other} order, not {order} order: pass second_order={not second_order}"
        )
    raise ValueError(
        f"x is not a Saltelli design of {order} order: rows or columns are not in SALib's order, rows are missing, or the"
        " points come from another kind of design"
    )


def is_whole(outputs: int, size: int) -> bool:
    """Whether outputs divide into blocks of this size, with a power of two of blocks."""
    blocks, rest = divmod(outputs, size)
    return not rest and not blocks & (blocks - 1)


def is_saltelli(x: np.ndarray, second_order: bool) -> bool:
    """Whether points (rows, k) are blocks of A, A with each column from B, (B with each column from A,) and B."""
    k = x.shape[1]
    step = block_size(k, second_order)
    if len(x) % step:
        return False
    blocks = x.reshape(-1, step, k)
    a, b = blocks[:, :1], blocks[:, -1:]
    own_column = np.eye(k, dtype=bool)
    expected = [a, np.where(own_column, b, a), *([np.where(own_column, a, b)] if second_order else []), b]
    return bool((np.concatenate(expected, axis=1) == blocks).all())


def in_unit_cube(x: np.ndarray, bounds: Any) -> np.ndarray:
    """Return points (rows, k) in the unit cube; with `bounds` (k, 2) they are rescaled from the factors' units.

    Raises ValueError for invalid bounds and for points outside them or outside the cube.
    """
    if bounds is not None:
        ends = np.asarray(bounds, float)
        if ends.shape != (x.shape[1], 2) or not np.isfinite(ends).all() or not (ends[:, 0] < ends[:, 1]).all():
            raise ValueError(f"bounds = {shortened(bounds)}: must be {x.shape[1]} pairs of low < high")
        x = (x - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
    if not (np.isfinite(x).all() and x.min() >= -1e-9 and x.max() <= 1 + 1e-9):
        where = (
            "the unit cube: pass the lowest and highest value of each factor as `bounds`"
            if bounds is None
            else "bounds"
        )
        raise ValueError(f"x: points from {x.min():.6g} to {x.max():.6g} do not all lie in {where}")
    return x
