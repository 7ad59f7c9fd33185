"""Settings as the address of the page holds them, and what is wrong with them."""

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
"""What an address says beside the counterfactual: the observable that is shown."""
SETTINGS = ("scenario", "since", "exports", "seeds", "months")
LEVER_NAMES = tuple(lever.name for lever in every())
LONGEST, MOST_FIELDS = 2_000, 60
"""Characters of an address, and settings in it: more than anybody moves by hand."""
TOO_LONG = "address"


def from_address(search: str) -> dict[str, str]:
    """What an address says, as it was typed; what it says twice stands there twice, and is refused."""
    if len(search) > LONGEST or search.count("&") >= MOST_FIELDS:
        return {TOO_LONG: ""}
    said: dict[str, str] = {}
    for name, text in parse_qsl(search.removeprefix("?")):
        said[name] = f"{said[name]} and {text}" if name in said else text
    return said


def to_address(typed: dict[str, str]) -> str:
    """What follows the ? of the address of these settings."""
    return urlencode(typed)


def read(typed: dict[str, str]) -> tuple[Counterfactual | None, dict[str, str]]:
    """The counterfactual, or None and what is wrong with it by the name of the field."""
    said = {name: text for name, text in typed.items() if text.strip() and name not in LOOK}
    problems: dict[str, str] = {}
    if TOO_LONG in typed:
        return None, {
            TOO_LONG: f"the address is too long: it may have {MOST_FIELDS} settings in {LONGEST:,} characters"
        }
    of = typed.get("of")
    if of and of not in LABELS:
        problems["of"] = f"no observable {shortened(of)}"
    try:
        asked = Counterfactual.from_query(urlencode(said))
        asked.changed_scenario()
        if what := too_much(asked):
            problems["seeds"] = what
    except CounterfactualError as error:
        problems |= error.problems
    return (None, {name: printable(what) for name, what in problems.items()}) if problems else (asked, {})


def changed(typed: dict[str, str], name: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The settings after a change, and why others were taken back with it: what was touched last acts."""
    after = {each: said for each, said in typed.items() if each != TOO_LONG} | {name: text}
    scenario = text or "baseline" if name == "scenario" else None
    if scenario is not None and scenario not in Scenario.names():
        return after, {}
    levers = [each for each in typed if typed[each] and each not in LOOK + SETTINGS and each != name]
    back = taken_back(scenario, [name] if text else [], typed.get("exports", ""), levers)
    return {each: said for each, said in after.items() if each not in back}, back


def standing(typed: dict[str, str]) -> dict[str, float]:
    """Where each lever stands that nobody has touched: under the scenario, in the last month of the run."""
    usual = Parameters()
    try:
        asked = Counterfactual(scenario=typed.get("scenario") or "baseline", months=int(typed.get("months") or HORIZON))
    except ValueError:
        return {name: float(getattr(usual, name)) for name in LEVER_NAMES}
    found = Parameters(**Scenario.load(asked.scenario).all_parameters).values()
    last = Scenario.load(asked.scenario).timeline(asked.months)
    for i, name in enumerate(INSTRUMENTS):
        found[name] = found[name] * last.policy_scale[-1, :, i] + last.policy_add[-1, :, i]
    return {name: float(found[name].flat[0]) for name in LEVER_NAMES}
