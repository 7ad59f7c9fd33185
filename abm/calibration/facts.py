"""Moments of runs, computed as far as possible in the way in which the targets were computed from data.

Differences: the model has two tiers per lab and no older models on sale; its event study has about 130 days before the event
instead of 250; its applications are one layer, in the data two firms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.agents import OpenLab

if TYPE_CHECKING:
    from abm.runs.results import Ensemble
    from abm.runs.setup import Setup

R1_MONTH, CRASH_DAY = 24, 16  # 27 January 2025, trading days counted from 0
LAST_MONTH = 30  # end of the data, June 2025
SHORT = slice(17, 25)  # months with daily closing prices in the data: June 2024 to January 2025
EVENT_MONTHS = tuple(range(18, 27))


def run(
    seeds: Iterable[int] = range(100), progress: Callable[[int, int, float], None] | None = None, **options: Any
) -> Ensemble:
    """Run the ensemble from which moments are computed."""
    from abm.runs.simulate import ensemble

    options = {"months": LAST_MONTH} | options
    return ensemble(seeds=seeds, daily=EVENT_MONTHS, products=True, progress=progress, **options)


def run_at(
    setup: Setup,
    columns: dict[str, np.ndarray],
    seeds: Iterable[int],
    progress: Callable[[int, int, float], None] | None = None,
) -> Ensemble:
    """Run an ensemble whose parameters vary by run: name -> (runs,), replacing those of `setup`."""
    from abm.runs.simulate import PreparedSetting, run_prepared

    seeds = [int(seed) for seed in seeds]
    values = {name: np.broadcast_to(value, (len(seeds), *value.shape)) for name, value in setup.values.items()}
    prepared = PreparedSetting(setup, values | columns)
    return run_prepared([prepared], seeds, daily=EVENT_MONTHS, products=True, progress=progress)[0]


def moments(runs: Ensemble) -> dict[str, np.ndarray]:
    """All moments by run (runs,); NaN where a run leaves one undefined.

    The rebound is a ratio of means, the same for all runs; "vendor_rebound by run" has that of each run.
    """
    return price_facts(runs) | race_facts(runs) | market_facts(runs) | event_facts(runs) | return_facts(runs)


def _products(runs: Ensemble) -> Any:
    """Product records (runs, months, labs, tiers) and the mask of closed labs (labs,)."""
    populations = runs.setup.populations
    is_open = np.concatenate(
        [
            np.full(number, issubclass(kind, OpenLab))
            for role in ("closed_labs", "open_labs")
            for kind, number in populations.kinds(role)
        ]
    )
    return runs.out["products"], ~is_open


def price_facts(runs: Ensemble) -> dict[str, np.ndarray]:
    """Moments of list prices."""
    record, closed = _products(runs)
    price, capability = np.log(record.price), record.capability
    active, released, revised = record.active, record.released, np.abs(record.revision) > 1e-9
    n = price.shape[0]
    folds, from_release = np.full(n, np.nan), np.full(n, np.nan)
    discount = np.full(n, np.nan)
    for i in range(n):
        slopes, drops_release, drops_all = [], 0.0, 0.0
        for level in np.arange(0.0, 3.6, 0.5):
            offer = np.where(active[i] & (capability[i] >= level), price[i], np.inf).reshape(price.shape[1], -1)[
                :LAST_MONTH
            ]
            cheapest = offer.min(1)
            months = np.flatnonzero(np.isfinite(cheapest))
            if months.size < 15:  # a slope needs a history: leave out levels first reached after March 2024
                continue
            best = np.minimum.accumulate(cheapest[months])
            slopes.append(np.polyfit(months / 12, best, 1)[0])
            for month, drop in zip(months[1:], -np.diff(best), strict=True):
                if drop > 1e-9:
                    product = offer[month].argmin()
                    drops_all += drop
                    drops_release += drop * released[i, month].reshape(-1)[product]
        if slopes:
            folds[i] = np.exp(-np.median(slopes))
        if drops_all > 0:
            from_release[i] = drops_release / drops_all
        window = slice(0, LAST_MONTH)
        launched = (active[i, window] & released[i, window]).reshape(
            -1
        )  # the target comes from a regression of launch prices
        months = np.broadcast_to(np.arange(price.shape[1])[window, None, None], price[i, window].shape).reshape(-1)[
            launched
        ]
        is_open = np.broadcast_to(~closed[None, :, None], price[i, window].shape).reshape(-1)[launched]
        design = np.column_stack(
            [np.ones(launched.sum()), capability[i, window].reshape(-1)[launched], months, is_open]
        )
        discount[i] = 1 - np.exp(np.linalg.lstsq(design, price[i, window].reshape(-1)[launched], rcond=None)[0][3])
    is_closed = closed[None, None, :, None] & active
    launches = is_closed & released

    def launch(months: slice) -> np.ndarray:
        return np.array(
            [
                np.exp(np.median(p[new])) if new.any() else np.nan
                for p, new in zip(price[:, months], launches[:, months], strict=True)
            ]
        )

    kept = (is_closed & ~released)[:, 1:LAST_MONTH]  # hosts of open weights are bound by no posted price
    hazard = (revised[:, 1:LAST_MONTH] & kept).sum((1, 2, 3)) / kept.sum((1, 2, 3))

    def median_at(mask: np.ndarray) -> np.ndarray:
        return np.array([np.exp(np.median(p[m])) for p, m in zip(price[:, 23], mask[:, 23], strict=True)])

    is_open_product = ~closed[None, None, :, None] & active
    unchanged = is_closed[:, 23]
    change = np.zeros_like(price[:, 23])
    for month in range(24, 29):
        unchanged = unchanged & ~released[:, month]
        change = np.where(unchanged, change + record.revision[:, month], change)
    incumbents = np.array([c[m].mean() for c, m in zip(change, is_closed[:, 23], strict=True)])
    posted = launches[:, 6:24]  # as in the data: July 2023 to December 2024
    dispersion = [
        p[new].std(ddof=1) if new.sum() > 1 else np.nan for p, new in zip(price[:, 6:24], posted, strict=True)
    ]
    return {
        "constant_capability_fold": folds,
        "release_share_of_decline": from_release,
        "closed_price_dispersion": np.array(dispersion),
        "launch_price_2023h1": launch(slice(0, 6)),
        "launch_price_2024h2": launch(slice(18, 24)),
        "launch_price_2025h1": launch(slice(24, 30)),
        "price_change_hazard": hazard,
        "open_discount": discount,
        "closed_open_price_ratio": median_at(is_closed) / median_at(is_open_product),
        "closed_price_after_shock": _after_shock(record, closed),
        "incumbent_price_change": incumbents,
    }


def _after_shock(record: Any, closed: np.ndarray) -> np.ndarray:
    """Cheapest closed price at R1's level, the month after over the month before (the model responds within a month)."""
    r1 = record.capability[:, R1_MONTH, closed.sum(), 0]  # open_1, the first open lab
    slack = 0.1

    def cheapest(month: int) -> np.ndarray:
        able = (
            record.active[:, month] & closed[None, :, None] & (record.capability[:, month] >= r1[:, None, None] - slack)
        )
        return np.where(able, record.price[:, month], np.inf).min((1, 2))

    before, after = cheapest(R1_MONTH - 1), cheapest(R1_MONTH + 1)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(before), after / before, np.nan)


