"""The resolved policy of a run: every instrument that acts, from what to what, from when on, and who set it.

It is read off the numbers that the run is given, so that page, command line, files and Python tell what acts and nothing
else. Parameters are levels from the first month on; events of a scenario change them from their date; a lever of a
counterfactual holds from its month to the end, whatever the scenario says of the same instrument (`without`).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.parameters import Parameters
from abm.scenarios.calendar import date_of
from abm.scenarios.events import Event, ExportControl, Policy, Rule
from abm.scenarios.scenario import Scenario
from abm.scenarios.timeline import NO_CAP
from abm.support.axes import INSTRUMENTS, JURISDICTIONS
from abm.support.messages import AbmWarning

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.setup import Setup

FROM_THE_START = (
    "attention_threshold", "belief_spread", "belief_variance", "capacity_start", "chip_cost_start",
    "closed_monetisation", "closed_trust", "compute_start", "credibility", "credibility_spread", "developer_compliance",
    "developer_sensitivity", "difficulty_high", "difficulty_low", "enterprise_compliance", "enterprise_scale",
    "enterprise_sensitivity", "enterprise_share", "leader_lock_in", "linear_price_scale", "openness_taste",
    "openness_taste_spread", "power_headroom", "price_adjustment", "quality_taste", "sensitivity_spread",
    "social_return_ratio", "susceptibility", "token_scale", "trend_share", "usage_elasticity",
)  # fmt: skip
"""Parameters that no month reads: what they say is in the agents from the first one on (or in a measure alone)."""
ANSWERED = tuple(name for name in INSTRUMENTS if name not in ("ip_clarity", "policy_uncertainty"))
"""Instruments whose targets regulators shift of their own accord (`Regulator.adjust`)."""
EVERYWHERE = "all"
CLOSED = "closed_to_china"
"""Event of the export rules that a counterfactual adds."""


@dataclass(frozen=True)
class Change:
    """One instrument moves: `before` and `after` are targets, in the instrument's unit; infinity is no cap.

    In a comparison `before` is what the baseline has in that month.
    """

    instrument: str
    jurisdiction: str
    before: float
    after: float
    month: int
    by: str

    def __post_init__(self) -> None:
        for name in ("before", "after"):  # 0.15, not 0.15000000000000002
            object.__setattr__(self, name, float(f"{getattr(self, name):.12g}"))

    def __str__(self) -> str:
        where = "" if self.jurisdiction == EVERYWHERE else f" ({self.jurisdiction})"
        return f"{self.instrument}{where} {self.step} from {date_of(self.month):%B %Y}, {self.by}"

    @property
    def step(self) -> str:
        """`0.4 to 0.9`."""
        before, after = ("none" if np.isinf(value) else f"{value:.6g}" for value in (self.before, self.after))
        return f"{before} to {after}"


def frame(changes: Iterable[Change]) -> pd.DataFrame:
    """One row a change: instrument, jurisdiction, from, to, date (first of the month), set_by."""
    import pandas as pd

    columns = ("instrument", "jurisdiction", "from", "to", "date", "set_by")
    rows = [(c.instrument, c.jurisdiction, c.before, c.after, date_of(c.month).replace(day=1), c.by) for c in changes]
    return pd.DataFrame(rows, columns=list(columns))


def resolved(
    setup: Setup, baseline: Setup | None = None, since: int = 0, by: str = "parameters", exports_by: str = ""
) -> tuple[Change, ...]:
    """Everything that moves an instrument, in the order of its month.

    Alone, a run is told from the model's defaults without events. Beside a `baseline` that it leaves in month `since`,
    what differs is told: `before` is the baseline's value of that month. `by` is who gave the set-up's own parameters,
    `exports_by` who changed the export rules beside the scenario.
    """
    own, usual = _levels(setup), _levels(baseline) if baseline else _at_rest(setup)
    found: list[Change] = []
    for name, now in own.items():
        before = usual[name]
        apart = _moves(now, before, since, compared=baseline is not None)
        for month, *place in np.argwhere(apart):
            where = tuple(place)
            last = before[(month, *where)] if baseline or not month else now[(month - 1, *where)]
            who = _author(setup, name, where, int(month), since, by, exports_by, lasting=baseline is not None)
            found.append(Change(*_names(setup, name, where), float(last), float(now[(month, *where)]), int(month), who))
    return _together(found, setup)


# --- what acts, as arrays: month first, then jurisdiction, vendor ---


def _levels(setup: Setup) -> dict[str, np.ndarray]:
    """Targets by month: (M, R) of an instrument, (M,) of another parameter, (M, V, R) of an export rule."""
    values, events, months = setup.values, setup.timeline, setup.months
    out = {name: np.broadcast_to(value, (months, *value.shape)) for name, value in values.items()}
    for i, name in enumerate(INSTRUMENTS):
        out[name] = values[name] * events["policy_scale"][:, :, i] + events["policy_add"][:, :, i]
    cap = events["performance_cap"]
    out["export_availability"] = events["export_availability"]
    out["export_performance_cap"] = np.where(cap >= NO_CAP, np.inf, cap)
    return out


def _at_rest(setup: Setup) -> dict[str, np.ndarray]:
    """As `_levels` of a world of defaults in which nothing happens."""
    rest = {name: np.broadcast_to(value, (setup.months, *value.shape)) for name, value in Parameters().values().items()}
    rest["export_availability"] = np.ones_like(setup.timeline["export_availability"])
    rest["export_performance_cap"] = np.full_like(setup.timeline["performance_cap"], np.inf)
    return rest


def _moves(now: np.ndarray, before: np.ndarray, since: int, compared: bool) -> np.ndarray:
    """Where there is something to tell: a step in time, or, in a comparison, a step of either while they differ."""
    differs = now != before
    differs[:since] = False
    ever = np.zeros_like(differs)
    ever[1:] = now[1:] != now[:-1]
    if not compared:
        ever[0] = differs[0]
        return ever
    ever[1:] |= before[1:] != before[:-1]
    ever[since] = True
    left = np.zeros_like(differs)
    left[1:] = differs[:-1]
    ever[:since] = False
    return ever & (differs | left)


def _names(setup: Setup, name: str, where: tuple[int, ...]) -> tuple[str, str]:
    """Instrument and jurisdiction; the vendor goes with the instrument."""
    places = setup.cast.jurisdictions
    if len(where) == 2:
        return f"{name}, {setup.cast.vendors[where[0]]}", places[where[1]]
    return name, places[where[0]] if where else EVERYWHERE


def _author(
    setup: Setup, name: str, where: tuple[int, ...], month: int, since: int, by: str, exports_by: str, lasting: bool
) -> str:
    """Who sets the instrument in that month: events that begin or end then; else the parameters, whoever gave them."""
    given = name in setup.given and _covers(setup.given[name], where)
    if given and lasting:
        return by
    found = [by] if given and month == since else []
    of_scenario = setup.scenario.all_parameters
    if not found and month == since and name in of_scenario and _covers(of_scenario[name], where):
        found.append(f"scenario {setup.scenario.name}")
    for event in setup.scenario.all_events:
        if isinstance(event, Rule) and _touches(event, name, where, setup):
            whose, first, last = owner(setup.scenario, event), event.span.start, event.span.stop
            holds = lasting and whose != "baseline" and first <= month and (last is None or month < last)
            if holds and exports_by and event.id == CLOSED:
                return exports_by
            if month == first or holds:
                found.append(f"scenario {whose} ({event.id or event.kind})")
            elif month == last:
                found.append(f"scenario {whose} (end of {event.id or event.kind})")
    if own := [one for one in found if lasting and not one.startswith("scenario baseline ")]:
        found = own
    if exports_by and name.startswith("export_") and len(where) == 2 and not found:
        return exports_by
    return " and ".join(found) or f"scenario {setup.scenario.name}"


def _covers(value: Any, where: tuple[int, ...]) -> bool:
    """Whether the value of a parameter says something of that place."""
    if isinstance(value, Mapping):
        return "default" in value or (bool(where) and JURISDICTIONS[where[0]] in value)
    return True


def _touches(event: Event, name: str, where: tuple[int, ...], setup: Setup) -> bool:
    """Whether an event acts on an instrument in a place."""
    cast = setup.cast
    if isinstance(event, Policy):
        return name == event.instrument and where[0] in _rows(event)
    if not isinstance(event, ExportControl) or len(where) != 2:
        return False
    says = event.availability if name == "export_availability" else event.performance_cap
    vendor, destination = where[0], cast.jurisdictions[where[1]]
    foreign = "foreign" in event.vendors and cast.vendor_home[vendor] != destination
    return says is not None and destination in event.destination and (foreign or cast.vendors[vendor] in event.vendors)


def owner(story: Scenario, event: Event) -> str:
    """The scenario whose own words an event is: `baseline` of what is inherited from it."""
    if event in _baseline_events():
        return "baseline"
    return next((one.name for one in story._line() if event in one.events), story.name)


@functools.cache
def _baseline_events() -> tuple[Event, ...]:
    return Scenario.load("baseline").all_events


def _together(changes: list[Change], setup: Setup) -> tuple[Change, ...]:
    """One row for all jurisdictions, and all vendors, that move alike."""
    rows: dict[tuple[Any, ...], list[tuple[str, str]]] = {}
    for c in changes:
        name, _, vendor = c.instrument.partition(", ")
        rows.setdefault((c.month, name, c.before, c.after, c.by), []).append((vendor, c.jurisdiction))
    out = []
    for (month, name, before, after, by), places in rows.items():
        by_vendors: dict[tuple[str, ...], list[str]] = {}
        for where in dict.fromkeys(where for _, where in places):
            vendors = tuple(vendor for vendor, there in places if there == where and vendor)
            by_vendors.setdefault(vendors, []).append(where)
        for vendors, there in by_vendors.items():
            label = f"{name} of {', '.join(vendors)}" if vendors else name
            everywhere = {EVERYWHERE} == set(there) or set(there) == set(setup.cast.jurisdictions)
            out.append(Change(label, EVERYWHERE if everywhere else ", ".join(there), before, after, month, by))
    return tuple(sorted(out, key=lambda c: c.month))


# --- what does not act, or not as it was given ---


def overridden(story: Scenario, given: Mapping[str, Any], months: int, since: int = 0) -> list[str]:
    """A sentence for each parameter that was given and that an event of the scenario sets to something else.

    given : parameters by name, as `Parameters` takes them (None where a value is of no matter); `since` is the month from
    which they act.
    """
    found = []
    for name, value in given.items():
        for event in story.all_events:
            if not isinstance(event, Policy) or event.instrument != name or event.mode != "set":
                continue
            span = event.span
            ended = span.stop is not None and span.stop <= since
            if span.start < months and not ended and any(_covers(value, (at,)) for at in _rows(event)):
                before = f"until {date_of(span.start - 1):%B %Y}" if span.start > since else ""
                ends = span.stop is not None and span.stop < months
                after = f"from {date_of(span.stop):%B %Y} on" if ends else ""
                acts = f"acts {' and '.join(filter(None, (before, after)))}" if before or after else "does not act"
                found.append(f"{_words(name, value)} {acts}: {sentence(story, event)}")
    return found


def inert(values: Mapping[str, Any], before: Mapping[str, Any], month: int) -> list[str]:
    """A sentence for each parameter that a branch changes and that no rule of the package reads after the first month.

    values, before : parameters by name as the compiled model takes them.
    """
    return [
        f"{name} has no effect: it acts in the first month only, and the branch begins in {date_of(month):%B %Y}"
        for name in FROM_THE_START
        if not np.array_equal(values[name], before[name])
    ]


class PolicyWarning(AbmWarning):
    """A parameter that was given does not act, or not all the time."""


def warn(sentences: Iterable[str]) -> None:
    """Warn whoever called the caller."""
    for one in sentences:
        warnings.warn(one, PolicyWarning, stacklevel=3)


def sentence(story: Scenario, event: Policy) -> str:
    """`scenario ip_strict sets 0.9 from February 2025 on`."""
    verb = {"set": "sets it to {:g}", "scale": "multiplies it by {:g}", "add": "adds {:g} to it"}[event.mode]
    where = "" if EVERYWHERE in event.jurisdiction else f" in {', '.join(event.jurisdiction)}"
    span = event.span
    until = "on" if span.stop is None else f"to {date_of(span.stop - 1):%B %Y}"
    return f"scenario {owner(story, event)} {verb.format(event.value)}{where} from {date_of(span.start):%B %Y} {until}"


def without(story: Scenario, levers: Mapping[str, Any]) -> tuple[Scenario, list[Policy]]:
    """The scenario without its events on instruments that `levers` set, where they set them; and those events."""
    kept: list[Event] = []
    gone: list[Policy] = []
    for event in story.all_events:
        lever = levers.get(event.instrument) if isinstance(event, Policy) else None
        if not isinstance(event, Policy) or lever is None:
            kept.append(event)
            continue
        places = JURISDICTIONS if EVERYWHERE in event.jurisdiction else event.jurisdiction
        left = tuple(where for where in places if not _covers(lever, (JURISDICTIONS.index(where),)))
        if left != places:
            gone.append(event)
        if left:
            kept.append(event if left == places else event.model_copy(update={"jurisdiction": left}))
    return (retold(story, kept) if gone else story), gone


def retold(story: Scenario, events: Iterable[Event]) -> Scenario:
    """The scenario with these events in place of its own and inherited ones."""
    return Scenario(name=story.name, summary=story.summary, parameters=story.all_parameters, events=tuple(events))


def _rows(event: Policy) -> list[int]:
    """Rows of the jurisdictions that an event is about."""
    return [at for at, name in enumerate(JURISDICTIONS) if {name, EVERYWHERE} & set(event.jurisdiction)]


def _words(name: str, value: Any) -> str:
    """`ip_strength = 0.2 (china)`; the name alone where values are of no matter."""
    table = value if isinstance(value, Mapping) else {"": value}
    if None in table.values():
        return name
    return f"{name} = {', '.join(f'{one:g} ({where})' if where else f'{one:g}' for where, one in table.items())}"
