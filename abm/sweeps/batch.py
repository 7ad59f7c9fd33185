"""`sweep`: run a sweep in one call."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.support.messages import shortened
from abm.sweeps.results import Results, open_sweep
from abm.sweeps.run import run_sweep
from abm.sweeps.spec import Sweep

if TYPE_CHECKING:
    from abm.scenarios.scenario import Scenario


def sweep(
    factors: Mapping[str, Any],
    *,
    scenario: str | Scenario | Iterable[str | Scenario] = "baseline",
    seeds: Iterable[int],
    months: int = 60,
    out: str | Path | None = None,
    classes: Any = None,
    workers: int = 1,
    executor: Executor | None = None,
    **more: Any,
) -> Results:
    """Run every combination of the factors' levels with every seed, and return the results.

    >>> import abm
    >>> abm.sweep({"ip_strength": [0, 0.5, 1]}, seeds=range(50)).runs()

    Parameters
    ----------
    factors
        Name -> levels: a list, an array, or a range {"low": ..., "high": ..., "levels": ...}.
    scenario
        A built-in scenario, the path of a .toml file, a `Scenario`, or several of them.
    seeds
        Seeds of the runs, in this order at every point (a list, an array, a range, ...);
        `abm.simulate(parameters, scenario, seed)` repeats a single run.
    months
        Length of a run in months, starting in January 2023.
    out
        Folder for the results, where existing runs are reused; by default a temporary one, deleted with the results.
    classes
        User-defined agent classes, as in `abm.simulate`.
    workers, executor
        Number of worker processes, or any `concurrent.futures.Executor` whose workers have access to the folder; by
        default this process, with its threads.
    more
        Any other key of a `Sweep`, such as observables, outcomes, populations, design.

    Raises
    ------
    SpecError, Changed, OSError
        As in `run_sweep`.
    ValueError
        `seeds` is not a collection of seeds.
    """
    if isinstance(seeds, str | Mapping) or not isinstance(seeds, Iterable):
        raise ValueError(f"seeds = {shortened(seeds)}: give a collection of seeds, such as range(50)")
    spec = Sweep(factors=factors, scenarios=scenario, seeds=tuple(seeds), months=months, **more)
    how: dict[str, Any] = {"classes": classes, "workers": workers, "executor": executor}
    if out is not None:
        run_sweep(spec, out, **how)
        return open_sweep(out)
    temporary = tempfile.TemporaryDirectory(prefix="abm_sweep_")
    run_sweep(spec, temporary.name, **how)
    return replace(open_sweep(temporary.name), temporary=temporary)
