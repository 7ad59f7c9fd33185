"""Running a sweep: chunks on any executor, nothing done twice, nothing lost."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from abm.sweeps import parts, store
from abm.sweeps.chunk import Task, carry_out
from abm.sweeps.plan import Plan
from abm.sweeps.spec import MOST_RUNS, Sweep
from abm.wording import short
from abm.workers import being_born

Progress = Callable[[int, int, int, float], None]
"""Called as progress(runs done, all runs, of these failed, seconds)."""
PRELOAD = ("abm.sweeps.chunk", "abm.simulation", "pyarrow.parquet")
FAILED = ("failed", "crashed", "nonfinite")
RETRIED = ("failed", "crashed")


class Broken(RuntimeError):
    """Workers cannot be started, or those of an executor that was handed in have died."""


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
    classes: Mapping[str, Mapping[type, int]] | None = None,
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
        The user's own classes of agents, as in `simulate`.
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
        A pool that was handed in has died, its workers have other code than this process, or workers do not start: a script
        that wants several of them must call this below `if __name__ == "__main__":`.
    """
    began = time.perf_counter()
    if being_born():
        raise SystemExit(1)  # a worker that runs its leader's script, for want of a main guard: the leader says so
    sweep = sweep if isinstance(sweep, Sweep) else Sweep.load(sweep)
    which, shards = checked(workers, chunk, replications, shard)
    if sweep.number_of_points * (replications or sweep.replications) > MOST_RUNS:
        raise ValueError(
            f"replications = {replications}: {sweep.number_of_points:,} points take {MOST_RUNS:,} runs at the most"
        )
    folder = Path(folder).resolve()
    plan = Plan.of(sweep, replications, classes)
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
    tasks = [Task.of(plan, some, folder, threads) for some in chunks]
    record = store.session(
        folder, runs=len(missing), tasks=len(tasks), workers=workers, shard=f"{which}/{shards}", accepted=accepted
    )

    def finished(result: dict[str, Any]) -> None:
        if result["part"] is None:
            raise Broken(
                "a worker has other code of the model, or other versions of packages, than this process; install the same"
                " on both: what is finished is kept"
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


def checked(workers: Any, chunk: Any, replications: Any, shard: Any) -> tuple[int, int]:
    """The shard, where all are whole numbers that can be; raises ValueError with all that is wrong."""
    problems = [
        f"{name} = {short(value)}: must be a whole number, 1 or more"
        for name, value in (("workers", workers), ("chunk", chunk), ("replications", replications))
        if not (value is None and name != "workers") and not _counts(value)
    ]
    which, shards = shard if isinstance(shard, tuple | list) and len(shard) == 2 else (0, 0)
    if _counts(chunk) and chunk > parts.MOST_ROWS:
        problems.append(f"chunk = {short(chunk)}: must be at most {parts.MOST_ROWS:,}, the runs that one part may have")
    if not _counts(which) or not _counts(shards) or which > shards:
        problems.append(f"shard = {short(shard)}: must be (K, N), whole numbers with K from 1 to N")
    if problems:
        raise ValueError("\n".join(problems))
    return which, shards


def _counts(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


class Workers:
    """An executor that is there again after it broke: ours is started anew; one that was handed in cannot be."""

    def __init__(self, given: Executor | None, number: int):
        self.given, self.number, self.restarts = given, number, 0
        self.own = contextlib.ExitStack()
        self.executor = given or self._start()

    def _start(self) -> Executor:
        from abm.workers import worker_pool

        pool = self.own.enter_context(worker_pool(self.number, PRELOAD))
        try:
            pool.submit(os.getpid).result()
        except BrokenExecutor:
            self.own.close()
            raise Broken(
                "worker processes end as soon as they start; a script that runs a sweep with several workers must do so"
                ' below `if __name__ == "__main__":`, since every worker imports it (otherwise: is there too little memory?)'
            ) from None
        return pool

    @property
    def window(self) -> int:
        """Tasks in flight: enough that nobody waits."""
        if self.given is None:
            return self.number
        known = getattr(self.given, "_max_workers", None)
        client: Any = getattr(self.given, "_client", None)
        if known is None and hasattr(client, "ncores"):
            known = sum(client.ncores().values())
        return 2 * max(int(known or self.number), 1)

    def restart(self) -> None:
        if self.given is not None:
            raise Broken(
                "the workers of the executor that was handed in have died; what is finished is kept: run it again"
            )
        self.own.close()
        self.own = contextlib.ExitStack()
        self.restarts += 1
        self.executor = self._start()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.own.__exit__(*raised)


def in_parallel(hands: Workers, tasks: deque[Task], finished: Callable[[dict[str, Any]], None]) -> None:
    """Carry out all tasks. A task during which a worker died is tried again alone, then halved until the run is found."""
    suspects: deque[Task] = deque()
    running: dict[Future[dict[str, Any]], Task] = {}
    alone = False
    try:
        while tasks or suspects or running:
            if not suspects and not alone:
                while tasks and len(running) < hands.window:
                    task = tasks.popleft()
                    running[hands.executor.submit(carry_out, task)] = task
            elif not running:
                alone, task = True, suspects.popleft()
                running[hands.executor.submit(carry_out, task)] = task
            ended = wait(running, return_when=FIRST_COMPLETED).done
            lost: list[Task] = []
            died: BaseException | None = None
            broken = False
            for future in ended:
                task = running.pop(future)
                fault = future.exception() if not future.cancelled() else CancelledError("cancelled by its executor")
                if fault is None:
                    finished(future.result())
                elif isinstance(fault, OSError | ValueError) and type(fault).__module__ == "builtins":
                    raise fault  # the disk, or a mistake: not one run's doing
                else:  # BrokenExecutor, Dask's KilledWorker, or whatever else an executor says of a worker's end
                    lost.append(task)
                    died, broken = fault, broken or isinstance(fault, BrokenExecutor)
            if broken:
                lost += running.values()
                running.clear()
                hands.restart()
            if died is not None and alone:
                for task in reversed(lost):
                    suspects.extendleft(reversed(divided(task, died)))
            else:
                suspects.extend(lost)
            alone = alone and bool(running)
    finally:
        for future in running:
            future.cancel()


def divided(task: Task, died: BaseException) -> list[Task]:
    """The halves of a task that ended its worker; a single run is given up, with the reason."""
    if len(task.runs) > 1:
        return list(task.halves())
    if task.crashed:
        raise died
    why = f"its worker process ended ({type(died).__name__})"
    return [replace(task, crashed=why)]
