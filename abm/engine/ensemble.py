"""One run repeated over parameters and seeds, in chunks that fit the machine."""

import os
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def concatenate_runs(parts: list[Any]) -> Any:
    """Join outputs of chunks along the run axis."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def run_many(
    run: Callable[[Any], Any],
    inputs: Any,
    *,
    chunk: int = 16,
    workers: int | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Any:
    """Outputs (NumPy) of ``run`` for every row of ``inputs``.

    Parameters
    ----------
    run
        Compiled function of one *chunk*: takes inputs with a leading axis of length `chunk`, returns outputs with the
        same leading axis (``jax.jit(jax.vmap(one_run))``).
    inputs
        Tree of arrays, first axis the runs.
    chunk
        Runs per call. All calls have this length (the last one is padded), so there is one compilation.
    workers
        Chunks in flight at once. XLA releases the interpreter lock, so threads use all cores without copying.
    progress
        Called as ``progress(done, total, seconds)`` after each chunk.
    """
    total = jax.tree.leaves(inputs)[0].shape[0]
    if total == 0:
        raise ValueError("no runs: the ensemble is empty")
    chunk = min(chunk, total)
    starts = list(range(0, total, chunk))
    workers = min(workers or os.cpu_count() or 1, len(starts))
    began, done = time.perf_counter(), 0
    parts: dict[int, Any] = {}

    def task(start: int) -> Any:
        rows = jnp.minimum(jnp.arange(start, start + chunk), total - 1)
        out = run(jax.tree.map(lambda x: x[rows], inputs))
        keep = min(chunk, total - start)
        return jax.tree.map(lambda x: np.asarray(x)[:keep], out)

    parts[0] = task(0)  # the first call compiles; the others must find the program ready
    done = min(chunk, total)
    if progress:
        progress(done, total, time.perf_counter() - began)
    with ThreadPoolExecutor(workers) as pool:
        pending = {pool.submit(task, start): start for start in starts[1:]}
        try:
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    start = pending.pop(future)
                    parts[start] = future.result()
                    done += min(chunk, total - start)
                    if progress:
                        progress(done, total, time.perf_counter() - began)
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    return concatenate_runs([parts[start] for start in starts])
