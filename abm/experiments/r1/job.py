"""The R1 job: the effect of the release of DeepSeek R1 on pricing power, the stock market and the demand for chips.

Baseline, no_r1 and no_stargate run on the same seeds over 60 months; no_r1 and no_stargate share the baseline's history up
to January 2025. Each crash mechanism alone branches off the baseline in June 2024, so that all have the same industry and
differ only in how it is valued, and runs to February 2025, the end of days -5 to +20 around 27 January 2025.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from abm.charts.labels import MECHANISMS
from abm.engine import concatenate_runs
from abm.experiments.manifest import FILES
from abm.experiments.r1 import store
from abm.experiments.reproductions import Progress, Reproduced, Stopped
from abm.runs.results import Ensemble
from abm.runs.setup import Setup
from abm.runs.simulate import Setting, ensembles
from abm.support.files import refuse_links
from abm.support.workers import Watch

MONTHS, CRASH_MONTHS = 60, 26
ALONE_FROM = 17
"""June 2024: one month for prices to adjust to the switch before the market model is estimated."""
BLOCK = 20
"""Number of seeds that are run and stored together: 200 seeds are five blocks for each of two workers."""
FIRST_DAILY, LAST_DAILY = 18, 26
"""Months whose daily returns are recorded: about the 120 days of estimation of MacKinlay (1997), and the event."""
DRAWING = 0.04
"""Share of tables, figures and the report in the total work, for the progress bar."""


@dataclass(frozen=True)
class Part:
    """One ensemble of the job."""

    name: str
    title: str
    scenario: str = "baseline"
    parameters: dict[str, Any] = field(default_factory=dict)
    months: int = MONTHS
    branch_at: int = 0
    products: bool = False

    @property
    def setting(self) -> Setting:
        return Setting(self.parameters, self.scenario, self.months, self.branch_at)

    @property
    def daily(self) -> list[int]:
        return list(range(FIRST_DAILY, min(LAST_DAILY + 1, self.months)))


def parts(months: int = MONTHS, crash_months: int = CRASH_MONTHS) -> list[Part]:
    """All ensembles of the job; the others branch off the first."""
    alone = []
    for name, title in MECHANISMS.items():
        switches = {other: float(other == name) for other in MECHANISMS}
        part = Part(f"only_{name}", f"only {title}", parameters=switches, months=crash_months, branch_at=ALONE_FROM)
        alone.append(part)
    return [
        Part("baseline", "baseline", products=True, months=months),
        Part("no_r1", "without R1", scenario="no_r1", months=months),
        Part("no_stargate", "without Stargate", scenario="no_stargate", months=months),
        *alone,
    ]


def run(
    folder: Path,
    seeds: Sequence[int],
    *,
    quick: bool = False,
    progress: Progress | None = None,
    pool: Executor | None = None,
    months: int = MONTHS,
    crash_months: int = CRASH_MONTHS,
    **options: Any,
) -> Reproduced:
    """Do the whole job and write its results below `folder`: figures, tables, runs, report.html, manifest.json.

    Parameters
    ----------
    folder
        Created if missing. Finished blocks of seeds are stored in its `runs` and reused if nothing about them has changed.
    seeds
        Seeds of all ensembles: differences between them are taken seed by seed.
    quick
        Marks the report as a quick one; the number of runs is given by `seeds`.
    progress
        Called after every few runs.
    pool
        Workers that share the work (`abm.support.workers.worker_pool`); without a pool it is done in this process.
    months, crash_months, **options
        Lengths of the ensembles, and sizes of populations (`adopters=30`), for a smaller job.

    Raises
    ------
    ValueError
        If the folder contains symbolic links.
    """
    began = time.perf_counter()
    progress = progress or (lambda doing, done, total: None)
    refuse_links(folder, *FILES)
    todo = parts(months, crash_months)
    seeds = [int(seed) for seed in seeds]
    runs = run_parts(todo, Path(folder), seeds, progress, pool, **options)
    from abm.experiments.r1 import report as r1_report  # load the figures only when there is something to draw

    drawing = None
    if pool:  # one worker draws half of the figures: loading the runs in more workers would not pay
        future = pool.submit(draw_again, todo, Path(folder), seeds, r1_report.SHARED, options)
        drawing = lambda: next(iter(Watch(pool).wait([future]))).result()  # noqa: E731
    return r1_report.write(Path(folder), runs, quick=quick, began=began, progress=progress, drawing=drawing)


def run_parts(
    todo: list[Part],
    folder: Path,
    seeds: Sequence[int],
    progress: Progress,
    pool: Executor | None = None,
    **options: Any,
) -> dict[str, Ensemble]:
    """Run all ensembles, block of seeds by block, or load the blocks that are stored; returns them by name.

    The workers of a pool take one block each. Raises `Stopped` on Ctrl-C, with the number of seeds finished and stored.
    """
    job = Job(todo, folder, options)
    blocks = [tuple(map(int, seeds[start : start + BLOCK])) for start in range(0, len(seeds), BLOCK)]
    finished = {block: stored for block in blocks if (stored := job.stored(block)) is not None}
    missing = [block for block in blocks if block not in finished]
    done, total = len(seeds) - sum(map(len, missing)), len(seeds) / (1 - DRAWING)

    def report(number: int, *_: Any) -> None:
        progress(f"{done + number} of {len(seeds)} seeds", done + number, total)

    if missing:
        progress("compiling the model", done, total)
    else:
        report(0)
    try:
        for block in job.blocks_in(pool, missing) if pool else job.blocks_here(missing, report):
            stored = job.stored(block)
            if stored is None:
                raise RuntimeError(
                    f"{folder / 'runs'}: runs just written have disappeared; no other process may use this folder"
                )
            finished[block] = stored
            done += len(block)
            report(0)
    except KeyboardInterrupt:
        raise Stopped([f"{done} of {len(seeds)} seeds"] if done else [], folder / "runs") from None
    return {part.name: joined([finished[block][part.name] for block in blocks], list(seeds)) for part in todo}


Seeds = tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """The ensembles to run, the folder to store them in, and options common to all of them."""

    todo: list[Part]
    folder: Path
    options: dict[str, Any]

    @cached_property
    def setups(self) -> dict[str, Setup]:
        return {part.name: Setup.of(part.parameters, part.scenario, part.months, **self.options) for part in self.todo}

    def keys(self, block: Seeds) -> dict[str, str]:
        """Keys of everything that decides the numbers of a part: its own specification, and that of its trunk."""
        own = {part.name: store.key_of(self.setups[part.name], block, part.daily, part.products) for part in self.todo}
        trunk = own[self.todo[0].name]
        return {part.name: f"{own[part.name]} {trunk} {part.branch_at}" for part in self.todo}

    def path(self, part: Part, block: Seeds) -> Path:
        return self.folder / "runs" / f"{part.name}-{block[0]}-{block[-1]}.npz"

    def stored(self, block: Seeds) -> dict[str, Ensemble] | None:
        """Load all parts on these seeds; None if one is missing."""
        if not all(self.path(part, block).exists() for part in self.todo):
            return None
        keys, loaded = self.keys(block), {}
        for part in self.todo:
            ensemble = store.load(self.path(part, block), keys[part.name], self.setups[part.name], block, part.daily)
            if ensemble is None:
                return None
            loaded[part.name] = ensemble
        return loaded

    def run_block(self, block: Seeds, step: Callable[[int, int, float], None] | None = None) -> Seeds:
        """Run and store all parts on one block of seeds."""
        keys = self.keys(block)
        days = sorted({day for part in self.todo for day in part.daily})
        settings = [part.setting for part in self.todo]
        together = ensembles(settings, block, daily=days, products=True, progress=step, **self.options)
        for part, runs in zip(self.todo, together, strict=True):
            if not part.products:
                runs.out.pop("products")
            store.save(self.path(part, block), keys[part.name], runs)
        return block

    def blocks_here(self, blocks: list[Seeds], step: Callable[[int, int, float], None]) -> Iterator[Seeds]:
        for block in blocks:
            yield self.run_block(block, step)

    def blocks_in(self, pool: Executor, blocks: list[Seeds]) -> Iterator[Seeds]:
        """Run blocks in the workers of a pool, and yield each as it finishes."""
        watch, pending = Watch(pool), {pool.submit(self.run_block, block) for block in blocks}
        while pending:
            for future in watch.wait(pending):
                pending.remove(future)
                yield future.result()
            if len(pending) == 1:  # a worker is idle: use its core to import the modules that drawing needs
                for name in (
                    "abm.experiments.r1.report",
                    "matplotlib.backends.backend_agg",
                    "matplotlib.backends.backend_pdf",
                ):
                    import_module(name)


def joined(parts: list[Ensemble], seeds: list[int]) -> Ensemble:
    """Join the blocks of one ensemble."""
    first = parts[0]
    return Ensemble(first.setup, seeds, concatenate_runs([part.out for part in parts]), first.daily_months)


def draw_again(
    todo: list[Part], folder: Path, seeds: list[int], names: Sequence[str], options: dict[str, Any]
) -> list[Path]:
    """Draw some of the figures, in a worker, from the stored runs."""
    from abm.experiments.r1 import report as r1_report

    runs = run_parts(todo, folder, seeds, lambda *step: None, **options)
    shown = r1_report.plates(runs)
    return [path for name in names for path in r1_report.save_figure(folder, shown[name])]
