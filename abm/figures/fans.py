"""Observables over time: one run, many runs as fan charts, and paired differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures import style
from abm.figures.labels import OVERVIEW, PRICING_POWER, label_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from abm.results import Comparison, Ensemble, Result

FIRST_MONTH = 12
"""January 2024: the first year is the model settling from its starting values."""
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)

Named = str | Sequence[str] | None


def fan_chart_numbers(
    runs: Ensemble | Mapping[str, Ensemble], observables: Named = None, first: int | None = None
) -> pd.DataFrame:
    """Long table: observable, ensemble, month, q05, q25, q50, q75, q95, mean; what `fan_chart` draws."""
    import pandas as pd

    parts = []
    for name in names_of(observables, PRICING_POWER):
        for label, each in _by_label(runs).items():
            begin = first_of(each.setup.months, first)
            bands = style.quantiles(each[name][:, begin:])
            head = {"observable": name, "ensemble": label, "month": np.arange(begin, each.setup.months)}
            parts.append(pd.DataFrame(head | bands))
    return pd.concat(parts, ignore_index=True)


@style.styled
def fan_chart(
    runs: Ensemble | Mapping[str, Ensemble],
    observables: Named = None,
    axes: Any = None,
    *,
    first: int | None = None,
    width: float = style.TWO_COLUMNS,
) -> Figure:
    """Fan charts, one panel an observable: median, the middle half of runs (dark), nine tenths of them (light).

    Parameters
    ----------
    runs
        An `Ensemble`, or a table label -> `Ensemble` of up to six to be compared in one panel.
    observables
        One or several of `abm list --observables`; the family of pricing power where nothing is said.
    axes
        Your own, one for each observable; else a new figure of `width` inches.
    first
        First month that is drawn (0 is January 2023); 12 where the runs are longer than two years.

    Raises
    ------
    KeyError
        No such observable.
    ValueError
        The number of axes is another than that of the observables, more than six ensembles, or no month is left.
    """
    by_label = _by_label(runs)
    names = names_of(observables, PRICING_POWER)
    table = fan_chart_numbers(by_label, names, first)
    figure, panels = style.canvas(axes, *layout(len(names), width))
    for ax, name in zip(panels, names, strict=False):
        for at, label in enumerate(by_label):
            rows = table[(table["observable"] == name) & (table["ensemble"] == label)]
            x = style.dates(int(rows["month"].max()) + 1, int(rows["month"].min()))
            look: Any = {"color": COLOURS[at], "linestyle": style.LINES[at]}
            style.fan(
                ax,
                x,
                rows,
                **look,
                marker="o" if len(x) == 1 else None,
                label=label or "median, half and nine tenths of runs",
            )
        time_panel(ax, name, any(has_r1(each) for each in by_label.values()))
    if len(by_label) > 1:
        style.explain_bands(panels[0])
    _finish(figure, panels, len(names), axes is None)
    return figure


def paired_difference_numbers(
    comparison: Comparison, observables: Named = None, first: int | None = None
) -> pd.DataFrame:
    """Long table: observable, month, difference, low, high, variance_reduction; what `paired_difference` draws."""
    import pandas as pd

    parts = []
    for name in names_of(observables, PRICING_POWER):
        frame = comparison.frame(name).reset_index(drop=True)
        frame = frame.iloc[first_of(len(frame), first) :]
        parts.append(pd.DataFrame({"observable": name, "month": frame.index} | {c: frame[c].to_numpy() for c in frame}))
    return pd.concat(parts, ignore_index=True)


@style.styled
def paired_difference(
    comparison: Comparison,
    observables: Named = None,
    axes: Any = None,
    *,
    label: str | None = None,
    first: int | None = None,
    width: float = style.TWO_COLUMNS,
) -> Figure:
    """Mean paired difference with its confidence interval, one panel an observable.

    `comparison` is `compare(a, b)`: above zero there is more of it in a. Other arguments as in `fan_chart`; `label` says
    in the legend what is subtracted from what. Raises as `fan_chart` does.
    """
    names = names_of(observables, PRICING_POWER)
    table = paired_difference_numbers(comparison, names, first)
    figure, panels = style.canvas(axes, *layout(len(names), width))
    said = f"{label or between(comparison)}: mean and {100 * comparison.confidence:g} % interval"
    for ax, name in zip(panels, names, strict=False):
        rows = table[table["observable"] == name]
        x = style.dates(int(rows["month"].max()) + 1, int(rows["month"].min()))
        look: Any = {"color": style.BLUE, "linestyle": "-", "label": said}
        style.interval(ax, x, rows["difference"], rows["low"], rows["high"], **look)
        ax.axhline(0, color="black", linewidth=0.7)
        time_panel(ax, name, has_r1(comparison.a) or has_r1(comparison.b), change=True)
    _finish(figure, panels, len(names), axes is None)
    return figure


@style.styled
def run_chart(
    result: Result,
    observables: Named = None,
    axes: Any = None,
    *,
    first: int | None = None,
    width: float = style.TWO_COLUMNS,
) -> Figure:
    """One run over time, one panel an observable: six that tell the story of a run where nothing is said."""
    names = names_of(observables, OVERVIEW)
    figure, panels = style.canvas(axes, *layout(len(names), width))
    months = result.setup.months
    begin = first_of(months, first)
    for ax, name in zip(panels, names, strict=False):
        values = result[name]
        marker = "o" if months - begin == 1 else None
        ax.plot(style.dates(months, begin), values[begin:], color=style.BLUE, marker=marker)
        time_panel(ax, name, has_r1(result))
    _finish(figure, panels, len(names), False)
    return figure


def between(comparison: Comparison) -> str:
    """What a comparison subtracts from what, in words."""
    a, b = comparison.a.setup.scenario.name, comparison.b.setup.scenario.name
    if a != b:
        return f"{a} less {b}".replace("_", " ")
    plain = not comparison.b.setup.parameters.model_dump(exclude_unset=True)
    return f"changed less {b}".replace("_", " ") if plain else "first less second"


def names_of(observables: Named, usual: Sequence[str]) -> list[str]:
    """The observables asked for, or the usual ones."""
    if observables is None:
        return list(usual)
    names = [observables] if isinstance(observables, str) else list(observables)
    if not names:
        raise ValueError("observables is empty: name at least one (abm list --observables)")
    return names


def layout(panels: int, width: float) -> tuple[int, int, tuple[float, float]]:
    """Rows, columns, and the size in inches, of so many panels in a figure of a width."""
    most = 1 if width <= style.ONE_COLUMN else 3
    columns = 2 if panels == 4 and most > 1 else min(panels, most)
    rows = -(-panels // columns)
    if panels == 1 and width > style.ONE_COLUMN:
        width = 4.6
    return rows, columns, (width, 0.5 + (2.3 if columns < 3 else 1.9) * rows)


def first_of(months: int, first: int | None) -> int:
    """First month that is drawn of runs of a length."""
    if first is None:
        return FIRST_MONTH if months > 2 * FIRST_MONTH else 0
    if not 0 <= first < months:
        raise ValueError(f"first = {first}: the runs have months 0 to {months - 1}")
    return first


def has_r1(runs: Ensemble | Result) -> bool:
    """Whether R1 is released in these runs."""
    return any(event.id == "r1" and event.when[0] < runs.setup.months for event in runs.setup.scenario.all_events)


def time_panel(ax: Axes, observable: str, r1: bool, change: bool = False) -> None:
    """Title, unit and dates of a panel of an observable over time."""
    label = label_of(observable)
    ax.set_title(fill(label.name, 27))
    size, unit = scaled_unit(label.unit, max(map(abs, ax.get_ylim())))
    ax.set_ylabel(f"change, {unit or 'ratio'}" if change else unit or "ratio")
    if size != 1:
        ax.yaxis.set_major_formatter(lambda value, _: f"{value / size:,.10g}".replace("-", "−"))
    ax.set_xlabel("month")
    if r1:
        style.mark_event(ax, text="R1")
    low, high = ax.get_xlim()
    style.date_axis(ax, 12 if high - low > 900 else 6 if high - low > 400 else 3)


def scaled_unit(unit: str, largest: float) -> tuple[float, str]:
    """What to divide values of a unit by for an axis that goes up to `largest`, and what the unit is then called."""
    size, power = next((pair for pair in ((1e6, 2), (1e3, 1)) if largest >= 10 * pair[0]), (1.0, 0))
    for start, words in ("$ M", ("$ M", "$ B", "$ T")), ("million", ("million", "billion", "trillion")):
        if unit.startswith(start):
            return size, words[power] + unit.removeprefix(start)
    return (size, f"{('', 'thousand', 'million')[power]} {unit}".strip()) if power else (1.0, unit)


def _by_label(runs: Ensemble | Mapping[str, Ensemble]) -> dict[str, Ensemble]:
    by_label = dict(runs) if isinstance(runs, Mapping) else {"": runs}
    if not 1 <= len(by_label) <= len(COLOURS):
        raise ValueError(f"{len(by_label)} ensembles: one figure tells 1 to {len(COLOURS)} apart")
    return by_label


def _finish(figure: Figure, panels: list[Axes], used: int, legend: bool) -> None:
    for ax in panels[used:]:
        ax.set_visible(False)
    if legend:
        style.shared_legend(figure, panels[0], True)
    elif panels[0].get_legend_handles_labels()[1]:
        panels[0].legend()
