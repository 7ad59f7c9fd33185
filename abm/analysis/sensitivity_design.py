"""The sweep of a sensitivity analysis: any sweep with ranges, laid out for Sobol indices or Morris effects.

Beside the outcomes that are asked for it keeps the mean of every year of each of their observables, and no months.
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
"""Twenty-one parameters and six outcomes."""
METHODS = {"sobol": "saltelli", "morris": "morris"}
POINTS, TRAJECTORIES = 256, 20
LEAST_POINTS = 4
"""Blocks of a Saltelli design below which there is no variance to speak of, and no interval."""
NOISE_POINTS = 32
"""Points at which the seed's own noise is measured."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a sensitivity analysis; None is what the file says, or else the default."""

    method: str | None = None
    points: int | None = None
    trajectories: int | None = None
    second_order: bool = False
    months: int | None = None
    replications: int | None = None
    of: Sequence[str] = ()


def load(path: Path | None, wanted: Wanted) -> Sweep:
    """The sweep of a TOML file (None: the built-in one), laid out as is wanted. Raises SpecError with all that is wrong."""
    return Sweep.load(path or BUILT_IN, lambda said: sweep_keys(said, wanted))


def sweep_keys(said: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Keys of the sweep, from those of a file. Raises SpecError for what no sensitivity analysis can be made of."""
    problems = []
    said = dict(said)
    design = said.get("design", {})
    kind = design.get("kind", METHODS[wanted.method or "sobol"]) if isinstance(design, Mapping) else None
    if kind not in METHODS.values():
        problems.append(
            f"design.kind: must be saltelli or morris, not {shortened(kind)}; leave [design] out and say --method"
        )
    method = wanted.method or ("morris" if kind == "morris" else "sobol")
    # What the file says of a design of the other kind says nothing of this one.
    design = dict(design) if kind == METHODS[method] else {}
    if method == "sobol":
        points = wanted.points or design.get("points", POINTS)
        if isinstance(points, int) and points < LEAST_POINTS:
            problems.append(
                f"design.points: {points} is too few for Sobol indices; give {LEAST_POINTS} or more, a power of two"
            )
        design |= {"points": points, "second_order": wanted.second_order or design.get("second_order", False)}
    else:
        design["trajectories"] = wanted.trajectories or design.get("trajectories", TRAJECTORIES)
    said["design"] = {**design, "kind": METHODS[method]}
    factors = said.get("factors", {})
    if isinstance(factors, Mapping) and len(factors) < 2:
        problems.append(f"factors: a sensitivity analysis needs two or more, not {len(factors)}")
    scenarios = said.get("scenarios", ["baseline"])
    if isinstance(scenarios, list) and len(scenarios) > 1:
        problems.append(f"scenarios: a sensitivity analysis takes one, not {len(scenarios)}")
    if said.get("common_draws") is False:
        problems.append("common_draws: points must share their draws, or luck counts as interaction; leave it out")
    if wanted.months is not None:
        said["months"] = wanted.months
    if wanted.replications is not None:
        said["replications"] = wanted.replications
        said.pop("seeds", None)
    outcomes = said.get("outcomes") or {f"{name}_mean": {"of": name} for name in said.get("observables", ())}
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
            problems.append("outcomes: there is none; name some in [outcomes], or say --of OBSERVABLE")
        measured = [name for name in observables_of(outcomes) if name in MEASURES]  # of others one complaint is enough
        said["outcomes"] = {**outcomes, **yearly(measured, said.get("months", 60))}
        said["observables"] = [name for name in measured if name not in factors] or ["welfare"]
        said["panel"] = "none"
    if problems:
        raise SpecError(problems)
    return said


def column_of(name: str, outcomes: Mapping[str, Any]) -> str | None:
    """The outcome that a name stands for; None for an unknown name.

    That is its own, else the first one of the observable of that name, else that observable's mean over all months.
    """
    if name in outcomes:
        return name
    same = [key for key, one in outcomes.items() if isinstance(one, Mapping) and one.get("of") == name]
    return same[0] if same else f"{name}_mean" if name in MEASURES else None


def reached(outcomes: Mapping[str, Any], months: int | None, of: Sequence[str]) -> dict[str, Any]:
    """Outcomes without those of a date that a run of so many months does not reach, unless they are asked for by name."""
    return {
        name: one
        for name, one in outcomes.items()
        if months is None
        or name in of
        or not isinstance(one, Mapping)
        or type(one.get("date")) is not dt.date
        or month_of(one["date"]) < months
    }


def observables_of(outcomes: Mapping[str, Any]) -> list[str]:
    """Observables that outcomes are of, each once; daily returns are none."""
    told = [one for one in outcomes.values() if isinstance(one, Mapping) and "date" not in one]
    return list(dict.fromkeys(one["of"] for one in told if isinstance(one.get("of"), str)))


def yearly(observables: Sequence[str], months: Any) -> dict[str, dict[str, Any]]:
    """Outcomes that are means of single years, the last of which may be cut short by the end of the run."""
    if not isinstance(months, int) or months < 1:
        return {}
    return {
        f"{name}_in_{FIRST_YEAR + first // 12}": {"of": name, "first": first, "last": min(first + 12, months) - 1}
        for name in observables
        for first in range(0, months, 12)
    }


def years_of(sweep: Sweep) -> dict[str, tuple[str, int]]:
    """Outcomes of a sweep that `yearly` has named: name -> observable and year."""
    observables = list(dict.fromkeys(one.of for one in sweep.columns.values() if not one.date))
    wanted = {
        name: (one["of"], FIRST_YEAR + one["first"] // 12) for name, one in yearly(observables, sweep.months).items()
    }
    return {name: at for name, at in wanted.items() if name in sweep.columns}


def noise_sweep(sweep: Sweep, seeds: int) -> Sweep:
    """The same factors at a few points of a Sobol sequence, on many seeds each: how much is the seed's own doing."""
    told = sweep.model_dump(exclude_defaults=True)
    told |= {"scenarios": tuple(sweep.stories.values()), "replications": seeds, "seeds": None}
    points = 2 ** int(math.log2(min(NOISE_POINTS, combinations(sweep.factors, sweep.targets))))
    return Sweep(**{**told, "name": "seeds", "design": {"kind": "sobol", "points": points}})


def pilot(scenarios: Sequence[Any], of: Sequence[str], seeds: int, months: int) -> Sweep:
    """Scenarios on so many common seeds, with outcomes `of`, by default those of the built-in analysis.

    Raises SpecError with all that is wrong.
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
    kept = observables_of(chosen) or ["welfare"]
    return Sweep(
        name="pilot",
        scenarios=tuple(scenarios),
        replications=seeds,
        months=months,
        outcomes=chosen,
        observables=kept,
        panel="none",
    )
