"""Ensembles: one run repeated over parameters and seeds, in chunks that fit the machine."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from abm.engine.compilation import own_settings


def concatenate_runs(parts: list[PyTree]) -> PyTree:
    """Concatenate the outputs of chunks along the run axis."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def run_many(
    run: Callable[[PyTree], PyTree],
    inputs: PyTree,
    *,
    chunk: int = 16,
    pad: bool = False,
    workers: int | None = None,
    keep: Callable[[PyTree], PyTree] = lambda out: out,
    progress: Callable[[int, int, float], None] | None = None,
    x64: bool = True,
) -> PyTree:
    """Compute the outputs (NumPy) of ``run`` for every row of ``inputs``.

    Parameters
    ----------
    run
        Compiled function of one *chunk*: takes inputs with a leading axis of length `chunk` and returns outputs with the
        same leading axis (``jax.jit(jax.vmap(one_run))``).
    inputs
        Tree of arrays whose first axis is the runs.
    chunk
        Runs per call. All calls have this length (the last one is padded), so `run` is compiled only once.
    pad
        Pad even an ensemble smaller than one chunk to a full chunk, so that its size never causes a new compilation.
    workers
        Chunks computed at the same time. XLA releases the interpreter lock, so threads use all cores without copying; a
        single worker computes in the calling thread, because a new thread may not find enough memory.
    keep
        Applied to each chunk's outputs before they are stored, so that dropped outputs never fill memory.
    progress
        Called as ``progress(done, total, seconds)`` after each chunk.
    x64
        Whether worker threads compute in 64 bits (settings are thread-local in JAX).

    Raises ValueError for an empty ensemble.
    """
    total = jax.tree.leaves(inputs)[0].shape[0]
    if total == 0:
        raise ValueError("no runs: the ensemble is empty")
    chunk = chunk if pad else min(chunk, total)
    starts = list(range(0, total, chunk))
    workers = min(workers or os.cpu_count() or 1, len(starts))
    began, done = time.perf_counter(), 0
    parts: dict[int, PyTree] = {}

    compiled = threading.Event()

    def task(start: int) -> PyTree:
        try:
            with own_settings(64 if x64 else 32):
                rows = jnp.minimum(jnp.arange(start, start + chunk), total - 1)
                out = run(jax.tree.map(lambda x: x[rows], inputs))
                compiled.set()  # a call returns once its program has been compiled and started
                out = keep(out)
        finally:
            compiled.set()
        real = min(chunk, total - start)
        return jax.tree.map(lambda x: np.array(x[:real]), out)

    def store(start: int, part: PyTree) -> None:
        nonlocal done
        parts[start] = part
        done += min(chunk, total - start)
        if progress:
            progress(done, total, time.perf_counter() - began)

    if workers == 1:
        for start in starts:
            store(start, task(start))
        return concatenate_runs([parts[start] for start in starts])
    with ThreadPoolExecutor(workers) as pool:
        pending = {pool.submit(task, 0): 0}
        try:
            compiled.wait()  # one thread compiles, so that the others find the program ready
            pending |= {pool.submit(task, start): start for start in starts[1:]}
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    store(pending.pop(future), future.result())
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    return concatenate_runs([parts[start] for start in starts])
