"""Runs in Mesa's own runner, whichever way the installed Mesa hands seeds to models."""

from __future__ import annotations

import inspect
from typing import Any

import mesa

from benchmarks.plain_mesa.model import PlainMarket

runner = mesa.batch_run  # noqa: TID251 (what is measured is Mesa's own runner)


def batch(start: str, months: int, seeds: list[int], processes: int = 1) -> list[dict[str, Any]]:
    """The headlines of every month, a row a run and month."""
    given: dict[str, Any] = {"start": start, "months": months}
    takes_seeds = "rng" in inspect.signature(runner).parameters  # in 3.3 they are a parameter of the model
    more: dict[str, Any] = {"rng": seeds} if takes_seeds else {}
    return runner(
        PlainMarket,
        given if takes_seeds else given | {"rng": seeds},
        number_processes=processes,
        data_collection_period=1,
        display_progress=False,
        **more,
    )
