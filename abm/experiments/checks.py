"""Check an experiment beyond the types of its fields: report every problem at once, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from abm.experiments.figures import KINDS
from abm.experiments.spec import CONDITION, Experiment, Figure, Test
from abm.experiments.statistics import NUMBER, STATISTICS, Statistic
from abm.support.messages import did_you_mean, shortened
from abm.sweeps.spec import SpecError, Sweep

SIDES = ("a", "b", "c", "d")
TYPES = {bool: "true or false", str: "text", NUMBER: "a number", list: "a list of names", dict: "a table"}


def problems_in(experiment: Experiment) -> list[str]:
    """One line per problem."""
    problems = []
    problems += [
        f"arms.{shortened(arm)}: the name of an arm has lowercase letters, digits and underscores,"
        " and must not be a key of a sweep"
        for arm in experiment.arms
        if not re.fullmatch(r"[a-z][a-z0-9_]*", arm) or arm in Sweep.model_fields
    ]
    problems += [
        f"quick: {name} must be a table"
        for name in experiment.quick
        if name in experiment.arms and not _is_table(experiment.quick[name])
    ]
    if problems:
        return problems
    columns: dict[str, bool] = {"arm": False, "scenario": False}  # name -> is an outcome
    for quick in (False, True):
        for arm in experiment.arm_names:
            try:
                sweep = experiment.sweeps(quick)[arm]
            except SpecError as error:
                where = f"arms.{arm}" if experiment.arms else "sweep"
                return [f"{where}{' (quick)' if quick else ''}: {problem}" for problem in error.problems]
            columns |= dict.fromkeys(sweep.targets, False) | dict.fromkeys(sweep.columns, True)
    if taken := [name for name in columns if columns[name] and name in ("arm", "scenario", "point", "replication")]:
        problems.append(f"outcomes.{taken[0]}: the table of runs already has a column {taken[0]}; choose another name")
    for what, names in (("test", [t.name for t in experiment.test]), ("figure", [f.name for f in experiment.figure])):
        problems += [
            f"{what} {shortened(name)}: duplicate name" for name in dict.fromkeys(names) if names.count(name) > 1
        ]
    if not any(test.supported_if or test.falsified_if for test in experiment.test):
        problems.append("test: at least one test needs a condition (supported_if, falsified_if) for a verdict")
    for test in experiment.test:
        problems += [f"test {shortened(test.name)}: {problem}" for problem in of_test(test, columns)]
    for figure in experiment.figure:
        problems += [
            f"figure {shortened(figure.name)}: {problem}" for problem in of_figure(figure, experiment, columns)
        ]
    from abm.experiments import frozen

    return problems + frozen.problems_in(experiment)


def of_test(test: Test, columns: Mapping[str, bool]) -> list[str]:
    """Problems of a test; `columns`: name -> whether it is an outcome."""
    if test.statistic not in STATISTICS:
        return [f"no statistic {shortened(test.statistic)}{did_you_mean(test.statistic, list(STATISTICS))}"]
    kind, name = STATISTICS[test.statistic], test.statistic
    problems = options_of(test.options, kind.needed, kind.optional)
    if kind.x != bool(test.x):
        problems.append(f"{name} {'needs x, a factor' if kind.x else 'takes no x'}")
    if kind.y is None and not test.y:
        problems.append(f"{name} needs y, one or more outcomes")
    if kind.y is not None and len(test.y) != kind.y:
        problems.append(f"{name} takes {kind.y} outcomes as y, not {len(test.y)}")
    for side in SIDES:
        given = bool(getattr(test, side))
        if given != (side in kind.sides):
            problems.append(f"{name} {'needs' if side in kind.sides else 'takes no'} {side}, a selection of runs")
    if test.where and not kind.where:
        problems.append(f"{name} takes no where")
    if test.scale != 1 and not kind.scale:
        problems.append(f"{name} takes no scale")
    if test.scale == 0:
        problems.append("scale must not be 0")
    problems += of_outcomes(test.y, columns)
    factors = [name for name in columns if not columns[name]]
    for key in [*([test.x] if test.x else []), *test.where, *(key for side in SIDES for key in getattr(test, side))]:
        if key not in factors:
            problems.append(f"{shortened(key)} is not a factor, arm or scenario{did_you_mean(key, factors)}")
    for label in ("over", "paid", "a_factor", "b_factor"):
        column = test.options.get(label)
        if isinstance(column, str) and column not in columns:
            problems.append(f"options.{label}: no column {shortened(column)}{did_you_mean(column, list(columns))}")
    problems += of_names_in_options(test, columns)
    for which in ("supported_if", "falsified_if"):
        problems += [f"{which}: {problem}" for problem in of_condition(getattr(test, which), kind)]
    if test.supported_if and test.supported_if == test.falsified_if:
        problems.append("supported_if and falsified_if are the same")
    return problems


def of_names_in_options(test: Test, columns: Mapping[str, bool]) -> list[str]:
    """Problems of the columns and layers named inside lists and tables of options."""
    from abm.runs.event_study import LAYERS

    named: list[Any] = []
    options = test.options
    if _is_table(options.get("signs")):
        named += [key for key in options["signs"] if key not in test.y]
        if any(value not in (1, -1) for value in options["signs"].values()):
            return ["options.signs: must be 1 or -1 for each outcome"]
    for label in ("factors", "groups"):
        value: Any = options.get(label)
        if isinstance(value, list):
            named += value
        elif _is_table_of_lists(value):
            named += [name for names in value.values() for name in names]
    for rule in options["classes"].values() if _is_table(options.get("classes")) else []:
        is_rule = _is_table(rule) and isinstance(rule.get("column"), str) and set(rule) <= {"column", "above", "below"}
        if not is_rule:
            return ["options.classes: each class must be a table of column, above and below"]
        named.append(rule["column"])
    if test.statistic == "deciding" and options.get("of") not in (options.get("groups") or {}):
        return [f"options.of: {shortened(options.get('of'))} is not one of the groups"]
    layers = options.get("layers", [])
    if isinstance(layers, list) and layers and (wrong := [name for name in layers if name not in LAYERS]):
        return [f"options.layers: no layer {shortened(wrong[0])}{did_you_mean(wrong[0], LAYERS)}"]
    if isinstance(layers, list) and layers and len(layers) != len(test.y):
        return [f"options.layers: {len(layers)} layers for {len(test.y)} outcomes"]
    return [
        f"options: no column {shortened(name)}{did_you_mean(name, list(columns))}"
        for name in named
        if name not in columns
    ]


def of_condition(text: str, kind: Statistic | None = None) -> list[str]:
    """Problems of a condition; an empty one has none."""
    if not text:
        return []
    if re.search(r"\band\b", text) and re.search(r"\bor\b", text):
        return [f"condition {shortened(text)} mixes 'and' and 'or'; use only one of them"]
    known = ("value", *(kind.gives if kind else ("low", "high", "p")))
    for part in re.split(r"\band\b|\bor\b", text):
        match = CONDITION.fullmatch(part)
        if not match:
            return [f"condition {shortened(text)} must read like 'value > 0.5' or 'high < 0 and p < 0.05'"]
        if match[1] not in known:
            return [f"condition {shortened(text)}: this statistic gives {', '.join(known)}, but not {match[1]}"]
    return []


def of_figure(figure: Figure, experiment: Experiment, columns: Mapping[str, bool]) -> list[str]:
    """Problems of a figure; `columns`: name -> whether it is an outcome."""
    if figure.kind == "own":
        folder = experiment.folder
        return [] if (folder / "figure.py").is_file() else [f"kind 'own' needs a figure.py in {folder}"]
    if figure.kind not in KINDS:
        return [f"no kind {shortened(figure.kind)}{did_you_mean(figure.kind, [*KINDS, 'own'])}"]
    kind = KINDS[figure.kind]
    problems = options_of(figure.options, kind.needed, kind.optional)
    for key in ("x", "by", "y"):
        if key in kind.takes and not getattr(figure, key):
            problems.append(f"{figure.kind} needs {key}")
    problems += of_outcomes(figure.y, columns)
    for key in [*([figure.x] if figure.x else []), *([figure.by] if figure.by else []), *figure.where]:
        if key not in columns:
            problems.append(f"no column {shortened(key)}{did_you_mean(key, list(columns))}")
    if figure.x and figure.x == figure.by:
        problems.append(f"x and by are both {shortened(figure.x)}")
    tests = figure.options.get("tests", [])
    known = [test.name for test in experiment.test]
    for name in tests if isinstance(tests, list) else []:
        if name not in known:
            problems.append(f"options.tests: no test {shortened(name)}{did_you_mean(name, known)}")
    return problems


def options_of(given: Mapping[str, Any], needed: Mapping[str, Any], optional: Mapping[str, Any]) -> list[str]:
    """Problems of options that are missing, unknown, or of the wrong type."""
    known = {**needed, **optional}
    problems = [f"needs options.{name}, {TYPES[needed[name]]}" for name in needed if name not in given]
    for name, value in given.items():
        if name not in known:
            problems.append(
                f"options: no option {shortened(name)}"
                f"{did_you_mean(name, list(known)) if known else '; there are no options here'}"
            )
        elif not isinstance(value, known[name]) or (known[name] is NUMBER and isinstance(value, bool)):
            problems.append(f"options.{name}: must be {TYPES[known[name]]}, not {shortened(value)}")
        elif known[name] is list and not all(isinstance(item, str) for item in value):
            problems.append(f"options.{name}: must be a list of names")
    return problems


def of_outcomes(names: tuple[str, ...], columns: Mapping[str, bool]) -> list[str]:
    """Problems of the outcomes that a test or figure names as y."""
    known = [name for name in columns if columns[name]]
    return [f"y: no outcome {shortened(name)}{did_you_mean(name, known)}" for name in names if name not in known]


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_table_of_lists(value: Any) -> bool:
    return _is_table(value) and all(isinstance(item, list) for item in value.values())
