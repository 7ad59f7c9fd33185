"""The main job: what the release of DeepSeek R1 did to pricing power, to the stock market and to the demand for chips.

Baseline, no_r1 and no_stargate on the same seeds over 60 months; no_r1 and no_stargate share the baseline's history up to
January 2025. Each crash mechanism alone branches off the baseline in December 2023, so that all have the same industry
and differ in how it is valued, and runs to February 2025: days -5 to +20 around 27 January 2025 end there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abm.engine import concatenate_runs
from abm.figures.labels import MECHANISMS
from abm.reproduce import Outcome, Progress, Stopped, store
from abm.results import Ensemble
from abm.simulation import Setting, Setup, ensembles

MONTHS, CRASH_MONTHS = 60, 26
ALONE_FROM = 11
"""December 2023: one month for prices to get used to the switch before the market model is estimated on 2024."""
BLOCK = 40
"""Seeds that are finished and kept together."""
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
    months: int = MONTHS,
    crash_months: int = CRASH_MONTHS,
    **options: Any,
) -> Outcome:
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
    """All ensembles by name, block of seeds by block, from disk where they are there already.

    Raises `Stopped` on Ctrl-C, with how many runs are finished and kept.
    """
    seeds = [int(seed) for seed in seeds]
    total = len(seeds) / (1 - DRAWING)
    setups = {part.name: Setup.of(part.parameters, part.scenario, part.months, **options) for part in todo}
    blocks = [seeds[at : at + BLOCK] for at in range(0, len(seeds), BLOCK)]
    found: list[dict[str, Ensemble]] = []
    done = 0
    progress("compiling the model", done, total)
    try:
        for block in blocks:
            keys = block_keys(todo, setups, block)
            paths = {part.name: folder / "runs" / f"{part.name}-{block[0]}-{block[-1]}.npz" for part in todo}
            kept = {
                part.name: store.load(paths[part.name], keys[part.name], setups[part.name], block, part.daily)
                for part in todo
            }
            if any(one is None for one in kept.values()):
                results = play_block(todo, block, _step(progress, done, len(seeds), total), **options)
                for part, result in zip(todo, results, strict=True):
                    store.save(paths[part.name], keys[part.name], result)
                    kept[part.name] = result
            found.append({name: one for name, one in kept.items() if one is not None})
            done += len(block)
            progress(f"{done} of {len(seeds)} seeds", done, total)
    except KeyboardInterrupt:
        raise Stopped([f"{done} of {len(seeds)} seeds"] if done else [], folder / "runs") from None
    return {part.name: joined([block[part.name] for block in found], seeds) for part in todo}


def block_keys(todo: list[Part], setups: dict[str, Setup], block: list[int]) -> dict[str, str]:
    """What decides the numbers of every part: its own setting, and that of the history it branches off."""
    own = {part.name: store.key_of(setups[part.name], block, part.daily, part.products) for part in todo}
    trunk = own[todo[0].name]
    return {part.name: f"{own[part.name]} {trunk} {part.branch_at}" for part in todo}


def play_block(
    todo: list[Part], block: list[int], step: Callable[[int, int, float], None], **options: Any
) -> list[Ensemble]:
    """All parts on the same few seeds."""
    days = sorted({day for part in todo for day in part.daily})
    together = ensembles([part.setting for part in todo], block, daily=days, products=True, progress=step, **options)
    for part, runs in zip(todo, together, strict=True):
        if not part.products:
            runs.out.pop("products")
    return together


def joined(parts: list[Ensemble], seeds: list[int]) -> Ensemble:
    """Blocks of one ensemble as one."""
    first = parts[0]
    return Ensemble(first.setup, seeds, concatenate_runs([part.out for part in parts]), first.daily_months)


def _step(progress: Progress, before: int, seeds: int, total: float) -> Callable[[int, int, float], None]:
    return lambda done, of, seconds: progress(f"{before + done} of {seeds} seeds", before + done, total)
