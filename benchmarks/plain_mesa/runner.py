"""Runs in Mesa's own runner, for all versions of Mesa's handling of seeds."""

from __future__ import annotations

import inspect
from typing import Any

import mesa

from benchmarks.plain_mesa.model import PlainMarket

runner = mesa.batch_run  # noqa: TID251 (what is measured is Mesa's own runner)


def batch(start: str, months: int, seeds: list[int], processes: int = 1) -> list[dict[str, Any]]:
    """Monthly headlines, one row per run and month."""
    given: dict[str, Any] = {"start": start, "months": months}
    takes_seeds = "rng" in inspect.signature(runner).parameters  # in Mesa 3.3 the seed is a parameter of the model
    more: dict[str, Any] = {"rng": seeds} if takes_seeds else {}
    return runner(
        PlainMarket,
        given if takes_seeds else given | {"rng": seeds},
        number_processes=processes,
        data_collection_period=1,
        display_progress=False,
        **more,
    )
