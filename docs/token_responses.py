"""Responses of the token market: the tables and the figure of decision 25, from pairs of runs with the same draws.

    python docs/token_responses.py [SEEDS]

writes docs/decisions/0025-responses.md and docs/decisions/0025-responses.png.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import abm
from abm import data, figures
from abm.charts import style
from abm.runs.vintages import halvings_of
from abm.scenarios.calendar import month_of
from abm.support.messages import AbmWarning

HERE = Path(__file__).parent / "decisions"
RATES = ("copying_rate", "distillation_rate")
FASTEST = 8.0
SMALL = 0.1
"""Sales below which a lab's margin is not looked at, $ M per month."""
SIZES = {"adopters": 200, "investors": 40}
YEARS = (2023, 2024, 2025, 2026, 2027)


def rates(factor: float) -> dict[str, Any]:
    """Parameters under which imitation is this much faster than by default."""
    usual = abm.Parameters()
    return {name: factor * getattr(usual, name) for name in RATES}


WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "no imitation": {"parameters": rates(0)},
    "a quarter as fast": {"parameters": rates(0.25)},
    "half as fast": {"parameters": rates(0.5)},
    "twice as fast": {"parameters": rates(2)},
    "four times as fast": {"parameters": rates(4)},
    "eight times as fast": {"parameters": rates(FASTEST)},
    "no inheritance of fit": {"parameters": {"fit_inheritance": 0.0}},
    "unit cost frozen": {"parameters": {"inference_efficiency_growth": 0.0}},
    "no open labs": {"open_labs": 0, "entrants": 0},
    "twenty closed labs": {"closed_labs": 20},
    "peers at random": {"peer_network": "random"},
    "no peers": {"parameters": {"adoption_imitation": 0.0}},
}
CONTRASTS = {
    "twice less half as fast": ("twice as fast", "half as fast"),
    "four times less a quarter as fast": ("four times as fast", "a quarter as fast"),
}
"""Pairs of worlds around the default: the second about halves the lag of open models."""
OBSERVABLES = (
    "lerner_leader", "lerner_leader_nash", "lerner_rest", "lerner_rest_nash", "lerner_followers_nash", "lerner_leader_api",
    "lerner_leader_api_nash", "lerner_followers_api", "lerner_followers_api_nash", "lerner_closed",
    "lerner_closed_nash", "open_closed_gap", "open_closed_lag", "open_revenue_share", "closed_profit", "token_revenue",
    "adoption",
)  # fmt: skip


def yearly(ensemble: Any, observable: str) -> np.ndarray:
    """Means of each run (runs, years), NaN where undefined all year."""
    values = ensemble[observable]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.stack([np.nanmean(values[:, 12 * i : 12 * i + 12], axis=1) for i in range(len(YEARS))], axis=1)


def rents(ensemble: Any) -> dict[str, np.ndarray]:
    """Yearly sales less cost of serving, $ M per month, of the leading closed lab and of the other closed labs (runs, years)."""
    products = ensemble.out["products"]
    closed = [lab.startswith("closed") for lab in ensemble.setup.cast.labs]
    rent = (products.revenue - 1e-6 * products.cost * products.paid).sum(-1)[:, :, closed]
    best = np.where(products.active[:, :, closed, 0], products.capability[:, :, closed, 0], -np.inf).argmax(-1)
    leader = np.take_along_axis(rent, best[:, :, None], axis=-1)[..., 0]
    parts = {"rent of the leader": leader, "rent of other closed labs": rent.sum(-1) - leader}
    return {name: x.reshape(len(x), len(YEARS), 12).mean(-1) for name, x in parts.items()}


