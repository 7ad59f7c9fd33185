"""Tables of the R1 job: paired differences, the day of the crash by layer, targets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from abm.charts.labels import PRICING_POWER, label_of

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Ensemble

SHOCK = 24
"""January 2025."""
WINDOWS = {"2025": (24, 36), "2026": (36, 48), "2027": (48, 60)}
"""Months of the calendar years after the shock."""
BY_RANK = ("lerner_followers", "lerner_closed_nash", "lerner_leader_nash", "lerner_rest_nash", "lerner_followers_nash")
"""Further Lerner indices: of followers, and at the month's Nash prices."""
COMPARED = (
    *PRICING_POWER,
    *BY_RANK,
    "open_token_share",
    "open_enterprise_share",
    "hhi",
    "frontier_price",
    "mean_price_paid",
    "price_index",
    "price_at_k2",
    "price_at_k3",
    "frontier",
    "open_closed_gap",
    "research_spending",
    "token_volume",
    "token_revenue",
    "api_revenue",
    "subscription_revenue",
    "adoption",
    "compute_installed",
    "chip_orders",
    "chip_revenue",
    "leader_margin",
    "rental_price",
    "rent_over_cost",
    "lead_time",
    "places",
    "capex",
    "equity_chips",
    "belief_dispersion",
    "winner_entropy",
    "attention",
    "active_labs",
    "consumer_surplus",
    "producer_surplus",
    "welfare",
)
IN_LOGS = (
    "frontier_price",
    "mean_price_paid",
    "price_index",
    "price_at_k2",
    "price_at_k3",
    "research_spending",
    "rent_half_life",
    "token_volume",
    "token_revenue",
    "api_revenue",
    "subscription_revenue",
    "adoption",
    "compute_installed",
    "chip_orders",
    "chip_revenue",
    "rental_price",
    "rent_over_cost",
    "places",
    "capex",
    "equity_chips",
)
"""Positive quantities that grow by orders of magnitude: they are compared in logarithms."""


def paired(a: Ensemble, b: Ensemble, observable: str, first: int, last: int) -> dict[str, float]:
    """Difference a - b of the mean over months `first` to `last` - 1, seed by seed, with a 95 % interval.

    Logarithms for the observables in `IN_LOGS`. A month counts if both runs of the pair define it; pairs without any are left
    out (`runs` is the number of pairs left).
    `with` and `without` are means of levels. `variance_reduction`: var(a) + var(b) over var(a - b).
    """
    from scipy.special import stdtrit

    x, y = _windows(a, b, observable, first, last)
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    gap, n = x - y, int(good.sum())
    out = {"with": np.nan, "without": np.nan, "difference": np.nan, "low": np.nan, "high": np.nan}
    out |= {"variance_reduction": np.nan, "runs": n}
    if n == 0:
        return out
    level = np.exp if observable in IN_LOGS else np.asarray  # geometric means where differences are of logarithms
    out |= {"with": float(level(x.mean())), "without": float(level(y.mean())), "difference": gap.mean()}
    if n > 1:
        half = float(stdtrit(n - 1, 0.975)) * gap.std(ddof=1) / np.sqrt(n)
        spread, apart = gap.var(ddof=1), x.var(ddof=1) + y.var(ddof=1)
        reduction = np.inf if spread == 0 else apart / spread
        out |= {"low": gap.mean() - half, "high": gap.mean() + half, "variance_reduction": reduction}
    return out


def _windows(a: Ensemble, b: Ensemble, observable: str, first: int, last: int) -> list[np.ndarray]:
    """Means of an observable, or of its logarithm, over those of months `first` to `last` - 1 that both runs define (runs,)."""
    pair = [runs[observable][:, first:last] for runs in (a, b)]
    with np.errstate(divide="ignore", invalid="ignore"):
        if observable in IN_LOGS:
            pair = [np.log(values) for values in pair]
        known = np.isfinite(pair[0]) & np.isfinite(pair[1])
        return [np.where(known.any(1), np.where(known, values, 0.0).sum(1) / known.sum(1), np.nan) for values in pair]


def windows(months: int) -> dict[str, tuple[int, int]]:
    """The years of `WINDOWS` within a run of `months` months; the last one may be cut short."""
    return {name: (first, min(last, months)) for name, (first, last) in WINDOWS.items() if first < months}


def paired_differences(baseline: Ensemble, others: dict[str, Ensemble]) -> pd.DataFrame:
    """Paired differences of the baseline from other ensembles: one row per comparison, observable and year."""
    import pandas as pd

    rows = []
    for comparison, runs in others.items():
        for observable in COMPARED:
            label = label_of(observable)
            difference_in = "log points" if observable in IN_LOGS else label.unit
            for year, (first, last) in windows(min(runs.setup.months, baseline.setup.months)).items():
                head = {
                    "comparison": comparison,
                    "observable": observable,
                    "name": label.name,
                    "unit": label.unit,
                    "difference_in": difference_in,
                    "year": year,
                }
                rows.append(head | paired(baseline, runs, observable, first, last))
    return pd.DataFrame(rows)


def monthly_differences(baseline: Ensemble, others: dict[str, Ensemble]) -> pd.DataFrame:
    """Paired differences by month: one row per comparison, observable and month, with the columns of `compare(...).frame`."""
    import pandas as pd

    from abm.runs.results import compare

    frames = []
    for comparison, runs in others.items():
        difference = compare(baseline, runs)
        for observable in COMPARED:
            frame = difference.frame(observable)
            head = pd.DataFrame({"comparison": comparison, "observable": observable, "month": np.arange(len(frame))})
            frames.append(pd.concat([head, frame.reset_index(drop=True)], axis=1))
    return pd.concat(frames, ignore_index=True)


def with_daily(runs: Ensemble, months: tuple[int, ...]) -> Ensemble:
    """Restrict the daily returns of an ensemble to some months."""
    indices = [runs.daily_months.index(month) for month in months]
    return dataclasses.replace(
        runs, out=runs.out | {"daily": runs.out["daily"][:, indices]}, daily_months=tuple(months)
    )


def targets(baseline: Ensemble) -> pd.DataFrame | None:
    """The moments of the calibration in these runs; None if the runs are too short."""
    from abm.calibration import facts, fit_table

    if baseline.setup.months <= facts.LAST_MONTH:
        return None
    with np.errstate(all="ignore"):  # a moment may be undefined in a run: the table counts these runs
        return fit_table.tabulate(facts.moments(with_daily(baseline, tuple(facts.EVENT_MONTHS))))


def rank_correlation(day0: pd.DataFrame) -> pd.DataFrame:
    """One row per mechanism: number of right signs, and Spearman's rank correlation with the observed returns."""
    import pandas as pd

    observed = day0[day0["mechanism"] == "observed"].set_index("layer")["mean"]
    rows = []
    for name, group in day0[day0["mechanism"] != "observed"].groupby("mechanism", sort=False):
        model = group.set_index("layer")["mean"].reindex(observed.index)
        correlation = np.corrcoef(model.rank(), observed.rank())[0, 1]
        rows.append(
            {
                "mechanism": name,
                "signs_right": int(group["sign_right"].sum()),
                "layers": len(group),
                "rank_correlation": correlation,
            }
        )
    return pd.DataFrame(rows)
