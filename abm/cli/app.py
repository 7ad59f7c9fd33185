"""The command `abm` and its smaller subcommands: run, list, facts, validate, version.

JAX, Mesa, pandas and matplotlib are imported only by the commands that need them, so that `abm --help` is fast.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from abm.cli.calibrate import calibrate
from abm.cli.compare import compare
from abm.cli.compute_market import compute_market
from abm.cli.dashboard import dashboard
from abm.cli.experiments import Out, SegmentsFile, export, new_experiment, replay, reproduce
from abm.cli.mistakes import (
    Commands,
    Mistake,
    as_mistake,
    complain,
    parse_settings,
    policy_table,
    refuse_folder,
    report_warnings,
    resend_lost_interrupts,
    writable,
)
from abm.cli.output import hold_standard_streams
from abm.cli.profile import profile
from abm.cli.progress import bar, interruptible
from abm.cli.score import score
from abm.cli.sensitivity import replications, sensitivity
from abm.cli.sweep import selftest, sweep
from abm.support.files import write_text, write_whole
from abm.support.messages import nearest

SEEDS = 400
"""Default number of runs of `abm facts`."""

app = typer.Typer(cls=Commands, add_completion=False, help="An agent-based model of the AI industry.")


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """An agent-based model of the AI industry: who keeps pricing power when models can be copied."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def run(
    scenario: Annotated[
        str, typer.Argument(help="A built-in scenario (see `abm list`) or a path to a .toml file.")
    ] = "baseline",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="Set a parameter (repeatable), or a policy lever in one jurisdiction: NAME.JURISDICTION=VALUE.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**64 - 1, help="Random seed; the same seed gives the same numbers."),
    ] = 1,
    months: Annotated[int, typer.Option(metavar="N", min=1, help="Months to simulate, from January 2023.")] = 60,
    segments: SegmentsFile = None,
    out: Out = None,
) -> None:
    """Run one scenario once and print headline observables and policy changes; --out saves every month as CSV.

    Parameters set with --set apply from January 2023; the scenario's events
    change them from their dates.
    """
    folder = writable(out) if out else None
    chosen = parse_settings(set_ or [])
    from abm.analysis.policy_notes import answers, late
    from abm.runs.policy import resolved
    from abm.runs.setup import Setup
    from abm.runs.simulate import simulate

    with as_mistake():
        setup = Setup.of(chosen, scenario, months, segments=segments)  # raises on any invalid input, before compiling
    own = {} if segments is None else {"segments": setup.populations.segments}
    console = Console(stderr=True)
    busy = console.status("running (the first run of a session compiles the model)", spinner="line")
    with interruptible("nothing was saved"), busy, warnings.catch_warnings(record=True) as caught:
        result = simulate(chosen, scenario, seed, months=months, **own)
    for warning in caught:
        complain(f"warning: {warning.message}")
    frame, policy = result.frame(), resolved(result.setup)
    console = Console()
    console.print(headline_table(frame, f"{result.setup.scenario.name}, seed {seed}"))
    if changes := [change for change in policy if not change.by.startswith("scenario baseline ")]:
        console.print("", policy_table(changes), *answers(result.setup.parameters, changes), sep="\n", markup=False)
    for line in late(result.setup.scenario, months):
        console.print(escape(f"Note: {line}"))
    if folder:
        path = folder / f"{result.setup.scenario.name}_seed{seed}.csv"
        by_month = ["; ".join(str(change) for change in policy if change.month == month) for month in range(months)]
        write_whole(path, lambda file: frame.assign(policy=by_month).to_csv(file, index_label="date"))
        print(path)


