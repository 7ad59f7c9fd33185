"""`abm reproduce`, `abm replay`, `abm new-experiment` and `abm export`: run, verify, create and archive experiments."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from abm.cli.mistakes import Mistake, as_mistake, complain, message_of, writable
from abm.cli.progress import RESUME, bar, stopped
from abm.support.files import refuse_links
from abm.support.messages import nearest
from abm.support.workers import Broken, patience


def parse_folder(text: str) -> Path:
    """Parse a folder option; an empty one is rejected."""
    if not text.strip():
        raise typer.BadParameter("is empty; give the name of a folder")
    return Path(text)


Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", parser=parse_folder, metavar="FOLDER", help="Folder for the results; created if missing."
    ),
]
SegmentsFile = Annotated[
    Path | None,
    typer.Option("--segments", metavar="FILE", help="Your own adopters, one per row: a CSV or Parquet file."),
]
ALL = "all"


def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="An experiment (name, number or folder), `all` experiments, or `r1_shock`; see `abm list`."
        ),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer runs: the same outputs with wider intervals.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare an experiment with its committed numbers; exit code 1 on differences."),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Store the results as the experiment's committed numbers and update READMEs."),
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, max=1_000_000, help="Number of paired seeds (r1_shock only)."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Worker processes (default: 1, with threads; for r1_shock one per core)."
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Run an experiment or the R1 shock from start to finish: simulations, figures, tables, verdict and report.

    Results go to output/NAME, or output/NAME_quick with --quick. Finished
    runs are saved there and reused.
    """
    from abm.experiments.load import find, folders, root
    from abm.experiments.reproductions import REPRODUCTIONS

    if name in REPRODUCTIONS:
        if check or accept:
            raise Mistake(
                f"--check and --accept are for experiments; {name} is checked against tests/baseline.json by `make test`"
            )
        return reproduce_shock(name, quick, seeds, workers, out)
    if check and accept:
        raise Mistake("--check compares with the committed numbers and --accept replaces them: give only one of them")
    if seeds:
        raise Mistake("--seeds is for r1_shock; an experiment's replications are set in its experiment.toml")
    if name == ALL:
        chosen = folders()
        if not chosen:
            raise Mistake(f"{root()}: contains no experiments; run this in a checkout, or give the folder of one")
        if out:
            out = writable(out)
    else:
        folder = find(name)
        if folder is None:
            known = [*REPRODUCTIONS, ALL, *(path.name for path in folders())]
            near = nearest(name, known + [word.partition("_")[2] for word in known])
            raise Mistake(f"no reproduction or experiment {name!r}{near}; `abm list` shows all of them")
        chosen = [folder]
    reproduce_experiments(chosen, quick, check, accept, workers, out, everything=name == ALL)


def reproduce_experiments(
    folders: list[Path], quick: bool, check: bool, accept: bool, workers: int | None, out: Path | None, everything: bool
) -> None:
    """Run experiments one after another; errors in any of their files are reported before the first run."""
    from abm.experiments.load import load
    from abm.experiments.reproductions import FOLDER
    from abm.experiments.spec import ExperimentError

    loaded, problems = [], []
    for folder in folders:
        try:
            loaded.append(load(folder))
        except ExperimentError as error:
            problems += list(error.problems)
    if problems:
        raise Mistake("\n".join(problems))
    numbers = [experiment.number for experiment in loaded]
    if duplicates := [str(experiment.folder) for experiment in loaded if numbers.count(experiment.number) > 1]:
        raise Mistake(f"{', '.join(duplicates)}: have the same number; renumber one of them")
    from abm.experiments import frozen, reference, report
    from abm.experiments.carry_out import run_experiment
    from abm.experiments.statistics import STATISTICS

    with as_mistake(ImportError):
        for name in dict.fromkeys(test.statistic for experiment in loaded for test in experiment.test):
            STATISTICS[name].installed()
    if check or accept:
        with as_mistake(ImportError):  # report an invalid reference file before anything runs
            for experiment in loaded:
                references = {is_quick: reference.load(experiment, is_quick) for is_quick in (True, False)}
                if check and references[quick] is None:
                    raise Mistake(
                        f"{reference.path_of(experiment, quick)}: no reference to check against; --accept creates one"
                    )

    base = writable((out if everything else out.parent if out else None) or FOLDER)
    drifted: list[str] = []
    done = []
    for experiment in loaded:
        folder = out if out and not everything else base / f"{experiment.name}{'_quick' if quick else ''}"
        with as_mistake():
            refuse_links(base, *([folder.name] if everything else []))
        writable(folder)
        try:
            with bar() as (progress, _):
                run = run_experiment(experiment, folder, quick, progress, workers or 1)
        except KeyboardInterrupt:
            raise stopped(f"stopped; finished runs are saved in {folder / 'runs'}; {RESUME}") from None
        except (RuntimeError, OSError, ValueError) as error:  # figures, every run failed, a damaged or full folder
            raise Mistake(message_of(error)) from None
        done.append(run)
        print(f"{experiment.number:>2}. {experiment.title}: {run.verdict.says}")
        print(f"    {report.deciding_text(experiment, run.result)}")
        failed = f", {run.result['failed']} of {run.result['runs']} runs failed" if run.result["failed"] else ""
        print(f"    {len(run.files)} files, {folder / 'report.html'}  ({run.seconds:.0f} s{failed})")
        if accept:
            reference.keep(experiment, run.result, quick)
            if experiment.predictions and not quick:
                print(f"    {frozen.keep(experiment, run.runs)}")
        if check:
            with as_mistake(ImportError):
                drifted += reference.drift(experiment, run.result, quick)
    if everything:
        print(f"index:    {report.index([(run.experiment, run.result) for run in done], base, quick)}")
    if accept:
        fill_pages(loaded)
    if check:
        for line in drifted:
            print(f"drift: {line}")
        experiments = "1 experiment" if len(done) == 1 else f"{len(done)} experiments"
        differences = "1 difference" if len(drifted) == 1 else f"{len(drifted)} differences"
        print(f"{experiments} checked, {differences} from the committed numbers")
        if drifted:
            raise typer.Exit(1)


