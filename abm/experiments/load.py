"""Find, read and check the files of experiments; all problems of a file are reported at once."""

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
    """Load the experiment of a folder with an `experiment.toml`. Raises `ExperimentError`."""
    path = folder / "experiment.toml"
    try:
        text = read_text(path)
        table = parse_toml(text, str(path))
    except Unreadable as error:
        raise ExperimentError([str(error)]) from None
    return from_table(table, folder, lines_of(text))


def from_table(table: Mapping[str, Any], folder: Path, lines: Mapping[Where, int] | None = None) -> Experiment:
    """Make an experiment from the parsed content of its file.

    Paths in it are relative to `folder`; `lines` are the line numbers of its keys, for messages. Raises `ExperimentError`.
    """
    path = folder / "experiment.toml"
    if "folder" in table:
        raise ExperimentError([f"{path}: folder: unknown key 'folder'"])
    try:
        experiment = Experiment(**{**_with_lists(table), "folder": folder.absolute()})
    except ValidationError as error:
        raise ExperimentError([placed(str(path), line, lines or {}) for line in _problems(error)]) from None
    if problems := problems_in(experiment):
        raise ExperimentError([placed(str(path), line, lines or {}) for line in problems])
    return experiment


def root() -> Path:
    """The folder of experiments: `experiments` in the working folder, or else in the checkout that contains the package."""
    here = Path("experiments")
    checkout = Path(__file__).parents[2] / "experiments"
    return here if any(here.glob("*/experiment.toml")) or not checkout.is_dir() else checkout


def folders(base: Path | None = None) -> list[Path]:
    """Folders of experiments, sorted by number."""
    base = root() if base is None else base
    return sorted(path.parent for path in base.glob("*/experiment.toml"))


def all_experiments(base: Path | None = None) -> list[Experiment]:
    """Load all experiments, sorted by number. Raises `ExperimentError`."""
    experiments = (load(folder) for folder in folders(base))
    return sorted(experiments, key=lambda experiment: (experiment.number, experiment.name))


def find(word: str, base: Path | None = None) -> Path | None:
    """Find an experiment's folder by its path, its name with or without the number, or its number; None if not found."""
    if not word.strip():
        return None
    if (Path(word) / "experiment.toml").is_file():
        return Path(word).resolve()
    for folder in folders(base):
        number, _, name = folder.name.partition("_")
        if word in (folder.name, name) or (_number(word) is not None and _number(word) == _number(number)):
            return folder
    return None


def _number(word: str) -> int | None:
    """Parse the number of an experiment; None if the word is not a number."""
    return int(word) if word.isascii() and word.isdigit() else None


def _with_lists(table: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a single name by a list of one, where the file may give either (`y`, `remarks`)."""

    def with_y_list(entry: Any) -> Any:
        if not isinstance(entry, Mapping):
            return entry
        return {k: (v,) if k == "y" and isinstance(v, str) else v for k, v in entry.items()}

    out = dict(table)
    for key in ("test", "figure"):
        if isinstance(out.get(key), list):
            out[key] = [with_y_list(entry) for entry in out[key]]
    if isinstance(out.get("remarks"), str):
        out["remarks"] = (out["remarks"],)
    return out


def _problems(error: ValidationError) -> list[str]:
    """One line per key: its place, with the number of the test or figure, and the requirement it violates."""
    lines: dict[str, str] = {}
    for fault in error.errors():
        parts = list(fault["loc"])
        kinds: dict[str, type[BaseModel]] = {"test": Test, "figure": Figure}
        inner = kinds.get(str(parts[0]))
        if inner and len(parts) > 1 and isinstance(parts[1], int):
            parts[:2] = [f"{parts[0]} {parts[1] + 1}"]
        where, key = ".".join(map(str, parts)), str(parts[-1])
        kind = fault["type"]
        if kind == "extra_forbidden":
            known: type[BaseModel] = inner if inner and len(parts) > 1 else Experiment
            lines[where] = f"unknown key {shortened(key)}{did_you_mean(key, list(known.model_fields))}"
        elif kind == "missing":
            lines[where] = "is missing"
        else:
            lines.setdefault(where, f"{requirement(fault)}, not {shortened(fault['input'])}")
    return [f"{where}: {problem}" for where, problem in lines.items()]
