"""A sweep on disk: spec.toml, manifest.json, design.parquet, and two Parquet parts a chunk.

    parts/NAME.runs.parquet    one row a run: point, replication, seed, status, error, seconds, outcomes
    parts/NAME.panel.parquet   one row a run and month: observables
    sessions/*.json            who ran what, when, with which changes accepted
    scenarios/*.toml           the scenarios, each whole in one file

A part is there or it is not: it is written beside its place, synced and moved. The part of runs comes last and is the
only record of what is done; a panel without it, or a file that is no whole Parquet file, counts for nothing.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.files import write_whole
from abm.provenance import DECIDING, git, machine, now, source_hash, stamp, versions
from abm.sweeps.plan import Plan, Point
from abm.sweeps.spec import SpecError, Sweep, digest

if TYPE_CHECKING:
    import pyarrow as pa

    from abm.sweeps.chunk import Outcomes

RUNS = {"run_id", "point_id", "replication", "seed", "status", "error", "seconds"}
MANIFEST = {"name", "created", "spec", "spec_hash", "replications", "points", "accepted"}
UNKNOWN = "there are parts, but no manifest.json that could be read"


class Changed(ValueError):
    """What was run is not what is asked for now: a changed sweep, model or package; `differences` has what."""

    def __init__(self, folder: Path, differences: list[str]):
        self.differences = differences
        listed = "\n".join(f"  {line}" for line in differences)
        super().__init__(
            f"{folder}: holds runs of something else:\n{listed}\nChoose another folder, or accept the changes"
            " (--accept-changes): runs whose conditions are the same are kept, and the changes are recorded"
        )


class Damaged(ValueError):
    """A file of a sweep that is missing or does not read; the same sweep, run again, mends it."""

    def __init__(self, path: Path, why: Any, mend: str = "run the sweep again into this folder to mend it"):
        self.path = path
        said = (
            "is missing" if isinstance(why, FileNotFoundError) else f"is damaged ({' '.join(str(why).split())[:160]})"
        )
        super().__init__(f"{path}: {said}; {mend}")


# --- writing ---


def write_json(path: Path, said: Any) -> None:
    text = json.dumps(said, indent=1, default=str) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def write_part(folder: Path, plan: Plan, points: dict[int, Point], outcomes: Outcomes) -> str:
    """Two files of one chunk; the name is a hash of its runs."""
    import pyarrow.parquet as pq

    name = digest([run.id for run in outcomes.runs])
    runs, panel = runs_table(plan, points, outcomes), panel_table(plan, outcomes)

    def write(table: pa.Table, path: Path) -> None:
        options: dict[str, Any] = {"compression": "zstd", "row_group_size": 200_000, "write_page_checksum": True}
        write_whole(path, lambda file: pq.write_table(table, file, **options))

    if plan.sweep.kept_months:
        write(panel, folder / "parts" / f"{name}.panel.parquet")
    write(runs, folder / "parts" / f"{name}.runs.parquet")
    return name


def runs_table(plan: Plan, points: dict[int, Point], outcomes: Outcomes) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {
        "run_id": pa.array([run.id for run in outcomes.runs]),
        "point_id": pa.array([points[run.point].id for run in outcomes.runs]),
        "replication": pa.array([run.replication for run in outcomes.runs], pa.int32()),
        "seed": pa.array([run.seed for run in outcomes.runs], pa.int64()),
        "status": pa.array(outcomes.status),
        "error": pa.array(outcomes.error),
        "seconds": pa.array(outcomes.seconds, pa.float64()),
    }
    for column, outcome in plan.sweep.columns.items():
        cells = [outcome.of_run(values) if values else None for values in outcomes.values]
        columns[column] = pa.array(cells, pa.float64())
    return pa.table(columns)


def panel_table(plan: Plan, outcomes: Outcomes) -> pa.Table:
    import pyarrow as pa

    months = np.array(plan.sweep.kept_months, dtype=np.int32)
    there = [(run.id, values) for run, values in zip(outcomes.runs, outcomes.values, strict=True) if values]
    numbers = np.repeat(np.arange(len(there), dtype=np.int32), len(months))
    ids = pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array([name for name, _ in there], pa.string()))
    columns: dict[str, Any] = {"run_id": ids, "month": pa.array(np.tile(months, len(there)), pa.int32())}
    for name in plan.sweep.observables:
        rows = [values[name][months] for _, values in there]
        columns[name] = pa.array(np.concatenate(rows) if rows else np.zeros(0), pa.float64())
    return pa.table(columns)


# --- what is there ---


def parts(folder: Path, sweep: Sweep) -> Iterator[tuple[pa.Table, Path | None]]:
    """(runs, file of the panel) of every whole part; whatever else lies there is passed over.

    A part is not whole that lacks a column of the sweep, whose panel is wanted and missing or cut short, or of whose runs a
    byte has changed. The rule is the same for whoever asks what is done and for whoever reads the results.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in sorted((folder / "parts").glob("*.runs.parquet")):
        panel = path.with_name(path.name.replace(".runs.", ".panel.")) if sweep.kept_months else None
        try:
            runs = pq.read_table(path, page_checksum_verification=True)
            there = panel is None or {"run_id", "month", *sweep.observables} <= {*pq.read_schema(panel).names}
        except (OSError, pa.ArrowException):
            continue
        if there and {*RUNS, *sweep.columns} <= {*runs.column_names}:
            yield runs, panel


