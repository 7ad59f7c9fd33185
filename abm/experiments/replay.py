"""A stored result done again from its own spec: equal, or which first number differs."""

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
"""Relative difference up to which two numbers are called equal up to rounding: other machines round otherwise."""


class Unplayable(ValueError):
    """What is no stored result, or not a whole one."""


class Differs(Exception):
    """The first number that differs."""


def replay_result(folder: Path, sample: int | None = None, progress: Progress | None = None) -> str:
    """Do the result in `folder` again (or only the first `sample` replications), and say how equal it is.

    Raises `Unplayable` where there is no such result, `Differs` with the first number that does.
    """
    from abm.support.provenance import source_hash

    folder = Path(folder).absolute()
    manifest = manifest_of(folder)
    stored = manifest.get("source") or manifest.get("source_hash")
    note = "" if stored in (None, source_hash()) else "; the model's source has changed since it was made"
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
    except ValueError as error:  # of a file that is damaged, or of numbers made with other code
        raise Unplayable(str(error)) from None
    part = f" ({sample} replications of each point)" if sample else ""
    also = "; the verdict and every finding follow from them" if "experiment" in manifest else ""
    return agreement(largest, count) + part + also + note


def check_verdict(folder: Path, places: list[Path]) -> None:
    """Whether the stored verdict and findings are those of the stored runs. Raises Differs, Unplayable."""
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
    for one, other in zip(verdict["tests"], stored["tests"], strict=False):
        if one != other:
            raise Differs(f"{folder / 'result.json'}: test {one['name']!r}: stored {other}, now {one}")
    if verdict["verdict"] != stored.get("verdict") or len(verdict["tests"]) != len(stored["tests"]):
        raise Differs(f"{folder / 'result.json'}: stored verdict {stored.get('verdict')!r}, now {verdict['verdict']!r}")


def agreement(largest: float, count: int) -> str:
    if largest == 0:
        return f"equal: {count:,} numbers, to the last digit"
    return f"equal up to rounding: {count:,} numbers, largest relative difference {largest:.1e}"


def manifest_of(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if folder.is_file():
        raise Unplayable(f"{folder}: is a file; give the folder of a stored result")
    if not path.exists():
        raise Unplayable(f"{folder}: no result is stored here (no manifest.json)")
    try:
        refuse_links(folder, *FILES)
        manifest = read_json(path, LARGEST_MANIFEST)
    except ValueError as error:
        raise Unplayable(str(error)) from None
    if not isinstance(manifest, dict):
        raise Unplayable(f"{path}: is not a manifest")
    return manifest


def sweeps_of(folder: Path, manifest: dict[str, Any]) -> list[Path]:
    """Folders of the sweeps of a result: its own runs, or itself."""
    if "experiment" not in manifest:
        if not (folder / "spec.toml").is_file():
            raise Unplayable(f"{folder}: is neither the result of an experiment nor of a sweep")
        return [folder]
    from abm.sweeps.spec import digest

    places = []
    if (
        not isinstance(manifest.get("sweeps"), dict)
        or not isinstance(manifest.get("source"), str)
        or "packages" not in manifest
    ):
        raise Unplayable(f"{folder / 'manifest.json'}: says neither sweeps nor source; reproduce the experiment again")
    for arm, spec in manifest["sweeps"].items():
        if Path(arm).name != arm:
            raise Unplayable(f"{folder / 'manifest.json'}: {shortened(arm)} is not the name of an arm")
        place = folder / "runs" / f"{arm}-{digest([digest(spec), manifest['source'], manifest['packages']])}"
        if not (place / "spec.toml").is_file():
            raise Unplayable(f"{place}: the runs of arm {arm} are not there; reproduce the experiment again")
        places.append(place)
    return places


def replay_sweep(place: Path, sample: int | None, progress: Progress | None) -> tuple[float, int]:
    """Largest relative difference, and how many numbers were compared."""
    from abm.sweeps import open_sweep, run_sweep

    try:
        stored = open_sweep(place, verify=False)  # a number that was changed is to be found, not passed over
    except FileNotFoundError as error:
        raise Unplayable(str(error)) from None
    if own := stored.manifest.get("classes"):
        names = ", ".join(name for kinds in own.values() for name, *_ in kinds)
        raise Unplayable(
            f"{place}: was run with classes of agents that it does not hold ({names}); call abm.sweep or abm.run_sweep with"
            " them and the folder, which says whether they have changed"
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
        anew = open_sweep(temporary).runs()
    before = stored.runs()
    return compared(before[before["replication"] < count], anew, [*stored.outcomes], place)


def compared(before: pd.DataFrame, anew: pd.DataFrame, columns: list[str], place: Path) -> tuple[float, int]:
    one, other = (table.sort_values("run_id").reset_index(drop=True) for table in (before, anew))
    if len(one) != len(other) or (one["run_id"] != other["run_id"]).any():
        raise Differs(f"{place}: {len(one)} runs are stored, {len(other)} came out, or they are not the same ones")
    largest = 0.0
    for column in columns:
        x, y = one[column].to_numpy(float), other[column].to_numpy(float)
        apart = ~((np.isnan(x) & np.isnan(y)) | (np.abs(x - y) <= ROUNDING * np.maximum(np.abs(x), 1e-12)))
        if apart.any():
            at = int(np.argmax(apart))
            run = one.loc[at]
            raise Differs(
                f"{place}: {column} of point {run['point']}, replication {run['replication']} (seed {run['seed']}):"
                f" stored {float(x[at])!r}, now {float(y[at])!r}"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(x == y, 0.0, np.abs(x - y) / np.maximum(np.abs(x), 1e-12))
        largest = max(largest, float(np.nanmax(relative)) if relative.size else 0.0)
    return largest, len(one) * len(columns)


def replay_shock(folder: Path, manifest: dict[str, Any], progress: Progress | None) -> str:
    """A stored reproduction of the R1 shock: every number of its tables."""
    import pandas as pd

    from abm.experiments.reproductions import REPRODUCTIONS

    name, seeds, quick = (manifest.get(key) for key in ("reproduction", "seeds", "quick"))
    if not isinstance(name, str) or name not in REPRODUCTIONS:
        raise Unplayable(f"{folder}: no reproduction {shortened(name)} is known")
    if not isinstance(quick, bool) or not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise Unplayable(f"{folder / 'manifest.json'}: does not say with which seeds it was made")
    work = REPRODUCTIONS[name]
    largest, count = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="abm_replay_") as temporary:
        work.run(Path(temporary), seeds, quick, progress)
        for path in sorted((folder / "tables").glob("*.csv")):
            anew = Path(temporary) / "tables" / path.name
            if not anew.exists():
                raise Differs(f"{path}: there is no such table now")
            one, other = pd.read_csv(path), pd.read_csv(anew)
            if one.shape != other.shape:
                raise Differs(f"{path}: has {one.shape[0]} rows, now {other.shape[0]}")
            for column in one.select_dtypes("number"):
                x, y = one[column].to_numpy(float), other[column].to_numpy(float)
                apart = ~(np.isclose(x, y, rtol=1e-7, atol=1e-12, equal_nan=True))
                if apart.any():
                    at = int(np.argmax(apart))
                    raise Differs(f"{path}: {column}, row {at + 1}: stored {float(x[at])!r}, now {float(y[at])!r}")
                with np.errstate(divide="ignore", invalid="ignore"):
                    relative = np.where((x == y) | np.isnan(x), 0.0, np.abs(x - y) / np.maximum(np.abs(x), 1e-12))
                largest = max(largest, float(relative.max()) if relative.size else 0.0)
                count += x.size
    return agreement(largest, count)
