"""The command `abm score`: frozen predictions against what came."""

from __future__ import annotations

import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.mistakes import Mistake, as_mistake, could_write

if TYPE_CHECKING:
    from abm.analysis.scoring import Report, Score


def score(
    predictions: Annotated[Path, typer.Argument(help="CSV of predictions, one row an event and layer.")],
    outcomes: Annotated[Path, typer.Option("--outcomes", help="CSV of what came: event, layer, value (a fraction).")],
    json: Annotated[Path | None, typer.Option("--json", help="File for the numbers.")] = None,
) -> None:
    """Score frozen predictions once their outcomes are known: Brier and log score, skill, signs, intervals.

    What the files hold and how to read the scores: docs/how-to/score_predictions.md.
    """
    if json:
        if json.is_dir():
            raise Mistake(f"--json {json}: is a folder; give the name of a file")
        for read, what in ((predictions, "the predictions"), (outcomes, "the outcomes")):
            if json.resolve() == read.resolve():
                raise Mistake(f"--json {json}: is the file of {what}, and would replace it; give another name")
        could_write(json.parent, "--json")
    from abm.analysis import predictions as files
    from abm.analysis import scoring
    from abm.support.files import write_whole

    with as_mistake():
        rows = files.read_predictions(predictions)
        report = scoring.score(rows, files.read_outcomes(outcomes, rows))
    for line in report.warnings:
        print(f"abm: warning: {line}", file=sys.stderr)
    Console().print(table(report))
    for line in summary(report):
        print(line)
    if json:
        text = json_.dumps(report.plain(), indent=1, allow_nan=False) + "\n"
        write_whole(json, lambda file: file.write(text.encode()))
        print(json)


def table(report: Report) -> Table:
    """One row an event, and one for all; fits 80 columns."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("event", overflow="fold")
    for heading in ("rows", "Brier", "climatology", "skill", "log", "signs right", "in interval"):
        shown.add_column(heading, justify="right")
    for one in (*report.events, report.all):
        shown.add_row(*cells(one), style="bold" if one is report.all else None)
    return shown


def cells(one: Score) -> list[str]:
    skill = "-" if one.skill is None else f"{one.skill:.3f}"
    numbers = [f"{one.brier:.3f}", f"{one.brier_climatology:.3f}", skill, f"{one.log:.3f}"]
    return [escape(one.of), str(one.number), *numbers, f"{one.right} of {one.called}", f"{one.covered} of {one.number}"]


def summary(report: Report) -> list[str]:
    """The same in words, with what is compared."""
    from abm.analysis.predictions import COIN, DOWN, UP
    from abm.analysis.scoring import CLIP, INTERVAL, RULE

    total = report.all
    lines = [
        f"Signs are called from a probability of {UP:g} up and {DOWN:g} down: {total.called} of {total.number} were."
    ]
    if report.coins is None:
        lines.append(f"The rule of {100 * RULE:.0f} % right signs cannot be applied: none was called.")
    else:
        met = "met" if report.rule_met else "not met"
        share = f"{total.right} of {total.called} called signs were right ({100 * total.right / total.called:.0f} %)"
        lines.append(f"{share}: the rule of {100 * RULE:.0f} % is {met}.")
        coins = report.coins
        lines.append(
            f"Coins would get {coins.mean:g} right, in nine of ten cases {coins.low} to {coins.high};"
            f" as many or more with probability {coins.p:.3g}."
        )
    share = f"{100 * total.covered / total.number:.0f} %"
    lines.append(f"{share} of the intervals hold what came; they are meant to be {100 * INTERVAL:.0f} % intervals.")
    lines.append(
        f"Log scores are in nats, with probabilities held between {CLIP:g} and {1 - CLIP:g}"
        f" (climatology: {total.log_climatology:.3f})."
    )
    if given := report.climatology_given:
        rest = total.number - given
        lines.append(f"Climatology: given for {given} rows{f', {COIN:g} for the other {rest}' if rest else ''}.")
    else:
        lines.append(f"Climatology: {COIN:g} throughout, since the predictions give none.")
    return lines
