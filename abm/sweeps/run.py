"""Running a sweep: chunks on any executor, nothing done twice, nothing lost."""

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
"""Called as progress(runs done, all runs, of these failed, seconds)."""
FAILED = ("failed", "crashed", "nonfinite")
RETRIED = ("failed", "crashed")


@dataclass
class Tally:
    """What a call found done and did."""

    folder: Path
    total: int
    before: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    parts: int = 0
    restarts: int = 0
    engine_seconds: float = 0.0
    """In compiled ensembles, all workers together."""
    chunk_seconds: float = 0.0
    """In chunks, from their parameters to their files, all workers together."""
    seconds: float = 0.0
    accepted: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    """Files that were damaged, with the reason: they are set aside under another name, and their runs are done again."""

    @property
    def done(self) -> int:
        return self.before + sum(self.counts.values())

    @property
    def failed(self) -> int:
        return sum(self.counts[status] for status in FAILED)

    def then(self, later: Tally) -> Tally:
        """Of two calls one after the other."""
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
    """Do what is not done yet of a sweep, and keep it in `folder`; read it with `abm.open_sweep(folder)`.

    Parameters
    ----------
    sweep
        A `Sweep`, or the path of its TOML file.
    workers
        1: in this process, with its threads. More: so many processes with one thread each; one that dies costs nobody
        else's runs.
    executor
        Any `concurrent.futures.Executor` instead, such as `dask.distributed.Client(...).get_executor()`. Its workers must
        see `folder`.
    chunk
        Runs of one part; by default from their number and the memory they take.
    shard
        (K, N): only every Nth run, from the Kth on; N calls, in any order or at once, do the whole (Slurm arrays).
    classes
        The user's own classes of agents, as in `simulate`. Runs are kept under what their rules do: with a changed rule, or one
        that reads more than its code and data (a file, a clock), the folder is another sweep's. Workers get the classes sent.
    replications
        More than the sweep's own.
    accept_changes
        Go on though the sweep, the model or a package has changed, and record it. Runs whose conditions are the same are
        kept as they are.
    retry_failed
        Do runs again that failed or crashed.
    progress
        Called after every part.

    Raises
    ------
    SpecError, Changed
        Before anything is run.
    ValueError
        The folder has symbolic links.
    OSError
        The disk is full, or the folder cannot be written: what is finished is kept. FileNotFoundError: it was deleted.
    Broken
        Workers do not start, die again and again, have other code than this process, or hang: for ten minutes
        (`ABM_PATIENCE` seconds) nothing is finished, and none of them computes. What is finished is kept. A script that
        wants several workers must call this below `if __name__ == "__main__":`.
    """
    began = time.perf_counter()
    if being_born():
        raise SystemExit(1)  # a worker that runs its leader's script, for want of a main guard: the leader says so
    sweep = sweep if isinstance(sweep, Sweep) else Sweep.load(sweep)
    workers, chunk, replications, shard = checked(workers, chunk, replications, shard)
    patience()  # a value that is none is told before anything runs
    if sweep.number_of_points * (replications or sweep.replications) > MOST_RUNS:
        raise ValueError(
            f"replications = {replications}: {sweep.number_of_points:,} points take {MOST_RUNS:,} runs at the most"
        )
    folder = Path(folder).resolve()
    plan = Plan.of(sweep, replications, classes)
    warn(plan.without_effect)
    accepted = store.open_folder(folder, plan, accept_changes)
    runs = list({run.id: run for run in plan.runs(shard)}.values())  # points of a design may coincide
    damaged: list[parts.Damaged] = []
    done = parts.finished(folder, sweep, RETRIED if retry_failed else (), damaged, thorough=True)
    for fault in damaged:
        parts.set_aside(fault.path)
    missing = [one for one in runs if one.id not in done]
    tally = Tally(folder, len(runs), len(runs) - len(missing), accepted=accepted, damaged=[*map(str, damaged)])
    report = progress or (lambda *said: None)
    report(tally.done, tally.total, 0, 0.0)
    if not missing:
        return tally
    threads = 1 if workers > 1 or executor else None
    here = executor is None and workers == 1
    chunks = plan.chunks(missing, workers, chunk, accelerated=here and accelerated())
    rules = Rules.of(plan)
    tasks = [Task.of(plan, some, folder, threads, rules) for some in chunks]
    record = store.session(
        folder, runs=len(missing), tasks=len(tasks), workers=workers, shard="/".join(map(str, shard)), accepted=accepted
    )

    def finished(result: dict[str, Any]) -> None:
        if result["part"] is None:
            raise Broken(
                "a worker has other code of the model, or other versions of packages, than this process: files were edited"
                " meanwhile, or another version is installed there. What is finished is kept; start it again"
            )
        tally.parts += 1
        tally.counts.update(result["counts"])
        tally.engine_seconds += result["engine"]
        tally.chunk_seconds += result["seconds"]
        report(tally.done, tally.total, tally.failed, time.perf_counter() - began)

    try:
        if here:
            for task in tasks:
                shown = lambda some: report(tally.done + some, tally.total, tally.failed, time.perf_counter() - began)  # noqa: E731
                finished(carry_out(task, shown))
        else:
            with Workers(executor, workers) as hands:
                in_parallel(hands, deque(tasks), finished)
                tally.restarts = hands.restarts
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
    """Whether this process computes on an accelerator. Loads JAX, as its first run would."""
    from abm.engine import on_accelerator

    return on_accelerator()


def checked(workers: Any, chunk: Any, replications: Any, shard: Any) -> Any:
    """All four as plain numbers. Raises ValueError with all that is wrong."""
    found: list[int | None] = []
    problems = []
    for name, value in (("workers", workers), ("chunk", chunk), ("replications", replications)):
        try:
            found.append(None if value is None and name != "workers" else whole(name, value, 1))
        except ValueError as error:
            problems.append(str(error))
    if not problems and (found[1] or 0) > parts.MOST_ROWS:
        problems.append(
            f"chunk = {shortened(chunk)}: must be at most {parts.MOST_ROWS:,}, the runs that one part may have"
        )
    try:
        which, shards = (whole("shard", number, 1) for number in shard)
        if which > shards:
            raise ValueError
        found_shard = which, shards
    except (TypeError, ValueError):
        problems.append(f"shard = {shortened(shard)}: must be (K, N), whole numbers with K from 1 to N")
    if problems:
        raise ValueError("\n".join(problems))
    return (*found, found_shard)
