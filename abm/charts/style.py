"""The style of all figures: colours safe for colour-blind readers, and line styles that remain distinct in grey."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from abm.charts.labels import as_text
from abm.support.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2
"""Widths of a figure in a two-column paper, inches."""

BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK, GREY = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000", "#666666",
)  # fmt: skip
"""Palette of Okabe and Ito (2008)."""

OBSERVED = BLACK
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P")
SCENARIOS: dict[str, dict[str, Any]] = {
    "baseline": {"color": BLUE, "linestyle": "-", "label": "with R1"},
    "no_r1": {"color": VERMILLION, "linestyle": "--", "label": "without R1"},
}
LAYER_COLOURS = {"compute": BLUE, "power": VERMILLION, "platforms": GREEN, "applications": PURPLE}

SETTINGS: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text, as journals require
    "axes.unicode_minus": True,
    "text.usetex": False,  # labels contain %, $ and _
    "text.parse_math": True,  # `literal` relies on this
}


P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that it draws in the project's style; the caller's settings stay unchanged."""

    @functools.wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context(SETTINGS):
            return draw(*args, **kwargs)

    return draw_styled


def canvas(axes: Any, rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, list[Axes]]:
    """Create a figure with `rows` x `columns` axes, or take the user's own axes; returns the axes in reading order."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from abm.charts.notebook import Drawing

    if axes is None:
        figure = Drawing(settings=SETTINGS, figsize=size, layout=ConstrainedLayoutEngine(hspace=0.06, wspace=0.04))
        return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False, **options)))
    given = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(given) != rows * columns:
        raise ValueError(f"this figure needs {rows * columns} axes ({rows} x {columns}), not {len(given)}")
    return given[0].figure, given


def literal(label: Any, width: int = 48, lines: int = 4) -> str:
    """Escape a label so that matplotlib draws it literally; used for every label that comes from the user.

    A pair of `$` would start mathematics. Characters missing from the fonts, which would be drawn as empty boxes, are
    written as `\\u4e2d`. The text is wrapped to `width` characters and cut after `lines` lines, with an ellipsis.
    """
    text = "".join(c if drawable(c) else c.encode("ascii", "backslashreplace").decode() for c in as_text(label))
    text = "\n".join(wrap(text, width, max_lines=lines, placeholder=" …"))
    return text.replace("$", r"\$") if text.count("$") > 1 or r"\$" in text else text


def drawable(letter: str) -> bool:
    """Whether one of the figure's fonts has the character."""
    if letter < "\u0250":  # Latin, which all fonts have
        return True
    import matplotlib as mpl

    return any(font.get_char_index(ord(letter)) for font in fonts(tuple(mpl.rcParams["font.sans-serif"])))


@functools.cache
def fonts(families: tuple[str, ...]) -> list[Any]:
    """The installed fonts of these families."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    installed = []
    for family in families:
        with contextlib.suppress(ValueError):
            installed.append(get_font(findfont(FontProperties(family=family), fallback_to_default=False)))
    return installed


SHOWN = "\u200b"
"""Zero-width space, put before a leading underscore: matplotlib leaves labels with a leading underscore out of legends."""


def legend_names(labels: Iterable[Any]) -> list[str]:
    """Convert labels for a legend: none of them is left out, and equal ones are numbered."""
    texts = [literal(label) for label in labels]
    names = []
    for i, text in enumerate(texts):
        before = texts[:i].count(text)
        names.append((SHOWN if text.startswith("_") else "") + text + (f" ({before + 1})" if before else ""))
    return names


HEADROOM = 0.13
"""Share of the height of an axis that is reserved for a word above the curves."""
R1_DAY = np.datetime64("2025-01-20")


def dates(months: int, first: int = 0) -> np.ndarray:
    """Last days of the model's months `first` to `months` - 1: observables describe the end of a month."""
    starts = np.arange(first, months).astype("timedelta64[M]") + np.datetime64("2023-02", "M")
    return starts.astype("datetime64[D]") - np.timedelta64(1, "D")


def fan(
    ax: Axes,
    x: np.ndarray,
    bands: dict[str, Any],
    *,
    color: str = BLUE,
    linestyle: Any = "-",
    label: str | None = None,
    marker: str | None = None,
) -> None:
    """Draw a fan chart: the median, the middle 50 % (dark) and 90 % (light) of runs.

    `bands` has q05, q25, q50, q75 and q95, as returned by `Ensemble.bands`; without q25 and q75 only the light band is
    drawn. The light band has an edge in the line style of the median, so that two fans can be told apart in grey.
    """
    q = {name: np.asarray(bands[name], dtype=float) for name in ("q05", "q50", "q95")}
    ax.fill_between(x, q["q05"], q["q95"], color=color, alpha=0.13, linewidth=0)
    for edge in ("q05", "q95"):
        ax.plot(x, q[edge], color=color, linestyle=linestyle, linewidth=0.5, alpha=0.6)
    if "q25" in bands:
        low, high = np.asarray(bands["q25"], dtype=float), np.asarray(bands["q75"], dtype=float)
        ax.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
    ax.plot(x, q["q50"], color=color, linestyle=linestyle, label=label, marker=marker)


