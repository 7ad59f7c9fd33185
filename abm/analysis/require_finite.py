"""Outcomes of all runs of a sweep, or an error that names incomplete runs: an analysis without them would mislead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from abm.support.messages import did_you_mean, shortened
from abm.sweeps.incomplete import IncompleteRuns
from abm.sweeps.plan import seed_of

if TYPE_CHECKING:
    from abm.sweeps.results import Results

NAMED = 3
"""Number of incomplete runs named in a message; `run_ids` has all of them."""


def require_finite(values: np.ndarray, runs: Sequence[str] | None = None, of: str = "the output") -> None:
    """Raise IncompleteRuns if a value is NaN or infinite; `runs` names the values, by default by their positions."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        names = [runs[int(index)] if runs is not None else f"run {index}" for index in bad]
        raise IncompleteRuns(
            f"{counted(bad.size, values.size)} no finite value of {of}: {name_a_few(names)}; the design needs every run, so"
            " none is dropped: repeat them, or choose an output or ranges for which every run has a value",
            names,
        )


def outcome_cube(results: Results, names: Sequence[str]) -> np.ndarray:
    """Return the named outcomes as an array (outcomes, points, replications) without NaN or infinite values.

    Raises KeyError for an unknown outcome and IncompleteRuns for runs that are missing, failed or have no finite value of
    one of the outcomes.
    """
    for name in names:
        if name not in results.outcomes:
            raise KeyError(f"no outcome {shortened(name)}{did_you_mean(name, results.outcomes)}")
    runs = results.runs()
    shape = len(results.design), int(results.manifest["replications"])
    cell = runs["point"].to_numpy(int), runs["replication"].to_numpy(int)
    values = np.full((len(names), *shape), np.nan)
    for outcome, name in zip(values, names, strict=True):
        outcome[cell] = runs[name].to_numpy(float)
    status = np.full(shape, "missing", dtype=object)
    status[cell] = runs["status"].to_numpy(object)
    bad = (status != "ok") | ~np.isfinite(values).all(0)
    if not bad.any():
        return values
    ids, descriptions = [], []
    for point, k in np.argwhere(bad):
        point_id = str(results.design["point_id"].iloc[point])
        ids.append(f"{point_id}-{seed_of(results.sweep, point_id, int(k)):016x}")
        undefined = [name for name, outcome in zip(names, values, strict=True) if not np.isfinite(outcome[point, k])]
        reason = status[point, k] if status[point, k] != "ok" else f"no finite value of {undefined[0]}"
        descriptions.append(f"{ids[-1]} ({reason})")
    missing = int((status == "missing").sum())
    advice = (
        "run the same command again to add the missing runs"
        if missing == bad.sum()
        else f"`abm sweep --show {results.folder}` shows the reasons and --retry-failed repeats failed runs; if a run cannot"
        " have a value, choose a narrower range or another outcome"
    )
    raise IncompleteRuns(
        f"{counted(int(bad.sum()), bad.size)} no result: {name_a_few(descriptions)}; the design needs every run, so none is"
        f" dropped: {advice}",
        ids,
    )


def counted(bad: int, total: int) -> str:
    """`1 of 320 runs has`, `2 of 320 runs have`."""
    return f"{bad:,} of {total:,} runs {'has' if bad == 1 else 'have'}"


def name_a_few(names: Sequence[str]) -> str:
    """The first few names and the number of the rest: `a, b, c and 4 more`."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
