"""Price at constant capability: bands of the model beside the list prices of named models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.scenarios.calendar import month_of
from abm.support import samples

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

LEVELS = (0, 1, 2, 3)
"""Levels of capability, nats above the frontier of January 2023."""
LAST_OBSERVED = 29
"""June 2025, the last month of the data."""
NOTICEABLE = 0.25
"""A model is named if it lowers the cheapest price by at least this much, in log points."""


def index_of_nats(baseline: Ensemble) -> tuple[float, float]:
    """Fit (a, b) such that the Epoch Capabilities Index is about a + b x nats.

    Least squares of the observed frontier (the best index of any model released so far) on the model's median frontier,
    month by month, March 2023 to June 2025. No prices are used, so comparing prices at equal capability is a test.
    """
    from abm.data import load

    models = load("capability")
    released = np.array([month_of(date.date()) for date in models["release_date"]])
    months = np.arange(2, min(LAST_OBSERVED + 1, baseline.setup.months))
    best = np.array([models["eci"][released <= month].max() for month in months])
    frontier = np.median(baseline["frontier"][:, months], axis=0)
    slope, intercept = np.polyfit(frontier, best, 1)
    return float(intercept), float(slope)


def cheapest_on_sale(level: float) -> pd.DataFrame:
    """Lowest blended list price of any model with an index of at least `level`, by month: month, price, model, open."""
    import pandas as pd

    from abm.data import load

    offers = load("model_prices").dropna(subset=["eci", "blended"])
    offers = offers[offers["eci"] >= level]
    rows = []
    for month in range(LAST_OBSERVED + 1):
        end = (pd.Period("2023-01", "M") + month).end_time
        on_sale = offers[(offers["price_from"] <= end) & ~(offers["price_to"] <= end)]
        if len(on_sale):
            best = on_sale.loc[on_sale["blended"].idxmin()]
            rows.append(
                {"month": month, "price": best["blended"], "model": best["model"], "open": best["open_weights"]}
            )
    return pd.DataFrame(rows, columns=["month", "price", "model", "open"])


def constant_capability_price_numbers(baseline: Ensemble) -> pd.DataFrame:
    """Long table: level (nats), index (ECI), source, month; model: quantiles, share of runs; observed: price, model."""
    import pandas as pd

    intercept, slope = index_of_nats(baseline)
    months = min(LAST_OBSERVED + 13, baseline.setup.months)
    parts = []
    for level in LEVELS:
        values = baseline[f"price_at_k{level}"][:, :months]
        reached = np.isfinite(values).mean(0)
        bands = {name: np.where(reached >= 0.5, q, np.nan) for name, q in samples.quantiles(values).items()}
        head = {"level": level, "index": intercept + slope * level}
        parts.append(pd.DataFrame(head | {"source": "model", "month": np.arange(months), "share": reached} | bands))
        parts.append(cheapest_on_sale(intercept + slope * level).assign(source="observed", **head))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


@style.styled
def constant_capability_price(baseline: Ensemble, axes: Any = None) -> Figure:
    """Draw the cheapest price at or above four levels of capability, in the model and observed; `axes`: four of your own."""
    table = constant_capability_price_numbers(baseline)
    figure, panels = style.canvas(axes, 2, 2, (style.TWO_COLUMNS, 5.2), sharex=True, sharey=True)
    for ax, level in zip(panels, LEVELS, strict=True):
        rows = table[table["level"] == level]
        model, observed = rows[rows["source"] == "model"], rows[rows["source"] == "observed"]
        style.fan(ax, style.dates(len(model)), model, color=style.BLUE, label="model: median, 50 % and 90 % of runs")
        if len(observed):
            _draw_observed(ax, observed)
        else:
            ax.text(0.5, 0.5, "no model on sale by June 2025", transform=ax.transAxes, ha="center", fontsize=7)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_title(f"{level:g} nats (index {rows['index'].iloc[0]:.0f}) or more")
        ax.set_ylabel("$ per million tokens")
        style.mark_event(ax, text="R1" if ax is panels[0] else "")
        style.date_axis(ax)
        if ax in panels[-2:] or axes is not None:
            ax.set_xlabel("month")
    style.shared_legend(figure, panels[0], axes is None, columns=2)
    return figure


def _draw_observed(ax: Any, observed: pd.DataFrame) -> None:
    """Draw the observed price as steps, and name the models that lowered it noticeably."""
    x, price = style.dates(LAST_OBSERVED + 1)[observed["month"]], observed["price"].to_numpy(float)
    ax.plot(
        x,
        price,
        color=style.OBSERVED,
        linewidth=0.9,
        linestyle="--",
        drawstyle="steps-post",
        label="cheapest list price on sale",
    )
    changed = np.r_[True, observed["model"].to_numpy()[1:] != observed["model"].to_numpy()[:-1]]
    is_open = observed["open"].to_numpy(float) > 0.5
    for group, marker, face, kind in (
        (~is_open, "o", style.OBSERVED, "closed model"),
        (is_open, "s", "white", "open weights"),
    ):
        new = changed & group
        ax.plot(x[new], price[new], marker, color=style.OBSERVED, markerfacecolor=face, label=f"new cheapest: {kind}")
    lowest = np.inf
    for i in np.flatnonzero(changed):
        if price[i] <= lowest * np.exp(-NOTICEABLE):
            lowest = price[i]
            # Names of open models go below left of their mark, closed ones above right, so that neighbours do not overlap.
            offset, side, colour = ((-3, -8), "right", style.GREEN) if is_open[i] else ((3, 3), "left", style.OBSERVED)
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.3}
            ax.annotate(
                _short(observed["model"].iloc[i]),
                (x[i], price[i]),
                xytext=offset,
                textcoords="offset points",
                ha=side,
                fontsize=6,
                color=colour,
                bbox=box,
            )


def _short(model: str) -> str:
    """Name of a model without its version date."""
    return re.sub(r"-(\d{4}-\d{2}-\d{2}|\d{4,8})$", "", model)


def constant_capability_price_caption(baseline: Ensemble) -> str:
    """Caption of `constant_capability_price`, with the fitted mapping of the index."""
    intercept, slope = index_of_nats(baseline)
    return (
        "The cheapest price of any model at or above a level of capability, blended 3 input to 1 output tokens: bands"
        f" over {len(baseline.seeds)} runs (in months when at least half of them have such a model), and the lowest current"
        " list price of named models with a measured index. Capability is in nats of effective compute"
        " above the frontier of January 2023; the Epoch Capabilities Index is mapped to it by index ="
        f" {intercept:.1f} + {slope:.1f} x nats, fitted to the path of the frontier only, not to prices. List"
        " prices are per token: reasoning models use more tokens per task. The data end in June 2025."
    )
