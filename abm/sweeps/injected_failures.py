"""Failures on purpose, so that a user's own cluster can be tried: `ABM_FAIL_AT=POINT/REPLICATION:KIND[:TIMES]`.

Kinds: `raise` (an exception), `memory` (MemoryError), `exit`, `kill`, `segfault` (the worker's process ends), `hang`
(a minute of nothing), `nan` (a number that is none). With TIMES the failure happens only so often, counted by files in
ABM_FAIL_FOLDER: it is then one of the machine, not of the run. Several are parted by commas.
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
    """A failure on purpose."""


@dataclass(frozen=True)
class InjectedFailures:
    """What is to fail, read where the sweep is led and carried to its workers, wherever they are."""

    words: tuple[tuple[str, str, str], ...] = ()
    """(point/replication, kind, times)"""
    folder: str = ""

    @classmethod
    def wanted(cls) -> InjectedFailures:
        """As the environment says. Raises ValueError for an unknown kind."""
        words = []
        for word in filter(None, os.environ.get("ABM_FAIL_AT", "").split(",")):
            place, _, kind = word.partition(":")
            kind, _, times = kind.partition(":")
            if kind not in KINDS:
                raise ValueError(f"ABM_FAIL_AT: no failure {kind!r}; choose {', '.join(KINDS)}")
            words.append((place, kind, times))
        return cls(tuple(words), os.environ.get("ABM_FAIL_FOLDER", ""))

    def at(self, run: Run) -> set[str]:
        """Kinds of failure wanted at this run, each counted."""
        here = f"{run.point}/{run.replication}"
        return {kind for place, kind, times in self.words if place == here and self._still(here, kind, times)}

    def _still(self, place: str, kind: str, times: str) -> bool:
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
        """Fail as wanted at any of these runs; returns the ids of those whose numbers are to be spoilt."""
        spoilt = set()
        for run in runs if self.words else ():
            kinds = self.at(run)
            if "nan" in kinds:
                spoilt.add(run.id)
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
        return spoilt
