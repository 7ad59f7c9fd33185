"""The folder of a sweep: spec.toml, manifest.json, design.parquet, and two Parquet files per chunk.

    parts/*.parquet     runs and panels, two files per chunk (`abm.sweeps.parts`)
    sessions/*.json     who ran what and when, and which changes were accepted
    scenarios/*.toml    the scenarios, each complete in one file
    segments.csv        own segments of adopters, if the sweep has them

Files are written atomically: to a temporary file, which is synced and renamed. If several processes start a folder at the
same time, one creates the manifest and the others compare with it.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abm.market.segment_input import csv_of
from abm.support.files import Unreadable, read_json, refuse_links, write_text, write_whole
from abm.support.provenance import DECIDING, git, machine, now, source_hash, stamp, versions
from abm.support.specs import problems_of
from abm.sweeps import parts
from abm.sweeps.parts import Damaged, made_with
from abm.sweeps.plan import Plan
from abm.sweeps.spec import MOST_RUNS, SpecError, Sweep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Changed", "Damaged"]

FILES = ("manifest.json", "spec.toml", "points.csv", "segments.csv", "design.parquet", "parts", "scenarios", "sessions")
LARGEST_MANIFEST = 50_000_000
"""Bytes."""
UNKNOWN = "the folder has parts, but no readable manifest.json"


class Changed(ValueError):
    """The stored runs belong to a different sweep, model or package version; see `differences`."""

    def __init__(self, folder: Path, differences: list[str]):
        self.differences = differences
        listed = "\n".join(f"  {line}" for line in differences)
        super().__init__(
            f"{folder}: contains runs of a different sweep, model or package version:\n{listed}\nChoose another folder, or"
            " accept the changes (--accept-changes): runs under unchanged conditions are kept, and the changes are recorded"
        )


class Acceptance(BaseModel):
    """Accepted changes, with the time."""

    model_config = ConfigDict(strict=True)

    when: str
    changes: list[str]


class Manifest(BaseModel):
    """Fields of a manifest that are relied on, with their types: a folder may be of unknown origin."""

    model_config = ConfigDict(strict=True, extra="allow")

    name: str
    created: str
    spec: dict[str, Any]
    spec_hash: str
    replications: Annotated[int, Field(ge=1, le=MOST_RUNS)]
    points: Annotated[int, Field(ge=1, le=MOST_RUNS)]
    accepted: list[Acceptance]
    model: str = ""
    versions: dict[str, str] = {}
    git: dict[str, Any] | None = None
    made_with: list[dict[str, str]] = []
    design: str = ""


def write_json(path: Path, content: Any, *, replace: bool = True) -> None:
    text = json.dumps(content, indent=1, default=str) + "\n"
    write_whole(path, lambda file: file.write(text.encode()), replace=replace)


def remove_half_written(folder: Path) -> None:
    """Remove temporary files left on this machine by processes that no longer exist."""
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
    """Differences between the runs of a folder and those of a plan; writes nothing.

    Raises ValueError if the folder contains symbolic links.
    """
    refuse_links(folder, *FILES)
    return differences_from(folder, read_manifest(folder), plan)


def differences_from(folder: Path, before: dict[str, Any] | None, plan: Plan) -> list[str]:
    """Differences between a folder with this manifest and a plan."""
    if before:
        return changes(before, manifest(plan)) + foreign_parts(list(parts.makers(folder)), before)
    return [UNKNOWN] if any((folder / "parts").glob("*.parquet")) else []


def open_folder(folder: Path, plan: Plan, accept_changes: bool) -> list[str]:
    """Prepare a folder, or check that its runs belong to this plan; returns the accepted changes.

    Missing or damaged files of the specification and the design are rewritten. Raises `Changed` if there are differences,
    unless they are accepted, and ValueError if the folder contains symbolic links.
    """
    refuse_links(folder, *FILES)
    before, current = read_manifest(folder), manifest(plan)
    changed = differences_from(folder, before, plan)
    if changed and not accept_changes:
        raise Changed(folder, changed)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    remove_half_written(folder)
    if not before and not changed:
        if not created(folder, current):  # another process was faster, perhaps with another sweep or other code
            return open_folder(folder, plan, accept_changes)
        before = dict(current)
    if before:
        current["created"] = before["created"]
        current["replications"] = max(plan.replications, before["replications"] if not changed else 0)
        current["accepted"] = before["accepted"]
        current["made_with"] = union(made_before(before), current["made_with"])
    if changed:
        current["accepted"] = [*current["accepted"], {"when": stamp(), "changes": changed}]
        current["made_with"] = union(current["made_with"], [made for _, made in parts.makers(folder)])
    if not spec_is_current(folder, plan):
        write_spec(folder, plan)
    if not design_is_current(folder, plan):
        write_design(folder, plan)
    if current != before:
        write_json(folder / "manifest.json", current)
    return changed


def created(folder: Path, manifest: dict[str, Any]) -> bool:
    """Write the manifest of a new folder; False if another process has just done so."""
    path = folder / "manifest.json"
    try:
        write_json(path, manifest, replace=False)
    except FileExistsError:
        for _ in range(20):  # on file systems without hard links, another process may still be writing it
            if read_manifest(folder):
                return False
            time.sleep(0.1)
        write_json(path, manifest)  # it was damaged
    return True


def made_before(manifest: dict[str, Any]) -> list[dict[str, str]]:
    """Code and packages that may have produced the parts of a folder; parts from earlier versions do not record them."""
    return manifest.get("made_with") or [
        {},
        {"model": manifest.get("model", ""), **{name: manifest.get("versions", {}).get(name, "") for name in DECIDING}},
    ]


def union(*lists: list[dict[str, str]]) -> list[dict[str, str]]:
    """Distinct entries of all lists, in order."""
    entries = [entry for group in lists for entry in group]
    return [entry for i, entry in enumerate(entries) if entry not in entries[:i]]


def foreign_parts(makers: list[tuple[Path, dict[str, str]]], manifest: dict[str, Any]) -> list[str]:
    """Describe parts whose code or packages are not in the manifest: copied in, or computed by workers with other code."""
    known = made_before(manifest)
    by_origin: dict[str, list[Path]] = {}
    for path, made in makers:
        if made not in known:
            latest = known[-1]
            what = [
                "other code of the model" if key == "model" else f"{key} {made.get(key)}"
                for key in latest
                if made.get(key) != latest[key]
            ]
            by_origin.setdefault(", ".join(what) if made else "an earlier version of this package", []).append(path)
    return [f"parts: {len(paths)} made with {what}, such as {paths[0].name}" for what, paths in by_origin.items()]


def spec_is_current(folder: Path, plan: Plan) -> bool:
    try:
        return Sweep.load(folder / "spec.toml").hash == plan.sweep.hash
    except SpecError:
        return False


def design_is_current(folder: Path, plan: Plan) -> bool:
    try:
        return read_design(folder, plan.sweep, len(plan.points)).equals(design_table(plan))
    except Damaged:
        return False


def read_design(folder: Path, sweep: Sweep, points: int) -> pa.Table:
    """Read a design of `points` points. Raises `Damaged` if it is missing, unreadable, or belongs to another sweep."""
    path = folder / "design.parquet"
    with parts.parquet(path, most_rows=points) as file:
        if file.schema_arrow.names != ["point", "point_id", "scenario", *sweep.targets]:
            raise ValueError("its columns do not match the factors of spec.toml")
        if file.metadata.num_rows != points:
            raise ValueError(f"it has {file.metadata.num_rows:,} points instead of {points:,}")
        return parts.plain(file.read())


def write_spec(folder: Path, plan: Plan) -> None:
    """Write the specification and all files it refers to, so that the folder is self-contained."""
    sweep = plan.sweep
    names = {}
    for name, scenario in sweep.scenarios_by_name.items():
        names[name] = f"scenarios/{name}.toml"
        flat = type(scenario)(
            name=name, summary=scenario.summary, parameters=scenario.all_parameters, events=scenario.all_events
        )
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
    segments = None
    if isinstance(columns := sweep.populations.get("segments"), dict):
        segments = "segments.csv"
        write_text(folder / segments, csv_of(columns))
    write_text(folder / "spec.toml", sweep.to_toml(names, table, segments))
    if Sweep.load(folder / "spec.toml").hash != sweep.hash:  # check before hours of work, not after
        raise RuntimeError(
            f"{folder / 'spec.toml'}: does not read back as the sweep that was written; please report this"
        )


class _Text:
    """Text file for the csv module that encodes to UTF-8."""

    def __init__(self, file: Any):
        self.file = file

    def write(self, text: str) -> None:
        self.file.write(text.encode())


def write_design(folder: Path, plan: Plan) -> None:
    content = parts.packed(design_table(plan), {})
    write_whole(folder / "design.parquet", lambda file: file.write(content))


def design_table(plan: Plan) -> pa.Table:
    """One row per point with its factors; `point_id` links it to the parts."""
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
    """Read a manifest; None if it is missing or damaged."""
    try:
        return load_manifest(folder)
    except (FileNotFoundError, Damaged):
        return None


def load_manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest. Raises FileNotFoundError, or `Damaged` if it is unreadable or not a manifest."""
    path = folder / "manifest.json"
    mend = "run the sweep again with accept_changes (--accept-changes)"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder}: no sweep here (no manifest.json); `abm sweep SPEC --out {folder}` creates one"
        )
    try:
        fields: dict[str, Any] = read_json(path, LARGEST_MANIFEST)
        manifest_fields = Manifest.model_validate(fields)
    except Unreadable as error:
        raise Damaged(path, str(error).rpartition("cannot be read: ")[2], mend) from None
    except ValidationError as error:
        first = next(iter(problems_of(error, Manifest, fields).values()))
        raise Damaged(path, f"not a manifest: {first}", mend) from None
    if manifest_fields.points * manifest_fields.replications > MOST_RUNS:
        runs = f"{manifest_fields.points:,} points x {manifest_fields.replications:,} replications"
        raise Damaged(path, f"not a manifest: {runs} exceed {MOST_RUNS:,} runs", mend)
    return fields


