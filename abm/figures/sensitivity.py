"""Sensitivity: which parameters matter for which outcome and year, and whether the design is large enough to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import LAYERS, label_of, parameter_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from abm.sweeps.outcome import Outcome

MOST = 10
"""Number of factors in a panel, those with the largest total index (Morris: mu*); tables have all factors."""
LIMITS = -0.3, 1.3
"""Limits of an axis of Sobol indices: longer intervals, from a design that is too small, are cut, and cut bars are marked."""
FOLLOWED = 5
"""Number of factors in a panel of `convergence`."""


def titles(columns: Mapping[str, Outcome]) -> dict[str, str]:
    """Titles of the outcomes of a sweep, of their observables, and of their logarithms (`ln NAME`)."""
    names = {outcome.of: label_of(outcome.of).name for outcome in columns.values()}
    for name, outcome in columns.items():
        if outcome.date:
            kind, _, layer = outcome.of.partition("_")
            names[name] = f"{kind.capitalize()} return, {LAYERS.get(layer, layer).lower()}, {outcome.date:%d %b %Y}"
            continue
        take = {"mean": "", "last": ", last month"}.get(outcome.take, f", {outcome.take}")
        months = f", months {outcome.first} to {outcome.last}" if outcome.last is not None else ""
        names[name] = f"{label_of(outcome.of).name}{take}{months}"
    return names | {f"ln {name}": f"{title}, logarithm" for name, title in names.items()}


def leading(table: pd.DataFrame, number: int) -> list[str]:
    """The first `number` factors by total index or mu*, largest first; factors without a value come last."""
    main = table[table["order"].isin(["total", "mu_star"])]
    largest = main.groupby("factor", sort=False)["value"].max()
    return list(largest.sort_values(ascending=False, kind="stable").index[:number])


def factor_names(factors: Iterable[Any]) -> list[str]:
    """Labels of factors for an axis."""
    return [style.literal(parameter_name(factor), 36, 2) for factor in factors]


def panels(outcomes: list[str], height: float) -> tuple[Figure, list[Any]]:
    """A figure with one panel per outcome, in two columns."""
    columns = min(2, len(outcomes))
    rows = -(-len(outcomes) // columns)
    width = style.TWO_COLUMNS if columns == 2 else 0.6 * style.TWO_COLUMNS
    figure, axes = style.canvas(None, rows, columns, (width, rows * height + 0.4))
    for ax in axes[len(outcomes) :]:
        ax.remove()
    return figure, axes[: len(outcomes)]


@style.styled
def indices(table: pd.DataFrame, names: Mapping[str, str] | None = None) -> Figure:
    """Draw the indices of an analysis as bars with their intervals, one panel per outcome.

    Sobol: total (light) and first-order (dark) indices; cut bars show their value. Morris: mu* (light), and sigma as points.
    """
    outcomes = list(dict.fromkeys(table["outcome"]))
    number = min(MOST, table["factor"].nunique())
    figure, axes = panels(outcomes, 0.7 + 0.18 * number)
    morris = "mu_star" in set(table["order"])
    light, dark = ("mu_star", "sigma") if morris else ("total", "first")
    for ax, outcome in zip(axes, outcomes, strict=True):
        own = table[table["outcome"] == outcome]
        shown = leading(own, number)
        positions = np.arange(len(shown))
        rows = {order: own[own["order"] == order].set_index("factor").loc[shown] for order in (light, dark)}
        ax.set_title(style.literal((names or {}).get(outcome, outcome), 31))
        ax.set_yticks(positions, factor_names(shown))
        ax.set_ylim(len(shown) - 0.4, -0.6)
        ax.grid(axis="y", visible=False)
        if own["value"].isna().all():
            ax.text(
                0.5, 0.5, "no indices: the outcome does not vary", transform=ax.transAxes, ha="center", color=style.GREY
            )
            continue
        if morris:
            bars(ax, positions, rows[light], 0.62, style.SKY, "mu* (mean absolute effect)")
            ax.errorbar(
                rows[dark]["value"], positions, xerr=spans(rows[dark]), fmt="o", color=style.VERMILLION, markersize=3.5,
                elinewidth=0.8, label="sigma (standard deviation of effects)",
            )  # fmt: skip
            ax.set_xlabel("change over the range")
            ax.locator_params(axis="x", nbins=5)
            ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
        else:
            bars(ax, positions - 0.19, rows[light], 0.36, style.SKY, "total (with interactions)")
            bars(ax, positions + 0.19, rows[dark], 0.36, style.BLUE, "first order (alone)")
            ax.set_xlabel("share of variance")
            ax.set_xlim(max(own["low"].min(), LIMITS[0]) - 0.02, min(own["high"].max(), LIMITS[1]) + 0.02)
            mark_cut(ax, positions - 0.19, rows[light]["value"])
            mark_cut(ax, positions + 0.19, rows[dark]["value"])
        ax.axvline(0, color=style.BLACK, linewidth=0.6)
    style.shared_legend(figure, axes[0], True)
    return figure


def bars(ax: Any, positions: np.ndarray, rows: pd.DataFrame, height: float, colour: str, label: str) -> None:
    """Draw horizontal bars with intervals."""
    ax.barh(
        positions, rows["value"], height, color=colour, xerr=spans(rows), label=label,
        error_kw={"elinewidth": 0.8, "ecolor": style.BLACK, "capsize": 1.5, "capthick": 0.6},
    )  # fmt: skip


def mark_cut(ax: Any, positions: np.ndarray, values: pd.Series) -> None:
    """Mark bars that extend beyond the axis with an arrow and their value; they would seem to end there."""
    low, high = ax.get_xlim()
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    for y, value in zip(positions, values, strict=True):
        if value > high:
            ax.text(high, y, f"{value:.2g} →", ha="right", va="center", fontsize=6, bbox=box)
        elif value < low:
            ax.text(low, y, f"← {value:.2g}", ha="left", va="center", fontsize=6, bbox=box)


def spans(rows: pd.DataFrame) -> np.ndarray:
    """Lengths of intervals below and above their values (2, factors)."""
    return np.abs(rows[["low", "high"]].to_numpy(float).T - rows["value"].to_numpy(float))


@style.styled
def convergence(table: pd.DataFrame, names: Mapping[str, str] | None = None) -> Figure:
    """Draw total indices (Morris: mu*) of the leading factors on growing subsets of the design, with intervals."""
    outcomes = list(dict.fromkeys(table["outcome"]))
    figure, axes = panels(outcomes, 2.3)
    colours = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE)
    for ax, outcome in zip(axes, outcomes, strict=True):
        own = table[(table["outcome"] == outcome) & table["order"].isin(["total", "mu_star"])]
        last = own[own["n"] == own["n"].max()]
        sizes = sorted(own["n"].unique())
        followed = leading(last, FOLLOWED)
        labels = style.legend_names(map(parameter_name, followed))
        for i, (factor, name) in enumerate(zip(followed, labels, strict=True)):
            rows = own[own["factor"] == factor].sort_values("n")
            ax.errorbar(
                np.arange(len(sizes)) + 0.06 * (i - 2), rows["value"], yerr=spans(rows), color=colours[i],
                linestyle=style.LINES[i], marker=style.MARKERS[i], elinewidth=0.8, capsize=1.5,
                label=name,
            )  # fmt: skip
        ax.set_title(style.literal((names or {}).get(outcome, outcome), 31))
        ax.set_xticks(np.arange(len(sizes)), [f"{size:,}" for size in sizes])
        morris = "mu_star" in set(own["order"])
        ax.set_xlabel("trajectories" if morris else "N (blocks of the design)")
        ax.set_ylabel("mu*" if morris else "total index")
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4))
        ax.set_xlim(-0.4, len(sizes) - 0.6)
        low, high = ax.get_ylim()
        low, high = (min(low, 0), high) if morris else (max(min(low, 0), LIMITS[0]), min(high, LIMITS[1]))
        ax.set_ylim(low, high + 0.5 * (high - low))  # room for the legend
        shown = ax.legend(loc="upper right", fontsize=6, ncols=2, handlelength=1.8, columnspacing=1, frameon=True)
        shown.get_frame().set(facecolor="white", edgecolor="none", alpha=1)  # hides cut intervals behind it
    return figure


@style.styled
def years(table: pd.DataFrame, names: Mapping[str, str] | None = None) -> Figure:
    """Draw total indices (Morris: mu* as a share of the year's largest) by year, one panel per observable; darker is larger."""
    outcomes = list(dict.fromkeys(table["outcome"]))
    number = min(MOST, table["factor"].nunique())
    figure, axes = panels(outcomes, 0.6 + 0.19 * number)
    main = table[table["order"].isin(["total", "mu_star"])]
    for ax, outcome in zip(axes, outcomes, strict=True):
        own = main[main["outcome"] == outcome]
        cells = own.pivot(index="factor", columns="year", values="value").loc[leading(own, number)]
        if "mu_star" in set(own["order"]):
            largest = own.groupby("year")["value"].max()
            cells = cells / largest.where(largest > 0)
        ax.imshow(cells.to_numpy(float), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(cells.to_numpy(float)):
            text = f"{value:.2f}" if np.isfinite(value) else "–"
            ax.text(
                column, row, text, ha="center", va="center", fontsize=6.5, color="white" if value > 0.6 else "black"
            )
        ax.set_title(style.literal((names or {}).get(outcome, outcome), 31))
        ax.set_xticks(np.arange(cells.shape[1]), [str(year) for year in cells.columns])
        ax.set_yticks(np.arange(len(cells)), factor_names(cells.index))
        ax.grid(visible=False)
        ax.tick_params(length=0)
    return figure
