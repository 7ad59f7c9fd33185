"""`abm sensitivity` and `abm replications`: which parameters matter, and how many seeds are enough."""

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

from abm.cli.mistakes import Mistake, as_mistake, complain, could_write, writable
from abm.cli.sweep import carry_out, describe
from abm.support.files import refuse_links, write_text, write_whole
from abm.support.messages import did_you_mean, nearest

METHODS = ("sobol", "morris")
TABLES = ("indices", "convergence", "years", "noise")
SHOWN = 5
"""Factors of each outcome that are printed; indices.csv has all."""

Of = Annotated[
    str | None,
    typer.Option(metavar="NAME[,NAME...]", help="Observables, or outcomes of the file; else all outcomes of the file."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; else one a core (on an accelerator: 1).")]


def sensitivity(
    spec: Annotated[
        Path | None,
        typer.Argument(
            help="TOML file of a sweep with ranges; else 21 parameters and six outcomes.", metavar="SPEC.toml"
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="sobol (shares of variance) or morris (fewer runs).", show_default="sobol")
    ] = None,
    of: Of = None,
    points: Annotated[
        int | None, typer.Option(min=1, help="Sobol: N, a power of two; N (k + 2) points.", show_default="256")
    ] = None,
    trajectories: Annotated[
        int | None, typer.Option(min=1, help="Morris: R; R (k + 1) points.", show_default="20")
    ] = None,
    second_order: Annotated[
        bool, typer.Option("--second-order", help="Sobol: indices of pairs, too; N (2 k + 2) points.")
    ] = False,
    months: Annotated[int | None, typer.Option(min=1, help="Length of a run; else the file's.")] = None,
    replications: Annotated[int | None, typer.Option(min=1, help="Runs of a point, averaged; else the file's.")] = None,
    time_resolved: Annotated[
        bool, typer.Option("--time-resolved/--no-time-resolved", help="Indices of every year, too.")
    ] = True,
    log: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME...]", help="Outcomes of which the logarithm is analysed.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=0, help="Seeds at each of 32 more points, for the share of noise; 0: leave it out.")
    ] = 32,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; else output/NAME_METHOD. Runs kept there count.")
    ] = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on though the analysis or the model changed: more points, say.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do runs again that failed or crashed.")] = False,
) -> None:
    """Which parameters matter to what, and in which year: Sobol indices or Morris effects, with 95 % intervals.

    Stopped, the same command goes on. Exit codes: 0 all is well, 1 a run has failed, 2 wrong input, 130 Ctrl-C.
    """
    check_options(method, points, trajectories, second_order, seeds)
    from abm.analysis.sensitivity_design import Wanted, load, noise_sweep

    with as_mistake():
        wanted = Wanted(method, points, trajectories, second_order, months, replications, names_in("--of", of))
        asked = load(spec, wanted)
        chosen = columns(asked, "--of", of)
        logged = columns(asked, "--log", log, chosen) or []
        pilot = noise_sweep(asked, seeds) if seeds else None
    used = "morris" if asked.design.kind == "morris" else "sobol"
    misplaced = {"sobol": ("--trajectories", trajectories), "morris": ("--points", points or second_order)}[used]
    if misplaced[1]:
        raise Mistake(f"{misplaced[0]}: the design is one of {used} (see --method)")
    from abm.support.workers import usual_workers

    number = workers or usual_workers()
    folder = out or Path("output") / f"{asked.name}_{used}"
    for one in (asked, pilot):
        if one is not None:
            describe(one, (1, 1), number)
    if dry_run:
        return could_write(folder)
    with as_mistake():
        refuse_links(writable(folder), "runs", "seeds")
    options = dict(accept_changes=accept_changes, retry_failed=retry_failed)
    carry_out(asked, folder / "runs", number=number, options=options)
    if pilot is not None:
        carry_out(pilot, folder / "seeds", number=number, options=options)
    with (
        as_mistake(),
        told_if_incomplete(),
        Console(stderr=True).status("computing indices and intervals", spinner="line"),
    ):
        indices, noise, files = analysed(folder, chosen, logged, time_resolved, pilot is not None)
    show(indices, noise)
    for path in files:
        print(path)


def names_in(option: str, words: str | None) -> tuple[str, ...]:
    """Names in words of the command line, with commas between them; none where the option is not given."""
    if words is None:
        return ()
    names = tuple(map(str.strip, words.split(",")))
    if not all(names):
        raise Mistake(f"{option} {words!r}: a name is blank; write NAME, or NAME,NAME, or leave {option} out")
    return names


