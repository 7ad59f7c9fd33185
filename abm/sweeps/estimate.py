"""Estimates of a sweep's running time and storage, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abm.support.messages import duration

if TYPE_CHECKING:
    from abm.sweeps.spec import Sweep

MONTH = {"rest": 0.6e-3, "investors": 1.1e-6, "adopters": 2.5e-6}
"""Seconds per month of a run on one thread, and per agent and month, as measured by `make bench` (docs/performance.md)."""
START, COMPILING = 6.0, 19.0
"""Seconds for importing, and for compiling, which is done once for all sweeps with the same population sizes."""


def time_of(sweep: Sweep, workers: int, shards: int = 1) -> str:
    """Approximate running time, and the time without compilation where that differs much."""
    seconds = seconds_of(sweep, workers * shards)
    compiled = f" ({duration(seconds - COMPILING)} if already compiled)" if seconds < 4 * COMPILING else ""
    return f"about {duration(seconds)} with {workers} worker{'s' * (workers > 1)}{compiled}"


def seconds_of(sweep: Sweep, workers: int) -> float:
    """Approximate seconds for all runs if nothing is compiled yet."""
    swept = [name for name in sweep.targets if name in MONTH]
    rows: list[dict[str, Any]] = [{}]
    if swept:
        from abm.sweeps.plan import points_of

        rows = points_of(sweep)
    months = 0.0
    for row in rows:
        sizes = {"investors": 1_000, "adopters": 200} | {k: v for k, v in sweep.populations.items() if k in MONTH} | row
        months += MONTH["rest"] + sum(MONTH[kind] * sizes[kind] for kind in ("investors", "adopters"))
    return START + COMPILING + months / len(rows) * sweep.months * sweep.number_of_runs / max(workers, 1)


def bytes_of(sweep: Sweep) -> float:
    """Approximate bytes written: eight per number, since compression saves little."""
    from abm.sweeps.plan import bytes_of_lists

    return sweep.number_of_runs * (
        len(sweep.kept_months) * (8.0 * len(sweep.observables) + 1)
        + 8 * len(sweep.columns)
        + 40
        + bytes_of_lists(sweep)
    )