@app.command("list")
def list_(
    parameters: Annotated[
        bool, typer.Option("--parameters", help="List parameters with defaults, units and bounds.")
    ] = False,
    observables: Annotated[
        bool, typer.Option("--observables", help="List the observables measured every month.")
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="List the kinds of scenario events and the keys of each.")
    ] = False,
) -> None:
    """List scenarios, reproductions and experiments, or parameters, observables and kinds of events."""
    console = Console()
    tables = [
        make
        for wanted, make in ((observables, observable_table), (parameters, parameter_table), (events, event_table))
        if wanted
    ]
    for index, make in enumerate(tables):
        console.print(*([""] if index else []), make(), sep="\n")
    if tables:
        return
    from abm.experiments.reproductions import REPRODUCTIONS
    from abm.scenarios.scenario import Scenario

    table = Table("scenario", "", box=None, pad_edge=False)
    for name in Scenario.names():
        table.add_row(name, escape(Scenario.load(name).summary))
    console.print(table)
    table = Table("reproduction", "", box=None, pad_edge=False)
    for name, reproduction in REPRODUCTIONS.items():
        seeds = f"{reproduction.seeds} seeds, {reproduction.quick_seeds} with --quick"
        table.add_row(name, f"{reproduction.summary} ({seeds})")
    console.print()
    console.print(table)
    from abm.experiments import ExperimentError, all_experiments

    with contextlib.suppress(ExperimentError):  # `abm reproduce` reports it
        table = Table("experiment", "", box=None, pad_edge=False)
        for experiment in all_experiments():
            table.add_row(experiment.name, escape(experiment.hypothesis))
        console.print()
        console.print(table)
    console.print("\nMore: `abm list --parameters`, `abm list --observables`, `abm list --events`")


@app.command()
def facts(
    seeds: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=1_000_000, help="Number of runs; bands and p-values need at least 40."),
    ] = SEEDS,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table to this Markdown file.")] = None,
    compute: Annotated[
        bool, typer.Option("--compute", help="Compare the compute market with its record, 2023 to mid-2025, instead.")
    ] = False,
) -> None:
    """Compare the model with the empirical moments it was fitted to: bounds, bands and posterior predictive p-values.

    With --compute and --out, the figure is saved beside the Markdown file.
    """
    if out:
        refuse_folder("--out", out)
        writable(out.parent)
    if compute:
        return compute_market(seeds, out, f"abm facts --compute{f' --seeds {seeds}' * (seeds != SEEDS)} --out {out}")
    from abm.calibration import fit_table as fit

    with interruptible("nothing was saved"), bar() as (_, count):
        table = fit.table(seeds=range(seeds), progress=count)
    Console().print(fit_table_of(table))
    star = "; * share of runs that meet a sign or bound" if table["p_value"].notna().any() else ""
    print(f"{int(table['within'].sum())} of {len(table)} within their bounds (ok){star}")
    print(fit.inside_band(table))
    for line in fit.undefined(table):
        print(line)
    if out:
        fit.write_markdown(table, out, f"abm facts{f' --seeds {seeds}' * (seeds != SEEDS)} --out {out}")
        print(out)


