"""Ensembles on an accelerator: throughput compared with the processors of the same machine, and memory traffic.

`python -m benchmarks.accelerator --json FILE` measures on a machine with an accelerator; `--from FILE` writes the section on
accelerators of docs/performance.md, on any machine. It takes some minutes. Bytes are counted by Nsight Compute if installed.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import datetime as dt
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.page import NUMBERS, ROOT, machine, put

KEPT = NUMBERS.with_name("accelerator.json")
RUNS = {100: 3, 1_000: 3, 10_000: 1, 100_000: 1}
"""Size of an ensemble -> number of repeats."""
MONTHS = 60
MONTH = 24
"""January 2025: a month in which investors talk and labs plan, so that every part of the month runs."""
COUNTERS = ("dram__bytes_read.sum", "dram__bytes_write.sum")
STEP_LIMIT = 240
"""Time limit of a step, in seconds; results of other steps are kept."""


def timed(runs: int, first: int, precision: int) -> tuple[float, float]:
    """Seconds for an ensemble, and the mean Lerner index of closed labs at its end."""
    import abm

    began = time.perf_counter()
    played = abm.ensemble(seeds=range(first, first + runs), months=MONTHS, precision=precision)
    seconds = time.perf_counter() - began
    return seconds, float(played["lerner_closed"][:, -1].mean())


def compiled(precision: int, runs: int) -> dict[str, Any]:
    """Seconds to compile the program for this number of runs; later steps find it in the cache of compiled programs."""
    import abm

    began = time.perf_counter()
    abm.ensemble(seeds=range(runs), months=1, precision=precision)
    return {"seconds": time.perf_counter() - began}


def ensembles(precision: int, *sizes: int) -> dict[str, Any]:
    """Seconds for ensembles of each size, excluding compilation."""
    import jax

    from abm.engine.devices import AT_MOST, device_memory, on_accelerator

    found: dict[str, Any] = {"seconds": {}, "mean": {}}
    for runs in sizes:
        if runs <= AT_MOST:  # a larger ensemble takes several calls of the same program
            timed(runs, 0, precision)
        times = [timed(runs, 10_000 * (1 + repeat), precision) for repeat in range(RUNS[runs])]
        found["seconds"][runs] = [seconds for seconds, _ in times]
        found["mean"][runs] = times[0][1]
        print(f"{precision} bits, {runs:,} runs: {min(found['seconds'][runs]):.2f} s", file=sys.stderr, flush=True)
    found["device"] = jax.devices()[0].device_kind
    if on_accelerator():
        told = jax.devices()[0].memory_stats() or {}
        found |= {"memory": device_memory(), "peak": told.get("peak_bytes_in_use")}
    return found


def processors(precision: int, runs: int) -> dict[str, Any]:
    """Seconds per run with one single-threaded process per processor, as in sweeps."""
    from benchmarks.peer import engine_in_processes

    return {"seconds": engine_in_processes(runs, MONTHS, precision)}


def copying(gigabytes: int) -> dict[str, Any]:
    """Bytes read and written per second when adding one to an array."""
    import jax
    import jax.numpy as jnp

    x = jnp.zeros(gigabytes * 2**27)
    step = jax.jit(lambda x: x + 1.0)
    jax.block_until_ready(step(x))
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        jax.block_until_ready(step(x))
        seconds.append(time.perf_counter() - began)
    return {"rate": 2 * x.nbytes / statistics.median(seconds)}


def one_month(precision: int, runs: int) -> dict[str, Any]:
    """Seconds for one month of a chunk, and a second such month for Nsight Compute to count, if it is attached."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from abm.engine import seed_words
    from abm.runs.programs import Program
    from abm.runs.simulate import PreparedSetting, Setting

    with jax.enable_x64(precision == 64):
        prepared = PreparedSetting.of(Setting(), list(range(runs)), MONTHS, {})
        program, timeline = Program.of(prepared.setup.program_key, precision), prepared.setup.timeline
        seeds = jnp.asarray(np.stack([seed_words(seed) for seed in range(runs)]))
        inputs = {name: jnp.asarray(rows) for name, rows in prepared.values.items()}, seeds
        markets = program.start(*inputs, prepared.setup.networks)
        reports = program.blank(markets, inputs, timeline)
        state = program.advance(inputs, timeline, (0, markets, reports), MONTH)
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(markets.replace(networks=None)))
        # Copy, because outputs of a compiled program would trigger a recompilation.
        state = jax.device_put(jax.device_get(state))
        jax.block_until_ready(program.advance(inputs, timeline, state, MONTH + 1))
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            jax.block_until_ready(program.advance(inputs, timeline, state, MONTH + 1))
            seconds.append(time.perf_counter() - began)
        start, stop = profiler()
        start()
        jax.block_until_ready(program.advance(inputs, timeline, state, MONTH + 1))
        stop()
    return {
        "seconds": statistics.median(seconds),
        "state": size / runs,
        "runs": runs,
        "bytes_of_a_number": precision // 8,
    }


