"""`abm profile`: where the time of a month goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from abm.cli.mistakes import Mistake, as_mistake, could_write
from abm.cli.progress import bar, stopped
from abm.support.files import write_text

LAST_MONTH = 119


def profile(
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="Runs that are computed together.")] = 10,
    month: Annotated[int, typer.Option(min=0, max=LAST_MONTH, help="0 is January 2023, 24 January 2025.")] = 24,
    adopters: Annotated[int, typer.Option(min=1, max=1_000_000)] = 200,
    investors: Annotated[int, typer.Option(min=1, max=1_000_000)] = 1_000,
    repeats: Annotated[int, typer.Option(min=1, max=1_000, help="Calls of each phase.")] = 20,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="The numbers, as a file.")] = None,
) -> None:
    """Time every phase of a month, each compiled alone, beside the month as a whole."""
    if json_:
        if json_.is_dir():
            raise Mistake(f"--json {json_}: is a folder; give the name of a file")
        could_write(json_.parent, "--json")
    from abm.analysis.profile import profile as measure

    try:
        with as_mistake(), bar() as (step, _):
            step("compiling and timing each phase", 0, 1)
            found = measure(
                runs, month, repeats, adopters=adopters, investors=investors,
                progress=lambda done, total, _: step(f"{done} of {total} phases", done, total),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise stopped("stopped; nothing was kept") from None
    table = Table(box=None, pad_edge=False, title=f"month {month}, {runs} runs together", title_justify="left")
    for heading in ("phase", "ms, least", "median", "us a run", "share"):
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    for name, row in found.phases.iterrows():
        share = "" if name == "whole month" else f"{row['share']:.0%}"
        table.add_row(str(name), f"{row['ms']:.2f}", f"{row['median_ms']:.2f}", f"{row['us_per_run']:,.0f}", share)
    Console().print(table)
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in found.compiling.items())
    print(f"the whole month: {seconds}")
    if json_:
        said = {"runs": runs, "month": month, "adopters": adopters, "investors": investors}
        numbers = {"phases": found.phases.to_dict("index"), "compiling": found.compiling}
        write_text(json_, json.dumps(said | numbers, indent=1) + "\n")
        print(json_)
