"""27 January 2025 by layer: the event window in the model, and the returns under each crash mechanism alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import LAYERS, MECHANISMS
from abm.runs import event_study
from abm.support import samples

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

TOGETHER = "all together"
NEAR_ZERO = 0.05
"""Platform returns up to this size count as "near zero" (targets.csv: sign_platforms)."""
EXPECTED_SIGNS = {"compute": -1, "power": -1, "platforms": 0, "applications": 1}


def event_window_numbers(baseline: Ensemble) -> pd.DataFrame:
    """One row per layer, day and measure (abnormal, raw, both also cumulative): quantiles of the model, and observed."""
    import pandas as pd

    window = event_study.around(baseline)
    parts = []
    for kind in ("abnormal", "raw"):
        for measure, values in ((kind, getattr(window, kind)), (f"cumulative_{kind}", window.cumulative(kind))):
            for layer in LAYERS:
                head = {"layer": layer, "measure": measure, "day": window.days}
                parts.append(pd.DataFrame(head | samples.quantiles(values[layer])))
    table = pd.concat(parts, ignore_index=True)
    observed = event_study.observed().melt(
        ["layer", "day"], ["raw", "abnormal", "cumulative_raw", "cumulative_abnormal"], "measure", "observed"
    )
    return table.merge(observed, on=["layer", "day", "measure"], how="left")


@style.styled
def event_window(baseline: Ensemble, axes: Any = None, kind: str = "abnormal") -> Figure:
    """Draw daily (top) and cumulative (bottom) returns by layer, days -5 to +20.

    `kind`: "abnormal" or "raw" returns; `axes`: eight of your own.
    """
    if kind not in ("abnormal", "raw"):
        raise ValueError(f"kind = {kind!r}: choose 'abnormal' or 'raw'")
    table = event_window_numbers(baseline)
    single = event_study.tickers()
    figure, panels = style.canvas(axes, 2, 4, (style.TWO_COLUMNS, 4.3), sharex=True, sharey="row")
    for column, (layer, name) in enumerate(LAYERS.items()):
        for row, measure in enumerate((kind, f"cumulative_{kind}")):
            ax = panels[4 * row + column]
            rows = table[(table["layer"] == layer) & (table["measure"] == measure)]
            percent = {q: 100 * rows[q] for q in ("q05", "q25", "q50", "q75", "q95")}
            style.fan(ax, rows["day"].to_numpy(), percent, color=style.LAYER_COLOURS[layer], label=None)
            if row == 0:
                firms = single[single["layer"] == layer]
                ax.plot(firms["day"], 100 * firms[kind], ".", color=style.GREY, markersize=2, alpha=0.6)
                ax.set_title(name)
            ax.plot(rows["day"], 100 * rows["observed"], "o", color=style.OBSERVED, markersize=2.6)
            if layer == "applications" and row == 0 and kind == "abnormal":
                raw = table[(table["layer"] == layer) & (table["measure"] == "raw")]
                ax.plot(
                    raw["day"], 100 * raw["observed"], "D", color=style.OBSERVED, markerfacecolor="white", markersize=4
                )
            ax.axhline(0, color="black", linewidth=0.6)
            style.mark_event(ax, at=0)
            if row == 1 or axes is not None:
                ax.set_xlabel("days from 27 January")
            if column == 0 or axes is not None:
                ax.set_ylabel(f"{kind} return, %" if row == 0 else f"cumulative {kind}, %")
            ax.set_xticks(range(-5, 21, 5))
    _window_legend(figure, panels[0], axes is None)
    return figure


def _window_legend(figure: Any, ax: Any, own: bool) -> None:
    """Draw a legend of bands and dots, in grey, since colours stand for layers."""
    ax.plot([], [], color=style.GREY, label="model: median, 50 % and 90 % of runs")
    ax.plot([], [], "o", color=style.OBSERVED, markersize=2.6, label="observed, mean of firms")
    ax.plot([], [], ".", color=style.GREY, markersize=2, label="observed, individual firms")
    ax.plot([], [], "D", color=style.OBSERVED, markerfacecolor="white", label="observed, raw return only")
    style.shared_legend(figure, ax, own, columns=2)


def event_window_caption(runs: int, kind: str = "abnormal") -> str:
    """Caption of `event_window`."""
    return (
        f"{kind.capitalize()} returns around 27 January 2025 (day 0; the news of R1 arrives on day −4): median of the model"
        f" over {runs} runs with bands of 50 % and 90 % of runs, and observed returns. Market model"
        " estimated on 250 earlier trading days; the index of the model weights its layers as in a broad stock index."
        " Cumulative from day 0, and backwards before it. For Apple and Salesforce only the raw return of day 0"
        " is available. The median over runs is smoother than any single run: the observed points are one draw and"
        " should be compared with the bands."
    )


def day0_numbers(ensembles: Mapping[str, Ensemble]) -> pd.DataFrame:
    """One row per mechanism and layer: abnormal return on day 0 with 95 % interval and 90 % band, and over days -4 to 0.

    `ensembles` maps the names of `MECHANISMS`, and `TOGETHER`, to their runs. The last rows are the observed returns.
    """
    import pandas as pd

    rows = []
    for name, runs in ensembles.items():
        window = event_study.around(runs)
        day0 = int(np.flatnonzero(window.days == 0)[0])
        for layer in LAYERS:
            values = window.abnormal[layer][:, day0]
            error = 1.96 * values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
            since = window.abnormal[layer][:, day0 - 4 : day0 + 1].sum(1)
            mean, low, high = values.mean(), values.mean() - error, values.mean() + error
            row = {"mechanism": name, "layer": layer, "mean": mean, "low": low, "high": high}
            row |= {"q05": np.quantile(values, 0.05), "q95": np.quantile(values, 0.95), "since_r1": since.mean()}
            rows.append(row | {"sign": sign_of(layer, mean, low, high)})
    observed = event_study.observed()
    for layer in LAYERS:
        returns = observed[observed["layer"] == layer]
        day = returns[returns["day"] == 0].iloc[0]
        value = day["abnormal"] if np.isfinite(day["abnormal"]) else day["raw"]
        since = returns[returns["day"].between(-4, 0)]["abnormal"].sum(min_count=5)
        rows.append(
            {"mechanism": "observed", "layer": layer, "mean": value, "since_r1": since, "sign": sign_of(layer, value)}
        )
    table = pd.DataFrame(rows)
    table["expected_sign"] = table["layer"].map(EXPECTED_SIGNS)
    table["sign_right"] = table["sign"] == table["expected_sign"]
    return table


def only_raw() -> tuple[str, ...]:
    """Layers for which only the raw return of day 0 was observed, not the abnormal one."""
    day = event_study.observed().query("day == 0").set_index("layer")["abnormal"]
    return tuple(day.index[~np.isfinite(day)])


def sign_of(layer: str, value: float, low: float | None = None, high: float | None = None) -> int:
    """Sign of a return: -1, 0 or 1. Small returns of platforms count as 0, and so do means whose interval contains zero."""
    unclear = low is not None and high is not None and low <= 0 <= high
    return 0 if unclear or (layer == "platforms" and abs(value) <= NEAR_ZERO) else int(np.sign(value))


def matching_rule() -> str:
    """A sentence on what counts as a matched sign (`sign_of`, `EXPECTED_SIGNS`)."""
    return (
        "A sign is matched if chips and power fall and applications rise, with a 95 % interval of the mean that excludes"
        f" zero, and if platforms are within {100 * NEAR_ZERO:.0f} points of zero or their interval contains it."
    )


@style.styled
def crash_mechanisms(ensembles: Mapping[str, Ensemble], axes: Any = None) -> Figure:
    """Draw the abnormal return of each layer on day 0, by mechanism, beside the observed one; `axes`: four of your own.

    `ensembles`: runs by name; `TOGETHER` and the names of `MECHANISMS` come first, followed by names of your own.
    """
    table = day0_numbers(ensembles)
    figure, panels = style.canvas(axes, 1, 4, (style.TWO_COLUMNS, 2.8), sharex=True, sharey=True)
    shown = {TOGETHER: "(a)–(d) together"} | MECHANISMS
    names = [name for name in shown if name in ensembles] + [name for name in ensembles if name not in shown]
    for ax, (layer, title) in zip(panels, LAYERS.items(), strict=True):
        rows = table[table["layer"] == layer].set_index("mechanism")
        observed = 100 * rows.loc["observed", "mean"]
        raw_only = layer == "applications"
        ax.axvline(observed, color=style.OBSERVED, linewidth=1.2, linestyle=":" if raw_only else "-")
        for y, name in enumerate(names):
            row = 100 * rows.loc[name, ["mean", "low", "high", "q05", "q95"]].astype(float)
            colour = style.LAYER_COLOURS[layer]
            ax.plot([row["q05"], row["q95"]], [y, y], color=colour, linewidth=4, alpha=0.25, solid_capstyle="butt")
            ax.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.6)
            right = bool(rows.loc[name, "sign_right"])
            ax.plot(row["mean"], y, "o", color=colour, markerfacecolor=colour if right else "white", markersize=5)
        ax.axvline(0, color="black", linewidth=0.6)
        ax.set_yticks(range(len(names)), [style.literal(shown.get(name, name), 28) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_title(title)
        ax.set_xlabel("abnormal return, %")
    first = panels[0]
    first.plot([], [], color=style.OBSERVED, linewidth=1.2, label="observed")
    first.plot([], [], color=style.OBSERVED, linewidth=1.2, linestyle=":", label="observed, raw")
    first.plot([], [], "o", color=style.GREY, label="model mean, sign matched")
    first.plot([], [], "o", color=style.GREY, markerfacecolor="white", label="model mean, sign not matched")
    first.plot([], [], color=style.GREY, linewidth=1.6, label="95 % interval (may be hidden by the dot)")
    first.plot([], [], color=style.GREY, linewidth=4, alpha=0.25, label="90 % of runs")
    style.shared_legend(figure, first, axes is None)
    return figure


def crash_mechanisms_caption(runs: int) -> str:
    """Caption of `crash_mechanisms`."""
    return (
        f"Abnormal return on 27 January 2025 by layer, {runs} runs each: all four crash mechanisms together, and"
        " each one alone with the other three switched off. Filled dots match the observed sign,"
        f" open dots do not. {matching_rule()} The observed value for applications is a raw return."
    )
