"""Output of a calibration: tables, a report with figures and, for built-in calibrations, the stored fit."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abm.calibration.calibrate import Fit, as_json
from abm.calibration.posterior import Generation, adjusted, effective
from abm.calibration.spec import Calibration
from abm.support.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 5
"""Significant digits of stored estimates and draws; further digits vary between seeds."""


def tables(fit: Fit) -> dict[str, pd.DataFrame]:
    """Tables of a calibration by name: estimates, moments, pairs, profiles, derivatives, draws."""
    import pandas as pd

    spec, identified = fit.spec, fit.identification
    positions = spec.from_unit(identified.grid.T).T
    profiles = pd.DataFrame(
        {
            "parameter": np.repeat(spec.names, positions.shape[1]),
            "value": positions.reshape(-1),
            "rise_of_distance": identified.profile.reshape(-1),
        }
    )
    compared = pd.DataFrame(
        [
            {
                "moment": derivatives.moment,
                "parameter": name,
                "automatic": a,
                "differences": d,
                "error": e,
                "confirmed": bool(c),
            }
            for derivatives in fit.refined.compared
            for name, a, d, e, c in zip(
                spec.names,
                derivatives.automatic,
                derivatives.differences,
                derivatives.error,
                derivatives.confirmed,
                strict=True,
            )
        ]
    )
    deviations = pd.Series(fit.criterion.deviations(fit.moments), index=fit.bands.index)
    moments = fit.bands.assign(deviation=deviations)
    return {
        "estimates": fit.estimates().reset_index(),
        "moments": moments.reset_index(),
        "pairs": identified.pairs,
        "profiles": profiles,
        "derivatives": compared,
        "draws": pd.DataFrame(fit.draws, columns=list(spec.names)),
    }


def of_another(spec: Calibration, folder: Path) -> str:
    """Error message if a folder has the results of another specification; empty if it has none, or those of this one."""
    path = folder / "fit.json"
    if not path.is_file():
        return ""
    try:
        same = json.loads(path.read_bytes())["spec_hash"] == spec.hash
    except (ValueError, KeyError, TypeError):
        same = False
    return (
        ""
        if same
        else f"{path}: was written for a different specification than {spec.name}; choose another folder, or delete this file"
    )


def write(fit: Fit, folder: Path, source: str = "") -> list[Path]:
    """Write tables as CSV, figures as PNG and PDF, fit.json and report.md to `folder`; returns their paths.

    `source` is the argument of the command line: the name of a calibration or the path of its file.
    """
    from abm.calibration import figures

    paths = []
    for name, table in tables(fit).items():
        paths.append(folder / f"{name}.csv")
        _csv(table, paths[-1])
    paths.append(folder / "fit.json")
    write_whole(paths[-1], lambda file: file.write(as_json(fit).encode()))
    for name, draw in figures.FIGURES.items():
        figure = draw(fit)
        for kind in ("png", "pdf"):
            paths.append(folder / f"{name}.{kind}")
            write_whole(paths[-1], functools.partial(figure.savefig, format=kind))
    paths.append(folder / "report.md")
    write_whole(paths[-1], lambda file: file.write(page(fit, source=source).encode()))
    return paths


def store(fit: Fit, fitted_on: str, folder: Path | None = None, pages: Path | None = None) -> list[Path]:
    """Store a fit as data of the package: abm/data/fits/NAME.csv and NAME_draws.csv, which `abm.data.fit` reads.

    `pages` is the folder of the report and its figures (default: docs/fits of a checkout); skipped if it does not exist.
    """
    from abm.calibration import figures

    pages = pages or Path("docs") / "fits"
    folder = folder or Path(str(files("abm.data") / "fits"))
    spec = fit.spec
    table = fit.estimates().assign(data_to=spec.data_to.isoformat(), fitted_on=fitted_on).reset_index()
    paths = [folder / f"{spec.name}.csv", folder / f"{spec.name}_draws.csv"]
    _csv(table, paths[0])
    _csv(tables(fit)["draws"], paths[1])
    if pages.is_dir():
        for name, draw in figures.FIGURES.items():
            paths.append(pages / f"{spec.name}_{name}.png")
            write_whole(paths[-1], functools.partial(draw(fit).savefig, format="png"))
        paths.append(pages / f"{spec.name}.md")
        write_whole(paths[-1], lambda file: file.write(page(fit, f"{spec.name}_").encode()))
    return paths


def _csv(table: pd.DataFrame, path: Path) -> None:
    text = table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_whole(path, lambda file: file.write(text.encode()))


def page(fit: Fit, prefix: str = "", source: str = "") -> str:
    """Report in Markdown; `prefix` is prepended to the names of its figures, `source` is the argument of the command."""
    spec, bands, identified = fit.spec, fit.bands, fit.identification
    inside, exactly = int(bands["inside"].sum()), int(bands["inside_exactly"].sum())
    freedom = len(spec.moments) - len(spec.names)
    undefined = sum(generation.undefined for generation in fit.sampled.generations)
    last, yes_or_no = fit.sampled.last, {True: "yes", False: "**no**"}
    lines = [
        f"# Calibration `{spec.name}`",
        "",
        f"{len(spec.names)} parameters fitted to {len(spec.moments)} moments of data up to {spec.data_to};"
        f" {fit.runs:,} runs. Written by `abm calibrate {source or spec.name}`; do not edit by hand.",
        "",
        f"- **Distance.** J = {fit.distance:.2f} at the estimate, with {freedom} degrees of freedom before the priors.",
        f"- **Fit.** {inside} of {len(bands)} moments lie inside the posterior predictive 90 % band, which includes"
        f" measurement error; {exactly} lie inside that of the simulated histories alone."
        " These moments were fitted, so this is not an independent test; `abm facts` also reports others.",
        f"- **Search.** CMA-ES, {fit.search.points:,} points on {spec.search.seeds} seeds, {_ended(fit)}:"
        f" {fit.search.value:.2f}"
        f" (distance minus twice the log prior); {fit.search.undefined} points with an undefined moment, counted as worst.",
        f"- **Refinement.** {_steps(fit)}",
        f"- **Posterior.** {len(fit.sampled.generations)} generations, {fit.sampled.runs:,} runs, tolerance"
        f" {last.tolerance:.2f}, {last.acceptance:.1%} of the last proposals accepted, {last.effective:.0f} effective particles,"
        f" {undefined} runs with an undefined moment (at infinite distance)."
        f" With the regression weights, {effective(adjusted(fit.sampled, fit.criterion)[1]):.0f} particles are"
        f" effective (Kish). {distinct(fit.draws)}",
        "",
        "## Estimates",
        "",
        "| parameter | estimate | 90 % interval | prior | width left | rises below, above | most informative moment |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in fit.estimates().iterrows():
        rises = identified.parameters.loc[name]
        both = f"{rises['rises_below']}, {rises['rises_above']}"
        lines.append(
            f"| `{name}` | {row['estimate']:.3g} | {row['low']:.3g} … {row['high']:.3g} |"
            f" {row['prior_low']:g} … {row['prior_high']:g} | {row['prior_width_left']:.0%} | {both} | `{row['moment']}` |"
        )
    lines += [
        "",
        "*Width left*: standard deviation of the posterior over that of the prior. *Rises*: whether the distance,"
        " with the other parameters adjusted to keep it low, rises by more than 2.7 before that end of the prior's range; where"
        " it does not, the moments set no limit there.",
        "",
        *outside(fit.estimates()),
        "## Parameters that the moments do not tell apart",
        "",
    ]
    if len(identified.pairs):
        lines += ["| pair | collinearity | correlation in the posterior |", "| --- | --- | --- |"]
        lines += [
            f"| `{row.first}`, `{row.second}` | {row.collinearity:.1f} | {row.correlation:.2f} |"
            for row in identified.pairs.itertuples()
        ]
    else:
        lines.append("None: no pair has a collinearity above 10 or an absolute correlation above 0.8.")
    lines += [
        "",
        f"The collinearity index of all parameters is {identified.together:.1f}; the combination with the least effect on the"
        f" moments is {', '.join(f'`{name}` ({part:+.2f})' for name, part in identified.weakest.items())}.",
    ]
    flat = [
        str(n) for n, row in identified.parameters.iterrows() if "yes" not in (row["rises_below"], row["rises_above"])
    ]
    if flat:
        lines += [
            "",
            f"The distance hardly depends on {', '.join(f'`{n}`' for n in flat)}, so the prior determines the result.",
        ]
    lines += [
        "",
        "## Moments",
        "",
        "| moment | observed | posterior predictive median | 90 % band | inside | p-value | deviation at the estimate |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    deviations = fit.criterion.deviations(fit.moments)
    for row, off in zip(bands.reset_index().itertuples(), deviations, strict=True):
        lines.append(
            f"| `{row.moment}` | {row.observed:g} | {row.median:.3g} | {row.low:.3g} … {row.high:.3g} |"
            f" {yes_or_no[row.inside]} | {row.p_value:.2g} | {off:+.2f} |"
        )
    lines += [
        "",
        "*Deviation*: mean of the model at the estimate minus the observation, in standard deviations of one measured history.",
        "",
        *(f"![{name}]({prefix}{name}.png)\n" for name in ("moments", "profiles", "posterior")),
        "Dotted lines mark the estimate; dashed lines mark a rise of 2.7 (profiles) and the density of the prior (posterior).",
        "",
        "## Generations of the sampler",
        "",
        "| generation | tolerance | proposed | accepted | effective |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [_generation(i, generation) for i, generation in enumerate(fit.sampled.generations)]
    return "\n".join(lines) + "\n"


def distinct(draws: np.ndarray) -> str:
    """A sentence on how many of the stored draws (draws, parameters) are distinct, and on their effective number."""
    _, copies = np.unique(draws, axis=0, return_counts=True)
    return (
        f"Of the {len(draws)} stored draws, {len(copies)} are distinct; weighted by their copies, the effective number is"
        f" {effective(copies):.0f}."
    )


def outside(estimates: pd.DataFrame) -> list[str]:
    """A paragraph on parameters whose estimate lies outside its own interval, and why; no lines if there are none."""
    outside_rows = estimates[(estimates["estimate"] < estimates["low"]) | (estimates["estimate"] > estimates["high"])]
    if not len(outside_rows):
        return []
    names = ", ".join(f"`{name}`" for name in outside_rows.index)
    single = len(outside_rows) == 1
    return [
        f"The {'estimate' if single else 'estimates'} of {names} {'lies' if single else 'lie'} outside"
        f" {'its own 90 % interval' if single else 'their own 90 % intervals'}: an estimate is the mode of the criterion with the"
        " priors, which may be at or near the end of a range, whereas an interval is that of the marginal posterior and leaves"
        " out 5 % at either end.",
        "",
    ]


def _steps(fit: Fit) -> str:
    refined = fit.refined
    total = len(refined.compared) * len(fit.spec.names)
    confirmed = sum(int(derivative.confirmed.sum()) for derivative in refined.compared)
    return (
        f"{refined.steps} Gauss-Newton step{'s' * (refined.steps != 1)}, from {refined.before:.2f} to {refined.after:.2f}"
        f" on separate seeds. Of {total} derivatives through the run, of {len(refined.compared)} moments, finite differences on"
        f" common draws confirm {confirmed}; finite differences replace the others and those of moments that jump"
        " (`derivatives.csv`)."
    )


def _ended(fit: Fit) -> str:
    """How the search ended, and by how much its last ten generations (or fewer) improved the objective."""
    history = fit.search.history
    number = min(10, len(history) - 1)
    ending = "converged" if fit.search.settled else "stopped at its last generation"
    if not number:
        return ending
    return (
        f"{ending}, {history[-1 - number] - history[-1]:.2f} better over the last {'ten' if number == 10 else number}"
    )


def _generation(index: int, generation: Generation) -> str:
    tolerance = f"{index} | {generation.tolerance:.3g}" if index else "0 (prior) | none"
    return f"| {tolerance} | {generation.proposed:,} | {generation.acceptance:.1%} | {generation.effective:.0f} |"
