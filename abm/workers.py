"""Processes that work side by side, each with one thread. Importing this is cheap."""

import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.process
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


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
        pool.submit(os.getpid)  # starts the first worker, and the imports
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - before:
            worker.terminate()
        raise
    pool.shutdown()


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