def fill_pages(experiments: list[Any]) -> None:
    """Update the README of each experiment, and the overview table in the README of the folder that holds them."""
    from abm.experiments import pages
    from abm.experiments.load import folders, load

    for experiment in experiments:
        print(pages.readme(experiment))
    bases = {experiment.folder.parent for experiment in experiments}
    for base in bases:
        if (base / "README.md").exists():
            print(pages.overview([load(folder) for folder in folders(base)], base))


def reproduce_shock(name: str, quick: bool, seeds: int | None, workers: int | None, out: Path | None) -> None:
    """Simulate the effects of the release of R1 and compare them with the sources; exit code 1 if a run failed."""
    from abm.experiments.manifest import FILES
    from abm.experiments.reproductions import FOLDER, REPRODUCTIONS
    from abm.sweeps.incomplete import IncompleteRuns
    from abm.sweeps.parts import Damaged

    reproduction = REPRODUCTIONS[name]
    count = seeds or (reproduction.quick_seeds if quick else reproduction.seeds)
    with as_mistake():
        patience()
    folder = writable(out or FOLDER / (f"{name}_quick" if quick else name))
    with as_mistake():
        refuse_links(folder, *FILES)
    try:
        with bar() as (progress, _):
            result = reproduction.run(folder, range(count), quick, progress, workers)
    except KeyboardInterrupt:
        raise stopped(f"stopped; finished runs are saved in {folder / 'runs'}; {RESUME}") from None
    except BrokenExecutor:
        raise Mistake(
            "a worker process was killed from outside (out of memory?); finished work is saved in"
            f" {folder / 'runs'}: {RESUME}, with fewer --workers"
        ) from None
    except IncompleteRuns as error:
        complain(f"{name}: {error}")
        raise typer.Exit(1) from None
    except (Broken, Damaged) as error:
        raise Mistake(str(error)) from None
    for line in result.headlines:
        print(line, end="\n\n")
    for kind in ("figures", "tables"):
        print(f"{kind + ':':<10}{result.folder / kind}  ({sum(f.parent.name == kind for f in result.files)} files)")
    print(f"{'report:':<10}{result.report}")
    print(f"{result.seconds:.0f} seconds, {count} seeds{' (quick)' if quick else ''}")


def replay(
    result: Annotated[Path, typer.Argument(help="Results folder of an experiment, r1_shock or a sweep.")],
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Re-run only N replications per point (default: all).")
    ] = None,
) -> None:
    """Re-run a stored result and check that every number matches; exit code 1 if one differs."""
    from abm.experiments.replay import Differs, Unplayable, manifest_of, replay_result

    try:
        manifest_of(result)
        with bar() as (progress, _):
            agreement = replay_result(result, sample, progress)
    except Unplayable as error:
        raise Mistake(str(error)) from None
    except Differs as difference:
        print(f"differs: {difference}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise stopped("stopped; the stored result is unchanged") from None
    print(agreement)


def new_experiment(
    name: Annotated[str, typer.Argument(help="Name of the experiment: letters, digits and underscores.")],
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder to create it in (default: experiments/ here).")
    ] = None,
) -> None:
    """Create the folder of a new experiment, ready to run with `abm reproduce NAME --quick`."""
    from abm.experiments.scaffold import scaffold

    with as_mistake(ImportError):
        path = scaffold(name, into or Path("experiments"))
    print(path)
    print(f"ready to run: abm reproduce {path.parent} --quick")


def export(
    result: Annotated[Path, typer.Argument(help="Results folder of an experiment or of r1_shock.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The .zip file to write (default: RESULT.crate.zip).")
    ] = None,
) -> None:
    """Pack a stored result as an RO-Crate: a .zip with metadata that archives such as Zenodo can read."""
    from abm.experiments.crate import pack

    target = out or result.with_name(f"{result.name}.crate.zip")
    writable(target.absolute().parent)
    with as_mistake(ImportError):
        print(pack(result, target))
