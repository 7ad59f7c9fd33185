"""Outcomes: one number per run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Outcome(BaseModel):
    """One number per run.

    Without a `date`: the mean, last, ... of an observable over months `first` to `last`, both included (`volatility`: the
    standard deviation of its monthly changes, of its logarithm if it is positive throughout). With a `date`: daily returns
    of a listed layer, `abnormal_LAYER` or `raw_LAYER`, over trading days `first` to `last` around it (`trough`: the day on
    which the cumulative return is lowest). This is an event study of each run, with the market model of
    `abm.runs.event_study`.
    """

    model_config = STRICT

    of: str
    take: Literal["mean", "last", "first", "min", "max", "sum", "change", "volatility", "trough"] = "mean"
    first: int = 0
    last: int | None = None
    date: dt.date | None = None

    @property
    def source(self) -> str:
        """Key of the series it is computed from: an observable, or a layer's days around a date."""
        return f"{self.of} {self.date} {self.first} {self.last_day}" if self.date else self.of

    @property
    def last_day(self) -> int:
        """Last trading day, counted from the date; by default the first one."""
        return self.first if self.last is None else self.last

    def of_run(self, values: Mapping[str, np.ndarray]) -> float:
        """Compute the outcome from a run's series, keyed by `source`."""
        series = values[self.source]
        if self.date:
            return taken(series, self.take, self.first)
        return taken(series[self.first : None if self.last is None else self.last + 1], self.take)


def taken(values: np.ndarray, how: str, first: int = 0) -> float:
    """Reduce the finite entries of a series to one number; NaN if there are none. `first`: day of entry 0, for a trough."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return float("nan")
    if how == "change":
        return float(values[-1] - values[0])
    if how in ("first", "last"):
        return float(values[0 if how == "first" else -1])
    if how == "trough":
        return float(first + np.argmin(np.cumsum(np.nan_to_num(values))))
    if how == "volatility":
        return (
            float(np.std(np.diff(np.log(finite) if (finite > 0).all() else finite)))
            if finite.size > 1
            else float("nan")
        )
    return float(getattr(np, how)(finite))