def thousands(axis: Axis) -> None:
    """Format large tick labels with thousands separators (from 10¹⁰ on: times 10⁹).

    The unit is always that of tables and files. A unit chosen by the size of the values could differ between two charts of
    the same quantity.
    """
    largest = max(map(abs, axis.get_view_interval()))
    if largest >= 1e10:
        axis.set_major_formatter(lambda value, _: f"{value / 1e9:,.10g}×10⁹".replace("-", "−") if value else "0")
    elif largest >= 1e3:
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "−"))


def explain_bands(ax: Axes) -> None:
    """Add the two bands of `fan` to the legend, in grey."""
    for alpha, label in ((0.35, "middle 50 % of runs"), (0.13, "90 % of runs")):
        ax.plot([], [], color=GREY, alpha=alpha, linewidth=7, solid_capstyle="butt", label=label)


def interval(ax: Axes, x: Any, mean: Any, low: Any, high: Any, *, color: str, **line: Any) -> None:
    """Draw a mean with its confidence interval; `line` are other arguments of `Axes.plot`, such as linestyle and label."""
    ax.fill_between(x, np.asarray(low, float), np.asarray(high, float), color=color, alpha=0.2, linewidth=0)
    ax.plot(x, np.asarray(mean, float), color=color, **line)


def mark_event(ax: Axes, at: Any = R1_DAY, text: str = "") -> None:
    """Draw a thin vertical line at an event; with `text` at its top, the axis is extended so that no curve crosses it."""
    ax.axvline(at, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)))
    if text:
        scale = ax.yaxis.get_transform()
        low, high, highest = scale.transform(np.asarray([*ax.get_ylim(), ax.dataLim.y1]))
        needed = low + (highest - low) / (1 - HEADROOM)
        if needed > high:
            ax.set_ylim(top=float(scale.inverted().transform(np.asarray([needed]))[0]))
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6}
        ax.annotate(
            text, (at, 1.0), xycoords=("data", "axes fraction"), xytext=(2, -2), textcoords="offset points",
            va="top", fontsize=7, color=GREY, bbox=box,
        )  # fmt: skip


def date_axis(ax: Axes, every: int = 12) -> None:
    """Set ticks of the x axis at years, or at every `every` months."""
    from matplotlib.dates import DateFormatter, MonthLocator, YearLocator

    if every == 12:
        ax.xaxis.set_major_locator(YearLocator())
        ax.xaxis.set_major_formatter(DateFormatter("%Y"))
        ax.xaxis.set_minor_locator(MonthLocator([7]))
    else:
        ax.xaxis.set_major_locator(MonthLocator(range(1, 13, every)))
        ax.xaxis.set_major_formatter(DateFormatter("%b\n%Y"))


def shared_legend(figure: Figure, ax: Axes, own: bool, columns: int = 0, title: str | None = None) -> None:
    """Draw one legend for all panels: below them if the figure is ours (`own`), in as many columns as fit; else in `ax`."""
    handles, labels = ax.get_legend_handles_labels()
    if own:
        columns = min(columns, len(labels)) or columns_of(labels, figure.get_figwidth())
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, title=title)
    else:
        legend = ax.legend(handles, labels, title=title)
    for text in legend.get_texts():
        text.set_text(text.get_text().removeprefix(SHOWN))


def columns_of(labels: Sequence[str], width: float) -> int:
    """Number of columns of a legend such that its rows are filled and it fits in `width` inches."""
    points = [41 + 4.2 * max(map(len, label.split("\n"))) for label in labels]  # line, gaps, letters
    for number in range(len(labels), 1, -1):
        rows = -(-len(labels) // number)
        columns = [points[start : start + rows] for start in range(0, len(points), rows)]
        if len(columns) == number and sum(map(max, columns)) <= 72 * width:
            return number
    return 1


def save(figure: Figure, path: Any) -> None:
    """Save a figure in the project's style, without dates, so that equal figures give equal files."""
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS):
        if not isinstance(path, str | Path):
            return figure.savefig(path)
        kind = Path(path).suffix.removeprefix(".")
        undated: Any = {"CreationDate": None} if kind == "pdf" else None
        write_whole(Path(path), lambda file: figure.savefig(file, format=kind, metadata=undated))
