"""The runs of an experiment: run or load its sweeps, and join them in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from abm.experiments.manifest import PACKAGES
from abm.experiments.reproductions import Progress
from abm.experiments.spec import Experiment
from abm.support.provenance import source_hash, versions
from abm.sweeps import open_sweep, run_sweep
from abm.sweeps.spec import digest
from abm.sweeps.store import Changed

if TYPE_CHECKING:
    import pandas as pd


def place(folder: Path, arm: str, spec: str) -> Path:
    """Folder of an arm's runs, one for each spec (its hash) and state of the model and packages: runs are never mixed up."""
    return folder / "runs" / f"{arm}-{digest([spec, source_hash(), versions(PACKAGES)])}"


def run_arms(
    experiment: Experiment, folder: Path, quick: bool = False, progress: Progress | None = None, workers: int = 1
) -> pd.DataFrame:
    """Run what is missing and return all runs: one row per run, with its arm; failed runs have no outcomes.

    Runs are kept below `folder` and reused if spec and model are unchanged. Raises ValueError if their folder holds other runs.
    """
    import pandas as pd

    sweeps = experiment.sweeps(quick)
    total = sum(sweep.number_of_runs for sweep in sweeps.values())
    done, tables = 0, []
    for arm, sweep in sweeps.items():

        def step(now: int, of: int, failed: int, seconds: float, before: int = done) -> None:
            if progress:
                trouble = f", {failed} failed" if failed else ""
                progress(f"{experiment.name}: {before + now} of {total} runs{trouble}", before + now, total)

        where = place(folder, arm, sweep.hash)
        try:
            run_sweep(sweep, where, workers=workers, retry_failed=True, progress=step)
        except Changed as error:
            differences = "; ".join(error.differences)
            raise ValueError(f"{where}: holds other runs ({differences}); delete the folder and start again") from None
        tables.append(open_sweep(where).runs().assign(arm=arm))
        done += sweep.number_of_runs
    return pd.concat(tables, ignore_index=True)
