"""One chunk of runs, from parameters to two files: what every worker does, wherever it is."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.data import draws
from abm.market.measures import UNDEFINED
from abm.runs import event_study
from abm.runs.results import Ensemble
from abm.scenarios.calendar import month_of, trading_day
from abm.support.axes import DAYS
from abm.sweeps.injected_failures import InjectedFailures
from abm.sweeps.outcome import Outcome
from abm.sweeps.parts import made_with, write_part
from abm.sweeps.plan import Plan, Point, Run, values_of
from abm.sweeps.record import ChunkRecord
from abm.sweeps.rules import Rules
from abm.sweeps.targets import retold

if TYPE_CHECKING:
    from abm.runs.setup import Setup

SAME_FAILURE = 3
"""After so many single runs with one and the same error the rest of the chunk is not tried one by one."""


@dataclass(frozen=True)
class Task:
    """Runs to compute and keep as one part. Carries its own points only, so that it travels light."""

    plan: Plan
    runs: list[Run]
    points: dict[int, Point]
    folder: Path
    threads: int | None = 1
    faults: InjectedFailures = InjectedFailures()
    crashed: str = ""
    """Why its one run is given up without another try."""
    rules: Rules | None = None
    """The user's own classes."""
    made_with: dict[str, str] = field(default_factory=dict)
    """What the leader makes numbers with, and so every worker must."""

    @classmethod
    def of(cls, plan: Plan, runs: list[Run], folder: Path, threads: int | None = 1, rules: Rules | None = None) -> Task:
        bare = Plan(plan.sweep.bare(), plan.replications)  # without what is laid out
        points = {one.point: plan.points[one.point] for one in runs}
        return cls(bare, runs, points, folder, threads, InjectedFailures.wanted(), rules=rules, made_with=made_with())

    def halves(self) -> tuple[Task, Task]:
        middle = len(self.runs) // 2
        return self.only(self.runs[:middle]), self.only(self.runs[middle:])

    def only(self, runs: list[Run]) -> Task:
        return replace(self, runs=runs, points={one.point: self.points[one.point] for one in runs})


