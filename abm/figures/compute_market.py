"""The compute market from 2023 to 2025 beside its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import fans, style
from abm.charts.labels import LABELS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

PANELS = {
    "leader_revenue": LABELS["leader_revenue"].name,
    "capex": LABELS["capex"].name,
    "chip_price": LABELS["chip_price"].name,
    "compute_installed": LABELS["compute_installed"].name,
    "machines_platforms": "Machines of platforms",
    "compute_china": "Machines in China",
    "rental_price": "Rent, market",
    "contract_price": "Rent, one-year contract",
    "power_at_work": "Power at work",
    "lead_time": "Lead time of chips",
    "china_share": "China's share, leader's sales",
}
LOGARITHMIC = ("leader_revenue", "capex", "compute_installed", "machines_platforms", "compute_china", "power_at_work")
MONTHS = 36
"""Months shown: January 2023 to December 2025."""
DRAWN: Any = (np.datetime64("2022-12-15"), np.datetime64("2026-01-15"))


def compute_record_numbers(results: Ensemble) -> pd.DataFrame:
    """Long table: observable, source, date, unit; model: q05 ... q95, mean; record: value, low, high.

    Model rows describe the end of a month. An observable that the runs lack has only its record.
    """
    import pandas as pd

    from abm.data import load

    record = load("compute_record").drop(columns="source").assign(source="record")
    unit = record.drop_duplicates("observable").set_index("observable")["unit"]
    parts = [record[record["date"].between(*style.dates(MONTHS)[[0, -1]])]]
    for name in PANELS:
        if name in results.names:
            rows = fans.bands_of(results, name, 0)
            rows = rows[rows["month"] < MONTHS]
            date = style.dates(len(rows))
            head = {"observable": name, "source": "model", "date": date, "unit": unit[name]}
            parts.append(rows.drop(columns="month").assign(**head))
    return pd.concat(parts, ignore_index=True)


@style.styled
def compute_record(results: Ensemble, axes: Any = None) -> Figure:
    """Draw the compute market of a baseline beside its record, 2023 to 2025; `axes`: twelve of your own, 4 x 3.

    Lines and bands are the median and 90 % of runs, dots the record with its range. The last panel has the legend.
    """
    from matplotlib.ticker import LogLocator

    table = compute_record_numbers(results)
    figure, panels = style.canvas(axes, 4, 3, (style.TWO_COLUMNS, 7.6), sharex=True)
    for ax, (name, title) in zip(panels, PANELS.items(), strict=False):
        rows = table[table["observable"] == name]
        model, record = rows[rows["source"] == "model"], rows[rows["source"] == "record"]
        if len(model):
            style.fan(ax, model["date"].to_numpy(), model[["q05", "q50", "q95"]], color=style.BLUE)
        else:
            ax.text(0.98, 0.04, "not in these runs", transform=ax.transAxes, ha="right", fontsize=7, color=style.GREY)
        error = np.abs(record[["low", "high"]].to_numpy() - record[["value"]].to_numpy()).T
        look: Any = {"color": style.OBSERVED, "markersize": 3, "elinewidth": 0.9}
        ax.errorbar(record["date"].to_numpy(), record["value"], yerr=error, fmt="o", **look)
        if name in LOGARITHMIC:
            ax.set_yscale("log", subs=())
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
            ax.yaxis.set_major_formatter("{x:,.10g}")
        else:
            ax.set_ylim(bottom=0)
            style.thousands(ax.yaxis)
        ax.set_title(title)
        ax.set_ylabel(style.literal(rows["unit"].iloc[0]))
        ax.set_xlim(*DRAWN)
        if fans.has_r1(results):
            style.mark_event(ax, text="R1" if ax is panels[0] else "")
        style.date_axis(ax)
        if ax in panels[-4:] or axes is not None:  # the last but three stands above the legend
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("month")
    _explain(panels[-1])
    return figure


def _explain(ax: Any) -> None:
    """Use an empty panel for the legend."""
    ax.plot([], [], color=style.BLUE, label="model: median")
    ax.plot([], [], color=style.BLUE, alpha=0.2, linewidth=7, solid_capstyle="butt", label="model: 90 % of runs")
    ax.errorbar(
        [], [], yerr=[], fmt="o", color=style.OBSERVED, markersize=3, elinewidth=0.9, label="record and its range"
    )
    ax.set_axis_off()
    ax.legend(loc="center left")


def compute_record_caption(runs: int) -> str:
    """Caption of `compute_record`."""
    return (
        f"The compute market beside its record to June 2025, {runs} runs: median and 90 % of runs, and observed values with"
        " their ranges. Revenue of the leading vendor is NVIDIA's from data-centre compute (upper end: with networking);"
        " spending on chips lies between this and all H100 equivalents shipped at NVIDIA's price. The chip price is that"
        " revenue per H100 equivalent shipped. Machines are counted as sold; those in operation are about those sold a"
        " quarter earlier, in machines and in power. Machines in China are those that NVIDIA sold legally. China's share"
        " is that of NVIDIA's whole revenue, in quarters and in fiscal years, shown at the middle of the period."
    )
