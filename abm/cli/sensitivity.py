"""`abm sensitivity` and `abm replications`: which parameters matter, and how many seeds are needed."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.mistakes import Mistake, as_mistake, check_writable, complain, writable
from abm.cli.sweep import carry_out, describe
from abm.support.files import refuse_links, write_text, write_whole
from abm.support.messages import did_you_mean, nearest

METHODS = ("sobol", "morris")
TABLES = ("indices", "convergence", "years", "noise")
SHOWN = 5
"""Number of factors printed per outcome; indices.csv has all of them."""

Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Worker processes (default: one per core; on an accelerator 1).")
]


def sensitivity(
    spec: Annotated[
        Path | None,
        typer.Argument(
            help="TOML file of a sweep with ranges (default: a built-in design of 21 parameters and six outcomes).",
            metavar="SPEC.toml",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="sobol: variance shares (default); morris: screening with fewer runs."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Outcomes or observables to analyse (default: all outcomes of SPEC.toml).",
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Sobol: base sample size N, a power of two; N (k + 2) points for k factors (default: 256).",
        ),
    ] = None,
    trajectories: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Morris: number of trajectories R; R (k + 1) points (default: 20)."),
    ] = None,
    second_order: Annotated[
        bool, typer.Option("--second-order", help="Sobol: add second-order indices; N (2 k + 2) points.")
    ] = False,
    months: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Months per run (default: from the file).")
    ] = None,
    replications: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Replications per point, averaged (default: from the file).")
    ] = None,
    time_resolved: Annotated[
        bool, typer.Option("--time-resolved/--no-time-resolved", help="Also compute indices for each year.")
    ] = True,
    log: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Outcomes to analyse on a logarithmic scale.")
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Seeds at each of 32 extra points, to estimate seed noise; 0 skips this step."
        ),
    ] = 32,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the results (default: output/NAME_METHOD); existing runs there are reused.",
        ),
    ] = None,
    workers: Workers = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the number of runs and the estimated time, then exit.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="Continue although the analysis (e.g. more points) or the model changed."
        ),
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Re-run failed or crashed runs.")] = False,
) -> None:
    """Global sensitivity analysis: which parameters matter for which outcome and year, with 95 % intervals.

    Computes Sobol indices or Morris effects. An interrupted analysis resumes
    when the same command is run again.

    Exit codes: 0 success; 1 a run failed; 2 invalid input; 130 interrupted
    (Ctrl-C).
    """
    check_options(method, points, trajectories, second_order, seeds)
    from abm.analysis.sensitivity_design import Wanted, load, noise_sweep

    with as_mistake():
        options = Wanted(method, points, trajectories, second_order, months, replications, names_in("--of", of))
        sweep = load(spec, options)
        chosen = columns(sweep, "--of", of)
        logged = columns(sweep, "--log", log, chosen) or []
        pilot = noise_sweep(sweep, seeds) if seeds else None
    used = "morris" if sweep.design.kind == "morris" else "sobol"
    option, given = {"sobol": ("--trajectories", trajectories), "morris": ("--points", points or second_order)}[used]
    if given:
        raise Mistake(f"{option}: does not apply to a {used} design (see --method)")
    from abm.support.workers import usual_workers

    number = workers or usual_workers()
    folder = out or Path("output") / f"{sweep.name}_{used}"
    for batch in (sweep, pilot):
        if batch is not None:
            describe(batch, (1, 1), number)
    if dry_run:
        return check_writable(folder)
    with as_mistake():
        refuse_links(writable(folder), "runs", "seeds")
    resuming = dict(accept_changes=accept_changes, retry_failed=retry_failed)
    carry_out(sweep, folder / "runs", number=number, options=resuming)
    if pilot is not None:
        carry_out(pilot, folder / "seeds", number=number, options=resuming)
    with (
        as_mistake(),
        exit_if_incomplete(),
        Console(stderr=True).status("computing indices and intervals", spinner="line"),
    ):
        indices, noise, files = analyse(folder, chosen, logged, time_resolved, pilot is not None)
    show(indices, noise)
    for path in files:
        print(path)


def names_in(option: str, text: str | None) -> tuple[str, ...]:
    """Split comma-separated names given with an option; empty if the option is not given."""
    if text is None:
        return ()
    names = tuple(map(str.strip, text.split(",")))
    if not all(names):
        raise Mistake(f"{option} {text!r}: a name is blank; write NAME, or NAME,NAME, or leave {option} out")
    return names


def columns(sweep: Any, option: str, text: str | None, among: list[str] | None = None) -> list[str] | None:
    """Outcomes of a sweep named by an option, without duplicates, or None if it is not given.

    Only outcomes in `among` may be named (default: all that are not by year).
    """
    from abm.analysis.sensitivity_design import column_of, years_of

    by_year = years_of(sweep)
    analysed = among or [name for name in sweep.columns if name not in by_year]
    outcomes = {name: {"of": sweep.columns[name].of} for name in analysed}
    matches = [(name, column_of(name, outcomes)) for name in names_in(option, text)]
    problems = [
        f"{option} {name}: not an analysed outcome{did_you_mean(name, list(outcomes))}"
        for name, column in matches
        if column not in outcomes
    ]
    if problems:
        raise Mistake("\n".join(problems))
    return list(dict.fromkeys(str(column) for _, column in matches)) or None


def check_options(
    method: str | None, points: int | None, trajectories: int | None, second_order: bool, seeds: int
) -> None:
    """Raise `Mistake` for options that are wrong whatever the file contains."""
    problems = []
    if method is not None and method not in METHODS:
        problems.append(f"--method {method}: must be sobol or morris{nearest(method, METHODS)}")
    if method == "sobol" and trajectories is not None:
        problems.append("--trajectories: requires --method morris")
    if method == "morris" and (points is not None or second_order):
        problems.append("--points and --second-order: require --method sobol")
    if seeds == 1:
        problems.append("--seeds 1: estimating noise needs at least two seeds; 0 skips it")
    if problems:
        raise Mistake("\n".join(problems))


@contextlib.contextmanager
def exit_if_incomplete() -> Iterator[None]:
    """Report runs without a finite result in one line and exit with the code for failed runs."""
    from abm.sweeps.incomplete import IncompleteRuns

    try:
        yield
    except IncompleteRuns as error:
        complain(str(error))
        raise typer.Exit(1) from None


def analyse(
    folder: Path, of: list[str] | None, logarithms: list[str], years: bool, noisy: bool
) -> tuple[Any, Any, list[Path]]:
    """Compute and write the results; returns indices, shares of noise (or None) and the files written."""
    import pandas as pd

    from abm.analysis.seed_noise import seed_noise
    from abm.analysis.sensitivity import of_sweep
    from abm.charts import style
    from abm.figures import sensitivity as figures
    from abm.sweeps.results import open_sweep

    results = open_sweep(folder / "runs")
    analysis = of_sweep(results, of, years=None if years else (), logarithms=logarithms)
    titles = figures.titles(results.sweep.columns)
    tables: dict[str, pd.DataFrame] = {"indices": analysis.indices, "convergence": analysis.convergence}
    plots = {"indices": figures.indices, "convergence": figures.convergence}
    if len(analysis.years):
        tables["years"], plots["years"] = analysis.years, figures.years
    noise = None
    if noisy:
        noise = seed_noise(open_sweep(folder / "seeds"), int(results.manifest["replications"]), logarithms, of)
        tables["noise"] = noise
    files = []
    for name, table in tables.items():
        files.append(folder / f"{name}.csv")
        write_whole(files[-1], functools.partial(table.to_csv, index=False))
        if name in plots:
            files.append(folder / f"{name}.png")
            style.save(plots[name](table, titles), files[-1])
    for name in TABLES:  # files of an earlier analysis would look like part of this one
        for old in {folder / f"{name}.csv", folder / f"{name}.png"} - set(files):
            old.unlink(missing_ok=True)
    return analysis, noise, files


def show(analysis: Any, noise: Any) -> None:
    """Print the leading factors of each outcome, constant and skewed outcomes, and the share of variance due to the seed."""
    main, second = ("total", "first") if analysis.method == "sobol" else ("mu_star", "sigma")
    sobol = analysis.method == "sobol"
    headings = ("outcome, parameter", main.replace("_star", "*"), "95 %", second, *(["95 %"] if sobol else []))
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if "parameter" in heading else "right", no_wrap=True)
    digits = ".2f" if sobol else ".2g"  # shares, or the outcome's unit
    for outcome, group in analysis.indices.groupby("outcome", sort=False):
        if outcome in analysis.constant:
            continue
        table.add_row(escape(str(outcome)), style="bold")
        rows = {order: group[group["order"] == order].set_index("factor") for order in (main, second)}
        for factor in rows[main]["value"].sort_values(ascending=False).index[:SHOWN]:
            both = [rows[order].loc[factor] for order in (main, second)]
            cells = [f"{row[key]:{digits}}" for row in both for key in ("value", "low", "high")]
            spans = cells[0], f"{cells[1]} to {cells[2]}", cells[3], f"{cells[4]} to {cells[5]}"
            table.add_row(f"  {escape(str(factor))}", *spans[: len(headings) - 1])
    Console().print(table)
    pairs = analysis.indices[analysis.indices["order"] == "second"]
    for row in pairs.sort_values("value", ascending=False).head(SHOWN).itertuples():
        print(f"pair {row.factor} and {row.other}: {row.value:.3g} [{row.low:.3g}, {row.high:.3g}] of {row.outcome}")
    if analysis.constant:
        print(f"constant, so that indices are undefined: {', '.join(analysis.constant)}")
    for name in analysis.skewed:
        print(f"{name}: 1 % of the points account for most of the variance; --log {name} analyses its logarithm")
    if noise is not None:
        bias = "total indices are too large by up to this share" if sobol else "it makes mu* and sigma too large"
        print("Seed noise: share of the variance of a single run that is the same at all points (common) or differs")
        print(f"between points, and share of noise that remains in the averages analysed ({bias}):")
        for outcome, group in noise.groupby("outcome", sort=False):
            share = group.set_index("share")["value"]
            print(
                f"  {outcome}: {share['seed']:.1%} common, {share['interaction']:.1%} differing;"
                f" {share['left_in_indices']:.1%} left in the {'indices' if sobol else 'effects'}"
            )


def replications(
    of: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Observables to analyse (default: six built-in outcomes)."),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=2, max=1_000_000, help="Number of pilot runs.")] = 100,
    scenario: Annotated[str, typer.Option(help="Scenario of the pilot: a name or a .toml file.")] = "baseline",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="SCENARIO", help="Second scenario, for differences with and without common random numbers."
        ),
    ] = None,
    half_width: Annotated[
        float, typer.Option(help="Target half-width of the 95 % interval, as a share of the mean.")
    ] = 0.02,
    months: Annotated[int, typer.Option(metavar="N", min=1, help="Months per run.")] = 60,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the table and the runs (default: nothing is saved)."),
    ] = None,
    workers: Workers = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Reuse a folder whose pilot had other seeds or another model version."),
    ] = False,
) -> None:
    """Estimate from a pilot how many seeds 95 % intervals need, for means and for differences of two scenarios."""
    if not 0 < half_width < 1:
        raise Mistake(f"--half-width {half_width:g}: must be a share of the mean, above 0 and below 1")
    if against is not None and against == scenario:
        raise Mistake(f"--against {against}: is the same as --scenario; name another one")
    from abm.analysis.sensitivity_design import pilot

    with as_mistake():
        sweep = pilot([scenario, *([against] if against else [])], names_in("--of", of), seeds, months)
    from abm.support.workers import usual_workers

    number = workers or usual_workers()
    describe(sweep, (1, 1), number)
    with contextlib.ExitStack() as stack:
        folder = writable(out) if out else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="abm_pilot_")))
        options = {"accept_changes": accept_changes}
        with as_mistake():
            refuse_links(folder, "runs")
        carry_out(sweep, folder / "runs", number=number, options=options, temporary=out is None)
        from abm.analysis import replications as analysis
        from abm.analysis.require_finite import outcome_cube
        from abm.sweeps.results import open_sweep

        results = open_sweep(folder / "runs")
        with exit_if_incomplete():
            values = dict(zip(results.outcomes, outcome_cube(results, results.outcomes), strict=True))
        table = analysis.replications(values, half_width, tuple(sweep.scenarios_by_name))
        Console().print(seeds_needed(table))
        print(
            f"seeds for a 95 % interval of ± {half_width:.3g} of the mean of {scenario};"
            f" brackets: uncertainty from a pilot of {seeds} runs"
        )
        if against:
            print(f"own draws, common draws: seeds for the difference between {against} and {scenario}")
        if out:
            write_whole(folder / "replications.csv", lambda file: table.to_csv(file, index=False))
            write_text(folder / "replications.md", analysis.markdown(table, half_width))
            print(folder / "replications.csv")
            print(folder / "replications.md")


def seeds_needed(replications: Any) -> Table:
    """Table of the seeds needed, one row per outcome and quantity; fits 80 columns."""
    from abm.analysis import replications as analysis

    table = Table(box=None, pad_edge=False)
    for heading in ("outcome", "mean", "seeds for", "", "brackets"):
        justify: Any = "left" if heading in ("outcome", "seeds for") else "right"
        table.add_column(heading, justify=justify, no_wrap=heading != "outcome", overflow="fold")
    for name, group in replications.groupby("outcome", sort=False):
        mean, _, *enough = analysis.cells(group)
        for index, (kind, seeds) in enumerate(zip(group["kind"], enough, strict=True)):
            number, _, brackets = seeds.partition(" ")
            first = (escape(str(name)), mean) if index == 0 else ("", "")
            table.add_row(*first, kind.removeprefix("difference, "), number, escape(brackets))
    return table