def profiler() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Functions that start and stop profiling, from the CUDA runtime loaded by this process."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if found := re.search(r"/\S*libcudart\.so\S*", line):
            library = ctypes.CDLL(found[0])
            return library.cudaProfilerStart, library.cudaProfilerStop
    return lambda: None, lambda: None


def counted(precision: int, runs: int, log: Path) -> dict[str, Any]:
    """Bytes moved by the device's memory in one month of a chunk, summed over kernels."""
    watch = ["ncu", "--metrics", ",".join(COUNTERS), "--profile-from-start", "off", "--csv", "--page", "raw"]
    watch += ["--clock-control", "none", "--cache-control", "none", "--log-file", str(log)]
    in_a_process("one_month", precision, runs, before=watch)
    lines = log.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if line.startswith('"')))
    units = {"byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9}
    moved = sum(
        float(row[name].replace(",", "")) * units[rows[0][name]] for row in rows[1:] for name in COUNTERS if row[name]
    )
    return {"bytes": moved, "kernels": len(rows) - 1, "runs": runs}


STEPS = {step.__name__: step for step in (compiled, ensembles, processors, copying, one_month)}


def start_process(step: str, *arguments: int, before: list[str], **environment: str) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-m", "benchmarks.accelerator", "--step", step, *map(str, arguments)]
    kept = "false" if step == "compiled" else "true"
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": kept, "TF_CPP_MIN_LOG_LEVEL": "2"} | environment
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def in_a_process(step: str, *arguments: int, before: list[str] | None = None, **environment: str) -> dict[str, Any]:
    """Run a step in its own Python process and return its result."""
    process = start_process(step, *arguments, before=before or [], **environment)
    try:
        told, _ = process.communicate(timeout=STEP_LIMIT)
    finally:
        process.kill()
    if process.returncode:
        raise RuntimeError(f"{step} {arguments} ended with exit code {process.returncode}")
    return json.loads(told.splitlines()[-1])


def measure(out: Path, quick: bool) -> dict[str, Any]:
    """Measure everything in `section`; a failing step is reported and left out."""
    sizes = [100] if quick else list(RUNS)
    chunks = [size for size in sizes if size <= 10_000]
    found: dict[str, Any] = {"date": f"{dt.date.today():%-d %B %Y}", "quick": quick, "machine": machine()}

    def keep(name: str, step: Callable[[], Any]) -> None:
        began = time.perf_counter()
        try:
            found[name] = step()
        except Exception as error:
            found.setdefault("failed", {})[name] = f"{type(error).__name__}: {error}"
        print(f"{name}: {time.perf_counter() - began:.0f} s, {found.get(name)}", file=sys.stderr, flush=True)
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def all_compiled() -> dict[str, float]:
        """Compile all programs concurrently: compilation uses the processors, not the device."""
        processes = {
            f"{precision} {size}": start_process("compiled", precision, size, before=[])
            for precision in (64, 32)
            for size in chunks
        }
        try:
            return {
                name: json.loads(one.communicate(timeout=STEP_LIMIT)[0].splitlines()[-1])["seconds"]
                for name, one in processes.items()
            }
        finally:
            for one in processes.values():  # no process may run beside the next timings
                one.kill()

    keep("compiling", all_compiled)
    keep("64", lambda: in_a_process("ensembles", 64, *sizes))
    keep("32", lambda: in_a_process("ensembles", 32, *sizes))
    keep("copying", lambda: in_a_process("copying", 1 if quick else 4))
    largest = chunks[-1]
    for precision in (64, 32):
        keep(f"month {precision}", lambda precision=precision: in_a_process("one_month", precision, largest))
    keep("threads", lambda: in_a_process("ensembles", 64, 100, JAX_PLATFORMS="cpu"))
    each = 20 if quick else 60
    for precision in (64, 32):
        keep(
            f"processors {precision}",
            lambda precision=precision: in_a_process("processors", precision, each, JAX_PLATFORMS="cpu"),
        )
    if shutil.which("ncu"):
        for precision in (64, 32):
            log = out.with_name(f"counted_{precision}.csv")
            keep(f"counted {precision}", lambda precision=precision, log=log: counted(precision, largest, log))
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accelerator",
        description="Time ensembles on an accelerator; write their section of docs/performance.md.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="measure on this machine and store the numbers")
    parser.add_argument("--from", dest="kept", type=Path, metavar="FILE", help="write the section from stored numbers")
    parser.add_argument("--quick", action="store_true", help="100 runs only, to try the script")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.step:
        name, *numbers = given.step
        print(json.dumps(STEPS[name](*map(int, numbers))))
    elif given.kept:
        from benchmarks.accelerator_page import section

        found = json.loads(given.kept.read_text(encoding="utf-8"))
        text = section(found)  # before anything is written: the numbers may be incomplete
        KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        put("accelerator", text)
    elif given.json:
        measure(given.json, given.quick)
    else:
        parser.error("give --json FILE to measure, or --from FILE to write the section from stored numbers")


if __name__ == "__main__":
    main()
