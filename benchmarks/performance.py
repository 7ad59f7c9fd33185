"""How long the model takes and how much memory it needs: `python -m benchmarks.performance` writes docs/performance.md.

Every measurement runs in a process of its own, so that peak memory is its own and nothing is warm by accident. The
compilation cache is one of the measurement's own too: cold means that nothing was ever compiled, warm that another
process compiled the same program before.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from abm import provenance

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement: what is run, and how often once it is compiled."""

    name: str
    title: str
    kind: str  # "run" or "ensemble"
    repeats: int
    months: int = 60
    runs: int = 1
    adopters: int = 200
    investors: int = 1_000


def cases(quick: bool) -> list[Case]:
    """All measurements; `quick` keeps each under a few seconds and means nothing."""
    months, runs, many = (6, 8, 2_000) if quick else (60, 64, 100_000)
    return [
        Case("run", "one run, default population", "run", 5, months),
        Case("ensemble", f"ensemble of {runs} runs, default population", "ensemble", 2, months, runs),
        Case("investors", f"one run, {many:,} investors", "run", 2, months, investors=many),
        Case("adopters", f"one run, {many:,} adopters", "run", 2, months, adopters=many),
    ]


def measure(case: Case) -> dict[str, Any]:
    """Run the case in this process: seconds of the first call and of every later one, and the process's peak memory."""
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
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"import": imported, "first": seconds[0], "later": seconds[1:], "peak": peak}


def in_a_process(case: Case, cache: Path) -> dict[str, Any]:
    """`measure` in a fresh Python with its compilation cache in `cache`."""
    environment = os.environ | {"ABM_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "benchmarks.performance", "--measure", json.dumps(dataclasses.asdict(case))]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def help_seconds() -> list[float]:
    """Seconds that `abm --help` takes as a process of its own, five times."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "abm.cli", "--help"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - began)
    return seconds


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": provenance.machine()["processor"] or "unknown",
        "cores": f"{cores}",
        "memory": memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "jax": version("jax"),
        "mesa": version("mesa"),
    }


def memory() -> str:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def page(results: list[tuple[Case, dict[str, Any], dict[str, Any]]], quick: bool) -> str:
    """The page, in Markdown."""
    rows = []
    for case, cold, warm in results:
        later = [seconds / case.runs for seconds in warm["later"]]
        rows.append(
            f"| {case.title} | {case.months} | {cold['first']:.1f} | {warm['first']:.1f} | {min(later):.3f} |"
            f" {statistics.median(later):.3f} | {warm['peak'] / 2**20:,.0f} |"
        )
    compile_rows = []
    for case, cold, warm in results:
        usual = statistics.median(warm["later"])
        compile_rows.append(
            f"| {case.title} | {cold['first'] - usual:.1f} | {max(warm['first'] - usual, 0.0):.1f} |"
            f" {warm['import']:.1f} |"
        )
    helped = help_seconds()
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine().items())
    note = "\n**Quick measurement with small sizes: the numbers below mean nothing.**\n" if quick else ""
    repeats = ", ".join(f"{case.name} {case.repeats}" for case, _, _ in results)
    return f"""# Performance

Written by `make bench` (or `python -m benchmarks.performance`) on {dt.date.today():%d %B %Y}; do not edit by hand.
{note}
## Time and memory

| what | months | first call, cold cache (s) | first call, warm cache (s) | later calls, s a run: least | median | \
peak memory (MiB) |
|---|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

- A later call is one in a process that has made the same call before, with other seeds ({repeats} calls). It includes
  checking the parameters, drawing the networks and building the timeline. For the ensemble its time is divided by the
  number of runs.
- A first call also compiles, or with a warm cache loads what another process compiled.
- Peak memory is the largest resident set of the whole process that started with a warm cache: Python, JAX and the
  results included.

## Compiling

| what | cold cache: compiling (s) | warm cache: tracing and loading (s) | importing the package (s) |
|---|---:|---:|---:|
{chr(10).join(compile_rows)}

The first call less the median of the later ones. A program is compiled once per shape (sizes, classes, months of an
ensemble, conduct), not per parameter, seed or scenario.

`abm --help` as a process: {min(helped):.2f} s at least, {statistics.median(helped):.2f} s in the median of five.

## Machine

| | |
|---|---|
{facts}

Other work on the same machine makes times longer; the least of several is the better measure of the program, the
median of what to expect.
"""


def with_others(text: str, page: Path) -> str:
    """The page with the sections that other benchmarks wrote into the one that is there."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    for name in ("sweeps", "page"):
        found = re.search(rf"<!-- {name}:begin -->.*<!-- {name}:end -->", before, re.DOTALL)
        text = text.replace("## Machine", f"{found[0]}\n\n## Machine") if found else text
    return text


def main(arguments: list[str] | None = None) -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description="Measure time and memory; write docs/performance.md.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the script; prints, writes nothing")
    parser.add_argument("--only", metavar="NAME", help="one measurement: run, ensemble, investors or adopters; prints")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page (default docs/performance.md)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        print(json.dumps(measure(Case(**json.loads(given.measure)))))
        return
    chosen = [case for case in cases(given.quick) if given.only in (None, case.name)]
    if not chosen:
        parser.error(f"--only {given.only}: choose {', '.join(case.name for case in cases(given.quick))}")
    results = []
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{case.title}, {case.months} months ...", file=sys.stderr, flush=True)
            # Cold first: it fills the cache that the second process finds.
            cold = in_a_process(dataclasses.replace(case, repeats=0), Path(folder))
            results.append((case, cold, in_a_process(case, Path(folder))))
    text = page(results, given.quick)
    if given.quick or given.only:
        print(text)
        return
    given.out.write_text(with_others(text, given.out), encoding="utf-8")
    print(given.out)


if __name__ == "__main__":
    main()
