"""Fit of the model to the data: targets and their bounds, posterior predictive bands, p-values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.calibration.facts import LAST_MONTH, moments, run, run_at
from abm.data import draws, targets
from abm.support.files import write_text

if TYPE_CHECKING:
    import pandas as pd

FIT = "june_2025"
"""Fit whose posterior is used for the bands."""
DRAWN_SEED = 2_000_000
"""First seed of histories at posterior draws, distinct from all seeds used in calibration."""
PREDICTIVE = (0.05, 0.95)
LEAST = 40
"""Minimum number of histories that define a moment for a band and a p-value. With fewer, the smallest p-value, 2/(n + 1),
would not be below 5 %, and the band would depend on a few extreme histories."""


def table(
    seeds: Iterable[int] = range(100), progress: Callable[[int, int, float], None] | None = None, **options: Any
) -> pd.DataFrame:
    """One row per target: observed value, mean of the model over the seeds, and whether it is within bounds.

    Besides the runs at the defaults, the same number of histories is run at draws of the posterior, for bands of what would
    be measured if the model were true.
    """
    seeds = list(seeds)
    total = 2 * len(seeds)
    count = progress or (lambda *_: None)
    moments_by_run = moments(run(seeds, lambda done, _, seconds: count(done, total, seconds), **options))
    return tabulate(
        moments_by_run, predicted(len(seeds), lambda done, _, s: count(len(seeds) + done, total, s), **options)
    )


def predicted(
    number: int, progress: Callable[[int, int, float], None] | None = None, fit: str = FIT, **options: Any
) -> dict[str, np.ndarray]:
    """Moments by run (number,), each run with its own posterior draw of a fit and its own seed."""
    from abm.runs.setup import Setup

    table = draws(fit)
    rows = np.arange(number) % len(table)
    setup = Setup.of(**{"months": LAST_MONTH} | options)
    columns = {str(name): table[name].to_numpy()[rows] for name in table}
    return moments(run_at(setup, columns, range(DRAWN_SEED, DRAWN_SEED + number), progress))


def tabulate(moments_by_run: dict[str, np.ndarray], predictive: dict[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Table of moments by run (runs,) against `abm/data/targets.csv`, with bands from posterior runs if given."""
    import pandas as pd

    rows = []
    for name, target in targets().iterrows():
        values = np.asarray(moments_by_run[str(name)], dtype=float)
        good = values[np.isfinite(values)]
        mean, mcse = mean_of(good, target["scale"] == "log")
        enough = good.size >= LEAST
        p_value = predictive_p_value(np.asarray(moments_by_run.get(f"{name} by run", values), dtype=float), target)
        rows.append(
            {
                "target": name,
                "description": target["description"],
                "observed": target["value"],
                "low": target["lower"],
                "high": target["upper"],
                "unit": target["unit"],
                "model": mean,
                "mcse": mcse,
                "runs": int(values.size),
                "undefined_runs": int(values.size - good.size),
                "within": bool(target["lower"] <= mean <= target["upper"]),
                "p_value": p_value if enough else np.nan,
                "is_bound": is_bound(target),
            }
        )
        if predictive is not None:
            own = predictive.get(f"{name} by run", predictive[str(name)])
            rows[-1] |= band(np.asarray(own, float), target, len(rows))
    return pd.DataFrame(rows)


