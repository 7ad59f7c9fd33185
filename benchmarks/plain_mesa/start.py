"""A starting market as plain data, created once and read by processes without JAX."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

GROUPS = {
    "vendors": "vendors",
    "labs": "labs",
    "adopters": "adopters",
    "investors": "investors",
    "regulators": "regulators",
    "layers": "infrastructure",
    "operators": "operators",
    "programmes": "programmes",
}
"""Populations here, and their names in the compiled model."""
PARTS = ("compute", "exchange", "accounts", "flows")


def plain(thing: Any) -> Any:
    """An array as a number or nested lists of numbers."""
    return np.asarray(thing).tolist()


def rows(group: Any) -> list[dict[str, Any]]:
    """One table of fields per agent, in the order of the group."""
    agents = []
    for population in group.populations:
        columns = {name: plain(column) for name, column in population.columns.items()}
        agents += [{name: column[i] for name, column in columns.items()} for i in range(population.size)]
    return agents


def part_of(record: Any) -> dict[str, Any]:
    """The fields of one part of the market."""
    return {name: plain(getattr(record, name)) for name in record.names()}


def start_of(market: Any, values: Any, timeline: dict[str, Any]) -> dict[str, Any]:
    """A compiled model's market, its parameter values and its timeline (months first) as lists and numbers."""
    kinds = [population.kind.stream for population in market.labs.populations for _ in range(population.size)]
    return {
        "month": int(market.month),
        "p": {name: plain(value) for name, value in values.items()},
        "timeline": {name: plain(array) for name, array in timeline.items()},
        "open": [kind == "open lab" for kind in kinds],
        "peers": plain(market.networks.peers),
        "information": plain(market.networks.information),
        "access": plain(market.networks.access),
        **{name: rows(getattr(market, theirs)) for name, theirs in GROUPS.items()},
        **{name: part_of(getattr(market, name)) for name in PARTS},
    }


def write(start: dict[str, Any], path: str | Path) -> None:
    Path(path).write_text(json.dumps(start), encoding="utf-8")


@functools.cache
def kept(path: str) -> dict[str, Any]:
    """Read a start, once per process."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def fresh(start: dict[str, Any] | str | Path) -> SimpleNamespace:
    """A copy of a start, or of the one in a file, that a model may change."""
    whole = start if isinstance(start, dict) else kept(str(start))
    fixed = ("p", "timeline", "peers", "information", "access")
    changing = copy.deepcopy({name: part for name, part in whole.items() if name not in fixed})
    return SimpleNamespace(**changing, **{name: whole[name] for name in fixed})
