"""Results of a chunk of runs, until they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from abm.sweeps.plan import Run

if TYPE_CHECKING:
    pass


@dataclass
class ChunkRecord:
    """Status, error, seconds and stored observables of each run of a chunk."""

    runs: list[Run] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    alarms: list[str | None] = field(default_factory=list)
    """Names of the observables that leave their sane range, joined by commas; None for a run that failed."""
    values: list[dict[str, np.ndarray]] = field(default_factory=list)
    """Observable -> (months,) for each run; empty for a run that failed."""
    engine: float = 0.0
    """Seconds in the compiled ensemble."""

    def add(
        self,
        run: Run,
        status: str,
        error: str,
        seconds: float,
        values: dict[str, np.ndarray],
        alarms: str | None = None,
    ) -> None:
        self.runs.append(run)
        self.status.append(status)
        self.error.append(error)
        self.seconds.append(seconds)
        self.alarms.append(alarms)
        self.values.append(values)
