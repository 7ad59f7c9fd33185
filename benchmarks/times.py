"""Time and memory of the model from the first call in a new process.

Every measurement runs in its own process, so that peak memory is separate and nothing is warm by accident. It also has
its own compilation cache: cold means that nothing was compiled before, warm that another process compiled the same
program before.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.page import ROOT


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement: what is run, and the number of repeats after compilation."""

    name: str
    title: str
    kind: str  # "run" or "ensemble"
    repeats: int
    months: int = 60
    runs: int = 1
    adopters: int = 200
    investors: int = 1_000


def cases(quick: bool) -> list[Case]:
    """All measurements; with `quick` each takes a few seconds, and the numbers are meaningless."""
    months, runs, many = (6, 8, 2_000) if quick else (60, 64, 100_000)
    return [
        Case("run", "one run, default population", "run", 5, months),
        Case("ensemble", f"ensemble of {runs} runs, default population", "ensemble", 2, months, runs),
        Case("investors", f"one run, {many:,} investors", "run", 2, months, investors=many),
        Case("adopters", f"one run, {many:,} adopters", "run", 2, months, adopters=many),
    ]


def measure_case(case: Case) -> dict[str, Any]:
    """Run the case in this process; returns seconds for the first and all later calls, and peak memory in bytes."""
    began = time.perf_counter()
    from abm import ensemble, simulate

    imported = time.perf_counter() - began
    sizes = {"months": case.months, "adopters": case.adopters, "investors": case.investors}

    def once(first: int) -> None:
        if case.kind == "run":
            simulate(seed=first, **sizes)
        else:
            ensemble(seeds=range(first, first + case.runs), **sizes)

    seconds = []
    for repeat in range(1 + case.repeats):
        start = time.perf_counter()
        once(1 + repeat * case.runs)
        seconds.append(time.perf_counter() - start)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"import": imported, "first": seconds[0], "later": seconds[1:], "peak": peak}


def in_a_process(case: Case, cache: Path) -> dict[str, Any]:
    """Run `measure_case` in a fresh Python process with its compilation cache in `cache`."""
    environment = os.environ | {"ABM_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "benchmarks.times", "--case", json.dumps(dataclasses.asdict(case))]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def help_seconds() -> list[float]:
    """Seconds for `abm --help` as a separate process, five times."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "abm.cli.app", "--help"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`."""
    found = {}
    for case in cases(quick):
        with tempfile.TemporaryDirectory() as folder:
            print(f"  {case.title}, {case.months} months", file=sys.stderr, flush=True)
            # Cold first: it fills the cache for the second process.
            cold = in_a_process(dataclasses.replace(case, repeats=0), Path(folder))
            warm = in_a_process(case, Path(folder))
            found[case.name] = {"case": dataclasses.asdict(case), "cold": cold, "warm": warm}
    return {"cases": found, "help": help_seconds()}


def section(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    rows, compile_rows = [], []
    for one in found["cases"].values():
        case, cold, warm = Case(**one["case"]), one["cold"], one["warm"]
        later = [seconds / case.runs for seconds in warm["later"]]
        usual = statistics.median(warm["later"])
        rows.append(
            f"| {case.title} | {case.months} | {cold['first']:.1f} | {warm['first']:.1f} | {min(later):.3f} |"
            f" {statistics.median(later):.3f} | {warm['peak'] / 2**20:,.0f} |"
        )
        compile_rows.append(
            f"| {case.title} | {cold['first'] - usual:.1f} | {max(warm['first'] - usual, 0.0):.1f} |"
            f" {warm['import']:.1f} |"
        )
    helped = found["help"]
    repeats = ", ".join(f"{name} {one['case']['repeats']}" for name, one in found["cases"].items())
    return f"""## Time and memory

| what | months | first call, cold cache (s) | first call, warm cache (s) | later calls, s a run: shortest | median | \
peak memory (MiB) |
|---|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

- A later call is made in a process that has made the same call before, with other seeds ({repeats} calls). It includes
  checking the parameters, drawing the networks and building the timeline. For the ensemble its time is divided by the
  number of runs.
- A first call also compiles, or with a warm cache loads what another process compiled.
- Peak memory is the largest resident set of the whole process, started with a warm cache, including Python, JAX and the
  results.

## Compiling

| what | cold cache: compiling (s) | warm cache: tracing and loading (s) | importing the package (s) |
|---|---:|---:|---:|
{chr(10).join(compile_rows)}

The first call minus the median of the later ones. A program is compiled once per shape (sizes, classes, months of an
ensemble, conduct), not per parameter, seed or scenario.

`abm --help` as a separate process takes {min(helped):.2f} s at best, {statistics.median(helped):.2f} s in the median of five.
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", required=True)
    print(json.dumps(measure_case(Case(**json.loads(parser.parse_args().case)))))