def manifest(plan: Plan) -> dict[str, Any]:
    """Manifest of a plan: what is run, with which code and packages."""
    return {
        "format": 2,
        "name": plan.sweep.name,
        "created": stamp(),
        "spec_hash": plan.sweep.hash,
        "spec": plan.sweep.plain(),
        "classes": plan.class_sources,
        "replications": plan.replications,
        "points": len(plan.points),
        "design": parts.digest_of(design_table(plan)),
        "model": source_hash(),
        "versions": versions(("ai-market-abm", "mesa", *DECIDING, "pandas", "pyarrow", "pydantic")),
        "python": platform.python_version(),
        "git": git(),
        "machine": machine(),
        "accepted": [],
        "made_with": [made_with()],
    }


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Changes that can affect results, one per line, such as `replications: 4 -> 8`."""
    lines = []
    if before.get("spec_hash") != now["spec_hash"]:
        lines += [
            f"spec, {line}"
            for line in _changed_values(before.get("spec", {}), json.loads(json.dumps(now["spec"], default=str)))
        ]
    if json.dumps(before.get("classes")) != json.dumps(now["classes"]):
        lines.append("classes of agents: changed")
    if before.get("model") != now["model"]:
        stored, current = before.get("git") or {}, now["git"] or {}
        lines.append(f"the model's code: {_commit(stored)} -> {_commit(current)}")
    for package in DECIDING:
        stored, current = before.get("versions", {}).get(package), now["versions"].get(package)
        if stored != current:
            lines.append(f"{package}: {stored} -> {current}")
    return lines


def _commit(git: dict[str, Any]) -> str:
    changed = " with changes" if git.get("changes") else ""
    return f"{str(git.get('commit', 'unknown'))[:10]}{changed}"


def _changed_values(old: Any, new: Any, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changed_values(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        shown = [text if len(text := json.dumps(x)) < 80 else text[:77] + "..." for x in (old, new)]
        yield f"{place}: {shown[0]} -> {shown[1]}"


def session(folder: Path, **fields: Any) -> Path:
    """Write a record of one call that runs something; `finish` completes it."""
    path = folder / "sessions" / f"{now():%Y%m%dT%H%M%S%f}-{socket.gethostname()}-{os.getpid()}.json"
    write_json(path, {"started": stamp(), "host": socket.gethostname(), "command": sys.argv, **machine(), **fields})
    return path


def finish(path: Path, **fields: Any) -> None:
    """Add fields and the finishing time to the record of a session."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"finished": stamp(), **fields})
