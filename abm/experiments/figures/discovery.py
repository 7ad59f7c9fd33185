"""Scenario discovery: points in the plane of two uncertain factors, and the boxes found for their classes."""

from __future__ import annotations

from abm.charts import style
from abm.charts.style import literal
from abm.experiments.figures.panels import COLOURS, grid, hide_unused
from abm.experiments.figures.registry import Drawn, Material, kind
from abm.experiments.statistics.discovery import in_class, points_of


@kind("x", "by", needed={"classes": dict}, optional={"test": str, "log_x": bool})
def points(material: Material) -> Drawn:
    """Points in the plane of two uncertain factors, marked by class of outcome (`options.classes`), one panel per class.

    A box found by the test `options.test` is drawn if it restricts one of the two factors.
    """
    import pandas as pd

    asked = material.asked
    classes = asked.options["classes"]
    columns = [rule["column"] for rule in classes.values()]
    rows = points_of(material.rows, [asked.x, asked.by, *columns])
    figure, panels = style.canvas(None, *grid(len(classes), 3), sharey=True)
    boxes = {
        finding.of: finding.more
        for answer in material.verdict.answers
        if answer.test.name == asked.options.get("test")
        for finding in answer.findings
    }
    factors = (asked.x, asked.by)
    out = []
    for i, (ax, (name, rule)) in enumerate(zip(panels, classes.items(), strict=False)):
        hit = in_class(rows, rule)
        ax.scatter(rows[asked.x][~hit], rows[asked.by][~hit], s=7, color="#bdbdbd", marker="o", linewidths=0)
        ax.scatter(rows[asked.x][hit], rows[asked.by][hit], s=13, color=COLOURS[i % 6], marker=style.MARKERS[i % 6])
        box = boxes.get(name, {})
        if any(f"{factor} {end}" in box for factor in factors for end in ("from", "to")):
            (left, right), (bottom, top) = [
                (
                    max(box.get(f"{factor} from", rows[factor].min()), rows[factor].min()),
                    min(box.get(f"{factor} to", rows[factor].max()), rows[factor].max()),
                )
                for factor in factors
            ]
            outline = [left, right, right, left, left], [bottom, bottom, top, top, bottom]
            ax.plot(*outline, color=style.BLACK, linewidth=1)
        ax.set_title(literal(f"{material.value('class', name)}: {100 * hit.mean():.0f} % of points"))
        ax.set_xlabel(literal(material.label(asked.x), 26))
        if i % 3 == 0:
            ax.set_ylabel(literal(material.label(asked.by), 26))
        if asked.options.get("log_x"):
            ax.set_xscale("log")
        out.append(pd.DataFrame({asked.x: rows[asked.x], asked.by: rows[asked.by], "class": name, "hit": hit}))
    hide_unused(panels, len(classes))
    return figure, pd.concat(out, ignore_index=True)
