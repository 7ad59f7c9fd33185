"""Scaling of time and memory with the number of agents and runs, for docs/performance.md."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import abm
from abm.engine import seed_words
from abm.engine.devices import CHUNK
from abm.runs.programs import Program
from abm.runs.simulate import PreparedSetting, Setting

LIMIT = 1.05
"""Maximum exponent with which cost may grow with the number of agents."""


def months(sizes: dict[str, int], number: int, repeats: int) -> dict[str, Any]:
    """Set-up time, and seconds per month of one run, excluding compilation."""
    began = time.perf_counter()
    model = abm.MarketModel(rng=1, months=number * repeats + 3, **sizes)
    ready = time.perf_counter() - began
    for _ in range(3):  # includes compilation; labs plan in one of the three months
        model.step()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(number):
            model.step()
        seconds.append((time.perf_counter() - began) / number)
    return {"ready": ready, "months": seconds}


def growth(sizes: list[int], seconds: list[float]) -> float:
    """Slope of ln seconds on ln agents, for at least 10^3 agents."""
    many = [(n, s) for n, s in zip(sizes, seconds, strict=True) if n >= 1_000]
    if len(many) < 2:
        return float("nan")
    return float(np.polyfit(np.log([n for n, _ in many]), np.log([s for _, s in many]), 1)[0])


def memory_of_runs(runs: int) -> dict[str, float]:
    """Bytes per run: the state that a month changes, and all that the compiled months need besides their reports."""
    prepared = PreparedSetting.of(Setting(), list(range(runs)), 60, {})
    program, timeline = Program.of(prepared.setup.program_key, 64), prepared.setup.timeline
    with jax.enable_x64(True):
        values = {name: jnp.asarray(rows) for name, rows in prepared.values.items()}
        inputs = values, jnp.asarray(np.stack([seed_words(seed) for seed in range(runs)]))
        markets = program.start(*inputs, prepared.setup.networks)
        reports = program.blank(markets, inputs, timeline)
        needed = program.months.lower(markets, inputs, timeline, (0, 60), reports).compile().memory_analysis()
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(markets))
    filled = sum(leaf.nbytes for leaf in jax.tree.leaves(reports))
    whole = needed.output_size_in_bytes + needed.temp_size_in_bytes
    return {"runs": runs, "state": size / runs, "reports": filled / runs, "needed": (whole - filled) / runs}


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`."""
    sizes = [100, 1_000] if quick else [100, 1_000, 10_000, 100_000, 1_000_000]
    kinds: dict[str, Any] = {}
    for kind, other in (("investors", "adopters"), ("adopters", "investors")):
        rows = {}
        for size in sizes:
            # Adopters take up to about 17 KB each: skip sizes that do not fit into memory.
            if kind == "adopters" and size * 17e3 > 0.8 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
                continue
            rows[size] = months({kind: size, other: 100}, 3, 3 if size < 100_000 else 1)
        kinds[kind] = rows
    runs = [10, 40] if quick else [10, 40, 160, 640]
    ensembles = {}
    abm.ensemble(seeds=range(CHUNK), months=12)
    for number in runs:
        began = time.perf_counter()
        abm.ensemble(seeds=range(number), months=12)
        ensembles[number] = time.perf_counter() - began
    return {"kinds": kinds, "ensembles": ensembles, "memory": memory_of_runs(CHUNK)}


def section(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    rows, powers = [], []
    for kind, table in found["kinds"].items():
        sizes = [int(size) for size in table]
        seconds = [min(one["months"]) for one in table.values()]
        for size, one in table.items():
            usual = statistics.median(one["months"])
            each = 1e6 * min(one["months"]) / int(size)
            rows.append(f"| {int(size):,} {kind} | {one['ready']:.2f} | {usual:.4f} | {each:,.2f} |")
        powers.append(f"{growth(sizes, seconds):.2f} in {kind}")
    runs = {int(number): seconds for number, seconds in found["ensembles"].items()}
    power = np.polyfit(np.log(list(runs)), np.log(list(runs.values())), 1)[0]
    spent = ", ".join(f"{seconds / number:.4f} s at {number}" for number, seconds in runs.items())
    memory = found["memory"]
    return f"""## Growth with agents, runs, memory

One run, month by month, with 100 agents of the other kind. Set-up draws the networks, and compiles and computes the first market.

| agents | set-up, s | a month, s | a month, µs an agent |
|---|---:|---:|---:|
{chr(10).join(rows)}

From 10^3 agents on, time grows with an exponent of {" and ".join(powers)} (required: at most {LIMIT}; below 1 where costs that do not depend
on the number of agents still matter). The time of ensembles of twelve months grows with an exponent of {power:.2f} in the number of runs; per run: {spent}.

A run's state takes {memory["state"] / 2**20:.2f} MiB. Computing it takes {memory["needed"] / 2**20:.2f} MiB (**{memory["needed"] / memory["state"]:.2f} times** as much), including the state at the end and all that is stored
in between (as the compiler reports for a chunk of {memory["runs"]} runs), and {memory["reports"] / 2**20:.2f} MiB for the reports of sixty months.
"""
