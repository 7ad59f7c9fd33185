"""Responses of imitation, research and courts: the tables and the figure of decision 27, from pairs of runs with the same draws.

    python docs/imitation_responses.py [SEEDS] [SEEDS OF THE FREE WORLD]

writes docs/decisions/0027-responses.md and docs/decisions/0027-responses.png.
"""

from __future__ import annotations

import sys
import warnings
from itertools import permutations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd

import abm
from abm.charts import style
from abm.runs.upsets import r1_like_of
from abm.support.messages import AbmWarning

HERE = Path(__file__).parent / "decisions"
RATES = ("copying_rate", "distillation_rate")
SIZES = {"adopters": 200, "investors": 40}
YEARS = (2023, 2024, 2025, 2026, 2027)
JUNE_2025 = 30
"""Months before July 2025."""
FACTORS = (0.0, 0.5, 1.0, 2.0)
RECORD = {"2023": (0, 12, "11"), "first half of 2024": (12, 18, ""), "second half of 2024": (18, 24, "3.6")}
"""Months in which closed labs first reached levels of capability, and the lag in the data (../shared/data/labs/FACTS.md)."""


def rates(factor: float) -> dict[str, float]:
    """Parameters under which imitation is this much faster than by default."""
    usual = abm.Parameters()
    return {name: factor * getattr(usual, name) for name in RATES}


NO_ENTRY = {"entry_rate": 0.0}
"""Entrants are forks: without them, arms of one channel change that channel alone."""


def links(known: float | None, seed: int = 0) -> nx.MultiDiGraph:
    """Links of the access layer: each lab knows this share of the others, in both channels; None: all distil one teacher."""
    labs = abm.Populations().cast().labs
    draw, graph = np.random.default_rng(seed), nx.MultiDiGraph()
    graph.add_nodes_from(labs)
    for teacher, student in permutations(labs, 2):
        if known is None:
            channels = ("distillation", "fork") if teacher == labs[0] else ("fork",)
        else:
            channels = tuple(channel for channel in ("distillation", "fork") if draw.random() < known)
        for channel in channels:
            graph.add_edge(teacher, student, channel=channel)
    return graph


CHANNELS: dict[str, dict[str, Any]] = {
    "one teacher": {"parameters": NO_ENTRY, "access_network": links(None)},
    "no distillation": {"parameters": NO_ENTRY | {"distillation_rate": 0.0}},
    "no forks": {"parameters": NO_ENTRY | {"copying_rate": 0.0}},
} | {f"links at random, {i}": {"parameters": NO_ENTRY, "access_network": links(0.3, i)} for i in (1, 2, 3)}
WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "copying half as fast": {"parameters": rates(0.5)},
    "copying twice as fast": {"parameters": rates(2)},
    "no entry": {"parameters": NO_ENTRY},
    "strength 0": {"parameters": {"ip_strength": 0.0}},
    "strength 1": {"parameters": {"ip_strength": 1.0}},
    "clarity 0": {"parameters": {"ip_clarity": 0.0}},
    "clarity 1": {"parameters": {"ip_clarity": 1.0}},
} | CHANNELS
CONTRASTS = {
    "strength 1 less strength 0": ("strength 1", "strength 0"),
    "clarity 1 less clarity 0": ("clarity 1", "clarity 0"),
    "copying half less twice as fast": ("copying half as fast", "copying twice as fast"),
} | {f"{name}, less no entry": (name, "no entry") for name in CHANNELS}
OBSERVABLES = (
    "open_closed_lag", "open_closed_gap", "lerner_leader_nash", "lerner_leader_api_nash", "lead_expected", "research_of_leader",
    "research_of_rest", "research_spending", "option_multiple", "frontier", "open_frontier", "distillation_volume",
    "distilled_share", "vigilance", "suits_lost", "damages", "royalties", "exits",
)  # fmt: skip
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
RESERVED = {"openness_response": 0.35}
"""Licences that reserve two thirds of the rights and still let others build on the weights."""


