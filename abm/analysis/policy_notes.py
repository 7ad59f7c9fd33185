"""Sentences on a counterfactual's policy: where settings collide, what cannot act, how regulators answer.

Of two settings that collide the one given later wins. Those of one file, one address or one command are given together:
then a lever wins over an event of the scenario on the same instrument.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from abm.parameters import Parameters
from abm.runs.policy import ANSWERED, EVERYWHERE, Change, owner, sentence, without
from abm.scenarios.calendar import date_of
from abm.scenarios.events import Event, Policy
from abm.scenarios.scenario import Scenario
from abm.scenarios.timeline import Timeline
from abm.support.axes import INSTRUMENTS, JURISDICTIONS

if TYPE_CHECKING:
    from abm.analysis.counterfactual import Counterfactual


def notes(asked: Counterfactual) -> list[str]:
    """What of the settings does not act, or acts in place of another one; empty where they do not collide."""
    return [*_replaced(asked), *_lifted(asked), *late(Scenario.load(asked.scenario), asked.months), *_powerless(asked)]


def answers(p: Parameters, changes: Iterable[Change]) -> list[str]:
    """How regulators treat the targets that move: what they do of their own accord is part of what acts."""
    moved = {change.instrument for change in changes} & set(INSTRUMENTS)
    if not moved:
        return []
    pace = f"Regulators go {100 * p.policy_adjustment:.3g} % of the way to a target each month"
    shifted = [name for name in ANSWERED if name in moved]
    if not p.policy_response or not shifted:
        return [f"{pace}."]
    own = f"they shift the target of {', '.join(shifted)} as lobbying, rivals, safety and prices press on them"
    return [f"{pace}; {own} (policy_response = {p.policy_response:g})."]


def taken_back(
    scenario: str | Scenario | None, levers: Iterable[str], exports: str, kept: Iterable[str]
) -> dict[str, str]:
    """Of settings `kept` from before, by name, those that a scenario or levers given later replace, and why.

    levers, kept : names such as ``ip_strength`` or ``ip_strength.china``; `exports` is what was chosen before.
    """
    found: dict[str, str] = {}
    for name in kept:
        instrument, dot, _ = name.partition(".")
        if dot and instrument in levers:
            found[name] = f"{name} is taken back: {instrument} was set everywhere after it"
    if scenario is None:
        return found
    story = Scenario.load(scenario)
    own = _own_events(story)
    for name in kept:
        instrument, dot, where = name.partition(".")
        for event in own:
            if not isinstance(event, Policy) or event.instrument != instrument:
                continue
            if not dot or {where, EVERYWHERE} & set(event.jurisdiction):
                found.setdefault(name, f"{name} is taken back: {sentence(story, event)}")
        if instrument in story.all_parameters:
            found.setdefault(name, f"{name} is taken back: scenario {story.name} has a value of its own")
    rules = [event for event in own if event.kind == "export_control"]
    if rules and exports == "lifted":
        found["exports"] = f"export rules are as enacted again: scenario {story.name} has rules of its own"
    return found


def _own_events(story: Scenario) -> list[Event]:
    """Events that the baseline does not have."""
    return [event for event in story.all_events if owner(story, event) != "baseline"]


def _replaced(asked: Counterfactual) -> list[str]:
    story, levers = Scenario.load(asked.scenario), asked.parameters()
    _, gone = without(story, levers)
    found = [
        f"{event.instrument} is set by the user from {asked.since:%B %Y} on: the event {event.id or event.kind} does not"
        f" act on it ({sentence(story, event)})"
        for event in gone
        if event.span.start < asked.months
    ]
    return found + [
        f"{name} is set by the user, in place of the value of scenario {story.name}"
        for name in levers
        if name in story.all_parameters
    ]


def _lifted(asked: Counterfactual) -> list[str]:
    story = Scenario.load(asked.scenario)
    rules = [event.id or event.kind for event in _own_events(story) if event.kind == "export_control"]
    if asked.exports != "lifted" or not rules:
        return []
    return [f"export rules are lifted by the user: those of scenario {story.name} do not act ({', '.join(rules)})"]


def late(story: Scenario, months: int) -> list[str]:
    """A scenario that is the baseline in a run of so many months, or some of whose events come after it."""
    usual = Scenario.load("baseline")
    after = [event for event in _own_events(story) if event.when[0] >= months]
    apart = story.all_parameters != usual.all_parameters or _differ(story.timeline(months), usual.timeline(months))
    if story == usual or (apart and not after):
        return []
    dates = ", ".join(f"{event.id or event.kind} ({date_of(event.when[0]):%B %Y})" for event in after)
    end = f"{date_of(months - 1):%B %Y} is the last month"
    if apart:
        return [f"{end}: events of scenario {story.name} come later ({dates})"]
    return [
        f"scenario {story.name} is the baseline here: {end}" + (f", its events come later ({dates})" if dates else "")
    ]


def _differ(a: Timeline, b: Timeline) -> bool:
    others = b.arrays()
    return any(not np.array_equal(array, others[name]) for name, array in a.arrays().items())


def _powerless(asked: Counterfactual) -> list[str]:
    """Levers that change nothing, by what they are set to or by another lever."""
    levers, changes = asked.parameters(), asked.policy()
    moved = {change.instrument for change in changes}
    found = []
    for name, value in levers.items():
        if name not in moved:
            found.append(f"{name} changes nothing: the baseline has the same value from {asked.since:%B %Y} on")
        elif isinstance(value, dict) and "default" in value and not set(JURISDICTIONS) - set(value):
            found.append(f"{name} = {value['default']:g} acts nowhere: every jurisdiction has a value of its own")
    targets = sorted(moved & set(INSTRUMENTS))
    if asked.month and levers.get("policy_adjustment") == 0 and targets:
        found.append(
            f"policy_adjustment = 0: regulators never move, so the targets of {', '.join(targets)} are never approached"
        )
    switch = levers.get("short_sale_constraint")
    if switch is not None and 0 < switch < 1:
        found.append(f"short_sale_constraint is a switch: {switch:g} acts as {int(switch > 0.5)}")
    if "export_leakage" in levers and _open(asked):
        found.append("export_leakage has no effect: no rule keeps chips from a market")
    return found


def _open(asked: Counterfactual) -> bool:
    """Whether no vendor is kept out of any market from the month on."""
    arrays = asked.changed_scenario().timeline(asked.months).arrays()
    return bool((arrays["export_availability"][asked.month :] == 1).all())
