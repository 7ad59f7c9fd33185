"""How long a sweep will take and how much it will write, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abm.support.messages import duration

if TYPE_CHECKING:
    from abm.sweeps.spec import Sweep

MONTH = {"rest": 0.6e-3, "investors": 1.1e-6, "adopters": 2.5e-6}
"""Seconds of one thread for a month of a run, and for each agent in it: as `make bench` measured (docs/performance.md)."""
START, COMPILING = 6.0, 19.0
"""Seconds until the first run ends: of importing, and of compiling, which is done once for all sweeps of the same sizes."""


def time_of(sweep: Sweep, workers: int, shards: int = 1) -> str:
    """About how long all runs take together, and without compiling, where that makes much of a difference."""
    seconds = seconds_of(sweep, workers * shards)
    again = f" ({duration(seconds - COMPILING)} where programs are compiled already)" if seconds < 4 * COMPILING else ""
    return f"about {duration(seconds)} with {workers} worker{'s' * (workers > 1)}{again}"


def seconds_of(sweep: Sweep, workers: int) -> float:
    """About how long all runs take together where nothing is compiled yet."""
    swept = [name for name in sweep.targets if name in MONTH]
    rows: list[dict[str, Any]] = [{}]
    if swept:
        from abm.sweeps.plan import points_of

        rows = points_of(sweep)
    months = 0.0
    for row in rows:
        own = {"investors": 1_000, "adopters": 200} | {k: v for k, v in sweep.populations.items() if k in MONTH} | row
        months += MONTH["rest"] + sum(MONTH[kind] * own[kind] for kind in ("investors", "adopters"))
    return START + COMPILING + months / len(rows) * sweep.months * sweep.number_of_runs / max(workers, 1)


def bytes_of(sweep: Sweep) -> float:
    """About how much is written: eight bytes a number, of which compression takes little."""
    return sweep.number_of_runs * (
        len(sweep.kept_months) * (8.0 * len(sweep.observables) + 1) + 8 * len(sweep.columns) + 40
    )
