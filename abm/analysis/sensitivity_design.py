"""Sweeps for sensitivity analysis: any sweep with ranges, laid out for Sobol indices or Morris effects.

Besides the requested outcomes, the sweep stores annual means of their observables, but no monthly values.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abm.market.measures import MEASURES
from abm.scenarios.calendar import FIRST_YEAR, month_of
from abm.support.files import read_toml
from abm.support.messages import OBSERVABLES, did_you_mean, shortened
from abm.sweeps.designs import combinations
from abm.sweeps.spec import SpecError, Sweep

BUILT_IN = Path(__file__).parents[1] / "data" / "sensitivity.toml"
"""Built-in analysis: 21 parameters and six outcomes."""
METHODS = {"sobol": "saltelli", "morris": "morris"}
"""Kind of design for each method."""
POINTS, TRAJECTORIES = 256, 20
"""Default numbers of Saltelli blocks and Morris trajectories."""
LEAST_POINTS = 4
"""Minimum number of Saltelli blocks for a meaningful variance and intervals."""
NOISE_POINTS = 32
"""Number of points at which seed noise is measured."""


@dataclass(frozen=True)
class Wanted:
    """Options of a sensitivity analysis; None means the value in the file, or else the default."""

    method: str | None = None
    points: int | None = None
    trajectories: int | None = None
    second_order: bool = False
    months: int | None = None
    replications: int | None = None
    of: Sequence[str] = ()


def load(path: Path | None, wanted: Wanted) -> Sweep:
    """Load a TOML file (None: the built-in one) as a sweep laid out as wanted. Raises SpecError with all problems."""
    return Sweep.load(path or BUILT_IN, lambda fields: sweep_keys(fields, wanted))


def sweep_keys(fields: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Keys of the sweep, from those of a file. Raises SpecError for files unsuitable for sensitivity analysis."""
    problems = []
    fields = dict(fields)
    design = fields.get("design", {})
    kind = design.get("kind", METHODS[wanted.method or "sobol"]) if isinstance(design, Mapping) else None
    if kind not in METHODS.values():
        problems.append(
            f"design.kind: must be saltelli or morris, not {shortened(kind)}; leave out [design] and give --method"
        )
    method = wanted.method or ("morris" if kind == "morris" else "sobol")
    # Settings of a design of the other kind do not apply.
    design = dict(design) if kind == METHODS[method] else {}
    if method == "sobol":
        points = wanted.points or design.get("points", POINTS)
        if isinstance(points, int) and points < LEAST_POINTS:
            problems.append(
                f"design.points: {points} is too few for Sobol indices; give a power of two, at least {LEAST_POINTS}"
            )
        design |= {"points": points, "second_order": wanted.second_order or design.get("second_order", False)}
    else:
        design["trajectories"] = wanted.trajectories or design.get("trajectories", TRAJECTORIES)
    fields["design"] = {**design, "kind": METHODS[method]}
    factors = fields.get("factors", {})
    if isinstance(factors, Mapping) and len(factors) < 2:
        problems.append(f"factors: a sensitivity analysis needs at least two, not {len(factors)}")
    scenarios = fields.get("scenarios", ["baseline"])
    if isinstance(scenarios, list) and len(scenarios) > 1:
        problems.append(f"scenarios: a sensitivity analysis takes one, not {len(scenarios)}")
    if fields.get("common_draws") is False:
        problems.append("common_draws: points must share their draws, or noise counts as interaction; leave it out")
    if wanted.months is not None:
        fields["months"] = wanted.months
    if wanted.replications is not None:
        fields["replications"] = wanted.replications
        fields.pop("seeds", None)
    outcomes = fields.get("outcomes") or {f"{name}_mean": {"of": name} for name in fields.get("observables", ())}
    if isinstance(outcomes, Mapping):
        outcomes = reached(outcomes, wanted.months, wanted.of)
        for name in wanted.of:
            column = column_of(name, outcomes)
            if column is None:
                known = [*outcomes, *MEASURES]
                problems.append(
                    f"--of {name}: no outcome or observable {shortened(name)}{did_you_mean(name, known, OBSERVABLES)}"
                )
            else:
                outcomes.setdefault(column, {"of": name})
        if not outcomes:
            problems.append("outcomes: none given; name some in [outcomes], or give --of OBSERVABLE")
        measured = [name for name in observables_of(outcomes) if name in MEASURES]  # unknown ones are reported once
        fields["outcomes"] = {**outcomes, **yearly(measured, fields.get("months", 60))}
        fields["observables"] = [name for name in measured if name not in factors] or ["welfare"]
        fields["panel"] = "none"
    if problems:
        raise SpecError(problems)
    return fields