def columns(asked: Any, option: str, words: str | None, among: list[str] | None = None) -> list[str] | None:
    """The outcomes of a sweep (of those `among` them that are analysed, if not all) that words of the command line stand
    for, each once; None where none are said."""
    from abm.analysis.sensitivity_design import column_of, years_of

    by_year = years_of(asked)
    analysed = among or [name for name in asked.columns if name not in by_year]
    outcomes = {name: {"of": asked.columns[name].of} for name in analysed}
    found = [(name, column_of(name, outcomes)) for name in names_in(option, words)]
    wrong = [
        f"{option} {name}: is not analysed{did_you_mean(name, list(outcomes))}"
        for name, at in found
        if at not in outcomes
    ]
    if wrong:
        raise Mistake("\n".join(wrong))
    return list(dict.fromkeys(str(at) for _, at in found)) or None


def check_options(
    method: str | None, points: int | None, trajectories: int | None, second_order: bool, seeds: int
) -> None:
    """Options that are wrong whatever the file says."""
    problems = []
    if method is not None and method not in METHODS:
        problems.append(f"--method {method}: must be sobol or morris{nearest(method, METHODS)}")
    if method == "sobol" and trajectories is not None:
        problems.append("--trajectories: goes with --method morris")
    if method == "morris" and (points is not None or second_order):
        problems.append("--points and --second-order: go with --method sobol")
    if seeds == 1:
        problems.append("--seeds 1: noise takes two seeds or more to be seen, or 0 to leave it out")
    if problems:
        raise Mistake("\n".join(problems))


@contextlib.contextmanager
def told_if_incomplete() -> Iterator[None]:
    """Runs without a number are told in one line, with the exit code of failed runs."""
    from abm.analysis.require_finite import IncompleteRuns

    try:
        yield
    except IncompleteRuns as fault:
        complain(str(fault))
        raise typer.Exit(1) from None


def analysed(
    folder: Path, of: list[str] | None, logarithms: list[str], years: bool, noisy: bool
) -> tuple[Any, Any, list[Path]]:
    """Indices, shares of noise (or None), and the files in which they are."""
    import pandas as pd

    from abm.analysis.seed_noise import seed_noise
    from abm.analysis.sensitivity import of_sweep
    from abm.charts import style
    from abm.figures import sensitivity as figures
    from abm.sweeps.results import open_sweep

    results = open_sweep(folder / "runs")
    found = of_sweep(results, of, years=None if years else (), logarithms=logarithms)
    titles = figures.titles(results.sweep.columns)
    tables: dict[str, pd.DataFrame] = {"indices": found.indices, "convergence": found.convergence}
    drawn = {"indices": figures.indices, "convergence": figures.convergence}
    if len(found.years):
        tables["years"], drawn["years"] = found.years, figures.years
    noise = None
    if noisy:
        noise = seed_noise(open_sweep(folder / "seeds"), int(results.manifest["replications"]), logarithms, of)
        tables["noise"] = noise
    files = []
    for name, table in tables.items():
        files.append(folder / f"{name}.csv")
        write_whole(files[-1], functools.partial(table.to_csv, index=False))
        if name in drawn:
            files.append(folder / f"{name}.png")
            style.save(drawn[name](table, titles), files[-1])
    for name in TABLES:  # of an earlier analysis: beside the new ones they would pass for a part of them
        for old in {folder / f"{name}.csv", folder / f"{name}.png"} - set(files):
            old.unlink(missing_ok=True)
    return found, noise, files


def show(found: Any, noise: Any) -> None:
    """The leading factors of every outcome, what does not vary, and how much of the variance is the seed's."""
    main, beside = ("total", "first") if found.method == "sobol" else ("mu_star", "sigma")
    sobol = found.method == "sobol"
    headings = ("outcome, parameter", main.replace("_star", "*"), "95 %", beside, *(["95 %"] if sobol else []))
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if "parameter" in heading else "right", no_wrap=True)
    digits = ".2f" if sobol else ".2g"  # shares, or the outcome's unit
    for outcome, own in found.indices.groupby("outcome", sort=False):
        if outcome in found.constant:
            continue
        table.add_row(escape(str(outcome)), style="bold")
        rows = {order: own[own["order"] == order].set_index("factor") for order in (main, beside)}
        for factor in rows[main]["value"].sort_values(ascending=False).index[:SHOWN]:
            both = [rows[order].loc[factor] for order in (main, beside)]
            cells = [f"{row[key]:{digits}}" for row in both for key in ("value", "low", "high")]
            spans = cells[0], f"{cells[1]} to {cells[2]}", cells[3], f"{cells[4]} to {cells[5]}"
            table.add_row(f"  {escape(str(factor))}", *spans[: len(headings) - 1])
    Console().print(table)
    pairs = found.indices[found.indices["order"] == "second"]
    for row in pairs.sort_values("value", ascending=False).head(SHOWN).itertuples():
        print(f"pair {row.factor} and {row.other}: {row.value:.3g} [{row.low:.3g}, {row.high:.3g}] of {row.outcome}")
    if found.constant:
        print(f"does not vary, so that its indices are not defined: {', '.join(found.constant)}")
    for name in found.skewed:
        print(f"{name}: a hundredth of the points has most of the variance; --log {name} analyses its logarithm")
    if noise is not None:
        print("share of the variance of one run that is the seed's: what is alike at all points, and what differs; the")
        large = "total indices are too large by up to it" if sobol else "it makes mu* and sigma too large"
        print(f"part of the variance of the analysed means that noise still is ({large})")
        for outcome, own in noise.groupby("outcome", sort=False):
            share = own.set_index("share")["value"]
            print(
                f"  {outcome}: {share['seed']:.1%} alike, {share['interaction']:.1%} differing; {share['left_in_indices']:.1%}"
                f" left in the {'indices' if sobol else 'effects'}"
            )


