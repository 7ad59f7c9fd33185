"""Observables over time: one run, many runs as fan charts, and paired differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from abm.charts import style
from abm.charts.labels import OVERVIEW, PRICING_POWER, as_text, label_of, spaced
from abm.support import samples

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIRST_MONTH = 12
"""January 2024: in the first year the model settles from its starting values."""
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)

Named = str | Sequence[str] | None


class Runs(Protocol):
    """An `abm.runs.results.Ensemble`, with values (runs, months) by observable, or a `Result`, with values (months,)."""

    @property
    def setup(self) -> Any: ...

    def __getitem__(self, observable: str) -> np.ndarray: ...


class Pair(Protocol):
    """An `abm.runs.results.Comparison`: two ensembles on the same seeds."""

    @property
    def a(self) -> Any: ...

    @property
    def b(self) -> Any: ...

    @property
    def confidence(self) -> float: ...

    def frame(self, observable: str) -> pd.DataFrame: ...


def fan_chart_numbers(
    runs: Runs | Mapping[Any, Runs], observables: Named = None, first: int | None = None
) -> pd.DataFrame:
    """The numbers of `fan_chart` as a long table: observable, ensemble, month, q05, q25, q50, q75, q95, mean."""
    import pandas as pd

    parts = []
    for name in names_of(observables, PRICING_POWER):
        for label, ensemble in _by_label(runs):
            rows = bands_of(ensemble, name, first)
            parts.append(rows.assign(observable=name, ensemble=pd.Series([label] * len(rows), dtype=object)))
    table = pd.concat(parts, ignore_index=True)
    return table[["observable", "ensemble", *rows.columns]].infer_objects()


def bands_of(runs: Runs, observable: str, first: int | None = None) -> pd.DataFrame:
    """One row per month: month, q05, q25, q50, q75, q95, mean over the runs."""
    import pandas as pd

    begin = first_of(runs.setup.months, first)
    month = np.arange(begin, runs.setup.months)
    return pd.DataFrame({"month": month} | samples.quantiles(runs[observable][:, begin:]))


@style.styled
def fan_chart(
    runs: Runs | Mapping[Any, Runs],
    observables: Named = None,
    axes: Any = None,
    *,
    first: int | None = None,
    width: float = style.TWO_COLUMNS,
) -> Figure:
    """Draw fan charts, one panel per observable: the median, the middle 50 % (dark) and 90 % (light) of runs.

    Parameters
    ----------
    runs
        An `Ensemble`, or a mapping of labels (any key) to up to six ensembles, which are compared in each panel.
    observables
        One or more observables (`abm list --observables`). Default: the measures of pricing power.
    axes
        Your own axes, one per observable. Default: a new figure of `width` inches.
    first
        First month to draw (0 is January 2023). Default: 12 if the runs are longer than two years, otherwise 0.

    Raises
    ------
    KeyError
        For an unknown observable.
    ValueError
        If the number of axes does not match the observables, there are more than six ensembles, or no month is left.
    """
    by_label = _by_label(runs)
    compared = isinstance(runs, Mapping)
    labels = style.legend_names(key if compared else "median, 50 % and 90 % of runs" for key, _ in by_label)
    names = names_of(observables, PRICING_POWER)
    figure, panels = style.canvas(axes, *layout(len(names), width))
    for ax, name in zip(panels, names, strict=False):
        for i, ((_, ensemble), label) in enumerate(zip(by_label, labels, strict=True)):
            rows = bands_of(ensemble, name, first)
            x = style.dates(int(rows["month"].max()) + 1, int(rows["month"].min()))
            look: Any = {"color": COLOURS[i], "linestyle": style.LINES[i]}
            style.fan(ax, x, rows, **look, marker="o" if len(x) == 1 else None, label=label)
        time_panel(ax, name, any(has_r1(ensemble) for _, ensemble in by_label))
    if len(by_label) > 1:
        style.explain_bands(panels[0])
    _finish(figure, panels, len(names), axes is None)
    return figure


def paired_difference_numbers(comparison: Pair, observables: Named = None, first: int | None = None) -> pd.DataFrame:
    """The numbers of `paired_difference` as a long table: observable, month, difference, low, high, variance_reduction."""
    import pandas as pd

    parts = []
    for name in names_of(observables, PRICING_POWER):
        frame = comparison.frame(name).reset_index(drop=True)
        frame = frame.iloc[first_of(len(frame), first) :]
        parts.append(pd.DataFrame({"observable": name, "month": frame.index} | {c: frame[c].to_numpy() for c in frame}))
    return pd.concat(parts, ignore_index=True)


@style.styled
def paired_difference(
    comparison: Pair,
    observables: Named = None,
    axes: Any = None,
    *,
    label: str | None = None,
    first: int | None = None,
    width: float = style.TWO_COLUMNS,
) -> Figure:
    """Draw mean paired differences with their confidence intervals, one panel per observable.

    `comparison` is `compare(a, b)`; positive values mean more in a than in b. `label` names the difference in the legend.
    Other arguments and exceptions as in `fan_chart`.
    """
    names = names_of(observables, PRICING_POWER)
    table = paired_difference_numbers(comparison, names, first)
    figure, panels = style.canvas(axes, *layout(len(names), width))
    difference = between(comparison) if label is None else as_text(label)
    (legend,) = style.legend_names([f"{difference}: mean and {100 * comparison.confidence:g} % interval"])
    for ax, name in zip(panels, names, strict=False):
        rows = table[table["observable"] == name]
        x = style.dates(int(rows["month"].max()) + 1, int(rows["month"].min()))
        look: Any = {"color": style.BLUE, "linestyle": "-", "label": legend}
        style.interval(ax, x, rows["difference"], rows["low"], rows["high"], **look)
        ax.axhline(0, color="black", linewidth=0.7)
        time_panel(ax, name, has_r1(comparison.a) or has_r1(comparison.b), change=True)
    _finish(figure, panels, len(names), axes is None)
    return figure


@style.styled
def run_chart(
    result: Runs,
    observables: Named = None,
    axes: Any = None,
    *,
    first: int | None = None,
    width: float = style.TWO_COLUMNS,
) -> Figure:
    """Draw one run over time, one panel per observable (default: six that summarise the run)."""
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


def between(comparison: Pair) -> str:
    """Name the difference of a comparison, such as "baseline minus no r1"."""
    a, b = comparison.a.setup.scenario.name, comparison.b.setup.scenario.name
    if a != b:
        return f"{spaced(a)} minus {spaced(b)}"
    unchanged = not comparison.b.setup.parameters.model_dump(exclude_unset=True)
    return f"changed minus {spaced(b)}" if unchanged else "first minus second"


def names_of(observables: Named, usual: Sequence[str]) -> list[str]:
    """The requested observables as a list, or the usual ones for None."""
    if observables is None:
        return list(usual)
    names = [observables] if isinstance(observables, str) else list(observables)
    if not names:
        raise ValueError("observables is empty: name at least one (abm list --observables)")
    return names


def layout(panels: int, width: float) -> tuple[int, int, tuple[float, float]]:
    """Rows, columns, and size in inches of a figure with `panels` panels in the given width."""
    most = 1 if width <= style.ONE_COLUMN else 3
    columns = 2 if panels == 4 and most > 1 else min(panels, most)
    rows = -(-panels // columns)
    if panels == 1 and width > style.ONE_COLUMN:
        width = 4.6
    return rows, columns, (width, 0.5 + (2.3 if columns < 3 else 1.9) * rows)


def first_of(months: int, first: int | None) -> int:
    """First month to draw of runs of `months` months."""
    if first is None:
        return FIRST_MONTH if months > 2 * FIRST_MONTH else 0
    if not 0 <= first < months:
        raise ValueError(f"first = {first}: the runs have months 0 to {months - 1}")
    return first


def has_r1(runs: Runs) -> bool:
    """Whether R1 is released in these runs."""
    return any(event.id == "r1" and event.when[0] < runs.setup.months for event in runs.setup.scenario.all_events)


def time_panel(ax: Axes, observable: str, r1: bool, change: bool = False) -> None:
    """Set title, unit and dates of a panel that shows an observable over time."""
    label = label_of(observable)
    ax.set_title(style.literal(label.name, 27))
    unit = label.unit or "ratio"
    ax.set_ylabel(style.literal(f"change, {unit}" if change else unit))
    style.thousands(ax.yaxis)
    ax.set_xlabel("month")
    if r1:
        style.mark_event(ax, text="R1")
    low, high = ax.get_xlim()
    style.date_axis(ax, 12 if high - low > 900 else 6 if high - low > 400 else 3)


def _by_label(runs: Runs | Mapping[Any, Runs]) -> list[tuple[Any, Runs]]:
    by_label = list(runs.items()) if isinstance(runs, Mapping) else [("", runs)]
    if not 1 <= len(by_label) <= len(COLOURS):
        raise ValueError(f"{len(by_label)} ensembles: one figure shows 1 to {len(COLOURS)}")
    return by_label


def _finish(figure: Figure, panels: list[Axes], used: int, legend: bool) -> None:
    for ax in panels[used:]:
        ax.set_visible(False)
    if panels[0].get_legend_handles_labels()[1]:
        style.shared_legend(figure, panels[0], legend)
