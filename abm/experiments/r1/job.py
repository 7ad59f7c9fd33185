"""The R1 job: the effect of the release of DeepSeek R1 on pricing power, the stock market and the demand for chips.

It is two sweeps on the same seeds. Baseline, no_r1 and no_stargate run over 60 months and share the baseline's history up
to January 2025. Each crash mechanism alone branches off the baseline in June 2024, so that all have the same industry and
differ only in how it is valued, and runs to February 2025, the end of days -5 to +20 around 27 January 2025.
"""

from __future__ import annotations

import datetime as dt
import time
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from abm.charts.labels import MECHANISMS
from abm.experiments.manifest import FILES
from abm.experiments.reproductions import Progress, Reproduced
from abm.experiments.runs import place
from abm.market.measures import MEASURES
from abm.runs.results import Ensemble
from abm.support.files import refuse_links
from abm.support.messages import AbmWarning
from abm.support.workers import Watch
from abm.sweeps import Sweep, open_sweep, run_sweep
from abm.sweeps.spec import digest

MONTHS, CRASH_MONTHS = 60, 26
SHOCK = 24
"""January 2025: before it the three scenarios have the same events."""
ALONE_FROM = 17
"""June 2024: one month for prices to adjust to the switch before the market model is estimated."""
SCENARIOS = ("baseline", "no_r1", "no_stargate")
WORLDS = (*SCENARIOS, *(f"only_{name}" for name in MECHANISMS))
"""Names of the ensembles, in the order of the points of the two sweeps."""
FIRST_DAILY, LAST_DAILY = 18, 26
"""Months whose daily returns are recorded: about the 120 days of estimation of MacKinlay (1997), and the event."""
DRAWING = 0.04
"""Share of tables, figures and the report in the total work, for the progress bar."""


def sweeps(
    seeds: Sequence[int], months: int = MONTHS, crash_months: int = CRASH_MONTHS, **sizes: int
) -> dict[str, Sweep]:
    """The sweeps of the job, by name."""
    alone = [{other: float(other == name) for other in MECHANISMS} for name in MECHANISMS]
    common: dict[str, Any] = {
        "seeds": tuple(seeds),
        "populations": sizes,
        "observables": tuple(MEASURES),
        "outcomes": {"chips_fell": {"of": "abnormal_compute", "date": dt.date(2025, 1, 27)}},
    }

    def daily(months: int) -> tuple[int, ...]:
        return tuple(range(FIRST_DAILY, min(LAST_DAILY + 1, months)))

    return {
        "scenarios": Sweep(
            name="scenarios", scenarios=SCENARIOS, months=months, branch_at=SHOCK, daily=daily(months), products=True,
            **common,
        ),
        "mechanisms": Sweep(
            name="mechanisms", design={"kind": "table", "rows": alone}, months=crash_months, branch_at=ALONE_FROM,
            daily=daily(crash_months), **common,
        ),
    }  # fmt: skip


def run(
    folder: Path,
    seeds: Sequence[int],
    *,
    quick: bool = False,
    progress: Progress | None = None,
    pool: Executor | None = None,
    **options: Any,
) -> Reproduced:
    """Do the whole job and write its results below `folder`: figures, tables, runs, report.html, manifest.json.

    Parameters
    ----------
    folder
        Created if missing. Finished runs are stored in its `runs` and reused if nothing about them has changed.
    seeds
        Seeds of all ensembles: differences between them are taken seed by seed.
    quick
        Marks the report as a quick one; the number of runs is given by `seeds`.
    progress
        Called after every few runs.
    pool
        Workers that share the work (`abm.support.workers.worker_pool`); without a pool it is done in this process.
    **options
        Lengths of the ensembles (`months`, `crash_months`), and sizes of populations (`adopters=30`), for a smaller job.

    Raises
    ------
    ValueError
        If the folder contains symbolic links.
    IncompleteRuns
        If a run failed.
    """
    began = time.perf_counter()
    progress = progress or (lambda doing, done, total: None)
    refuse_links(folder, *FILES)
    runs, places = run_worlds(Path(folder), seeds, progress, pool, **options)
    from abm.experiments.r1 import report as r1_report  # load the figures only when there is something to draw

    drawing = None
    if pool:  # one worker draws half of the figures: loading the runs in more workers would not pay
        future = pool.submit(draw_again, Path(folder), places, r1_report.SHARED)
        drawing = lambda: next(iter(Watch(pool).wait([future]))).result()  # noqa: E731
    specs = {name: without_seeds(sweep) for name, sweep in sweeps(seeds, **options).items()}
    return r1_report.write(Path(folder), runs, specs, quick=quick, began=began, progress=progress, drawing=drawing)


def run_worlds(
    folder: Path, seeds: Sequence[int], progress: Progress, pool: Executor | None = None, **options: Any
) -> tuple[dict[str, Ensemble], list[Path]]:
    """Run what is missing of both sweeps; returns the ensembles by name, and the folders of the sweeps.

    The workers of a pool take blocks of seeds. Raises IncompleteRuns if a run failed.
    """
    if any((folder / "runs").glob("*.npz")):
        message = (
            f"{folder / 'runs'}: its .npz files are from an earlier version; these runs are repeated, and the files can be"
            " deleted"
        )
        warnings.warn(message, AbmWarning, stacklevel=2)
    todo = sweeps([int(seed) for seed in seeds], **options)
    places = {name: place(folder, name, digest(without_seeds(sweep))) for name, sweep in todo.items()}
    months = {name: sweep.months - sweep.branch_at * (1 - 1 / sweep.number_of_points) for name, sweep in todo.items()}
    total = sum(sweep.number_of_runs for sweep in todo.values())
    work = sum(months[name] * sweep.number_of_runs for name, sweep in todo.items()) / (1 - DRAWING)

    def step(earlier: int, work_before: float, each: float, done: int, of: int, failed: int, seconds: float) -> None:
        begins = not earlier and not seconds and done < of
        text = "compiling the model" if begins else f"{earlier + done} of {total} runs"
        progress(text, work_before + each * done, work)

    earlier, work_before = 0, 0.0
    for name, sweep in todo.items():
        shown = partial(step, earlier, work_before, months[name])
        run_sweep(sweep, places[name], executor=pool, accept_changes=True, retry_failed=True, progress=shown)
        earlier, work_before = earlier + sweep.number_of_runs, work_before + months[name] * sweep.number_of_runs
    return worlds_of(places.values()), [*places.values()]


def without_seeds(sweep: Sweep) -> dict[str, Any]:
    """What decides the numbers of a sweep besides its seeds; it names the folder, so that more seeds join the stored ones."""
    return {key: value for key, value in sweep.plain().items() if key not in ("seeds", "replications")}


def worlds_of(places: Iterable[Path]) -> dict[str, Ensemble]:
    """The stored ensembles by name. Raises IncompleteRuns if a run failed or is missing."""
    return dict(zip(WORLDS, [runs for folder in places for runs in open_sweep(folder).ensembles()], strict=True))


def draw_again(folder: Path, places: list[Path], names: Sequence[str]) -> list[Path]:
    """Draw some of the figures, in a worker, from the stored runs."""
    from abm.experiments.r1 import report as r1_report

    shown = r1_report.plates(worlds_of(places))
    return [path for name in names for path in r1_report.save_figure(folder, shown[name])]