def race_facts(runs: Ensemble) -> dict[str, np.ndarray]:
    """Moments of the race between closed and open models."""
    record, closed = _products(runs)
    capability = np.where(record.active, record.capability, -np.inf).max(-1)[:, :LAST_MONTH]
    best_closed = np.maximum.accumulate(capability[:, :, closed].max(-1), axis=1)
    best_open = np.maximum.accumulate(capability[:, :, ~closed].max(-1), axis=1)

    def lag(first: int, last: int, reached_by: int | None = None) -> np.ndarray:
        """Mean lag in months over levels that closed models first reach in months `first` to `last` - 1.

        Levels that open models do not reach count as reached at the end of the run; with `reached_by`, only levels that open
        models reach before that month count.
        """
        out = np.full(len(best_closed), np.nan)
        for i, (c, o) in enumerate(zip(best_closed, best_open, strict=True)):
            start = c[first - 1] if first > 0 else c[0] - 0.01
            levels = np.arange(start + 0.05, c[last - 1], 0.1)
            if reached_by is not None:
                levels = levels[levels <= o[reached_by - 1]]
            if levels.size:
                reach_c = np.array([np.argmax(c >= level) for level in levels])
                reach_o = np.array([np.argmax(o >= level) if (o >= level).any() else len(o) for level in levels])
                out[i] = (reach_o - reach_c).mean()
        return out

    return {
        "open_lag_2023": lag(0, 12),
        "open_lag_2024h2": lag(18, 24),
        "open_lag_to_january_2025": lag(18, 24, R1_MONTH + 1),
    }


