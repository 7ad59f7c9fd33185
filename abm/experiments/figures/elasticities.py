"""Elasticity of use in efficiency over time."""

from __future__ import annotations

from typing import Any

from abm.charts import style
from abm.charts.style import literal
from abm.experiments.figures.panels import COLOURS, error_bars
from abm.experiments.figures.registry import Drawn, Material, kind
from abm.experiments.sampling import logs, mean_interval, outcome_matrix, slopes_between


@kind("x", "by", "y", optional={"first_year": (int, float)})
def elasticities(material: Material) -> Drawn:
    """Elasticity of use in efficiency, year by year (see the statistic `fading`), one line for each value of `by`.

    y: efficiency and use of the first year, of the second, and so on; `options.first_year`: the first of these years.
    """
    import pandas as pd

    asked, rows = material.asked, material.rows
    figure, (ax,) = style.canvas(None, 1, 1, (5.2, 3.2))
    out = []
    values = sorted(rows[asked.by].unique())
    labels = style.legend_names(material.value(asked.by, value) for value in values)
    for i, (value, label) in enumerate(zip(values, labels, strict=True)):
        runs = rows[rows[asked.by] == value]
        for year, (efficiency_name, use_name) in enumerate(zip(asked.y[::2], asked.y[1::2], strict=True)):
            _, efficiency = outcome_matrix(runs, asked.x, efficiency_name)
            _, use = outcome_matrix(runs, asked.x, use_name)
            mean, low, high, number = mean_interval(slopes_between(efficiency, logs(use)))
            calendar_year = int(asked.options.get("first_year", 1)) + year
            out.append({asked.by: value, "year": calendar_year, "mean": mean, "low": low, "high": high, "runs": number})
        line = pd.DataFrame(out)
        line = line[line[asked.by] == value]
        look: Any = {"color": COLOURS[i], "linestyle": style.LINES[i % len(style.LINES)]}
        # side by side: bands of several lines would cover each other
        place = line["year"] + 0.12 * (i - (rows[asked.by].nunique() - 1) / 2)
        look |= {"marker": style.MARKERS[i], "elinewidth": 0.8, "capsize": 2}
        ax.errorbar(place, line["mean"], yerr=error_bars(line), label=label, **look)
    ax.axhline(1, color=style.GREY, linewidth=0.8)
    ax.set_xlabel("year")
    ax.set_ylabel("elasticity of tokens in efficiency")
    style.shared_legend(figure, ax, True, title=literal(material.label(asked.by)))
    return figure, pd.DataFrame(out)
