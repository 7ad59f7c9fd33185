"""Sweeps: throughput, memory and overhead, compared with plain Python: `python -m benchmarks.sweeps`.

Writes the section on sweeps in docs/performance.md; takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import datetime as dt
import multiprocessing
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from abm.runs.months import months_of
from abm.runs.setup import Setup
from abm.support.workers import processors
from abm.sweeps import Sweep, open_sweep, run_sweep
from benchmarks.page import PAGE, machine
from benchmarks.plain_mesa import PlainMarket

BEGIN, END = "<!-- sweeps:begin -->", "<!-- sweeps:end -->"
MONTHS = 60


def sweep(runs: int, months: int) -> Sweep:
    """Latin hypercube over four parameters with four paired replications per point."""
    factors = {
        "ip_strength": {"low": 0.0, "high": 1.0},
        "distillation_rate": {"low": 0.0, "high": 0.2},
        "permitting_lag": {"low": 1.0, "high": 24.0},
        "usage_elasticity": {"low": 1.1, "high": 2.0},
    }
    points = runs // 4
    design = {"kind": "latin_hypercube", "points": points}
    return Sweep(name="benchmark", factors=factors, design=design, replications=runs // points, months=months)


class Memory(threading.Thread):
    """Thread that samples the resident memory of this process and its descendants once per second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.leader: list[float] = []
        self.workers: list[float] = []

    def run(self) -> None:
        me = psutil.Process()
        while not self.ended.wait(1.0):
            largest = 0.0
            for child in me.children(recursive=True):
                try:
                    largest = max(largest, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.leader.append(me.memory_info().rss / 2**20)
            self.workers.append(largest / 2**20)


def timed(runs: int, months: int, workers: int, chunk: int | None = None) -> dict[str, Any]:
    """Run a sweep in a new folder; returns seconds to the first part and in total, memory, and time by layer."""
    with tempfile.TemporaryDirectory() as place:
        memory = Memory()
        memory.start()
        began = time.perf_counter()
        firsts: list[float] = []

        def progress(done: int, total: int, failed: int, seconds: float) -> None:
            if done:
                firsts.append(time.perf_counter() - began)
            if sys.stderr.isatty():
                print(f"\r{done}/{total} runs, {seconds:.0f} s", end="", file=sys.stderr, flush=True)

        tally = run_sweep(sweep(runs, months), place, workers=workers, chunk=chunk, progress=progress)
        wall = time.perf_counter() - began
        memory.ended.set()
        memory.join()
        print(file=sys.stderr)
        files = list(Path(place).rglob("*.parquet"))
        read = time.perf_counter()
        table = open_sweep(place).runs()
        read = time.perf_counter() - read
        assert len(table) == runs, "runs are missing"
        return {
            "runs": runs,
            "workers": workers,
            "parts": tally.parts,
            "wall": wall,
            "first": firsts[0],
            "engine": tally.engine_seconds,
            "chunks": tally.chunk_seconds,
            "bytes": sum(path.stat().st_size for path in files),
            "read": read,
            "ok": int((table["status"] == "ok").sum()),
            "leader": (memory.leader[len(memory.leader) // 10], max(memory.leader)),
            "worker": (memory.workers[len(memory.workers) // 2], max(memory.workers)),
        }


def plain_months(seed: int) -> float:
    """Seconds per month in plain Mesa (benchmarks/plain_mesa): objects and loops over agents."""
    setup = Setup.of(months=3)
    market, _ = next(months_of(setup, seed))
    model = PlainMarket.from_market(market, setup.values, setup.timeline, rng=seed)
    seconds = []
    while model.running:
        began = time.perf_counter()
        model.step()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def plain(workers: int) -> float:
    """Seconds per month and worker with all workers busy, as in `mesa.batch_run`."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return sum(pool.map(plain_months, range(1, 1 + workers))) / workers


def section(large: dict[str, Any], others: list[dict[str, Any]], python: float, quick: bool) -> str:
    """The section as Markdown."""
    workers, months = large["workers"], MONTHS
    per_run = large["wall"] / large["runs"]
    slow = python * months / workers
    start = large["first"]
    in_chunks = large["chunks"] - large["engine"]
    outside = (large["wall"] - start) * workers - large["chunks"]
    rows = "\n".join(
        f"| {one['workers']} | {one['parts']} | {one['runs']} | {one['wall']:.0f} | {one['first']:.0f} |"
        f" {one['runs'] / one['wall']:.1f} | {1e3 * one['chunks'] / one['runs']:.0f} |"
        for one in others
    )
    note = "**Quick: the numbers mean nothing.**\n\n" if quick else ""
    return f"""{BEGIN}
## Sweeps

{note}Written by `make bench-sweeps` on {dt.date.today():%d %B %Y}; {machine()["processor"]}, {machine()["cores"]} cores, Python
{machine()["Python"]}, jax {machine()["jax"]}.

{large["runs"]:,} runs of the default population x {months} months ({large["runs"] // 4:,} points x 4 replications, three
observables in every month), {workers} workers:

| | |
|---|---:|
| total, from the call to the last file | {large["wall"]:.0f} s |
| runs a second | {large["runs"] / large["wall"]:.1f} |
| until the first part (importing, tracing, its runs) | {start:.0f} s |
| in the compiled ensembles, all workers | {large["engine"]:.0f} s |
| rest of the chunks: parameters, tables, files | {in_chunks:.1f} s, {100 * in_chunks / large["engine"]:.1f} % of the engine's |
| coordinating and waiting, after the first part | {max(outside, 0):.1f} s, {100 * max(outside, 0) / large["engine"]:.1f} % |
| memory of the leader: after a tenth of the time, at most | {large["leader"][0]:.0f}, {large["leader"][1]:.0f} MiB |
| memory of the largest worker: after half of the time, at most | {large["worker"][0]:.0f}, {large["worker"][1]:.0f} MiB |
| {large["parts"]} parts | {large["bytes"] / 1e6:.0f} MB |
| reading the table of runs | {large["read"]:.1f} s |
| runs in order | {large["ok"]:,} of {large["runs"]:,} |

**Compared with plain Mesa.** The same month as Mesa agents in plain Python (`benchmarks/plain_mesa`), in {workers} processes as
in `mesa.batch_run`: {python:.2f} s a month of a run, {slow:.0f} s a run of {months} months with {workers} processes. A
sweep's run takes {per_run:.3f} s, its files included: **{slow / per_run:,.0f} times** the throughput.

**Chunks and workers.** The same design with fewer runs; the last column is the time that a worker spends in its chunks, per run:

| workers | parts | runs | total (s) | until the first part (s) | runs a second | ms a run in a chunk |
|---:|---:|---:|---:|---:|---:|---:|
{rows}

One worker is this process with its threads; several workers are single-threaded processes.
{END}"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure sweeps; write their section of docs/performance.md.")
    parser.add_argument(
        "--quick", action="store_true", help="few runs, to try the script; prints the section instead of writing it"
    )
    given = parser.parse_args()
    workers = processors()
    runs, few = (96, 32) if given.quick else (10_000, 768)
    large = timed(runs, MONTHS, workers)  # first, so that the leader's memory is measured without the other runs
    print("plain Mesa ...", file=sys.stderr)
    python = plain(workers)
    settings = [(1, few // 8), (workers, few // 32), (workers, few // 8), (workers, few // workers)]
    others = [timed(few, MONTHS, number, chunk) for number, chunk in settings]
    text = section(large, others, python, given.quick)
    if given.quick:
        print(text)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    head, machine_, tail = before.partition("## Machine") if not rest else (before, "", "")
    PAGE.write_text(head.rstrip() + "\n\n" + text + "\n\n" + (machine_ + tail + after).lstrip(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
