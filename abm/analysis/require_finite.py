"""Outcomes of all runs of a sweep, or an error that names the runs that lack one: an analysis of the rest would mislead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from abm.support.messages import did_you_mean, shortened
from abm.sweeps.plan import seed_of

if TYPE_CHECKING:
    from abm.sweeps.results import Results

NAMED = 3
"""So many of the runs at fault are named in a message; `run_ids` has all of them."""


class IncompleteRuns(ValueError):
    """Runs without a number in an outcome; `run_ids` are all of them, in the order of the design."""

    def __init__(self, message: str, run_ids: Sequence[str] = ()):
        self.run_ids = tuple(run_ids)
        super().__init__(message)


def require_finite(values: np.ndarray, runs: Sequence[str] | None = None, of: str = "the output") -> None:
    """Raise IncompleteRuns where a value is NaN or infinite; `runs` are names of the values, by default their positions."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        named = [runs[int(at)] if runs is not None else f"run {at}" for at in bad]
        raise IncompleteRuns(
            f"{counted(bad.size, values.size)} no finite number in {of}: {name_a_few(named)}; nothing is dropped, since the"
            " design needs every run: do them again, or take an output or ranges for which all runs have one",
            named,
        )


def outcome_cube(results: Results, names: Sequence[str]) -> np.ndarray:
    """(outcomes, points, replications) of the outcomes of these names, every one of them finite.

    Raises KeyError for a name that the sweep has not, IncompleteRuns where a run is missing, has failed, or has no finite
    number in one of the outcomes.
    """
    for name in names:
        if name not in results.outcomes:
            raise KeyError(f"no outcome {shortened(name)}{did_you_mean(name, results.outcomes)}")
    runs = results.runs()
    shape = len(results.design), int(results.manifest["replications"])
    at = runs["point"].to_numpy(int), runs["replication"].to_numpy(int)
    values = np.full((len(names), *shape), np.nan)
    for cells, name in zip(values, names, strict=True):
        cells[at] = runs[name].to_numpy(float)
    status = np.full(shape, "missing", dtype=object)
    status[at] = runs["status"].to_numpy(object)
    bad = (status != "ok") | ~np.isfinite(values).all(0)
    if not bad.any():
        return values
    ids, told = [], []
    for point, k in np.argwhere(bad):
        point_id = str(results.design["point_id"].iloc[point])
        ids.append(f"{point_id}-{seed_of(results.sweep, point_id, int(k)):016x}")
        lacking = [name for name, cells in zip(names, values, strict=True) if not np.isfinite(cells[point, k])]
        why = status[point, k] if status[point, k] != "ok" else f"no number in {lacking[0]}"
        told.append(f"{ids[-1]} ({why})")
    missing = int((status == "missing").sum())
    advice = (
        "the same command goes on with what is missing"
        if missing == bad.sum()
        else f"`abm sweep --show {results.folder}` has the reasons, --retry-failed does runs again that failed; where a run"
        " cannot have a number, choose a narrower range or another outcome"
    )
    raise IncompleteRuns(
        f"{counted(int(bad.sum()), bad.size)} no number: {name_a_few(told)}; nothing is dropped, since the design needs every"
        f" run: {advice}",
        ids,
    )


def counted(bad: int, of: int) -> str:
    return f"{bad:,} of {of:,} runs {'has' if bad == 1 else 'have'}"


def name_a_few(names: Sequence[str]) -> str:
    """The first few of the names, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