def replications(
    of: Of = None,
    seeds: Annotated[int, typer.Option(min=2, max=1_000_000, help="Runs of the pilot.")] = 100,
    scenario: Annotated[str, typer.Option(help="Scenario of the pilot: a name, or a .toml file.")] = "baseline",
    against: Annotated[
        str | None,
        typer.Option(metavar="SCENARIO", help="A second one, for differences with and without common draws."),
    ] = None,
    half_width: Annotated[float, typer.Option(help="Half-width of the 95 % interval, as a share of the mean.")] = 0.02,
    months: Annotated[int, typer.Option(min=1, help="Length of a run.")] = 60,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the table and the runs; else nothing is kept.")
    ] = None,
    workers: Workers = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Go on in a folder of a pilot with other seeds or of another model."),
    ] = False,
) -> None:
    """How many seeds make 95 % intervals narrow, for means and for differences of two scenarios, from a pilot."""
    if not 0 < half_width < 1:
        raise Mistake(f"--half-width {half_width:g}: is a share of the mean, above 0 and below 1")
    if against is not None and against == scenario:
        raise Mistake(f"--against {against}: is the scenario itself; name another one")
    from abm.analysis.sensitivity_design import pilot

    with as_mistake():
        asked = pilot([scenario, *([against] if against else [])], names_in("--of", of), seeds, months)
    from abm.support.workers import usual_workers

    number = workers or usual_workers()
    describe(asked, (1, 1), number)
    with contextlib.ExitStack() as stack:
        folder = writable(out) if out else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="abm_pilot_")))
        options = {"accept_changes": accept_changes}
        with as_mistake():
            refuse_links(folder, "runs")
        carry_out(asked, folder / "runs", number=number, options=options, passing=out is None)
        from abm.analysis import replications as analysis
        from abm.analysis.require_finite import outcome_cube
        from abm.sweeps.results import open_sweep

        results = open_sweep(folder / "runs")
        with told_if_incomplete():
            values = dict(zip(results.outcomes, outcome_cube(results, results.outcomes), strict=True))
        table = analysis.replications(values, half_width, tuple(asked.stories))
        Console().print(seeds_needed(table))
        print(
            f"seeds for ± {half_width:.3g} of the mean of {scenario} (95 %); brackets: what a pilot of {seeds} leaves open"
        )
        if against:
            print(f"own and common draws: for the difference of {against} to it")
        if out:
            write_whole(folder / "replications.csv", lambda file: table.to_csv(file, index=False))
            write_text(folder / "replications.md", analysis.markdown(table, half_width))
            print(folder / "replications.csv")
            print(folder / "replications.md")


def seeds_needed(found: Any) -> Table:
    """One row an outcome and what is to be known of it; fits 80 columns."""
    from abm.analysis import replications as analysis

    shown = Table(box=None, pad_edge=False)
    for heading in ("outcome", "mean", "seeds for", "", "brackets"):
        justify: Any = "left" if heading in ("outcome", "seeds for") else "right"
        shown.add_column(heading, justify=justify, no_wrap=heading != "outcome", overflow="fold")
    for name, own in found.groupby("outcome", sort=False):
        mean, _, *enough = analysis.cells(own)
        for place, (kind, seeds) in enumerate(zip(own["kind"], enough, strict=True)):
            number, _, brackets = seeds.partition(" ")
            first = (escape(str(name)), mean) if place == 0 else ("", "")
            shown.add_row(*first, kind.removeprefix("difference, "), number, escape(brackets))
    return shown
