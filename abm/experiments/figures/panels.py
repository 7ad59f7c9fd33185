"""Panels of a figure: their grid, axes, labels and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import name_and_unit
from abm.charts.style import literal, thousands
from abm.experiments.figures.registry import Material

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.BLACK)


def grid(number: int, wide: int = 3) -> tuple[int, int, tuple[float, float]]:
    """Rows, columns and size (inches) of a figure with `number` panels, at most `wide` in a row."""
    columns = 2 if number == 4 else min(number, wide)
    rows = -(-number // columns)
    width = style.TWO_COLUMNS if columns > 1 else 4.6
    return rows, columns, (width, 0.5 + 2.25 * rows)


def hide_unused(panels: Any, used: int) -> None:
    """Hide the panels of the grid after the first `used`."""
    for ax in panels[used:]:
        ax.set_visible(False)


def error_bars(table: pd.DataFrame, value: str = "mean") -> np.ndarray:
    """Lengths (2, rows) of error bars below and above a column, from the columns low and high."""
    return np.abs(np.stack([table[value] - table["low"], table["high"] - table[value]]).astype(float))


def groups_of(rows: pd.DataFrame, by: str) -> list[Any]:
    """Values of a column that define the lines of a figure: numbers in ascending order, names in order of appearance."""
    values = rows[by].dropna().unique()
    return sorted(values) if rows[by].dtype.kind in "fiu" else list(values)


def room(ax: Axes) -> int:
    """Number of characters that fit above or below a panel, given the number of panels in its row."""
    place = ax.get_subplotspec()
    return {1: 56, 2: 42}.get(place.get_gridspec().ncols if place else 3, 28)


def axes_of(ax: Axes, material: Material, y: str) -> None:
    """Set the title, labels and scales of a panel."""
    asked = material.asked
    title_and_unit(ax, material.label(y))
    ax.set_xlabel(literal(material.label(asked.x), room(ax)))
    if asked.options.get("log_x"):
        ax.set_xscale("log")
        few_decades(ax.xaxis)
    if asked.options.get("log_y"):
        ax.set_yscale("log")
        few_decades(ax.yaxis)
    if material.runs[asked.x].dtype.kind not in "iuf":  # dates
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=4)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if not asked.options.get("log_y"):
        thousands(ax.yaxis)


def title_and_unit(ax: Axes, label: str) -> None:
    """Set the name of an outcome as the panel's title and its unit as the y label."""
    name, unit = name_and_unit(label)
    ax.set_title(literal(name, room(ax)))
    ax.set_ylabel(literal(unit or "ratio"))


def few_decades(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 on a logarithmic axis of less than two decades, where powers of ten would crowd."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axis.set_minor_formatter(NullFormatter())
