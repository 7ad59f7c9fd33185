"""Pictures that `experiment.toml` can ask for: each a figure and the numbers in it, one row a mark."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.spec import Experiment, ExperimentError, Figure
from abm.figures import style
from abm.figures.labels import LAYERS, label_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
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
        from abm.experiments.statistics import chosen

        return chosen(self.runs, self.asked.where)

    def label(self, name: str) -> str:
        """A column in words, with its unit."""
        if name in self.experiment.labels:
            return self.experiment.labels[name]
        for sweep in self.experiment.sweeps().values():
            if name in sweep.columns:
                return str(label_of(sweep.columns[name].of))
            if name in sweep.targets:
                unit = sweep.targets[name].unit
                return f"{name.replace('_', ' ')} ({unit})" if unit else name.replace("_", " ")
        return name.replace("_", " ")

    def value(self, name: str, value: Any) -> str:
        """A value of a column in words: label "column=value" if there is one."""
        text = f"{value:g}" if isinstance(value, float | np.floating | int | np.integer) else str(value)
        return self.experiment.labels.get(f"{name}={text}", text.replace("_", " "))


Drawn = tuple["Canvas", "pd.DataFrame"]
KINDS: dict[str, Callable[[Material], Drawn]] = {}


def kind(draw: Callable[[Material], Drawn]) -> Callable[[Material], Drawn]:
    KINDS[draw.__name__] = style.styled(draw)
    return draw


def draw(material: Material) -> Drawn:
    """The picture asked for; of kind "own", by `draw(runs, verdict, experiment)` of the folder's figure.py."""
    if material.asked.kind != "own":
        return KINDS[material.asked.kind](material)
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

    from abm.experiments.statistics import interval

    keys = [x, *([by] if by else [])]
    each = rows.groupby([*keys, "replication"], dropna=False)[y].mean().reset_index()
    out = []
    for names, some in each.groupby(keys, sort=True):
        mean, low, high, number = interval(some[y])
        out.append(
            dict(zip(keys, names, strict=True)) | {"y": y, "mean": mean, "low": low, "high": high, "runs": number}
        )
    return pd.DataFrame(out)


@kind
def response(material: Material) -> Drawn:
    """Outcomes against a factor: means with 95 % intervals, one line for each value of `by`.

    `options.log_x` and `log_y`: logarithmic axes. `options.share_y`: panels share the vertical axis.
    """
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y)))
    tables = []
    for ax, y in zip(panels, asked.y, strict=False):
        table = means(rows, y, asked.x, asked.by)
        tables.append(table)
        lines = list(dict.fromkeys(table[asked.by])) if asked.by else [None]
        for at, line in enumerate(lines):
            some = table[table[asked.by] == line] if asked.by else table
            look: Any = {"color": COLOURS[at % len(COLOURS)], "linestyle": style.LINES[at % len(style.LINES)]}
            label = material.value(asked.by, line) if asked.by else None
            ax.fill_between(some[asked.x], some["low"], some["high"], color=look["color"], alpha=0.2, linewidth=0)
            ax.plot(some[asked.x], some["mean"], marker=style.MARKERS[at % len(style.MARKERS)], label=label, **look)
        axes_of(ax, material, y)
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    if asked.by:
        handles, labels = panels[0].get_legend_handles_labels()
        title = material.label(asked.by)
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), title=title)
    return figure, pd.concat(tables, ignore_index=True)


def axes_of(ax: Axes, material: Material, y: str) -> None:
    """Title, labels and scales of a panel."""
    asked = material.asked
    name, _, unit = material.label(y).partition(" (")
    ax.set_title(wrapped(name))
    ax.set_ylabel(unit.rstrip(")") or "ratio")
    ax.set_xlabel(wrapped(material.label(asked.x), 26))
    if asked.options.get("log_x"):
        ax.set_xscale("log")
    if asked.options.get("log_y"):
        ax.set_yscale("log")
    if material.runs[asked.x].dtype == object:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=4)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    low, high = ax.get_ylim()
    if max(abs(low), abs(high)) >= 1e4 and not asked.options.get("log_y"):
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace("-", "−"))


def wrapped(text: str, width: int = 30) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


@kind
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
        names = [wrapped(name, 48) for name in names]
        errors = np.abs(np.stack([some["value"] - some["low"], some["high"] - some["value"]]).astype(float))
        ax.errorbar(some["value"], at, xerr=errors, fmt="o", color=style.BLUE, capsize=2, linewidth=1.1)
        ax.axvline(material.asked.options.get("centre", 0), color=style.GREY, linewidth=0.8)
        ax.set_yticks(at, names)
        ax.set_ylim(-0.6, len(some) - 0.4)
        ax.set_xlabel(unit or "value of the statistic")
    return figure, pd.DataFrame(table)


