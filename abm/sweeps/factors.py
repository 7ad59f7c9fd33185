"""Factors, which a sweep varies, and the design of its points."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator

from abm.sweeps.outcome import STRICT


class Factor(BaseModel):
    """Values of one factor: a list, or a range (with `levels` in a grid).

    `scale = "log"` spaces the range logarithmically. `unit`, if given, must be the factor's own unit.
    """

    model_config = STRICT

    values: tuple[int | float | dt.date, ...] = ()
    low: int | float | dt.date | None = None
    high: int | float | dt.date | None = None
    levels: int | None = None
    scale: Literal["linear", "log"] = "linear"
    unit: str | None = None


class Design(BaseModel):
    """How points are laid out.

    `points` is their number: a power of two for Sobol and Saltelli; a list gives successive Latin hypercubes, so that a
    sweep can grow. A Morris design takes `trajectories`, a table a CSV `file` or `rows`.
    """

    model_config = STRICT

    kind: Literal["grid", "latin_hypercube", "sobol", "saltelli", "morris", "table"] = "grid"
    points: Annotated[tuple[int, ...], BeforeValidator(lambda x: (x,) if isinstance(x, int) else x)] = ()
    trajectories: int | None = None
    levels: int | None = None
    """Levels of a Morris design (default: 4)."""
    second_order: bool = False
    file: str | None = None
    rows: tuple[dict[str, int | float | dt.date | str], ...] = ()