def mean_of(values: np.ndarray, logarithmic: bool) -> tuple[float, float]:
    """Mean over runs and its Monte Carlo standard error; geometric for moments compared on a log scale."""
    if not values.size:
        return float("nan"), float("nan")
    scaled = np.log(values) if logarithmic else values
    error = float(scaled.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")
    mean = float(scaled.mean())
    return (float(np.exp(mean)), float(np.exp(mean)) * error) if logarithmic else (mean, error)


def band(values: np.ndarray, target: Any, place: int) -> dict[str, Any]:
    """Posterior predictive 90 % band of measured values, whether the observation lies in it, and its p-value.

    values (runs,) come from histories at posterior draws; the target's measurement error is added to each. A sign or a bound
    has no band, and its p-value is the share of histories that meet it. Histories that leave the moment undefined are
    counted and excluded from the band. With fewer than `LEAST` histories there is neither band nor p-value.
    """
    left_out = int((~np.isfinite(values)).sum())
    values = values[np.isfinite(values)]
    none = {"band_low": np.nan, "band_high": np.nan, "inside": np.nan, "p_value": np.nan, "undefined_draws": left_out}
    if values.size < LEAST:
        return none
    if not isinstance(target["scale"], str):
        return none | {"p_value": predictive_p_value(values, target)}
    errors = float(target["error"]) * np.random.default_rng([13, place]).standard_normal(values.size)
    measured = np.exp(np.log(values) + errors) if target["scale"] == "log" else values + errors
    low, high = np.quantile(measured, PREDICTIVE)
    inside = bool(low <= target["value"] <= high)
    p_value = predictive_p_value(measured, target)
    return {"band_low": low, "band_high": high, "inside": inside, "p_value": p_value, "undefined_draws": left_out}


def predictive_p_value(values: np.ndarray, target: Any) -> float:
    """How surprising the observation is if the model is true: 2 min(P(T <= observed), P(T >= observed)) over runs.

    Over runs at draws of a posterior it is posterior predictive; over runs at one estimate it is a plug-in p-value.

    For a sign or a bound, the share of runs that meet it. With n runs the smallest value is 2/(n + 1) (Gelman, Meng and
    Stern 1996; the count includes the observation as in Davison and Hinkley 1997, ch. 4).
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan")
    observed, low, high = (float(target[name]) for name in ("value", "lower", "upper"))
    if is_bound(target):
        return float(((values >= low) & (values <= high)).mean())
    tails = [(1 + (values <= observed).sum()) / (1 + values.size), (1 + (values >= observed).sum()) / (1 + values.size)]
    return float(min(1.0, 2 * min(tails)))


def is_bound(target: Any) -> bool:
    """Whether a target is a sign or a bound rather than a value."""
    return str(target["unit"]) == "sign" or float(target["value"]) == float(target["lower"])


def fitted_moments() -> tuple[str, ...]:
    """Names of the moments that the defaults were fitted to."""
    from abm.calibration.spec import Calibration

    return Calibration.load(FIT).moments


def inside_band(table: pd.DataFrame) -> str:
    """A sentence on how many moments lie in their bands, fitted and others, and how many have no band."""
    if int(table["runs"].max()) < LEAST:
        return f"Bands and p-values need at least {LEAST} seeds."
    fitted, banded = table["target"].isin(fitted_moments()), table["inside"].notna()
    comparable = banded | table["target"].isin(targets().index[targets()["scale"].notna()])
    counts = []
    for which in (comparable & fitted, comparable & ~fitted):
        inside, without = int((table.loc[which, "inside"] == True).sum()), int((which & ~banded).sum())  # noqa: E712
        counts.append((inside, int(which.sum()), f" ({without} without a band)" if without else ""))
    (fitted_inside, fitted_total, lacking), (other_inside, other_total, absent) = counts
    return (
        f"{fitted_inside} of the {fitted_total} moments of the fit{lacking}, and {other_inside} of {other_total} others{absent},"
        " lie inside their posterior predictive 90 % band."
    )


def undefined(table: pd.DataFrame) -> list[str]:
    """One line for each moment that some histories leave undefined; they are excluded from its mean and its band."""
    lines = []
    for row in table.itertuples():
        counts = {"runs": row.undefined_runs, "draws of the posterior": getattr(row, "undefined_draws", 0)}
        counted = [f"{number} of {row.runs} {of}" for of, number in counts.items() if number > 0]
        if counted:
            lines.append(f"{row.target}: {' and '.join(counted)} leave it undefined and are excluded")
    return lines


def write_markdown(table: pd.DataFrame, path: Any, command: str) -> None:
    """Write the table as a Markdown page that names the command which produced it."""
    from pathlib import Path

    fitted = fitted_moments()
    head = "target | observed | bounds | model (mean) | MCSE | within | 90 % band | inside | p-value"
    lines = [f"| {head} |", f"|{' --- |' * 9}"]
    for row in table.itertuples():
        bounds = f"{row.low:g} … {row.high:g}"
        inside = f"{row.band_low:.3g} … {row.band_high:.3g}" if row.band_low == row.band_low else ""
        lines.append(
            f"| {row.description} (`{row.target}`{', fitted' if row.target in fitted else ''}) | {row.observed:g} {row.unit}"
            f" | {bounds} | {row.model:.3g} | {row.mcse:.2g} | {'yes' if row.within else '**no**'} | {inside} |"
            f" {named(row.inside)} | {p_value_of(row, '.3g')} |"
        )
    within = int(table["within"].sum())
    text = (
        f"# Calibration\n\nWritten by `{command}`; do not edit by hand.\n\n"
        f"{within} of {len(table)} targets are within their bounds on the mean of {int(table['runs'].max())} seeds."
        f" {inside_band(table)}\n\n"
        + "\n".join(lines)
        + "".join(f"\n\n{line}." for line in undefined(table))
        + "\n\nMean: over seeds, geometric for prices, ratios and other moments compared on a log scale. MCSE: Monte"
        " Carlo standard error of the mean. p-value: posterior predictive, two-sided: how surprising the one"
        " observed history would be if the model were true, over histories that each have their own posterior draw and"
        " measurement error. A small value means that the model's histories do not look like the data in this respect, even"
        " where their mean is within bounds."
        "\n\n90 % band: posterior predictive band of measured values: the same number of histories, each with its own posterior"
        " draw of the fit to June 2025 (`abm/data/fits`), plus measurement error."
        "\n\n\\* The target is a sign or a bound; this is the share of runs that meet it.\n"
    )
    write_text(Path(path), text)


def p_value_of(row: Any, digits: str) -> str:
    """Format a row's p-value, with a star if it is the share of runs that meet a bound; blank if there is none."""
    return "" if row.p_value != row.p_value else f"{row.p_value:{digits}}{'*' if row.is_bound else ''}"


def named(inside: Any) -> str:
    """Format whether a moment is inside its band; blank if it has none."""
    return "" if inside is None or inside != inside else "yes" if inside else "**no**"
