"""One chunk of runs, from parameters to two files: the task of a worker."""

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
from abm.runs.alarms import outside
from abm.runs.results import Ensemble
from abm.scenarios.calendar import month_of, trading_day
from abm.support.axes import DAYS
from abm.sweeps import lists
from abm.sweeps.injected_failures import InjectedFailures
from abm.sweeps.outcome import Outcome
from abm.sweeps.parts import made_with, write_part
from abm.sweeps.plan import Plan, Point, Run, values_of
from abm.sweeps.record import ChunkRecord
from abm.sweeps.rules import Rules
from abm.sweeps.spec import Sweep
from abm.sweeps.targets import with_changed_events

if TYPE_CHECKING:
    from abm.runs.setup import Setup
    from abm.runs.simulate import PreparedSetting
    from abm.scenarios.scenario import Scenario

SAME_FAILURE = 3
"""After this many single runs with the same error, the remaining runs of the chunk are not tried one by one."""


@dataclass(frozen=True)
class Task:
    """Runs to compute and store as one part. Contains only its own points, so that it is small to send."""

    plan: Plan
    runs: list[Run]
    points: dict[int, Point]
    folder: Path
    threads: int | None = 1
    failures: InjectedFailures = InjectedFailures()
    crashed: str = ""
    """Why its single run is given up without another attempt."""
    rules: Rules | None = None
    """User-defined agent classes."""
    made_with: dict[str, str] = field(default_factory=dict)
    """Code and package versions of the leading process, which every worker must share."""

    @classmethod
    def of(cls, plan: Plan, runs: list[Run], folder: Path, threads: int | None = 1, rules: Rules | None = None) -> Task:
        bare = Plan(plan.sweep.bare(), plan.replications)  # without the points laid out
        points = {run.point: plan.points[run.point] for run in runs}
        return cls(bare, runs, points, folder, threads, InjectedFailures.wanted(), rules=rules, made_with=made_with())

    def halves(self) -> tuple[Task, Task]:
        middle = len(self.runs) // 2
        return self.only(self.runs[:middle]), self.only(self.runs[middle:])

    def only(self, runs: list[Run]) -> Task:
        return replace(self, runs=runs, points={run.point: self.points[run.point] for run in runs})


def carry_out(task: Task, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Compute a chunk, write its part, and return the part's name, counts by status, and times.

    Failing runs are recorded; only storage errors are raised. A worker whose code differs from the leading process computes
    nothing and returns the part None.
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
    """Run all; if that raises, halve the runs until the failing one is isolated, and continue with the others."""
    began = time.perf_counter()
    try:
        series, listed, spoilt = run_chunk(task, runs, outcomes, progress)
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
    observables = task.plan.sweep.observables
    columns = {outcome.source for outcome in task.plan.sweep.columns.values()} | set(observables)
    for name in spoilt:
        row = [run.id for run in runs].index(name)
        first = next((one for one in observables if one not in UNDEFINED), observables[0])
        series[first] = np.array(series[first])  # results are read-only
        series[first][row, -1] = np.nan
    problems, alarms = nonfinite(series), outside(series)
    for row, run in enumerate(runs):
        problem = problems.get(row, "")
        values = {name: np.array(series[name][row]) for name in columns} | {k: v[row] for k, v in listed.items()}
        names = ", ".join(name for name, mask in alarms.items() if mask[row].any())
        outcomes.add(run, "nonfinite" if problem else "ok", problem, seconds, values, names)


def run_chunk(
    task: Task, runs: Sequence[Run], outcomes: ChunkRecord, progress: Callable[[int], None] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], set[str]]:
    """Run a chunk: series of its runs (runs, ...) by source, lists to be stored, and ids of runs to be spoilt on purpose."""
    sweep = task.plan.sweep
    spoilt = task.failures.strike(runs)
    dated = [outcome for outcome in sweep.columns.values() if outcome.date]
    daily = sorted({month for outcome in dated for month in months_around(outcome, sweep.months)} | {*sweep.daily})
    began = time.perf_counter()
    ensemble = (branches if sweep.branch_at else alike)(task, runs, daily, progress or (lambda done: None))
    outcomes.engine += time.perf_counter() - began
    series = ensemble.out["observables"] | {outcome.source: days_of(ensemble, outcome) for outcome in dated}
    return series, lists.of_ensemble(ensemble, sweep), spoilt


def alike(task: Task, runs: Sequence[Run], daily: list[int], progress: Callable[[int], None]) -> Ensemble:
    """Run runs of one group."""
    from abm.runs.simulate import run_prepared

    sweep, seeds = task.plan.sweep, [run.seed for run in runs]
    prepared = prepare(task, runs, [task.points[run.point] for run in runs])
    step = lambda done, total, seconds: progress(done)  # noqa: E731
    out = run_prepared([prepared], seeds, sweep.precision, daily, sweep.products, progress=step, workers=task.threads)
    return out[0]


