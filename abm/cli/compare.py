"""`abm compare`: compare a counterfactual with the baseline on common random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.experiments import Out, SegmentsFile
from abm.cli.mistakes import Mistake, as_mistake, parse_settings, policy_table, writable
from abm.cli.progress import bar, interruptible


def compare(
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="SPEC.toml", help="Settings file, as written by `abm dashboard` or --out."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="Set a parameter of the changed world from --since on (repeatable).",
        ),
    ] = None,
    scenario: Annotated[str | None, typer.Option(help="Scenario of the changed world (see `abm list`).")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="First month in which the worlds differ; both are identical before it (default: 2025-01).",
        ),
    ] = None,
    exports: Annotated[
        str | None, typer.Option(help='Export rules from --since on: "as enacted", "lifted" or "closed to China".')
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="Number of paired runs, with seeds 0 to N - 1 (default: 100)."),
    ] = None,
    months: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Months per run, from January 2023 (default: 60).")
    ] = None,
    segments: SegmentsFile = None,
    of: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Observables in the table and figure (default: the headlines)."),
    ] = None,
    out: Out = None,
) -> None:
    """Compare a changed world with the baseline: same history and random draws, different rules from a given month.

    A parameter given with --set applies from --since on and overrides the
    scenario's events on the same instrument. The command prints all policy
    differences and the means of the last month; --out also saves the settings,
    monthly tables and a figure.
    """
    from abm.analysis.counterfactual import kept, numbers
    from abm.analysis.policy_notes import answers, notes
    from abm.charts.labels import HEADLINES, PRICING_POWER
    from abm.market.measures import MEASURES

    counterfactual, messages = _counterfactual(spec, set_, scenario, since, exports, seeds, months, segments)
    named = [name.strip() for name in of.split(",")] if of else []
    if unknown := [name for name in named if name not in MEASURES]:
        from abm.support.messages import OBSERVABLES, did_you_mean

        known = list(MEASURES)
        raise Mistake(
            "\n".join(f"--of {name}: no observable{did_you_mean(name, known, OBSERVABLES)}" for name in unknown)
        )
    if counterfactual.changes_nothing:
        raise Mistake("nothing is changed: give --set, --scenario or --exports, or a file that changes something")
    folder = writable(out) if out else None
    with as_mistake():
        policy = counterfactual.policy()
        messages += notes(counterfactual)
    with interruptible("nothing was saved"), as_mistake(), bar() as (_, count):
        comparison = counterfactual.run(progress=count)
    names = named or [name for name in HEADLINES if name in comparison.a.names]
    table = month_table(numbers(comparison, names))
    console = Console()
    own = counterfactual.segments
    whose = "" if own is None else f"; {own.rows} own segments"
    console.print(escape(f"{counterfactual.words()}; {len(comparison.a.seeds)} paired seeds{whose}"))
    if policy:
        console.print(policy_table(policy, "baseline", "changed"))
    for line in answers(comparison.a.setup.parameters, policy):
        console.print(escape(line))
    for line in messages:
        console.print(escape(f"Note: {line}"))
    console.print("", table, sep="\n")
    if folder:
        from abm.charts import style
        from abm.figures import paired_difference
        from abm.runs.policy import frame
        from abm.support.files import write_text, write_whole

        if own is not None:
            write_text(folder / "segments.csv", own.to_csv())
        write_text(folder / "compare.toml", counterfactual.annotated("segments.csv"))
        write_whole(folder / "compare.csv", lambda file: kept(counterfactual, comparison).to_csv(file, index=False))
        write_whole(folder / "policy.csv", lambda file: frame(policy).to_csv(file, index=False))
        figure = paired_difference(comparison, named or PRICING_POWER, label="changed minus baseline")
        style.save(figure, folder / "compare.png")
        for name in ("compare.toml", "segments.csv", "compare.csv", "policy.csv", "compare.png"):
            if name != "segments.csv" or own is not None:
                print(folder / name)


def month_table(table: Any) -> Table:
    """Last month of a table from `numbers`, formatted as by `abm run`; no number is cut off at 80 columns."""
    from abm.charts.labels import brief, label_of

    last = table["month"].max()
    printed = Table(box=None, pad_edge=False)
    printed.add_column(f"{last:%B %Y}", max_width=36, overflow="fold")
    for heading in ("baseline", "changed", "change", "95 % interval"):
        printed.add_column(heading, justify="right", no_wrap=True)
    for row in table[table["month"] == last].itertuples():
        interval = f"{brief(row.low)} to {brief(row.high)}" if row.low == row.low else "n/a"
        cells = [brief(row.baseline), brief(row.changed), brief(row.difference), interval]
        printed.add_row(escape(str(label_of(row.observable))), *cells)
    return printed


def _counterfactual(
    spec: Path | None,
    set_: list[str] | None,
    scenario: Any,
    since: Any,
    exports: Any,
    seeds: Any,
    months: Any,
    segments: Path | None = None,
) -> tuple[Any, list[str]]:
    """Return the file's counterfactual with the options applied over it, and notes on settings they override."""
    import dataclasses
    import datetime as dt

    from abm.analysis.counterfactual import EXPORTS, Counterfactual
    from abm.analysis.policy_notes import taken_back

    options: dict[str, Any] = {"scenario": scenario, "exports": exports, "seeds": seeds, "months": months}
    options["segments"] = segments
    if since:
        try:
            options["since"] = dt.date.fromisoformat(f"{since}-01" if len(since) == len("2025-01") else since)
        except ValueError:
            raise Mistake(f"--since {since}: is not a date; give one such as 2025-01 or 2025-01-01") from None
    options = {name: value for name, value in options.items() if value is not None}
    levers: dict[str, float] = {}
    for name, value in parse_settings(set_ or []).items():
        table = value if isinstance(value, dict) else {"default": value}
        levers |= {name if where == "default" else f"{name}.{where}": number for where, number in table.items()}
    with as_mistake():
        loaded = Counterfactual.load(spec) if spec else Counterfactual()
        earlier = [name for name in loaded.levers if name not in levers]
        overridden = taken_back(scenario, levers, loaded.exports if exports is None else "", earlier)
        remaining = {name: value for name, value in loaded.levers.items() if name not in overridden}
        options = ({"exports": EXPORTS[0]} if "exports" in overridden else {}) | options
        return dataclasses.replace(loaded, **options, levers={**remaining, **levers}), list(overridden.values())
