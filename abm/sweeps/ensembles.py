"""Stored runs of a sweep as ensembles, as if they had just been run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from abm.runs.results import Ensemble
from abm.support.inputs import plain, whole
from abm.support.messages import shortened
from abm.sweeps import lists
from abm.sweeps.chunk import new_setup
from abm.sweeps.incomplete import IncompleteRuns
from abm.sweeps.plan import Plan
from abm.sweeps.spec import Sweep
from abm.sweeps.targets import with_changed_events

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def ensembles_of(
    sweep: Sweep,
    replications: int,
    points: Sequence[int] | None,
    runs: pd.DataFrame,
    read: Callable[[Sequence[str], Sequence[str]], pa.Table],
) -> list[Ensemble]:
    """The ensemble of each point (None: of all), with the replication as first axis.

    `read` reads columns of the panel for some run ids. Raises ValueError for points that the sweep does not have or that are
    given twice and if the panel does not have all months, IncompleteRuns if a run is missing, failed or not finite.
    """
    if sweep.panel != "all":
        raise ValueError('ensembles need all months of the panel: run the sweep with panel = "all"')
    plan = Plan(sweep, replications)
    points = chosen(points, len(plan.points))
    runs = runs[runs["point"].isin(points)]
    bad = runs[runs["status"] != "ok"]
    if not bad.empty:
        failed = f"{len(bad)} of {len(runs)} runs failed, the first with: {bad['error'].iloc[0]}"
        raise IncompleteRuns(failed, bad["run_id"].tolist())
    if (missing := len(points) * replications - len(runs)) > 0:
        raise IncompleteRuns(f"{missing} runs are missing: run the sweep again to complete it")
    columns = lists.months_stored(sweep)
    table = read([*sweep.observables, *columns], runs["run_id"].tolist())
    months, ids = sweep.months, table["run_id"].to_pandas()
    ensembles = []
    for number in points:
        own = runs[runs["point"] == number].sort_values("replication")
        rows = in_order(own["run_id"].tolist(), ids, table["month"].to_numpy(), months)
        part, shape = table.take(rows), (replications, months)
        arrays = {name: lists.unpacked(part[name], replications, stored) for name, stored in columns.items()}
        observables = {name: part[name].to_numpy().reshape(shape) for name in sweep.observables}
        point = plan.points[number]
        setup = new_setup(
            sweep, point, scenario=with_changed_events(sweep.scenarios_by_name[point.scenario], point.events)
        )
        out = {"observables": observables} | lists.to_ensemble(arrays)
        seeds = [int(seed) for seed in own["seed"]]
        ensembles.append(Ensemble(setup, seeds, out, columns.get("daily_returns", ()), bool(sweep.posterior)))
    return ensembles


def chosen(points: Sequence[int] | None, number: int) -> tuple[int, ...]:
    """Return the points as numbers, by default all. Raises ValueError unless they are different points of the sweep."""
    given = plain(range(number) if points is None else points)
    if not isinstance(given, tuple):
        raise ValueError(f"points = {shortened(points)}: give a list of points from 0 to {number - 1}, such as [0]")
    for point in given:
        whole("point", point, 0, number - 1)
    if len({*given}) < len(given):
        raise ValueError(
            f"points = {shortened(list(given))}: duplicate point; give different points from 0 to {number - 1}"
        )
    return given


def in_order(runs: list[str], ids: pd.Series, months_of_rows: np.ndarray, months: int) -> np.ndarray:
    """Rows of the panel that belong to `runs`, run by run and month by month; a run that is stored twice is taken once."""
    import pandas as pd

    run = pd.Index(runs).get_indexer(pd.Index(ids))
    there = np.flatnonzero(run >= 0)
    places, first = np.unique(run[there] * months + months_of_rows[there], return_index=True)
    if len(places) != len(runs) * months:
        raise IncompleteRuns("the panel does not have every month of every run: run the sweep again to complete it")
    return there[first]
