"""Pictures that `experiment.toml` can ask for: each a figure and the numbers in it, one row a mark."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import name_and_unit, parameter_name, spaced
from abm.charts.style import literal, thousands
from abm.experiments.spec import Experiment, ExperimentError, Figure, label_of_outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas

    from abm.experiments.judge import Verdict

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.BLACK)


@dataclass(frozen=True)
class Material:
    """What a picture is made from."""

    experiment: Experiment
    asked: Figure
    runs: pd.DataFrame
    verdict: Verdict

    @property
    def rows(self) -> pd.DataFrame:
        from abm.experiments.sampling import chosen

        return chosen(self.runs, self.asked.where)

    def label(self, name: str) -> str:
        """A column in words, with its unit."""
        if name in self.experiment.labels:
            return self.experiment.labels[name]
        for sweep in self.experiment.sweeps().values():
            if name in sweep.columns:
                return str(label_of_outcome(sweep.columns[name]))
            if name in sweep.targets:
                unit = sweep.targets[name].unit
                return f"{parameter_name(name)} ({unit})" if unit else parameter_name(name)
        return parameter_name(name)

    def value(self, name: str, value: Any) -> str:
        """A value of a column in words: label "column=value" if there is one."""
        if isinstance(value, float | np.floating | int | np.integer):
            text = f"{value:g}"
            return self.experiment.labels.get(f"{name}={text}", text.replace("-", "−"))
        return self.experiment.labels.get(f"{name}={value}", spaced(value))


Drawn = tuple["Canvas", "pd.DataFrame"]


@dataclass(frozen=True)
class Kind:
    """A kind of figure, and what it takes: checked before anything runs."""

    draw: Callable[[Material], Drawn]
    takes: tuple[str, ...] = ()
    """Which of x, by and y it must be given."""
    needed: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)


KINDS: dict[str, Kind] = {}


def kind(*takes: str, needed: Mapping[str, Any] | None = None, optional: Mapping[str, Any] | None = None) -> Any:
    def note(draw: Callable[[Material], Drawn]) -> Callable[[Material], Drawn]:
        KINDS[draw.__name__] = Kind(style.styled(draw), takes, needed or {}, optional or {})
        return draw

    return note


def draw(material: Material) -> Drawn:
    """The picture asked for; of kind "own", by `draw(runs, verdict, experiment)` of the folder's figure.py."""
    if material.asked.kind != "own":
        return KINDS[material.asked.kind].draw(material)
    path = material.experiment.folder / "figure.py"
    spec = importlib.util.spec_from_file_location(f"figure_of_{material.experiment.number}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "draw"):
        raise ExperimentError([f"{path}: has no function draw(material)"])
    drawn: Drawn = style.styled(module.draw)(material)
    return drawn


def grid(number: int, wide: int = 3) -> tuple[int, int, tuple[float, float]]:
    """Rows, columns and size of so many panels."""
    columns = 2 if number == 4 else min(number, wide)
    rows = -(-number // columns)
    width = style.TWO_COLUMNS if columns > 1 else 4.6
    return rows, columns, (width, 0.5 + 2.25 * rows)


def means(rows: pd.DataFrame, y: str, x: str, by: str) -> pd.DataFrame:
    """Mean of an outcome at each x (and line), with its 95 % interval over replications."""
    import pandas as pd

    from abm.experiments.sampling import interval

    keys = [x, *([by] if by else [])]
    each = rows.groupby([*keys, "replication"], dropna=False)[y].mean().reset_index()
    out = []
    for names, some in each.groupby(keys, sort=True):
        mean, low, high, number = interval(some[y])
        out.append(
            dict(zip(keys, names, strict=True)) | {"y": y, "mean": mean, "low": low, "high": high, "runs": number}
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
        lines = groups_of(rows, asked.by) if asked.by else [None]
        names = style.legend_names(material.value(asked.by, line) for line in lines) if asked.by else [None]
        for at, (line, label) in enumerate(zip(lines, names, strict=True)):
            some = table[table[asked.by] == line] if asked.by else table
            look: Any = {"color": COLOURS[at % len(COLOURS)], "linestyle": style.LINES[at % len(style.LINES)]}
            ax.fill_between(some[asked.x], some["low"], some["high"], color=look["color"], alpha=0.15, linewidth=0)
            for edge in ("low", "high"):  # bands that cover each other keep their edges
                ax.plot(some[asked.x], some[edge], linewidth=0.5, alpha=0.6, **look)
            ax.plot(some[asked.x], some["mean"], marker=style.MARKERS[at % len(style.MARKERS)], label=label, **look)
        axes_of(ax, material, y)
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    if asked.by:
        style.shared_legend(figure, panels[0], True, title=literal(material.label(asked.by)))
    return figure, pd.concat(tables, ignore_index=True)


def groups_of(rows: pd.DataFrame, by: str) -> list[Any]:
    """Values of a column that make the lines of a picture: numbers by size, names in the order of the file."""
    values = rows[by].dropna().unique()
    return sorted(values) if rows[by].dtype.kind in "fiu" else list(values)


def room(ax: Axes) -> int:
    """How many letters fit beside each other over or below a panel of a whole row of them."""
    place = ax.get_subplotspec()
    return {1: 56, 2: 42}.get(place.get_gridspec().ncols if place else 3, 28)


def axes_of(ax: Axes, material: Material, y: str) -> None:
    """Title, labels and scales of a panel."""
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
    """The name of an outcome above its panel, its unit beside it."""
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


@kind(optional={"tests": list, "centre": (int, float)})
def effects(material: Material) -> Drawn:
    """Findings of tests (`options.tests`) as points with their intervals, one panel a unit."""
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
        some = table[table["unit"] == unit].iloc[::-1]
        at = np.arange(len(some))
        of = [material.experiment.words(name) for name in some["of"]]
        if some["test"].is_unique and len(some) > 1:
            names = list(some["test"])
        elif some["test"].nunique() == 1:
            names = of
        else:
            names = [f"{test}: {name}" for test, name in zip(some["test"], of, strict=True)]
        names = [literal(name) for name in names]
        errors = np.abs(np.stack([some["value"] - some["low"], some["high"] - some["value"]]).astype(float))
        ax.errorbar(some["value"], at, xerr=errors, fmt="o", color=style.BLUE, capsize=2, linewidth=1.1)
        ax.axvline(material.asked.options.get("centre", 0), color=style.GREY, linewidth=0.8)
        ax.set_yticks(at, names)
        ax.set_ylim(-0.6, len(some) - 0.4)
        same = f"{of[0]}, " if len(set(of)) == 1 and unit and of[0].lower() not in unit.lower() else ""
        if unit == "%" and some["test"].nunique() == 1 and not same:
            same = f"{some['test'].iloc[0]}, "
        ax.set_xlabel(literal(f"{same}{unit or 'value of the statistic'}", 72))
        thousands(ax.xaxis)
    return figure, pd.DataFrame(table)


@kind("x", "by", "y")
def heat(material: Material) -> Drawn:
    """Mean of outcomes over two factors, `x` and `by`: one panel an outcome, the value written in each cell."""
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
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
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
        for at, group in enumerate(groups):
            x = rows[rows[asked.by] == group][y].dropna().to_numpy(float)
            q05, q25, q50, q75, q95 = np.quantile(x, [0.05, 0.25, 0.5, 0.75, 0.95])
            ax.plot([at, at], [q05, q95], color=COLOURS[at], linewidth=1)
            ax.bar(at, q75 - q25, 0.5, bottom=q25, color=COLOURS[at], alpha=0.35, edgecolor=COLOURS[at])
            ax.plot([at - 0.25, at + 0.25], [q50, q50], color=COLOURS[at], linewidth=2)
            out.append(
                {"y": y, asked.by: group, "q05": q05, "q25": q25, "q50": q50, "q75": q75, "q95": q95, "runs": x.size}
            )
        ax.set_xticks(range(len(groups)), [literal(material.value(asked.by, group), 10) for group in groups])
        title_and_unit(ax, material.label(y))
        thousands(ax.yaxis)
        ax.grid(axis="x", visible=False)
        ax.use_sticky_edges = False  # boxes that end at the edge are not to be cut
        ax.autoscale_view()
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    return figure, pd.DataFrame(out)


@kind("x", "y")
def categories(material: Material) -> Drawn:
    """Means of outcomes at the values of a factor that are kinds, `x`, side by side for each value of `by`."""
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    tables = []
    for ax, y in zip(panels, asked.y, strict=False):
        table = means(rows, y, asked.x, asked.by)
        tables.append(table)
        groups = list(dict.fromkeys(rows[asked.by])) if asked.by else [None]
        names = style.legend_names(material.value(asked.by, group) for group in groups) if asked.by else [None]
        kinds = sorted(rows[asked.x].unique())
        for at, (group, label) in enumerate(zip(groups, names, strict=True)):
            some = (table[table[asked.by] == group] if asked.by else table).set_index(asked.x).loc[kinds]
            place = np.arange(len(kinds)) + (at - (len(groups) - 1) / 2) * 0.3
            errors = np.abs(np.stack([some["mean"] - some["low"], some["high"] - some["mean"]]).astype(float))
            look: Any = {"color": COLOURS[at], "marker": style.MARKERS[at], "linestyle": "none", "capsize": 2}
            ax.errorbar(place, some["mean"], yerr=errors, label=label, **look)
        axes_of(ax, material, y)
        ax.set_xticks(range(len(kinds)), [literal(material.value(asked.x, value), 14) for value in kinds])
        ax.set_xlabel("")
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    if asked.by:
        style.shared_legend(figure, panels[0], True)
    return figure, pd.concat(tables, ignore_index=True)