def yearly(ensemble: Any, observable: str) -> np.ndarray:
    """Means of each run (runs, years), NaN where undefined all year."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        values = ensemble[observable]
        return np.nanmean(values.reshape(len(values), len(YEARS), 12), axis=-1)


def interval(pairs: np.ndarray) -> str:
    """Mean with its 95 % interval over pairs in which both are defined."""
    known = pairs[np.isfinite(pairs)]
    if known.size < 3:
        return "undefined"
    return f"{number(known.mean())} ± {number(1.96 * known.std(ddof=1) / np.sqrt(known.size))}"


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def table(heading: str, columns: list[str], rows: dict[str, list[str]]) -> list[str]:
    lines = ["", f"| {heading} | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    return lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]


def responses(seeds: int) -> list[str]:
    """Tables of all worlds against the default, by observable."""
    runs = {name: abm.ensemble(seeds=range(seeds), **SIZES | kw) for name, kw in WORLDS.items()}
    lines = []
    for observable in OBSERVABLES:
        of = {name: yearly(ensemble, observable) for name, ensemble in runs.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            rows = {"default": [number(x) for x in np.nanmean(of["default"], axis=0)]}
        pairs = {name: (name, "default") for name in WORLDS if name not in ("default", *CHANNELS)} | CONTRASTS
        for name, (one, other) in pairs.items():
            rows[name] = [interval(of[one][:, i] - of[other][:, i]) for i in range(len(YEARS))]
        lines += ["", f"## {observable}", *table("world", [str(year) for year in YEARS], rows)]
    return lines


def strengths(seeds: int) -> list[str]:
    """How far growth and research change with the strength of rights, with licences as they are and with reserved rights."""
    lines = ["", "## Strength of rights, with licences as labs choose them and with rights reserved", ""]
    lines.append(
        "Growth of the frontiers, nats in five years; research of 2025 to 2027; royalties of 2025, $ M per month."
    )
    for label, extra in {"as labs choose them": {}, "rights reserved": RESERVED}.items():
        rows = {}
        for strength in STRENGTHS:
            parameters = {"ip_strength": strength, **extra}
            ensemble = abm.ensemble(seeds=range(seeds), parameters=parameters, **SIZES)
            last = {name: ensemble[name][:, -1] for name in ("frontier", "open_frontier")}
            late = {name: yearly(ensemble, name)[:, 2:].mean(1) for name in ("research_of_leader", "research_of_rest")}
            paid = {"royalties": yearly(ensemble, "royalties")[:, 2]}
            found = last | late | paid
            rows[f"{strength:g}"] = [interval(x) for x in found.values()]
        names = ["frontier", "open frontier", "research, leader", "research, others", "royalties"]
        lines += ["", f"**{label}**", *table("strength", names, rows)]
    return lines


def free_world(seeds: int) -> tuple[list[str], dict[float, pd.DataFrame]]:
    """How often, when and by whom R1-like releases happen if none is imposed, and the lag of open models."""
    found, lags, rows, first = {}, {}, {}, {}
    for factor in FACTORS:
        free = abm.ensemble(
            scenario="free", seeds=range(seeds), months=36, products=True, parameters=rates(factor), **SIZES
        )
        products, labs = free.out["products"], free.setup.cast.labs
        likes = [r1_like_of(type(products)(*(x[i] for x in products)), labs).assign(seed=i) for i in range(seeds)]
        found[factor] = pd.concat(likes, ignore_index=True)
        early = found[factor][found[factor]["month"] < JUNE_2025]
        first[factor] = early.groupby("seed").first()
        share = len(first[factor]) / seeds
        error = 1.96 * np.sqrt(share * (1 - share) / seeds)
        months = first[factor]["month"]
        who = first[factor]["lab"].value_counts().head(3)
        rows[f"{factor:g}"] = [
            f"{share:.2f} ± {error:.2f}",
            f"{months.median():.0f}" if len(months) else "none",
            f"{(months >= 24).mean():.2f}" if len(months) else "none",
            ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in who.items()) or "none",
            f"{(first[factor]['cost'] / first[factor]['leader_cost']).median():.3f}" if len(months) else "none",
        ]
        lags[f"{factor:g}"] = lags_of(products, labs)
    columns = [
        "share of runs",
        "month (0 is January 2023), median",
        "in 2025, share",
        "labs",
        "cost over the leader's, median",
    ]
    lines = [
        "",
        '## Releases like R1\'s by June 2025 in `scenario="free"`, by speed of copying (multiples of the default)',
    ]
    lines += table("speed", columns, rows)
    lines += [
        "",
        '## Lag of open models behind closed ones, months, in `scenario="free"`, by when a level was first reached',
    ]
    lines += table("speed", [*RECORD], lags)
    lines += ["", "In the data: " + ", ".join(f"{name} {lag}" for name, (*_, lag) in RECORD.items() if lag) + "."]
    return lines, found


def lags_of(products: Any, labs: tuple[str, ...]) -> list[str]:
    """Median months from a level's first closed model to the first open one within a tenth of a nat (NaN: not within the run)."""
    closed = np.array([lab.startswith("closed") for lab in labs])
    capability, active = products.capability[..., 0], products.active[..., 0]
    best = [np.maximum.accumulate(np.where(active & who, capability, -np.inf).max(-1), 1) for who in (closed, ~closed)]
    cells = []
    for first, last, _ in RECORD.values():
        lags = []
        for of_closed, of_open in zip(*best, strict=True):
            new = [m for m in range(max(first, 1), last) if of_closed[m] > of_closed[m - 1]]
            for month in new:
                reached = np.flatnonzero(of_open >= of_closed[month] - 0.1)
                lags.append(reached[0] - month if reached.size else np.inf)
        cells.append(f"{np.median(lags):.0f}" if np.isfinite(np.median(lags)) else "not in three years")
    return cells


