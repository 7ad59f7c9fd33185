"""What a calibration leaves: tables, a page with figures, and, for the package's own, the stored fit."""

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
"""Significant digits of stored estimates and draws: more would claim what no seed agrees on."""


def tables(outcome: Fit) -> dict[str, pd.DataFrame]:
    """The tables of a calibration by name: estimates, moments, pairs, profiles, derivatives, draws."""
    import pandas as pd

    spec, identified = outcome.spec, outcome.identification
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
                "moment": one.moment,
                "parameter": name,
                "automatic": a,
                "differences": d,
                "error": e,
                "confirmed": bool(c),
            }
            for one in outcome.refined.compared
            for name, a, d, e, c in zip(
                spec.names, one.automatic, one.differences, one.error, one.confirmed, strict=True
            )
        ]
    )
    deviations = pd.Series(outcome.criterion.deviations(outcome.moments), index=outcome.bands.index)
    moments = outcome.bands.assign(deviation=deviations)
    return {
        "estimates": outcome.estimates().reset_index(),
        "moments": moments.reset_index(),
        "pairs": identified.pairs,
        "profiles": profiles,
        "derivatives": compared,
        "draws": pd.DataFrame(outcome.draws, columns=list(spec.names)),
    }


def of_another(spec: Calibration, folder: Path) -> str:
    """What is wrong with a folder that has the results of another spec; nothing where it has none, or those of this one."""
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
        else f"{path}: is of another spec than {spec.name} is now; choose another folder, or delete this file"
    )


def write(outcome: Fit, folder: Path, asked: str = "") -> list[Path]:
    """Tables as CSV, figures as PNG and PDF, fit.json and report.md in `folder`; returns their paths.

    `asked` is what was asked for on the command line: the path of a file, where it was one.
    """
    from abm.calibration import figures

    paths = []
    for name, table in tables(outcome).items():
        paths.append(folder / f"{name}.csv")
        _csv(table, paths[-1])
    paths.append(folder / "fit.json")
    write_whole(paths[-1], lambda file: file.write(as_json(outcome).encode()))
    for name, draw in figures.FIGURES.items():
        figure = draw(outcome)
        for kind in ("png", "pdf"):
            paths.append(folder / f"{name}.{kind}")
            write_whole(paths[-1], functools.partial(figure.savefig, format=kind))
    paths.append(folder / "report.md")
    write_whole(paths[-1], lambda file: file.write(page(outcome, asked=asked).encode()))
    return paths


def store(outcome: Fit, fitted_on: str, folder: Path | None = None, pages: Path | None = None) -> list[Path]:
    """Keep a fit as data of the package: abm/data/fits/NAME.csv and NAME_draws.csv, which `abm.data.fit` reads.

    `pages` is the folder of the report and its figures, docs/fits of a checkout where it is there.
    """
    from abm.calibration import figures

    pages = pages or Path("docs") / "fits"
    folder = folder or Path(str(files("abm.data") / "fits"))
    spec = outcome.spec
    table = outcome.estimates().assign(data_to=spec.data_to.isoformat(), fitted_on=fitted_on).reset_index()
    paths = [folder / f"{spec.name}.csv", folder / f"{spec.name}_draws.csv"]
    _csv(table, paths[0])
    _csv(tables(outcome)["draws"], paths[1])
    if pages.is_dir():
        for name, draw in figures.FIGURES.items():
            paths.append(pages / f"{spec.name}_{name}.png")
            write_whole(paths[-1], functools.partial(draw(outcome).savefig, format="png"))
        paths.append(pages / f"{spec.name}.md")
        write_whole(paths[-1], lambda file: file.write(page(outcome, f"{spec.name}_").encode()))
    return paths


def _csv(table: pd.DataFrame, path: Path) -> None:
    text = table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_whole(path, lambda file: file.write(text.encode()))


