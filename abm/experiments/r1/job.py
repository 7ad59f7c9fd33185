"""The main job: what the release of DeepSeek R1 did to pricing power, to the stock market and to the demand for chips.

Baseline, no_r1 and no_stargate on the same seeds over 60 months; no_r1 and no_stargate share the baseline's history up to
January 2025. Each crash mechanism alone branches off the baseline in June 2024, so that all have the same industry and
differ in how it is valued, and runs to February 2025: days -5 to +20 around 27 January 2025 end there.
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
"""June 2024: one month for prices to get used to the switch before the market model is estimated."""
BLOCK = 20
"""Seeds that are finished and kept together: 200 seeds are five blocks for each of two workers."""
FIRST_DAILY, LAST_DAILY = 18, 26
"""Months whose daily returns are kept: about the 120 days on which MacKinlay (1997) estimates, and the event."""
DRAWING = 0.04
"""Share of the whole work that tables, figures and the report are, for the progress bar."""


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
    """Every ensemble of the job; the first one's history serves the others."""
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
    """Do the whole job and write it below `folder`: figures, tables, runs, report.html, manifest.json.

    Parameters
    ----------
    folder
        Made if it is not there. Finished blocks of seeds are kept in its `runs` and used again if nothing about them changed.
    seeds
        The same for all ensembles: differences between them are taken seed by seed.
    quick
        Only marks the report as a quick one; how many runs there are is up to `seeds`.
    progress
        Called after every few runs.
    pool
        Whose workers share the work (`abm.support.workers.worker_pool`); without one it is done here.
    months, crash_months, **options
        Lengths of the ensembles, and sizes of populations (`adopters=30`), for a smaller job.

    Raises ValueError where the folder has symbolic links.
    """
    began = time.perf_counter()
    progress = progress or (lambda doing, done, total: None)
    refuse_links(folder, *FILES)
    todo = parts(months, crash_months)
    seeds = [int(seed) for seed in seeds]
    runs = run_parts(todo, Path(folder), seeds, progress, pool, **options)
    from abm.experiments.r1 import report as r1_report  # figures are loaded once there is something to draw

    drawing = None
    if pool:  # one worker draws half of the figures: more would load the runs for little
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
    """All ensembles by name, block of seeds by block, from disk where they are there already.

    With a pool its workers take a block each. Raises `Stopped` on Ctrl-C, with how many runs are finished and kept.
    """
    job = Job(todo, folder, options)
    blocks = [tuple(map(int, seeds[at : at + BLOCK])) for at in range(0, len(seeds), BLOCK)]
    found = {block: kept for block in blocks if (kept := job.kept(block)) is not None}
    missing = [block for block in blocks if block not in found]
    done, total = len(seeds) - sum(map(len, missing)), len(seeds) / (1 - DRAWING)

    def report(number: int, *_: Any) -> None:
        progress(f"{done + number} of {len(seeds)} seeds", done + number, total)

    if missing:
        progress("compiling the model", done, total)
    else:
        report(0)
    try:
        for block in job.blocks_in(pool, missing) if pool else job.blocks_here(missing, report):
            kept = job.kept(block)
            if kept is None:
                raise RuntimeError(
                    f"{folder / 'runs'}: what was just written there is gone; nobody else may use the folder"
                )
            found[block] = kept
            done += len(block)
            report(0)
    except KeyboardInterrupt:
        raise Stopped([f"{done} of {len(seeds)} seeds"] if done else [], folder / "runs") from None
    return {part.name: joined([found[block][part.name] for block in blocks], list(seeds)) for part in todo}


Seeds = tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """What is run, where it is kept, and the options of all its ensembles."""

    todo: list[Part]
    folder: Path
    options: dict[str, Any]

    @cached_property
    def setups(self) -> dict[str, Setup]:
        return {part.name: Setup.of(part.parameters, part.scenario, part.months, **self.options) for part in self.todo}

    def keys(self, block: Seeds) -> dict[str, str]:
        """What decides the numbers of every part: its own setting, and that of the history it branches off."""
        own = {part.name: store.key_of(self.setups[part.name], block, part.daily, part.products) for part in self.todo}
        trunk = own[self.todo[0].name]
        return {part.name: f"{own[part.name]} {trunk} {part.branch_at}" for part in self.todo}

    def path(self, part: Part, block: Seeds) -> Path:
        return self.folder / "runs" / f"{part.name}-{block[0]}-{block[-1]}.npz"

    def kept(self, block: Seeds) -> dict[str, Ensemble] | None:
        """All parts on these seeds, or None if one is missing."""
        if not all(self.path(part, block).exists() for part in self.todo):
            return None
        keys, found = self.keys(block), {}
        for part in self.todo:
            one = store.load(self.path(part, block), keys[part.name], self.setups[part.name], block, part.daily)
            if one is None:
                return None
            found[part.name] = one
        return found

    def run_block(self, block: Seeds, step: Callable[[int, int, float], None] | None = None) -> Seeds:
        """All parts on the same few seeds, and keep them."""
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
        """Blocks as they are finished."""
        watch, pending = Watch(pool), {pool.submit(self.run_block, block) for block in blocks}
        while pending:
            for future in watch.wait(pending):
                pending.remove(future)
                yield future.result()
            if len(pending) == 1:  # a worker has nothing left to do: its core is free for what drawing needs
                for name in (
                    "abm.experiments.r1.report",
                    "matplotlib.backends.backend_agg",
                    "matplotlib.backends.backend_pdf",
                ):
                    import_module(name)


def joined(parts: list[Ensemble], seeds: list[int]) -> Ensemble:
    """Blocks of one ensemble as one."""
    first = parts[0]
    return Ensemble(first.setup, seeds, concatenate_runs([part.out for part in parts]), first.daily_months)


def draw_again(
    todo: list[Part], folder: Path, seeds: list[int], names: Sequence[str], options: dict[str, Any]
) -> list[Path]:
    """Some of the figures, drawn by a worker from the runs that are kept."""
    from abm.experiments.r1 import report as r1_report

    runs = run_parts(todo, folder, seeds, lambda *step: None, **options)
    shown = r1_report.plates(runs)
    return [path for name in names for path in r1_report.save_figure(folder, shown[name])]
