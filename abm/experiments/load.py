"""Find, read and check the files of experiments; all problems of a file are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from abm.experiments.checks import problems_in
from abm.experiments.spec import Experiment, ExperimentError
from abm.support.specs import Wording, problems_of, read_spec

WORDING = Wording(invalid="{place}: {requirement}, not {value}")


def load(folder: Path) -> Experiment:
    """Load the experiment of a folder with an `experiment.toml`. Raises `ExperimentError`."""
    file = read_spec(folder / "experiment.toml", ExperimentError)
    with file.located():
        return from_table(file.fields, folder)


def from_table(table: Mapping[str, Any], folder: Path) -> Experiment:
    """Make an experiment from the parsed content of its file, whose paths are relative to `folder`.

    Raises `ExperimentError`.
    """
    if "folder" in table:
        raise ExperimentError("folder: unknown key 'folder'")
    try:
        experiment = Experiment(**{**table, "folder": folder.absolute()})
    except ValidationError as error:
        raise ExperimentError(problems_of(error, Experiment, table, WORDING).values()) from None
    if problems := problems_in(experiment):
        raise ExperimentError(problems)
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