def branches(task: Task, runs: Sequence[Run], daily: list[int], progress: Callable[[int], None]) -> Ensemble:
    """Run branches of the trunk, which is run once for each seed; every point of the runs is run on each of their seeds."""
    import jax

    from abm.runs.simulate import run_prepared

    sweep = task.plan.sweep
    of_seed = list({run.seed: run for run in runs}.values())  # draws are common: a seed is a replication
    points = list(dict.fromkeys(run.point for run in runs))

    def world(point: Point, **conditions: int) -> PreparedSetting:
        return prepare(task, of_seed, [point] * len(of_seed), **conditions)

    trunk = world(task.plan.trunk, months=sweep.branch_at)
    worlds = [world(task.points[point], branch_at=sweep.branch_at) for point in points]
    step = lambda done, total, seconds: progress(done * len(runs) // total)  # noqa: E731
    seeds = [run.seed for run in of_seed]
    _, *ensembles = run_prepared(
        [trunk, *worlds], seeds, sweep.precision, daily, sweep.products, progress=step, workers=task.threads
    )
    where = [(points.index(run.point), seeds.index(run.seed)) for run in runs]
    first = ensembles[0]
    if len(ensembles) == 1:
        return first
    out = jax.tree.map(lambda *of: np.stack([of[world][row] for world, row in where]), *[e.out for e in ensembles])
    return Ensemble(first.setup, [run.seed for run in runs], out, first.daily_months)


def prepare(
    task: Task, runs: Sequence[Run], points: Sequence[Point], months: int | None = None, branch_at: int = 0
) -> PreparedSetting:
    """The setting in which runs of one group are computed together, each at its point."""
    from abm.runs.simulate import PreparedSetting

    plan = task.plan
    setup = setup_of(plan, points[0], task.rules, months)
    table = {point.id: values_of(point) for point in points}
    values = {name: np.stack([table[point.id][name] for point in points]) for name in table[points[0].id]}
    if plan.sweep.posterior:
        values |= drawn(plan.sweep.posterior, runs, points, values)
    timelines = timelines_of(plan, points, setup) if plan.own_timelines and points[0] is not plan.trunk else None
    return PreparedSetting(setup, values, branch_at, timelines)


def drawn(
    fit: str, runs: Sequence[Run], points: Sequence[Point], values: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Parameters (runs,) of a fit: replication k uses its k-th posterior draw, except for parameters that a point sets."""
    table = draws(fit)
    rows = [run.replication % len(table) for run in runs]
    free = {name: np.array([name not in point.parameters for point in points]) for name in table}
    return {name: np.where(free[name], table[name].to_numpy()[rows], values[name]) for name in table}


def months_around(outcome: Outcome, months: int) -> range:
    """Months whose daily returns an event study needs: half a year to estimate the market model, and the window."""
    assert outcome.date is not None
    month, day = month_of(outcome.date), trading_day(outcome.date)
    before, after = min(0, day + outcome.first), max(0, day + outcome.last_day)
    return range(max(0, month + before // DAYS - event_study.ESTIMATION_MONTHS), min(months, month + after // DAYS + 1))


def days_of(ensemble: Ensemble, outcome: Outcome) -> np.ndarray:
    """Daily returns (runs, days) of a layer around a date."""
    assert outcome.date is not None
    wanted = tuple(months_around(outcome, ensemble.setup.months))
    rows = [ensemble.daily_months.index(month) for month in wanted]
    window_runs = Ensemble(ensemble.setup, ensemble.seeds, {"daily": ensemble.out["daily"][:, rows]}, wanted)
    window = event_study.around(
        window_runs, (month_of(outcome.date), trading_day(outcome.date)), (outcome.first, outcome.last_day)
    )
    kind, _, layer = outcome.of.partition("_")
    return np.asarray(getattr(window, kind)[layer])


_SETUPS: dict[tuple[Any, ...], Setup] = {}
"""Set-ups of the last few groups in this process, so that networks are built once, not for every chunk."""


def setup_of(plan: Plan, point: Point, rules: Rules | None, months: int | None = None) -> Setup:
    """Set-up of a point's group: scenario, populations, networks; parameters vary by run."""
    key = (plan.sweep.hash, point.group, rules.key if rules else "", months)
    if key not in _SETUPS:
        if len(_SETUPS) >= 8:
            _SETUPS.pop(next(iter(_SETUPS)))
        _SETUPS[key] = new_setup(plan.sweep, point, rules, months)
    return _SETUPS[key]


def new_setup(
    sweep: Sweep,
    point: Point,
    rules: Rules | None = None,
    months: int | None = None,
    scenario: Scenario | None = None,
) -> Setup:
    """Set-up of a point, of its scenario by default as it is without changed event fields."""
    from abm.runs.setup import Setup

    options: dict[str, Any] = dict(sweep.populations) | point.sizes
    if rules:
        options["classes"] = rules.classes()
    options |= {"pricing": sweep.pricing}
    return Setup.of(
        point.parameters, scenario or sweep.scenarios_by_name[point.scenario], months or sweep.months, **options
    )


def timelines_of(plan: Plan, points: Sequence[Point], setup: Setup) -> dict[str, np.ndarray]:
    """Timelines (runs, months, ...) of scenarios with changed event fields."""
    timelines: dict[Any, dict[str, np.ndarray]] = {}
    for point in points:
        if point.id not in timelines:
            scenario = with_changed_events(plan.sweep.scenarios_by_name[point.scenario], point.events)
            timelines[point.id] = scenario.timeline(setup.months, setup.cast).arrays()
    return {name: np.stack([timelines[point.id][name] for point in points]) for name in timelines[points[0].id]}


def nonfinite(observables: dict[str, np.ndarray]) -> dict[int, str]:
    """Runs with a non-finite observable: position -> which observables, and from which month."""
    names = [name for name in observables if name not in UNDEFINED]
    bad = {name: ~np.isfinite(observables[name]) for name in names}
    messages = {}
    for row in np.flatnonzero(np.any([flags.any(1) for flags in bad.values()], axis=0)):
        months = {name: int(np.argmax(bad[name][row])) for name in names if bad[name][row].any()}
        first = sorted(months, key=lambda name: months[name])
        more = f" and {len(first) - 3} more" if len(first) > 3 else ""
        messages[int(row)] = f"not finite: {', '.join(f'{name} from month {months[name]}' for name in first[:3])}{more}"
    return messages


def describe(error: BaseException) -> str:
    """Describe an exception in one line: type, message, and the last place outside installed libraries."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    where = f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}{where}"
