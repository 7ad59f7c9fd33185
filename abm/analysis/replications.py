"""How many replications are enough: from a pilot, how many seeds make an interval as narrow as is wanted.

The 95 % interval of a mean of n runs has the half-width t s / sqrt(n), t of n - 1 degrees of freedom. The n wanted is the
least for which that is within a share h of the mean's size, that is n = (t s / (h m))^2, t being that of n itself
(Hoad, Robinson and Davies 2010; `abm.sweeps.stopping` applies the same rule run by run). The pilot's s is uncertain, and so
is n: its range comes from the chi-square interval of s, which takes runs for normally distributed.

For the difference of two scenarios there are two answers: with independent draws its variance is the sum of both, with
common random numbers it is that of the paired differences, less by twice the covariance (Law 2015, ch. 11).
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
"""Replications beyond which the answer is: never."""
KINDS = ("mean", "difference, own draws", "difference, common draws")


def enough(sd: float, half_width: float, groups: int = 1) -> float:
    """Least replications n with t sd / sqrt(n) within `half_width` (in the unit of sd), 2 or more; infinite for 0.

    `sd` is that of one observation; of a difference of two independent groups (n runs each) the root of the summed
    variances, with t of 2 (n - 1) degrees of freedom.
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
    """Standard deviation of an observation, and its 95 % interval by chi-square.

    values : (n,), or (2, n) for the difference of two groups if they were independent: the root of their summed variances.
    The groups of the pilot share their draws, so that its variances are correlated: degrees of freedom are Satterthwaite's
    (1946) with the covariance of two sample variances, 2 c^2 / (n - 1) for a covariance c.
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
    """Replications needed, from a pilot: of the mean of `first`, and of the difference second - first.

    first, second : (n,), two seeds or more; with the same draws run by run, where there are two: Series are paired by their
    row labels, say seeds. `half_width` is a share of
    the size of the mean of `first`, for differences too, as in `abm.sweeps.stopping`. One row a kind of comparison: `kind`,
    `value` (the mean, or the mean difference), `sd`, `sd_low`, `sd_high`, `reached` (the half-width that the pilot has, as
    such a share), `needed`, `needed_low`, `needed_high`. Infinite where no number of runs does, as for a mean of 0 of runs
    that differ; an outcome that is the same in every run needs two, whatever its mean.

    Raises IncompleteRuns for values that are not finite, ValueError for too few of them, or not as many in both.
    """
    if not 0 < half_width < np.inf:
        raise ValueError(f"half-width {half_width}: must be a number above 0")
    first, second = by_label(first=first, second=second)
    one = np.asarray(first, float)
    if second is not None and np.shape(second) != one.shape:
        raise ValueError(f"values {one.shape} and {np.shape(second)}: both must have the same runs")
    both = one[None] if second is None else np.stack([one, np.asarray(second, float)])
    if both.ndim != 2 or both.shape[1] < 2:
        raise ValueError(f"values {one.shape}: a pilot takes two seeds or more")
    require_finite(both.ravel())
    level = abs(float(one.mean()))
    sides = [(KINDS[0], one, one, 1)]
    if second is not None:
        sides += [(KINDS[1], both[1] - both[0], both, 2), (KINDS[2], both[1] - both[0], both[1] - both[0], 1)]
    rule = Rule("", half_width)
    rows = []
    for kind, values, of, groups in sides:
        sd, low, high = spread(of)
        ns = [enough(s, half_width * level, groups) for s in (sd, low, high)]
        if groups == 2:
            from scipy.special import stdtrit

            n = both.shape[1]
            half = float(stdtrit(2 * (n - 1), 0.5 + CONFIDENCE / 2)) * sd / np.sqrt(n)
            reached = half / level if level else np.inf if half else 0.0
        else:
            with np.errstate(all="ignore"):
                reached = float(half_widths(both if kind == KINDS[2] else one[None], rule)[-1])
        rows.append(
            {"kind": kind, "value": float(values.mean()), "sd": sd, "sd_low": low, "sd_high": high, "reached": reached}
            | dict(zip(("needed", "needed_low", "needed_high"), ns, strict=True))
        )
    return rows


def replications(
    outcomes: Mapping[str, np.ndarray], half_width: float = 0.02, scenarios: tuple[str, ...] = ()
) -> pd.DataFrame:
    """`needed` for outcomes: name -> (scenarios, seeds), one scenario or two; with the `scenarios`' names in a column."""
    import pandas as pd

    rows = []
    for name, values in outcomes.items():
        if len(values) > 2:
            raise ValueError(f"{name}: values of {len(values)} scenarios, where one or two can be compared")
        for row in needed(values[0], values[1] if len(values) > 1 else None, half_width):
            of = " - ".join(scenarios[::-1]) if row["kind"] != KINDS[0] else "".join(scenarios[:1])
            rows.append({"outcome": name, "scenario": of, **row, "pilot": values.shape[1]})
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame, half_width: float) -> str:
    """The table as Markdown, one row an outcome."""
    kinds = [kind for kind in KINDS if kind in set(table["kind"])]
    head = ["outcome", "mean", "sd / mean", *(f"seeds: {kind}" for kind in kinds)]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"]
    for name, own in table.groupby("outcome", sort=False):
        lines.append(f"| {' | '.join([f'`{name}`', *cells(own)])} |")
    pilot = int(table["pilot"].iloc[0])
    said = (
        f"Seeds needed for a 95 % interval within ± {half_width:.3g} of the mean's size, from a pilot of {pilot} seeds; in"
        " brackets what the pilot's uncertain standard deviation allows (95 %)."
    )
    return "\n".join([said, "", *lines, ""])


def cells(own: pd.DataFrame) -> list[str]:
    """Mean, relative standard deviation and seeds needed, of one outcome's rows."""
    first = own.iloc[0]
    relative = f"{first['sd'] / abs(first['value']):.3g}" if first["value"] else "-"
    seeds = [
        f"{whole(row.needed)} [{whole(row.needed_low)}, {whole(row.needed_high)}]"
        for row in own.itertuples()
    ]  # fmt: skip
    return [f"{first['value']:.4g}", relative, *seeds]


def whole(number: float) -> str:
    return f"{number:,.0f}" if np.isfinite(number) else "never"
