"""Running chunks on an executor: dead workers are replaced, and the run that kills them is isolated."""

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
"""Worker deaths in a row, without a single successful run in between, before giving up. Halving takes ten to isolate one
bad run among a thousand, and about this many to isolate twenty runs that are all bad."""


class Workers:
    """An executor that recovers from broken workers: our own is restarted; one passed in by the caller cannot be."""

    def __init__(self, given: Executor | None, number: int):
        self.given, self.number, self.restarts = given, number, 0
        self.client: Any = getattr(given, "_client", None)  # if it is a Dask executor
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
                ' below `if __name__ == "__main__":`, since every worker imports it (or the machine lacks memory)'
            ) from None
        except BaseException:
            self._end()
            raise
        return pool

    def _end(self) -> None:
        """Kill our workers; a hanging one would never exit."""
        error = Broken()
        self.own.__exit__(type(error), error, None)
        self.own = contextlib.ExitStack()

    @property
    def window(self) -> int:
        """Number of tasks in flight, enough that no worker waits."""
        if self.given is None:
            return self.number
        known = getattr(self.given, "_max_workers", None)
        if known is None and self.client is not None:
            with contextlib.suppress(Exception):  # no answer in time: the watch will notice if none ever comes
                known = sum(self.client.sync(self.client.scheduler.ncores, callback_timeout=LOOK).values())
        return 2 * max(int(known or self.number), 1)

    def submit(self, task: Task) -> Future[dict[str, Any]]:
        try:
            return self.executor.submit(carry_out, task)
        except BrokenExecutor as error:  # broke since the last check: report it through the future, like the others
            future: Future[dict[str, Any]] = Future()
            future.set_exception(error)
            return future
        except Exception as error:
            self.check()
            if not isinstance(error, RuntimeError):
                raise
            raise Broken(
                f"the executor accepts no more tasks ({error}); finished runs are kept: run it again"
            ) from None

    def check(self) -> None:
        """Raise `Broken` if the connection to a Dask scheduler is lost."""
        if self.client is not None:
            busy_in_dask(self.client)

    def restart(self) -> None:
        """Replace our workers. Raises `Broken` if the executor was passed in by the caller."""
        if self.given is not None:
            raise Broken("the workers of the given executor have died; finished runs are kept: run it again")
        self._end()
        self.restarts += 1
        self.executor = self._start()
        self.watch = Watch(self.executor)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.own.__exit__(*exception)


def in_parallel(workers: Workers, tasks: deque[Task], finished: Callable[[dict[str, Any]], None]) -> None:
    """Run all tasks. A task during which a worker died is retried alone, then halved until the failing run is isolated.

    Raises `Broken` if workers stop responding, or keep dying without any successful run.
    """
    suspects: deque[Task] = deque()
    running: dict[Future[dict[str, Any]], Task] = {}
    alone, deaths = False, 0
    try:
        while tasks or suspects or running:
            if not suspects and not alone:
                window = workers.window
                while tasks and len(running) < window:
                    task = tasks.popleft()
                    running[workers.submit(task)] = task
            elif not running:
                alone, task = True, suspects.popleft()
                running[workers.submit(task)] = task
            lost: list[Task] = []
            died: BaseException | None = None
            broken = False
            for future in workers.watch.wait(running):
                task = running.pop(future)
                error = future.exception() if not future.cancelled() else CancelledError("cancelled by its executor")
                if error is None:
                    finished(future.result())
                    deaths = 0
                elif isinstance(error, OSError | ValueError) and type(error).__module__ == "builtins":
                    raise error  # a disk or programming error, not caused by one run
                else:  # BrokenExecutor, Dask's KilledWorker, or any other sign of a dead worker
                    lost.append(task)
                    died, broken = error, broken or isinstance(error, BrokenExecutor)
            if broken:
                lost += running.values()
                running.clear()
                workers.restart()
            if died is not None and alone:
                for task in reversed(lost):
                    if len(task.runs) > 1:
                        suspects.extendleft(reversed(list(task.halves())))
                    else:  # recorded here: no worker can die of that
                        reason = f"its worker process ended ({type(died).__name__})"
                        finished(carry_out(replace(task, crashed=reason)))
            else:
                suspects.extend(lost)
            alone = alone and bool(running)
            if died is not None:
                workers.check()
                deaths += 1
                if (
                    deaths == MOST_DEATHS and tasks
                ):  # caused by these runs or by the machine? Try a run of another chunk
                    other = tasks.pop()
                    suspects.appendleft(other.only(other.runs[-1:]))
                    if len(other.runs) > 1:
                        tasks.append(other.only(other.runs[:-1]))
                elif deaths >= MOST_DEATHS:
                    raise Broken(
                        f"workers died {deaths} times in a row (last: {type(died).__name__}) without a successful"
                        " run: is there enough memory? Finished runs are kept; run it again with retry_failed"
                        " (--retry-failed), since runs that were given up are marked as crashed"
                    )
    except Broken:
        if workers.client is not None:
            running.clear()  # the scheduler may be gone, so nothing can be cancelled
        raise
    finally:
        for future in running:
            future.cancel()
