"""What is wrong with a sweep: everything at once, before anything is laid out or run."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abm.calendar import month_of
from abm.events import meant, short
from abm.measures import MEASURES
from abm.parameters import ParameterError, Parameters
from abm.scenarios import Scenario, ScenarioError
from abm.sweeps.targets import Target, retold, target_of
from abm.timeline import SIZES

NETWORKS = ("information_network", "peer_network", "network_seed")
LARGEST_TABLE = 200_000_000  # bytes

Found = tuple[dict[str, Scenario], dict[str, Target], tuple[dict[str, Any], ...], list[str]]


def faults(said: Mapping[str, Any], folder: Path | None, confined: bool) -> Found:
    """Scenarios by name, targets by factor, rows of a table, and all that is wrong apart from types of fields."""
    problems: list[str] = []
    stories = _stories(said.get("scenarios", ("baseline",)), folder, confined, problems)
    design = _mapping(said.get("design"))
    rows = _rows(design, folder, confined, problems)
    factors = _mapping(said.get("factors"))
    if rows:
        problems += [f"factors.{name}: is no column of the table" for name in factors if name not in rows[0]]
    for column in dict.fromkeys(name for row in rows for name in row if name != "scenario"):
        factors.setdefault(column, {"values": tuple(row[column] for row in rows if column in row)})
    targets: dict[str, Target] = {}
    months = said.get("months", 60)
    for name, factor in factors.items():
        if not isinstance(factor, Mapping):
            continue  # the type is complained of elsewhere
        try:
            targets[name] = target_of(name, stories)
        except ValueError as error:
            problems.append(f"factors.{name}: {error}")
            continue
        found = _factor(factor, targets[name], design, in_table=design.get("kind") == "table")
        problems += [f"factors.{name}: {what}" for what in found]
        if targets[name].kind == "event" and not found:
            problems += _events(name, targets[name], factor, stories, months)
    if design.get("kind", "grid") != "table":
        problems += _design(design, factors)
    problems += _fixed(said, stories, factors)
    problems += _observables(said)
    problems += _scenario_column(rows, stories)
    return stories, targets, rows, problems


def _mapping(value: Any) -> dict[str, Any]:
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_defaults=True)
    if not isinstance(value, Mapping):
        return {}
    return {k: v.model_dump(exclude_defaults=True) if hasattr(v, "model_dump") else v for k, v in value.items()}


def inside(name: str, folder: Path | None, confined: bool) -> Path:
    """A path of a file that a sweep names. Raises ValueError where it leads outside the folder of the sweep."""
    path = (folder or Path()) / name
    if confined and not path.resolve().is_relative_to((folder or Path()).resolve()):
        raise ValueError(f"{short(name)} is outside the folder of the sweep")
    return path


def _stories(said: Any, folder: Path | None, confined: bool, problems: list[str]) -> dict[str, Scenario]:
    stories: dict[str, Scenario] = {}
    if not isinstance(said, tuple):
        return stories
    if not said:
        problems.append("scenarios: is empty; name at least one, such as 'baseline'")
    for source in said:
        try:
            if not isinstance(source, str | Scenario):
                raise ValueError(f"{short(source)} is neither the name of a scenario nor a Scenario")
            if isinstance(source, str) and source.endswith(".toml"):
                story = Scenario.load(inside(source, folder, confined))
            else:
                story = Scenario.load(source)
            story.check_parameters(Parameters.names())
            if story.name in stories:
                raise ValueError(f"{short(story.name)} is there twice")
            stories[story.name] = story
        except ScenarioError as error:
            problems += [f"scenarios: {problem}" for problem in error.problems]
        except (OSError, ValueError) as error:
            problems.append(f"scenarios: {error}")
    return stories


def _rows(
    design: Mapping[str, Any], folder: Path | None, confined: bool, problems: list[str]
) -> tuple[dict[str, Any], ...]:
    if design.get("kind") != "table":
        if design.get("rows") or design.get("file"):
            problems.append("design: 'rows' and 'file' go with kind = \"table\"")
        return ()
    rows = design.get("rows") or ()
    if bool(rows) == bool(design.get("file")):
        problems.append("design: a table takes either 'rows' or a CSV 'file'")
        return ()
    if rows:
        rows = tuple(dict(row) for row in rows if isinstance(row, Mapping))
        if any(set(row) != set(rows[0]) for row in rows):
            problems.append("design.rows: every row must name the same factors")
        return rows
    name = design["file"]
    try:
        path = inside(str(name), folder, confined)
        if path.stat().st_size > LARGEST_TABLE:
            raise ValueError(f"more than {LARGEST_TABLE} bytes")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            head = reader.fieldnames or []
            if not head or len(set(head)) < len(head):
                raise ValueError("the first line must name every column once")
            read = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        problems.append(f"design.file: {short(name)}: {getattr(error, 'strerror', None) or error}")
        return ()
    if not read:
        problems.append(f"design.file: {short(name)}: has no rows")
    found = []
    for number, line in enumerate(read, start=2):
        if None in line or None in line.values():
            problems.append(f"design.file: {short(name)}, line {number}: has not as many cells as the first line")
            continue
        found.append({key: cell if key == "scenario" else _cell(cell) for key, cell in line.items()})
    return tuple(found)


def _cell(text: str) -> Any:
    """A number, a date, or the text as it is, which the check of its factor then refuses."""
    for kind in (int, float, dt.date.fromisoformat):
        try:
            return kind(text)  # type: ignore[operator]
        except ValueError:
            continue
    return text


def _scenario_column(rows: tuple[dict[str, Any], ...], stories: Mapping[str, Scenario]) -> list[str]:
    words = dict.fromkeys(str(row["scenario"]) for row in rows if "scenario" in row)
    return [
        f"design: scenario {short(w)} is not among scenarios{meant(w, list(stories))}"
        for w in words
        if w not in stories
    ]


def _factor(factor: Mapping[str, Any], target: Target, design: Mapping[str, Any], in_table: bool) -> list[str]:
    problems: list[str] = []
    values, low, high, levels = (factor.get(key) for key in ("values", "low", "high", "levels"))
    if isinstance(factor.get("unit"), str) and factor["unit"] != target.unit:
        problems.append(f"is measured in {target.unit or 'pure numbers'}, not in {short(factor['unit'])}")
    listed = values if isinstance(values, tuple) else ()
    if values is not None and (low is not None or high is not None):
        return [*problems, "takes either values or a range from low to high"]
    if not listed and (low is None or high is None):
        return [*problems, "is empty: give values, or low and high"]
    ends = [end for end in (low, high) if end is not None]
    faulty = [what for value in (*dict.fromkeys(map(_hashable, listed)), *ends) if (what := target.complaint(value))]
    problems += faulty[:3] + ([f"... and {len(faulty) - 3} values more are wrong"] if len(faulty) > 3 else [])
    if faulty:
        return problems
    if listed:
        if not in_table and len(set(listed)) < len(listed):
            problems.append("has a value twice")
        return problems
    if not low < high:  # type: ignore[operator]
        problems.append(f"low = {low} must be below high = {high}")
    if factor.get("scale") == "log" and (isinstance(low, dt.date) or low <= 0):  # type: ignore[operator]
        problems.append("a logarithmic range must start above 0")
    if design.get("kind", "grid") == "grid" and not (isinstance(levels, int) and levels >= 2):
        problems.append("a range needs levels (2 or more) for a grid")
    return problems


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _events(
    name: str, target: Target, factor: Mapping[str, Any], stories: Mapping[str, Scenario], months: Any
) -> list[str]:
    """Whether the scenarios bear the extreme values."""
    listed = factor.get("values") or ()
    extreme = [factor.get("low"), factor.get("high")] if not listed else sorted(set(listed))
    problems = []
    for value in extreme:
        if value is None or target.complaint(value):
            continue
        for story in stories.values():
            try:
                if target.is_date and isinstance(months, int) and month_of(value) >= max(months, 1):
                    raise ValueError(f"is outside the horizon: the run ends after {months} months, from January 2023")
                changed = retold(story, {(target.name, str(target.key)): target.typed(value)})
                changed.timeline(months if isinstance(months, int) and months > 0 else 60)
            except (ScenarioError, ValueError) as error:
                problems.append(f"factors.{name}: {short(value)}: {str(error).splitlines()[0]}")
                break
    return problems[:3]


def _design(design: Mapping[str, Any], factors: Mapping[str, Any]) -> list[str]:
    kind, problems = design.get("kind", "grid"), []
    points, trajectories = design.get("points") or (), design.get("trajectories")
    points = (points,) if isinstance(points, int) else points
    if not factors and kind != "grid":
        problems.append(f"design: {kind} needs factors")
    if kind == "grid" and (points or trajectories):
        problems.append("design: a grid takes levels from its factors; leave out points and trajectories")
    if kind in ("latin_hypercube", "sobol", "saltelli"):
        if not points or any(not isinstance(n, int) or n < 1 for n in points):
            problems.append(f"design.points: {kind} needs a number of points, 1 or more")
        elif kind != "latin_hypercube":
            number = sum(points)
            if number & (number - 1):
                near = 2 ** round(math.log2(number))
                problems.append(
                    f"design.points: {kind} is balanced for powers of two only, such as {near}, not {number}"
                )
    if kind == "morris":
        if not isinstance(trajectories, int) or trajectories < 2:
            problems.append("design.trajectories: morris needs 2 or more")
        levels = design.get("levels", 4)
        if not isinstance(levels, int) or levels < 2 or levels % 2:
            problems.append(f"design.levels: must be an even number, not {short(levels)}")
    return problems


def _fixed(said: Mapping[str, Any], stories: Mapping[str, Scenario], factors: Mapping[str, Any]) -> list[str]:
    problems = []
    fixed, sizes = said.get("parameters", {}), said.get("populations", {})
    if isinstance(fixed, Mapping):
        try:
            Parameters(**fixed)
        except (ParameterError, TypeError) as error:
            problems += [f"parameters.{line}" for line in str(error).splitlines()]
        problems += [f"parameters.{name}: is a factor, too" for name in fixed if name in factors]
    if isinstance(sizes, Mapping):
        words = [*SIZES, *NETWORKS]
        for name, value in sizes.items():
            if name not in words:
                problems.append(f"populations.{name}: unknown{meant(name, words)}")
            elif name in factors:
                problems.append(f"populations.{name}: is a factor, too")
            elif name in SIZES and (what := target_of(name, {}).complaint(value)):
                problems.append(f"populations.{name}: {what}")
            elif name in ("information_network", "peer_network"):
                from abm.networks import GENERATORS

                if value not in GENERATORS:
                    problems.append(f"populations.{name}: unknown network {short(value)}{meant(value, GENERATORS)}")
    return problems


def _observables(said: Mapping[str, Any]) -> list[str]:
    problems = []
    months = said.get("months", 60) if isinstance(said.get("months", 60), int) else 60
    observables = said.get("observables")
    names = [name for name in observables if isinstance(name, str)] if isinstance(observables, tuple) else []
    if observables == ():
        problems.append("observables: is empty; name at least one")
    problems += [f"observables: no observable {short(n)}{meant(n, list(MEASURES))}" for n in names if n not in MEASURES]
    if len(set(names)) < len(names):
        problems.append("observables: one is there twice")
    for month in said["panel"] if isinstance(said.get("panel"), tuple) else ():
        if not isinstance(month, int) or not 0 <= month < months:
            problems.append(f"panel: {short(month)} is no month of the run (0 to {months - 1})")
    for name, outcome in _mapping(said.get("outcomes")).items():
        if not isinstance(outcome, Mapping):
            continue
        of, first, last = outcome.get("of"), outcome.get("first", 0), outcome.get("last")
        if isinstance(of, str) and of not in MEASURES:
            problems.append(f"outcomes.{name}.of: no observable {short(of)}{meant(of, list(MEASURES))}")
        last = months - 1 if last is None else last
        if isinstance(first, int) and isinstance(last, int) and not 0 <= first <= last < months:
            problems.append(f"outcomes.{name}: months {first} to {last} must lie within 0 to {months - 1}, in order")
        if not name.isidentifier():
            problems.append(f"outcomes.{name}: must be a name of letters, digits and underscores")
        if name in ("run_id", "point", "scenario", "replication", "seed", "status", "error", "seconds"):
            problems.append(f"outcomes.{name}: is the name of a column that every table has")
    return problems
