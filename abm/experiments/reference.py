"""Reference numbers: what an experiment gave when it was committed, and whether it still does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from abm.experiments.report import write_json
from abm.experiments.spec import Experiment

HALF_WIDTHS = 0.1
"""A value may move by this part of its interval's half-width: machines round differently, and a run's path may turn on it."""
RELATIVE = 1e-6
"""And by this part of itself, where it has no interval."""
LOOSE = 0.02
"""What is computed on the way (a peak, a share explained) may move by this part of itself."""
P_VALUE = 0.02


def path_of(experiment: Experiment, quick: bool) -> Path:
    return experiment.folder / ("reference_quick.json" if quick else "reference.json")


def load(experiment: Experiment, quick: bool) -> dict[str, Any] | None:
    """The reference, or None if there is none. Raises ValueError for a file that is none."""
    path = path_of(experiment, quick)
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_bytes())
        for test in stored["tests"]:
            for one in test["findings"]:
                one["of"], one["value"], one["low"], one["high"], one["p"], one["more"]
            test["name"], test["says"], test["trouble"]
        stored["verdict"], stored["key"], stored["runs"], stored["failed"], stored["replications"], stored["quick"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: is no reference; delete it, and make it anew with --accept") from None
    return dict(stored)


def keep(experiment: Experiment, result: dict[str, Any], quick: bool) -> Path:
    return write_json(path_of(experiment, quick), result)


def drift(experiment: Experiment, result: dict[str, Any], quick: bool) -> list[str]:
    """Where a result differs from the reference by more than the tolerance; empty if it does not."""
    reference = load(experiment, quick)
    name = path_of(experiment, quick)
    if reference is None:
        return [f"{name}: there is no reference; --accept keeps what came out as one"]
    lines = []
    if reference["key"] != result["key"]:
        lines.append(f"{experiment.name}: experiment.toml has changed since {name.name} was made")
    if reference["verdict"] != result["verdict"]:
        lines.append(f"{experiment.name}: verdict {result['verdict']}, was {reference['verdict']}")
    lines += [
        f"{experiment.name}: {what} {result[what]}, was {reference[what]}"
        for what in ("runs", "failed")
        if result[what] != reference[what]
    ]
    before = {test["name"]: test for test in reference["tests"]}
    for test in result["tests"]:
        if test["name"] not in before:
            lines.append(f"{experiment.name}, {test['name']}: is new")
            continue
        if test["says"] != before[test["name"]]["says"]:
            lines.append(f"{experiment.name}, {test['name']}: {test['says']}, was {before[test['name']]['says']}")
        old = {one["of"]: one for one in before[test["name"]]["findings"]}
        lost = [of for of in old if of not in {one["of"] for one in test["findings"]}]
        lines += [f"{experiment.name}, {test['name']}, {of}: is gone" for of in lost]
        for one in test["findings"]:
            if one["of"] not in old:
                lines.append(f"{experiment.name}, {test['name']}, {one['of']}: is new")
                continue
            lines += [f"{experiment.name}, {test['name']}, {one['of']}: {line}" for line in moved(one, old[one["of"]])]
    gone = [name for name in before if name not in {test["name"] for test in result["tests"]}]
    return lines + [f"{experiment.name}, {name}: is gone" for name in gone]


def moved(one: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Numbers of a finding that have left their tolerance."""
    width = 0.0
    if isinstance(old.get("low"), float) and isinstance(old.get("high"), float):
        width = HALF_WIDTHS * (old["high"] - old["low"]) / 2
    out = []
    pairs = {key: (one.get(key), old.get(key)) for key in ("value", "low", "high")}
    pairs |= {f"more, {key}": (one["more"].get(key), old["more"].get(key)) for key in {**one["more"], **old["more"]}}
    new_p, old_p = _number(one.get("p")), _number(old.get("p"))
    if (new_p is None) != (old_p is None) or (new_p is not None and old_p is not None and abs(new_p - old_p) > P_VALUE):
        out.append(f"p = {new_p}, was {old_p}")
    for key, (first, second) in pairs.items():
        new, was = _number(first), _number(second)
        loose = (
            LOOSE * abs(was or 0.0) if key.startswith("more") else 0.0
        )  # by-products, without an interval of their own
        if new is None or was is None:
            if new != was:
                out.append(f"{key} = {new}, was {was}")
        elif abs(new - was) > max(width, loose, RELATIVE * abs(was), 1e-12):
            out.append(f"{key} = {new:.6g}, was {was:.6g} (tolerance {max(width, RELATIVE * abs(was)):.2g})")
    return out


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value - value == 0 else None
