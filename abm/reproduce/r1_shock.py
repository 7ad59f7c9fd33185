"""The main job: what the release of DeepSeek R1 did to pricing power, to the stock market and to the demand for chips.

Baseline, no_r1 and no_stargate on the same seeds over 60 months, and each crash mechanism alone over the 26 months that
cover the event window: days -5 to +20 around 27 January 2025 end in month 25. Two lengths of run are two compiled
programs; the second one is compiled while the first is, and saves more than half of each of the four short ensembles.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abm.figures.labels import MECHANISMS
from abm.reproduce import Outcome, Progress, Stopped, store
from abm.results import Ensemble
from abm.simulation import CHUNK, Setup, ensemble

MONTHS, CRASH_MONTHS = 60, 26
FIRST_DAILY, LAST_DAILY = 12, 26
"""Months whose daily returns are kept: a year to estimate the market model on, and the event."""
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
    products: bool = False

    @property
    def daily(self) -> list[int]:
        return list(range(FIRST_DAILY, min(LAST_DAILY + 1, self.months)))


def parts(months: int = MONTHS, crash_months: int = CRASH_MONTHS) -> list[Part]:
    """Every ensemble of the job, the long ones first."""
    alone = []
    for name, title in MECHANISMS.items():
        switches = {other: float(other == name) for other in MECHANISMS}
        alone.append(Part(f"only_{name}", f"only {title}", parameters=switches, months=crash_months))
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
    months: int = MONTHS,
    crash_months: int = CRASH_MONTHS,
    **options: Any,
) -> Outcome:
    """Do the whole job and write it below `folder`: figures, tables, runs, report.html, manifest.json.

    Parameters
    ----------
    folder
        Made if it is not there. Finished ensembles are kept in its `runs` and used again if nothing about them changed.
    seeds
        The same for all ensembles: differences between them are taken seed by seed.
    quick
        Only marks the report as a quick one; how many runs there are is up to `seeds`.
    progress
        Called after every few runs.
    months, crash_months, **options
        Lengths of the ensembles, and sizes of populations (`adopters=30`), for a smaller job.
    """
    began = time.perf_counter()
    progress = progress or (lambda doing, done, total: None)
    runs = run_parts(parts(months, crash_months), Path(folder), seeds, progress, **options)
    from abm.reproduce import r1_report  # figures are loaded once there is something to draw

    return r1_report.write(Path(folder), runs, quick=quick, began=began, progress=progress)


def run_parts(
    todo: list[Part], folder: Path, seeds: Sequence[int], progress: Progress, **options: Any
) -> dict[str, Ensemble]:
    """All ensembles by name, from disk where they are there already.

    Raises `Stopped` on Ctrl-C, with the ensembles that are finished and kept.
    """
    seeds = [int(seed) for seed in seeds]
    work = {part.name: part.months * len(seeds) for part in todo}
    total = sum(work.values()) / (1 - DRAWING)
    setups = {part.name: Setup.of(part.parameters, part.scenario, part.months, **options) for part in todo}
    keys = {part.name: store.key_of(setups[part.name], seeds, part.daily, part.products) for part in todo}
    paths = {part.name: folder / "runs" / f"{part.name}-{len(seeds)}.npz" for part in todo}
    found: dict[str, Ensemble] = {}
    for part in todo:
        kept = store.load(paths[part.name], keys[part.name], setups[part.name], seeds, part.daily)
        if kept is not None:
            found[part.name] = kept
    missing = [part for part in todo if part.name not in found]
    done = float(sum(work[name] for name in found))
    progress("runs kept from before" if found else "compiling the model", done, total)
    try:
        compiling = compile_ahead(missing, len(seeds), options)
        for part in missing:
            step = _step(progress, part, done, total)
            result = ensemble(
                part.parameters,
                part.scenario,
                seeds,
                months=part.months,
                daily=part.daily,
                products=part.products,
                progress=step,
                **options,
            )
            store.save(paths[part.name], keys[part.name], result)
            found[part.name] = result
            done += work[part.name]
        if compiling:
            compiling.join()
    except KeyboardInterrupt:
        raise Stopped([part.title for part in todo if part.name in found], folder / "runs") from None
    return {part.name: found[part.name] for part in todo}


def _step(progress: Progress, part: Part, before: float, total: float) -> Callable[[int, int, float], None]:
    return lambda done, of, seconds: progress(f"{part.title}: {done} of {of} runs", before + done * part.months, total)


def compile_ahead(missing: list[Part], seeds: int, options: dict[str, Any]) -> threading.Thread | None:
    """Compile the program of the second length of run on another core while the first one is being compiled.

    A chunk of runs is thrown away for it: it takes less time than one core would wait.
    """
    later = next((part for part in missing if part.months != missing[0].months), None)
    if later is None:
        return None
    short = range(min(CHUNK, seeds))

    def work() -> None:
        ensemble(later.parameters, later.scenario, short, months=later.months, daily=(), **options)

    thread = threading.Thread(target=work, name="compile ahead")
    thread.start()
    return thread
