"""The settings panel: scenario, dates, export rules, levers, and runs."""

from __future__ import annotations

import math
from typing import Any

import reacton.ipyvuetify as v
import solara

from abm.analysis.counterfactual import EXPORTS
from abm.dashboard.address import LEVER_NAMES, LOOK, SETTINGS, standing
from abm.dashboard.levers import LEVERS, Lever
from abm.dashboard.parts import when_changed
from abm.scenarios.scenario import Scenario
from abm.support.inputs import parse_float
from abm.support.messages import printable


@solara.component
def Settings(typed: dict[str, str], problems: dict[str, str], set_: Any, reset: Any) -> None:
    """The settings panel; each field shows the problem of its value."""
    usual = solara.use_memo(lambda: standing(typed), [typed.get("scenario"), typed.get("months")])
    with solara.Column(gap="2px", classes=["abm-settings"]):
        solara.Text("The changed world", classes=["abm-heading"])
        Choice("Scenario", "scenario", list(Scenario.names()), "baseline", typed, problems, set_)
        Entry(
            "Policy starts", "since", "2025-01-01", typed, problems, set_, "a date; both worlds are identical before it"
        )
        Choice("Export rules", "exports", list(EXPORTS), EXPORTS[0], typed, problems, set_)
        for group, levers in LEVERS.items():
            solara.Text(group, classes=["abm-heading"])
            for lever in levers:
                Slider(lever, usual[lever.name], typed, problems, set_)
        solara.Text("Runs", classes=["abm-heading"])
        Entry("Paired seeds", "seeds", "100", typed, problems, set_, "2 or more")
        Entry("Months", "months", "60", typed, problems, set_, "from January 2023")
        other = [name for name in typed if name not in SETTINGS and name not in LOOK and name not in LEVER_NAMES]
        for name in other:  # settings that come only from the address: levers without a slider, or misspelt names
            Entry(printable(name), name, "", typed, problems, set_, "from the address")
        solara.Button("Reset levers", icon_name="mdi-restore", text=True, on_click=reset)


@solara.component
def Entry(
    label: str, name: str, usual: str, typed: dict[str, str], problems: dict[str, str], set_: Any, hint: str
) -> None:
    """A text field; its value applies when Enter is pressed or the field loses focus."""
    field = v.TextField(
        label=label, v_model=typed.get(name) or usual, error_messages=problems.get(name, []), dense=True, hint=hint,
        class_="abm-entry", attributes={"data-name": name},
    )  # fmt: skip
    when_changed(field, lambda text: set_(name, "" if text == usual else text))


@solara.component
def Choice(
    label: str, name: str, values: list[str], usual: str, typed: dict[str, str], problems: dict[str, str], set_: Any
) -> None:
    """A drop-down list."""
    v.Select(
        label=label, items=values, v_model=typed.get(name) or usual, dense=True, error_messages=problems.get(name, []),
        on_v_model=lambda value: set_(name, "" if value == usual else value), class_=f"abm-choice-{name}",
    )  # fmt: skip


@solara.component
def Slider(lever: Lever, standing: float, typed: dict[str, str], problems: dict[str, str], set_: Any) -> None:
    """A slider, and a text field for values beyond its range; until changed they show the value under the scenario."""
    usual = f"{standing:.4g}"
    text = typed.get(lever.name) or usual
    try:
        value = parse_float(text)
    except ValueError:
        value = standing
    value = min(max(value if math.isfinite(value) else standing, lever.low), lever.high)
    with solara.Div(classes=["abm-lever"]):
        solara.Text(f"{lever.label}, {lever.unit}" if lever.unit else lever.label, classes=["abm-label"])
        slider = v.Slider(
            v_model=value, min=lever.low, max=lever.high, step=lever.step, dense=True, hide_details=True,
            class_=f"abm-slider-{lever.name}", attributes={"title": lever.help, "aria-label": lever.label},
        )  # fmt: skip
        when_changed(slider, lambda value: set_(lever.name, f"{value:.6g}"))
        field = v.TextField(
            v_model=text, dense=True, hide_details=True, error=lever.name in problems,
            class_=f"abm-field-{lever.name}", attributes={"title": lever.help, "aria-label": lever.label},
        )  # fmt: skip
        when_changed(field, lambda value: set_(lever.name, "" if value == usual else value))
        if lever.name in problems:
            solara.Text(problems[lever.name], classes=["abm-wrong"])
