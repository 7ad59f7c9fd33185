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

from abm.cli_input import Mistake, plainly, writable


def sweep(
    spec: Annotated[Path, typer.Argument(help="TOML file of the sweep.", metavar="SPEC.toml")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results; else output/NAME. Runs kept there count."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; else as many as there are cores.")] = None,
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
    minimum: Annotated[int, typer.Option(help="With --until-ci: least replications.")] = 8,
    maximum: Annotated[int, typer.Option(help="With --until-ci: most replications.")] = 1_000,
    look_ahead: Annotated[int, typer.Option(help="With --until-ci: replications for which it must stay so.")] = 5,
) -> None:
    """Run a batch of settings and seeds; what is done already is not done again."""
    from abm.sweeps.spec import Sweep
    from abm.sweeps.stopping import Rule, column

    part = shard_of(shard)
    with plainly():
        asked = Sweep.load(spec)
        rule = None
        if until_ci is not None:
            if of is None:
                raise Mistake("--until-ci: say of what, with --of OUTCOME")
            if part != (1, 1):
                raise Mistake("--until-ci: judges all runs together and cannot be sharded")
            rule = Rule(of, until_ci, absolute, minimum=minimum, maximum=maximum, look_ahead=look_ahead)
            column(asked, of)
        elif of is not None or absolute:
            raise Mistake("--of and --absolute go with --until-ci")
    if dask and workers and dask != "local":
        raise Mistake("--workers: the cluster at --dask has its own")
    from abm.workers import processors

    number = workers or processors()
    describe(asked, part, number)
    if dry_run:
        return
    folder = writable(out or Path("output") / asked.name)
    execute(
        asked,
        folder,
        part,
        rule,
        number,
        dask,
        dict(chunk=chunk, accept_changes=accept_changes, retry_failed=retry_failed),
    )


def execute(
    asked: Any, folder: Path, part: tuple[int, int], rule: Any, number: int, dask: str | None, options: dict[str, Any]
) -> None:
    from abm.cli import bar, stopped
    from abm.sweeps.run import Broken, run_sweep
    from abm.sweeps.stopping import run_until
    from abm.sweeps.store import Changed, finished

    def kept() -> str:
        return f"{len(finished(folder, bool(asked.kept_months)))} runs are kept in {folder}"

    try:
        with cluster(dask, number) as executor, bar() as (progress, _):
            options |= {"workers": number, "executor": executor}

            def step(done: int, total: int, failed: int, seconds: float) -> None:
                trouble = f", {failed} failed" if failed else ""
                progress(f"{done} of {total} runs{trouble}", done, total)

            if rule:
                tally, verdict = run_until(asked, folder, rule, step, **options)
            else:
                tally, verdict = run_sweep(asked, folder, shard=part, progress=step, **options), None
    except KeyboardInterrupt:
        raise stopped(f"stopped; {kept()}; run it again to go on") from None
    except Changed as changed:
        raise Mistake(str(changed)) from None
    except Broken as broken:
        raise Mistake(str(broken)) from None
    except OSError as error:
        if error.filename is None and not error.errno:
            raise
        raise Mistake(
            f"{error.filename or folder}: cannot be written ({error.strerror}); {kept()}; make room and run it again to go on"
        ) from None
    summary(tally, folder)
    if verdict is not None:
        judged(verdict, rule)


def shard_of(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise Mistake(f"--shard {text}: must read K/N, with K from 1 to N (Slurm: --array=1-N)")
    return int(match[1]), int(match[2])


def describe(asked: Any, part: tuple[int, int], workers: int) -> None:
    """How many runs, how long, how much."""
    from abm.sweeps.estimate import bytes_of, duration, seconds_of, size

    seconds = seconds_of(asked, workers * part[1])
    share = f" (this shard: {asked.number_of_runs // part[1]:,})" if part[1] > 1 else ""
    kind = asked.design.kind.replace("_", " ")
    print(
        f"{asked.name}: {kind} of {len(asked.targets)} factor{'s' * (len(asked.targets) != 1)},"
        f" {asked.number_of_points:,} points x {asked.replications:,} replications = {asked.number_of_runs:,} runs{share}"
        f" of {asked.months} months; about {duration(seconds)} with {workers} worker{'s' * (workers > 1)},"
        f" at most {size(bytes_of(asked) / part[1])}"
    )


def summary(tally: Any, folder: Path) -> None:
    from abm.sweeps.results import open_sweep

    if tally.accepted:
        print(f"accepted and recorded: {'; '.join(tally.accepted)}")
    done = sum(tally.counts.values())
    print(f"{done:,} runs in {tally.seconds:.0f} seconds, {tally.before:,} were there already")
    results = open_sweep(folder)
    counts = results.counts()
    said = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()) if number)
    print(f"{folder}: {said}")
    bad = results.failures()
    bad = bad[bad["status"] != "missing"]
    if len(bad):
        print("failures, with the first of their reasons (all: abm.open_sweep(folder).failures()):")
        for reason, some in bad.groupby("error"):
            first = some.iloc[0]
            print(f"  {len(some)} {first['status']}: {reason}; first at point {first['point']}, seed {first['seed']}")


def judged(verdict: Any, rule: Any) -> None:
    unit = "" if rule.absolute else " of the mean"
    if verdict.enough is None:
        print(
            f"not reached with {len(verdict.widest) - 1} replications: the widest interval is ± {verdict.widest[-1]:.3g}{unit}"
        )
        raise typer.Exit(1)
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
    chaos: Annotated[bool, typer.Option("--chaos", help="Go through all failures (a minute or two).")] = False,
) -> None:
    """Try on this machine whether sweeps survive what can happen to them."""
    if not chaos:
        raise Mistake("selftest: say --chaos; a small sweep then goes through every failure, which takes some minutes")
    from abm.cli import interruptible
    from abm.sweeps.selftest import TRIALS, trials

    table = Table(box=None, pad_edge=False)
    for heading in ("what happened", "survived", "seconds", "how it ended"):
        table.add_column(heading, overflow="fold")
    bad = 0
    console = Console(stderr=True)
    with interruptible("nothing was kept"), console.status("starting") as shown:
        for trial in trials(lambda name: shown.update(f"{name} (one of {len(TRIALS)})")):
            bad += not trial.ok
            table.add_row(trial.name, "yes" if trial.ok else "NO", f"{trial.seconds:.0f}", escape(trial.said))
    Console().print(table)
    print(f"{len(TRIALS) - bad} of {len(TRIALS)} survived")
    if bad:
        raise typer.Exit(1)
