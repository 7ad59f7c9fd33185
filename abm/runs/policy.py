"""The resolved policy of a run: every change of an instrument or parameter, with its values, its month and its author.

It is derived from the numbers that the run uses, so that page, command line, files and Python report what is in effect and
nothing else. Parameters are levels from the first month on; events of a scenario change them from their date; a lever of a
counterfactual holds from its month to the end, whatever the scenario does to the same instrument (`without`).
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
    "attention_threshold", "belief_spread", "belief_variance", "capacity_start", "chip_cost_start", "chip_price_start",
    "closed_monetisation", "consumer_share", "consumer_spread", "consumer_value", "consumers", "credibility",
    "credibility_spread", "difficulty_high", "difficulty_low", "enterprise_share", "enterprise_value", "leader_lock_in",
    "machine_power", "power_saving", "price_adjustment", "social_return_ratio", "subscriber_tokens", "susceptibility",
    "task_value", "task_volume", "trend_share", "trust_in_closed", "trust_in_hosts", "value_slope", "value_spread",
    "volume_slope",
)  # fmt: skip
"""Parameters that no month reads: they only set starting values of agents (or enter an observable)."""
ANSWERED = tuple(name for name in INSTRUMENTS if name not in ("ip_clarity", "policy_uncertainty"))
"""Instruments whose targets regulators shift under political pressure (`Regulator.adjust`)."""
EVERYWHERE = "all"
CLOSED = "closed_to_china"
"""Id of the export control that a counterfactual adds."""


@dataclass(frozen=True)
class Change:
    """A change of one instrument: `before` and `after` are targets in the instrument's unit; infinity means no cap.

    In a comparison `before` is the value of the baseline in that month.
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
        """The change as text: `0.4 to 0.9`."""
        before, after = ("none" if np.isinf(value) else f"{value:.6g}" for value in (self.before, self.after))
        return f"{before} to {after}"


def frame(changes: Iterable[Change]) -> pd.DataFrame:
    """One row per change: instrument, jurisdiction, from, to, date (first of the month), set_by."""
    import pandas as pd

    columns = ("instrument", "jurisdiction", "from", "to", "date", "set_by")
    rows = [(c.instrument, c.jurisdiction, c.before, c.after, date_of(c.month).replace(day=1), c.by) for c in changes]
    return pd.DataFrame(rows, columns=list(columns))


def resolved(
    setup: Setup, baseline: Setup | None = None, since: int = 0, by: str = "parameters", exports_by: str = ""
) -> tuple[Change, ...]:
    """All changes of instruments and parameters, in order of month.

    A single run is compared with the model's defaults without events. With a `baseline`, from which it branches in month
    `since`, the differences from that are returned: `before` is then the baseline's value of that month. `by` names the
    author of the set-up's own parameters, `exports_by` the author of changes to the export rules outside the scenario.
    """
    levels, usual = _levels(setup), _levels(baseline) if baseline else _at_rest(setup)
    changes: list[Change] = []
    for name, now in levels.items():
        before = usual[name]
        changed = _moves(now, before, since, compared=baseline is not None)
        for month, *place in np.argwhere(changed):
            where = tuple(place)
            last = before[(month, *where)] if baseline or not month else now[(month - 1, *where)]
            author = _author(setup, name, where, int(month), since, by, exports_by, lasting=baseline is not None)
            change = Change(*_names(setup, name, where), float(last), float(now[(month, *where)]), int(month), author)
            changes.append(change)
    return _together(changes, setup)


# --- values in effect, as arrays: month first, then vendor, jurisdiction ---


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
    """As `_levels`, for default parameters and no events."""
    rest = {name: np.broadcast_to(value, (setup.months, *value.shape)) for name, value in Parameters().values().items()}
    rest["export_availability"] = np.ones_like(setup.timeline["export_availability"])
    rest["export_performance_cap"] = np.full_like(setup.timeline["performance_cap"], np.inf)
    return rest