@app.command()
def validate(
    rung: Annotated[str | None, typer.Argument(help="One rung, V1 to V25 (default: all).")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the tables to this Markdown file.")] = None,
) -> None:
    """Check the model's mechanisms against cases with known answers; exit code 1 if any check fails.

    When all rungs run and none is skipped, the result is also written to
    docs/validation.md if the folder docs exists.
    """
    if out:
        refuse_folder("--out", out)
        writable(out.parent)
    from abm.validation.ladder import all_rungs, cells, climb, markdown, summary

    rungs = all_rungs()
    name = rung.upper() if rung else None
    if name and name not in rungs:
        raise Mistake(f"no rung {rung!r}{nearest(name, rungs)}; choose V1 to V{len(rungs)}")
    with interruptible("nothing was saved"), bar() as (progress, _):
        results = climb([rungs[name]] if name else rungs.values(), progress)
    console = Console()
    for result in results:
        console.print(f"\n[bold]{result.rung.name} {escape(result.rung.title)}[/] [dim]({result.seconds:.1f} s)[/]")
        console.print(f"[dim]{escape(result.rung.source)}[/]")
        if result.skipped:
            console.print(f"skipped: {escape(result.skipped)}")
            continue
        table = Table(box=None, pad_edge=False)
        for heading in ("check", "target", "model", "difference", "tolerance", "met"):
            table.add_column(heading, justify="left" if heading in ("check", "met") else "right")
        for check in result.checks:
            table.add_row(*map(escape, cells(check)), style=None if check.ok else "bold red")
        console.print(table)
    print(f"\n{summary(results)} ({sum(result.seconds for result in results):.0f} seconds)")
    complete = not name and not any(result.skipped for result in results)  # a partial page would hide skipped rungs
    page = out or (Path("docs/validation.md") if complete and Path("docs").is_dir() else None)
    if page:
        write_text(page, markdown(results))
        print(page)
    elif not name and Path("docs").is_dir():
        print("docs/validation.md was not updated because a rung was skipped (--out writes a page anyway)")
    if not all(result.ok for result in results):
        raise typer.Exit(1)


app.command("reproduce")(reproduce)
app.command("replay")(replay)
app.command("new-experiment")(new_experiment)
app.command("export")(export)
app.command("compare")(compare)
app.command("dashboard")(dashboard)
app.command("sweep")(sweep)
app.command("calibrate")(calibrate)
app.command("score")(score)
app.command("profile")(profile)
app.command("sensitivity")(sensitivity)
app.command("replications")(replications)
app.command("selftest")(selftest)


@app.command()
def version() -> None:
    """Print the installed version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed_version

    try:
        print(installed_version("ai-market-abm"))
    except PackageNotFoundError:
        print("not installed")


def observable_table() -> Table:
    """Table of the observables measured every month, with units."""
    from abm.market.measures import MEASURES

    table = Table("observable", "unit", "meaning", box=None, pad_edge=False)
    for name, measure in MEASURES.items():
        table.add_row(name, escape(measure.unit), escape(measure.meaning))
    return table


def parameter_table() -> Table:
    """Table of the parameters with defaults, units and bounds."""
    from abm.parameters import Parameters

    table = Table(box=None, pad_edge=False)
    for heading in ("parameter", "default", "unit", "bounds", "meaning"):
        table.add_column(heading, no_wrap=heading == "parameter", overflow="fold")
    for row in Parameters.table():
        bounds = f"{row['low']:g} to {row['high']:g}"
        table.add_row(row["name"], f"{row['default']:g}", escape(row["unit"]), bounds, escape(row["meaning"]))
    return table


def event_table() -> Table:
    """Table of the kinds of events, with the required and optional keys of each and their units."""
    from abm.scenarios.events import KINDS, Event

    table = Table(box=None, pad_edge=False)
    for heading in ("event", "required keys", "optional keys", "meaning"):
        table.add_column(heading, no_wrap=heading == "event", overflow="fold")
    for name, kind in KINDS.items():
        fields = {
            key: field for key, field in kind.model_fields.items() if key not in Event.model_fields and key != "kind"
        }
        labels = {key: f"{key} ({field.description})" if field.description else key for key, field in fields.items()}
        required = [labels[key] for key, field in fields.items() if field.is_required()]
        optional = [labels[key] for key, field in fields.items() if not field.is_required()]
        table.add_row(
            name, escape(", ".join(required)), escape(", ".join(optional)), escape((kind.__doc__ or "").split("\n")[0])
        )
    table.caption = "Every event needs a date (or month and day); id, note and source are optional."
    table.caption_justify = "left"
    return table


def fit_table_of(fitted: Any) -> Table:
    """Table of the targets, the model's means and, with enough runs, predictive bands; fits 80 columns."""
    from abm.calibration.fit_table import p_value_of

    columns: dict[str, list[str]] = {
        "target": [str(name) for name in fitted["target"]],
        "data": [f"{value:g}" for value in fitted["observed"]],
        "mean": [f"{value:.3g}" for value in fitted["model"]],
        "ok": ["yes" if within else "NO" for within in fitted["within"]],
    }
    if fitted["p_value"].notna().any():
        rows = list(fitted.itertuples())
        columns["90 % band"] = [
            f"{row.band_low:.3g} to {row.band_high:.3g}" if row.band_low == row.band_low else "" for row in rows
        ]
        columns["in"] = ["" if row.inside != row.inside else "yes" if row.inside else "NO" for row in rows]
        columns["p"] = [p_value_of(row, ".2f") for row in rows]
    table = Table(*(Column(name, no_wrap=name != "target", overflow="fold") for name in columns), box=None)
    table.pad_edge, table.collapse_padding = False, True
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def headline_table(frame: Any, title: str) -> Table:
    """Table of the headline observables at the start, before the shock, a year later and at the end; fits 80 columns."""
    from abm.charts.labels import HEADLINES, brief, label_of

    last = len(frame) - 1
    months = sorted({month for month in (0, 23, 35, last) if month <= last})
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("observable", no_wrap=True)
    for month in months:
        table.add_column(str(frame.index[month]), justify="right", no_wrap=True)
    table.add_column("unit", style="dim")
    for name in HEADLINES:
        label = label_of(name)
        table.add_row(label.name, *(brief(frame[name].iloc[month]) for month in months), escape(label.unit))
    return table


def main() -> None:
    """Entry point of the command `abm`."""
    os.environ["ABM_KEEP_TRACED"] = "1"  # safe here: this process runs the package's own code only
    hold_standard_streams()
    resend_lost_interrupts()
    report_warnings()
    app()


if __name__ == "__main__":
    main()
