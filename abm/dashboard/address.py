"""Settings in the address of the page: parse, check and change them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.analysis.policy_notes import taken_back
from abm.charts.labels import LABELS
from abm.dashboard.levers import every
from abm.dashboard.runs import too_much
from abm.parameters import Parameters
from abm.scenarios.calendar import HORIZON
from abm.scenarios.scenario import Scenario
from abm.support.axes import INSTRUMENTS
from abm.support.messages import printable, shortened

LOOK = ("of",)
"""Settings of the view that are not part of the counterfactual: the observable shown."""
SETTINGS = ("scenario", "since", "exports", "seeds", "months")
LEVER_NAMES = tuple(lever.name for lever in every())
LONGEST, MOST_FIELDS = 2_000, 60
"""Most characters of an address, and most settings in it; the page itself never comes near them."""
TOO_LONG = "address"


def from_address(search: str) -> dict[str, str]:
    """Settings of an address, as typed. Repeated values are joined by "and", so that they are rejected later."""
    if len(search) > LONGEST or search.count("&") >= MOST_FIELDS:
        return {TOO_LONG: ""}
    fields: dict[str, str] = {}
    for name, text in parse_qsl(search.removeprefix("?")):
        fields[name] = f"{fields[name]} and {text}" if name in fields else text
    return fields


def to_address(typed: dict[str, str]) -> str:
    """The query string of settings, which follows the ? of the address."""
    return urlencode(typed)


def read(typed: dict[str, str]) -> tuple[Counterfactual | None, dict[str, str]]:
    """Parse settings: the counterfactual, or None and the problems by the name of the setting."""
    fields = {name: text for name, text in typed.items() if text.strip() and name not in LOOK}
    problems: dict[str, str] = {}
    if TOO_LONG in typed:
        return None, {TOO_LONG: f"the address is too long: at most {MOST_FIELDS} settings and {LONGEST:,} characters"}
    of = typed.get("of")
    if of and of not in LABELS:
        problems["of"] = f"no observable {shortened(of)}"
    try:
        counterfactual = Counterfactual.from_query(urlencode(fields))
        counterfactual.changed_scenario()
        if problem := too_much(counterfactual):
            problems["seeds"] = problem
    except CounterfactualError as error:
        problems |= error.problems
    if problems:
        return None, {name: printable(problem) for name, problem in problems.items()}
    return counterfactual, {}


def changed(typed: dict[str, str], name: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Change a setting; returns the settings, and messages on others reset by it: the last change takes precedence."""
    after = {setting: value for setting, value in typed.items() if setting != TOO_LONG} | {name: text}
    scenario = text or "baseline" if name == "scenario" else None
    if scenario is not None and scenario not in Scenario.names():
        return after, {}
    levers = [lever for lever in typed if typed[lever] and lever not in LOOK + SETTINGS and lever != name]
    back = taken_back(scenario, [name] if text else [], typed.get("exports", ""), levers)
    return {setting: value for setting, value in after.items() if setting not in back}, back


def standing(typed: dict[str, str]) -> dict[str, float]:
    """Values of the levers that are not set: those under the scenario, in the last month of the run."""
    usual = Parameters()
    try:
        counterfactual = Counterfactual(
            scenario=typed.get("scenario") or "baseline", months=int(typed.get("months") or HORIZON)
        )
    except ValueError:
        return {name: float(getattr(usual, name)) for name in LEVER_NAMES}
    scenario = Scenario.load(counterfactual.scenario)
    values = Parameters(**scenario.all_parameters).values()
    timeline = scenario.timeline(counterfactual.months)
    for i, name in enumerate(INSTRUMENTS):
        values[name] = values[name] * timeline.policy_scale[-1, :, i] + timeline.policy_add[-1, :, i]
    return {name: float(values[name].flat[0]) for name in LEVER_NAMES}
