"""A stored result as an RO-Crate: files with metadata that archives read. Needs the extra [crate]."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from abm.experiments.replay import Unplayable, manifest_of, sweeps_of
from abm.support.files import refuse_links, write_whole

KINDS = {
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
    """Write the result in `folder` as a zipped crate to `target`, the software and the run named as what made it.

    Raises ValueError where `folder` has no result or symbolic links, or `target` is a folder or a link; ImportError where the
    library is not installed.
    """
    try:
        from rocrate.model.softwareapplication import SoftwareApplication
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise ImportError("RO-Crates are written by the package rocrate: pip install 'ai-market-abm[crate]'") from None
    if target.is_dir() or target.is_symlink():
        what = "a folder" if target.is_dir() else "a symbolic link"
        raise ValueError(f"{target}: is {what}; name the .zip file to write")
    try:
        said = manifest_of(folder)
        if not {"experiment", "reproduction"} & set(said):
            raise Unplayable(f"{folder}: is the result neither of an experiment nor of a reproduction")
        if "experiment" in said:
            sweeps_of(folder, said)
    except Unplayable as error:
        raise ValueError(str(error)) from None
    folder = folder.resolve()
    refuse_links(folder, ".")
    title, about = described(folder, said)
    crate = ROCrate()
    crate.name, crate.description = title, about
    packages = said.get("packages")
    version = packages.get("ai-market-abm", "") if isinstance(packages, dict) else ""
    software = crate.add(
        SoftwareApplication(crate, "#ai-market-abm", properties={"name": "ai-market-abm", "softwareVersion": version})
    )
    outputs = []
    kept = [place.name for place in sweeps_of(folder, said)] if "experiment" in said else []
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder).parts
        if kept and within[0] == "runs" and len(within) > 1 and within[1] not in kept:
            continue  # runs of an earlier state of the experiment
        if not path.is_file() or path.name.startswith("."):
            continue
        inside = path.relative_to(folder).as_posix()
        properties = {"name": inside, "encodingFormat": KINDS.get(path.suffix, "application/octet-stream")}
        outputs.append(crate.add_file(path, inside, properties=properties))
    crate.add_action(
        software,
        identifier="#run",
        result=outputs,
        properties={
            "name": f"abm reproduce {said.get('experiment') or said.get('reproduction')}",
            "endTime": said.get("made", ""),
            "description": f"source {said.get('source', 'unknown')}, git {json.dumps(said.get('git'))}",
        },
    )
    with tempfile.TemporaryDirectory() as temporary:
        written = crate.write_zip(Path(temporary) / "crate.zip")
        write_whole(target, lambda file: file.write(Path(written).read_bytes()))
    return target


def described(folder: Path, said: dict[str, object]) -> tuple[str, str]:
    """Name and description of a result."""
    path = folder / "result.json"
    if path.exists():
        try:
            result = json.loads(path.read_bytes())
            return str(
                result["title"]
            ), f"Experiment {result['experiment']}: {result['verdict']}; {result['runs']} runs."
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: is not a result") from None
    return str(said.get("reproduction", folder.name)), "Figures, tables, runs and report of a reproduction."
