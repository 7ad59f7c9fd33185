"""Returns of layers beside those observed on 27 January 2025."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.charts import style
from abm.charts.labels import LAYERS
from abm.charts.style import literal
from abm.experiments.figures.panels import grid, hide_unused
from abm.experiments.figures.registry import Drawn, Material, kind
from abm.experiments.statistics.layers import observed_returns


@kind("by", "y", needed={"layers": list})
def cross_section(material: Material) -> Drawn:
    """Mean returns of layers by group of runs, beside the observed returns; whiskers cover 90 % of runs.

    y: one outcome per layer, in the order of `options.layers`; `by`: the column that defines the groups.
    """
    import pandas as pd

    asked, rows = material.asked, material.rows
    layers = list(asked.options["layers"])
    observed = observed_returns(layers)
    groups = list(dict.fromkeys(rows[asked.by]))
    lines, columns, size = grid(len(groups), 3)
    figure, panels = style.canvas(None, lines, columns, size, sharey=True)
    out = []
    names = {**LAYERS, "leader": "Leading vendor"}
    for ax, group in zip(panels, groups, strict=False):
        returns = 100 * rows[rows[asked.by] == group][list(asked.y)].to_numpy(float)
        low, high = np.nanquantile(returns, [0.05, 0.95], axis=0)
        mean = np.nanmean(returns, axis=0)
        place = np.arange(len(layers))
        whiskers = np.stack([mean - low, high - mean])
        ax.bar(place - 0.2, mean, 0.4, color=style.BLUE, label="model, mean and 90 % of runs")
        ax.errorbar(place - 0.2, mean, yerr=whiskers, fmt="none", color=style.BLACK, linewidth=0.8)
        white: Any = {"facecolor": "white", "edgecolor": style.BLACK, "hatch": "////"}
        ax.bar(place + 0.2, 100 * observed, 0.4, label="observed", **white)
        ax.axhline(0, color=style.BLACK, linewidth=0.7)
        ax.set_xticks(place, [literal(names[layer].partition(" (")[0]) for layer in layers], rotation=25, ha="right")
        ax.set_title(literal(material.value(asked.by, group), 34))
        if ax in panels[::columns]:
            ax.set_ylabel("abnormal return, %")
        for layer, m, lo, hi, seen in zip(layers, mean, low, high, observed, strict=True):
            out.append({asked.by: group, "layer": layer, "mean": m, "q05": lo, "q95": hi, "observed": 100 * seen})
    hide_unused(panels, len(groups))
    style.shared_legend(figure, panels[0], True)
    return figure, pd.DataFrame(out)
