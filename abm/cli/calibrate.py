"""`abm calibrate`: fit parameters to moments of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from abm.cli.mistakes import Mistake, as_mistake, writable
from abm.cli.progress import RESUME, bar, stopped
from abm.support.files import refuse_links


def calibrate(
    spec: Annotated[
        str, typer.Argument(help="A built-in calibration (june_2025, january_2025) or a path to a TOML file.")
    ] = "june_2025",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results (default: output/calibrate_NAME)."),
    ] = None,
    store: Annotated[
        bool,
        typer.Option("--store", help="Store a built-in fit in abm/data/fits, where `Parameters` reads its defaults."),
    ] = False,
    recover: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Parameter recovery: fit N synthetic data sets with known parameters instead."
        ),
    ] = None,
) -> None:
    """Fit parameters to moments: global search, local refinement, posterior, identification, predictive check.

    Finished runs are saved in the results folder; an interrupted calibration
    resumes from them.
    """
    from abm.calibration.spec import Calibration, CalibrationError, built_in

    try:
        calibration = Calibration.load(spec)
    except CalibrationError as error:
        raise Mistake(str(error)) from None
    if store and spec not in built_in():
        raise Mistake(
            f"--store is for the built-in fits ({', '.join(built_in())}); a fit of your own stays in its results folder"
        )
    if recover and store:
        raise Mistake("--store and --recover cannot be combined: --recover does not fit the data")
    from abm.calibration import pages

    folder = writable(out or Path("output") / f"calibrate_{calibration.name}")
    with as_mistake():
        refuse_links(folder, "simulated")
    if problem := pages.of_another(calibration, folder):
        raise Mistake(problem)
    runs = writable(folder / "simulated")
    if recover:
        return print_recovery(calibration, folder, recover, spec)
    from abm.calibration.calibrate import calibrate as fit
    from abm.calibration.calibrate import expected_runs
    from abm.support.provenance import now

    print(
        f"{calibration.name}: {len(calibration.names)} parameters, {len(calibration.moments)} moments of data up to"
        f" {calibration.data_to}; about {expected_runs(calibration):,} runs of {calibration.months} months"
    )
    try:
        with bar() as (progress, _):
            outcome = fit(calibration, folder, progress)
        paths = pages.write(outcome, folder, spec)
        if store:
            paths += pages.store(outcome, f"{now():%Y-%m-%d}")
    except KeyboardInterrupt:
        raise stopped_with(runs) from None
    except (ValueError, OSError) as error:  # Undefined is a ValueError
        raise Mistake(str(error)) from None
    table = Table(box=None, pad_edge=False)
    for heading in ("parameter", "estimate", "90 % interval", "prior", "width left"):
        table.add_column(heading, justify="left" if heading == "parameter" else "right")
    for name, row in outcome.estimates().iterrows():
        interval = f"{row['low']:.3g} to {row['high']:.3g}"
        prior = f"{row['prior_low']:g} to {row['prior_high']:g}"
        table.add_row(str(name), f"{row['estimate']:.4g}", interval, prior, f"{row['prior_width_left']:.0%}")
    Console().print(table)
    pairs = outcome.identification.pairs
    for pair in pairs.itertuples():
        print(
            f"not separately identified: {pair.first} and {pair.second} (collinearity {pair.collinearity:.1f},"
            f" correlation {pair.correlation:.2f})"
        )
    inside = int(outcome.bands["inside"].sum())
    print(
        f"J = {outcome.distance:.2f}; {inside} of {len(outcome.bands)} moments inside their posterior predictive 90 % band;"
        f" {outcome.runs:,} runs in {outcome.seconds:.0f} seconds"
    )
    for path in paths:
        if path.suffix != ".pdf":
            print(path)


def stopped_with(runs: Path) -> typer.Exit:
    """Report after Ctrl-C how many runs are saved."""
    from abm.calibration.simulated import kept_runs

    return stopped(f"stopped; {kept_runs(runs):,} runs are saved in {runs}; {RESUME}")


def print_recovery(calibration: Any, folder: Path, data_sets: int, spec: str) -> None:
    """Fit synthetic data sets and print, by parameter, how often the interval covers the true value."""
    from abm.calibration import recovery, recovery_page

    try:
        with bar() as (progress, _):
            recovered = recovery.recover(calibration, folder / "simulated", data_sets, progress=progress)
        paths = recovery_page.write(recovered, folder, calibration, spec)
    except KeyboardInterrupt:
        raise stopped_with(folder / "simulated") from None
    except (ValueError, OSError) as error:
        raise Mistake(str(error)) from None
    table = Table(box=None, pad_edge=False)
    for heading in ("parameter", "true value inside", "correlation of median and true value", "width left"):
        table.add_column(heading, justify="left" if heading == "parameter" else "right")
    for name, row in recovered.table().iterrows():
        table.add_row(str(name), f"{row['inside']:.0%}", f"{row['correlation']:.2f}", f"{row['width']:.0%}")
    Console().print(table)
    print(recovery.summary(recovered))
    for path in paths:
        print(path)
