"""`abm score`: score frozen predictions against outcomes."""

from __future__ import annotations

import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.mistakes import Mistake, as_mistake, check_writable, refuse_folder

if TYPE_CHECKING:
    from abm.analysis.scoring import Report, Score


def score(
    predictions: Annotated[Path, typer.Argument(help="CSV file of predictions, one row per event and layer.")],
    outcomes: Annotated[
        Path, typer.Option("--outcomes", help="CSV file of outcomes: event, layer, value (a fraction).")
    ],
    json: Annotated[Path | None, typer.Option("--json", help="Write the scores to this JSON file.")] = None,
) -> None:
    """Score frozen predictions against outcomes: Brier and log scores, skill, signs, interval coverage.

    File formats and how to read the scores: docs/how-to/score_predictions.md.
    """
    if json:
        refuse_folder("--json", json)
        for source, name in ((predictions, "predictions"), (outcomes, "outcomes")):
            if json.resolve() == source.resolve():
                raise Mistake(f"--json {json}: would overwrite the file of {name}; give another name")
        check_writable(json.parent, "--json")
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
    """Table of scores, one row per event and one for all events; fits 80 columns."""
    printed = Table(box=None, pad_edge=False)
    printed.add_column("event", overflow="fold")
    for heading in ("rows", "Brier", "climatology", "skill", "log", "signs right", "in interval"):
        printed.add_column(heading, justify="right")
    for score in (*report.events, report.all):
        printed.add_row(*cells(score), style="bold" if score is report.all else None)
    return printed


def cells(score: Score) -> list[str]:
    """Formatted cells of one row of the table."""
    skill = "-" if score.skill is None else f"{score.skill:.3f}"
    numbers = [f"{score.brier:.3f}", f"{score.brier_climatology:.3f}", skill, f"{score.log:.3f}"]
    signs, intervals = f"{score.right} of {score.called}", f"{score.covered} of {score.number}"
    return [escape(score.of), str(score.number), *numbers, signs, intervals]


def summary(report: Report) -> list[str]:
    """Sentences under the table: called signs, the rule, interval coverage and the reference forecast."""
    from abm.analysis.predictions import COIN, DOWN, UP
    from abm.analysis.scoring import CLIP, INTERVAL, RULE

    total = report.all
    lines = [
        f"A sign is called where the probability of a rise is at least {UP:g} or at most {DOWN:g}:"
        f" {total.called} of {total.number} predictions."
    ]
    if report.coins is None:
        lines.append(f"The rule of {100 * RULE:.0f} % right signs cannot be applied: no sign was called.")
    else:
        met = "met" if report.rule_met else "not met"
        share = f"{total.right} of {total.called} called signs were right ({100 * total.right / total.called:.0f} %)"
        lines.append(f"{share}: the rule of {100 * RULE:.0f} % is {met}.")
        coins = report.coins
        lines.append(
            f"Coin flips would get {coins.mean:g} right on average (90 % interval {coins.low} to {coins.high}),"
            f" and at least {total.right} with probability {coins.p:.3g}."
        )
    share = f"{100 * total.covered / total.number:.0f} %"
    lines.append(f"{share} of the {100 * INTERVAL:.0f} % intervals contain the outcome.")
    lines.append(
        f"Log scores are in nats, with probabilities clipped to [{CLIP:g}, {1 - CLIP:g}]"
        f" (climatology: {total.log_climatology:.3f})."
    )
    if given := report.climatology_given:
        rest = total.number - given
        lines.append(f"Climatology: given for {given} rows{f', {COIN:g} for the other {rest}' if rest else ''}.")
    else:
        lines.append(f"Climatology: {COIN:g} throughout, since the predictions give no climatology.")
    return lines
