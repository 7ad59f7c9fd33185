"""`abm compare`: a counterfactual against the baseline on the same draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.experiments import Out
from abm.cli.mistakes import Mistake, as_mistake, parse_settings, policy_table, writable
from abm.cli.progress import bar, interruptible


def compare(
    spec: Annotated[
        Path | None, typer.Argument(metavar="[SPEC.toml]", help="A file as the page of `abm dashboard` saves it.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A parameter of the changed world from --since on."),
    ] = None,
    scenario: Annotated[str | None, typer.Option(help="The changed world's events (see `abm list`).")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Before this month both worlds are one.")] = None,
    exports: Annotated[
        str | None, typer.Option(help='Export rules from then on: "as enacted", "lifted" or "closed to China".')
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="Paired runs, of seeds 0, 1, ... [default: 100]")] = None,
    months: Annotated[int | None, typer.Option(min=1, help="Length of a run. [default: 60]")] = None,
    of: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME...]", help="Observables of the figure and table.")
    ] = None,
    out: Out = None,
) -> None:
    """Compare a changed world with the baseline: same history, same draws, other rules from a month on.

    A lever of --set holds from --since on, in place of what the scenario's events say of the same instrument. What acts is
    printed with the means of the last month; with --out the spec, a table of every month, the policy and a figure are kept.
    """
    from abm.analysis.counterfactual import kept, numbers
    from abm.analysis.policy_notes import answers, notes
    from abm.charts.labels import HEADLINES, PRICING_POWER
    from abm.market.measures import MEASURES

    asked, told = _asked(spec, set_, scenario, since, exports, seeds, months)
    named = [name.strip() for name in of.split(",")] if of else []
    if unknown := [name for name in named if name not in MEASURES]:
        from abm.support.messages import OBSERVABLES, did_you_mean

        known = list(MEASURES)
        raise Mistake(
            "\n".join(f"--of {name}: no observable{did_you_mean(name, known, OBSERVABLES)}" for name in unknown)
        )
    if asked.changes_nothing:
        raise Mistake("nothing is changed: give --set, --scenario or --exports, or a file that does")
    folder = writable(out) if out else None
    with as_mistake():
        policy = asked.policy()
        told += notes(asked)
    with interruptible("nothing was kept"), as_mistake(), bar() as (_, count):
        comparison = asked.run(progress=count)
    names = named or [name for name in HEADLINES if name in comparison.a.names]
    shown = month_table(numbers(comparison, names))
    console = Console()
    console.print(escape(f"{asked.words()}; {len(comparison.a.seeds)} paired seeds"))
    if policy:
        console.print(policy_table(policy, "baseline", "changed"))
    for line in answers(comparison.a.setup.parameters, policy):
        console.print(escape(line))
    for line in told:
        console.print(escape(f"Note: {line}"))
    console.print("", shown, sep="\n")
    if folder:
        from abm.charts import style
        from abm.figures import paired_difference
        from abm.runs.policy import frame
        from abm.support.files import write_text, write_whole

        write_text(folder / "compare.toml", asked.annotated())
        write_whole(folder / "compare.csv", lambda file: kept(asked, comparison).to_csv(file, index=False))
        write_whole(folder / "policy.csv", lambda file: frame(policy).to_csv(file, index=False))
        figure = paired_difference(comparison, named or PRICING_POWER, label="changed less baseline")
        style.save(figure, folder / "compare.png")
        for name in ("compare.toml", "compare.csv", "policy.csv", "compare.png"):
            print(folder / name)


def month_table(table: Any) -> Table:
    """The last month of a table of `numbers`, written as `abm run` writes; no number is cut at 80 columns."""
    from abm.charts.labels import brief, label_of

    last = table["month"].max()
    shown = Table(box=None, pad_edge=False)
    shown.add_column(f"{last:%B %Y}", max_width=36, overflow="fold")
    for heading in ("baseline", "changed", "change", "95 % interval"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in table[table["month"] == last].itertuples():
        interval = f"{brief(row.low)} to {brief(row.high)}" if row.low == row.low else "n/a"
        cells = [brief(row.baseline), brief(row.changed), brief(row.difference), interval]
        shown.add_row(escape(str(label_of(row.observable))), *cells)
    return shown


def _asked(
    spec: Path | None, set_: list[str] | None, scenario: Any, since: Any, exports: Any, seeds: Any, months: Any
) -> tuple[Any, list[str]]:
    """The counterfactual of the file under the options, which are given after it; and what of the file they replace."""
    import dataclasses
    import datetime as dt

    from abm.analysis.counterfactual import EXPORTS, Counterfactual
    from abm.analysis.policy_notes import taken_back

    said: dict[str, Any] = {"scenario": scenario, "exports": exports, "seeds": seeds, "months": months}
    if since:
        try:
            said["since"] = dt.date.fromisoformat(f"{since}-01" if len(since) == len("2025-01") else since)
        except ValueError:
            raise Mistake(f"--since {since}: is not a date; give one such as 2025-01 or 2025-01-01") from None
    said = {name: value for name, value in said.items() if value is not None}
    levers: dict[str, float] = {}
    for name, value in parse_settings(set_ or []).items():
        table = value if isinstance(value, dict) else {"default": value}
        levers |= {name if where == "default" else f"{name}.{where}": each for where, each in table.items()}
    with as_mistake():
        given = Counterfactual.load(spec) if spec else Counterfactual()
        before = [name for name in given.levers if name not in levers]
        back = taken_back(scenario, levers, given.exports if exports is None else "", before)
        kept_levers = {name: value for name, value in given.levers.items() if name not in back}
        said = ({"exports": EXPORTS[0]} if "exports" in back else {}) | said
        return dataclasses.replace(given, **said, levers={**kept_levers, **levers}), list(back.values())
