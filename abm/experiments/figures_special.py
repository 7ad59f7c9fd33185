"""Pictures that one experiment each asks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.charts import style
from abm.charts.labels import LAYERS
from abm.charts.style import literal
from abm.experiments.figures import COLOURS, KINDS, Drawn, Material, axes_of, grid, kind

__all__ = ["KINDS"]
"""All kinds, these among them."""


@kind("by", "y", needed={"layers": list})
def cross_section(material: Material) -> Drawn:
    """Mean returns of layers by group of runs, beside what was observed; whiskers are 90 % of the runs.

    y: one outcome a layer, in the order of `options.layers`; `by`: the column that makes the groups.
    """
    import pandas as pd

    from abm.experiments.statistics import observed_returns

    asked, rows = material.asked, material.rows
    layers = list(asked.options["layers"])
    seen = observed_returns(layers)
    groups = list(dict.fromkeys(rows[asked.by]))
    rows_, columns, size = grid(len(groups), 3)
    figure, panels = style.canvas(None, rows_, columns, size, sharey=True)
    out = []
    words = {**LAYERS, "leader": "Leading vendor"}
    for ax, group in zip(panels, groups, strict=False):
        some = rows[rows[asked.by] == group]
        values = 100 * some[list(asked.y)].to_numpy(float)
        low, high = np.nanquantile(values, [0.05, 0.95], axis=0)
        mean = np.nanmean(values, axis=0)
        at = np.arange(len(layers))
        ax.bar(at - 0.2, mean, 0.4, color=style.BLUE, label="model, mean and 90 % of runs")
        ax.errorbar(
            at - 0.2, mean, yerr=np.stack([mean - low, high - mean]), fmt="none", color=style.BLACK, linewidth=0.8
        )
        ax.bar(at + 0.2, 100 * seen, 0.4, facecolor="white", edgecolor=style.BLACK, hatch="////", label="observed")
        ax.axhline(0, color=style.BLACK, linewidth=0.7)
        ax.set_xticks(at, [literal(words[layer].partition(" (")[0]) for layer in layers], rotation=25, ha="right")
        ax.set_title(literal(material.value(asked.by, group), 34))
        if ax in panels[::columns]:
            ax.set_ylabel("abnormal return, %")
        for name, m, lo, hi, real in zip(layers, mean, low, high, seen, strict=True):
            out.append({asked.by: group, "layer": name, "mean": m, "q05": lo, "q95": hi, "observed": 100 * real})
    for ax in panels[len(groups) :]:
        ax.set_visible(False)
    style.shared_legend(figure, panels[0], True)
    return figure, pd.DataFrame(out)


@kind("x", "by", needed={"classes": dict}, optional={"test": str, "log_x": bool})
def points(material: Material) -> Drawn:
    """Runs in the plane of two uncertain factors, marked by class of outcome (`options.classes`), a panel each.

    A box found by the test `options.test` is drawn where it restricts one of the two factors.
    """
    import pandas as pd

    from abm.experiments.special import in_class, points_of

    asked = material.asked
    classes = asked.options["classes"]
    columns = [rule["column"] for rule in classes.values()]
    rows = points_of(material.rows, [asked.x, asked.by, *columns])
    figure, panels = style.canvas(None, *grid(len(classes), 3), sharey=True)
    boxes = {
        one.of: one.more
        for answer in material.verdict.answers
        if answer.test.name == asked.options.get("test")
        for one in answer.findings
    }
    out = []
    for at, (ax, (name, rule)) in enumerate(zip(panels, classes.items(), strict=False)):
        hit = in_class(rows, rule)
        ax.scatter(rows[asked.x][~hit], rows[asked.by][~hit], s=7, color="#bdbdbd", marker="o", linewidths=0)
        ax.scatter(rows[asked.x][hit], rows[asked.by][hit], s=13, color=COLOURS[at % 6], marker=style.MARKERS[at % 6])
        more = boxes.get(name, {})
        limits = [
            (more.get(f"{f} from", rows[f].min()), more.get(f"{f} to", rows[f].max())) for f in (asked.x, asked.by)
        ]
        if any(f"{f} {word}" in more for f in (asked.x, asked.by) for word in ("from", "to")):
            (left, right), (bottom, top) = [
                (max(a, rows[f].min()), min(b, rows[f].max()))
                for (a, b), f in zip(limits, (asked.x, asked.by), strict=True)
            ]
            ax.plot(
                [left, right, right, left, left], [bottom, bottom, top, top, bottom], color=style.BLACK, linewidth=1
            )
        ax.set_title(literal(f"{material.value('class', name)}: {100 * hit.mean():.0f} % of points"))
        ax.set_xlabel(literal(material.label(asked.x), 26))
        if at % 3 == 0:
            ax.set_ylabel(literal(material.label(asked.by), 26))
        if asked.options.get("log_x"):
            ax.set_xscale("log")
        out.append(pd.DataFrame({asked.x: rows[asked.x], asked.by: rows[asked.by], "class": name, "hit": hit}))
    for ax in panels[len(classes) :]:
        ax.set_visible(False)
    return figure, pd.concat(out, ignore_index=True)


@kind("x", "by", "y", optional={"first_year": (int, float)})
def elasticities(material: Material) -> Drawn:
    """Elasticity of use in efficiency, year by year (see the statistic `fading`), a line for each value of `by`.

    y: efficiency and use of the first year, of the second, and so on; `options.first_year`: the first of them.
    """
    import pandas as pd

    from abm.experiments.sampling import cube, interval, logs, slopes_between

    asked, rows = material.asked, material.rows
    figure, (ax,) = style.canvas(None, 1, 1, (5.2, 3.2))
    out = []
    values = sorted(rows[asked.by].unique())
    names = style.legend_names(material.value(asked.by, value) for value in values)
    for at, (value, name) in enumerate(zip(values, names, strict=True)):
        some = rows[rows[asked.by] == value]
        for year, (efficiency, use) in enumerate(zip(asked.y[::2], asked.y[1::2], strict=True)):
            _, below = cube(some, asked.x, efficiency)
            _, above = cube(some, asked.x, use)
            mean, low, high, number = interval(slopes_between(below, logs(above)))
            when = int(asked.options.get("first_year", 1)) + year
            out.append({asked.by: value, "year": when, "mean": mean, "low": low, "high": high, "runs": number})
        line = pd.DataFrame(out)
        line = line[line[asked.by] == value]
        look: Any = {"color": COLOURS[at], "linestyle": style.LINES[at % len(style.LINES)]}
        # side by side: bands of several lines would cover each other
        place = line["year"] + 0.12 * (at - (rows[asked.by].nunique() - 1) / 2)
        errors = np.abs(np.stack([line["mean"] - line["low"], line["high"] - line["mean"]]).astype(float))
        look |= {"marker": style.MARKERS[at], "elinewidth": 0.8, "capsize": 2}
        ax.errorbar(place, line["mean"], yerr=errors, label=name, **look)
    ax.axhline(1, color=style.GREY, linewidth=0.8)
    ax.set_xlabel("year")
    ax.set_ylabel("elasticity of tokens in efficiency")
    style.shared_legend(figure, ax, True, title=literal(material.label(asked.by)))
    return figure, pd.DataFrame(out)


@kind("x", "by", "y", needed={"factors": dict}, optional={"log_x": bool})
def against(material: Material) -> Drawn:
    """Outcomes against another outcome, `x`, along each arm's own factor (`options.factors`: arm -> factor).

    `options.log_x`: a logarithmic horizontal axis.
    """
    import pandas as pd

    from abm.experiments.sampling import interval

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    out = []
    names = style.legend_names(material.value(asked.by, group) for group in asked.options["factors"])
    for ax, y in zip(panels, asked.y, strict=False):
        for at, ((group, factor), name) in enumerate(zip(asked.options["factors"].items(), names, strict=True)):
            some = rows[rows[asked.by] == group]
            table = []
            for value, each in some.groupby(factor):
                mean, low, high, number = interval(each.groupby("replication")[y].mean())
                line = {"y": y, asked.by: group, factor: value, asked.x: each[asked.x].mean()}
                table.append(line | {"mean": mean, "low": low, "high": high, "runs": number})
            frame = pd.DataFrame(table).sort_values(asked.x)
            out.append(frame)
            errors = np.abs(np.stack([frame["mean"] - frame["low"], frame["high"] - frame["mean"]]).astype(float))
            look: Any = {"color": COLOURS[at], "linestyle": style.LINES[at], "marker": style.MARKERS[at], "capsize": 2}
            ax.errorbar(frame[asked.x], frame["mean"], yerr=errors, label=name, **look)
        axes_of(ax, material, y)
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    style.shared_legend(figure, panels[0], True)
    return figure, pd.concat(out, ignore_index=True)


@kind("y", needed={"tests": list})
def table_of_effects(material: Material) -> Drawn:
    """Findings of tests (`options.tests`), one line each, with a panel for each outcome `y`."""
    from matplotlib.ticker import MaxNLocator

    asked = material.asked
    tests = list(asked.options["tests"])
    table = material.verdict.table()
    table = table[table["test"].isin(tests) & table["of"].isin(asked.y)].reset_index(drop=True)
    size = (style.TWO_COLUMNS, 1.0 + 0.28 * len(tests))
    figure, panels = style.canvas(None, 1, len(asked.y), size, sharey=True)
    for ax, y in zip(panels, asked.y, strict=True):
        some = table[table["of"] == y].set_index("test").reindex(tests).iloc[::-1]
        errors = np.abs(np.stack([some["value"] - some["low"], some["high"] - some["value"]]).astype(float))
        ax.errorbar(
            some["value"], np.arange(len(some)), xerr=errors, fmt="o", color=style.BLUE, capsize=2, linewidth=1.1
        )
        ax.axvline(0, color=style.GREY, linewidth=0.8)
        ax.set_yticks(np.arange(len(some)), [literal(name, 28) for name in some.index])
        ax.set_title(literal(material.experiment.words(y), 20))
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.set_xlabel(literal(some["unit"].dropna().iloc[0], 20) if some["unit"].notna().any() else "")
    return figure, table
