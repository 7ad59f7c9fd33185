"""Running a sweep: chunks on any executor; finished runs are kept and never repeated."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from abm.runs.policy import warn
from abm.support.inputs import whole
from abm.support.messages import shortened
from abm.support.workers import Broken, being_born, patience
from abm.sweeps import parts, store
from abm.sweeps.chunk import Task, carry_out
from abm.sweeps.parallel import Workers, in_parallel
from abm.sweeps.plan import Plan
from abm.sweeps.rules import Rules
from abm.sweeps.spec import MOST_RUNS, Sweep

__all__ = ["FAILED", "RETRIED", "Broken", "Progress", "Tally", "run_sweep"]

Progress = Callable[[int, int, int, float], None]
"""Called as progress(runs done, all runs, failed runs, seconds)."""
FAILED = ("failed", "crashed", "nonfinite")
RETRIED = ("failed", "crashed")


@dataclass
class Tally:
    """Summary of a call: runs done before and by it, by status, with times."""

    folder: Path
    total: int
    before: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    parts: int = 0
    restarts: int = 0
    engine_seconds: float = 0.0
    """Seconds in compiled ensembles, summed over workers."""
    chunk_seconds: float = 0.0
    """Seconds in chunks, from parameters to files, summed over workers."""
    seconds: float = 0.0
    accepted: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    """Damaged files, with the reason: they are renamed, and their runs are repeated."""

    @property
    def done(self) -> int:
        return self.before + sum(self.counts.values())

    @property
    def failed(self) -> int:
        return sum(self.counts[status] for status in FAILED)

    def then(self, later: Tally) -> Tally:
        """Combine with the tally of a later call."""
        added = ("parts", "restarts", "engine_seconds", "chunk_seconds", "seconds", "counts", "accepted", "damaged")
        return replace(
            later, before=self.before, **{name: getattr(self, name) + getattr(later, name) for name in added}
        )


def run_sweep(
    sweep: Sweep | str | Path,
    folder: str | Path,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    chunk: int | None = None,
    shard: tuple[int, int] = (1, 1),
    classes: Any = None,
    replications: int | None = None,
    accept_changes: bool = False,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> Tally:
    """Run the missing runs of a sweep and store them in `folder`; read them with `abm.open_sweep(folder)`.

    Parameters
    ----------
    sweep
        A `Sweep`, or the path of its TOML file.
    workers
        1: run in this process, with its threads. More: that many processes with one thread each; if one dies, the runs of
        the others are not affected.
    executor
        Any `concurrent.futures.Executor` instead, such as `dask.distributed.Client(...).get_executor()`. Its workers must
        have access to `folder`.
    chunk
        Runs per part; by default chosen from their number and memory.
    shard
        (K, N): only every Nth run, starting at the Kth; N calls, in any order or in parallel, complete the sweep (Slurm
        arrays).
    classes
        User-defined agent classes, as in `simulate`; they are sent to the workers. Their rules are part of the sweep's
        identity: a changed rule, or one that reads more than its code and data (a file, a clock), makes it another sweep.
    replications
        Number of replications, if more than the sweep's.
    accept_changes
        Continue although the sweep, the model or a package has changed, and record the changes. Runs under unchanged
        conditions are kept.
    retry_failed
        Repeat runs that failed or crashed.
    progress
        Called after every part.

    Raises
    ------
    SpecError, Changed
        The sweep is invalid, or the folder has runs of a different one; raised before anything runs.
    ValueError
        An argument is invalid, or the folder contains symbolic links.
    OSError
        The disk is full or the folder is not writable; finished runs are kept. FileNotFoundError: the folder was deleted.
    Broken
        Workers do not start, keep dying, run different code from this process, or hang: for ten minutes (`ABM_PATIENCE`
        seconds) no task finishes and no worker computes. Finished runs are kept. A script that uses several workers must
        call this function below `if __name__ == "__main__":`.
    """
    began = time.perf_counter()
    if being_born():
        raise SystemExit(1)  # a worker that runs the leading script, which lacks a main guard: the leader reports it
    sweep = sweep if isinstance(sweep, Sweep) else Sweep.load(sweep)
    workers, chunk, replications, shard = checked(workers, chunk, replications, shard)
    patience()  # raises for an invalid value before anything runs
    if sweep.number_of_points * (replications or sweep.replications) > MOST_RUNS:
        raise ValueError(
            f"replications = {replications}: {sweep.number_of_points:,} points allow {MOST_RUNS:,} runs at most"
        )
    folder = Path(folder).resolve()
    plan = Plan.of(sweep, replications, classes)
    warn(plan.without_effect)
    accepted = store.open_folder(folder, plan, accept_changes)
    runs = list({run.id: run for run in plan.runs(shard)}.values())  # points of a design may coincide
    damaged: list[parts.Damaged] = []
    done = parts.finished(folder, sweep, RETRIED if retry_failed else (), damaged, thorough=True)
    for error in damaged:
        parts.set_aside(error.path)
    missing = [run for run in runs if run.id not in done]
    tally = Tally(folder, len(runs), len(runs) - len(missing), accepted=accepted, damaged=[*map(str, damaged)])
    report = progress or (lambda *counts: None)
    report(tally.done, tally.total, 0, 0.0)
    if not missing:
        return tally
    threads = 1 if workers > 1 or executor else None
    local = executor is None and workers == 1
    chunks = plan.chunks(missing, workers, chunk, accelerated=local and accelerated())
    rules = Rules.of(plan)
    tasks = [Task.of(plan, members, folder, threads, rules) for members in chunks]
    record = store.session(
        folder, runs=len(missing), tasks=len(tasks), workers=workers, shard="/".join(map(str, shard)), accepted=accepted
    )

    def finished(result: dict[str, Any]) -> None:
        if result["part"] is None:
            raise Broken(
                "a worker has other code of the model or other package versions than this process: files were edited"
                " meanwhile, or another version is installed there. Finished runs are kept; start the sweep again"
            )
        tally.parts += 1
        tally.counts.update(result["counts"])
        tally.engine_seconds += result["engine"]
        tally.chunk_seconds += result["seconds"]
        report(tally.done, tally.total, tally.failed, time.perf_counter() - began)

    try:
        if local:

            def shown(runs_of_task: int) -> None:
                report(tally.done + runs_of_task, tally.total, tally.failed, time.perf_counter() - began)

            for task in tasks:
                finished(carry_out(task, shown))
        else:
            with Workers(executor, workers) as pool:
                in_parallel(pool, deque(tasks), finished)
                tally.restarts = pool.restarts
    finally:
        tally.seconds = time.perf_counter() - began
        with contextlib.suppress(OSError):
            store.finish(
                record,
                done=sum(tally.counts.values()),
                counts=tally.counts,
                seconds=tally.seconds,
                restarts=tally.restarts,
            )
    return tally


def accelerated() -> bool:
    """Whether this process computes on an accelerator. Imports JAX, which the first run would do anyway."""
    from abm.engine import on_accelerator

    return on_accelerator()


def checked(workers: Any, chunk: Any, replications: Any, shard: Any) -> Any:
    """Validate and convert the four arguments. Raises ValueError with every problem."""
    numbers: list[int | None] = []
    problems = []
    for name, value in (("workers", workers), ("chunk", chunk), ("replications", replications)):
        try:
            numbers.append(None if value is None and name != "workers" else whole(name, value, 1))
        except ValueError as error:
            problems.append(str(error))
    if not problems and (numbers[1] or 0) > parts.MOST_ROWS:
        problems.append(f"chunk = {shortened(chunk)}: must be at most {parts.MOST_ROWS:,}, the maximum runs per part")
    try:
        shard_number, shards = (whole("shard", number, 1) for number in shard)
        if shard_number > shards:
            raise ValueError
        valid_shard = shard_number, shards
    except (TypeError, ValueError):
        problems.append(f"shard = {shortened(shard)}: must be (K, N), whole numbers with 1 <= K <= N")
    if problems:
        raise ValueError("\n".join(problems))
    return (*numbers, valid_shard)
