"""Findings of tests, with their intervals."""

from __future__ import annotations

import numpy as np

from abm.charts import style
from abm.charts.style import literal, thousands
from abm.experiments.figures.panels import error_bars
from abm.experiments.figures.registry import Drawn, Material, kind


@kind(optional={"tests": list, "centre": (int, float)})
def effects(material: Material) -> Drawn:
    """Findings of tests (`options.tests`) as points with their intervals, one panel per unit."""
    import pandas as pd

    wanted = material.asked.options.get("tests")
    table = material.verdict.table()
    table = table[table["test"].isin(wanted)] if wanted else table
    table = table.reset_index(drop=True)
    units = list(dict.fromkeys(table["unit"]))
    heights = [max(1, int((table["unit"] == unit).sum())) for unit in units]
    size = (style.TWO_COLUMNS, 0.8 * len(units) + 0.24 * sum(heights) + 0.3)
    figure, panels = style.canvas(None, len(units), 1, size, height_ratios=heights)
    for ax, unit in zip(panels, units, strict=True):
        rows = table[table["unit"] == unit].iloc[::-1]
        positions = np.arange(len(rows))
        subjects = [material.experiment.words(name) for name in rows["of"]]
        if rows["test"].is_unique and len(rows) > 1:
            names = list(rows["test"])
        elif rows["test"].nunique() == 1:
            names = subjects
        else:
            names = [f"{test}: {subject}" for test, subject in zip(rows["test"], subjects, strict=True)]
        bars = error_bars(rows, "value")
        ax.errorbar(rows["value"], positions, xerr=bars, fmt="o", color=style.BLUE, capsize=2, linewidth=1.1)
        ax.axvline(material.asked.options.get("centre", 0), color=style.GREY, linewidth=0.8)
        ax.set_yticks(positions, [literal(name) for name in names])
        ax.set_ylim(-0.6, len(rows) - 0.4)
        subject = subjects[0]
        prefix = f"{subject}, " if len(set(subjects)) == 1 and unit and subject.lower() not in unit.lower() else ""
        if unit == "%" and rows["test"].nunique() == 1 and not prefix:
            prefix = f"{rows['test'].iloc[0]}, "
        ax.set_xlabel(literal(f"{prefix}{unit or 'value of the statistic'}", 72))
        thousands(ax.xaxis)
    return figure, pd.DataFrame(table)


@kind("y", needed={"tests": list})
def table_of_effects(material: Material) -> Drawn:
    """Findings of tests (`options.tests`), one line per test and one panel per outcome `y`."""
    from matplotlib.ticker import MaxNLocator

    asked = material.asked
    tests = list(asked.options["tests"])
    table = material.verdict.table()
    table = table[table["test"].isin(tests) & table["of"].isin(asked.y)].reset_index(drop=True)
    size = (style.TWO_COLUMNS, 1.0 + 0.28 * len(tests))
    figure, panels = style.canvas(None, 1, len(asked.y), size, sharey=True)
    for ax, y in zip(panels, asked.y, strict=True):
        rows = table[table["of"] == y].set_index("test").reindex(tests).iloc[::-1]
        bars = error_bars(rows, "value")
        ax.errorbar(rows["value"], np.arange(len(rows)), xerr=bars, fmt="o", color=style.BLUE, capsize=2, linewidth=1.1)
        ax.axvline(0, color=style.GREY, linewidth=0.8)
        ax.set_yticks(np.arange(len(rows)), [literal(name, 28) for name in rows.index])
        ax.set_title(literal(material.experiment.words(y), 20))
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.set_xlabel(literal(rows["unit"].dropna().iloc[0], 20) if rows["unit"].notna().any() else "")
    return figure, table
