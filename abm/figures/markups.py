"""Pricing power before and after the shock: the whole family, with and without R1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.figures import style
from abm.figures.labels import PRICING_POWER, label_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.results import Ensemble

FIRST_MONTH = 12
"""January 2024: the first year is the model settling from its starting values."""


def pricing_power_numbers(baseline: Ensemble, without: Ensemble) -> pd.DataFrame:
    """Long table: observable, scenario, month, q05 ... q95, mean."""
    import pandas as pd

    parts = [
        pd.DataFrame(
            {"observable": name, "scenario": scenario, "month": np.arange(FIRST_MONTH, runs.setup.months)} | bands
        )
        for name in PRICING_POWER
        for scenario, runs in (("baseline", baseline), ("no_r1", without))
        for bands in [style.quantiles(runs[name][:, FIRST_MONTH:])]
    ]
    return pd.concat(parts, ignore_index=True)


@style.styled
def pricing_power(baseline: Ensemble, without: Ensemble, axes: Any = None) -> Figure:
    """Six members of the family over time, with R1 and without; `axes`: six of your own."""
    table = pricing_power_numbers(baseline, without)
    figure, panels = style.canvas(axes, 2, 3, (style.TWO_COLUMNS, 4.3))
    for ax, name in zip(panels, PRICING_POWER, strict=True):
        for scenario, look in style.SCENARIOS.items():
            rows = table[(table["observable"] == name) & (table["scenario"] == scenario)]
            style.fan(ax, style.dates(int(rows["month"].max()) + 1, FIRST_MONTH), rows, **look)
        label = label_of(name)
        ax.set_title(label.name)
        ax.set_ylabel(label.unit or "ratio")
        _thousands(ax, name)
        style.mark_event(ax, text="R1" if ax is panels[0] else "")
        style.date_axis(ax)
        ax.set_xlabel("month")
    style.shared_legend(figure, panels[0], axes is None)
    return figure


def pricing_power_caption(runs: int) -> str:
    """Caption of `pricing_power`."""
    return (
        f"Six measures of the closed labs' pricing power, {runs} paired runs. Lines are medians over runs, dark"
        " bands the middle half of runs, light bands nine tenths of them. Profit is after research and before"
        " chips are paid; profit per $ of training divides it by the rental value of the machines that train. No"
        " single measure is pricing power: when price-sensitive customers leave, those who stay are captive and"
        " the sales-weighted Lerner index can hold or rise."
    )


def pricing_power_change_numbers(baseline: Ensemble, without: Ensemble) -> pd.DataFrame:
    """Long table: observable, month, difference with R1 less without, low, high, variance_reduction."""
    import pandas as pd

    from abm.simulation import compare

    paired = compare(baseline, without)
    parts = []
    for name in PRICING_POWER:
        frame = paired.frame(name).reset_index(drop=True).iloc[FIRST_MONTH:]
        parts.append(pd.DataFrame({"observable": name, "month": frame.index} | {c: frame[c].to_numpy() for c in frame}))
    return pd.concat(parts, ignore_index=True)


@style.styled
def pricing_power_change(baseline: Ensemble, without: Ensemble, axes: Any = None) -> Figure:
    """What R1 changed: mean paired difference of each member with its 95 % interval; `axes`: six of your own."""
    table = pricing_power_change_numbers(baseline, without)
    figure, panels = style.canvas(axes, 2, 3, (style.TWO_COLUMNS, 4.1))
    for ax, name in zip(panels, PRICING_POWER, strict=True):
        rows = table[table["observable"] == name]
        x = style.dates(int(rows["month"].max()) + 1, FIRST_MONTH)
        look = {"color": style.BLUE, "linestyle": "-", "label": "with R1 less without: mean and 95 % interval"}
        style.interval(ax, x, rows["difference"], rows["low"], rows["high"], **look)
        ax.axhline(0, color="black", linewidth=0.7)
        label = label_of(name)
        ax.set_title(label.name)
        ax.set_ylabel(f"change, {label.unit or 'ratio'}")
        _thousands(ax, name)
        style.mark_event(ax, text="R1" if ax is panels[0] else "")
        style.date_axis(ax)
        ax.set_xlabel("month")
    style.shared_legend(figure, panels[0], axes is None)
    return figure


def pricing_power_change_caption(runs: int) -> str:
    """Caption of `pricing_power_change`."""
    return (
        f"What R1 changed: run by run, the value with R1 less that of the same seed without it; mean of {runs}"
        " pairs and its 95 % confidence interval. Before January 2025 both worlds are the same and the"
        " difference is zero."
    )


def _thousands(ax: Any, name: str) -> None:
    """Thousands apart where money is counted in $ M."""
    from matplotlib.ticker import FuncFormatter

    if label_of(name).unit == "$ M per month":
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace("-", "−")))
