"""The error of runs that failed or are missing. This module is cheap to import."""

from __future__ import annotations

from collections.abc import Sequence


class IncompleteRuns(ValueError):
    """Some runs are missing, failed or have no finite value of an outcome; `run_ids` lists those that are known by id."""

    def __init__(self, message: str, run_ids: Sequence[str] = ()):
        self.run_ids = tuple(run_ids)
        super().__init__(message)
