"""The README of an experiment and the table of all: their parts between markers are written from the reference numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from abm.experiments import reference
from abm.experiments.report import deciding_text, family, in_words
from abm.experiments.spec import Experiment
from abm.support.files import write_whole

BEGIN, END = "<!-- written by `abm reproduce --accept`; do not edit between the markers -->", "<!-- end -->"


def fill(path: Path, text: str, heading: str) -> None:
    """Put text between the markers of a page; a page that has none, or is not there, gets them at its end."""
    page = path.read_text(encoding="utf-8") if path.exists() else heading
    block = f"{BEGIN}\n{text.strip()}\n{END}"
    if BEGIN in page and END in page:
        page = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, page, flags=re.DOTALL)
    else:
        page = f"{page.rstrip()}\n\n{block}\n"
    write_whole(path, lambda file: file.write(page.encode()))


def readme(experiment: Experiment) -> Path:
    """Write what came out into the experiment's README."""
    results = {quick: current(experiment, quick) for quick in (False, True)}
    path = experiment.folder / "README.md"
    text = "\n\n".join(block(experiment, result) for result in results.values() if result)
    full, quick = results[False], results[True]
    if full and quick:
        same = full["verdict"] == quick["verdict"]
        text += (
            "\n\nThe quick run gives the same verdict."
            if same
            else f"\n\nThe quick run's verdict is another one, **{quick['verdict']}**: it rests on {quick['runs']:,} runs"
            f" instead of {full['runs']:,}."
        )
    heading = f"# {experiment.number}. {experiment.title}\n\n**Claim.** {experiment.hypothesis}\n"
    fill(path, text or "No run has been accepted yet.", heading)
    return path


def current(experiment: Experiment, quick: bool) -> dict[str, Any] | None:
    """The reference, if it is one of the experiment as its file stands."""
    found = reference.load(experiment, quick)
    return found if found and found["key"] == experiment.key(quick) else None


ACTIVE = re.compile(r"[|*\\]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|\$(?=\S)|~(?=~)")
"""What Markdown, as GitHub reads it, would take for a sign of its own."""


def cell(text: str) -> str:
    """Text as a cell of a Markdown table, letter by letter; code between backticks stays code."""
    parts = re.split("(`[^`]*`)", " ".join(text.split()))
    return "".join(part if at % 2 else ACTIVE.sub(r"\\\g<0>", part) for at, part in enumerate(parts))


def block(experiment: Experiment, result: dict[str, Any]) -> str:
    """Verdict and findings of one result, in Markdown."""
    kind = "Quick run" if result["quick"] else "Full run"
    runs = f"{result['runs']:,} runs"
    if result["failed"]:
        runs += f", {result['failed']} failed"
    lines = [f"**{kind}** ({runs}). Verdict: **{result['verdict']}**.", ""]
    lines += ["| question | answer | findings |", "|---|---|---|"]
    asked = {test.name: test for test in experiment.test}
    for test in result["tests"]:
        spec = asked.get(test["name"])
        if spec is None:
            continue
        question = f"{spec.asks} {spec.name}" if spec.asks.endswith(":") else spec.asks or spec.name
        several = len(test["findings"]) > 1
        lines_of = [in_words(experiment, spec, one, own=several) for one in test["findings"]]
        found = "<br>".join(map(cell, [*lines_of, *([test["trouble"]] if test["trouble"] else [])]))
        says = family(spec, test["says"], test["findings"])
        lines.append(f"| {cell(question)} | {says} | {found} |")
    return "\n".join(lines)


def overview(experiments: Sequence[Experiment], base: Path) -> Path:
    """Write the table of all verdicts into the README of the folder of experiments."""
    lines = ["| | experiment | claim | verdict | what decides |", "|---:|---|---|---|---|"]
    for one in experiments:
        full, quick = current(one, False), current(one, True)
        result = full or quick
        if result is None:
            lines.append(
                f"| {one.number} | [{cell(one.title)}]({quote(one.name)}) | {cell(one.hypothesis)} | not run yet | |"
            )
            continue
        note = "" if full else " (quick run)"
        decides = deciding_text(one, result)
        lines.append(
            f"| {one.number} | [{cell(one.title)}]({quote(one.name)}) | {cell(one.hypothesis)} | **{result['verdict']}**{note} |"
            f" {cell(decides)} |"
        )
    path = base / "README.md"
    fill(path, "\n".join(lines), "# Experiments\n")
    return path