def page(outcome: Fit, prefix: str = "", asked: str = "") -> str:
    """The report, in Markdown; `prefix` begins the names of its figures, `asked` is what the command was given."""
    spec, bands, identified = outcome.spec, outcome.bands, outcome.identification
    inside, exactly = int(bands["inside"].sum()), int(bands["inside_exactly"].sum())
    freedom = len(spec.moments) - len(spec.names)
    last, named = outcome.sampled.last, {True: "yes", False: "**no**"}
    lines = [
        f"# Calibration `{spec.name}`",
        "",
        f"Fitted to {len(spec.moments)} moments of data to {spec.data_to}, {len(spec.names)} parameters,"
        f" {outcome.runs:,} runs. Written by `abm calibrate {asked or spec.name}`; do not edit by hand.",
        "",
        f"- **Distance.** J = {outcome.distance:.2f} at the estimate, with {freedom} degrees of freedom before the priors.",
        f"- **Fit.** {inside} of {len(bands)} moments lie inside the posterior predictive 90 % band of what would be"
        f" measured; {exactly} inside that of the simulated histories alone, without error of measurement."
        " These moments were fitted: that they are inside is no proof. `abm facts` has others.",
        f"- **Search.** CMA-ES, {outcome.search.points:,} points on {spec.search.seeds} seeds, {_ended(outcome)}:"
        f" {outcome.search.value:.2f}"
        f" (distance less twice the log prior); {outcome.search.undefined} points with an undefined moment, counted as worst.",
        f"- **Refinement.** {_steps(outcome)}",
        f"- **Posterior.** {len(outcome.sampled.generations)} generations, {outcome.sampled.runs:,} runs, tolerance"
        f" {last.tolerance:.2f}, {last.acceptance:.1%} of the last proposals kept, {last.effective:.0f} effective particles,"
        f" {sum(one.undefined for one in outcome.sampled.generations)} runs with an undefined moment (infinitely far)."
        f" With the weights of the regression {effective(adjusted(outcome.sampled, outcome.criterion)[1]):.0f} particles are"
        f" effective (Kish). {distinct(outcome.draws)}",
        "",
        "## Estimates",
        "",
        "| parameter | estimate | 90 % interval | prior | width left | rises below, above | moment that says most |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in outcome.estimates().iterrows():
        rises = identified.parameters.loc[name]
        both = f"{rises['rises_below']}, {rises['rises_above']}"
        lines.append(
            f"| `{name}` | {row['estimate']:.3g} | {row['low']:.3g} … {row['high']:.3g} |"
            f" {row['prior_low']:g} … {row['prior_high']:g} | {row['prior_width_left']:.0%} | {both} | `{row['moment']}` |"
        )
    lines += [
        "",
        "*Width left*: standard deviation of the posterior over that of the prior. *Rises*: whether the distance, the other"
        " parameters moved to keep it low, has risen by more than 2.7 at that end of the prior's range; where it has not, the"
        " moments set no limit there.",
        "",
        *outside(outcome.estimates()),
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
        lines.append("None: no pair has a collinearity above 10 or a correlation beyond 0.8.")
    lines += [
        "",
        f"All together have a collinearity index of {identified.together:.1f}; what moves the moments least is"
        f" {', '.join(f'`{name}` ({part:+.2f})' for name, part in identified.weakest.items())}.",
    ]
    flat = [
        str(n) for n, row in identified.parameters.iterrows() if "yes" not in (row["rises_below"], row["rises_above"])
    ]
    if flat:
        lines += ["", f"The distance hardly depends on {', '.join(f'`{n}`' for n in flat)}: the prior decides."]
    lines += [
        "",
        "## Moments",
        "",
        "| moment | observed | posterior predictive median | 90 % band | inside | p-value | deviation at the estimate |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    deviations = outcome.criterion.deviations(outcome.moments)
    for row, off in zip(bands.reset_index().itertuples(), deviations, strict=True):
        lines.append(
            f"| `{row.moment}` | {row.observed:g} | {row.median:.3g} | {row.low:.3g} … {row.high:.3g} |"
            f" {named[row.inside]} | {row.p_value:.2g} | {off:+.2f} |"
        )
    lines += [
        "",
        "*Deviation*: mean of the model at the estimate less the observation, in standard deviations of one measured history.",
        "",
        *(f"![{name}]({prefix}{name}.png)\n" for name in ("moments", "profiles", "posterior")),
        "Dotted lines are at the estimate; dashed ones are a rise of 2.7 (profiles) and the density of the prior (posterior).",
        "",
        "## Generations of the sampler",
        "",
        "| generation | tolerance | proposed | kept | effective |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [_generation(i, one) for i, one in enumerate(outcome.sampled.generations)]
    return "\n".join(lines) + "\n"


def distinct(draws: np.ndarray) -> str:
    """How many of the stored draws (draws, parameters) are distinct, and for how many they count, in a sentence."""
    _, copies = np.unique(draws, axis=0, return_counts=True)
    return (
        f"Of the {len(draws)} stored draws {len(copies)} are distinct; with their copies as weights they count for"
        f" {effective(copies):.0f}."
    )


def outside(estimates: pd.DataFrame) -> list[str]:
    """A paragraph on the parameters whose estimate is not in their own interval, and why; no line where there is none."""
    missed = estimates[(estimates["estimate"] < estimates["low"]) | (estimates["estimate"] > estimates["high"])]
    if not len(missed):
        return []
    names = ", ".join(f"`{name}`" for name in missed.index)
    one = len(missed) == 1
    return [
        f"Not in {'its own 90 % interval is the estimate' if one else 'their own 90 % intervals are the estimates'} of {names}:"
        " an estimate is the mode of the criterion with the priors, which may be at or near the end of a range, and an interval"
        " is of the marginal posterior, and leaves out 5 % at either end.",
        "",
    ]


def _steps(outcome: Fit) -> str:
    refined = outcome.refined
    total = len(refined.compared) * len(outcome.spec.names)
    confirmed = sum(int(one.confirmed.sum()) for one in refined.compared)
    return (
        f"{refined.steps} Gauss-Newton step{'s' * (refined.steps != 1)}, from {refined.before:.2f} to {refined.after:.2f}"
        f" on seeds of its own. Of {total} derivatives through the run, of {len(refined.compared)} moments, differences on"
        f" common draws confirm {confirmed}; the others, and those of moments that jump, were differenced (`derivatives.csv`)."
    )


def _ended(outcome: Fit) -> str:
    """How the search ended, and what its last ten generations brought, or as many as there are."""
    history = outcome.search.history
    number = min(10, len(history) - 1)
    how = "ended of itself" if outcome.search.settled else "ended with its generations"
    if not number:
        return how
    return f"{how}, {history[-1 - number] - history[-1]:.2f} better in the last {'ten' if number == 10 else number}"


def _generation(number: int, one: Generation) -> str:
    return (
        f"| {number} | {one.tolerance:.3g} | {one.proposed:,} | {one.acceptance:.1%} | {one.effective:.0f} |"
        if number
        else f"| 0 (prior) | none | {one.proposed:,} | {one.acceptance:.1%} | {one.effective:.0f} |"
    )
