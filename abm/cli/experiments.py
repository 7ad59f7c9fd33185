"""The commands around experiments: reproduce, replay, new-experiment, export."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from abm.cli.mistakes import Mistake, as_mistake, as_words, writable
from abm.cli.progress import bar, stopped
from abm.support.files import refuse_links
from abm.support.messages import nearest
from abm.support.workers import Broken, patience


def folder(text: str) -> Path:
    """The folder of an option."""
    if not text.strip():
        raise typer.BadParameter("is empty; give the name of a folder")
    return Path(text)


Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", parser=folder, metavar="FOLDER", help="Folder for the results; made if it is not there."
    ),
]
ALL = "all"


def reproduce(
    name: Annotated[
        str,
        typer.Argument(help="An experiment (name, number or folder), `all` of them, or `r1_shock`; see `abm list`."),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer runs: same outputs, wide intervals.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the committed numbers of experiments; exit code 1 on drift.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Keep what came out as the committed numbers, and fill the READMEs.")
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(min=2, max=1_000_000, help="r1_shock: number of paired seeds instead of the usual one."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the work; else threads of one (r1_shock: all there are)."),
    ] = None,
    out: Out = None,
) -> None:
    """Do a named piece of work from runs to figures, tables, a verdict and a report.

    Results go to output/NAME (with --quick to output/NAME_quick). Runs that are finished are kept there and used again.
    """
    from abm.experiments.load import find, folders, root
    from abm.experiments.reproductions import REPRODUCTIONS

    if name in REPRODUCTIONS:
        if check or accept:
            raise Mistake(
                f"--check and --accept go with experiments; {name} is held by tests/baseline.json (`make test`)"
            )
        return shock(name, quick, seeds, workers, out)
    if check and accept:
        raise Mistake("--check compares with the committed numbers and --accept replaces them: give one of the two")
    if seeds:
        raise Mistake("--seeds goes with r1_shock; an experiment's replications are in its experiment.toml")
    if name == ALL:
        chosen = folders()
        if not chosen:
            raise Mistake(f"{root()}: no experiments are there; run this in a checkout, or name the folder of one")
        if out:
            out = writable(out)
    else:
        folder = find(name)
        if folder is None:
            known = [*REPRODUCTIONS, ALL, *(each.name for each in folders())]
            near = nearest(name, known + [each.partition("_")[2] for each in known])
            raise Mistake(f"no reproduction or experiment {name!r}{near}; `abm list` has them all")
        chosen = [folder]
    experiments(chosen, quick, check, accept, workers, out, everything=name == ALL)


def experiments(
    folders: list[Path], quick: bool, check: bool, accept: bool, workers: int | None, out: Path | None, everything: bool
) -> None:
    """Experiments one after the other; what is wrong in any file is said before anything runs."""
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
    numbers = [one.number for one in loaded]
    if twice := [one for one in loaded if numbers.count(one.number) > 1]:
        raise Mistake(f"{', '.join(str(one.folder) for one in twice)}: have the same number; give one of them another")
    from abm.experiments import frozen, reference, report
    from abm.experiments.carry_out import run_experiment
    from abm.experiments.special import STATISTICS

    with as_mistake(ImportError):
        for name in dict.fromkeys(test.statistic for each in loaded for test in each.test):
            STATISTICS[name].installed()
    if check or accept:
        with as_mistake(ImportError):  # a file that is no reference is told before anything runs
            for each in loaded:
                stored = {which: reference.load(each, which) for which in (True, False)}
                if check and stored[quick] is None:
                    raise Mistake(
                        f"{reference.path_of(each, quick)}: there is no reference to check; --accept makes one"
                    )

    base = writable((out if everything else out.parent if out else None) or FOLDER)
    drifted: list[str] = []
    done = []
    for experiment in loaded:
        place = out if out and not everything else base / f"{experiment.name}{'_quick' if quick else ''}"
        with as_mistake():
            refuse_links(base, *([place.name] if everything else []))
        writable(place)
        try:
            with bar() as (progress, _):
                one = run_experiment(experiment, place, quick, progress, workers or 1)
        except KeyboardInterrupt:
            raise stopped(f"stopped; finished runs are kept in {place / 'runs'}; run it again to go on") from None
        except (RuntimeError, OSError, ValueError) as error:  # figures, every run failed, a damaged or full folder
            raise Mistake(as_words(error)) from None
        done.append(one)
        print(f"{experiment.number:>2}. {experiment.title}: {one.verdict.says}")
        print(f"    {report.deciding_text(experiment, one.result)}")
        failed = f", {one.result['failed']} of {one.result['runs']} runs failed" if one.result["failed"] else ""
        print(f"    {len(one.files)} files, {place / 'report.html'}  ({one.seconds:.0f} s{failed})")
        if accept:
            reference.keep(experiment, one.result, quick)
            if experiment.predictions and not quick:
                print(f"    {frozen.keep(experiment, one.runs)}")
        if check:
            with as_mistake(ImportError):
                drifted += reference.drift(experiment, one.result, quick)
    if everything:
        print(f"index:    {report.index([(one.experiment, one.result) for one in done], base, quick)}")
    if accept:
        fill_pages(loaded)
    if check:
        for line in drifted:
            print(f"drift: {line}")
        word = "experiment" if len(done) == 1 else "experiments"
        print(f"{len(done)} {word} checked, {len(drifted)} differences{'' if drifted else ': as committed'}")
        if drifted:
            raise typer.Exit(1)


def fill_pages(experiments: list[Any]) -> None:
    """READMEs of the experiments, and the table of all of them where they stand in one folder."""
    from abm.experiments import pages
    from abm.experiments.load import folders, load

    for experiment in experiments:
        print(pages.readme(experiment))
    bases = {experiment.folder.parent for experiment in experiments}
    for base in bases:
        if (base / "README.md").exists():
            print(pages.overview([load(folder) for folder in folders(base)], base))


def shock(name: str, quick: bool, seeds: int | None, workers: int | None, out: Path | None) -> None:
    """What the release of R1 did, simulated and compared with the sources."""
    from abm.experiments.manifest import FILES
    from abm.experiments.reproductions import FOLDER, REPRODUCTIONS, Stopped

    work = REPRODUCTIONS[name]
    count = seeds or (work.quick_seeds if quick else work.seeds)
    with as_mistake():
        patience()
    folder = writable(out or FOLDER / (f"{name}_quick" if quick else name))
    with as_mistake():
        refuse_links(folder, *FILES)
    try:
        with bar() as (progress, _):
            outcome = work.run(folder, range(count), quick, progress, workers)
    except Stopped as stop:
        kept = f"kept {', '.join(stop.kept)} in {stop.folder}" if stop.kept else "no ensemble was finished"
        raise stopped(f"stopped; {kept}; run it again to go on") from None
    except KeyboardInterrupt:
        raise stopped(f"stopped; all runs are kept in {folder / 'runs'}; run it again to go on") from None
    except BrokenExecutor:
        raise Mistake(
            "a worker process was ended from outside (is there too little memory?); what is finished is kept in"
            f" {folder / 'runs'}: run it again to go on, with fewer --workers"
        ) from None
    except Broken as fault:
        raise Mistake(str(fault)) from None
    for line in outcome.headlines:
        print(line, end="\n\n")
    for kind in ("figures", "tables"):
        print(f"{kind + ':':<10}{outcome.folder / kind}  ({sum(f.parent.name == kind for f in outcome.files)} files)")
    print(f"{'report:':<10}{outcome.report}")
    print(f"{outcome.seconds:.0f} seconds, {count} seeds{' (quick)' if quick else ''}")


def replay(
    result: Annotated[Path, typer.Argument(help="Folder of a stored result: of an experiment, r1_shock or a sweep.")],
    sample: Annotated[
        int | None, typer.Option(min=1, help="Replications of each point that are done again, instead of all.")
    ] = None,
) -> None:
    """Do a stored result again from its own spec, and say whether every number is the same; exit code 1 if one is not."""
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
        raise stopped("stopped; the stored result is as it was") from None
    print(agreement)


def new_experiment(
    name: Annotated[str, typer.Argument(help="Name of the folder: letters, digits and underscores.")],
    into: Annotated[
        Path | None, typer.Option("--into", help="Where the folder is made; else experiments/ of this folder.")
    ] = None,
) -> None:
    """Write the folder of a new experiment, which runs at once: `abm reproduce NAME --quick`."""
    from abm.experiments.scaffold import scaffold

    with as_mistake(ImportError):
        path = scaffold(name, into or Path("experiments"))
    print(path)
    print(f"it runs as it is: abm reproduce {path.parent} --quick")


def export(
    result: Annotated[Path, typer.Argument(help="Folder of a stored result of an experiment or of r1_shock.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The .zip to write; else RESULT.crate.zip.")] = None,
) -> None:
    """Pack a stored result as an RO-Crate: one .zip with metadata that archives such as Zenodo read."""
    from abm.experiments.crate import pack

    target = out or result.with_name(f"{result.name}.crate.zip")
    writable(target.absolute().parent)
    with as_mistake(ImportError):
        print(pack(result, target))
