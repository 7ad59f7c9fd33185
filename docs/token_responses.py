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

import abm
from abm import figures
from abm.charts import style
from abm.support.messages import AbmWarning

HERE = Path(__file__).parent / "decisions"
RATES = ("copying_rate", "distillation_rate")
FASTEST = 8.0
SIZES = {"adopters": 200, "investors": 40}
YEARS = (2023, 2024, 2025, 2026, 2027)


def rates(factor: float) -> dict[str, Any]:
    """Parameters under which imitation is this much faster than by default."""
    usual = abm.Parameters()
    return {name: factor * getattr(usual, name) for name in RATES}


WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "no imitation": {"parameters": rates(0)},
    "half as fast": {"parameters": rates(0.5)},
    "twice as fast": {"parameters": rates(2)},
    "eight times as fast": {"parameters": rates(FASTEST)},
    "no inheritance of fit": {"parameters": {"fit_inheritance": 0.0}},
    "unit cost frozen": {"parameters": {"inference_efficiency_growth": 0.0}},
    "no open labs": {"open_labs": 0, "entrants": 0},
    "twenty closed labs": {"closed_labs": 20},
    "peers at random": {"peer_network": "random"},
    "no peers": {"parameters": {"adoption_imitation": 0.0}},
}
OBSERVABLES = (
    "lerner_leader", "lerner_leader_nash", "lerner_followers_nash", "lerner_closed", "lerner_closed_nash",
    "rent_half_life", "open_closed_gap", "open_revenue_share", "closed_profit", "token_revenue", "adoption",
)  # fmt: skip


def yearly(ensemble: Any, observable: str) -> np.ndarray:
    """Means of each run (runs, years), NaN where undefined all year."""
    values = ensemble[observable]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.stack([np.nanmean(values[:, 12 * i : 12 * i + 12], axis=1) for i in range(len(YEARS))], axis=1)


def interval(pairs: np.ndarray) -> str:
    """Mean difference with its 95 % interval over pairs in which both are defined."""
    known = pairs[np.isfinite(pairs)]
    if known.size < 3:
        return "undefined"
    error = 1.96 * known.std(ddof=1) / np.sqrt(known.size)
    return f"{number(known.mean())} ± {number(error)}"


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


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
    lines += [
        "",
        "## Leader less followers, Nash prices",
        "",
        "| world | " + " | ".join(map(str, YEARS)) + " |",
        "|---|" + "---:|" * len(YEARS),
    ]
    for name in ("default", "unit cost frozen", "no inheritance of fit"):
        gap = yearly(runs[name], "lerner_leader_nash") - yearly(runs[name], "lerner_followers_nash")
        lines.append(f"| {name} | " + " | ".join(interval(gap[:, i]) for i in range(len(YEARS))) + " |")
    (HERE / "0025-responses.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shown = {name: runs[name] for name in ("no imitation", "default", "eight times as fast")}
    style.save(figures.rent_life(shown), HERE / "0025-responses.png")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
