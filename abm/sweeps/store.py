"""A sweep on disk: spec.toml, manifest.json, design.parquet, and two Parquet parts a chunk.

    parts/*.parquet     the runs and their panels, two files a chunk (`abm.sweeps.parts`)
    sessions/*.json     who ran what, when, with which changes accepted
    scenarios/*.toml    the scenarios, each whole in one file

A file is there or it is not: it is written beside its place, synced and moved. Of several processes that begin a folder
at the same moment one creates the manifest; the others find it there and compare.
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

from abm.support.files import Unreadable, read_json, refuse_links, write_whole
from abm.support.messages import requirement, shortened
from abm.support.provenance import DECIDING, git, machine, now, source_hash, stamp, versions
from abm.sweeps import parts
from abm.sweeps.parts import Damaged, made_with
from abm.sweeps.plan import Plan
from abm.sweeps.spec import MOST_RUNS, SpecError, Sweep

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Changed", "Damaged"]

FILES = ("manifest.json", "spec.toml", "points.csv", "design.parquet", "parts", "scenarios", "sessions")
LARGEST_MANIFEST = 50_000_000
"""Bytes."""
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


class Acceptance(BaseModel):
    """Changes that were accepted, and when."""

    model_config = ConfigDict(strict=True)

    when: str
    changes: list[str]


class Manifest(BaseModel):
    """What a manifest says that others rely on, and of what type it must be: a folder may come from a stranger."""

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
    """What differs between the runs that a folder holds and those that are planned; nothing is written.

    Raises ValueError where the folder has symbolic links.
    """
    refuse_links(folder, *FILES)
    return unlike(folder, read_manifest(folder), plan)


def unlike(folder: Path, before: dict[str, Any] | None, plan: Plan) -> list[str]:
    """What differs between a plan and a folder with this manifest."""
    if before:
        return compared(before, manifest(plan)) + foreign(list(parts.makers(folder)), before)
    return [UNKNOWN] if any((folder / "parts").glob("*.parquet")) else []


def open_folder(folder: Path, plan: Plan, accept_changes: bool) -> list[str]:
    """Make the folder ready, or check that it holds runs of the same; returns changes that were accepted.

    What tells its design and its spec is written anew where it is missing or damaged. Raises `Changed` with the
    differences, unless they are accepted, and ValueError where the folder has symbolic links.
    """
    refuse_links(folder, *FILES)
    before, current = read_manifest(folder), manifest(plan)
    found = unlike(folder, before, plan)
    if found and not accept_changes:
        raise Changed(folder, found)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    clear_halves(folder)
    if not before and not found:
        if not created(folder, current):  # another process was first, perhaps with another sweep or other code
            return open_folder(folder, plan, accept_changes)
        before = dict(current)
    if before:
        current["created"] = before["created"]
        current["replications"] = max(plan.replications, before["replications"] if not found else 0)
        current["accepted"] = before["accepted"]
        current["made_with"] = union(made_before(before), current["made_with"])
    if found:
        current["accepted"] = [*current["accepted"], {"when": stamp(), "changes": found}]
        current["made_with"] = union(current["made_with"], [made for _, made in parts.makers(folder)])
    if not spec_is_kept(folder, plan):
        keep_spec(folder, plan)
    if not design_is_kept(folder, plan):
        write_design(folder, plan)
    if current != before:
        write_json(folder / "manifest.json", current)
    return found


def created(folder: Path, manifest: dict[str, Any]) -> bool:
    """Write the manifest of a new folder; False where another process has just done so."""
    path = folder / "manifest.json"
    try:
        write_json(path, manifest, replace=False)
    except FileExistsError:
        for _ in range(20):  # where files cannot be linked, another process may be just writing it
            if read_manifest(folder):
                return False
            time.sleep(0.1)
        write_json(path, manifest)  # it was damaged
    return True


def made_before(manifest: dict[str, Any]) -> list[dict[str, str]]:
    """What parts of a folder may have been made with; those of earlier versions do not say it."""
    return manifest.get("made_with") or [
        {},
        {"model": manifest.get("model", ""), **{name: manifest.get("versions", {}).get(name, "") for name in DECIDING}},
    ]


def union(*lists: list[dict[str, str]]) -> list[dict[str, str]]:
    """Every entry once, in order."""
    every = [one for some in lists for one in some]
    return [one for at, one in enumerate(every) if one not in every[:at]]


def foreign(makers: list[tuple[Path, dict[str, str]]], manifest: dict[str, Any]) -> list[str]:
    """Parts that were made with something else than the manifest says: copied in, or computed by workers with other code."""
    known = made_before(manifest)
    strange: dict[str, list[Path]] = {}
    for path, made in makers:
        if made not in known:
            usual = known[-1]
            what = [
                "other code of the model" if key == "model" else f"{key} {made.get(key)}"
                for key in usual
                if made.get(key) != usual[key]
            ]
            strange.setdefault(", ".join(what) if made else "an earlier version of this package", []).append(path)
    return [f"parts: {len(some)} made with {what}, such as {some[0].name}" for what, some in strange.items()]


def spec_is_kept(folder: Path, plan: Plan) -> bool:
    try:
        return Sweep.load(folder / "spec.toml").hash == plan.sweep.hash
    except SpecError:
        return False


def design_is_kept(folder: Path, plan: Plan) -> bool:
    try:
        return read_design(folder, plan.sweep, len(plan.points)).equals(design_table(plan))
    except Damaged:
        return False


def read_design(folder: Path, sweep: Sweep, points: int) -> pa.Table:
    """The design of so many points. Raises `Damaged` where it is missing, does not read, or is another's."""
    path = folder / "design.parquet"
    with parts.parquet(path, most_rows=points) as file:
        if file.schema_arrow.names != ["point", "point_id", "scenario", *sweep.targets]:
            raise ValueError("its columns are not the factors of spec.toml")
        if file.metadata.num_rows != points:
            raise ValueError(f"it has {file.metadata.num_rows:,} points instead of {points:,}")
        return parts.plain(file.read())


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
    content = parts.packed(design_table(plan), {})
    write_whole(folder / "design.parquet", lambda file: file.write(content))


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
    """What a manifest says; None where it is missing or damaged."""
    try:
        return load_manifest(folder)
    except (FileNotFoundError, Damaged):
        return None


def load_manifest(folder: Path) -> dict[str, Any]:
    """What a manifest says. Raises FileNotFoundError, or `Damaged` where it does not read or is not a manifest."""
    path = folder / "manifest.json"
    mend = "run the sweep again with accept_changes (--accept-changes)"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder}: no sweep is kept here (no manifest.json); `abm sweep SPEC --out {folder}` makes one"
        )
    try:
        found: dict[str, Any] = read_json(path, LARGEST_MANIFEST)
        checked = Manifest.model_validate(found)
    except Unreadable as error:
        raise Damaged(path, str(error).rpartition("cannot be read: ")[2], mend) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = (
            f"{where} = {shortened(first['input'])}: {requirement(first)}"
            if first["type"] != "missing"
            else f"no {where}"
        )
        raise Damaged(path, f"is not a manifest: {what}" if where else "is not a manifest", mend) from None
    if checked.points * checked.replications > MOST_RUNS:
        runs = f"{checked.points:,} points x {checked.replications:,} replications"
        raise Damaged(path, f"is not a manifest: {runs} are more than {MOST_RUNS:,} runs", mend)
    return found


def manifest(plan: Plan) -> dict[str, Any]:
    """What was run with what."""
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