def _moves(now: np.ndarray, before: np.ndarray, since: int, compared: bool) -> np.ndarray:
    """Mask of changes to report: a step in time or, in a comparison, a step of either run while they differ."""
    differs = now != before
    differs[:since] = False
    steps = np.zeros_like(differs)
    steps[1:] = now[1:] != now[:-1]
    if not compared:
        steps[0] = differs[0]
        return steps
    steps[1:] |= before[1:] != before[:-1]
    steps[since] = True
    differed = np.zeros_like(differs)  # in the month before
    differed[1:] = differs[:-1]
    steps[:since] = False
    return steps & (differs | differed)


def _names(setup: Setup, name: str, where: tuple[int, ...]) -> tuple[str, str]:
    """Instrument and jurisdiction; a vendor is part of the instrument's name."""
    places = setup.cast.jurisdictions
    if len(where) == 2:
        return f"{name}, {setup.cast.vendors[where[0]]}", places[where[1]]
    return name, places[where[0]] if where else EVERYWHERE


def _author(
    setup: Setup, name: str, where: tuple[int, ...], month: int, since: int, by: str, exports_by: str, lasting: bool
) -> str:
    """Author of the instrument's value in that month: events that begin or end then, else the source of the parameters."""
    given = name in setup.given and _covers(setup.given[name], where)
    if given and lasting:
        return by
    authors = [by] if given and month == since else []
    of_scenario = setup.scenario.all_parameters
    if not authors and month == since and name in of_scenario and _covers(of_scenario[name], where):
        authors.append(f"scenario {setup.scenario.name}")
    for event in setup.scenario.all_events:
        if isinstance(event, Rule) and _touches(event, name, where, setup):
            source, first, last = owner(setup.scenario, event), event.span.start, event.span.stop
            holds = lasting and source != "baseline" and first <= month and (last is None or month < last)
            if holds and exports_by and event.id == CLOSED:
                return exports_by
            if month == first or holds:
                authors.append(f"scenario {source} ({event.id or event.kind})")
            elif month == last:
                authors.append(f"scenario {source} (end of {event.id or event.kind})")
    if own := [author for author in authors if lasting and not author.startswith("scenario baseline ")]:
        authors = own
    if exports_by and name.startswith("export_") and len(where) == 2 and not authors:
        return exports_by
    return " and ".join(authors) or f"scenario {setup.scenario.name}"


def _covers(value: Any, where: tuple[int, ...]) -> bool:
    """Whether a parameter's value covers that place."""
    if isinstance(value, Mapping):
        return "default" in value or (bool(where) and JURISDICTIONS[where[0]] in value)
    return True


def _touches(event: Event, name: str, where: tuple[int, ...], setup: Setup) -> bool:
    """Whether an event changes an instrument in that place."""
    cast = setup.cast
    if isinstance(event, Policy):
        return name == event.instrument and where[0] in _rows(event)
    if not isinstance(event, ExportControl) or len(where) != 2:
        return False
    limit = event.availability if name == "export_availability" else event.performance_cap
    vendor, destination = where[0], cast.jurisdictions[where[1]]
    foreign = "foreign" in event.vendors and cast.vendor_home[vendor] != destination
    return limit is not None and destination in event.destination and (foreign or cast.vendors[vendor] in event.vendors)


def owner(scenario: Scenario, event: Event) -> str:
    """Name of the scenario that defines an event: `baseline` for events inherited from it."""
    if event in _baseline_events():
        return "baseline"
    return next((link.name for link in scenario._line() if event in link.events), scenario.name)


@functools.cache
def _baseline_events() -> tuple[Event, ...]:
    return Scenario.load("baseline").all_events


def _together(changes: list[Change], setup: Setup) -> tuple[Change, ...]:
    """Merge changes that are equal across jurisdictions and vendors into one row."""
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


# --- parameters that have no effect, or not all the time ---


