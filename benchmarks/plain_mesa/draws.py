"""Sources of random numbers for decisions."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Draws(Protocol):
    """One number per agent (or per agent and tier) for a named decision of the month, or of one of its days."""

    def uniform(self, decision: str, shape: int | tuple[int, int], day: int | None = None) -> Any: ...

    def normal(self, decision: str, shape: int | tuple[int, int], day: int | None = None) -> Any: ...


class FreshDraws:
    """Draws from the Mesa model's generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def uniform(self, decision: str, shape: int | tuple[int, int], day: int | None = None) -> Any:
        return self.rng.random(shape).tolist()

    def normal(self, decision: str, shape: int | tuple[int, int], day: int | None = None) -> Any:
        return self.rng.standard_normal(shape).tolist()


class GivenDraws:
    """Draws from a table of one month's numbers by decision; daily ones have the day as first axis."""

    def __init__(self, table: dict[str, np.ndarray]) -> None:
        self.table = table

    def uniform(self, decision: str, shape: int | tuple[int, int], day: int | None = None) -> Any:
        numbers = self.table[decision] if day is None else self.table[decision][day]
        if numbers.shape != (shape if isinstance(shape, tuple) else (shape,)):
            raise ValueError(f"draws of {decision!r} have shape {numbers.shape}, not {shape}")
        return numbers.tolist()

    normal = uniform