@style.styled
def draw(found: dict[float, pd.DataFrame], seeds: int) -> Any:
    """Cumulative share of runs with an R1-like release, by speed of copying."""
    figure, (ax,) = style.canvas(None, 1, 1, (style.ONE_COLUMN * 1.6, 3.0))
    months = np.arange(36)
    for factor, rows in found.items():
        first = rows.groupby("seed")["month"].first()
        share = np.array([(first <= month).sum() for month in months]) / seeds
        ax.step(2023 + months / 12, share, where="post", label=f"{factor:g} times" if factor else "no copying")
    ax.axvline(2025 + 0.5 / 12, color="0.6", linewidth=0.8)
    ax.annotate("January 2025", (2025.07, 0.95), fontsize=7, color="0.4", va="top")
    ax.set_ylim(0, 1)
    ax.set_xticks(range(2023, 2027), range(2023, 2027))
    ax.set_ylabel("share of runs")
    ax.set_title("A release like R1's has happened, none imposed")
    ax.legend(title="speed of copying", loc="upper left")
    return figure


def main(seeds: int, free_seeds: int) -> None:
    warnings.simplefilter("ignore", AbmWarning)
    free, found = free_world(free_seeds)
    lines = [
        "# Responses of imitation, research and courts",
        "",
        f"Written by `python docs/imitation_responses.py {seeds} {free_seeds}`; do not edit by hand. {seeds} runs of each world"
        f" on the same draws, {SIZES['adopters']} segments ({free_seeds} runs of the free world). Entries are the mean of the"
        " default world, and for the others the mean difference with its 95 % interval over pairs.",
        *free,
        *strengths(seeds),
        *responses(seeds),
    ]
    (HERE / "0027-responses.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    style.save(draw(found, free_seeds), HERE / "0027-responses.png")
    plt.close("all")


if __name__ == "__main__":
    main(*(int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((1, 50), (2, 200))))
