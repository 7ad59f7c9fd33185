"""Chunks of a sweep on an executor: workers that die are replaced, and the run that ends them is found."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from typing import Any

from abm.support.workers import LOOK, Broken, Watch, busy_in_dask, worker_pool
from abm.sweeps.chunk import Task, carry_out

PRELOAD = ("abm.sweeps.chunk", "abm.runs.simulate", "pyarrow.parquet")
MOST_DEATHS = 40
"""Workers that may die one after the other without a single run that ends well: halving takes ten to find one bad run of a
thousand, and as many as that to find twenty that are all bad."""


class Workers:
    """An executor that recovers from broken workers: ours is started anew; one that was handed in cannot be."""

    def __init__(self, given: Executor | None, number: int):
        self.given, self.number, self.restarts = given, number, 0
        self.client: Any = getattr(given, "_client", None)  # of a Dask executor
        self.own = contextlib.ExitStack()
        self.executor = given or self._start()
        self.watch = Watch(self.executor)

    def _start(self) -> Executor:
        pool = self.own.enter_context(worker_pool(self.number, PRELOAD))
        try:
            first = pool.submit(os.getpid)
            Watch(pool).wait([first])
            first.result()
        except BrokenExecutor:
            self._end()
            raise Broken(
                "worker processes end as soon as they start; a script that runs a sweep with several workers must do so"
                ' below `if __name__ == "__main__":`, since every worker imports it (otherwise: is there too little memory?)'
            ) from None
        except BaseException:
            self._end()
            raise
        return pool

    def _end(self) -> None:
        """Kill our workers: one that hangs would not end by itself."""
        fault = Broken()
        self.own.__exit__(type(fault), fault, None)
        self.own = contextlib.ExitStack()

    @property
    def window(self) -> int:
        """Tasks in flight: enough that nobody waits."""
        if self.given is None:
            return self.number
        known = getattr(self.given, "_max_workers", None)
        if known is None and self.client is not None:
            with contextlib.suppress(Exception):  # nobody answers in time: the watch will see whether anybody ever does
                known = sum(self.client.sync(self.client.scheduler.ncores, callback_timeout=LOOK).values())
        return 2 * max(int(known or self.number), 1)

    def submit(self, task: Task) -> Future[dict[str, Any]]:
        try:
            return self.executor.submit(carry_out, task)
        except BrokenExecutor as error:  # since we last looked: told where all other futures of this pool tell it
            future: Future[dict[str, Any]] = Future()
            future.set_exception(error)
            return future
        except Exception as error:
            self.check()
            if not isinstance(error, RuntimeError):
                raise
            raise Broken(f"the executor takes no more work ({error}); what is finished is kept: run it again") from None

    def check(self) -> None:
        """Raises `Broken` where the connection to a Dask scheduler is lost."""
        if self.client is not None:
            busy_in_dask(self.client)

    def restart(self) -> None:
        if self.given is not None:
            raise Broken(
                "the workers of the executor that was handed in have died; what is finished is kept: run it again"
            )
        self._end()
        self.restarts += 1
        self.executor = self._start()
        self.watch = Watch(self.executor)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.own.__exit__(*raised)


def in_parallel(hands: Workers, tasks: deque[Task], finished: Callable[[dict[str, Any]], None]) -> None:
    """Carry out all tasks. A task during which a worker died is tried again alone, then halved until the run is found.

    Raises `Broken` where workers show no sign of life, or die again and again without any run that ends well.
    """
    suspects: deque[Task] = deque()
    running: dict[Future[dict[str, Any]], Task] = {}
    alone, deaths = False, 0
    try:
        while tasks or suspects or running:
            if not suspects and not alone:
                window = hands.window
                while tasks and len(running) < window:
                    task = tasks.popleft()
                    running[hands.submit(task)] = task
            elif not running:
                alone, task = True, suspects.popleft()
                running[hands.submit(task)] = task
            lost: list[Task] = []
            died: BaseException | None = None
            broken = False
            for future in hands.watch.wait(running):
                task = running.pop(future)
                fault = future.exception() if not future.cancelled() else CancelledError("cancelled by its executor")
                if fault is None:
                    finished(future.result())
                    deaths = deaths if task.crashed else 0
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
            if died is not None:
                hands.check()
                deaths += 1
                if deaths == MOST_DEATHS and tasks:  # these runs' doing, or the machine's? A run of another chunk tells
                    other = tasks.pop()
                    suspects.appendleft(other.only(other.runs[-1:]))
                    if len(other.runs) > 1:
                        tasks.append(other.only(other.runs[:-1]))
                elif deaths >= MOST_DEATHS:
                    raise Broken(
                        f"workers have died {deaths} times in a row, the last time by {type(died).__name__}, and no run"
                        " ended well: is there too little memory? What is finished is kept; run it again with"
                        " retry_failed (--retry-failed), since runs that were given up are marked as crashed"
                    )
    except Broken:
        if hands.client is not None:
            running.clear()  # nobody may be there who could be told to cancel them
        raise
    finally:
        for future in running:
            future.cancel()


def divided(task: Task, died: BaseException) -> list[Task]:
    """The halves of a task that ended its worker; a single run is given up, with the reason."""
    if len(task.runs) > 1:
        return list(task.halves())
    if task.crashed:
        raise Broken(
            f"a worker ended while it only recorded that a run had crashed ({type(died).__name__}: {died}): is there too"
            " little memory? What is finished is kept: run it again to go on"
        ) from None
    why = f"its worker process ended ({type(died).__name__})"
    return [replace(task, crashed=why)]