def finished(folder: Path, sweep: Sweep, retry: Sequence[str] = ()) -> set[str]:
    """Ids of the runs that are done; those of a status in `retry` are to be done again."""
    done: set[str] = set()
    for table, _ in parts(folder, sweep):
        for run, status in zip(table["run_id"].to_pylist(), table["status"].to_pylist(), strict=True):
            if status not in retry:
                done.add(run)
    return done


def clear_halves(folder: Path) -> None:
    """Remove what a process that is no more left half-written on this machine."""
    for path in (folder / "parts").glob(".*.tmp"):
        host, pid = path.name.split(".")[-3:-1] if path.name.count(".") > 3 else ("", "")
        if host == socket.gethostname().split(".")[-1] and pid.isdigit() and not _alive(int(pid)):
            with contextlib.suppress(OSError):
                path.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- the folder and its manifest ---


def differences(folder: Path, plan: Plan) -> list[str]:
    """What differs between the runs that a folder holds and those that are planned; nothing is written."""
    before = read_manifest(folder)
    if before:
        return compared(before, manifest(plan))
    return [UNKNOWN] if any((folder / "parts").glob("*.parquet")) else []


def open_folder(folder: Path, plan: Plan, accept_changes: bool) -> list[str]:
    """Make the folder ready, or check that it holds runs of the same; returns changes that were accepted.

    What tells its design and its spec is written anew where it is missing or damaged. Raises `Changed` with the
    differences, unless they are accepted.
    """
    found = differences(folder, plan)
    if found and not accept_changes:
        raise Changed(folder, found)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    clear_halves(folder)
    before, current = read_manifest(folder), manifest(plan)
    if before:
        current["created"] = before["created"]
        current["replications"] = max(plan.replications, before["replications"] if not found else 0)
        current["accepted"] = before["accepted"]
    if found:
        current["accepted"] = [*current["accepted"], {"when": stamp(), "changes": found}]
    if not spec_is_kept(folder, plan):
        keep_spec(folder, plan)
    if not design_is_kept(folder, plan):
        write_design(folder, plan)
    if current != before:
        write_json(folder / "manifest.json", current)
    return found


def spec_is_kept(folder: Path, plan: Plan) -> bool:
    try:
        return Sweep.load(folder / "spec.toml").hash == plan.sweep.hash
    except SpecError:
        return False


def design_is_kept(folder: Path, plan: Plan) -> bool:
    try:
        return read_design(folder, plan.sweep).equals(design_table(plan))
    except Damaged:
        return False


