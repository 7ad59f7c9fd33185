"""Number of replications needed for an interval of a given width, estimated from a pilot.

The 95 % interval of the mean of n runs has half-width t s / sqrt(n), with t for n - 1 degrees of freedom. The number needed
is the smallest n for which this is at most a share h of the absolute mean m: n = (t s / (h m))^2, with t for that same n
(Hoad, Robinson and Davies 2010; `abm.sweeps.stopping` applies the same rule run by run). The pilot's s is uncertain, and so
is n: its range comes from the chi-square interval of s, which assumes normally distributed runs.

For the difference of two scenarios there are two answers: with independent draws its variance is the sum of both variances;
with common random numbers it is the variance of the paired differences, which is smaller by twice the covariance (Law 2015,
ch. 11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.analysis.require_finite import require_finite
from abm.analysis.sensitivity import CONFIDENCE
from abm.support.samples import by_label, is_constant
from abm.sweeps.stopping import Rule, half_widths

if TYPE_CHECKING:
    import pandas as pd

MOST = 10**12
"""Number of replications beyond which the answer is "never"."""
KINDS = ("mean", "difference, own draws", "difference, common draws")


def enough(sd: float, half_width: float, groups: int = 1) -> float:
    """Smallest number of replications n >= 2 with t sd / sqrt(n) <= `half_width` (in the unit of sd).

    Infinite for a half-width of 0. `sd` is the standard deviation of one observation; for a difference of two independent
    groups of n runs each, it is the root of the summed variances, and t has 2 (n - 1) degrees of freedom.
    """
    from scipy.special import stdtrit

    def too_few(n: int) -> bool:
        return float(stdtrit(groups * (n - 1), 0.5 + CONFIDENCE / 2)) * sd / np.sqrt(n) > half_width

    if not half_width > 0 or too_few(MOST):
        return np.inf if sd > 0 else 2.0
    low, high = 1, 2
    while too_few(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if too_few(middle) else (low, middle)
    return float(high)


def spread(values: np.ndarray) -> tuple[float, float, float]:
    """Standard deviation of one observation, with its 95 % chi-square interval.

    values : (n,), or (2, n) for the difference of two groups as if they were independent: the root of the summed variances.
    The groups of the pilot share their draws, so that their variances are correlated: the degrees of freedom are those of
    Satterthwaite (1946), with covariance 2 c^2 / (n - 1) of the two sample variances for a covariance c.
    """
    from scipy.special import chdtri

    groups, n = np.atleast_2d(values), values.shape[-1]
    if all(map(is_constant, groups)):
        return 0.0, 0.0, 0.0
    covariance = np.atleast_2d(np.cov(groups))
    variance = float(np.trace(covariance))
    freedom = (n - 1) * variance**2 / float((covariance**2).sum())
    low, high = (freedom / float(chdtri(freedom, tail)) for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    sd = np.sqrt(variance)
    return float(sd), float(sd * np.sqrt(low)), float(sd * np.sqrt(high))


def needed(first: Any, second: Any = None, half_width: float = 0.02) -> list[dict[str, Any]]:
    """Replications needed, from a pilot, for the mean of `first` and for the difference second - first.

    first, second : (n,), with n >= 2 seeds; if both are given, run by run with the same draws. Series are paired by their
    row labels, such as seeds. `half_width` is a share of the absolute mean of `first`, also for differences, as in
    `abm.sweeps.stopping`.

    Returns one row per kind of comparison: `kind`, `value` (the mean or mean difference), `sd`, `sd_low`, `sd_high`,
    `reached` (the pilot's own half-width, as the same share), `needed`, `needed_low`, `needed_high`. These are infinite if
    no number of runs is enough, for instance for a mean of 0 of runs that differ; an outcome that is the same in every run
    needs two, whatever its mean.

    Raises IncompleteRuns for values that are not finite, ValueError for fewer than two values or unequal numbers of them.
    """
    if not 0 < half_width < np.inf:
        raise ValueError(f"half-width {half_width}: must be a number above 0")
    first, second = by_label(first=first, second=second)
    base = np.asarray(first, float)
    if second is not None and np.shape(second) != base.shape:
        raise ValueError(f"values {base.shape} and {np.shape(second)}: both must have the same runs")
    both = base[None] if second is None else np.stack([base, np.asarray(second, float)])
    if both.ndim != 2 or both.shape[1] < 2:
        raise ValueError(f"values {base.shape}: a pilot needs at least two seeds")
    require_finite(both.ravel())
    level = abs(float(base.mean()))
    comparisons = [(KINDS[0], base, base, 1)]
    if second is not None:
        difference = both[1] - both[0]
        comparisons += [(KINDS[1], difference, both, 2), (KINDS[2], difference, difference, 1)]
    rule = Rule("", half_width)
    rows = []
    for kind, values, observations, groups in comparisons:
        sd, low, high = spread(observations)
        ns = [enough(s, half_width * level, groups) for s in (sd, low, high)]
        if groups == 2:
            from scipy.special import stdtrit

            n = both.shape[1]
            half = float(stdtrit(2 * (n - 1), 0.5 + CONFIDENCE / 2)) * sd / np.sqrt(n)
            reached = half / level if level else np.inf if half else 0.0
        else:
            with np.errstate(all="ignore"):
                reached = float(half_widths(both if kind == KINDS[2] else base[None], rule)[-1])
        rows.append(
            {"kind": kind, "value": float(values.mean()), "sd": sd, "sd_low": low, "sd_high": high, "reached": reached}
            | dict(zip(("needed", "needed_low", "needed_high"), ns, strict=True))
        )
    return rows


def replications(
    outcomes: Mapping[str, np.ndarray], half_width: float = 0.02, scenarios: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Table of `needed` for several outcomes, given as name -> (scenarios, seeds) with one or two scenarios.

    `scenarios` are the scenarios' names, which fill the column `scenario`.
    """
    import pandas as pd

    rows = []
    for name, values in outcomes.items():
        if len(values) > 2:
            raise ValueError(f"{name}: values of {len(values)} scenarios; at most two can be compared")
        for row in needed(values[0], values[1] if len(values) > 1 else None, half_width):
            scenario = " - ".join(scenarios[::-1]) if row["kind"] != KINDS[0] else "".join(scenarios[:1])
            rows.append({"outcome": name, "scenario": scenario, **row, "pilot": values.shape[1]})
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame, half_width: float) -> str:
    """Format the table as Markdown, one row per outcome."""
    kinds = [kind for kind in KINDS if kind in set(table["kind"])]
    head = ["outcome", "mean", "sd / mean", *(f"seeds: {kind}" for kind in kinds)]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"]
    for name, group in table.groupby("outcome", sort=False):
        lines.append(f"| {' | '.join([f'`{name}`', *cells(group)])} |")
    pilot = int(table["pilot"].iloc[0])
    caption = (
        f"Seeds needed for a 95 % interval of ± {half_width:.3g} of the absolute mean, from a pilot of {pilot} seeds; in"
        " brackets the 95 % interval that results from the uncertainty of the pilot's standard deviation."
    )
    return "\n".join([caption, "", *lines, ""])


def cells(group: pd.DataFrame) -> list[str]:
    """Formatted mean, relative standard deviation and seeds needed, for the rows of one outcome."""
    first = group.iloc[0]
    relative = f"{first['sd'] / abs(first['value']):.3g}" if first["value"] else "-"
    seeds = [
        f"{whole(row.needed)} [{whole(row.needed_low)}, {whole(row.needed_high)}]"
        for row in group.itertuples()
    ]  # fmt: skip
    return [f"{first['value']:.4g}", relative, *seeds]


def whole(number: float) -> str:
    """Format a number of replications; infinity is "never"."""
    return f"{number:,.0f}" if np.isfinite(number) else "never"
