"""The section on accelerators of docs/performance.md, from the numbers of `benchmarks.accelerator`."""

from __future__ import annotations

import statistics
from typing import Any

from abm.support.axes import DAYS

INVESTORS, MONTHS = 1_000, 60
NUMBERS_A_DAY = 50
"""Numbers per investor and trading day: 28 read and 22 written (benchmarks.limit)."""


def least(month: dict[str, Any]) -> float:
    """Minimum bytes moved in a month of a run: each investor's numbers every day, and the whole state read and written once."""
    return INVESTORS * NUMBERS_A_DAY * month["bytes_of_a_number"] * DAYS + 2 * month["state"]


def section(found: dict[str, Any]) -> str:
    """The section as Markdown, including results of a second session on the device ("later")."""
    later = found.get("later", {})
    cores, compiling = found["machine"]["cores"], found["compiling"].values()
    seconds = {precision: times(found, later, precision) for precision in ("64", "32")}
    most = max(seconds["64"], key=int)
    rows = []
    for runs in seconds["64"]:
        cells = []
        for precision in ("64", "32"):
            now, first = seconds[precision][runs]
            cells.append(f"{now:.2f}{f' ({first:.1f})' if first != now else ''} | {int(runs) / now:,.0f}")
        rows.append(f"| {int(runs):,} | {' | '.join(cells)} |")
    best = {precision: seconds[precision][most][0] for precision in ("64", "32")}
    host = {precision: found[f"processors {precision}"]["seconds"] for precision in ("64", "32")}
    fewest = min(seconds["64"], key=int)
    small = seconds["64"][fewest][0]
    mean = {precision: later.get(precision, found[precision])["mean"][most] for precision in ("64", "32")}
    peak = later.get("64", found["64"]).get("peak") or 0
    text = f"""## On an accelerator

Measured on {found["date"]} with `python -m benchmarks.accelerator` on one {found["64"]["device"]} ({found["64"].get("memory", 0) / 2**30:.0f} GiB for arrays) in a machine with {cores} processor
cores ({found["machine"]["processor"]}, Python {found["machine"]["Python"]}, jax {found["machine"]["jax"]}). The code is the same, without special settings: `abm.ensemble(seeds=range(n))`. Times
include fetching the results, not compiling. Default population, {MONTHS} months.

**{int(most):,} runs take {best["64"]:.0f} s in 64 bits ({int(most) / best["64"]:,.0f} a second) and {best["32"]:.0f} s in 32 ({int(most) / best["32"]:,.0f} a second).**

| runs | 64 bits, s | runs a second | 32 bits, s | runs a second |
|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

Ensembles of more than 10,000 runs are split into calls of 10,000 runs, two at a time: {peak / 2**30:.0f} GiB of the device's memory in 64 bits. Compiling took {min(compiling):.0f} to {max(compiling):.0f} s a
program, six side by side, and is needed once for each power of ten of runs.

**From how many runs on the device pays.** The {cores} cores of its machine compute {1 / host["64"]:,.0f} runs a second in 64 bits and {1 / host["32"]:,.0f} in 32 (single-threaded processes). A call of {int(fewest)} runs
takes the device {small:.2f} s, in which those cores compute {small / host["64"]:.0f} runs: below that number the cores are faster; at {int(most):,} runs the device is {host["64"] * int(most) / best["64"]:.0f} times as fast.

The mean Lerner index of closed labs over {int(most):,} runs in 32 bits differs from that in 64 by {100 * abs(mean["32"] / mean["64"] - 1):.4f} %.
"""
    if {"counted 64", "counted 32", "copying"} <= set(found):
        text += bound(found)
    return text + (more(later) if later else "")


def times(found: dict[str, Any], later: dict[str, Any], precision: str) -> dict[str, tuple[float, float]]:
    """Seconds for an ensemble by size: latest and first measurement."""
    first = {runs: statistics.median(all_) for runs, all_ in found[precision]["seconds"].items()}
    last = later.get(precision, {}).get("seconds", {})
    return {runs: (statistics.median(last[runs]) if runs in last else first[runs], first[runs]) for runs in first}


def bound(found: dict[str, Any]) -> str:
    """Memory traffic of the device, compared with its bandwidth."""
    rate, rows = found["copying"]["rate"], []
    for precision in ("64", "32"):
        month, count = found[f"month {precision}"], found[f"counted {precision}"]
        each, needed = count["bytes"] / month["seconds"], least(month) * count["runs"]
        rows.append(
            f"| {precision} | {count['kernels']:,} | {count['bytes'] / 1e9:,.0f} | {1e3 * month['seconds']:.0f}"
            f" | {each / 1e12:.2f} | {each / rate:.0%} | {count['bytes'] / needed:.1f} |"
        )
    return f"""
**What limits it.** Bytes that the device's memory moved for the simulated month of January 2025 in one call of {found["counted 64"]["runs"]:,} runs, counted kernel by kernel (Nsight Compute), compared
with the {rate / 1e12:.2f} TB/s that adding one to an array reads and writes there:

| bits | kernels | GB | ms | TB/s | of what it can move | times the minimum |
|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

The minimum is {NUMBERS_A_DAY} numbers per investor and trading day, and the whole state read and written once. Memory is the bottleneck; what is left to gain lies in kernels
that read the same columns again.
"""


def more(later: dict[str, Any]) -> str:
    """Results of the second session, and which numbers are from the first."""
    rows = "\n".join(f"| {name} | {seconds:.2f} |" for name, seconds in later["twelve months"].items())
    return f"""
**Two sessions.** In the first session, sums over neighbours were a loop; the times in brackets, those of the smaller ensembles and the counted bytes are from it. The second session
tried the variants in the table (12 months of 10,000 runs in 64 bits, the fastest of three); since then there is no loop over neighbours on accelerators. The
larger ensembles were measured with all draws of a month made at once, while the model makes them day by day: no difference (second row).

| sums over neighbours | s |
|---|---:|
{rows}
"""
