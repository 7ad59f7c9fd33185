"""Pools of single-threaded worker processes, and detection of workers that hang. This module is cheap to import."""

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
"""Seconds to wait for a sign of life from any worker before giving up (environment: ABM_PATIENCE)."""
LOOK = 5.0
"""Seconds between two checks for a sign of life."""
BUSY = 0.02
"""Least share of a processor used by a process that is computing; a hanging process uses none."""
DASK_BUSY = 10.0
"""The same for a Dask worker, in per cent: its own housekeeping takes a few per cent."""


class Broken(RuntimeError):
    """Workers cannot be started, have died, or hang. The message says what to do."""


@contextmanager
def worker_pool(number: int, preload: Sequence[str] = ()) -> Iterator[ProcessPoolExecutor]:
    """Context manager for an executor of `number` processes with one thread each, which is faster than shared threads.

    The modules in `preload` are imported once, before the workers fork. If the block ends with an exception, the workers
    are killed, so any file they write must be written atomically.
    """
    before = set(multiprocessing.active_children())
    context: multiprocessing.context.BaseContext
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
    else:
        context = multiprocessing.get_context("spawn")  # forking a process in which JAX has threads is not safe
    pool = ProcessPoolExecutor(number, mp_context=context, initializer=_initialise_worker)
    try:
        try:
            pool.submit(os.getpid)  # starts the first worker, and the imports
        except (EOFError, OSError, RuntimeError) as error:
            reason = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
            raise Broken(f"worker processes cannot be started ({reason}): is there too little memory?") from None
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - before:
            worker.kill()  # a hanging worker may ignore milder signals
        raise
    pool.shutdown()


def patience() -> float:
    """Seconds to wait for a sign of life from workers. Raises ValueError if ABM_PATIENCE is not a number above 0."""
    text = os.environ.get("ABM_PATIENCE", "")
    try:
        seconds = parse_float(text) if text else PATIENCE
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ValueError(f"ABM_PATIENCE = {text}: must be a number of seconds above 0")
    return seconds


class Watch:
    """Waits for the workers of an executor for as long as they show a sign of life.

    The sign is processor time, so that a task may take as long as it needs: of child and grandchild processes, of threads
    of this process, or of workers that report it to a Dask scheduler. Other executors cannot be observed, and are waited
    for without a limit.
    """

    def __init__(self, executor: Executor):
        self.executor, self.patience = executor, patience()
        self._usage: Any = None
        self._checked = self._alive = time.monotonic()

    def wait(self, futures: Collection[Future[Any]]) -> set[Future[Any]]:
        """Wait for at least one future and return those that are done. Raises `Broken` if no worker shows a sign of life."""
        self._checked = self._alive = time.monotonic()
        while True:
            if done := wait(futures, timeout=min(LOOK, self.patience / 4), return_when=FIRST_COMPLETED).done:
                return done
            working, now = self._working(time.monotonic() - self._checked), time.monotonic()
            self._checked = now
            if working is not False:
                self._alive = now
            elif now - self._alive > self.patience:
                raise Broken(
                    f"no worker has finished a task or used a processor for {self.patience:.0f} seconds: the workers hang"
                    " or are gone (out of memory? has the scheduler stopped?); finished runs are kept: run it again to continue"
                    " (ABM_PATIENCE=SECONDS waits longer)"
                )

    def _working(self, elapsed: float) -> bool | None:
        """Whether a worker has computed during the `elapsed` seconds since the last check; None if unknown."""
        before = self._usage
        client = getattr(self.executor, "_client", None)
        if hasattr(client, "scheduler"):
            self._usage = busy_in_dask(client)
            return bool(self._usage.items() - (before or {}).items())
        if isinstance(self.executor, ThreadPoolExecutor):
            self._usage = time.process_time()
        else:
            processes = getattr(self.executor, "_processes", None)  # a process pool's workers by process id
            self._usage = processor_time(list(processes)) if processes else None
        if self._usage is None or before is None:
            return None
        return bool(self._usage - before > BUSY * elapsed)


def busy_in_dask(client: Any) -> dict[str, float]:
    """Time at which the scheduler last heard from each computing worker. Raises `Broken` if the connection is closed."""
    if client.status in ("closing", "closed"):
        raise Broken("the connection to the Dask scheduler is lost; finished runs are kept: run it again to continue")
    try:
        workers = client.sync(client.scheduler.identity, callback_timeout=LOOK)["workers"]
    except Exception:  # any kind of failure: the scheduler does not answer
        return {}
    return {name: info["last_seen"] for name, info in workers.items() if info["metrics"].get("cpu", 0.0) >= DASK_BUSY}


def processor_time(processes: Collection[int]) -> float | None:
    """Total processor time of processes so far, in seconds; None if the system does not report it."""
    if Path("/proc/self/stat").exists():
        ticks = 0
        for process in processes:
            with contextlib.suppress(OSError):  # the process has just ended
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])  # in user and in kernel mode
        return ticks / os.sysconf("SC_CLK_TCK")
    command = ["ps", "-o", "time=", "-p", ",".join(map(str, processes))]
    try:
        times = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return sum(60.0**power * float(part) for text in times for power, part in enumerate(reversed(text.split(":"))))
    except (OSError, ValueError):
        return None


def being_born() -> bool:
    """Whether this is a worker process that is still importing the script of its parent process."""
    return getattr(multiprocessing.process.current_process(), "_inheriting", False)


def _initialise_worker() -> None:
    os.environ["NPROC"] = "1"  # read by XLA when it starts, that is, when the first array is created
    # Otherwise the first worker would reserve most of an accelerator's memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit when the parent process ends: an orphaned worker would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def usual_workers() -> int:
    """Default number of worker processes: one per processor, or a single one if JAX has a plugin for an accelerator.

    Looks for installed plugins instead of starting JAX, which would reserve the accelerator's memory in this process.
    """
    from importlib.metadata import entry_points

    plugged_in = os.environ.get("JAX_PLATFORMS", "").split(",")[0] != "cpu" and bool(entry_points(group="jax_plugins"))
    return 1 if plugged_in else processors()


def processors() -> int:
    """Number of processors available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
