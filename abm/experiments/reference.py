"""Reference results: the committed numbers of an experiment, and whether a new result still agrees with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from abm.experiments.report import write_json
from abm.experiments.spec import Experiment

HALF_WIDTHS = 0.1
"""Tolerance of a value as a share of its interval's half-width: machines round differently, and the path of a run may depend
on rounding."""
RELATIVE = 1e-6
"""Relative tolerance of a value without an interval."""
LOOSE = 0.02
"""Relative tolerance of by-products (a peak, a share explained)."""
P_VALUE = 0.02
"""Absolute tolerance of a p-value."""


def path_of(experiment: Experiment, quick: bool) -> Path:
    return experiment.folder / ("reference_quick.json" if quick else "reference.json")


def load(experiment: Experiment, quick: bool) -> dict[str, Any] | None:
    """Load the reference result; None if there is none. Raises ValueError for a damaged file."""
    path = path_of(experiment, quick)
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_bytes())
        for test in stored["tests"]:
            for finding in test["findings"]:
                finding["of"], finding["value"], finding["low"], finding["high"], finding["p"], finding["more"]
            test["name"], test["says"], test["trouble"]
        stored["verdict"], stored["key"], stored["runs"], stored["failed"], stored["replications"], stored["quick"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: is not a reference result; delete it and create it again with --accept") from None
    return dict(stored)


def keep(experiment: Experiment, result: dict[str, Any], quick: bool) -> Path:
    """Store a result as the reference."""
    return write_json(path_of(experiment, quick), result)


def drift(experiment: Experiment, result: dict[str, Any], quick: bool) -> list[str]:
    """Differences between a result and the reference that exceed the tolerance, one line each."""
    reference = load(experiment, quick)
    name = path_of(experiment, quick)
    if reference is None:
        return [f"{name}: no reference; store this result as one with --accept"]
    lines = []
    if reference["key"] != result["key"]:
        lines.append(
            f"{experiment.name}: {name.name} was made with another experiment.toml or other defaults of the model"
        )
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
            lines.append(f"{experiment.name}, {test['name']}: new")
            continue
        stored = before[test["name"]]
        if test["says"] != stored["says"]:
            lines.append(f"{experiment.name}, {test['name']}: {test['says']}, was {stored['says']}")
        old = {finding["of"]: finding for finding in stored["findings"]}
        missing = [of for of in old if of not in {finding["of"] for finding in test["findings"]}]
        lines += [f"{experiment.name}, {test['name']}, {of}: missing" for of in missing]
        for finding in test["findings"]:
            place = f"{experiment.name}, {test['name']}, {finding['of']}"
            if finding["of"] not in old:
                lines.append(f"{place}: new")
                continue
            lines += [f"{place}: {line}" for line in moved(finding, old[finding["of"]])]
    missing = [name for name in before if name not in {test["name"] for test in result["tests"]}]
    return lines + [f"{experiment.name}, {name}: missing" for name in missing]


def moved(finding: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Numbers of a finding that differ from the reference by more than the tolerance."""
    width = 0.0
    if isinstance(old.get("low"), float) and isinstance(old.get("high"), float):
        width = HALF_WIDTHS * (old["high"] - old["low"]) / 2
    lines = []
    more, old_more = finding["more"], old["more"]
    pairs = {key: (finding.get(key), old.get(key)) for key in ("value", "low", "high")}
    pairs |= {f"more, {key}": (more.get(key), old_more.get(key)) for key in {**more, **old_more}}
    new_p, old_p = _finite(finding.get("p")), _finite(old.get("p"))
    if (new_p is None) != (old_p is None) or (new_p is not None and old_p is not None and abs(new_p - old_p) > P_VALUE):
        lines.append(f"p = {new_p}, was {old_p}")
    for key, (first, second) in pairs.items():
        new, was = _finite(first), _finite(second)
        loose = LOOSE * abs(was or 0.0) if key.startswith("more") else 0.0  # by-products have no interval of their own
        if new is None or was is None:
            if new != was:
                lines.append(f"{key} = {new}, was {was}")
        elif abs(new - was) > max(width, loose, RELATIVE * abs(was), 1e-12):
            lines.append(f"{key} = {new:.6g}, was {was:.6g} (tolerance {max(width, RELATIVE * abs(was)):.2g})")
    return lines


def _finite(value: Any) -> float | None:
    """The value as a finite number, or None."""
    return float(value) if isinstance(value, int | float) and value - value == 0 else None