@kind
def cross_section(material: Material) -> Drawn:
    """Mean returns of layers by group of runs, beside what was observed; whiskers are nine tenths of the runs.

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
        ax.bar(at - 0.2, mean, 0.4, color=style.BLUE, label="model, mean and nine tenths of runs")
        ax.errorbar(
            at - 0.2, mean, yerr=np.stack([mean - low, high - mean]), fmt="none", color=style.BLACK, linewidth=0.8
        )
        ax.bar(at + 0.2, 100 * seen, 0.4, facecolor="white", edgecolor=style.BLACK, hatch="////", label="observed")
        ax.axhline(0, color=style.BLACK, linewidth=0.7)
        ax.set_xticks(at, [words[layer].partition(" (")[0] for layer in layers], rotation=25, ha="right")
        ax.set_title(wrapped(material.value(asked.by, group), 34))
        if ax in panels[::columns]:
            ax.set_ylabel("abnormal return, %")
        for name, m, lo, hi, real in zip(layers, mean, low, high, seen, strict=True):
            out.append({asked.by: group, "layer": name, "mean": m, "q05": lo, "q95": hi, "observed": 100 * real})
    for ax in panels[len(groups) :]:
        ax.set_visible(False)
    style.shared_legend(figure, panels[0], True)
    return figure, pd.DataFrame(out)


@kind
def heat(material: Material) -> Drawn:
    """Mean of outcomes over two factors, `x` and `by`: one panel an outcome, the value written in each cell."""
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    out = []
    for ax, y in zip(panels, asked.y, strict=False):
        wide = rows.pivot_table(index=asked.by, columns=asked.x, values=y, aggfunc="mean")
        image = ax.imshow(wide.to_numpy(float), origin="lower", aspect="auto", cmap="cividis")
        ax.set_xticks(range(wide.shape[1]), [material.value(asked.x, v) for v in wide.columns])
        ax.set_yticks(range(wide.shape[0]), [material.value(asked.by, v) for v in wide.index])
        ax.grid(False)
        axes_of(ax, material, y)
        ax.set_ylabel(material.label(asked.by))
        middle = np.nanmean(wide.to_numpy(float))
        for (i, j), value in np.ndenumerate(wide.to_numpy(float)):
            ink = "white" if value < middle else "black"
            ax.text(j, i, f"{value:.3g}".replace("-", "−"), ha="center", va="center", color=ink, fontsize=7)
        _, _, unit = material.label(y).partition(" (")
        figure.colorbar(image, ax=ax, label=unit.rstrip(")"))
        long = wide.stack().rename("mean").reset_index()
        out.append(long.assign(y=y))
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    return figure, pd.concat(out, ignore_index=True)


@kind
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
        ax.set_title(f"{material.value('class', name)}: {100 * hit.mean():.0f} % of points")
        ax.set_xlabel(wrapped(material.label(asked.x), 26))
        if at % 3 == 0:
            ax.set_ylabel(wrapped(material.label(asked.by), 26))
        if asked.options.get("log_x"):
            ax.set_xscale("log")
        out.append(pd.DataFrame({asked.x: rows[asked.x], asked.by: rows[asked.by], "class": name, "hit": hit}))
    for ax in panels[len(classes) :]:
        ax.set_visible(False)
    return figure, pd.concat(out, ignore_index=True)


@kind
def elasticities(material: Material) -> Drawn:
    """Elasticity of use in efficiency, year by year (see the statistic `fading`), a line for each value of `by`.

    y: efficiency and use of the first year, of the second, and so on; `options.first_year`: the first of them.
    """
    import pandas as pd

    from abm.experiments.statistics import cube, interval, logs, slopes_between

    asked, rows = material.asked, material.rows
    figure, (ax,) = style.canvas(None, 1, 1, (5.2, 3.2))
    out = []
    for at, value in enumerate(sorted(rows[asked.by].unique())):
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
        ax.fill_between(line["year"], line["low"], line["high"], color=look["color"], alpha=0.2, linewidth=0)
        ax.plot(line["year"], line["mean"], marker=style.MARKERS[at], label=material.value(asked.by, value), **look)
    ax.axhline(1, color=style.GREY, linewidth=0.8)
    ax.set_xlabel("year")
    ax.set_ylabel("elasticity of tokens in efficiency")
    figure.legend(loc="outside lower center", ncols=5, title=material.label(asked.by))
    return figure, pd.DataFrame(out)


@kind
def distribution(material: Material) -> Drawn:
    """Distribution of outcomes over runs in each group of `by`: median, middle half, nine tenths."""
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
        ax.set_xticks(range(len(groups)), [wrapped(material.value(asked.by, group), 10) for group in groups])
        name, _, unit = material.label(y).partition(" (")
        ax.set_title(wrapped(name))
        ax.set_ylabel(unit.rstrip(")") or "ratio")
        ax.grid(axis="x", visible=False)
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    return figure, pd.DataFrame(out)


@kind
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
        kinds = sorted(rows[asked.x].unique())
        for at, group in enumerate(groups):
            some = (table[table[asked.by] == group] if asked.by else table).set_index(asked.x).loc[kinds]
            place = np.arange(len(kinds)) + (at - (len(groups) - 1) / 2) * 0.3
            errors = np.abs(np.stack([some["mean"] - some["low"], some["high"] - some["mean"]]).astype(float))
            look: Any = {"color": COLOURS[at], "marker": style.MARKERS[at], "linestyle": "none", "capsize": 2}
            label = material.value(asked.by, group) if asked.by else None
            ax.errorbar(place, some["mean"], yerr=errors, label=label, **look)
        axes_of(ax, material, y)
        ax.set_xticks(range(len(kinds)), [material.value(asked.x, value) for value in kinds])
        ax.set_xlabel("")
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    if asked.by:
        style.shared_legend(figure, panels[0], True)
    return figure, pd.concat(tables, ignore_index=True)


@kind
def against(material: Material) -> Drawn:
    """Outcomes against another outcome, `x`, along each arm's own factor (`options.factors`: arm -> factor)."""
    import pandas as pd

    from abm.experiments.statistics import interval

    asked, rows = material.asked, material.rows
    figure, panels = style.canvas(None, *grid(len(asked.y), 2))
    out = []
    for ax, y in zip(panels, asked.y, strict=False):
        for at, (group, factor) in enumerate(asked.options["factors"].items()):
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
            ax.errorbar(frame[asked.x], frame["mean"], yerr=errors, label=material.value(asked.by, group), **look)
        axes_of(ax, material, y)
    for ax in panels[len(asked.y) :]:
        ax.set_visible(False)
    style.shared_legend(figure, panels[0], True)
    return figure, pd.concat(out, ignore_index=True)
