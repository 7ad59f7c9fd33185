"""The section on accelerators of docs/performance.md, from what `benchmarks.accelerator` measured."""

from __future__ import annotations

import statistics
from typing import Any

from abm.state import DAYS

INVESTORS = 1_000
NUMBERS_A_DAY = 50
"""Of an investor: 28 read and 22 written on a trading day (benchmarks.limit)."""


def least(month: dict[str, Any]) -> float:
    """Bytes that a month of a run must move: an investor's numbers every day, and the whole state in and out once."""
    return INVESTORS * NUMBERS_A_DAY * month["bytes_of_a_number"] * DAYS + 2 * month["state"]


def section(found: dict[str, Any]) -> str:
    """The section, in Markdown."""
    # Sums over neighbours were a loop in the first call on the device, and are written out since (`engine.neighbours`).
    since = found["written out"]
    rows = []
    for runs in found["64"]["seconds"]:
        cells = []
        for precision in ("64", "32"):
            old = statistics.median(found[precision]["seconds"][runs])
            new = since[precision]["seconds"].get(runs)
            seconds = statistics.median(new) if new else old
            first = f" ({old:.1f})" if new else ""
            cells.append(f"{seconds:.2f}{first} | {int(runs) / seconds:,.0f}")
        rows.append(f"| {int(runs):,} | {' | '.join(cells)} |")
    largest = {precision: since[precision]["seconds"]["100000"][0] for precision in ("64", "32")}
    cores, host = found["machine"]["cores"], {p: found[f"processors {p}"]["seconds"] for p in ("64", "32")}
    small = statistics.median(found["64"]["seconds"]["100"])
    rate, moved = since["copying"]["rate"], []
    for precision in ("64", "32"):
        month, count = found[f"month {precision}"], found[f"counted {precision}"]
        each, needed = count["bytes"] / month["seconds"], least(month) * count["runs"]
        moved.append(
            f"| {precision} | {count['kernels']:,} | {count['bytes'] / 1e9:,.0f} | {1e3 * month['seconds']:.0f}"
            f" | {each / 1e12:.2f} | {each / rate:.0%} | {count['bytes'] / needed:.1f} |"
        )
    apart = abs(since["32"]["mean"]["100000"] / since["64"]["mean"]["100000"] - 1)
    tried = "\n".join(f"| {name} | {seconds:.2f} |" for name, seconds in since["twelve months"].items())
    compiling = found["compiling"].values()
    return f"""## On an accelerator

Measured on {found["date"]} with `python -m benchmarks.accelerator` on one {found["64"]["device"]} ({found["64"]["memory"] / 2**30:.0f} GiB for arrays) in a machine with {cores} processor
cores ({found["machine"]["processor"]}, Python {found["machine"]["Python"]}, jax {found["machine"]["jax"]}). The code is the same and nothing is set: `abm.ensemble(seeds=range(n))`, results fetched, programs
compiled before. Default population, 60 months.

**100,000 runs take {largest["64"]:.0f} s in 64 bits ({1e5 / largest["64"]:,.0f} a second) and {largest["32"]:.0f} s in 32 ({1e5 / largest["32"]:,.0f} a second).**

| runs | 64 bits, s | runs a second | 32 bits, s | runs a second |
|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

In brackets, and for 100 and 1,000 runs, what the first call saw, in which sums over neighbours were a loop. Larger ensembles are calls of 10,000 runs, two in flight:
{since["64"]["peak"] / 2**30:.0f} GiB of the device's memory in 64 bits. Compiling took {min(compiling):.0f} to {max(compiling):.0f} s a program, six side by side, once for each power of ten of runs.

**Where the device begins to pay.** The {cores} cores of its machine do {1 / host["64"]:,.0f} runs a second in 64 bits and {1 / host["32"]:,.0f} in 32 (a process with one thread each). A call of a hundred runs
takes the device {small:.2f} s, in which those cores do {small / host["64"]:.0f} runs: below that they are ahead, at 100,000 runs the device is ahead by {host["64"] * 1e5 / largest["64"]:.0f} times.

**What it is bound by.** Bytes that the device's memory moved in January 2025, in a chunk of 10,000 runs, counted kernel by kernel (Nsight Compute; sums as a
loop), beside {rate / 1e12:.2f} TB/s that scaling an array reads and writes there:

| bits | kernels | GB | ms | TB/s | of what it can move | over the least |
|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(moved)}

The least is an investor's {NUMBERS_A_DAY} numbers every trading day and the whole state in and out once. Memory is the bound; what is left to gain is kernels that read the same columns again.

**What was tried** (12 months of 10,000 runs in 64 bits, the least of three). There is no loop over neighbours on accelerators since. The large ensembles above made the draws of a
month at once, and the model makes them by the day: that makes no difference (second row).

| sums over neighbours | s |
|---|---:|
{tried}

The mean Lerner index of closed labs over 100,000 runs in 32 bits differs from that in 64 by {100 * apart:.4f} %.
"""
