"""Batch sizes: few runs at a time on a CPU, so that they fit its cache; thousands on an accelerator."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax

CHUNK = 10
"""Runs per call on a CPU: few enough to stay in a core's cache."""
AT_MOST = 10_000
"""Most runs per call on an accelerator: going from 1,000 to 10,000 is two thirds faster; more has not been tried."""
IN_FLIGHT = 2
"""Calls in flight on an accelerator: one computes while the results of the other are fetched."""
MEMORY_USED = 0.8
"""Share of an accelerator's memory that the calls in flight may use."""
MEMORY_UNKNOWN = 8e9
"""Bytes of memory assumed if a device does not report its size."""


class Together(NamedTuple):
    """Batching of runs: runs per call, and calls in flight (None: one per processor)."""

    chunk: int
    workers: int | None


def on_accelerator() -> bool:
    """Whether programs are compiled for an accelerator, that is, for anything but a CPU."""
    return jax.default_backend() != "cpu"


def device_memory() -> float:
    """Memory available to arrays on the first device, in bytes."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return float(stats.get("bytes_limit", MEMORY_UNKNOWN))


def runs_together(total: int, bytes_of_run: Callable[[], float]) -> Together:
    """Choose the batching of `total` runs, each of which needs `bytes_of_run()` of memory (called only if it matters).

    On an accelerator, the chunk is the power of ten nearest to `total`, so that few sizes are ever compiled, or as many
    runs as fit into memory. Chunks are padded: a thousand runs take a device hardly longer than a third of them.
    """
    if not on_accelerator():
        return Together(CHUNK, None)
    fit = int(MEMORY_USED * device_memory() / (IN_FLIGHT * bytes_of_run()))
    return Together(max(1, min(10 ** round(math.log10(total)), AT_MOST, fit)), IN_FLIGHT)