def market_facts(runs: Ensemble) -> dict[str, np.ndarray]:
    """Moments of margins, shares and revenues."""
    return {
        "closed_margin_before_r1": runs["lerner_closed"][:, 23],
        "open_token_share_2024": runs["open_token_share"][:, 12:24].mean(1),
        "datacenter_revenue_fy23q4": 3 * runs["leader_revenue"][:, 0] / 1000,
        "datacenter_revenue_fy25q3": runs["leader_revenue"][:, 19:22].sum(1) / 1000,
        "vendor_margin_fy25q3": runs["leader_margin"][:, 19:22].mean(1),
        "datacenter_revenue_fy25q4": runs["leader_revenue"][:, 22:25].sum(1) / 1000,
        "vendor_margin_fy25q4": runs["leader_margin"][:, 22:25].mean(1),
    }


def event_facts(runs: Ensemble) -> dict[str, np.ndarray]:
    """Abnormal returns around 27 January 2025, from a market model on an index with the weights of a broad index.

    This function and `return_facts` accept NumPy and JAX arrays, so that they can be differentiated.
    """
    daily = runs.out["daily"]  # (runs, event months, days, firms)
    xp = daily.__array_namespace__()
    flat = daily.reshape(daily.shape[0], -1, daily.shape[-1])
    day0 = (R1_MONTH - EVENT_MONTHS[0]) * daily.shape[2] + CRASH_DAY
    vendors = len(runs.setup.cast.vendors)
    platforms = runs.firms.index("platforms")
    names = {"compute": [0, 1] if vendors > 1 else [0], "power": [runs.firms.index("power")]}
    names |= {"platforms": [platforms], "applications": [runs.firms.index("applications")]}
    weights = np.full(daily.shape[-1], 0.0)
    # The index mixes the layers of a broad index, so that no firm is its own benchmark.
    for firm, weight in (
        (0, 0.07),
        (platforms, 0.4),
        (runs.firms.index("applications"), 0.45),
        (runs.firms.index("power"), 0.08),
    ):
        weights[firm] = weight
    simple = xp.expm1(flat)
    index = simple @ weights

    def abnormal(firms: list[int]) -> np.ndarray:
        own = simple[:, :, xp.asarray(firms)].mean(-1)
        past, market = own[:, : day0 - 11], index[:, : day0 - 11]
        centred = market - market.mean(1, keepdims=True)
        beta = (centred * own[:, : day0 - 11]).sum(1) / (centred**2).sum(1)
        alpha = past.mean(1) - beta * market.mean(1)
        return own - alpha[:, None] - beta[:, None] * index

    leader = abnormal([0])
    loss, back = simple[:, day0, 0].mean(), simple[:, day0 + 1, 0].mean()
    out = {
        "vendor_return_day0": leader[:, day0],
        "vendor_return_day1": leader[:, day0 + 1],
        "vendor_car_0_9": leader[:, day0 : day0 + 10].sum(1),
        "vendor_rebound": xp.broadcast_to(-back / loss, leader.shape[:1]),
        "vendor_rebound by run": -simple[:, day0 + 1, 0] / simple[:, day0, 0],
    }
    layers = {name: abnormal(firms)[:, day0] for name, firms in names.items()}
    signs = {f"sign_{name}": returns for name, returns in layers.items()}
    return out | signs | {f"{name}_return_day0": returns for name, returns in layers.items()}


def return_facts(runs: Ensemble) -> dict[str, np.ndarray]:
    """Moments of the leading vendor's daily log returns."""
    days = runs.out["daily"].shape[2]
    r = runs.out["leader"][:, : LAST_MONTH * days]
    short = runs.out["leader"][:, SHORT.start * days : SHORT.stop * days]
    r, short = r - r.mean(1, keepdims=True), short - short.mean(1, keepdims=True)

    def acf(x: np.ndarray, lag: int) -> np.ndarray:
        x = x - x.mean(1, keepdims=True)
        return (x[:, lag:] * x[:, :-lag]).sum(1) / (x**2).sum(1)

    return {
        "return_sd": short.std(1),
        "return_kurtosis": (short**4).mean(1) / (short**2).mean(1) ** 2,
        "return_abs_acf20_short": acf(abs(short), 20),
        "return_excess_kurtosis": (r**4).mean(1) / (r**2).mean(1) ** 2 - 3,
        "return_acf1": acf(r, 1),
        "return_abs_acf20": acf(abs(r), 20),
    }
