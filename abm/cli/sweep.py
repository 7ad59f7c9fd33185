"""`abm sweep` and `abm selftest`: batches of runs, and a check that they survive failures."""

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

from abm.cli.mistakes import Mistake, as_mistake, check_writable, message_of, writable
from abm.cli.progress import RESUME, bar, interruptible, stopped
from abm.support.messages import printable


def sweep(
    spec: Annotated[
        Path | None, typer.Argument(help="TOML file that describes the sweep.", metavar="SPEC.toml")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the results (default: output/NAME); existing runs there are reused."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the number of runs, how many exist and the estimated time, then exit."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Require an existing results folder (resuming is automatic anyway).")
    ] = False,
    show: Annotated[
        Path | None, typer.Option("--show", metavar="FOLDER", help="Summarize a results folder, then exit.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Worker processes (default: one per core; on an accelerator 1)."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address of a Dask scheduler (tcp://...), or `local` for a cluster on this machine."
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Do only share K of N: every Nth run (for job arrays).")
    ] = None,
    chunk: Annotated[int | None, typer.Option(metavar="N", min=1, help="Runs computed and saved together.")] = None,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="Continue although the sweep, the model or a package changed; this is recorded."
        ),
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Re-run failed or crashed runs.")] = False,
    until_ci: Annotated[
        float | None,
        typer.Option(
            help="Add replications until the half-width of 95 % intervals is at most this share of the mean.",
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --until-ci: outcome or observable to judge.")
    ] = None,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="With --until-ci: half-width in the outcome's own unit.")
    ] = False,
    minimum: Annotated[
        int | None, typer.Option(help="With --until-ci: minimum number of replications (default: 8).")
    ] = None,
    maximum: Annotated[
        int | None, typer.Option(help="With --until-ci: maximum number of replications (default: 1000).")
    ] = None,
    look_ahead: Annotated[
        int | None,
        typer.Option(help="With --until-ci: further replications that must also meet the target (default: 5)."),
    ] = None,
) -> None:
    """Run a parameter sweep: a batch of settings and seeds. Finished runs are never repeated.

    An interrupted sweep resumes when the same command is run again.

    Exit codes: 0 success; 1 a run failed or --until-ci was not reached;
    2 invalid input or unwritable disk; 130 interrupted (Ctrl-C).
    """
    from abm.sweeps.injected_failures import InjectedFailures
    from abm.sweeps.spec import Sweep

    if show is not None:
        if spec is not None:
            raise Mistake("--show FOLDER: cannot be combined with SPEC.toml")
        return print_results(show)
    if spec is None:
        raise Mistake("give the SPEC.toml to run, or --show FOLDER")
    part = shard_of(shard)
    limits = {"minimum": minimum, "maximum": maximum, "look_ahead": look_ahead}
    with as_mistake():
        loaded = Sweep.load(spec)
        InjectedFailures.wanted()
        rule = rule_of(loaded, until_ci, of, absolute, part, {k: v for k, v in limits.items() if v is not None})
    if dask and workers and dask != "local":
        raise Mistake("--workers: cannot be combined with --dask tcp://..., whose cluster has its own workers")
    from abm.support.workers import usual_workers

    number = workers or usual_workers()
    folder = out or Path("output") / loaded.name
    if resume and not (folder / "manifest.json").is_file():
        raise Mistake(f"--resume: {folder} contains no sweep; leave out --resume to start one")
    describe(loaded, part, number)
    if dry_run:
        check_writable(folder)
        return print_plan(loaded, folder, part, accept_changes, retry_failed)
    options = dict(chunk=chunk, accept_changes=accept_changes, retry_failed=retry_failed)
    execute(loaded, writable(folder), part, rule, number, dask, options)


def rule_of(
    sweep: Any, until_ci: float | None, of: str | None, absolute: bool, part: tuple[int, int], limits: dict[str, int]
) -> Any:
    """Stopping rule given by the options, or None."""
    from abm.sweeps.stopping import Rule, column

    if until_ci is None:
        if of is not None or absolute or limits:
            raise Mistake("--of, --absolute, --minimum, --maximum and --look-ahead require --until-ci")
        return None
    if of is None:
        raise Mistake("--until-ci: needs --of OUTCOME")
    if part != (1, 1):
        raise Mistake("--until-ci: judges all runs together and cannot be combined with --shard")
    if sweep.seeds:
        raise Mistake("--until-ci: adds replications; set replications and seed in the sweep instead of seeds")
    rule = Rule(of, until_ci, absolute, **limits)
    column(sweep, of)
    return rule


