"""Create a new experiment: a folder that runs as it is, with comments that say what to change."""

from __future__ import annotations

import re
from pathlib import Path

from abm.experiments.reproductions import REPRODUCTIONS

TEMPLATE = Path(__file__).parents[1] / "data" / "new_experiment.toml"


def scaffold(name: str, base: Path) -> Path:
    """Write `base`/NN_NAME/experiment.toml and README.md, with the next free number; returns the path of experiment.toml.

    Raises ValueError if the name is invalid or taken, or the folder cannot be created.
    """
    word = re.sub(r"^\d+_", "", name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,50}", word):
        raise ValueError(f"{name!r}: use letters, digits and underscores, beginning with a letter, at most 51 in all")
    if word in ("all", *REPRODUCTIONS):
        raise ValueError(f"{name!r}: has another meaning in `abm reproduce`; choose another name")
    existing = [path.name for path in base.glob("*") if path.is_dir()] if base.is_dir() else []
    if taken := [folder for folder in existing if folder.partition("_")[2] == word]:
        raise ValueError(f"{base / taken[0]} exists already; choose another name")
    prefixes = [folder.partition("_")[0] for folder in existing]
    numbers = [int(prefix) for prefix in prefixes if prefix.isascii() and prefix.isdigit()]
    number = max(numbers, default=0) + 1
    folder = base / f"{number:02d}_{word}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ValueError(
            f"{base}: cannot create a folder here ({error.strerror}); choose another place with --into"
        ) from None
    title = word.replace("_", " ").capitalize()
    path = folder / "experiment.toml"
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("number = 0\n", f"number = {number}\n", 1).replace('title = "New"\n', f'title = "{title}"\n', 1)
    path.write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(
        f"# {number}. {title}\n\nWhat is claimed, by whom, and why it matters. The results are filled in below by\n"
        f"`abm reproduce {folder.name} --accept`.\n",
        encoding="utf-8",
    )
    return path
