"""Read events from the tables of a file or a caller, and collect every problem with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from abm.scenarios.events import KINDS, Event
from abm.scenarios.timeline import Cast
from abm.support.messages import did_you_mean, requirement, shortened


def read_event(
    raw: Any, cast: Cast | None = None, horizon: int | None = None
) -> tuple[Event | None, list[tuple[str | None, str]]]:
    """Read one event; return it (None if invalid) and all its problems as (key, message)."""
    raw = {key: value for key, value in raw if value is not None} if isinstance(raw, Event) else raw
    if not isinstance(raw, Mapping) or not all(isinstance(key, str) for key in raw):
        return None, [(None, f"an event must be a table [[event]], not {shortened(raw)}")]
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return None, [
            ("kind", ("missing field 'kind'" if kind is None else "unknown kind") + did_you_mean(kind, list(KINDS)))
        ]
    problems = list(KINDS[kind].conflicts(dict(raw), horizon))
    try:
        return KINDS[kind].model_validate(dict(raw), context={"cast": cast}), problems
    except ValidationError as error:
        return None, list(dict.fromkeys([*problems, *complaints(error, KINDS[kind])]))


def complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str | None, str]]:
    """Translate pydantic's errors into (key, message) in the terms of the file, skipping those reported elsewhere."""
    for fault in error.errors(include_url=False):
        if not fault["loc"] or (fault["loc"][0] == "parameters" and len(fault["loc"]) > 1):
            continue  # reported by `Event.conflicts` and by abm.scenarios.scenario
        key = str(fault["loc"][0])
        if fault["type"] == "missing":
            yield None, f"missing field {key!r}"
        elif fault["type"] == "extra_forbidden":
            words = ["event" if word == "events" else word for word in model.model_fields]
            yield key, f"unknown key {shortened(key)}{did_you_mean(key, words)}"
        elif fault["type"] == "value_error":
            yield key, str(fault["ctx"]["error"])
        else:
            unit = model.model_fields[key].description
            yield key, f"{key}{f' ({unit})' if unit else ''}: {requirement(fault)}, not {shortened(fault['input'])}"
