"""Targets: what a factor of a sweep sets (a parameter, a policy lever of one jurisdiction, a population size, an event field)."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from abm.parameters import Parameters
from abm.scenarios.scenario import Scenario, ScenarioError
from abm.scenarios.timeline import SIZES, Cast
from abm.support.axes import INSTRUMENTS, JURISDICTIONS
from abm.support.messages import PARAMETERS, did_you_mean, shortened


@dataclass(frozen=True)
class Target:
    """What a factor sets. `kind` is "parameter", "size" or "event"; `key` a jurisdiction or an event field, if any."""

    kind: str
    name: str
    key: str | None = None
    unit: str = ""
    bounds: tuple[float, float] | None = None
    whole: bool = False
    is_date: bool = False

    def complaint(self, value: Any) -> str | None:
        """Return why a value is invalid, or None if it is valid."""
        if self.is_date:
            return None if type(value) is dt.date else f"{shortened(value)} is not a date (such as 2025-01-27)"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{shortened(value)} is not a number"
        try:
            finite = math.isfinite(value)
        except OverflowError:
            return f"{shortened(value)} is too large a number"
        if not finite:
            return f"{value} is not finite"
        if self.whole and value != int(value):
            return f"{value} is not a whole number"
        low, high = self.bounds or (-math.inf, math.inf)
        if not low <= value <= high:
            unit = f" {self.unit}" if self.unit else ""
            upper = f"and {high:g}{unit}" if math.isfinite(high) else ""
            value = value if isinstance(value, int) and abs(value) < 10**6 else f"{value:g}"
            return f"{value} must lie between {low:g} {upper}" if upper else f"{value} must be at least {low:g}{unit}"
        return None

    def typed(self, value: Any) -> Any:
        """Convert a valid value to a date, int or float."""
        return value if self.is_date else int(value) if self.whole else float(value)


def day_of(value: Any) -> Any:
    """Convert an ISO 8601 date in text to a date; return anything else unchanged."""
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def target_of(name: str, scenarios: Mapping[str, Scenario]) -> Target:
    """Return what the factor of this name sets. Raises ValueError, with a suggestion if possible, for an unknown name."""
    base, dot, key = name.rpartition(".")
    if name in Parameters.model_fields or (dot and base in Parameters.model_fields):
        low, high, unit = Parameters.bounds(base if dot else name)
        if dot and base not in INSTRUMENTS:
            raise ValueError(f"{base} is not a policy lever and has one value everywhere; remove .{key}")
        if dot and key not in JURISDICTIONS:
            raise ValueError(f"unknown jurisdiction {shortened(key)}{did_you_mean(key, JURISDICTIONS)}")
        return Target("parameter", base if dot else name, key if dot else None, unit, (low, high))
    if name in SIZES:
        return Target("size", name, unit="agents", bounds=SIZES[name], whole=True)
    events = {event.id: event for scenario in scenarios.values() for event in scenario.all_events if event.id}
    if dot and base in events:
        lacking = [
            label for label, scenario in scenarios.items() if base not in {event.id for event in scenario.all_events}
        ]
        if lacking:
            raise ValueError(
                f"scenario {shortened(lacking[0])} has no event {shortened(base)}; sweep that scenario separately"
            )
        fields = [field for field, value in events[base] if _can_vary(value)]
        if key not in fields:
            raise ValueError(
                f"event {shortened(base)} has no numeric or date field {shortened(key)}{did_you_mean(key, fields)}"
            )
        value = getattr(events[base], key)
        return Target("event", base, key, is_date=isinstance(value, dt.date), whole=type(value) is int)
    names = [*Parameters.names(), *SIZES, *(f"{id_}.date" for id_, event in events.items() if event.date)]
    raise ValueError(f"is not a parameter, population or event field{did_you_mean(name, names, PARAMETERS)}")


def _can_vary(value: Any) -> bool:
    return isinstance(value, int | float | dt.date) and not isinstance(value, bool)


def with_changed_events(scenario: Scenario, changes: Mapping[tuple[str, str], Any]) -> Scenario:
    """Return the scenario with changed event fields: (event id, field) -> value. Raises ScenarioError."""
    for (id_, key), value in changes.items():
        event = next(event for event in scenario.all_events if event.id == id_)
        fields = {"kind": event.kind} | event.model_dump(exclude_defaults=True) | {key: value}
        if key == "date":
            fields.pop("month", None), fields.pop("day", None)
        if (end := fields.get("until")) and isinstance(end, dt.date) and key == "date" and value >= end:
            raise ScenarioError(f"event {id_!r}: date {value} must be before its end, {end}")
        scenario = scenario.without(id_).with_event(fields)
    return scenario


def same_history(scenario: Scenario, other: Scenario, months: int, cast: Cast | None = None) -> bool:
    """Return whether two scenarios have the same effects in the first `months` months."""
    effects, others = (each.timeline(months, cast).arrays() for each in (scenario, other))
    return all(np.array_equal(effects[name], others[name]) for name in effects)
