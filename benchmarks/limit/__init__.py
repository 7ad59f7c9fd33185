"""The compiled model compared with hand-written loops for the same work, and with the limits of the machine."""

from __future__ import annotations

import statistics
from typing import Any

from abm.support.axes import DAYS


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`. Needs numba."""
    from benchmarks.limit import blocks

    return blocks.measure(quick)


def section(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    rows = []
    for name, one in found["blocks"].items():
        kind, at = name.split()
        engine, kernel = (1e3 * statistics.median(one[who]) for who in ("engine", "kernel"))
        best = (1e3 * min(one[who]) for who in ("engine", "kernel"))
        least = ", ".join(f"{value:.2f}" for value in best)
        rows.append(
            f"| {kind} | {at} | **{one['ratio']:.2f}** | {engine:.2f} | {kernel:.2f} | {least} | {one['apart']:.0e} |"
        )
    # Minimum traffic: 28 numbers of eight bytes per investor and trading day, of which 22 are also written.
    slow = [one for name, one in found["blocks"].items() if name.startswith("investors")]
    moved = 1000 * (28 + 22) * 8 * DAYS
    rates = {who: max(one["runs"] * moved / min(one[who]) for one in slow) for who in ("engine", "kernel")}
    cache = found["bandwidth_cache"]
    return f"""## The limit

The two blocks that take most of the time of a month, as hand-written loops (numba, one pass over an agent's numbers, nothing stored
in between) and as compiled by the engine from the rules; a call computes ten default runs, and ratios compare the fastest calls. Their
results agree to the precision in the last column.

| block | month | engine over kernel | engine, median ms | kernel, median ms | fastest of each, ms | largest difference |
|---|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

One thread of this machine copies {found["bandwidth_memory"] / 1e9:.1f} GB/s in memory and {cache / 1e9:.1f} GB/s in cache (bytes read and written), and computes
{found["exponentials"] / 1e6:,.0f} million exponentials a second. The bytes that an investor's day must at least read and write move at
{rates["engine"] / 1e9:.1f} GB/s in the engine ({rates["engine"] / cache:.0%} of the cache's rate) and {rates["kernel"] / 1e9:.1f} GB/s in the kernel ({rates["kernel"] / cache:.0%}): the kernel is bound by arithmetic,
the engine by passing over the same columns several times a day.
"""
