"""`abm profile`: time the phases of a month."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from abm.cli.experiments import SegmentsFile
from abm.cli.mistakes import as_mistake, check_writable, refuse_folder
from abm.cli.progress import bar, stopped
from abm.support.files import write_text

LAST_MONTH = 119


def profile(
    runs: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Number of runs computed together.")] = 10,
    month: Annotated[
        int,
        typer.Option(
            metavar="MONTH", min=0, max=LAST_MONTH, help="Month to time: 0 is January 2023, 24 is January 2025."
        ),
    ] = 24,
    adopters: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000_000, help="Number of adopters (default: 200, or the rows of FILE)."),
    ] = None,
    investors: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Number of investors.")] = 1_000,
    segments: SegmentsFile = None,
    repeats: Annotated[int, typer.Option(metavar="N", min=1, max=1_000, help="Timed calls of each phase.")] = 20,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the timings to this JSON file.")
    ] = None,
) -> None:
    """Time each phase of a month, compiled separately, and the month as a whole."""
    if json_:
        refuse_folder("--json", json_)
        check_writable(json_.parent, "--json")
    from abm.analysis.profile import profile as measure
    from abm.market.populations import Populations

    own = {} if adopters is None else {"adopters": adopters}
    with as_mistake():
        populations = Populations(investors=investors, segments=segments, **own)
    try:
        with as_mistake(), bar() as (step, _):
            step("compiling and timing each phase", 0, 1)
            timings = measure(
                runs, month, repeats, populations=populations,
                progress=lambda done, total, _: step(f"{done} of {total} phases", done, total),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise stopped("stopped; nothing was saved") from None
    table = Table(box=None, pad_edge=False, title=f"month {month}, {runs} runs together", title_justify="left")
    for heading in ("phase", "min ms", "median ms", "us per run", "share"):
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    for name, row in timings.phases.iterrows():
        share = "" if name == "whole month" else f"{row['share']:.0%}"
        table.add_row(str(name), f"{row['ms']:.2f}", f"{row['median_ms']:.2f}", f"{row['us_per_run']:,.0f}", share)
    Console().print(table)
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in timings.compiling.items())
    print(f"compiling the whole month: {seconds}")
    if json_:
        inputs = {"runs": runs, "month": month, "adopters": populations.adopters, "investors": investors}
        numbers = {"phases": timings.phases.to_dict("index"), "compiling": timings.compiling}
        write_text(json_, json.dumps(inputs | numbers, indent=1) + "\n")
        print(json_)
