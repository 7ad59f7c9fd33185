"""A counterfactual that shares its history: the same runs twice, and from a month on other rules in one of them.

# strict.toml                      abm compare strict.toml
scenario = "baseline"              # what happens in the changed world; the other one is always the baseline
since = 2025-01-01                 # before this month both worlds are one and the same
exports = "lifted"                 # export rules: "as enacted", "lifted", "closed to China"
seeds = 100                        # paired runs: seeds 0 to 99
months = 60

[levers]                           # parameters from that month on, in place of what the scenario's events say of them;
                                   # policy moves towards them step by step
ip_strength = 0.9                  # or in one jurisdiction: "ip_strength.china" = 0.9
distillation_rate = 0.0
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from abm.parameters import Parameters
from abm.runs.policy import CLOSED, FROM_THE_START, Change, resolved, retold, without
from abm.scenarios.calendar import HORIZON, date_of, month_of
from abm.scenarios.events import Event
from abm.scenarios.scenario import Scenario, ScenarioError
from abm.support.axes import INSTRUMENTS, JURISDICTIONS
from abm.support.files import Unreadable, parse_toml, read_text, toml_key, toml_value
from abm.support.inputs import parse_float, plain
from abm.support.messages import PARAMETERS, did_you_mean, shortened
from abm.support.toml_lines import Where, line_of, lines_of

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Comparison
    from abm.runs.setup import Setup
    from abm.runs.simulate import Setting

USER = "user"
EXPORTS = ("as enacted", "lifted", "closed to China")
MOST_SEEDS = 100_000
FIRST = dt.date(2023, 1, 1)
LARGEST = 100_000
"""Bytes of the largest file that is read."""


class CounterfactualError(ValueError):
    """Everything that is wrong with a counterfactual, one line each; `problems` has them by the name of the setting.

    Of a file, each line begins with its name and, where that is found, the line of the setting.
    """

    def __init__(self, problems: list[tuple[str, str]], file: str = "", lines: Mapping[Where, int] | None = None):
        self.problems = dict(problems)

        def where(name: str) -> str:
            line = line_of(name, lines or {}) or line_of(f"levers.{name}", lines or {})
            return f"{file}{f':{line}' if line else ''}: " if file else ""

        super().__init__("\n".join(f"{where(name)}{what}" for name, what in problems))


@dataclasses.dataclass(frozen=True)
class Counterfactual:
    """What is changed, from when on, and in how many runs. Raises `CounterfactualError` with all that is wrong."""

    scenario: str = "baseline"
    levers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    exports: str = "as enacted"
    since: dt.date = dt.date(2025, 1, 1)
    seeds: int = 100
    months: int = HORIZON

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        if problems := list(self._problems()):
            raise CounterfactualError(problems)

    def _problems(self) -> Iterator[tuple[str, str]]:
        sizes: tuple[tuple[str, int, int], ...] = (("seeds", 2, MOST_SEEDS), ("months", 1, 1200))
        for name, low, high in sizes:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                yield name, f"{name} = {shortened(value)}: must be a whole number from {low} to {high}"
        if self.exports not in EXPORTS:
            words = ", ".join(f'"{word}"' for word in EXPORTS)
            yield "exports", f"exports = {shortened(self.exports)}: choose {words}"
        dated = type(self.since) is dt.date
        if not dated or self.since < FIRST:
            yield "since", f"since = {shortened(self.since)}: must be a date from {FIRST} on, such as 2025-01-01"
        elif type(self.months) is int and month_of(self.since) >= self.months >= 1:
            yield "since", f"since = {self.since}: the runs end before that, with {date_of(self.months - 1, 0):%B %Y}"
        if not isinstance(self.levers, Mapping):
            yield "levers", f"levers = {shortened(self.levers)}: must be a table of parameters"
        else:
            yield from self._levers()
        try:
            Scenario.load(self.scenario)
        except (ScenarioError, OSError) as error:
            for line in str(error).splitlines():
                yield "scenario", line

    def _levers(self) -> Iterator[tuple[str, str]]:
        rows = {row["name"]: row for row in Parameters.table()}
        for name, value in self.levers.items():
            parameter, dot, where = str(name).partition(".")
            if parameter not in rows:
                yield name, f"no parameter {shortened(parameter)}{did_you_mean(parameter, list(rows), PARAMETERS)}"
                continue
            if dot and (parameter not in INSTRUMENTS or where not in JURISDICTIONS):
                yield name, f"{name}: policy levers alone have values by jurisdiction ({', '.join(JURISDICTIONS)})"
                continue
            if parameter in FROM_THE_START:
                yield name, f"{name} acts in the first month alone, and cannot change later: give it to abm.ensemble"
                continue
            low, high, unit = rows[parameter]["low"], rows[parameter]["high"], rows[parameter]["unit"]
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or not low <= value <= high:
                said = f" ({unit})" if unit else ""
                yield name, f"{name} = {shortened(value)}: must be a number from {low:g} to {high:g}{said}"

    # --- running ------------------------------------------------------------------------------------------------

    @property
    def month(self) -> int:
        """Model month from which the two worlds may differ."""
        return month_of(self.since)

    def parameters(self) -> dict[str, Any]:
        """The levers as `Parameters` takes them."""
        found: dict[str, Any] = {}
        for name, value in sorted(self.levers.items()):  # a lever's value everywhere comes before those by jurisdiction
            parameter, dot, where = name.partition(".")
            if not dot:
                found[parameter] = value
            else:
                before = found.get(parameter, {})
                found[parameter] = (before if isinstance(before, dict) else {"default": before}) | {where: value}
        return found

    def changed_scenario(self) -> Scenario:
        """The changed world's scenario, with its export rules, and without its events on instruments that levers set.

        Raises where it parts from the baseline before `since`.
        """
        import numpy as np

        story = Scenario.load(self.scenario)
        usual = Scenario.load("baseline").timeline(self.months).arrays()
        told = story.timeline(self.months).arrays()
        differs = [(told[name] != usual[name]).reshape(self.months, -1).any(1) for name in usual]
        apart = np.flatnonzero(np.stack(differs).any(0))
        if apart.size and apart[0] < self.month:
            parts = date_of(int(apart[0]), 0)
            what = f"scenario {story.name!r} parts from the baseline in {parts:%B %Y}, before since = {self.since}"
            raise CounterfactualError([("since", f"{what}: choose {parts:%Y-%m-01} or earlier")])
        own = [
            name
            for name, value in story.all_parameters.items()
            if Scenario.load("baseline").all_parameters.get(name) != value and name not in self.levers
        ]
        if own and self.month:
            what = (
                f"scenario {story.name!r} has parameters of its own ({', '.join(own)}), which act from January 2023 on"
            )
            raise CounterfactualError([("scenario", f"{what}: set since = 2023-01-01")])
        story, _ = without(story, self.parameters())
        if self.exports == "lifted":
            story = retold(story, [event for event in story.all_events if not self._lifts(event)])
        if self.exports == "closed to China":
            ids = {event.id for event in story.all_events}
            rule, news = (None if name in ids else name for name in (CLOSED, f"{CLOSED}_news"))
            story = story.with_event(
                kind="export_control", id=rule, date=self.since, destination="china", availability=0.0
            ).with_event(
                kind="news", id=news, date=self.since, question="policy_tightness", signal=1.0, precision=2.0, salience=2.0
            )  # fmt: skip
        return story

    def _lifts(self, event: Event) -> bool:
        """Whether an event does not happen where export rules are lifted: a rule, or news of rules still to come."""
        untold = getattr(event, "question", "") == "policy_tightness" and event.when[0] >= self.month
        return event.kind == "export_control" or untold

    def policy(self) -> tuple[Change, ...]:
        """Every instrument that the changed world sets otherwise than the baseline, from when on, and who sets it."""
        from abm.runs.setup import Setup

        exports_by = USER if self.exports != EXPORTS[0] else ""
        return resolved(self.changed_setup(), Setup.of(months=self.months), self.month, by=USER, exports_by=exports_by)

    def changed_setup(self) -> Setup:
        """The changed world, checked and ready."""
        from abm.runs.setup import Setup

        return Setup.of(self.parameters(), self.changed_scenario(), self.months)

    def settings(self) -> list[Setting]:
        """The baseline and the changed world, as `abm.ensembles` takes them."""
        from abm.runs.simulate import Setting

        return [Setting(), Setting(self.parameters(), self.changed_scenario(), branch_at=self.month)]

    def run(self, progress: Callable[[int, int, float], None] | None = None) -> Comparison:
        """The changed world less the baseline, run by run; ``.a`` is the changed world's ensemble, ``.b`` the baseline's.

        `progress` as in `abm.ensembles`.
        """
        from abm.runs.results import compare
        from abm.runs.simulate import ensembles

        runs = range(self.seeds)
        baseline, changed = ensembles(self.settings(), runs, months=self.months, daily=(), progress=progress)
        return compare(changed, baseline)

    # --- as text ------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path) -> Counterfactual:
        """From a TOML file. Raises `CounterfactualError` with all that is wrong in it."""
        name = str(path)
        try:
            text = read_text(Path(path), largest=LARGEST)
            said = parse_toml(text, name)
        except Unreadable as error:
            raise CounterfactualError([("", str(error))]) from None
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [(key, f"unknown key {shortened(key)}{did_you_mean(key, known)}") for key in said if key not in known]
        if isinstance(story := said.get("scenario"), str) and story.endswith(".toml"):
            said["scenario"] = str(Path(path).parent / story)  # beside the file, wherever one stands
        if "extends" in said or "event" in said:
            raise CounterfactualError([("", f"{name}: is a scenario; play it with: abm compare --scenario {name}")])
        try:
            given = cls(**{key: value for key, value in said.items() if key in known})
        except CounterfactualError as error:
            unknown += list(error.problems.items())
        if unknown:
            raise CounterfactualError(unknown, name, lines_of(text))
        return given

    def to_toml(self) -> str:
        """A file that `load` and `abm compare` read back to the same counterfactual; a scenario's path is made absolute."""
        story = str(Path(self.scenario).resolve()) if self.scenario.endswith(".toml") else self.scenario
        lines = [
            f"scenario = {toml_value(story)}",
            f"since = {self.since}",
            f"exports = {toml_value(self.exports)}",
            f"seeds = {self.seeds}",
            f"months = {self.months}",
        ]
        if self.levers:
            said = sorted(self.levers.items())
            lines += ["", "[levers]", *(f"{toml_key(name)} = {float(value)!r}" for name, value in said)]
        return "\n".join(lines) + "\n"

    def annotated(self) -> str:
        """`to_toml` with what acts in comments."""
        return "".join(f"# {one}\n" for one in self.policy()) + self.to_toml()

    def words(self) -> str:
        """What is changed, and from when on."""
        changed = [f"scenario {self.scenario}"] if self.scenario != "baseline" else []
        changed += [f"export rules {self.exports}"] if self.exports != EXPORTS[0] else []
        changed += [f"{name} = {value:g}" for name, value in self.levers.items()]
        return f"{', '.join(changed) or 'nothing'} from {self.since:%B %Y} on"

    @property
    def changes_nothing(self) -> bool:
        """Whether the changed world is the baseline."""
        return self.scenario == "baseline" and self.exports == EXPORTS[0] and not self.levers

    def to_query(self) -> str:
        """What follows the ? of an address: all that differs from the defaults."""
        usual = Counterfactual()
        names = [field.name for field in dataclasses.fields(self) if field.name != "levers"]
        said = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        return urlencode(said | {name: repr(float(value)) for name, value in self.levers.items()})

    @classmethod
    def from_query(cls, query: str) -> Counterfactual:
        """From what follows the ? of an address. Raises `CounterfactualError`."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != "levers"]
        said: dict[str, Any] = {"levers": {}}
        problems = []
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        twice = {name for name, number in Counter(name for name, _ in pairs).items() if number > 1}
        problems += [(name, f"{shortened(name)} is given twice: leave one of them") for name in twice]
        for name, text in pairs:
            read, what = _READ.get(name, (parse_float, "a number"))
            try:
                (said if name in names else said["levers"])[name] = read(text)
            except ValueError:
                problems.append((name, f"{name} = {shortened(text)}: must be {what}"))
        if "scenario" in said and said["scenario"] not in Scenario.names():  # an address opens no files
            name = said.pop("scenario")
            problems.append(("scenario", f"unknown scenario {shortened(name)}{did_you_mean(name, Scenario.names())}"))
        try:
            given = cls(**said)
        except CounterfactualError as error:
            problems += list(error.problems.items())
        if problems:
            raise CounterfactualError(problems)
        return given


def _date(text: str) -> dt.date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip(), re.ASCII):  # Python reads weeks and days without dashes too
        raise ValueError(text)
    return dt.date.fromisoformat(text.strip())


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):  # Python reads 1_0 as ten
        raise ValueError(text)
    return int(text)


_READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "since": (_date, "a date, such as 2025-01-01"),
    "seeds": (_whole, "a whole number"),
    "months": (_whole, "a whole number"),
    "scenario": (str, ""),
    "exports": (str, ""),
}
"""How the settings of an address are read, and what they must be; all others are levers."""


def numbers(comparison: Comparison, observables: list[str] | None = None) -> pd.DataFrame:
    """One row an observable and month: both worlds' means, the mean paired difference, its interval.

    Columns: observable, month (first day), baseline, changed, difference, low, high, variance_reduction.
    """
    import numpy as np
    import pandas as pd

    parts = []
    for name in observables or comparison.a.names:
        frame = comparison.frame(name)
        with np.errstate(all="ignore"):
            head = {
                "observable": name,
                "month": frame.index,
                "baseline": comparison.b[name].mean(0),
                "changed": comparison.a[name].mean(0),
            }
        parts.append(pd.DataFrame(head | {column: frame[column].to_numpy() for column in frame}))
    return pd.concat(parts, ignore_index=True)


def kept(asked: Counterfactual, comparison: Comparison) -> pd.DataFrame:
    """`numbers` as they are kept in a file: with a column that says what acts in the changed world."""
    return numbers(comparison).assign(policy="; ".join(map(str, asked.policy())))


__all__ = ["EXPORTS", "Counterfactual", "CounterfactualError", "kept", "numbers"]
