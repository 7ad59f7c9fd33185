"""Beliefs around the shock: disagreement among investors, openness of the questions, and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import label_of
from abm.support import samples

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

OBSERVABLES = ("belief_dispersion", "winner_entropy", "attention")
AROUND = (15, 37)
"""Months shown: April 2024 to January 2026."""


def belief_dispersion_numbers(baseline: Ensemble, without: Ensemble) -> pd.DataFrame:
    """Long table: observable, scenario, month, q05 ... q95, mean."""
    import pandas as pd

    last = min(AROUND[1], baseline.setup.months, without.setup.months)
    first = min(AROUND[0], last - 1)
    parts = [
        pd.DataFrame({"observable": name, "scenario": scenario, "month": np.arange(first, last)} | bands)
        for name in OBSERVABLES
        for scenario, runs in (("baseline", baseline), ("no_r1", without))
        for bands in [samples.quantiles(runs[name][:, first:last])]
    ]
    return pd.concat(parts, ignore_index=True)


@style.styled
def belief_dispersion(baseline: Ensemble, without: Ensemble, axes: Any = None) -> Figure:
    """Draw dispersion, entropy and attention around January 2025, with R1 and without; `axes`: three of your own."""
    table = belief_dispersion_numbers(baseline, without)
    figure, panels = style.canvas(axes, 1, 3, (style.TWO_COLUMNS, 2.5))
    for ax, name in zip(panels, OBSERVABLES, strict=True):
        for scenario, look in style.SCENARIOS.items():
            rows = table[(table["observable"] == name) & (table["scenario"] == scenario)]
            style.fan(ax, style.dates(int(rows["month"].max()) + 1, int(rows["month"].min())), rows, **look)
        label = label_of(name)
        ax.set_title(style.literal(label.name, 27))
        ax.set_ylabel(style.literal(label.unit))
        style.mark_event(ax, text="R1" if ax is panels[0] else "")
        style.date_axis(ax, every=6)
        ax.set_xlabel("month")
    style.explain_bands(panels[0])
    style.shared_legend(figure, panels[0], axes is None)
    return figure


def belief_dispersion_caption(runs: int) -> str:
    """Caption of `belief_dispersion`."""
    return (
        f"Beliefs of investors around the shock, at the end of each month, {runs} paired runs: median, middle 50 % (dark)"
        " and 90 % (light) of runs. Dispersion is the wealth-weighted standard deviation of mean beliefs"
        " about compute intensity, appropriability and policy tightness. Entropy is that of the sign of each"
        " question, given the pooled beliefs of all investors (0.69 nats: no information)."
    )
