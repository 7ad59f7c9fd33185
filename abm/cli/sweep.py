"""`abm sweep` and `abm selftest`: batches of runs from the command line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.cli.mistakes import Mistake, as_mistake, as_words, could_write, writable
from abm.cli.progress import bar, interruptible, stopped
from abm.support.messages import printable


def sweep(
    spec: Annotated[Path | None, typer.Argument(help="TOML file of the sweep.", metavar="SPEC.toml")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results; else output/NAME. Runs kept there count."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run and what is there already, and run nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a folder that must be there (going on is what happens anyway).")
    ] = False,
    show: Annotated[
        Path | None, typer.Option("--show", help="Say what is in a folder of results, and run nothing.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; else one a core (on an accelerator: 1).")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler (tcp://...), or `local` for a cluster of this machine."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only every Nth run, from the Kth on (Slurm).")
    ] = None,
    chunk: Annotated[int | None, typer.Option(min=1, help="Runs that are computed and kept together.")] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on though the sweep, the model or a package changed; recorded.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do runs again that failed or crashed.")] = False,
    until_ci: Annotated[
        float | None, typer.Option(help="Add replications until intervals are this narrow: a share of the mean.")
    ] = None,
    of: Annotated[str | None, typer.Option(help="With --until-ci: the outcome, or the observable.")] = None,
    absolute: Annotated[bool, typer.Option("--absolute", help="With --until-ci: in the outcome's own unit.")] = False,
    minimum: Annotated[int | None, typer.Option(help="With --until-ci: least replications.", show_default="8")] = None,
    maximum: Annotated[
        int | None, typer.Option(help="With --until-ci: most replications.", show_default="1000")
    ] = None,
    look_ahead: Annotated[
        int | None, typer.Option(help="With --until-ci: replications for which it must stay so.", show_default="5")
    ] = None,
) -> None:
    """Run a batch of settings and seeds; what is done already is not done again.

    Exit codes: 0 all is well, 1 a run has failed or --until-ci was not reached, 2 wrong input or a disk that cannot be
    written, 130 Ctrl-C.
    """
    from abm.sweeps.injected_failures import InjectedFailures
    from abm.sweeps.spec import Sweep

    if show is not None:
        if spec is not None:
            raise Mistake("--show FOLDER: goes without a SPEC.toml")
        return print_results(show)
    if spec is None:
        raise Mistake("say which SPEC.toml to run, or --show FOLDER")
    part = shard_of(shard)
    limits = {"minimum": minimum, "maximum": maximum, "look_ahead": look_ahead}
    with as_mistake():
        asked = Sweep.load(spec)
        InjectedFailures.wanted()
        rule = rule_of(asked, until_ci, of, absolute, part, {k: v for k, v in limits.items() if v is not None})
    if dask and workers and dask != "local":
        raise Mistake("--workers: the cluster at --dask has its own")
    from abm.support.workers import usual_workers

    number = workers or usual_workers()
    folder = out or Path("output") / asked.name
    if resume and not (folder / "manifest.json").is_file():
        raise Mistake(f"--resume: no sweep is kept in {folder}; leave --resume out to begin one")
    describe(asked, part, number)
    if dry_run:
        could_write(folder)
        return print_plan(asked, folder, part, accept_changes, retry_failed)
    options = dict(chunk=chunk, accept_changes=accept_changes, retry_failed=retry_failed)
    execute(asked, writable(folder), part, rule, number, dask, options)


def rule_of(
    asked: Any, until_ci: float | None, of: str | None, absolute: bool, part: tuple[int, int], limits: dict[str, int]
) -> Any:
    """The stopping rule that is asked for, or None."""
    from abm.sweeps.stopping import Rule, column

    if until_ci is None:
        if of is not None or absolute or limits:
            raise Mistake("--of, --absolute, --minimum, --maximum and --look-ahead go with --until-ci")
        return None
    if of is None:
        raise Mistake("--until-ci: say of what, with --of OUTCOME")
    if part != (1, 1):
        raise Mistake("--until-ci: judges all runs together and cannot be sharded")
    if asked.seeds:
        raise Mistake("--until-ci: adds replications; give replications and seed in the sweep, not seeds")
    rule = Rule(of, until_ci, absolute, **limits)
    column(asked, of)
    return rule


def print_plan(asked: Any, folder: Path, part: tuple[int, int], accept_changes: bool, retry_failed: bool) -> None:
    """What a run into this folder would find there."""
    from abm.sweeps import parts, store
    from abm.sweeps.plan import Plan
    from abm.sweeps.run import RETRIED

    plan = Plan.of(asked)
    with as_mistake():
        changes = store.differences(folder, plan)
    if changes and not accept_changes:
        raise Mistake(str(store.Changed(folder, changes)))
    if changes:
        print(f"would be accepted and recorded: {'; '.join(changes)}")
    damaged: list[parts.Damaged] = []
    done = parts.finished(folder, asked, RETRIED if retry_failed else (), damaged, thorough=True)
    for fault in damaged:
        print(fault)
    wanted = {run.id for run in plan.runs(part)}
    print(f"{folder}: {len(wanted & done):,} runs are there already, {len(wanted - done):,} to do")


def execute(
    asked: Any, folder: Path, part: tuple[int, int], rule: Any, number: int, dask: str | None, options: dict[str, Any]
) -> None:
    bad, verdict = carry_out(asked, folder, part, rule, number, dask, options)
    if verdict is not None:
        print_verdict(verdict, rule)
    if bad or (verdict is not None and verdict.enough is None):
        raise typer.Exit(1)


def carry_out(
    asked: Any,
    folder: Path,
    part: tuple[int, int] = (1, 1),
    rule: Any = None,
    number: int = 1,
    dask: str | None = None,
    options: dict[str, Any] | None = None,
    passing: bool = False,
) -> tuple[int, Any]:
    """Run a sweep with a bar of progress, and print what came of it: runs not in order, and the rule's verdict or None.

    A `passing` folder goes with the command: then nobody is told to go on with it.
    """
    from abm.support.files import Linked
    from abm.support.workers import patience
    from abm.sweeps.parts import finished
    from abm.sweeps.results import open_sweep
    from abm.sweeps.run import Broken, run_sweep
    from abm.sweeps.stopping import run_until
    from abm.sweeps.store import Changed, Damaged

    with as_mistake():
        patience()

    def kept(then: str) -> str:
        if passing:
            return "nothing was kept; give --out to keep runs"
        return f"{len(finished(folder, asked))} runs are kept in {folder}; {then}"

    try:
        with cluster(dask, number) as executor, bar() as (progress, _):
            options = {**(options or {}), "workers": number, "executor": executor}
            before = now = 0

            def step(done: int, total: int, failed: int, seconds: float) -> None:
                nonlocal before, now
                before, now = before if seconds else done, done  # at 0 seconds a round begins
                progress(pace(done, total, failed, done - before, seconds), done, total)

            if rule:
                tally, verdict = run_until(asked, folder, rule, step, **options)
            else:
                tally, verdict = run_sweep(asked, folder, shard=part, progress=step, **options), None
            results = open_sweep(folder)
    except KeyboardInterrupt:
        raise stopped(f"stopped; {kept('run it again to go on')}") from None
    except (Changed, Damaged, Linked, Broken) as fault:
        raise Mistake(str(fault)) from None
    except FileNotFoundError as error:
        if (folder / "manifest.json").exists() and (folder / "parts").is_dir():
            raise Mistake(as_words(error)) from None
        raise Mistake(
            f"{folder}: was deleted, renamed or emptied during the run; {now:,} runs were done and are no longer there: run"
            " it again to begin anew"
        ) from None
    except OSError as error:
        if error.filename is None and not error.errno:
            raise
        raise Mistake(
            f"{error.filename or folder}: cannot be written ({error.strerror});"
            f" {kept('make room and run it again to go on')}"
        ) from None
    if tally.accepted:
        print(f"accepted and recorded: {'; '.join(tally.accepted)}")
    done = sum(tally.counts.values())
    for line in tally.damaged:
        print(f"set aside as *.damaged, and its runs done again: {line.partition(';')[0]}")
    print(f"{done:,} runs in {tally.seconds:.0f} seconds, {tally.before:,} were there already")
    return print_counts(results), verdict


def pace(done: int, total: int, failed: int, lately: int, seconds: float) -> str:
    """How far, how fast, how many of those that were done now have failed."""
    rate = f", {lately / seconds:.1f} a second" if lately and seconds else ""
    return f"{done:,} of {total:,} runs{rate}, {failed:,} of {lately:,} failed"


def shard_of(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise Mistake(f"--shard {text}: must read K/N, with K from 1 to N (Slurm: --array=1-N)")
    return int(match[1]), int(match[2])


def outline(asked: Any, replications: int, share: str = "") -> str:
    """Which design over what, and how many runs."""
    kind = asked.design.kind.replace("_", " ")
    points = "1 point" if asked.number_of_points == 1 else f"{asked.number_of_points:,} points"
    over = f" over {', '.join(asked.targets)}" if asked.targets else ""
    return (
        f"{asked.name}: {kind}{over}; {points} x {replications:,} replications ="
        f" {asked.number_of_points * replications:,} runs{share} of {asked.months} months"
    )


def describe(asked: Any, part: tuple[int, int], workers: int) -> None:
    """How many runs, how long, how much."""
    from abm.support.messages import size
    from abm.sweeps.estimate import bytes_of, time_of

    which, shards = part
    share = f" (this shard: {(asked.number_of_runs - which + shards) // shards:,})" if shards > 1 else ""
    print(
        f"{outline(asked, asked.replications, share)}; {time_of(asked, workers, shards)},"
        f" at most {size(bytes_of(asked) / shards)}"
    )


def print_results(folder: Path) -> None:
    """What is in a folder of results: of what sweep, how much of it, what failed, how long it took, where the files are."""
    from abm.sweeps.results import open_sweep

    with as_mistake():
        results = open_sweep(folder)
        print(outline(results.sweep, int(results.manifest["replications"])))
        print(f"scenarios: {', '.join(results.sweep.stories)}; outcomes: {', '.join(results.outcomes)}")
        print_counts(results)
        sessions = results.sessions()
    print(f"{sum(one.get('seconds', 0) for one in sessions):.0f} seconds in {len(sessions)} session(s)")
    if results.manifest["accepted"]:
        changes = [line for one in results.manifest["accepted"] for line in one["changes"]]
        print(f"accepted on the way: {'; '.join(changes)}")
    print(
        f"files: {folder / 'spec.toml'}, manifest.json, design.parquet, parts/ (read: abm.open_sweep({str(folder)!r}))"
    )


def print_counts(results: Any) -> int:
    """Print runs by status, and the reasons of those that failed; returns their number."""
    counts = results.counts()
    by_status = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()) if number)
    print(f"{results.folder}: {by_status}")
    bad = results.failures()
    bad = bad[bad["status"] != "missing"]
    if len(bad):
        print("failures, with the first of their reasons (all: abm.open_sweep(folder).failures()):")
        for reason, some in bad.groupby("error"):
            first = some.iloc[0]
            where = f"first at point {first['point']}, seed {first['seed']}"
            print(f"  {len(some)} {first['status']}: {printable(str(reason))}; {where}")
        if set(bad["status"]) & {"failed", "crashed"}:
            print("--retry-failed does those that failed or crashed again")
    return len(bad)


def print_verdict(verdict: Any, rule: Any) -> None:
    unit = "" if rule.absolute else " of the mean"
    if verdict.enough is None:
        why = verdict.trouble or f"the widest interval is ± {verdict.widest[-1]:.3g}{unit}"
        print(f"not reached with {len(verdict.widest) - 1} replications: {why}")
        return
    print(
        f"{verdict.enough} replications are enough for ± {rule.half_width:g}{unit} at every point"
        f" (at {len(verdict.widest) - 1}: ± {verdict.widest[-1]:.3g})"
    )
    if verdict.left_out:
        print(f"left out: {verdict.left_out} runs without a number")


@contextlib.contextmanager
def cluster(address: str | None, workers: int) -> Iterator[Executor | None]:
    """The executor of a Dask cluster, or None."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise Mistake("--dask: Dask is not installed; pip install 'ai-market-abm[distributed]'") from None
    with contextlib.ExitStack() as stack:
        try:
            if address == "local":
                import dask as settings

                settings.config.set({"distributed.scheduler.allowed-failures": 0})  # we try again ourselves, run by run
                settings.config.set(
                    {"distributed.nanny.pre-spawn-environ.NPROC": 1}
                )  # a thread for each, as in `abm.support.workers`
                place: Any = stack.enter_context(
                    LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
                )
            else:
                place = address
            client = stack.enter_context(Client(place, timeout="10s"))
        except (OSError, ValueError, TypeError) as error:
            raise Mistake(f"--dask {address}: no scheduler answers there ({type(error).__name__})") from None
        yield client.get_executor()


def selftest(
    chaos: Annotated[bool, typer.Option("--chaos", help="Go through all failures (about three minutes).")] = False,
) -> None:
    """Try on this machine whether sweeps survive what can happen to them."""
    if not chaos:
        raise Mistake(
            "selftest: say --chaos; a small sweep then goes through every failure, which takes about three minutes"
        )
    from abm.sweeps.selftest import TRIALS, trials

    table = Table(box=None, pad_edge=False)
    for heading in ("what happened", "survived", "seconds", "how it ended"):
        table.add_column(heading, overflow="fold")
    bad = 0
    console = Console(stderr=True)
    with interruptible("nothing was kept"), console.status("starting", spinner="line") as shown:
        for trial in trials(lambda name: shown.update(f"{name} (one of {len(TRIALS)})")):
            bad += not trial.ok
            table.add_row(trial.name, "yes" if trial.ok else "NO", f"{trial.seconds:.0f}", escape(trial.said))
    Console().print(table)
    print(f"{len(TRIALS) - bad} of {len(TRIALS)} survived")
    if bad:
        raise typer.Exit(1)
