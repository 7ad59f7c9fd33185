"""Checks of a sweep specification: every problem is reported, before anything is laid out or run."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abm.data import fits
from abm.parameters import ParameterError, Parameters
from abm.runs.policy import FROM_THE_START
from abm.scenarios.calendar import date_of, month_of
from abm.scenarios.scenario import Scenario, ScenarioError
from abm.scenarios.timeline import SIZES
from abm.support.inputs import whole
from abm.support.messages import did_you_mean, shortened
from abm.sweeps.checks_of_outputs import mapping, stored_problems
from abm.sweeps.own_segments import conflicts
from abm.sweeps.table import inside, read_rows, unknown_scenarios
from abm.sweeps.targets import Target, same_history, target_of, with_changed_events

MOST = 10_000_000
"""Upper limit on points, levels and trajectories, beyond what could ever be run."""
KINDS = ("grid", "latin_hypercube", "sobol", "saltelli", "morris", "table")
NETWORKS = ("information_network", "peer_network", "access_network", "network_seed")

Checked = tuple[dict[str, Scenario], dict[str, Target], tuple[dict[str, Any], ...], list[str]]


def problems_in(fields: Mapping[str, Any], folder: Path | None, confined: bool) -> Checked:
    """Return scenarios by name, targets by factor, table rows, and every problem except wrong types of fields."""
    problems: list[str] = []
    scenarios = _scenarios(fields.get("scenarios", ("baseline",)), folder, confined, problems)
    design = mapping(fields.get("design"))
    kind = design.get("kind", "grid")
    rows, places = read_rows(design, folder, confined, problems)
    factors = mapping(fields.get("factors"))
    if kind == "table":
        problems += [
            f"factors.{name}: a table defines its factors by its columns; remove it from [factors]" for name in factors
        ]
        factors = {}
    targets: dict[str, Target] = {}
    columns = dict.fromkeys(name for row in rows for name in row if name != "scenario")
    for name in columns:
        values = [row.get(name) for row in rows]
        targets |= _column(name, values, places, scenarios, fields, problems)
    for name, factor in factors.items():
        if not isinstance(factor, Mapping):
            problems.append(f"factors.{name}: {shortened(factor)}: give a list of values, or a table with low and high")
            continue
        try:
            targets[name] = target_of(name, scenarios)
        except ValueError as error:
            problems.append(f"factors.{name}: {error}")
            continue
        factor_problems = _factor(factor, targets[name], design)
        problems += [f"factors.{name}: {what}" for what in factor_problems]
        if targets[name].kind == "event" and not factor_problems:
            problems += _events(f"factors.{name}", targets[name], factor, scenarios, fields)
    problems += _design(design, factors)
    names = {**factors, **columns}
    problems += _fixed(fields, names)
    problems += _seeds(fields, kind)
    if isinstance(fit := fields.get("posterior"), str) and fit not in fits():
        problems.append(f"posterior: unknown fit {shortened(fit)}{did_you_mean(fit, fits())}")
    problems += _branches(fields, targets, columns)
    problems += stored_problems(fields, names)
    problems += unknown_scenarios(rows, places, scenarios)
    return scenarios, targets, rows, problems


def _scenarios(sources: Any, folder: Path | None, confined: bool, problems: list[str]) -> dict[str, Scenario]:
    scenarios: dict[str, Scenario] = {}
    if not isinstance(sources, tuple):
        return scenarios
    if not sources:
        problems.append("scenarios: empty; name at least one, such as 'baseline'")
    for source in sources:
        try:
            if not isinstance(source, str | Scenario):
                raise ValueError(f"{shortened(source)} is neither a scenario name nor a Scenario")
            if isinstance(source, str) and source.endswith(".toml"):
                scenario = Scenario.load(inside(source, folder, confined))
            else:
                scenario = Scenario.load(source)
            scenario.check_parameters(Parameters.names())
            if scenario.name in scenarios:
                raise ValueError(f"duplicate scenario {shortened(scenario.name)}")
            scenarios[scenario.name] = scenario
        except (OSError, ValueError) as error:  # ScenarioError is a ValueError
            problems += [f"scenarios: {line}" for line in str(error).split("\n")]
    return scenarios


def _column(
    name: str,
    values: list[Any],
    places: list[str],
    scenarios: Mapping[str, Scenario],
    fields: Mapping[str, Any],
    problems: list[str],
) -> dict[str, Target]:
    """Return the target of a table column; append its problems, with their lines, to `problems`."""
    try:
        target = target_of(name, scenarios)
    except ValueError as error:
        problems.append(f"design: column {shortened(name)}: {error}")
        return {}
    invalid = [
        f"{place}: {name}: {what}"
        for place, value in zip(places, values, strict=True)
        if (what := target.complaint(value))
    ]
    problems += invalid[:3] + (
        [f"design: column {name}: {len(invalid) - 3} more invalid values"] if len(invalid) > 3 else []
    )
    if target.kind == "event" and not invalid:
        problems += _events(f"design: column {name}", target, {"values": tuple(values)}, scenarios, fields)
    return {name: target}


def _factor(factor: Mapping[str, Any], target: Target, design: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    values, low, high, levels = (factor.get(key) for key in ("values", "low", "high", "levels"))
    if isinstance(factor.get("unit"), str) and factor["unit"] != target.unit:
        problems.append(f"is measured in {target.unit or 'pure numbers'}, not {shortened(factor['unit'])}")
    listed = values if isinstance(values, tuple) else ()
    if values is not None and (low is not None or high is not None):
        return [*problems, "give either values or a range from low to high, not both"]
    if not listed and (low is None or high is None):
        return [*problems, "empty: give values, or low and high"]
    ends = [end for end in (low, high) if end is not None]
    invalid = [what for value in (*dict.fromkeys(map(_hashable, listed)), *ends) if (what := target.complaint(value))]
    problems += invalid[:3] + ([f"... and {len(invalid) - 3} more invalid values"] if len(invalid) > 3 else [])
    if invalid:
        return problems
    kind = design.get("kind", "grid")
    if levels is not None and (listed or kind != "grid"):
        problems.append("levels apply only to a range in a grid; remove them")
    if listed:
        if len(set(listed)) < len(listed):
            problems.append("contains a duplicate value")
        if factor.get("scale", "linear") != "linear":
            problems.append("scale applies only to a range; remove it")
        return problems + _morris(len(listed), design, listed=True)
    if not low < high:  # type: ignore[operator]
        problems.append(f"low = {low} must be below high = {high}")
    if factor.get("scale") == "log" and (isinstance(low, dt.date) or low <= 0):  # type: ignore[operator]
        problems.append("a logarithmic range must start above 0")
    if kind == "grid" and not (isinstance(levels, int) and 2 <= levels <= MOST):
        given = "" if levels is None else f", not {shortened(levels)}"
        problems.append(f"a range needs levels (a whole number, 2 or more) for a grid{given}")
    if not problems and target.is_date:
        problems += _morris((high - low).days + 1, design)  # type: ignore[operator]
    elif not problems and target.whole and factor.get("scale", "linear") == "linear":
        problems += _morris(int(high - low) + 1, design)  # type: ignore[operator]
    return problems


def _morris(number: int, design: Mapping[str, Any], listed: bool = False) -> list[str]:
    """Check that the levels of a Morris design fall evenly on `number` values, as its elementary effects assume.

    A step is half the levels: it must always span the same number of values, and reach every value of a list.
    """
    levels = 4 if design.get("levels") is None else design["levels"]
    if design.get("kind") != "morris" or not isinstance(levels, int) or levels < 2:
        return []

    def even(levels: int, number: int) -> bool:
        return (number % 2 == 0 and levels % number == 0) or (not listed and (number - 1) % (levels - 1) == 0)

    if even(levels, number):
        return []
    if listed:
        advice = f"{number + number % 2} values and design.levels = {number + number % 2}"
    else:
        advice = f"{next(more for more in range(number + 1, number + levels) if even(levels, more))} values"
        other = next((other for other in range(4, number + 1, 2) if even(other, number)), None)
        advice += f", or design.levels = {other}" if other else ""
    return [f"has {number} values, and {levels} levels of a Morris design do not divide them evenly: choose {advice}"]


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _events(
    place: str,
    target: Target,
    factor: Mapping[str, Any],
    scenarios: Mapping[str, Scenario],
    fields: Mapping[str, Any],
) -> list[str]:
    """Check that the scenarios remain valid at the smallest and largest value of an event factor.

    Neither may change what all runs share before `branch_at`, the history of the first scenario.
    """
    months, branch_at = fields.get("months", 60), fields.get("branch_at", 0)
    shared = branch_at if type(branch_at) is int and isinstance(months, int) and 0 < branch_at < months else 0
    trunk = next(iter(scenarios.values()), None)
    listed = factor.get("values") or ()
    extremes = [factor.get("low"), factor.get("high")] if not listed else sorted(set(listed))
    problems = []
    for value in extremes:
        if value is None or target.complaint(value):
            continue
        for scenario in scenarios.values():
            try:
                if target.is_date and isinstance(months, int) and month_of(value) >= max(months, 1):
                    raise ValueError(f"outside the horizon: the run covers {months} months from January 2023")
                changed = with_changed_events(scenario, {(target.name, str(target.key)): target.typed(value)})
                changed.timeline(months if isinstance(months, int) and months > 0 else 60)
                if shared and scenario is trunk and not same_history(changed, trunk, shared):
                    raise ValueError(
                        f"differs from scenario {shortened(trunk.name)} before branch_at = {shared}"
                        f" ({date_of(shared, 0):%B %Y}), and until then every run is one of that scenario: leave the value"
                        " out, or choose an earlier branch_at"
                    )
            except (ScenarioError, ValueError) as error:
                what = re.sub(r"^scenario '[^']*': event \S+ \(kind '\w+'\): ", "", str(error).splitlines()[0])
                problems.append(f"{place}: {shortened(value)}: {what}")
                break
    return problems[:3]


def _design(design: Mapping[str, Any], factors: Mapping[str, Any]) -> list[str]:
    kind, problems = design.get("kind", "grid"), []
    if kind not in KINDS:
        return []  # pydantic reports the type
    points, trajectories, levels = design.get("points") or (), design.get("trajectories"), design.get("levels")
    drawn = kind in ("latin_hypercube", "sobol", "saltelli")
    if not factors and kind not in ("grid", "table"):
        problems.append(f"design: {kind} needs factors")
    instead = {"grid": "levels of its factors", "table": "rows"}.get(kind, "trajectories")
    if points and not drawn:
        problems.append(f"design.points: a {kind} design takes {instead}, not points; remove points")
    if trajectories is not None and kind != "morris":
        problems.append(f'design.trajectories: only for kind = "morris", not {kind}; remove them')
    if levels is not None and kind != "morris":
        problems.append(f'design.levels: only for kind = "morris", not {kind}; remove them')
    if design.get("second_order") and kind != "saltelli":
        problems.append(f'design.second_order: only for kind = "saltelli", not {kind}; remove it')
    if drawn:
        sizes = points if isinstance(points, tuple) else (points,)
        wrong = [n for n in sizes if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST]
        if not sizes or wrong:
            given = f", not {shortened(wrong[0])}" if wrong else ""
            problems.append(f"design.points: {kind} needs a whole number of points from 1 to {MOST:,}{given}")
        elif kind != "latin_hypercube":
            number = sum(sizes)
            if number & (number - 1):
                near = 2 ** round(math.log2(number))
                problems.append(
                    f"design.points: {kind} is balanced only for powers of two, such as {near}, not {number}"
                )
    if kind == "morris":
        if isinstance(trajectories, bool) or not isinstance(trajectories, int) or not 2 <= trajectories <= MOST:
            given = "" if trajectories is None else f", not {shortened(trajectories)}"
            problems.append(f"design.trajectories: morris needs a whole number from 2 to {MOST:,}{given}")
        if levels is not None and (not isinstance(levels, int) or not 2 <= levels <= MOST or levels % 2):
            problems.append(f"design.levels: must be an even number, not {shortened(levels)}")
    return problems


def _seeds(fields: Mapping[str, Any], kind: Any) -> list[str]:
    """Check explicit seeds of the replications."""
    seeds = fields.get("seeds")
    if not isinstance(seeds, tuple):
        return []
    problems = []
    if not seeds:
        problems.append("seeds: empty; give one or more, or remove the key")
    elif fields.get("replications") != len(seeds):
        problems.append(f"replications: {len(seeds)} seeds make {len(seeds)} replications; remove replications")
    if len(set(map(repr, seeds))) < len(seeds):
        problems.append("seeds: duplicate seed; it would count as two independent runs")
    if fields.get("common_draws") is False:
        problems.append("common_draws: explicit seeds are shared by all points; remove common_draws = false")
    if fields.get("seed") and kind in ("grid", "table"):
        problems.append(f"seed: has no effect in a {kind} with explicit seeds; remove it")
    return problems


def _fixed(fields: Mapping[str, Any], factors: Mapping[str, Any]) -> list[str]:
    problems, fixed, sizes = [], fields.get("parameters", {}), fields.get("populations", {})
    if isinstance(fixed, Mapping):
        try:
            Parameters(**fixed)
        except (ParameterError, TypeError) as error:
            problems += [f"parameters.{line}" for line in str(error).splitlines()]
        problems += [f"parameters.{name}: is also a factor; keep one of the two" for name in fixed if name in factors]
    if isinstance(sizes, Mapping):
        keys = [*SIZES, *NETWORKS, "segments"]
        problems += conflicts(sizes, factors)
        for name, value in sizes.items():
            if name not in keys:
                problems.append(f"populations.{name}: unknown key{did_you_mean(name, keys)}")
            elif name in factors and not (name == "adopters" and "segments" in sizes):
                problems.append(f"populations.{name}: is also a factor; keep one of the two")
            elif name in SIZES and (what := target_of(name, {}).complaint(value)):
                problems.append(f"populations.{name}: {what}")
            elif name == "network_seed":
                try:
                    whole(f"populations.{name}", value, 0)
                except ValueError as error:
                    problems.append(str(error))
            elif name in NETWORKS:
                from abm.market import access_input, network_input

                kinds = access_input.KINDS if name == "access_network" else network_input.GENERATORS
                if value not in kinds:
                    what = f"unknown network {shortened(value)}{did_you_mean(value, kinds)}"
                    problems.append(f"populations.{name}: {what}")
    return problems


def _branches(fields: Mapping[str, Any], targets: Mapping[str, Target], columns: Mapping[str, Any]) -> list[str]:
    """Check a sweep whose points branch off a trunk: their months from `branch_at` on must be able to differ."""
    branch_at, months = fields.get("branch_at", 0), fields.get("months", 60)
    if type(branch_at) is not int or branch_at < 1:
        return []  # pydantic reports the type
    problems = []
    if isinstance(months, int) and branch_at >= months:
        problems.append(f"branch_at = {branch_at}: must lie between 0 and {months - 1}, the last month")
    if fields.get("common_draws") is False:
        problems.append("common_draws: runs that share their history share its draws; remove common_draws = false")
    for name, target in targets.items():
        place = f"design: column {name}" if name in columns else f"factors.{name}"
        if target.kind == "size":
            problems.append(f"{place}: runs that share their history have the same populations; remove branch_at")
        if target.name in FROM_THE_START:
            since = f"{date_of(branch_at, 0):%B %Y}"
            problems.append(
                f"{place}: has no effect: it is read in the first month only, and branches begin in {since}"
            )
    return problems