def capability_and_margin(ensemble: Any) -> np.ndarray:
    """Correlation over closed labs of capability and gross margin, yearly means (runs, years); NaN where labs sell nothing."""
    products = ensemble.out["products"]
    closed = [lab.startswith("closed") for lab in ensemble.setup.cast.labs]
    sales = products.revenue.sum(-1)[:, :, closed]
    cost = 1e-6 * (products.cost * products.paid).sum(-1)[:, :, closed]
    runs, months, labs = sales.shape
    sales, cost, capability = (
        x.reshape(runs, months // 12, 12, labs).mean(2) for x in (sales, cost, products.capability[:, :, closed, 0])
    )
    margin = np.where(sales > SMALL, 1 - cost / np.maximum(sales, SMALL), np.nan)
    x, y = (np.where(np.isfinite(margin), v, np.nan) for v in (capability, margin))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        x, y = (v - np.nanmean(v, axis=-1, keepdims=True) for v in (x, y))
        return np.nanmean(x * y, -1) / np.sqrt(np.nanmean(x**2, -1) * np.nanmean(y**2, -1))


def halvings(ensemble: Any) -> np.ndarray:
    """Months in which rents could halve, and halvings, by run and year (runs, years, 2)."""
    rows = halvings_of(ensemble.vintages())
    cells = rows.groupby([rows["seed"], rows["month"] // 12])["halved"].agg(["size", "sum"])
    every = pd.MultiIndex.from_product([ensemble.seeds, range(len(YEARS))])
    return cells.reindex(every, fill_value=0).to_numpy(float).reshape(len(ensemble.seeds), len(YEARS), 2)


def lives(these: np.ndarray, usual: np.ndarray) -> tuple[float, str]:
    """Half-life pooled over runs (runs, 2), and its change from the usual one in per cent, with a 95 % jackknife interval."""

    def life(sums: np.ndarray) -> Any:
        return -np.log(2) / np.log1p(-np.clip(sums[..., 1] / np.maximum(sums[..., 0], 1), 1e-9, 0.999))

    def change(part: Any) -> Any:
        return 100 * (life(part(these)) / life(part(usual)) - 1)

    leaving_one_out = change(lambda x: x.sum(0) - x)
    error = np.sqrt((len(these) - 1) * leaving_one_out.var())
    return float(life(these.sum(0))), f"{change(lambda x: x.sum(0)):.0f} ± {1.96 * error:.0f}"


def interval(pairs: np.ndarray) -> str:
    """Mean difference with its 95 % interval over pairs in which both are defined."""
    known = pairs[np.isfinite(pairs)]
    if known.size < 3:
        return "undefined"
    error = 1.96 * known.std(ddof=1) / np.sqrt(known.size)
    return f"{number(known.mean())} ± {number(error)}"


def percent(these: np.ndarray, usual: np.ndarray) -> str:
    """Change of the mean over runs, per cent, with its 95 % interval by the delta method over pairs."""
    change = these.mean() / usual.mean() - 1
    residual = (these - (1 + change) * usual) / usual.mean()
    return f"{100 * change:.0f} ± {196 * residual.std(ddof=1) / np.sqrt(len(usual)):.0f}"


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def beside_the_record(ensemble: Any) -> list[str]:
    """Lines of the table of the default world beside `abm/data/token_record.csv`."""
    lines = [
        "",
        "## Beside the record",
        "",
        "| date | observable | record | range | model, median | 90 % of runs | overlap |",
    ]
    lines.append("|---|---|---:|---:|---:|---:|---|")
    for row in data.load("token_record").itertuples():
        values = ensemble[row.observable][:, month_of(row.date.date())]
        values = values[np.isfinite(values)]
        if values.size == 0:
            lines.append(
                f"| {row.date:%Y-%m} | {row.observable} | {row.value:g} | {row.low:g} to {row.high:g} | undefined | | |"
            )
            continue
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
        inside = "yes" if low <= row.high and high >= row.low else "no"
        lines.append(
            f"| {row.date:%Y-%m} | {row.observable} | {row.value:g} | {row.low:g} to {row.high:g} | {number(middle)} |"
            f" {number(low)} to {number(high)} | {inside} |"
        )
    return lines


def price_changes(ensemble: Any) -> list[str]:
    """Lines on list prices around releases of open flagships, 2023 to June 2025."""
    products, labs = ensemble.out["products"], ensemble.setup.cast.labs
    closed = np.array([lab.startswith("closed") for lab in labs])
    changed = (np.abs(products.revision) > 1e-9) & ~products.released
    log_price = np.where(products.active, np.log(products.price), np.inf)
    near, far, falls, ordinary = [], [], [], []
    for run in range(len(ensemble.seeds)):
        for month in range(6, 28):
            opened = products.released[run, month, ~closed, 0] & products.active[run, month, ~closed, 0]
            levels = products.capability[run, month, ~closed, 0][opened]
            k = products.capability[run, month, closed]
            distance = np.min(np.abs(k[..., None] - levels), axis=-1, initial=np.inf)
            moved = changed[run, month + 1 : month + 3, closed].any(1)
            near += list(moved[distance <= 0.5])
            far += list(moved[distance > 0.5])
            best = products.capability[run, month, ~closed, 0].max()
            for level, into in [(x, falls) for x in levels if x >= best] + [(k[:, 0].max() - 2.0, ordinary)]:
                before, after = (
                    log_price[run, at, closed][products.capability[run, at, closed] >= level].min(initial=np.inf)
                    for at in (month, month + 2)
                )
                if np.isfinite(before):
                    into.append(after - before)
    return [
        "",
        "## List prices of closed models around releases of open flagships",
        "",
        f"Within 0.5 nats of an open release, {np.mean(near):.1%} of closed list prices change in the two months after it"
        f" ({len(near):,} cases; at most 12 % in the data); elsewhere {np.mean(far):.1%} (3 to 15 %). The cheapest closed price"
        f" at the level of a best open model falls by {-np.mean(falls):.2f} log points in two months ({len(falls):,} releases;"
        f" 1.0 to 2.6 in the data), and by {-np.mean(ordinary):.2f} in ordinary months at two nats below the frontier (0.9).",
    ]


def main(seeds: int) -> None:
    warnings.simplefilter("ignore", AbmWarning)
    runs = {name: abm.ensemble(seeds=range(seeds), products=True, **SIZES | kw) for name, kw in WORLDS.items()}
    lines = [
        "# Responses of the token market",
        "",
        f"Written by `python docs/token_responses.py {seeds}`; do not edit by hand. {seeds} runs of each world on the same draws,"
        f" {SIZES['adopters']} segments. Entries are the mean of the default world, and for the others the mean difference from"
        " it with its 95 % interval over pairs. Lerner indices are at posted prices and, where the name says so, at the month's"
        " Nash prices.",
    ]
    for observable in OBSERVABLES:
        lines += [
            "",
            f"## {observable}",
            "",
            "| world | " + " | ".join(map(str, YEARS)) + " |",
            "|---|" + "---:|" * len(YEARS),
        ]
        usual = yearly(runs["default"], observable)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            lines.append("| default | " + " | ".join(number(x) for x in np.nanmean(usual, axis=0)) + " |")
        for name, ensemble in runs.items():
            if name != "default":
                cells = [interval(yearly(ensemble, observable)[:, i] - usual[:, i]) for i in range(len(YEARS))]
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
        for name, (one, other) in CONTRASTS.items():
            between = yearly(runs[one], observable) - yearly(runs[other], observable)
            lines.append(f"| {name} | " + " | ".join(interval(between[:, i]) for i in range(len(YEARS))) + " |")
    lines += ["", "## Half-life of the rent of closed flagships that led, pooled over runs", ""]
    lines += ["Months, and in brackets the change from the default in per cent.", ""]
    lines += ["| world | " + " | ".join(map(str, YEARS)) + " | all years |", "|---|" + "---:|" * (len(YEARS) + 1)]
    seen = {name: halvings(ensemble) for name, ensemble in runs.items()}
    for name, counts in seen.items():
        pairs = [(counts[:, i], seen["default"][:, i]) for i in range(len(YEARS))]
        pairs.append((counts.sum(1), seen["default"].sum(1)))
        found = [lives(*pair) for pair in pairs]
        cells = [number(months) + f" ({change} %)" * (name != "default") for months, change in found]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    by_rank = {name: rents(ensemble) for name, ensemble in runs.items()}
    for rank, usual in by_rank["default"].items():
        lines += ["", f"## {rank}, change in per cent", "", "| world | " + " | ".join(map(str, YEARS)) + " |"]
        lines += ["|---|" + "---:|" * len(YEARS)]
        for name, numbers in by_rank.items():
            if name != "default":
                change = [percent(numbers[rank][:, i], usual[:, i]) for i in range(len(YEARS))]
                lines.append(f"| {name} | " + " | ".join(change) + " |")
    lines += [
        "",
        "## Leader less followers, on API sales and on all sales, and less all other closed labs, Nash prices",
        "",
        "| world | " + " | ".join(map(str, YEARS)) + " |",
        "|---|" + "---:|" * len(YEARS),
    ]
    for name in ("default", "unit cost frozen", "no inheritance of fit"):
        for who, of in {"followers, API": "_api", "followers": "", "rest": ""}.items():
            others = yearly(runs[name], f"lerner_{who.partition(',')[0]}{of}_nash")
            gap = yearly(runs[name], f"lerner_leader{of}_nash") - others
            cells = [interval(gap[:, i]) for i in range(len(YEARS))]
            lines.append(f"| {name}, {who} | " + " | ".join(cells) + " |")
    correlation = capability_and_margin(runs["default"])
    lines += ["", "## Correlation over closed labs of capability and gross margin, posted prices", ""]
    lines += ["| " + " | ".join(map(str, YEARS)) + " |", "|" + "---:|" * len(YEARS)]
    lines.append("| " + " | ".join(interval(correlation[:, i]) for i in range(len(YEARS))) + " |")
    lines += beside_the_record(runs["default"]) + price_changes(runs["default"])
    (HERE / "0025-responses.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shown = {name: runs[name] for name in ("no imitation", "default", "eight times as fast")}
    style.save(figures.rent_life(shown), HERE / "0025-responses.png")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
