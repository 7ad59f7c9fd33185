"""A new experiment: a folder that runs at once and says where to change what."""

from __future__ import annotations

import re
from pathlib import Path

from abm.experiments.reproductions import REPRODUCTIONS

TEMPLATE = Path(__file__).parents[1] / "data" / "new_experiment.toml"


def scaffold(name: str, base: Path) -> Path:
    """Write `base`/NN_NAME/experiment.toml and README.md, with the next free number; returns the first.

    Raises ValueError for a name that is none or is taken.
    """
    word = re.sub(r"^\d+_", "", name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,50}", word):
        raise ValueError(f"{name!r}: a name has letters, digits and underscores, and begins with a letter")
    if word in ("all", *REPRODUCTIONS):
        raise ValueError(f"{name!r}: means something else to `abm reproduce`; choose another name")
    there = [path.name for path in base.glob("*") if path.is_dir()] if base.is_dir() else []
    if taken := [each for each in there if each.partition("_")[2] == word]:
        raise ValueError(f"{base / taken[0]} is there already; choose another name")
    begun = [each.partition("_")[0] for each in there]
    numbers = [int(each) for each in begun if each.isascii() and each.isdigit()]
    number = max(numbers, default=0) + 1
    folder = base / f"{number:02d}_{word}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ValueError(
            f"{base}: no folder can be made in it ({error.strerror}); choose another with --into"
        ) from None
    title = word.replace("_", " ").capitalize()
    path = folder / "experiment.toml"
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("number = 0\n", f"number = {number}\n", 1).replace('title = "New"\n', f'title = "{title}"\n', 1)
    path.write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(
        f"# {number}. {title}\n\nWhat is claimed, by whom, and why it matters. What came out is filled in below by\n"
        f"`abm reproduce {folder.name} --accept`.\n",
        encoding="utf-8",
    )
    return path
