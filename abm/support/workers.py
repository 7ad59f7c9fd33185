"""Processes that work side by side, each with one thread, and how long to wait for them. Importing this is cheap."""

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.process
import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abm.support.inputs import parse_float

PATIENCE = 600.0
"""Seconds without a sign of life of any worker after which they are given up (environment: ABM_PATIENCE)."""
LOOK = 5.0
"""Seconds between two looks for a sign of life."""
BUSY = 0.02
"""Share of a processor that a process uses at least if it computes; one that hangs uses none."""
DASK_BUSY = 10.0
"""The same of a Dask worker, in percent: its own housekeeping takes a few."""


class Broken(RuntimeError):
    """Workers cannot be started, have died, or hang; the message says what to do."""


@contextmanager
def worker_pool(number: int, preload: Sequence[str] = ()) -> Iterator[ProcessPoolExecutor]:
    """An executor of `number` processes that compute with one thread each: less is lost between threads.

    `preload` names modules that are imported once, at once, before the workers part. Whatever ends the block early ends
    the workers: what they are to leave behind must be written whole or not at all.
    """
    before = set(multiprocessing.active_children())
    context: multiprocessing.context.BaseContext
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
    else:
        context = multiprocessing.get_context("spawn")  # forking a process in which JAX has threads is not safe
    pool = ProcessPoolExecutor(number, mp_context=context, initializer=_begin)
    try:
        try:
            pool.submit(os.getpid)  # starts the first worker, and the imports
        except (EOFError, OSError, RuntimeError) as error:
            why = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
            raise Broken(f"worker processes cannot be started ({why}): is there too little memory?") from None
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - before:
            worker.kill()  # one that hangs may not hear anything else
        raise
    pool.shutdown()


def patience() -> float:
    """Seconds that workers may go without a sign of life. Raises ValueError for an ABM_PATIENCE that is no such number."""
    text = os.environ.get("ABM_PATIENCE", "")
    try:
        seconds = parse_float(text) if text else PATIENCE
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ValueError(f"ABM_PATIENCE = {text}: must be a number of seconds above 0")
    return seconds


class Watch:
    """Waits for what an executor's workers do, as long as there is a sign that they work.

    The sign is time that a worker spends on a processor, however long its task takes: of processes that are children or
    grandchildren of this one, of threads of this process, or of the workers that report it to a Dask scheduler. Of any other
    executor nothing is known, and there is no limit.
    """

    def __init__(self, executor: Executor):
        self.executor, self.patience = executor, patience()
        self._seen: Any = None
        self._looked = self._alive = time.monotonic()

    def wait(self, futures: Collection[Future[Any]]) -> set[Future[Any]]:
        """Those of the futures that are done, at least one. Raises `Broken` where no worker shows a sign of life any more."""
        self._looked = self._alive = time.monotonic()
        while True:
            if done := wait(futures, timeout=min(LOOK, self.patience / 4), return_when=FIRST_COMPLETED).done:
                return done
            working, now = self._working(time.monotonic() - self._looked), time.monotonic()
            self._looked = now
            if working is not False:
                self._alive = now
            elif now - self._alive > self.patience:
                raise Broken(
                    f"for {self.patience:.0f} seconds no worker has finished anything or computed: they hang or have"
                    " gone (out of memory? has the scheduler stopped?); what is finished is kept: run it"
                    " again to go on (ABM_PATIENCE=SECONDS waits longer)"
                )

    def _working(self, elapsed: float) -> bool | None:
        """Whether a worker has computed in the seconds since the last look; None where nobody can know."""
        before = self._seen
        client = getattr(self.executor, "_client", None)
        if hasattr(client, "scheduler"):
            self._seen = busy_in_dask(client)
            return bool(self._seen.items() - (before or {}).items())
        if isinstance(self.executor, ThreadPoolExecutor):
            self._seen = time.process_time()
        else:
            processes = getattr(self.executor, "_processes", None)  # of a process pool: by their ids
            self._seen = processor_time(list(processes)) if processes else None
        if self._seen is None or before is None:
            return None
        return bool(self._seen - before > BUSY * elapsed)


def busy_in_dask(client: Any) -> dict[str, float]:
    """When the scheduler last heard of each worker that computes. Raises `Broken` where the connection is closed."""
    if client.status in ("closing", "closed"):
        raise Broken("the connection to the Dask scheduler is lost; what is finished is kept: run it again to go on")
    try:
        workers = client.sync(client.scheduler.identity, callback_timeout=LOOK)["workers"]
    except Exception:  # of whatever kind: nobody answers
        return {}
    return {name: one["last_seen"] for name, one in workers.items() if one["metrics"].get("cpu", 0.0) >= DASK_BUSY}


def processor_time(processes: Collection[int]) -> float | None:
    """Seconds on a processor that processes have used up to now, all together; None where the system does not say."""
    if Path("/proc/self/stat").exists():
        ticks = 0
        for process in processes:
            with contextlib.suppress(OSError):  # it has just ended
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])  # in user and in kernel mode
        return ticks / os.sysconf("SC_CLK_TCK")
    command = ["ps", "-o", "time=", "-p", ",".join(map(str, processes))]
    try:
        times = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return sum(60.0**power * float(part) for one in times for power, part in enumerate(reversed(one.split(":"))))
    except (OSError, ValueError):
        return None


def being_born() -> bool:
    """Whether this is a worker process that is just importing the script of the process that starts it."""
    return getattr(multiprocessing.process.current_process(), "_inheriting", False)


def _begin() -> None:
    os.environ["NPROC"] = "1"  # read by XLA when it starts, which it does at the first array
    # Otherwise the first would take most of an accelerator's memory for itself.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def usual_workers() -> int:
    """Processes to start by default: one for each processor, but one alone where JAX has an accelerator's plugin.

    Asks what is installed, because starting JAX to find out would reserve the accelerator's memory here.
    """
    from importlib.metadata import entry_points

    plugged_in = os.environ.get("JAX_PLATFORMS", "").split(",")[0] != "cpu" and bool(entry_points(group="jax_plugins"))
    return 1 if plugged_in else processors()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