def read_design(folder: Path, sweep: Sweep) -> pa.Table:
    """Raises `Damaged` where it is missing or does not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "design.parquet"
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise Damaged(path, error) from None
    if table.column_names != ["point", "point_id", "scenario", *sweep.targets]:
        raise Damaged(path, "its columns are not the factors of spec.toml")
    return table


def keep_spec(folder: Path, plan: Plan) -> None:
    """The spec with all that it names, so that the folder stands for itself."""
    sweep = plan.sweep
    names = {}
    for name, story in sweep.stories.items():
        names[name] = f"scenarios/{name}.toml"
        flat = type(story)(name=name, summary=story.summary, parameters=story.all_parameters, events=story.all_events)
        write_whole(folder / names[name], lambda file, flat=flat: file.write(flat.to_toml().encode()))  # type: ignore[misc]
    table = None
    if sweep.rows:
        table = "points.csv"

        def write(file: Any) -> None:
            lines = csv.DictWriter(text := _Text(file), list(sweep.rows[0]))
            lines.writeheader()
            lines.writerows(sweep.rows)
            del text

        write_whole(folder / table, write)
    write_whole(folder / "spec.toml", lambda file: file.write(sweep.to_toml(names, table).encode()))
    if Sweep.load(folder / "spec.toml").hash != sweep.hash:  # before hours of work, not after
        raise RuntimeError(
            f"{folder / 'spec.toml'}: does not read back as the sweep that was written; please report it"
        )


class _Text:
    """What csv writes, as UTF-8."""

    def __init__(self, file: Any):
        self.file = file

    def write(self, text: str) -> None:
        self.file.write(text.encode())


def write_design(folder: Path, plan: Plan) -> None:
    import pyarrow.parquet as pq

    table = design_table(plan)
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    write_whole(folder / "design.parquet", lambda file: pq.write_table(table, file, **options))


def design_table(plan: Plan) -> pa.Table:
    """Every point with its factors, by number: what the parts' point_id stands for."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        "point": pa.array(range(len(plan.points)), pa.int64()),
        "point_id": pa.array([point.id for point in plan.points]),
        "scenario": pa.array([point.scenario for point in plan.points]),
    }
    for name in plan.sweep.targets:
        columns[name] = pa.array([point.factors.get(name) for point in plan.points])
    return pa.table(columns)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= MANIFEST else None


def manifest(plan: Plan) -> dict[str, Any]:
    """What was run with what."""
    return {
        "format": 1,
        "name": plan.sweep.name,
        "created": stamp(),
        "spec_hash": plan.sweep.hash,
        "spec": plan.sweep.plain(),
        "classes": plan.class_sources,
        "replications": plan.replications,
        "points": len(plan.points),
        "model": source_hash(),
        "versions": versions(("ai-market-abm", "mesa", *DECIDING, "pandas", "pyarrow", "pydantic")),
        "python": platform.python_version(),
        "git": git(),
        "machine": machine(),
        "accepted": [],
    }


def compared(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Differences that can change a number, one a line: `replications: 4 -> 8`."""
    found = []
    if before.get("spec_hash") != now["spec_hash"]:
        found += [
            f"spec, {line}"
            for line in _unlike(before.get("spec", {}), json.loads(json.dumps(now["spec"], default=str)))
        ]
    if json.dumps(before.get("classes")) != json.dumps(now["classes"]):
        found.append("classes of agents: changed")
    if before.get("model") != now["model"]:
        was, is_ = before.get("git") or {}, now["git"] or {}
        found.append(f"the model's code: {_commit(was)} -> {_commit(is_)}")
    for package in DECIDING:
        was, is_ = before.get("versions", {}).get(package), now["versions"].get(package)
        if was != is_:
            found.append(f"{package}: {was} -> {is_}")
    return found


def _commit(git: dict[str, Any]) -> str:
    changed = " with changes" if git.get("changes") else ""
    return f"{str(git.get('commit', 'unknown'))[:10]}{changed}"


def _unlike(a: Any, b: Any, at: str = "") -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from _unlike(a.get(key), b.get(key), f"{at}.{key}" if at else key)
    elif a != b:
        short = [text if len(text := json.dumps(x)) < 80 else text[:77] + "..." for x in (a, b)]
        yield f"{at}: {short[0]} -> {short[1]}"


def session(folder: Path, **said: Any) -> Path:
    """A record of one call that ran something; `finish` completes it."""
    path = folder / "sessions" / f"{now():%Y%m%dT%H%M%S%f}-{socket.gethostname()}-{os.getpid()}.json"
    write_json(path, {"started": stamp(), "host": socket.gethostname(), "command": sys.argv, **machine(), **said})
    return path


def finish(path: Path, **said: Any) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"finished": stamp(), **said})
