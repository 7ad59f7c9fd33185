"""Carry out an experiment: from its file to its report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.experiments import frozen, report
from abm.experiments.judge import Verdict, judge
from abm.experiments.manifest import FILES
from abm.experiments.reproductions import Progress
from abm.experiments.runs import run_arms
from abm.experiments.spec import Experiment
from abm.support.files import refuse_links

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ExperimentRun:
    """The result of an experiment and the files it was written to."""

    experiment: Experiment
    verdict: Verdict
    result: dict[str, Any]
    runs: pd.DataFrame
    """Those that did not fail."""
    folder: Path
    files: list[Path]
    seconds: float


def run_experiment(
    experiment: Experiment, folder: Path, quick: bool = False, progress: Progress | None = None, workers: int = 1
) -> ExperimentRun:
    """Run what is missing, judge it, and write figures, tables, result.json, manifest.json and report.html.

    Finished runs are kept below `folder` and reused, also after Ctrl-C (KeyboardInterrupt). Raises ValueError if the folder
    contains symbolic links; RuntimeError if every run failed, or a figure could not be drawn.
    """
    began = time.perf_counter()
    folder = folder.absolute()  # a folder's own figure.py may change the working directory
    refuse_links(folder, *FILES)
    runs = run_arms(experiment, folder, quick, progress, workers)
    good = runs[runs["status"] == "ok"]
    if good.empty:
        first = runs["error"].iloc[0] if len(runs) else "there are no runs"
        raise RuntimeError(
            f"{experiment.name}: every run failed, the first with: {first}; reproducing it again retries failed runs"
        )
    if progress:
        progress(f"{experiment.name}: drawing figures", len(runs), len(runs))
    verdict = judge(experiment, good)
    files = report.write(experiment, folder, runs, verdict, quick, time.perf_counter() - began)
    if experiment.predictions:
        files.append(frozen.keep(experiment, good, folder))
    result = report.jsonable(report.result_of(experiment, runs, verdict, quick))
    return ExperimentRun(experiment, verdict, result, good, folder, files, time.perf_counter() - began)
