"""Reproductions: a named piece of work from runs to figures, tables and a report. Importing this is cheap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

FOLDER = Path("output")
"""Where results go unless told otherwise, below the working folder."""


Progress = Callable[[str, float, float], None]
"""Called after every step: what is being done, how much of the whole work is done, and the whole."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C during a reproduction: what was finished by then, and where it is kept."""

    def __init__(self, kept: list[str], folder: Path):
        super().__init__()
        self.kept, self.folder = kept, folder


@dataclass
class Reproduced:
    """What a reproduction leaves behind."""

    folder: Path
    report: Path
    files: list[Path] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    """The result in plain sentences."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Reproduction:
    """Name, what it shows, how many runs, and the module whose `run` does it."""

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
        """The work is shared by so many `workers`, by default as many as there are processors; by none if it is one."""
        from abm.support.workers import usual_workers, worker_pool

        workers = workers or usual_workers()
        # Before the module is imported: that takes seconds, and the workers import it meanwhile.
        with worker_pool(workers, [self.module]) if workers > 1 else nullcontext() as pool:
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