def carry_out(task: Task, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Compute a chunk, write its part, and say what came of it; only storage that fails is an exception.

    A worker with other code than its leader computes nothing, and names no part.
    """
    began = time.perf_counter()
    if made_with() != task.made_with:
        return {"part": None}
    if task.rules:
        task.rules.classes()
    outcomes = ChunkRecord()
    if task.crashed:
        outcomes.add(task.runs[0], "crashed", task.crashed, 0.0, {})
    else:
        try_runs(task, task.runs, outcomes, [], progress)
    name = write_part(task.folder, task.plan, task.points, outcomes)
    counts = {status: outcomes.status.count(status) for status in set(outcomes.status)}
    seconds = time.perf_counter() - began
    return {"part": name, "counts": counts, "engine": outcomes.engine, "seconds": seconds}


def try_runs(
    task: Task, runs: list[Run], outcomes: ChunkRecord, errors: list[str], progress: Callable[[int], None] | None = None
) -> None:
    """Run all; where that raises, halve until the run is found that does, and go on with the others."""
    began = time.perf_counter()
    try:
        ensemble, spoilt = run_chunk(task, runs, outcomes, progress)
    except Exception as error:
        what = describe(error)
        if len(runs) > 1 and errors[-SAME_FAILURE:] != [what] * SAME_FAILURE:
            middle = len(runs) // 2
            try_runs(task, runs[:middle], outcomes, errors, progress)
            try_runs(task, runs[middle:], outcomes, errors, progress)
            return
        errors.append(what)
        for run in runs:
            outcomes.add(run, "failed", what, (time.perf_counter() - began) / len(runs), {})
        return
    seconds = (time.perf_counter() - began) / len(runs)
    kept = task.plan.sweep.observables
    columns = {one.source for one in task.plan.sweep.columns.values()} | set(kept)
    for name in spoilt:
        at = [run.id for run in runs].index(name)
        ensemble[kept[0]] = np.array(ensemble[kept[0]])  # a result's own cannot be written to
        ensemble[kept[0]][at, -1] = np.nan
    troubles = nonfinite(ensemble)
    for at, run in enumerate(runs):
        trouble = troubles.get(at, "")
        own = {name: np.array(ensemble[name][at]) for name in columns}
        outcomes.add(run, "nonfinite" if trouble else "ok", trouble, seconds, own)


def run_chunk(
    task: Task, runs: Sequence[Run], outcomes: ChunkRecord, progress: Callable[[int], None] | None = None
) -> tuple[dict[str, np.ndarray], set[str]]:
    """Observables (runs, months) of runs of one group."""
    from abm.runs.simulate import PreparedSetting, run_prepared

    sweep = task.plan.sweep
    points = [task.points[run.point] for run in runs]
    spoilt = task.faults.strike(runs)
    setup = setup_of(task.plan, points[0], task.rules)
    table = {point.id: values_of(point) for point in {point.id: point for point in points}.values()}
    values = {name: np.stack([table[point.id][name] for point in points]) for name in table[points[0].id]}
    if sweep.posterior:
        values |= drawn(sweep.posterior, runs, points, values)
    timelines = timelines_of(task.plan, points, setup) if task.plan.own_timelines else None
    prepared = PreparedSetting(setup, values, timelines=timelines)
    step = (lambda done, total, seconds: progress(done)) if progress else None
    seeds = [run.seed for run in runs]
    began = time.perf_counter()
    dated = [one for one in sweep.columns.values() if one.date]
    daily = sorted({month for one in dated for month in months_around(one, sweep.months)})
    ensemble = run_prepared([prepared], seeds, sweep.precision, daily, progress=step, workers=task.threads)[0]
    outcomes.engine += time.perf_counter() - began
    return ensemble.out["observables"] | {one.source: days_of(ensemble, one) for one in dated}, spoilt


def drawn(
    fit: str, runs: Sequence[Run], points: Sequence[Point], values: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Parameters (runs,) of a fit: replication k's are the k-th draw of its posterior, but where a point sets its own."""
    table = draws(fit)
    rows = [run.replication % len(table) for run in runs]
    free = {name: np.array([name not in point.parameters for point in points]) for name in table}
    return {name: np.where(free[name], table[name].to_numpy()[rows], values[name]) for name in table}


def months_around(outcome: Outcome, months: int) -> range:
    """Months whose daily returns an event study takes: half a year to estimate the market model on, and the window."""
    assert outcome.date is not None
    month, day = month_of(outcome.date), trading_day(outcome.date)
    before, after = min(0, day + outcome.first), max(0, day + outcome.last_day)
    return range(max(0, month + before // DAYS - event_study.ESTIMATION_MONTHS), min(months, month + after // DAYS + 1))


def days_of(ensemble: Ensemble, outcome: Outcome) -> np.ndarray:
    """Returns (runs, days) of a layer around a date."""
    assert outcome.date is not None
    wanted = tuple(months_around(outcome, ensemble.setup.months))
    at = [ensemble.daily_months.index(month) for month in wanted]
    own = Ensemble(ensemble.setup, ensemble.seeds, {"daily": ensemble.out["daily"][:, at]}, wanted)
    window = event_study.around(
        own, (month_of(outcome.date), trading_day(outcome.date)), (outcome.first, outcome.last_day)
    )
    kind, _, layer = outcome.of.partition("_")
    return np.asarray(getattr(window, kind)[layer])


_SETUPS: dict[tuple[Any, ...], Setup] = {}
"""Of the last few groups of this process, so that worlds and networks are laid out once, not for every chunk."""


def setup_of(plan: Plan, point: Point, rules: Rules | None) -> Setup:
    """The set-up of a point's group: scenario, populations, networks; parameters come with the runs."""
    from abm.runs.setup import Setup

    sweep = plan.sweep
    key = (sweep.hash, point.group, rules.key if rules else "")
    if key not in _SETUPS:
        if len(_SETUPS) >= 8:
            _SETUPS.pop(next(iter(_SETUPS)))
        sizes: dict[str, Any] = dict(sweep.populations) | point.sizes
        if rules:
            sizes["classes"] = rules.classes()
        story = sweep.stories[point.scenario]
        _SETUPS[key] = Setup.of(
            point.parameters, story, sweep.months, pricing=sweep.pricing, price_form=sweep.price_form, **sizes
        )
    return _SETUPS[key]


def timelines_of(plan: Plan, points: Sequence[Point], setup: Setup) -> dict[str, np.ndarray]:
    """(runs, months, ...) of scenarios with words of their events changed."""
    timelines: dict[Any, dict[str, np.ndarray]] = {}
    for point in points:
        if point.id not in timelines:
            story = retold(plan.sweep.stories[point.scenario], point.events)
            timelines[point.id] = story.timeline(setup.months, setup.cast).arrays()
    return {name: np.stack([timelines[point.id][name] for point in points]) for name in timelines[points[0].id]}


def nonfinite(observables: dict[str, np.ndarray]) -> dict[int, str]:
    """Runs in which an observable is not finite: position -> which observables, from which month on."""
    names = [name for name in observables if name not in UNDEFINED]
    bad = {name: ~np.isfinite(observables[name]) for name in names}
    found = {}
    for at in np.flatnonzero(np.any([rows.any(1) for rows in bad.values()], axis=0)):
        months = {name: int(np.argmax(bad[name][at])) for name in names if bad[name][at].any()}
        first = sorted(months, key=lambda name: months[name])
        more = f" and {len(first) - 3} more" if len(first) > 3 else ""
        found[int(at)] = f"not finite: {', '.join(f'{name} from month {months[name]}' for name in first[:3])}{more}"
    return found


def describe(error: BaseException) -> str:
    """An exception in one line: type, message, and where it came from in code that is not a library's."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    where = f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}{where}"
