"""Chip demand and the Jevons effect: does cheaper AI mean fewer chips or more?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from abm.runs.results import Ensemble

FIRST_MONTH = 21
SERVING = ("work", "efficiency", "serving")
INSTALLED = ("work_weighted", "efficiency_weighted", "rest_weighted", "installed")
MARKET = ("chip_orders", "chip_revenue")
NAMES = {
    "work": "tokens demanded",
    "efficiency": "compute per token",
    "serving": "serving compute (sum)",
    "work_weighted": "tokens demanded",
    "efficiency_weighted": "compute per token",
    "rest_weighted": "other work, training, idle",
    "installed": "installed compute (sum)",
    "chip_orders": "chip orders",
    "chip_revenue": "chip revenue",
}
LOOKS = {
    "work": (style.GREEN, style.LINES[1]),
    "efficiency": (style.VERMILLION, style.LINES[2]),
    "rest": (style.PURPLE, style.LINES[3]),
    "serving": (style.OBSERVED, style.LINES[0]),
    "installed": (style.OBSERVED, style.LINES[0]),
    "chip_orders": (style.BLUE, style.LINES[0]),
    "chip_revenue": (style.OBSERVED, style.LINES[5]),
}


def serving_compute(runs: Ensemble) -> np.ndarray:
    """Machines that serve tokens (runs, months), H100e: their share of those that run."""
    return runs["serving_share"] * runs["compute_utilisation"] * runs["compute_installed"]


def jevons_terms(baseline: Ensemble, without: Ensemble) -> dict[str, np.ndarray]:
    """Paired log changes (runs, months), with R1 minus without.

    Serving compute is tokens times compute per token, so its log change is the sum of theirs. Installed compute is serving
    compute plus the rest; its log change is split by logarithmic-mean weights (LMDI-I, Ang 2005, *Energy Policy* 33),
    which leave no residual: sum of the three weighted terms = d ln installed.
    """
    months = min(baseline.setup.months, without.setup.months)

    def pair(values: Any) -> tuple[np.ndarray, np.ndarray]:
        return values(baseline)[:, :months], values(without)[:, :months]

    tokens, tokens0 = pair(lambda runs: runs["token_volume"])
    serving, serving0 = pair(serving_compute)
    total, total0 = pair(lambda runs: runs["compute_installed"])
    work = np.log(tokens / tokens0)
    efficiency = np.log(serving / tokens) - np.log(serving0 / tokens0)
    weight = logarithmic_mean(serving, serving0) / logarithmic_mean(total, total0)
    terms = {"work": work, "efficiency": efficiency, "serving": np.log(serving / serving0)}
    terms |= {"work_weighted": weight * work, "efficiency_weighted": weight * efficiency}
    terms["rest_weighted"] = logarithmic_change(total - serving, total0 - serving0, total, total0)
    terms["installed"] = np.log(total / total0)
    for name in MARKET:
        values, values0 = pair(lambda runs, name=name: runs[name])
        terms[name] = np.log(np.maximum(values, 1e-9) / np.maximum(values0, 1e-9))
    return terms


def logarithmic_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(a - b)/(ln a - ln b), or a if the two are equal."""
    close = np.isclose(a, b, rtol=1e-9, atol=0)
    ratio = np.where(close, 2.0, a / b)
    return np.where(close, a, (a - b) / np.log(ratio))


def logarithmic_change(part: np.ndarray, part0: np.ndarray, total: np.ndarray, total0: np.ndarray) -> np.ndarray:
    """Contribution of an additive part to d ln total: its change over the logarithmic mean of the totals."""
    return (part - part0) / logarithmic_mean(total, total0)


def jevons_numbers(baseline: Ensemble, without: Ensemble) -> pd.DataFrame:
    """Long table: term, month, mean, low, high (95 % interval) of the paired log change, log points x 100."""
    import pandas as pd
    from scipy.special import stdtrit

    parts = []
    for name, values in jevons_terms(baseline, without).items():
        runs = values.shape[0]
        mean = values.mean(0)
        spread = values.std(0, ddof=1) if runs > 1 else np.full(mean.shape, np.nan)
        half = float(stdtrit(max(runs - 1, 1), 0.975)) * spread / np.sqrt(runs)
        part = {"term": name, "month": np.arange(values.shape[1])}
        part |= {"mean": 100 * mean, "low": 100 * (mean - half), "high": 100 * (mean + half)}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


@style.styled
def jevons(baseline: Ensemble, without: Ensemble, axes: Any = None) -> Figure:
    """Draw the effect of R1 on serving compute, installed compute and chip orders; `axes`: three of your own."""
    table = jevons_numbers(baseline, without)
    figure, panels = style.canvas(axes, 1, 3, (style.TWO_COLUMNS, 3.2))
    titles = ("Compute serving tokens", "Installed compute", "Chip market")
    for ax, names, title in zip(panels, (SERVING, INSTALLED, MARKET), titles, strict=True):
        for i, name in enumerate(names):
            rows = table[(table["term"] == name) & (table["month"] >= FIRST_MONTH)]
            colour, line = LOOKS[name.removesuffix("_weighted")]
            x = style.dates(int(table["month"].max()) + 1, min(FIRST_MONTH, int(table["month"].max())))
            look: Any = {"color": colour, "linestyle": line, "label": NAMES[name]}
            look |= {"marker": style.MARKERS[i], "markersize": 3, "markevery": (i, max(len(x) // 6, 1))}
            style.interval(ax, x, rows["mean"], rows["low"], rows["high"], **look)
        ax.axhline(0, color="black", linewidth=0.7)
        ax.set_title(title)
        if ax is panels[0] or axes is not None:
            ax.set_ylabel("effect of R1, log points × 100")
        style.mark_event(ax, text="R1" if ax is panels[-1] else "")
        style.date_axis(ax)
        ax.set_xlabel("month")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24) if axes is None else None)
    return figure


def jevons_caption(runs: int) -> str:
    """Caption of `jevons`."""
    return (
        f"Effect of R1 on the demand for compute: paired log changes over {runs} seeds, mean and 95 % interval."
        " Left: compute that serves tokens is tokens times compute per token; it rises if use grows by more than"
        " is saved per token. Middle: the same two terms and everything else (other work, training, idle machines),"
        " weighted by their shares of installed compute; the three add up without a residual"
        " (logarithmic-mean Divisia). Right: chip orders and the revenue of chip vendors."
    )
