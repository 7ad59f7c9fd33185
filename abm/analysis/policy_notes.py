"""Notes on a counterfactual's policy: conflicting settings, settings without effect, and how regulators respond.

Of two conflicting settings, the later one wins. Settings from one file, one address or one command count as simultaneous:
then a lever overrides the scenario's events on the same instrument.
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


def notes(counterfactual: Counterfactual) -> list[str]:
    """Sentences on settings that override another one or have no effect; empty where there are none."""
    scenario = Scenario.load(counterfactual.scenario)
    return [
        *_overriding(counterfactual, scenario),
        *_lifted(counterfactual, scenario),
        *late(scenario, counterfactual.months),
        *_without_effect(counterfactual),
    ]


def answers(p: Parameters, changes: Iterable[Change]) -> list[str]:
    """Sentence on how regulators treat the targets that move; empty where none does."""
    moved = {change.instrument for change in changes} & set(INSTRUMENTS)
    if not moved:
        return []
    pace = f"Regulators move {100 * p.policy_adjustment:.3g} % of the way to a target each month"
    shifted = [name for name in ANSWERED if name in moved]
    if not p.policy_response or not shifted:
        return [f"{pace}."]
    response = f"they also shift the target of {', '.join(shifted)} in response to lobbying, rivals, safety and prices"
    return [f"{pace}; {response} (policy_response = {p.policy_response:g})."]


def taken_back(
    scenario: str | Scenario | None, levers: Iterable[str], exports: str, earlier: Iterable[str]
) -> dict[str, str]:
    """Return those of the earlier settings that a later scenario or later levers reset: name -> reason.

    levers, earlier : names such as ``ip_strength`` or ``ip_strength.china``; `exports` is the earlier choice.
    """
    reasons: dict[str, str] = {}
    for name in earlier:
        instrument, dot, _ = name.partition(".")
        if dot and instrument in levers:
            reasons[name] = f"{name} is reset: {instrument} was then set for all jurisdictions"
    if scenario is None:
        return reasons
    loaded = Scenario.load(scenario)
    own_events = _own_events(loaded)
    for name in earlier:
        instrument, dot, where = name.partition(".")
        for event in own_events:
            if not isinstance(event, Policy) or event.instrument != instrument:
                continue
            if not dot or {where, EVERYWHERE} & set(event.jurisdiction):
                reasons.setdefault(name, f"{name} is reset: {sentence(loaded, event)}")
        if instrument in loaded.all_parameters:
            reasons.setdefault(name, f"{name} is reset: scenario {loaded.name} has its own value")
    rules = [event for event in own_events if event.kind == "export_control"]
    if rules and exports == "lifted":
        reasons["exports"] = f'export rules are reset to "as enacted": scenario {loaded.name} has its own rules'
    return reasons


def _own_events(scenario: Scenario) -> list[Event]:
    """Events that the baseline does not have."""
    return [event for event in scenario.all_events if owner(scenario, event) != "baseline"]


def _overriding(counterfactual: Counterfactual, scenario: Scenario) -> list[str]:
    """Levers that override events or parameters of the scenario."""
    levers = counterfactual.parameters()
    _, removed = without(scenario, levers)
    by_event = [
        f"{event.instrument} is set by the user from {counterfactual.since:%B %Y} on; event {event.id or event.kind} does"
        f" not change it ({sentence(scenario, event)})"
        for event in removed
        if event.span.start < counterfactual.months
    ]
    return by_event + [
        f"{name} is set by the user instead of the value in scenario {scenario.name}"
        for name in levers
        if name in scenario.all_parameters
    ]


def _lifted(counterfactual: Counterfactual, scenario: Scenario) -> list[str]:
    """Export rules of the scenario that the user has lifted."""
    rules = [event.id or event.kind for event in _own_events(scenario) if event.kind == "export_control"]
    if counterfactual.exports != "lifted" or not rules:
        return []
    return [f"export rules are lifted by the user; those of scenario {scenario.name} do not apply ({', '.join(rules)})"]


def late(scenario: Scenario, months: int) -> list[str]:
    """Note on events after the last of `months` months, or on a scenario that is identical to the baseline until then."""
    baseline = Scenario.load("baseline")
    after = [event for event in _own_events(scenario) if event.when[0] >= months]
    changed = scenario.all_parameters != baseline.all_parameters or _differ(
        scenario.timeline(months), baseline.timeline(months)
    )
    if scenario == baseline or (changed and not after):
        return []
    dates = ", ".join(f"{event.id or event.kind} ({date_of(event.when[0]):%B %Y})" for event in after)
    end = f"the last month is {date_of(months - 1):%B %Y}"
    if changed:
        return [f"{end}; events of scenario {scenario.name} come later ({dates})"]
    return [
        f"scenario {scenario.name} is identical to the baseline here: {end}"
        + (f"; its events come later ({dates})" if dates else "")
    ]


def _differ(a: Timeline, b: Timeline) -> bool:
    others = b.arrays()
    return any(not np.array_equal(array, others[name]) for name, array in a.arrays().items())


def _without_effect(counterfactual: Counterfactual) -> list[str]:
    """Levers without effect because of their value or of another lever."""
    levers, changes = counterfactual.parameters(), counterfactual.policy()
    moved = {change.instrument for change in changes}
    sentences = []
    for name, value in levers.items():
        if name not in moved:
            since = f"{counterfactual.since:%B %Y}"
            sentences.append(f"{name} has no effect: the baseline has the same value from {since} on")
        elif isinstance(value, dict) and "default" in value and not set(JURISDICTIONS) - set(value):
            sentences.append(f"{name} = {value['default']:g} has no effect: every jurisdiction has its own value")
    targets = sorted(moved & set(INSTRUMENTS))
    if counterfactual.month and levers.get("policy_adjustment") == 0 and targets:
        sentences.append(
            f"policy_adjustment = 0: regulators never move, so the targets of {', '.join(targets)} have no effect"
        )
    switch = levers.get("short_sale_constraint")
    if switch is not None and 0 < switch < 1:
        sentences.append(f"short_sale_constraint is a switch: {switch:g} counts as {int(switch > 0.5)}")
    if "export_leakage" in levers and _open(counterfactual):
        sentences.append("export_leakage has no effect: no rule restricts exports to any market")
    return sentences


def _open(counterfactual: Counterfactual) -> bool:
    """Whether no vendor is excluded from any market from the month of the change on."""
    arrays = counterfactual.changed_scenario().timeline(counterfactual.months).arrays()
    return bool((arrays["export_availability"][counterfactual.month :] == 1).all())
