"""Figures of sweeps: phase diagrams over two factors, and tornado charts of one factor at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import as_text, label_of, parameter_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.sweeps import Results

MOST_TICKS = 8
"""Largest number of grid values that each get their own tick."""


def phase_diagram_numbers(results: Results, x: str, y: str, outcome: str) -> pd.DataFrame:
    """One row per point in the plane: x, y, mean of the outcome over replications and other factors, number of runs.

    Raises KeyError for an unknown column; ValueError if a factor has only one value or runs lack a finite outcome.
    """
    runs = results.runs()
    for name, known in ((x, results.factors), (y, results.factors), (outcome, results.outcomes)):
        if name not in known:
            from abm.support.messages import did_you_mean, shortened

            raise KeyError(
                f"no {'outcome' if name == outcome else 'factor'} {shortened(name)}{did_you_mean(name, known)}"
            )
    bad = ~np.isfinite(runs[outcome].to_numpy(float))
    if bad.any():
        first = runs.loc[bad, "run_id"].iloc[0]
        raise ValueError(
            f"{int(bad.sum())} of {len(runs)} runs have no {outcome} (first: run {first}): see results.failures()"
        )
    table = runs.groupby([x, y], sort=True)[outcome].agg(["mean", "size"]).reset_index()
    for name in (x, y):
        if table[name].nunique() < 2:
            raise ValueError(f"{name} has only one value in this sweep: a phase diagram needs two factors that vary")
    return table.rename(columns={"size": "runs"})


@style.styled
def phase_diagram(
    results: Results,
    x: str,
    y: str,
    outcome: str,
    ax: Any = None,
    *,
    zero: float | None = None,
    label: str | None = None,
    width: float = 4.6,
) -> Figure:
    """Draw the mean of an outcome over two factors: cells for a grid, contours for a space-filling design.

    Parameters
    ----------
    results
        Results of a sweep (`abm.sweep`, `abm.open_sweep`).
    x, y, outcome
        Two factors, and a column of ``results.outcomes``.
    ax
        Your own axes.
    zero
        Value that separates two regimes, drawn as a line with a different colour on each side. Default: 0 if the outcome
        takes both signs.
    label
        Label of the colour bar.
    width
        Width of a new figure, inches (`abm.charts.style.ONE_COLUMN` is a column of a paper).
    """
    table = phase_diagram_numbers(results, x, y, outcome)
    figure, (ax,) = style.canvas(ax, 1, 1, (width, 0.76 * width))
    value = table["mean"].to_numpy(float)
    if zero is None and value.min() < 0 < value.max():
        zero = 0.0
    if zero is not None:
        reach = float(np.abs(value - zero).max()) or 1.0
        colours: Any = {"cmap": "RdBu_r", "vmin": zero - reach, "vmax": zero + reach}
    else:
        colours = {"cmap": "cividis", "vmin": value.min(), "vmax": value.max()}
    wide = table.pivot(index=y, columns=x, values="mean")
    logs = {name: getattr(results.sweep.factors.get(name), "scale", "linear") == "log" for name in (x, y)}
    if wide.notna().all(axis=None):
        drawn = ax.pcolormesh(
            _edges(wide.columns, logs[x]), _edges(wide.index, logs[y]), wide.to_numpy(float), **colours
        )
        if min(wide.shape) > 1 and zero is not None:
            ax.contour(wide.columns, wide.index, wide.to_numpy(float), levels=[zero], colors="black", linewidths=1.2)
    else:
        levels = np.linspace(colours["vmin"], colours["vmax"], 11)
        drawn = ax.tricontourf(table[x], table[y], value, levels=levels, cmap=colours["cmap"], extend="both")
        if zero is not None:
            ax.tricontour(table[x], table[y], value, levels=[zero], colors="black", linewidths=1.2)
        ax.plot(table[x], table[y], ".", color=style.BLACK, markersize=1.5, alpha=0.5)
    ax.grid(False)
    ax.set_xlabel(style.literal(factor_name(results, x)))
    ax.set_ylabel(style.literal(factor_name(results, y)))
    ax.set_xscale("log" if logs[x] else "linear")
    ax.set_yscale("log" if logs[y] else "linear")
    for values, axis in ((wide.columns, ax.xaxis), (wide.index, ax.yaxis)):
        if len(values) <= MOST_TICKS:
            axis.set_ticks([float(value) for value in values], [f"{value:g}" for value in values], minor=False)
            axis.set_ticks([], minor=True)
    bar = figure.colorbar(
        drawn, ax=ax, label=style.literal(outcome_name(results, outcome) if label is None else label, 42)
    )
    if zero is not None:
        bar.ax.axhline(zero, color="black", linewidth=1.2)
    return figure


def tornado_numbers(results: Results, outcome: str) -> pd.DataFrame:
    """One row per factor and end (`at`): paired change of the outcome with 95 % interval; widest factor first.

    Each point of the sweep must differ from the first in exactly one factor (a design of kind `table` with a middle row
    first, then rows at the ends). Raises ValueError otherwise; KeyError for an unknown outcome.
    """
    import pandas as pd

    from abm.sweeps.comparison import paired

    runs = results.runs()
    if outcome not in results.outcomes:
        from abm.support.messages import did_you_mean, shortened

        raise KeyError(f"no outcome {shortened(outcome)}{did_you_mean(outcome, results.outcomes)}")
    design = results.design.set_index("point")[results.factors]
    middle = design.iloc[0]
    first = runs[runs["point"] == design.index[0]].set_index("replication")[outcome]
    ends: dict[str, list[dict[str, Any]]] = {}
    for point, row in design.iloc[1:].iterrows():
        moved = [name for name in results.factors if row[name] != middle[name]]
        if len(moved) != 1:
            raise ValueError(
                f"point {point} differs from the first in {len(moved)} factors ({', '.join(moved) or 'none'}): a tornado"
                ' needs exactly one; use a design of kind "table" with a middle row first, then each factor\'s ends'
            )
        own = runs[runs["point"] == point].set_index("replication")[outcome]
        both = own.to_numpy(float)[None], first.reindex(own.index).to_numpy(float)[None]
        if not np.isfinite(both).all():
            raise ValueError(f"point {point} or the first point has runs without {outcome}: see results.failures()")
        effect = paired(*both, 0.95)
        end = {"at": row[moved[0]], "change": effect["difference"], "low": effect["low"], "high": effect["high"]}
        ends.setdefault(moved[0], []).append(end)
    rows = [{"factor": name, "middle": middle[name], **end} for name, two in ends.items() for end in two]
    table = pd.DataFrame(rows)
    width = table.groupby("factor")["change"].agg(lambda change: max(change.max(), 0) - min(change.min(), 0))
    order = width.sort_values(ascending=False, kind="stable").index
    table["factor"] = pd.Categorical(table["factor"], order)
    return table.sort_values(["factor", "at"], ignore_index=True)


@style.styled
def tornado(results: Results, outcome: str, ax: Any = None, *, label: str | None = None) -> Figure:
    """Draw the effect of each factor alone on an outcome, at its two ends, as bars with 95 % intervals; widest first.

    The first point of the sweep is the middle; every other point differs from it in one factor (see `tornado_numbers`).
    """
    from matplotlib.patches import Patch

    table = tornado_numbers(results, outcome)
    factors = list(table["factor"].cat.categories)
    figure, (ax,) = style.canvas(ax, 1, 1, (5.6, 0.8 + 0.3 * len(factors)))
    for position, factor in enumerate(factors):
        rows = table[table["factor"] == factor]
        for row in rows.itertuples():
            upper = row.at > row.middle
            ax.barh(
                position + (0.18 if upper else -0.18), row.change, 0.34, **_ENDS[upper],
                xerr=[[row.change - row.low], [row.high - row.change]],
                error_kw={"elinewidth": 0.8, "ecolor": style.BLACK, "capsize": 1.5},
            )  # fmt: skip
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(factors)), [_ends(results, table, factor) for factor in factors])
    ax.set_ylim(len(factors) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    of = outcome_name(results, outcome) if label is None else as_text(label)
    ax.set_xlabel(style.literal(f"change of {of}"))
    marks = [Patch(**_ENDS[upper], label=f"at its {'high' if upper else 'low'} end") for upper in (False, True)]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return figure


_ENDS: dict[bool, dict[str, Any]] = {
    False: {"facecolor": style.ORANGE, "hatch": "////", "edgecolor": "white", "linewidth": 0.4},
    True: {"facecolor": style.BLUE, "edgecolor": "white", "linewidth": 0.4},
}
"""Styles of the bars at the low end and at the high end."""


def outcome_name(results: Results, outcome: str) -> str:
    """Label of an outcome of a sweep, with its unit."""
    from abm.figures.sensitivity import titles

    spec = results.sweep.columns[outcome]
    unit = "" if spec.date else label_of(spec.of).unit
    return titles({outcome: spec})[outcome] + (f" ({unit})" if unit else "")


def factor_name(results: Results, factor: str) -> str:
    """Label of a factor of a sweep, with its unit."""
    target = results.sweep.targets.get(factor)
    unit = getattr(target, "unit", "") if target else ""
    return parameter_name(factor) + (f" ({unit})" if unit else "")


def _ends(results: Results, table: pd.DataFrame, factor: str) -> str:
    rows = table[table["factor"] == factor]
    values = " to ".join(
        f"{value:g}" if isinstance(value, int | float | np.number) else as_text(value) for value in rows["at"]
    )
    return style.literal(f"{parameter_name(factor)}: {values}", 40)


def _edges(values: Any, logarithmic: bool) -> np.ndarray:
    """Edges of the cells around the values of a grid."""
    centres = np.log(np.asarray(values, float)) if logarithmic else np.asarray(values, float)
    middle = (centres[1:] + centres[:-1]) / 2
    edges = np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
    return np.exp(edges) if logarithmic else edges
