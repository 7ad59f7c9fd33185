"""Pack a stored result as an RO-Crate: its files, with metadata that archives read. Needs the extra [crate]."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from abm.experiments.replay import Unplayable, manifest_of, sweeps_of
from abm.support.files import refuse_links, write_whole

MEDIA_TYPES = {
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".toml": "application/toml",
    ".parquet": "application/vnd.apache.parquet",
    ".npz": "application/zip",
    ".md": "text/markdown",
}


def pack(folder: Path, target: Path) -> Path:
    """Write the result in `folder` as a zipped crate to `target`, with the software and the run that produced it.

    Raises ValueError if `folder` has no result or contains symbolic links, or `target` is a folder or a link; ImportError if
    the library is not installed.
    """
    try:
        from rocrate.model.softwareapplication import SoftwareApplication
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise ImportError("RO-Crates need the package rocrate: pip install 'ai-market-abm[crate]'") from None
    if target.is_dir() or target.is_symlink():
        what = "a folder" if target.is_dir() else "a symbolic link"
        raise ValueError(f"{target}: is {what}; name the .zip file to write")
    try:
        manifest = manifest_of(folder)
        if not {"experiment", "reproduction"} & set(manifest):
            raise Unplayable(f"{folder}: is not the result of an experiment or a reproduction")
        listed = bool({"experiment", "sweeps"} & set(manifest))  # earlier results of the R1 job list none
        current = [place.name for place in sweeps_of(folder, manifest)] if listed else []
    except Unplayable as error:
        raise ValueError(str(error)) from None
    folder = folder.resolve()
    refuse_links(folder, ".")
    crate = ROCrate()
    crate.name, crate.description = title_and_description(folder, manifest)
    packages = manifest.get("packages")
    version = packages.get("ai-market-abm", "") if isinstance(packages, dict) else ""
    software = crate.add(
        SoftwareApplication(crate, "#ai-market-abm", properties={"name": "ai-market-abm", "softwareVersion": version})
    )
    outputs = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if current and parts[0] == "runs" and len(parts) > 1 and parts[1] not in current:
            continue  # runs of an earlier version of the experiment
        if not path.is_file() or path.name.startswith("."):
            continue
        name = path.relative_to(folder).as_posix()
        properties = {"name": name, "encodingFormat": MEDIA_TYPES.get(path.suffix, "application/octet-stream")}
        outputs.append(crate.add_file(path, name, properties=properties))
    crate.add_action(
        software,
        identifier="#run",
        result=outputs,
        properties={
            "name": f"abm reproduce {manifest.get('experiment') or manifest.get('reproduction')}",
            "endTime": manifest.get("made", ""),
            "description": f"source {manifest.get('source', 'unknown')}, git {json.dumps(manifest.get('git'))}",
        },
    )
    with tempfile.TemporaryDirectory() as temporary:
        written = crate.write_zip(Path(temporary) / "crate.zip")
        write_whole(target, lambda file: file.write(Path(written).read_bytes()))
    return target


def title_and_description(folder: Path, manifest: dict[str, object]) -> tuple[str, str]:
    """Title and description of a stored result. Raises ValueError for a damaged result.json."""
    path = folder / "result.json"
    if path.exists():
        try:
            result = json.loads(path.read_bytes())
            about = f"Experiment {result['experiment']}: {result['verdict']}; {result['runs']} runs."
            return str(result["title"]), about
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: is not a result") from None
    return str(manifest.get("reproduction", folder.name)), "Figures, tables, runs and report of a reproduction."
