"""How many runs to compute together: few on a processor, whose cache holds them; thousands on an accelerator."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax

CHUNK = 10
"""Runs of a call on a processor: small enough to stay in a core's cache."""
AT_MOST = 10_000
"""Runs of a call on an accelerator: from a thousand to ten thousand it gains two thirds; more were not tried."""
IN_FLIGHT = 2
"""Calls in flight on an accelerator: one computes while the results of the other are fetched."""
MEMORY_USED = 0.8
"""Share of an accelerator's memory that calls in flight may take."""
MEMORY_UNKNOWN = 8e9
"""Bytes taken for granted where a device does not say how much it has."""


class Together(NamedTuple):
    """Runs of one call, and calls in flight (None: one for each processor)."""

    chunk: int
    workers: int | None


def on_accelerator() -> bool:
    """Whether programs are compiled for something else than processors."""
    return jax.default_backend() != "cpu"


def device_memory() -> float:
    """Bytes that arrays may take on the first device."""
    told = jax.local_devices()[0].memory_stats() or {}
    return float(told.get("bytes_limit", MEMORY_UNKNOWN))


def runs_together(total: int, bytes_of_run: Callable[[], float]) -> Together:
    """How to compute so many runs, each of which takes so much memory while it is computed (asked for where it matters).

    On an accelerator the power of ten nearest to their number, so that few sizes are ever compiled, or what memory bears.
    Calls are filled up: a thousand runs take a device hardly longer than a third of them.
    """
    if not on_accelerator():
        return Together(CHUNK, None)
    fit = int(MEMORY_USED * device_memory() / (IN_FLIGHT * bytes_of_run()))
    return Together(max(1, min(10 ** round(math.log10(total)), AT_MOST, fit)), IN_FLIGHT)
