"""Write the READMEs of experiments and the table of verdicts: their parts between markers come from the reference numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from abm.experiments import reference
from abm.experiments.report import answer_in_words, deciding_text, in_words
from abm.experiments.spec import Experiment
from abm.support.files import write_whole

BEGIN, END = "<!-- written by `abm reproduce --accept`; do not edit between the markers -->", "<!-- end -->"


def fill(path: Path, text: str, heading: str) -> None:
    """Replace the text between the markers of a page; without markers it is appended, and a missing page is created."""
    page = path.read_text(encoding="utf-8") if path.exists() else heading
    block = f"{BEGIN}\n{text.strip()}\n{END}"
    if BEGIN in page and END in page:
        page = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, page, flags=re.DOTALL)
    else:
        page = f"{page.rstrip()}\n\n{block}\n"
    write_whole(path, lambda file: file.write(page.encode()))


def readme(experiment: Experiment) -> Path:
    """Write the accepted results into the experiment's README."""
    results = {quick: current(experiment, quick) for quick in (False, True)}
    path = experiment.folder / "README.md"
    text = "\n\n".join(block(experiment, result) for result in results.values() if result)
    full, quick = results[False], results[True]
    if full and quick:
        same = full["verdict"] == quick["verdict"]
        text += (
            "\n\nThe quick run gives the same verdict."
            if same
            else f"\n\nThe quick run gives a different verdict, **{quick['verdict']}**, from {quick['runs']:,} runs"
            f" instead of {full['runs']:,}."
        )
    heading = f"# {experiment.number}. {experiment.title}\n\n**Claim.** {experiment.hypothesis}\n"
    fill(path, text or "No run has been accepted yet.", heading)
    return path


def current(experiment: Experiment, quick: bool) -> dict[str, Any] | None:
    """The reference result; None if there is none, or if experiment.toml or the model's defaults have changed since."""
    result = reference.load(experiment, quick)
    return result if result and result["key"] == experiment.key(quick) else None


ACTIVE = re.compile(r"[|*\\]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|\$(?=\S)|~(?=~)")
"""Characters that GitHub's Markdown would read as markup."""


def cell(text: str) -> str:
    """Escape text for a cell of a Markdown table; code between backticks stays code."""
    parts = re.split("(`[^`]*`)", " ".join(text.split()))  # every second part is code
    return "".join(part if i % 2 else ACTIVE.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


def block(experiment: Experiment, result: dict[str, Any]) -> str:
    """Verdict and findings of one result, in Markdown."""
    kind = "Quick run" if result["quick"] else "Full run"
    runs = f"{result['runs']:,} runs"
    if result["failed"]:
        runs += f", {result['failed']} failed"
    lines = [f"**{kind}** ({runs}). Verdict: **{result['verdict']}**.", ""]
    lines += ["| question | answer | findings |", "|---|---|---|"]
    tests = {test.name: test for test in experiment.test}
    for answer in result["tests"]:
        test = tests.get(answer["name"])
        if test is None:
            continue
        question = f"{test.asks} {test.name}" if test.asks.endswith(":") else test.asks or test.name
        several = len(answer["findings"]) > 1
        findings = [in_words(experiment, test, finding, own=several) for finding in answer["findings"]]
        text = "<br>".join(map(cell, [*findings, *([answer["trouble"]] if answer["trouble"] else [])]))
        summary = answer_in_words(test, answer["says"], answer["findings"])
        lines.append(f"| {cell(question)} | {summary} | {text} |")
    return "\n".join(lines)


def overview(experiments: Sequence[Experiment], base: Path) -> Path:
    """Write the table of all verdicts into the README of the folder of experiments."""
    lines = ["| | experiment | claim | verdict | deciding result |", "|---:|---|---|---|---|"]
    for experiment in experiments:
        full, quick = current(experiment, False), current(experiment, True)
        result = full or quick
        link = f"[{cell(experiment.title)}]({quote(experiment.name)})"
        start = f"| {experiment.number} | {link} | {cell(experiment.hypothesis)} |"
        if result is None:
            lines.append(f"{start} not run yet | |")
            continue
        note = "" if full else " (quick run)"
        lines.append(f"{start} **{result['verdict']}**{note} | {cell(deciding_text(experiment, result))} |")
    path = base / "README.md"
    fill(path, "\n".join(lines), "# Experiments\n")
    return path