def print_plan(sweep: Any, folder: Path, part: tuple[int, int], accept_changes: bool, retry_failed: bool) -> None:
    """Print how many runs the folder already contains and how many are left."""
    from abm.sweeps import parts, store
    from abm.sweeps.plan import Plan
    from abm.sweeps.run import RETRIED

    plan = Plan.of(sweep)
    with as_mistake():
        changes = store.differences(folder, plan)
    if changes and not accept_changes:
        raise Mistake(str(store.Changed(folder, changes)))
    if changes:
        print(f"would be accepted and recorded: {'; '.join(changes)}")
    damaged: list[parts.Damaged] = []
    done = parts.finished(folder, sweep, RETRIED if retry_failed else (), damaged, thorough=True)
    for error in damaged:
        print(error)
    wanted = {run.id for run in plan.runs(part)}
    print(f"{folder}: {len(wanted & done):,} runs exist, {len(wanted - done):,} to do")


def execute(
    sweep: Any, folder: Path, part: tuple[int, int], rule: Any, number: int, dask: str | None, options: dict[str, Any]
) -> None:
    """Run the sweep and exit with code 1 if a run failed or the stopping rule was not met."""
    failed, verdict = carry_out(sweep, folder, part, rule, number, dask, options)
    if verdict is not None:
        print_verdict(verdict, rule)
    if failed or (verdict is not None and verdict.enough is None):
        raise typer.Exit(1)


