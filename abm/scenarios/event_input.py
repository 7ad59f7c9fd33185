"""Read events from the tables of a file or a caller, and collect every problem with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from abm.scenarios.events import KINDS, Event
from abm.scenarios.timeline import Cast
from abm.support.messages import did_you_mean, shortened
from abm.support.specs import Wording, problems_of

WORDING = Wording("{place}{unit}: {requirement}, not {value}", missing="missing field {key}", other="{message}")


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
        faults = problems_of(error, KINDS[kind], raw, WORDING)
        faults.pop("", None)  # of the whole event: reported by `conflicts`
        return None, list(dict.fromkeys([*problems, *faults.items()]))
