"""Price against capability: the price of every product, and the cheapest price of each capability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from abm.runs.results import Result

LOOKS: dict[str, dict[str, Any]] = {
    "closed": {"color": style.BLUE, "marker": "s", "label": "closed"},
    "open": {"color": style.VERMILLION, "marker": "o", "label": "open weights"},
    "entrant": {"color": style.GREEN, "marker": "^", "label": "entrants (open weights)"},
}
SHOWN = (12, 23, 24, 36)
"""January and December 2024, January 2025, January 2026: a year before, the month before, the month of and a year after R1."""


def frontier_numbers(result: Result, months: Sequence[int] | None = None) -> pd.DataFrame:
    """One row per product and month: month, lab, kind, tier, price ($ per M tokens), capability (nats), volume, released,
    cheapest.

    `cheapest`: no product is at least as capable at a lower price; it lies on the price-capability frontier.
    """
    table = result.products()
    wanted = months_of(result, months)
    table = table[table["month"].isin(wanted)].reset_index(drop=True)
    table["kind"] = [str(lab).partition("_")[0] for lab in table["lab"]]
    table["cheapest"] = False
    for _, rows in table.groupby("month"):
        table.loc[rows.index, "cheapest"] = on_frontier(rows)
    return table[["month", "lab", "kind", "tier", "price", "capability", "volume", "released", "cheapest"]]


def on_frontier(products: pd.DataFrame) -> pd.Series:
    """Whether each product is on the frontier: none is at least as capable and cheaper, or more capable at the same price."""
    falling = products.sort_values(["capability", "price"], ascending=[False, True])
    best = falling[falling["price"] <= falling["price"].cummin()].drop_duplicates("price", keep="first")
    return products.index.to_series().isin(best.index)


@style.styled
def frontier(
    result: Result, months: Sequence[int] | None = None, axes: Any = None, *, width: float = style.TWO_COLUMNS
) -> Figure:
    """Draw the products of one run in a few months: price against capability, with a line at the cheapest price.

    `months`: 0 is January 2023 (default: four months around R1). `axes`: your own, one per month (default: a new figure
    of `width` inches). The area of a point grows with the tokens sold. Raises ValueError for a month outside the run.
    """
    shown = months_of(result, months)
    table = frontier_numbers(result, shown)
    columns = min(len(shown), 2 if width <= style.ONE_COLUMN else 4)
    rows = -(-len(shown) // columns)
    size = (width if columns > 1 else min(width, 4.6), 0.6 + 2.3 * rows)
    figure, panels = style.canvas(
        axes, rows, columns, size, **({"sharex": True, "sharey": True} if axes is None else {})
    )
    for i, (ax, month) in enumerate(zip(panels, shown, strict=False)):
        draw_frontier(ax, table[table["month"] == month], table)
        ax.set_title(month_name(month))
        if axes is not None or i % columns == 0:
            ax.set_ylabel("price, $ per million tokens")
        ax.set_xlabel("capability, nats")
    for ax in panels[len(shown) :]:
        ax.set_visible(False)
    style.shared_legend(figure, panels[0], axes is None, columns=min(columns, 4) if columns > 1 else 2)
    return figure


def frontier_animation(result: Result, months: Sequence[int] | None = None, *, interval: int = 250) -> FuncAnimation:
    """Animate the frontier, one frame per month (default: all months); `interval` in milliseconds.

    In a notebook ``HTML(frontier_animation(run).to_jshtml())``; as a file ``.save("frontier.gif", writer="pillow")``.
    """
    from matplotlib.animation import FuncAnimation

    shown = months_of(result, months if months is not None else range(result.setup.months))
    table = frontier_numbers(result, shown)

    @style.styled
    def start() -> tuple[Figure, Axes]:
        figure, (ax,) = style.canvas(None, 1, 1, (5.2, 3.6))
        return figure, ax

    figure, ax = start()

    @style.styled
    def draw(month: int) -> list[Any]:
        ax.clear()
        draw_frontier(ax, table[table["month"] == month], table)
        ax.set_title(month_name(month))
        ax.set_ylabel("price, $ per million tokens")
        ax.set_xlabel("capability, nats")
        ax.legend(loc="lower right", fontsize=7)
        return []

    return FuncAnimation(figure, draw, frames=list(shown), interval=interval, blit=False)


def draw_frontier(ax: Axes, now: pd.DataFrame, all_months: pd.DataFrame | None = None) -> None:
    """Draw the products of one month, on axes whose limits fit `all_months`, the products of all months shown."""
    all_months = now if all_months is None else all_months
    largest = max(float(all_months["volume"].max()), 1e-12)
    line = now[now["cheapest"]].sort_values("capability")
    if len(line):
        low = [float(all_months["capability"].min()), *line["capability"]]
        ax.step(low, [line["price"].iloc[0], *line["price"]], where="pre", color=style.GREY, label="cheapest price")
    for kind, look in LOOKS.items():
        rows = now[now["kind"] == kind]
        area = 8 + 90 * np.sqrt(rows["volume"] / largest)
        marks = {name: look[name] for name in ("color", "marker")}
        ax.scatter([], [], s=28, **look)  # a mark of fixed size for the legend
        ax.scatter(
            rows["capability"], rows["price"], s=area, **marks, alpha=0.75, edgecolors="white", linewidths=0.5, zorder=3
        )
    ax.set_yscale("log")
    ax.set_xlim(*padded(all_months["capability"].to_numpy(float)))
    ax.set_ylim(*np.exp(padded(np.log(all_months["price"].to_numpy(float)))))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")


def padded(values: np.ndarray, share: float = 0.06) -> tuple[float, float]:
    """Limits that contain all values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = share * (high - low) or 1.0
    return low - margin, high + margin


def months_of(result: Result, months: Sequence[int] | None) -> list[int]:
    """The requested months; by default those of `SHOWN` within the run, or else its last month."""
    last = result.setup.months - 1
    shown = [month for month in SHOWN if month <= last] or [last] if months is None else [int(m) for m in months]
    if not shown or not all(0 <= month <= last for month in shown):
        raise ValueError(f"months = {shown}: the run has months 0 to {last}")
    return shown


def month_name(month: int) -> str:
    """Name of a month, such as `January 2025` for 24."""
    from abm.scenarios.calendar import date_of

    return f"{date_of(month, 0):%B %Y}"
