"""The life of a rent: what a leading closed flagship still earns, month by month after its release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.fans import COLOURS
from abm.charts.labels import as_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

OLDEST = 12
"""Months of age up to which enough flagships are still the newest of their lab."""


def rent_life_numbers(worlds: Mapping[Any, Ensemble], first: int = 12) -> pd.DataFrame:
    """Long table: world, age (months), rent_left (mean over releases), low, high (95 % intervals over runs), releases.

    `worlds` are ensembles with ``products=True`` by label; releases of closed labs that led the market count from month
    `first` on. A flagship that its own lab has replaced no longer counts: what is left is what rivals leave.
    """
    import pandas as pd

    tables = []
    for label, ensemble in worlds.items():
        life = ensemble.vintages()
        closed = [lab for lab in ensemble.setup.cast.labs if lab.startswith("closed")]
        kept = life["lab"].isin(closed) & life["led"] & (life["release"] >= first) & (life["age"] <= OLDEST)
        life = life[kept].dropna(subset=["rent_left"])
        life = life.assign(rent_left=life["rent_left"].clip(0.01, 10.0))
        by_run = np.log(life["rent_left"]).groupby([life["seed"], life["age"]]).mean().unstack("age")
        mean, error = by_run.mean(), 1.96 * by_run.std() / np.sqrt(by_run.count())
        tables.append(
            pd.DataFrame(
                {
                    "world": as_text(label),
                    "age": mean.index.to_numpy(),
                    "rent_left": np.exp(mean).to_numpy(),
                    "low": np.exp(mean - error).to_numpy(),
                    "high": np.exp(mean + error).to_numpy(),
                    "releases": life.groupby("age").size().reindex(mean.index).to_numpy(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


@style.styled
def rent_life(worlds: Mapping[Any, Ensemble], axes: Any = None, first: int = 12) -> Figure:
    """Draw what is left of the rent of closed flagships by age, a line per world; `axes`: one of your own."""
    table = rent_life_numbers(worlds, first)
    figure, panels = style.canvas(axes, 1, 1, (style.ONE_COLUMN, 2.6))
    ax = panels[0]
    for number, (label, rows) in enumerate(table.groupby("world", sort=False)):
        look: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": style.LINES[number % len(style.LINES)],
        }
        ax.plot(rows["age"], rows["rent_left"], label=style.literal(label), **look)
        ax.fill_between(rows["age"], rows["low"], rows["high"], color=look["color"], alpha=0.15, linewidth=0)
    ax.set_xlabel("months since release")
    ax.set_ylabel("rent over the best of its first months")
    ax.set_yscale("log")
    ax.legend()
    return figure


def rent_life_caption(runs: int) -> str:
    """Caption of `rent_life`."""
    return (
        f"The life of a rent: what closed flagships that led at their release earn over the cost of serving them, relative to"
        f" the best of their first three months, with adoption and unit cost held as at the release; geometric mean over"
        f" releases, with the 95 % interval over {runs} runs. A flagship counts until its own lab replaces it."
    )