def overridden(scenario: Scenario, given: Mapping[str, Any], months: int, since: int = 0) -> list[str]:
    """One sentence for each given parameter that an event of the scenario sets to another value.

    given : parameters by name, as `Parameters` takes them (None if the value does not matter); `since` is the month from
    which they apply.
    """
    sentences = []
    for name, value in given.items():
        for event in scenario.all_events:
            if not isinstance(event, Policy) or event.instrument != name or event.mode != "set":
                continue
            span = event.span
            ended = span.stop is not None and span.stop <= since
            if span.start < months and not ended and any(_covers(value, (row,)) for row in _rows(event)):
                before = f"until {date_of(span.start - 1):%B %Y}" if span.start > since else ""
                ends = span.stop is not None and span.stop < months
                after = f"from {date_of(span.stop):%B %Y} on" if ends else ""
                when = " and ".join(filter(None, (before, after)))
                effect = f"applies {when}" if when else "has no effect"
                sentences.append(f"{_words(name, value)} {effect}: {sentence(scenario, event)}")
    return sentences


def inert(values: Mapping[str, Any], before: Mapping[str, Any], month: int) -> list[str]:
    """One sentence for each parameter that a branch changes but no rule of the package reads after the first month.

    values, before : parameters by name, as arrays of the compiled model.
    """
    return [
        f"{name} has no effect: it is read in the first month only, and the branch begins in {date_of(month):%B %Y}"
        for name in FROM_THE_START
        if not np.array_equal(values[name], before[name])
    ]


class PolicyWarning(AbmWarning):
    """A given parameter has no effect, or not all the time."""


def warn(sentences: Iterable[str]) -> None:
    """Issue each sentence as a `PolicyWarning` at the caller's caller."""
    for message in sentences:
        warnings.warn(message, PolicyWarning, stacklevel=3)


def sentence(scenario: Scenario, event: Policy) -> str:
    """An event as text: `scenario ip_strict sets it to 0.9 from February 2025 on`."""
    verb = {"set": "sets it to {:g}", "scale": "multiplies it by {:g}", "add": "adds {:g} to it"}[event.mode]
    where = "" if EVERYWHERE in event.jurisdiction else f" in {', '.join(event.jurisdiction)}"
    span = event.span
    until = "on" if span.stop is None else f"to {date_of(span.stop - 1):%B %Y}"
    return (
        f"scenario {owner(scenario, event)} {verb.format(event.value)}{where} from {date_of(span.start):%B %Y} {until}"
    )


def without(scenario: Scenario, levers: Mapping[str, Any]) -> tuple[Scenario, list[Policy]]:
    """Remove the scenario's events on instruments that `levers` set, where they set them; also return these events."""
    remaining: list[Event] = []
    removed: list[Policy] = []
    for event in scenario.all_events:
        lever = levers.get(event.instrument) if isinstance(event, Policy) else None
        if not isinstance(event, Policy) or lever is None:
            remaining.append(event)
            continue
        places = JURISDICTIONS if EVERYWHERE in event.jurisdiction else event.jurisdiction
        left = tuple(where for where in places if not _covers(lever, (JURISDICTIONS.index(where),)))
        if left != places:
            removed.append(event)
        if left:
            remaining.append(event if left == places else event.model_copy(update={"jurisdiction": left}))
    return (retold(scenario, remaining) if removed else scenario), removed


def retold(scenario: Scenario, events: Iterable[Event]) -> Scenario:
    """The scenario with these events in place of its own and inherited ones."""
    parameters = scenario.all_parameters
    return Scenario(name=scenario.name, summary=scenario.summary, parameters=parameters, events=tuple(events))


def _rows(event: Policy) -> list[int]:
    """Indices of the jurisdictions that an event covers."""
    return [row for row, name in enumerate(JURISDICTIONS) if {name, EVERYWHERE} & set(event.jurisdiction)]


def _words(name: str, value: Any) -> str:
    """A parameter as text: `ip_strength = 0.2 (china)`; only the name if the value does not matter."""
    table = value if isinstance(value, Mapping) else {"": value}
    if None in table.values():
        return name
    return (
        f"{name} = {', '.join(f'{number:g} ({where})' if where else f'{number:g}' for where, number in table.items())}"
    )
