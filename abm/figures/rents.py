"""The life of a rent: how many leading closed flagships still earn half of their best, by months since their release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.fans import COLOURS
from abm.charts.labels import as_text
from abm.runs.vintages import halvings_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

FEWEST = 20
"""Flagships at risk below which a share is not drawn."""


def rent_life_numbers(worlds: Mapping[Any, Ensemble]) -> pd.DataFrame:
    """Long table: world, age (months), share of rents that have not halved, low, high (95 % intervals), at_risk (flagships).

    `worlds` are ensembles with ``products=True`` by label. Flagships of closed labs count that led the market at their
    release, until their own lab replaces them: product-limit estimate, Kaplan and Meier (1958), with Greenwood's variance.
    """
    import pandas as pd

    if not isinstance(worlds, Mapping) or not worlds:
        raise ValueError(
            "worlds: ensembles by label are needed, as in rent_life({'default': abm.ensemble(..., products=True)})"
        )
    tables = []
    for label, ensemble in worlds.items():
        rows = halvings_of(ensemble.vintages())
        counts = rows.groupby(rows["month"] - rows["release"])["halved"].agg(["size", "sum"])
        counts = counts[(counts["size"] >= FEWEST).cummin()]
        hazard = counts["sum"] / counts["size"]
        share = (1 - hazard).cumprod()
        error = 1.96 * share * np.sqrt((hazard / (counts["size"] * (1 - hazard))).cumsum())
        table = pd.DataFrame(
            {
                "world": as_text(label),
                "age": counts.index.to_numpy(),
                "share": share.to_numpy(),
                "low": (share - error).clip(0, 1).to_numpy(),
                "high": (share + error).clip(0, 1).to_numpy(),
                "at_risk": counts["size"].to_numpy(),
            }
        )
        begin = pd.DataFrame({"world": as_text(label), "age": [0], "share": [1.0], "low": [1.0], "high": [1.0]})
        tables += [begin.assign(at_risk=int(counts["size"].max()) if len(counts) else 0), table]
    return pd.concat(tables, ignore_index=True)


@style.styled
def rent_life(worlds: Mapping[Any, Ensemble], axes: Any = None) -> Figure:
    """Draw the share of leading closed flagships whose rent has not halved by age, a line per world; `axes`: one of your own."""
    import pandas as pd
    from matplotlib.ticker import MaxNLocator

    table = rent_life_numbers(worlds)
    few = [label for label, rows in table.groupby("world", sort=False) if len(rows) == 1]
    table = table[~table["world"].isin(few)]
    figure, panels = style.canvas(axes, 1, 1, (style.ONE_COLUMN, 2.6))
    ax = panels[0]
    for number, (label, rows) in enumerate(table.groupby("world", sort=False)):
        look: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": style.LINES[number % len(style.LINES)],
            "drawstyle": "steps-post",
        }
        last = rows.iloc[-1:].assign(age=rows["age"].iloc[-1] + 1)  # a step lasts a month, the last one too
        steps = pd.concat([rows, last])
        ax.plot(steps["age"], steps["share"], label=style.literal(label), **look)
        band = {"step": "post", "color": look["color"], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(steps["age"], steps["low"], steps["high"], **band)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("months since release")
    ax.set_ylabel("rents not halved, share of flagships")
    ax.set_ylim(0, 1.02)
    if few:
        ax.plot([], [], " ", label=f"{style.literal(', '.join(few))}: fewer than {FEWEST} flagships")
    ax.legend()
    return figure


def rent_life_caption(runs: int) -> str:
    """Caption of `rent_life`."""
    return (
        f"The life of a rent: share of closed flagships that led at their release and still earn half of their best or more,"
        f" with adoption and unit cost held as at the release; Kaplan-Meier estimate over {runs} runs with its 95 % interval."
        f" A flagship counts until its own lab replaces it; ages that fewer than {FEWEST} flagships reach are not drawn."
    )
