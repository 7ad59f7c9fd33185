"""Figures of a calibration: moments in their predictive bands, profiles of the distance, posteriors and priors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts.labels import parameter_name
from abm.charts.style import BLACK, BLUE, GREY, TWO_COLUMNS, VERMILLION, canvas, literal, shared_legend, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from abm.calibration.calibrate import Fit
    from abm.calibration.recovery import Recovered
    from abm.calibration.spec import Calibration

COLUMNS = 4


@styled
def moments(fit: Fit, axes: Any = None) -> Figure:
    """Observed moments (points) in the posterior predictive 90 % bands (bars), in standard deviations of the bands' centre."""
    bands, spec = fit.bands, fit.spec
    logs = np.array([o.scale == "log" for o in spec.data.values()])

    def scaled(column: str) -> np.ndarray:
        values = bands[column].to_numpy(float)
        return np.where(logs, np.log(np.maximum(values, 1e-12)), values)

    sd = np.sqrt(np.diag(fit.criterion.covariance))
    centre = scaled("median")
    low, high, observed = ((scaled(name) - centre) / sd for name in ("low", "high", "observed"))
    figure, (ax,) = canvas(axes, 1, 1, (TWO_COLUMNS, 0.22 * len(bands) + 0.9))
    rows = np.arange(len(bands))[::-1]
    ax.barh(rows, high - low, left=low, height=0.55, color=BLUE, alpha=0.3, label="90 % band of what would be measured")
    ax.plot(np.zeros(len(rows)), rows, "|", color=BLUE, markersize=9, label="median")
    inside = bands["inside"].to_numpy(bool)
    ax.plot(observed[inside], rows[inside], "o", color=BLACK, label="observed")
    if not inside.all():
        ax.plot(
            observed[~inside], rows[~inside], "X", color=VERMILLION, markersize=6, label="observed, outside its band"
        )
    ax.set_yticks(rows, [literal(parameter_name(name)) for name in bands.index])
    ax.set_xlabel("standard deviations of one measured history from the predictive median")
    ax.set_xlim(min(low.min(), observed.min()) - 0.2, max(high.max(), observed.max()) + 0.2)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
    return figure


@styled
def profiles(fit: Fit, axes: Any = None) -> Figure:
    """Rise of the distance along each parameter, with the others re-optimised; a rise of 2.7 ends a 90 % interval."""
    spec, identified = fit.spec, fit.identification
    figure, panels = _panels(len(spec.names), axes)
    for k, (ax, name) in enumerate(zip(panels, spec.names, strict=False)):
        values = spec.priors[name].from_unit(identified.grid[k])
        ax.plot(values, np.minimum(identified.profile[k], 12), color=BLUE, marker="o", markersize=3, label="distance")
        ax.axhline(
            identified.rise,
            color=GREY,
            linestyle="--",
            linewidth=0.9,
            label=f"rise of {identified.rise:.1f}: end of a 90 % interval",
        )
        ax.axvline(fit.theta[k], color=VERMILLION, linestyle=":", linewidth=1.2, label="estimate")
        ax.set_title(literal(parameter_name(name), 24, 2))
        ax.set_ylim(-0.5, 12)
        if spec.priors[name].scale == "log":
            _log_axis(ax, values)
        if k % COLUMNS == 0:
            ax.set_ylabel("rise of J")
    shared_legend(figure, panels[0], axes is None)
    return figure


@styled
def posterior(fit: Fit, axes: Any = None) -> Figure:
    """Histograms of the posterior's draws over the prior's range, with its density (dashed) and the estimate (dotted)."""
    spec = fit.spec
    figure, panels = _panels(len(spec.names), axes)
    units = spec.to_unit(fit.draws)
    for k, (ax, name) in enumerate(zip(panels, spec.names, strict=False)):
        prior = spec.priors[name]
        edges = np.linspace(0, 1, 25)
        heights, _ = np.histogram(units[:, k], bins=edges, density=True)
        values = prior.from_unit(edges)
        ax.bar(values[:-1], heights, width=np.diff(values), align="edge", color=BLUE, alpha=0.5, label="posterior")
        fine = np.linspace(0, 1, 200)
        density = np.exp(-0.5 * ((fine - prior.bell[0]) / prior.bell[1]) ** 2) if prior.bell else np.ones_like(fine)
        density = density / density.mean()
        ax.plot(prior.from_unit(fine), density, color=GREY, linestyle="--", linewidth=1, label="prior")
        ax.axvline(fit.theta[k], color=VERMILLION, linestyle=":", linewidth=1.2, label="estimate")
        ax.set_title(literal(parameter_name(name), 24, 2))
        ax.set_yticks([])
        ax.grid(axis="y", visible=False)
        if prior.scale == "log":
            _log_axis(ax, values)
        if k % COLUMNS == 0:
            ax.set_ylabel("density")
    shared_legend(figure, panels[0], axes is None)
    return figure


@styled
def recovery(recovered: Recovered, spec: Calibration, axes: Any = None) -> Figure:
    """Posterior 90 % intervals and medians against true values (x-axis); intervals that miss the truth are highlighted."""
    figure, panels = _panels(len(recovered.names), axes)
    for k, (ax, name) in enumerate(zip(panels, recovered.names, strict=False)):
        prior = spec.priors[name]
        x, low, middle, high = (getattr(recovered, part)[:, k] for part in ("truth", "low", "median", "high"))
        for inside, color in ((True, BLUE), (False, VERMILLION)):
            rows = recovered.inside[:, k] == inside
            ax.vlines(x[rows], low[rows], high[rows], color=color, linewidth=1 if inside else 1.6)
            ax.plot(x[rows], middle[rows], "o" if inside else "X", color=color, markersize=2.5 if inside else 4)
        ax.plot([prior.low, prior.high], [prior.low, prior.high], color=GREY, linewidth=0.8)
        ax.set_title(literal(parameter_name(name), 24, 2))
        if prior.scale == "log":
            ends = np.array([prior.low, prior.high])
            _log_axis(ax, ends)
            _log_axis(ax, ends, "y")
        if k % COLUMNS == 0:
            ax.set_ylabel("interval")
        if k >= len(recovered.names) - COLUMNS:
            ax.set_xlabel("true value")
    return figure


def _panels(number: int, axes: Any) -> tuple[Figure, list[Any]]:
    columns = min(COLUMNS, number)
    rows = -(-number // columns)
    figure, panels = canvas(axes, rows, columns, (TWO_COLUMNS, 1.35 * rows + 0.4))
    for ax in panels[number:]:
        ax.set_axis_off()
    return figure, panels


def _log_axis(ax: Any, values: np.ndarray, which: str = "x") -> None:
    """Make an axis logarithmic with three plain tick labels; the default has too many for a small panel."""
    from matplotlib.ticker import NullFormatter, NullLocator

    getattr(ax, f"set_{which}scale")("log")
    ends = values.min(), values.max()
    step = 2 if which == "x" and ends[1] < 0.1 else 1  # long labels next to each other would overlap
    inner = np.exp(np.linspace(np.log(ends[0]), np.log(ends[1]), 5))[1:-1:step]
    ticks = [float(f"{x:.2g}") for x in inner]
    axis = getattr(ax, f"{which}axis")
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_ticks(ticks, [f"{x:g}" for x in ticks])


FIGURES: dict[str, Callable[..., Figure]] = {"moments": moments, "profiles": profiles, "posterior": posterior}
