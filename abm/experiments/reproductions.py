"""Reproductions: named pieces of work from runs to figures, tables and a report. Cheap to import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

FOLDER = Path("output")
"""Default folder for results, relative to the working folder."""


Progress = Callable[[str, float, float], None]
"""Called after every step with a description of the step, the work done so far, and the total work."""


@dataclass
class Reproduced:
    """The results of a reproduction: its files and headlines."""

    folder: Path
    report: Path
    files: list[Path] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    """The result in plain sentences."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Reproduction:
    """Name, summary, default numbers of seeds, and the module whose `run` does the work."""

    name: str
    summary: str
    module: str
    seeds: int
    quick_seeds: int

    def run(
        self,
        folder: Path,
        seeds: Sequence[int],
        quick: bool,
        progress: Progress | None = None,
        workers: int | None = None,
    ) -> Reproduced:
        """Do the work with `workers` processes (default: one per core); with 1 it is done in this process."""
        from abm.support.workers import usual_workers, worker_pool

        workers = workers or usual_workers()
        # Start the workers before importing the module: the import takes seconds, and they import it meanwhile.
        with (
            worker_pool(workers, [self.module, "abm.runs.simulate", "pyarrow.parquet"])
            if workers > 1
            else nullcontext() as pool
        ):
            work: Callable[..., Reproduced] = import_module(self.module).run
            return work(folder, seeds, quick=quick, progress=progress, pool=pool)


REPRODUCTIONS = {
    "r1_shock": Reproduction(
        "r1_shock",
        "the DeepSeek R1 shock of January 2025: pricing power, the crash by layer, chip demand",
        "abm.experiments.r1.job",
        seeds=200,
        quick_seeds=24,
    )
}
