"""Check that points and outputs are laid out as the design whose indices are to be computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from abm.support.messages import shortened
from abm.support.samples import by_label, in_order


def distinct(names: Sequence[str]) -> list[str]:
    """Names of factors as a list. Raises ValueError for a single text and for names that repeat."""
    if isinstance(names, str):
        raise ValueError(f"names = {names!r}: must be a list of the factors' names, not one text")
    names = list(names)
    if repeated := [name for at, name in enumerate(names) if name in names[:at]]:
        raise ValueError(
            f"names: {shortened(repeated[0])} stands for two factors; their indices could not be told apart"
        )
    return names


def paired(x: Any, y: Any, names: Sequence[str]) -> tuple[Any, np.ndarray]:
    """Points and outputs as arrays, row by row: (rows, factors) or None, and (rows,) floats.

    Rows are paired by label where both carry labels; columns of a DataFrame are those of these names, in their order.
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
    """Points in a block of a Saltelli design: A, one point a factor (with pairs two), B."""
    return (2 * factors if second_order else factors) + 2


def check_saltelli(x: np.ndarray | None, outputs: int, factors: int, second_order: bool) -> None:
    """Raise ValueError unless so many outputs, on the points x (outputs, factors) where given, are such a Saltelli design.

    A sample of second order analysed as one of first order, or the reverse, gives indices that are wrong and look precise.
    Two numbers of points, N (k + 2) and N (2 k + 2), are never the same for powers of two N.
    """
    asked, other = ("second", "first") if second_order else ("first", "second")
    if x is None:
        size, others = block_size(factors, second_order), block_size(factors, not second_order)
        if is_whole(outputs, size):
            return
        likely = f"; they are {outputs // others} blocks of {other} order" if is_whole(outputs, others) else ""
        raise ValueError(
            f"{outputs} outputs of {factors} factors: a design of {asked} order has {size} outputs per block and a power of two"
            f" of blocks{likely}: pass second_order={not second_order} if they are of {other} order, or the points as x so"
            " that any number of blocks can be checked"
        )
    if x.shape != (outputs, factors):
        raise ValueError(
            f"points {x.shape} and {outputs} outputs of {factors} factors: x must be ({outputs}, {factors})"
        )
    if is_saltelli(x, second_order):
        return
    if is_saltelli(x, not second_order):
        raise ValueError(
            f"x is a Saltelli design of {other} order, not of {asked}: pass second_order={not second_order}"
        )
    raise ValueError(
        f"x is no Saltelli design of {asked} order: rows or columns are in another order than SALib's, rows are missing, or"
        " the points are of another kind of design"
    )


def is_whole(outputs: int, size: int) -> bool:
    """Whether so many outputs are blocks of this size, and their number a power of two."""
    blocks, rest = divmod(outputs, size)
    return not rest and not blocks & (blocks - 1)


def is_saltelli(x: np.ndarray, second_order: bool) -> bool:
    """Whether points (rows, k) are blocks of A, A with one column of B each, (B with one column of A each,) B."""
    k = x.shape[1]
    step = block_size(k, second_order)
    if len(x) % step:
        return False
    blocks = x.reshape(-1, step, k)
    a, b = blocks[:, :1], blocks[:, -1:]
    own = np.eye(k, dtype=bool)
    wanted = [a, np.where(own, b, a), *([np.where(own, a, b)] if second_order else []), b]
    return bool((np.concatenate(wanted, axis=1) == blocks).all())


def in_unit_cube(x: np.ndarray, bounds: Any) -> np.ndarray:
    """Points (rows, k) in the unit cube, from there or, with `bounds` (k, 2), from the units of the factors."""
    if bounds is not None:
        ends = np.asarray(bounds, float)
        if ends.shape != (x.shape[1], 2) or not np.isfinite(ends).all() or not (ends[:, 0] < ends[:, 1]).all():
            raise ValueError(f"bounds = {shortened(bounds)}: must be {x.shape[1]} pairs of a least and a greater value")
        x = (x - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
    if not (np.isfinite(x).all() and x.min() >= -1e-9 and x.max() <= 1 + 1e-9):
        where = (
            "the unit cube: give `bounds`, the least and greatest value of each factor" if bounds is None else "bounds"
        )
        raise ValueError(f"x: points from {x.min():.6g} to {x.max():.6g} do not all lie in {where}")
    return x