def column_of(name: str, outcomes: Mapping[str, Any]) -> str | None:
    """Outcome that a name refers to, or None for an unknown name.

    This is the outcome of that name, else the first outcome of the observable of that name, else the observable's mean over
    all months.
    """
    if name in outcomes:
        return name
    matches = [key for key, outcome in outcomes.items() if isinstance(outcome, Mapping) and outcome.get("of") == name]
    return matches[0] if matches else f"{name}_mean" if name in MEASURES else None


def reached(outcomes: Mapping[str, Any], months: int | None, of: Sequence[str]) -> dict[str, Any]:
    """Drop outcomes whose date is after the last of `months` months, unless they are named in `of`."""
    return {
        name: outcome
        for name, outcome in outcomes.items()
        if months is None
        or name in of
        or not isinstance(outcome, Mapping)
        or type(outcome.get("date")) is not dt.date
        or month_of(outcome["date"]) < months
    }


def observables_of(outcomes: Mapping[str, Any]) -> list[str]:
    """Observables of the outcomes, without duplicates and without daily returns."""
    monthly = [outcome for outcome in outcomes.values() if isinstance(outcome, Mapping) and "date" not in outcome]
    return list(dict.fromkeys(outcome["of"] for outcome in monthly if isinstance(outcome.get("of"), str)))


def yearly(observables: Sequence[str], months: Any) -> dict[str, dict[str, Any]]:
    """Outcomes that are annual means; the last year may be cut short by the end of the run."""
    if not isinstance(months, int) or months < 1:
        return {}
    return {
        f"{name}_in_{FIRST_YEAR + first // 12}": {"of": name, "first": first, "last": min(first + 12, months) - 1}
        for name in observables
        for first in range(0, months, 12)
    }


def years_of(sweep: Sweep) -> dict[str, tuple[str, int]]:
    """Outcomes of a sweep named by `yearly`: name -> (observable, year)."""
    observables = list(dict.fromkeys(outcome.of for outcome in sweep.columns.values() if not outcome.date))
    years = {
        name: (outcome["of"], FIRST_YEAR + outcome["first"] // 12)
        for name, outcome in yearly(observables, sweep.months).items()
    }
    return {name: key for name, key in years.items() if name in sweep.columns}


def noise_sweep(sweep: Sweep, seeds: int) -> Sweep:
    """Sweep of the same factors at a few points of a Sobol sequence with many seeds each, to measure seed noise."""
    fields = sweep.model_dump(exclude_defaults=True)
    fields |= {"scenarios": tuple(sweep.scenarios_by_name.values()), "replications": seeds, "seeds": None}
    points = 2 ** int(math.log2(min(NOISE_POINTS, combinations(sweep.factors, sweep.targets))))
    return Sweep(**{**fields, "name": "seeds", "design": {"kind": "sobol", "points": points}})


def pilot(scenarios: Sequence[Any], of: Sequence[str], seeds: int, months: int) -> Sweep:
    """Sweep of the scenarios over common seeds, with outcomes `of` (default: those of the built-in analysis).

    Raises SpecError with all problems.
    """
    outcomes = reached(read_toml(BUILT_IN)["outcomes"], months, of)
    columns = {name: column_of(name, outcomes) for name in of or outcomes}
    problems = [
        f"--of {name}: no outcome or observable {shortened(name)}{did_you_mean(name, [*outcomes, *MEASURES], OBSERVABLES)}"
        for name, column in columns.items()
        if column is None
    ]
    if problems:
        raise SpecError(problems)
    chosen = {str(column): outcomes.get(str(column), {"of": name}) for name, column in columns.items()}
    observables = observables_of(chosen) or ["welfare"]
    return Sweep(
        name="pilot",
        scenarios=tuple(scenarios),
        replications=seeds,
        months=months,
        outcomes=chosen,
        observables=observables,
        panel="none",
    )