def carry_out(
    sweep: Any,
    folder: Path,
    part: tuple[int, int] = (1, 1),
    rule: Any = None,
    number: int = 1,
    dask: str | None = None,
    options: dict[str, Any] | None = None,
    temporary: bool = False,
) -> tuple[int, Any]:
    """Run a sweep with a progress bar and print a summary; returns the number of bad runs and the rule's verdict or None.

    A `temporary` folder is deleted after the command, so messages do not suggest resuming from it.
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

    def saved(then: str) -> str:
        if temporary:
            return "nothing was saved; give --out to save runs"
        return f"{len(finished(folder, sweep))} runs are saved in {folder}; {then}"

    try:
        with cluster(dask, number) as executor, bar() as (progress, _):
            options = {**(options or {}), "workers": number, "executor": executor}
            before = now = 0

            def step(done: int, total: int, failed: int, seconds: float) -> None:
                nonlocal before, now
                before, now = before if seconds else done, done  # a new round starts at 0 seconds
                progress(pace(done, total, failed, done - before, seconds), done, total)

            if rule:
                tally, verdict = run_until(sweep, folder, rule, step, **options)
            else:
                tally, verdict = run_sweep(sweep, folder, shard=part, progress=step, **options), None
            results = open_sweep(folder)
    except KeyboardInterrupt:
        raise stopped(f"stopped; {saved(RESUME)}") from None
    except (Changed, Damaged, Linked, Broken) as error:
        raise Mistake(str(error)) from None
    except FileNotFoundError as error:
        if (folder / "manifest.json").exists() and (folder / "parts").is_dir():
            raise Mistake(message_of(error)) from None
        raise Mistake(
            f"{folder}: was deleted, renamed or emptied during the sweep, and {now:,} finished runs are lost;"
            " run the same command again to start over"
        ) from None
    except OSError as error:
        if error.filename is None and not error.errno:
            raise
        raise Mistake(
            f"{error.filename or folder}: cannot be written ({error.strerror});"
            f" {saved(f'free disk space and {RESUME}')}"
        ) from None
    if tally.accepted:
        print(f"accepted and recorded: {'; '.join(tally.accepted)}")
    done = sum(tally.counts.values())
    for line in tally.damaged:
        print(f"set aside as *.damaged, and its runs repeated: {line.partition(';')[0]}")
    print(f"{done:,} runs in {tally.seconds:.0f} seconds, {tally.before:,} existed already")
    return print_counts(results), verdict


def pace(done: int, total: int, failed: int, recent: int, seconds: float) -> str:
    """Progress, runs per second, and failures among the runs of this session."""
    rate = f", {recent / seconds:.1f} per second" if recent and seconds else ""
    return f"{done:,} of {total:,} runs{rate}, {failed:,} of {recent:,} failed"


def shard_of(text: str | None) -> tuple[int, int]:
    """Parse `K/N`; None means the whole sweep, (1, 1)."""
    if text is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise Mistake(f"--shard {text}: must have the form K/N, with K from 1 to N (Slurm: --array=1-N)")
    return int(match[1]), int(match[2])


def outline(sweep: Any, replications: int, share: str = "") -> str:
    """One line with the design, its targets and the number of runs."""
    kind = sweep.design.kind.replace("_", " ")
    points = "1 point" if sweep.number_of_points == 1 else f"{sweep.number_of_points:,} points"
    over = f" over {', '.join(sweep.targets)}" if sweep.targets else ""
    return (
        f"{sweep.name}: {kind}{over}; {points} x {replications:,} replications ="
        f" {sweep.number_of_points * replications:,} runs{share} of {sweep.months} months"
    )


def describe(sweep: Any, part: tuple[int, int], workers: int) -> None:
    """Print the number of runs, the estimated time and the disk space."""
    from abm.support.messages import size
    from abm.sweeps.estimate import bytes_of, time_of

    which, shards = part
    together = sweep.number_of_points if sweep.branch_at else 1  # branches of a replication are in one shard
    number = (sweep.number_of_runs // together - which + shards) // shards * together
    share = f" (this shard: {number:,})" if shards > 1 else ""
    print(
        f"{outline(sweep, sweep.replications, share)}; {time_of(sweep, workers, shards)},"
        f" at most {size(bytes_of(sweep) / shards)}"
    )


def print_results(folder: Path) -> None:
    """Summarize a results folder: the sweep, its runs by status, failures, time taken and files."""
    from abm.sweeps.results import open_sweep

    with as_mistake():
        results = open_sweep(folder)
        print(outline(results.sweep, int(results.manifest["replications"])))
        print(f"scenarios: {', '.join(results.sweep.scenarios_by_name)}; outcomes: {', '.join(results.outcomes)}")
        print_counts(results)
        sessions = results.sessions()
    print(f"{sum(session.get('seconds', 0) for session in sessions):.0f} seconds in {len(sessions)} session(s)")
    if results.manifest["accepted"]:
        changes = [line for accepted in results.manifest["accepted"] for line in accepted["changes"]]
        print(f"accepted changes: {'; '.join(changes)}")
    print(
        f"files: {folder / 'spec.toml'}, manifest.json, design.parquet, parts/"
        f" (read with abm.open_sweep({str(folder)!r}))"
    )


def print_counts(results: Any) -> int:
    """Print the runs by status and the reasons of failures; returns the number of failures."""
    counts = results.counts()
    by_status = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()) if number)
    print(f"{results.folder}: {by_status}")
    failures = results.failures()
    failures = failures[failures["status"] != "missing"]
    if len(failures):
        print("failures by reason (complete list: abm.open_sweep(folder).failures()):")
        for reason, group in failures.groupby("error"):
            first = group.iloc[0]
            where = f"first at point {first['point']}, seed {first['seed']}"
            print(f"  {len(group)} {first['status']}: {printable(str(reason))}; {where}")
        if set(failures["status"]) & {"failed", "crashed"}:
            print("--retry-failed re-runs failed and crashed runs")
    return len(failures)


def print_verdict(verdict: Any, rule: Any) -> None:
    """Print whether the stopping rule was met, and with how many replications."""
    unit = "" if rule.absolute else " of the mean"
    if verdict.enough is None:
        reason = verdict.trouble or f"the widest interval is ± {verdict.widest[-1]:.3g}{unit}"
        print(f"not reached with {len(verdict.widest) - 1} replications: {reason}")
        return
    print(
        f"{verdict.enough} replications are enough for ± {rule.half_width:g}{unit} at every point"
        f" (at {len(verdict.widest) - 1}: ± {verdict.widest[-1]:.3g})"
    )
    if verdict.left_out:
        print(f"left out: {verdict.left_out} runs without a finite outcome")


@contextlib.contextmanager
def cluster(address: str | None, workers: int) -> Iterator[Executor | None]:
    """Yield the executor of a Dask cluster, or None without an address."""
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

                settings.config.set({"distributed.scheduler.allowed-failures": 0})  # `run_sweep` retries, run by run
                settings.config.set(
                    {"distributed.nanny.pre-spawn-environ.NPROC": 1}
                )  # one thread per worker, as in `abm.support.workers`
                scheduler: Any = stack.enter_context(
                    LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
                )
            else:
                scheduler = address
            client = stack.enter_context(Client(scheduler, timeout="10s"))
        except (OSError, ValueError, TypeError) as error:
            raise Mistake(f"--dask {address}: no scheduler answers there ({type(error).__name__})") from None
        yield client.get_executor()


def selftest(
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Inject every kind of failure into a small sweep (about three minutes).")
    ] = False,
) -> None:
    """Check on this machine that sweeps survive crashes, kills, full disks and other failures (with --chaos)."""
    if not chaos:
        raise Mistake("selftest: give --chaos to inject every kind of failure into a small sweep (about three minutes)")
    from abm.sweeps.selftest import TRIALS, trials

    table = Table(box=None, pad_edge=False)
    for heading in ("failure", "survived", "seconds", "result"):
        table.add_column(heading, overflow="fold")
    failed = 0
    console = Console(stderr=True)
    with interruptible("nothing was saved"), console.status("starting", spinner="line") as status:
        for trial in trials(lambda name: status.update(f"{name} (one of {len(TRIALS)})")):
            failed += not trial.ok
            table.add_row(trial.name, "yes" if trial.ok else "NO", f"{trial.seconds:.0f}", escape(trial.said))
    Console().print(table)
    print(f"{len(TRIALS) - failed} of {len(TRIALS)} survived")
    if failed:
        raise typer.Exit(1)
