"""A sweep on one and two Dask workers: scaling of throughput, and the cost of distribution."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from abm.sweeps import run_sweep
from benchmarks.sweeps import sweep


def throughput(workers: int, runs: int, months: int) -> dict[str, float]:
    """Runs per second of a sweep on single-threaded Dask processes, excluding start-up and compilation."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        executor = client.get_executor()
        run_sweep(sweep(2 * 8 * workers, months), Path(folder) / "warm", executor=executor, chunk=8)
        began = time.perf_counter()
        tally = run_sweep(sweep(runs, months), Path(folder) / "timed", executor=executor, chunk=max(8, runs // 16))
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "engine": tally.engine_seconds, "per_second": runs / seconds}


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`."""
    runs, months = (32, 4) if quick else (320, 60)
    found = {str(number): throughput(number, runs, months) for number in (1, 2)}
    return {"runs": runs, "months": months, "workers": found}


def section(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    rows = [
        f"| {number} | {one['seconds']:.1f} | {one['per_second']:.1f} | {one['engine'] / int(number) / one['seconds']:.0%} |"
        for number, one in found["workers"].items()
    ]
    one, two = (found["workers"][number]["per_second"] for number in ("1", "2"))
    return f"""## On Dask workers

A sweep of {found["runs"]} runs of {found["months"]} months (`run_sweep(..., executor=client.get_executor())`) on single-threaded processes, started and
compiled beforehand: two workers have **{two / one:.2f} times** the throughput of one.

| workers | s | runs a second | share of the workers' time in the engine |
|---:|---:|---:|---:|
{chr(10).join(rows)}
"""
