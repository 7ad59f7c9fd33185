"""Outcomes over factors and groups of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import name_and_unit
from abm.charts.style import literal, thousands
from abm.experiments.figures.panels import COLOURS, axes_of, error_bars, grid, groups_of, hide_unused, title_and_unit
from abm.experiments.figures.registry import Drawn, Material, kind
from abm.experiments.sampling import mean_interval

if TYPE_CHECKING:
    import pandas as pd


def means(rows: pd.DataFrame, y: str, x: str, by: str) -> pd.DataFrame:
    """Mean of an outcome at each x (and value of `by`), with its 95 % interval over replications."""
    import pandas as pd

    keys = [x, *([by] if by else [])]
    replications = rows.groupby([*keys, "replication"], dropna=False)[y].mean().reset_index()
    out = []
    for values, group in replications.groupby(keys, sort=True):
        mean, low, high, number = mean_interval(group[y])
        out.append(
            dict(zip(keys, values, strict=True)) | {"y": y, "mean": mean, "low": low, "high": high, "runs": number}
        )
    return pd.DataFrame(out)


@kind("x", "y", optional={"log_x": bool, "log_y": bool})
def response(material: Material) -> Drawn:
    """Outcomes against a factor: means with 95 % intervals, one line for each value of `by`.

    `options.log_x` and `log_y`: logarithmic axes.
    """
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y)))
    tables = []
    for ax, y in zip(panels, asked.y, strict=False):
        table = means(rows, y, asked.x, asked.by)
        tables.append(table)
        groups = groups_of(rows, asked.by) if asked.by else [None]
        labels = style.legend_names(material.value(asked.by, group) for group in groups) if asked.by else [None]
        for i, (group, label) in enumerate(zip(groups, labels, strict=True)):
            line = table[table[asked.by] == group] if asked.by else table
            look: Any = {"color": COLOURS[i % len(COLOURS)], "linestyle": style.LINES[i % len(style.LINES)]}
            ax.fill_between(line[asked.x], line["low"], line["high"], color=look["color"], alpha=0.15, linewidth=0)
            for edge in ("low", "high"):  # overlapping bands keep visible edges
                ax.plot(line[asked.x], line[edge], linewidth=0.5, alpha=0.6, **look)
            ax.plot(line[asked.x], line["mean"], marker=style.MARKERS[i % len(style.MARKERS)], label=label, **look)
        axes_of(ax, material, y)
    hide_unused(panels, len(asked.y))
    if asked.by:
        style.shared_legend(figure, panels[0], True, title=literal(material.label(asked.by)))
    return figure, pd.concat(tables, ignore_index=True)


@kind("x", "by", "y", needed={"factors": dict}, optional={"log_x": bool})
def against(material: Material) -> Drawn:
    """Outcomes against another outcome, `x`, along each arm's own factor (`options.factors`: arm -> factor).

    `options.log_x`: a logarithmic horizontal axis.
    """
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    out = []
    labels = style.legend_names(material.value(asked.by, group) for group in asked.options["factors"])
    for ax, y in zip(panels, asked.y, strict=False):
        for i, ((group, factor), label) in enumerate(zip(asked.options["factors"].items(), labels, strict=True)):
            table = []
            for value, runs in rows[rows[asked.by] == group].groupby(factor):
                mean, low, high, number = mean_interval(runs.groupby("replication")[y].mean())
                point = {"y": y, asked.by: group, factor: value, asked.x: runs[asked.x].mean()}
                table.append(point | {"mean": mean, "low": low, "high": high, "runs": number})
            line = pd.DataFrame(table).sort_values(asked.x)
            out.append(line)
            look: Any = {"color": COLOURS[i], "linestyle": style.LINES[i], "marker": style.MARKERS[i], "capsize": 2}
            ax.errorbar(line[asked.x], line["mean"], yerr=error_bars(line), label=label, **look)
        axes_of(ax, material, y)
    hide_unused(panels, len(asked.y))
    style.shared_legend(figure, panels[0], True)
    return figure, pd.concat(out, ignore_index=True)


@kind("x", "y")
def categories(material: Material) -> Drawn:
    """Means of outcomes at the values of a categorical factor, `x`, side by side for each value of `by`."""
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    tables = []
    for ax, y in zip(panels, asked.y, strict=False):
        table = means(rows, y, asked.x, asked.by)
        tables.append(table)
        groups = list(dict.fromkeys(rows[asked.by])) if asked.by else [None]
        labels = style.legend_names(material.value(asked.by, group) for group in groups) if asked.by else [None]
        kinds = sorted(rows[asked.x].unique())
        for i, (group, label) in enumerate(zip(groups, labels, strict=True)):
            series = (table[table[asked.by] == group] if asked.by else table).set_index(asked.x).loc[kinds]
            place = np.arange(len(kinds)) + (i - (len(groups) - 1) / 2) * 0.3
            look: Any = {"color": COLOURS[i], "marker": style.MARKERS[i], "linestyle": "none", "capsize": 2}
            ax.errorbar(place, series["mean"], yerr=error_bars(series), label=label, **look)
        axes_of(ax, material, y)
        ax.set_xticks(range(len(kinds)), [literal(material.value(asked.x, value), 14) for value in kinds])
        ax.set_xlabel("")
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    hide_unused(panels, len(asked.y))
    if asked.by:
        style.shared_legend(figure, panels[0], True)
    return figure, pd.concat(tables, ignore_index=True)


@kind("x", "by", "y")
def heat(material: Material) -> Drawn:
    """Mean of outcomes over two factors, `x` and `by`: one panel per outcome, with the value written in each cell."""
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    out = []
    for ax, y in zip(panels, asked.y, strict=False):
        wide = rows.pivot_table(index=asked.by, columns=asked.x, values=y, aggfunc="mean")
        image = ax.imshow(wide.to_numpy(float), origin="lower", aspect="auto", cmap="cividis")
        ax.set_xticks(range(wide.shape[1]), [literal(material.value(asked.x, v)) for v in wide.columns])
        ax.set_yticks(range(wide.shape[0]), [literal(material.value(asked.by, v)) for v in wide.index])
        ax.grid(False)
        axes_of(ax, material, y)
        ax.set_ylabel(literal(material.label(asked.by)))
        middle = np.nanmean(wide.to_numpy(float))
        for (i, j), value in np.ndenumerate(wide.to_numpy(float)):
            ink = "white" if value < middle else "black"
            ax.text(j, i, f"{value:.3g}".replace("-", "−"), ha="center", va="center", color=ink, fontsize=7)
        figure.colorbar(image, ax=ax, label=literal(name_and_unit(material.label(y)).unit or "ratio"))
        long = wide.stack().rename("mean").reset_index()
        out.append(long.assign(y=y))
    hide_unused(panels, len(asked.y))
    return figure, pd.concat(out, ignore_index=True)


@kind("by", "y")
def distribution(material: Material) -> Drawn:
    """Distribution of outcomes over runs in each group of `by`: median, middle half, 90 %."""
    import pandas as pd

    asked, rows = material.asked, material.rows
    groups = list(dict.fromkeys(rows[asked.by]))
    figure, panels = style.canvas(None, *grid(len(asked.y)))
    out = []
    for ax, y in zip(panels, asked.y, strict=False):
        for i, group in enumerate(groups):
            x = rows[rows[asked.by] == group][y].dropna().to_numpy(float)
            q05, q25, q50, q75, q95 = np.quantile(x, [0.05, 0.25, 0.5, 0.75, 0.95])
            ax.plot([i, i], [q05, q95], color=COLOURS[i], linewidth=1)
            ax.bar(i, q75 - q25, 0.5, bottom=q25, color=COLOURS[i], alpha=0.35, edgecolor=COLOURS[i])
            ax.plot([i - 0.25, i + 0.25], [q50, q50], color=COLOURS[i], linewidth=2)
            out.append(
                {"y": y, asked.by: group, "q05": q05, "q25": q25, "q50": q50, "q75": q75, "q95": q95, "runs": x.size}
            )
        ax.set_xticks(range(len(groups)), [literal(material.value(asked.by, group), 10) for group in groups])
        title_and_unit(ax, material.label(y))
        thousands(ax.yaxis)
        ax.grid(axis="x", visible=False)
        ax.use_sticky_edges = False  # keeps a margin around bars that would otherwise touch the edge
        ax.autoscale_view()
    hide_unused(panels, len(asked.y))
    return figure, pd.DataFrame(out)
