"""Experiments in their files: where they are, read and checked, with all that is wrong in one at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from abm.experiments.checks import problems_in
from abm.experiments.spec import Experiment, ExperimentError, Figure, Test
from abm.support.files import Unreadable, parse_toml, read_text
from abm.support.messages import did_you_mean, requirement, shortened
from abm.support.toml_lines import Where, lines_of, placed


def load(folder: Path) -> Experiment:
    """From a folder with an `experiment.toml`. Raises `ExperimentError`."""
    path = folder / "experiment.toml"
    try:
        text = read_text(path)
        said = parse_toml(text, str(path))
    except Unreadable as error:
        raise ExperimentError([str(error)]) from None
    return from_table(said, folder, lines_of(text))


def from_table(said: Mapping[str, Any], folder: Path, lines: Mapping[Where, int] | None = None) -> Experiment:
    """From what such a file says, on which lines; paths in it start at the folder. Raises `ExperimentError`."""
    path = folder / "experiment.toml"
    if "folder" in said:
        raise ExperimentError([f"{path}: folder: unknown key 'folder'"])
    try:
        experiment = Experiment(**{**_listed(said), "folder": folder.absolute()})
    except ValidationError as error:
        raise ExperimentError([placed(str(path), line, lines or {}) for line in _complaints(error)]) from None
    if problems := problems_in(experiment):
        raise ExperimentError([placed(str(path), line, lines or {}) for line in problems])
    return experiment


def root() -> Path:
    """The folder of experiments: of the working folder, or else of the checkout that the package is in."""
    here = Path("experiments")
    beside = Path(__file__).parents[2] / "experiments"
    return here if any(here.glob("*/experiment.toml")) or not beside.is_dir() else beside


def folders(base: Path | None = None) -> list[Path]:
    """Folders of experiments, by number."""
    base = root() if base is None else base
    return sorted(path.parent for path in base.glob("*/experiment.toml"))


def all_experiments(base: Path | None = None) -> list[Experiment]:
    return sorted((load(folder) for folder in folders(base)), key=lambda one: (one.number, one.name))


def find(word: str, base: Path | None = None) -> Path | None:
    """The folder meant by a path, a folder's name, that name without its number, or the number; None if none is."""
    if not word.strip():
        return None
    if (Path(word) / "experiment.toml").is_file():
        return Path(word).resolve()
    there = folders(base)
    for folder in there:
        number, _, rest = folder.name.partition("_")
        if word in (folder.name, rest) or (_number(word) is not None and _number(word) == _number(number)):
            return folder
    return None


def _number(word: str) -> int | None:
    """The number of an experiment, or None where the word is none."""
    return int(word) if word.isascii() and word.isdigit() else None


def _listed(said: Mapping[str, Any]) -> dict[str, Any]:
    """Names standing alone where several may stand, as lists."""

    def one(table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        return {k: (v,) if k == "y" and isinstance(v, str) else v for k, v in table.items()}

    out = dict(said)
    for key in ("test", "figure"):
        if isinstance(out.get(key), list):
            out[key] = [one(each) for each in out[key]]
    if isinstance(out.get("remarks"), str):
        out["remarks"] = (out["remarks"],)
    return out


def _complaints(error: ValidationError) -> list[str]:
    """One line a place: which test or figure by its number, and what it must be."""
    lines: dict[str, str] = {}
    for fault in error.errors():
        parts = list(fault["loc"])
        kinds: dict[str, type[BaseModel]] = {"test": Test, "figure": Figure}
        inner = kinds.get(str(parts[0]))
        if inner and len(parts) > 1 and isinstance(parts[1], int):
            parts[:2] = [f"{parts[0]} {parts[1] + 1}"]
        where, word = ".".join(map(str, parts)), str(parts[-1])
        kind = fault["type"]
        if kind == "extra_forbidden":
            known: type[BaseModel] = inner if inner and len(parts) > 1 else Experiment
            lines[where] = f"unknown key {shortened(word)}{did_you_mean(word, list(known.model_fields))}"
        elif kind == "missing":
            lines[where] = "is missing"
        else:
            lines.setdefault(where, f"{requirement(fault)}, not {shortened(fault['input'])}")
    return [f"{where}: {what}" for where, what in lines.items()]
