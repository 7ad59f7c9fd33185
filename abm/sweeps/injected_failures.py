"""Failures on purpose, for testing a sweep on a cluster: `ABM_FAIL_AT=POINT/REPLICATION:KIND[:TIMES]`.

Kinds: `raise` (an exception), `memory` (MemoryError), `exit`, `kill`, `segfault` (the worker process ends), `hang`
(does nothing for a minute), `nan` (a result is NaN). With TIMES the failure occurs only that many times, counted by files
in ABM_FAIL_FOLDER, like a fault of the machine rather than of the run. Separate several failures by commas.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from abm.sweeps.plan import Run

KINDS = ("raise", "memory", "exit", "kill", "segfault", "hang", "nan")


class Injected(RuntimeError):
    """An injected failure."""


@dataclass(frozen=True)
class InjectedFailures:
    """Failures to inject: read from the environment by the leading process and sent to all workers."""

    failures: tuple[tuple[str, str, str], ...] = ()
    """(point/replication, kind, times)"""
    folder: str = ""

    @classmethod
    def wanted(cls) -> InjectedFailures:
        """Read ABM_FAIL_AT and ABM_FAIL_FOLDER. Raises ValueError for an unknown kind."""
        failures = []
        for failure in filter(None, os.environ.get("ABM_FAIL_AT", "").split(",")):
            place, _, kind = failure.partition(":")
            kind, _, times = kind.partition(":")
            if kind not in KINDS:
                raise ValueError(f"ABM_FAIL_AT: unknown failure {kind!r}; choose one of {', '.join(KINDS)}")
            failures.append((place, kind, times))
        return cls(tuple(failures), os.environ.get("ABM_FAIL_FOLDER", ""))

    def at(self, run: Run) -> set[str]:
        """Kinds of failure due at this run; each is counted."""
        place_of_run = f"{run.point}/{run.replication}"
        return {
            kind
            for place, kind, times in self.failures
            if place == place_of_run and self._due(place_of_run, kind, times)
        }

    def _due(self, place: str, kind: str, times: str) -> bool:
        if not times:
            return True
        for number in range(int(times)):
            try:
                (Path(self.folder) / f"{place.replace('/', '_')}_{kind}.{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False

    def strike(self, runs: Iterable[Run]) -> set[str]:
        """Inject the failures due at these runs; returns the ids of runs whose results should become NaN."""
        to_nan = set()
        for run in runs if self.failures else ():
            kinds = self.at(run)
            if "nan" in kinds:
                to_nan.add(run.id)
            if "hang" in kinds:
                time.sleep(60)
            if "exit" in kinds:
                os._exit(3)
            if "kill" in kinds:
                os.kill(os.getpid(), signal.SIGKILL)
            if "segfault" in kinds:
                ctypes.string_at(0)
            if "memory" in kinds:
                raise MemoryError("injected")
            if "raise" in kinds:
                raise Injected(f"injected at point {run.point}, replication {run.replication}")
        return to_nan
