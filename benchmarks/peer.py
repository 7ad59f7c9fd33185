"""The compiled model compared with the same model in plain Mesa: agreement and speed.

Both run as users would run them: `mesa.batch_run` in one process (its default) and in one process per processor,
`abm.ensemble` in one multi-threaded process and in single-threaded processes, as in sweeps.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import abm
from abm.market.measures import MEASURES
from abm.runs.months import months_of
from abm.runs.setup import Setup
from abm.support.workers import processors, worker_pool
from benchmarks.plain_mesa import check, start
from benchmarks.plain_mesa.model import PlainMarket
from benchmarks.plain_mesa.runner import batch

MONTHS = 60
WAYS = ("plain", "plain_all", "engine", "engine_all", "engine_32")


def engine_runs(first: int, runs: int, months: int, precision: int = 64) -> float:
    """Seconds for an ensemble in this process, excluding compilation."""
    abm.ensemble(seeds=range(first, first + 10), months=months, precision=precision)
    began = time.perf_counter()
    abm.ensemble(seeds=range(first, first + runs), months=months, precision=precision)
    return time.perf_counter() - began


def engine_in_processes(runs: int, months: int, precision: int = 64) -> float:
    """Seconds per run with one single-threaded process per processor, excluding start-up and compilation."""
    number = processors()
    with worker_pool(number, preload=["abm.runs.simulate"]) as pool:
        list(pool.map(engine_runs, [0] * number, [10] * number, [months] * number, [precision] * number))
        firsts = range(0, number * runs, runs)
        seconds = list(pool.map(engine_runs, firsts, [runs] * number, [months] * number, [precision] * number))
    return max(seconds) / (number * runs)


def plain_runs(path: str, runs: int, months: int, processes: int) -> float:
    """Seconds per run in Mesa's own runner."""
    began = time.perf_counter()
    batch(path, months, list(range(1, runs + 1)), processes)
    return (time.perf_counter() - began) / runs


def seconds_of_months(model: Any, months: int) -> list[float]:
    """Seconds for each step."""
    seconds = []
    for _ in range(months):
        began = time.perf_counter()
        model.step()
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`."""
    months, repeats = (2, 1) if quick else (MONTHS, 3)
    apart = check.differences((0, 24))
    if not max(apart.values()) < check.PRECISION:
        raise ValueError(f"plain Mesa differs from the compiled model by {max(apart.values()):.1e}")
    setup = Setup.of(months=months)
    market, _ = next(months_of(setup, 1))
    numbers: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "start.json")
        start.write(start.start_of(market, setup.values, setup.timeline), path)
        for repeat in range(repeats):  # alternately, so that other load on the machine affects all alike
            runs = 20 if quick else 60
            numbers["engine"].append(engine_runs(100 * repeat, runs, months) / runs)
            numbers["plain"].append(plain_runs(path, 1, months, 1))
            numbers["engine_all"].append(engine_in_processes(runs, months))
            numbers["engine_32"].append(engine_in_processes(runs, months, 32))
            numbers["plain_all"].append(plain_runs(path, processors(), months, processors()))
        plain = seconds_of_months(PlainMarket(path, rng=1), min(months, 36))
    model = abm.MarketModel(rng=1, months=months)
    model.step()
    engine = seconds_of_months(model, min(months, 36) - 1)
    return {
        "apart": max(apart.values()),
        "fields": len(apart),
        "months": months,
        "observables": len(MEASURES),
        "processors": processors(),
        **numbers,
        "plain_month": plain,
        "engine_month": engine,
    }


def section(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    usual = {name: statistics.median(found[name]) for name in WAYS}
    month = {name: statistics.median(found[f"{name}_month"]) for name in ("plain", "engine")}

    def spread(name: str, digits: int) -> str:
        return f"{usual[name]:.{digits}f} ({min(found[name]):.{digits}f} to {max(found[name]):.{digits}f})"

    count = found["processors"]
    return f"""## The same model in plain Mesa

`benchmarks/plain_mesa` is the whole month as Mesa agents with attributes and methods in plain Python. Before anything is timed, {found["fields"]} fields
of both are compared after the same month (January 2023 and January 2025, 200 adopters, 1,000 investors, the same draws): the largest relative
difference is {found["apart"]:.0e}. Runs have {found["months"]} months; seconds per run are medians of {len(found["plain"])}, measured alternately, with the shortest and longest in brackets.

| | plain Mesa, s | compiled, s | ratio |
|---|---:|---:|---:|
| a run of an ensemble: `mesa.batch_run` with its defaults (one process), `abm.ensemble` with its defaults (threads) | {spread("plain", 1)} | {spread("engine", 3)} | **{usual["plain"] / usual["engine"]:,.0f}** |
| the same, our fastest way: single-threaded processes, as in sweeps | {usual["plain"]:.1f} | {spread("engine_all", 3)} | **{usual["plain"] / usual["engine_all"]:,.0f}** |
| the same in 32 bits, against Python's 64 | {usual["plain"]:.1f} | {spread("engine_32", 3)} | **{usual["plain"] / usual["engine_32"]:,.0f}** |
| the first row with {count} processes on both sides | {spread("plain_all", 1)} | {usual["engine_all"]:.3f} | **{usual["plain_all"] / usual["engine_all"]:,.0f}** |
| one interactive month: `model.step()` in both | {month["plain"]:.3f} | {month["engine"]:.4f} | **{month["plain"] / month["engine"]:,.0f}** |

Interactive months: medians of {len(found["plain_month"])} and {len(found["engine_month"])}. Plain Mesa collects ten observables, the compiled model all {found["observables"]}.
"""


def figure(found: dict[str, Any]) -> Any:
    """Seconds for each month of one run, with both implementations."""
    from abm.charts import style

    @style.styled
    def draw() -> Any:
        drawn, (ax,) = style.canvas(None, 1, 1, (4.6, 2.8))
        for at, (name, label) in enumerate((("plain_month", "plain Mesa"), ("engine_month", "compiled"))):
            seconds = np.asarray(found[name])
            ax.plot(
                np.arange(seconds.size), seconds, style.LINES[at], color=(style.VERMILLION, style.BLUE)[at], label=label
            )
        ax.set_yscale("log")
        ax.set_xlabel("month of the run")
        ax.set_ylabel("seconds a month")
        ax.legend()
        return drawn

    return draw()
