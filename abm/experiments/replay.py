"""Re-run a stored result from its own spec and check that every number matches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.experiments.manifest import FILES
from abm.experiments.reproductions import Progress
from abm.support.files import read_json, refuse_links
from abm.support.messages import shortened
from abm.sweeps.store import LARGEST_MANIFEST

if TYPE_CHECKING:
    import pandas as pd

ROUNDING = 1e-9
"""Relative difference up to which two numbers are equal up to rounding: machines round differently."""


class Unplayable(ValueError):
    """Not a stored result, or an incomplete one."""


class Differs(Exception):
    """The re-run differs from the stored result; the message names the first number that does."""


def replay_result(folder: Path, sample: int | None = None, progress: Progress | None = None) -> str:
    """Re-run the result in `folder` (or only its first `sample` replications) and describe how well it matches.

    Raises `Unplayable` if the folder has no complete result; `Differs` at the first number that does not match.
    """
    from abm.support.provenance import source_hash

    folder = Path(folder).absolute()
    manifest = manifest_of(folder)
    stored = manifest.get("source") or manifest.get("source_hash")
    note = "" if stored in (None, source_hash()) else "; the model's source has changed since the result was stored"
    try:
        if "reproduction" in manifest:
            return replay_shock(folder, manifest, progress) + note
        places = sweeps_of(folder, manifest)
        largest, count = 0.0, 0
        for place in places:
            difference, numbers = replay_sweep(place, sample, progress)
            largest, count = max(largest, difference), count + numbers
        if "experiment" in manifest:
            check_verdict(folder, places)
    except Differs as difference:
        raise Differs(f"{difference}{note}") from None
    except ValueError as error:  # a damaged file, or numbers from different code
        raise Unplayable(str(error)) from None
    part = f" ({sample} replications of each point)" if sample else ""
    also = "; the verdict and every finding match" if "experiment" in manifest else ""
    return agreement(largest, count) + part + also + note


def check_verdict(folder: Path, places: list[Path]) -> None:
    """Check that the stored verdict and findings follow from the stored runs. Raises Differs, Unplayable."""
    import pandas as pd

    from abm.experiments.judge import judge
    from abm.experiments.load import load
    from abm.experiments.report import jsonable
    from abm.experiments.spec import ExperimentError
    from abm.sweeps import open_sweep

    try:
        stored = read_json(folder / "result.json", LARGEST_MANIFEST)
        experiment = load(folder / "experiment")
    except (ValueError, ExperimentError) as error:
        raise Unplayable(str(error)) from None
    if not isinstance(stored, dict) or not isinstance(stored.get("tests"), list):
        raise Unplayable(f"{folder / 'result.json'}: is not the result of an experiment")
    tables = [open_sweep(place).runs().assign(arm=place.name.rpartition("-")[0]) for place in places]
    runs = pd.concat(tables, ignore_index=True)
    verdict = jsonable(judge(experiment, runs[runs["status"] == "ok"]).plain())
    for test, stored_test in zip(verdict["tests"], stored["tests"], strict=False):
        if test != stored_test:
            raise Differs(f"{folder / 'result.json'}: test {test['name']!r}: stored {stored_test}, now {test}")
    if verdict["verdict"] != stored.get("verdict") or len(verdict["tests"]) != len(stored["tests"]):
        raise Differs(f"{folder / 'result.json'}: stored verdict {stored.get('verdict')!r}, now {verdict['verdict']!r}")


def agreement(largest: float, count: int) -> str:
    """Describe the agreement of `count` numbers by their largest relative difference."""
    if largest == 0:
        return f"equal: all {count:,} numbers match to the last digit"
    return f"equal up to rounding: {count:,} numbers, largest relative difference {largest:.1e}"


def manifest_of(folder: Path) -> dict[str, Any]:
    """Read the manifest of a stored result. Raises Unplayable."""
    path = folder / "manifest.json"
    if folder.is_file():
        raise Unplayable(f"{folder}: is a file; give the folder of a stored result")
    if not path.exists():
        raise Unplayable(f"{folder}: has no stored result (manifest.json is missing)")
    try:
        refuse_links(folder, *FILES)
        manifest = read_json(path, LARGEST_MANIFEST)
    except ValueError as error:
        raise Unplayable(str(error)) from None
    if not isinstance(manifest, dict):
        raise Unplayable(f"{path}: is not a manifest")
    return manifest


def sweeps_of(folder: Path, manifest: dict[str, Any]) -> list[Path]:
    """Folders of the sweeps of a result: those that its manifest lists, or the folder itself if it is a sweep."""
    if not {"experiment", "sweeps"} & set(manifest):
        if not (folder / "spec.toml").is_file():
            raise Unplayable(f"{folder}: is not the result of an experiment or a sweep")
        return [folder]
    from abm.sweeps.spec import digest

    places = []
    if (
        not isinstance(manifest.get("sweeps"), dict)
        or not isinstance(manifest.get("source"), str)
        or "packages" not in manifest
    ):
        raise Unplayable(
            f"{folder / 'manifest.json'}: lacks sweeps, source or packages; reproduce the experiment again"
        )
    for arm, spec in manifest["sweeps"].items():
        if Path(arm).name != arm:
            raise Unplayable(f"{folder / 'manifest.json'}: sweeps: {shortened(arm)} is not a valid name of an arm")
        place = folder / "runs" / f"{arm}-{digest([digest(spec), manifest['source'], manifest['packages']])}"
        if not (place / "spec.toml").is_file():
            raise Unplayable(f"{place}: the runs of arm {arm} are missing; reproduce the experiment again")
        places.append(place)
    return places


def replay_sweep(place: Path, sample: int | None, progress: Progress | None) -> tuple[float, int]:
    """Re-run a sweep; returns the largest relative difference and the number of values compared."""
    from abm.sweeps import open_sweep, run_sweep

    try:
        stored = open_sweep(place, verify=False)  # find a changed number instead of skipping the damaged file
    except FileNotFoundError as error:
        raise Unplayable(str(error)) from None
    if own := stored.manifest.get("classes"):
        names = ", ".join(name for kinds in own.values() for name, *_ in kinds)
        raise Unplayable(
            f"{place}: was run with agent classes that are not stored with it ({names}); call abm.sweep or abm.run_sweep"
            " with these classes and this folder to check whether they have changed"
        )
    replications = int(stored.manifest["replications"])
    count = min(sample or replications, replications)
    sweep = stored.sweep.model_copy()
    if sweep.seeds:
        sweep = type(sweep).load(place / "spec.toml")

    def step(done: int, total: int, failed: int, seconds: float) -> None:
        if progress:
            progress(f"{place.name}: {done} of {total} runs", done, total)

    with tempfile.TemporaryDirectory(prefix="abm_replay_") as temporary:
        run_sweep(sweep, temporary, replications=count, progress=step)
        rerun = open_sweep(temporary).runs()
    before = stored.runs()
    return compare_runs(before[before["replication"] < count], rerun, [*stored.outcomes], place)


def compare_runs(before: pd.DataFrame, rerun: pd.DataFrame, columns: list[str], place: Path) -> tuple[float, int]:
    """Largest relative difference of the outcomes of equal runs, and the number of values compared. Raises Differs."""
    before, rerun = (table.sort_values("run_id").reset_index(drop=True) for table in (before, rerun))
    if len(before) != len(rerun) or (before["run_id"] != rerun["run_id"]).any():
        raise Differs(f"{place}: {len(before)} stored runs and {len(rerun)} re-run ones are not the same runs")
    largest = 0.0
    for column in columns:
        x, y = before[column].to_numpy(float), rerun[column].to_numpy(float)
        apart = ~((np.isnan(x) & np.isnan(y)) | (np.abs(x - y) <= ROUNDING * np.maximum(np.abs(x), 1e-12)))
        if apart.any():
            row = int(np.argmax(apart))
            run = before.loc[row]
            raise Differs(
                f"{place}: {column} of point {run['point']}, replication {run['replication']} (seed {run['seed']}):"
                f" stored {float(x[row])!r}, now {float(y[row])!r}"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(x == y, 0.0, np.abs(x - y) / np.maximum(np.abs(x), 1e-12))
        largest = max(largest, float(np.nanmax(relative)) if relative.size else 0.0)
    return largest, len(before) * len(columns)


def replay_shock(folder: Path, manifest: dict[str, Any], progress: Progress | None) -> str:
    """Re-run a stored reproduction of the R1 shock and compare every number of its tables."""
    import pandas as pd

    from abm.experiments.reproductions import REPRODUCTIONS

    name, seeds, quick = (manifest.get(key) for key in ("reproduction", "seeds", "quick"))
    if not isinstance(name, str) or name not in REPRODUCTIONS:
        raise Unplayable(f"{folder / 'manifest.json'}: unknown reproduction {shortened(name)}")
    if not isinstance(quick, bool) or not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise Unplayable(f"{folder / 'manifest.json'}: lacks the seeds of the result, or whether it was a quick run")
    largest, count = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="abm_replay_") as temporary:
        REPRODUCTIONS[name].run(Path(temporary), seeds, quick, progress)
        for path in sorted((folder / "tables").glob("*.csv")):
            rerun_path = Path(temporary) / "tables" / path.name
            if not rerun_path.exists():
                raise Differs(f"{path}: the re-run has no such table")
            stored, rerun = pd.read_csv(path), pd.read_csv(rerun_path)
            if stored.shape != rerun.shape:
                raise Differs(f"{path}: has {stored.shape[0]} rows, now {rerun.shape[0]}")
            for column in stored.select_dtypes("number"):
                x, y = stored[column].to_numpy(float), rerun[column].to_numpy(float)
                apart = ~(np.isclose(x, y, rtol=1e-7, atol=1e-12, equal_nan=True))
                if apart.any():
                    row = int(np.argmax(apart))
                    raise Differs(f"{path}: {column}, row {row + 1}: stored {float(x[row])!r}, now {float(y[row])!r}")
                with np.errstate(divide="ignore", invalid="ignore"):
                    relative = np.where((x == y) | np.isnan(x), 0.0, np.abs(x - y) / np.maximum(np.abs(x), 1e-12))
                largest = max(largest, float(relative.max()) if relative.size else 0.0)
                count += x.size
    return agreement(largest, count)
