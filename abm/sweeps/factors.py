"""What varies in a sweep, and how its points are laid out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator

from abm.sweeps.outcome import STRICT


class Factor(BaseModel):
    """Values that one factor takes: a list of them, or a range (with `levels` for a grid).

    `scale = "log"` spaces the range in logarithms. `unit`, where it is given, must be the one the factor is measured in.
    """

    model_config = STRICT

    values: tuple[int | float | dt.date, ...] = ()
    low: int | float | dt.date | None = None
    high: int | float | dt.date | None = None
    levels: int | None = None
    scale: Literal["linear", "log"] = "linear"
    unit: str | None = None


class Design(BaseModel):
    """How points are laid out. `points` is the number of them (Sobol and Saltelli: a power of two; a list: one Latin
    hypercube after the other, so that a sweep can grow); Morris takes `trajectories`; a table a CSV `file` or `rows`.
    """

    model_config = STRICT

    kind: Literal["grid", "latin_hypercube", "sobol", "saltelli", "morris", "table"] = "grid"
    points: Annotated[tuple[int, ...], BeforeValidator(lambda x: (x,) if isinstance(x, int) else x)] = ()
    trajectories: int | None = None
    levels: int | None = None
    """Of a Morris design: 4 where nothing is said."""
    second_order: bool = False
    file: str | None = None
    rows: tuple[dict[str, int | float | dt.date | str], ...] = ()
