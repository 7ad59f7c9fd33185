"""Counterfactuals with a shared history: paired runs of the baseline and of a world with different rules from some month.

# strict.toml                      abm compare strict.toml
scenario = "baseline"              # scenario of the changed world; the other world is always the baseline
since = 2025-01-01                 # both worlds are identical before this month
exports = "lifted"                 # export rules: "as enacted", "lifted", "closed to China"
seeds = 100                        # paired runs: seeds 0 to 99
months = 60
# segments = "segments.csv"        # your own adopters, in both worlds

[levers]                           # parameters from that month on; they override the scenario's events on them, and
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
from abm.support.files import toml_key, toml_value
from abm.support.inputs import parse_float, plain
from abm.support.messages import PARAMETERS, did_you_mean, shortened
from abm.support.specs import SpecFile, read_spec

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Comparison
    from abm.runs.setup import Setup
    from abm.runs.simulate import Setting

USER = "user"
EXPORTS = ("as enacted", "lifted", "closed to China")
MOST_SEEDS = 100_000
FIRST = dt.date(2023, 1, 1)
NOT_IN_ADDRESS = ("levers", "segments")
"""Settings that are no key of an address: levers stand there by name, and an address opens no files."""
LARGEST = 100_000
"""Size of the largest file accepted, in bytes."""


class CounterfactualError(ValueError):
    """All problems of a counterfactual, one line each; `problems` maps the name of the setting to its message.

    For a file, each line starts with the file name and, if known, the line number of the setting.
    """

    def __init__(self, problems: str | list[tuple[str, str]], file: SpecFile | None = None):
        problems = [("", problems)] if isinstance(problems, str) else problems
        self.problems = dict(problems)
        located = ((f"{file.at(name, f'levers.{name}')}: " if file else "", message) for name, message in problems)
        super().__init__("\n".join(f"{where}{message}" for where, message in located))


@dataclasses.dataclass(frozen=True)
class Counterfactual:
    """Changes against the baseline, the month they start and the number of runs.

    Raises `CounterfactualError` with all problems of the settings.
    """

    scenario: str = "baseline"
    levers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    exports: str = "as enacted"
    since: dt.date = dt.date(2025, 1, 1)
    seeds: int = 100
    months: int = HORIZON
    segments: Any = None
    """Own adopters in both worlds, as in `Populations`."""

    def __post_init__(self) -> None:
        problems = []
        for field in dataclasses.fields(self):
            if field.name != "segments":
                object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        if self.segments is not None:
            from abm.market.populations import Populations

            try:
                object.__setattr__(self, "segments", Populations(segments=self.segments).segments)
            except ValueError as error:
                problems = [("segments", str(error))]
        if problems := [*problems, *self._problems()]:
            raise CounterfactualError(problems)

    def _problems(self) -> Iterator[tuple[str, str]]:
        sizes: tuple[tuple[str, int, int], ...] = (("seeds", 2, MOST_SEEDS), ("months", 1, 1200))
        for name, low, high in sizes:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                yield name, f"{name} = {shortened(value)}: must be a whole number from {low} to {high}"
        if self.exports not in EXPORTS:
            choices = ", ".join(f'"{choice}"' for choice in EXPORTS)
            yield "exports", f"exports = {shortened(self.exports)}: choose one of {choices}"
        is_date = type(self.since) is dt.date
        if not is_date or self.since < FIRST:
            yield "since", f"since = {shortened(self.since)}: must be a date from {FIRST} on, such as 2025-01-01"
        elif type(self.months) is int and month_of(self.since) >= self.months >= 1:
            last = f"{date_of(self.months - 1, 0):%B %Y}"
            yield "since", f"since = {self.since}: must not be after the last month of the runs, {last}"
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
        for name, value in self.levers.items():
            parameter, dot, where = str(name).partition(".")
            if parameter not in Parameters.model_fields:
                yield (
                    name,
                    f"no parameter {shortened(parameter)}{did_you_mean(parameter, Parameters.names(), PARAMETERS)}",
                )
                continue
            if dot and (parameter not in INSTRUMENTS or where not in JURISDICTIONS):
                yield name, f"{name}: only policy levers have values by jurisdiction ({', '.join(JURISDICTIONS)})"
                continue
            if parameter in FROM_THE_START:
                yield name, f"{name} acts in the first month only and cannot change later: pass it to abm.ensemble"
                continue
            low, high, unit = Parameters.bounds(parameter)
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or not low <= value <= high:
                in_unit = f" ({unit})" if unit else ""
                yield name, f"{name} = {shortened(value)}: must be a number from {low:g} to {high:g}{in_unit}"

    # --- running ------------------------------------------------------------------------------------------------

    @property
    def month(self) -> int:
        """First month, counted from January 2023 as 0, in which the two worlds may differ."""
        return month_of(self.since)

    def parameters(self) -> dict[str, Any]:
        """The levers in the form that `Parameters` takes: numbers, or tables by jurisdiction."""
        values: dict[str, Any] = {}
        for name, value in sorted(self.levers.items()):  # a lever's value everywhere comes before those by jurisdiction
            parameter, dot, where = name.partition(".")
            if not dot:
                values[parameter] = value
            else:
                before = values.get(parameter, {})
                values[parameter] = (before if isinstance(before, dict) else {"default": before}) | {where: value}
        return values

    def changed_scenario(self) -> Scenario:
        """The changed world's scenario, with its export rules and without events on instruments that levers set.

        Raises `CounterfactualError` if it differs from the baseline before `since`.
        """
        import numpy as np

        scenario = Scenario.load(self.scenario)
        baseline_arrays = Scenario.load("baseline").timeline(self.months).arrays()
        own_arrays = scenario.timeline(self.months).arrays()
        differs = [
            (own_arrays[name] != array).reshape(self.months, -1).any(1) for name, array in baseline_arrays.items()
        ]
        months = np.flatnonzero(np.stack(differs).any(0))
        if months.size and months[0] < self.month:
            first = date_of(int(months[0]), 0)
            message = f"scenario {scenario.name!r} differs from the baseline from {first:%B %Y} on, before since = {self.since}"
            raise CounterfactualError([("since", f"{message}: choose {first:%Y-%m-01} or earlier")])
        own_parameters = [
            name
            for name, value in scenario.all_parameters.items()
            if Scenario.load("baseline").all_parameters.get(name) != value and name not in self.levers
        ]
        if own_parameters and self.month:
            names = ", ".join(own_parameters)
            message = f"scenario {scenario.name!r} has its own parameters ({names}), which act from January 2023 on"
            raise CounterfactualError([("scenario", f"{message}: set since = 2023-01-01")])
        scenario, _ = without(scenario, self.parameters())
        if self.exports == "lifted":
            scenario = retold(scenario, [event for event in scenario.all_events if not self._lifts(event)])
        if self.exports == "closed to China":
            ids = {event.id for event in scenario.all_events}
            rule, news = (None if name in ids else name for name in (CLOSED, f"{CLOSED}_news"))
            scenario = scenario.with_event(
                kind="export_control", id=rule, date=self.since, destination="china", availability=0.0
            ).with_event(
                kind="news", id=news, date=self.since, question="policy_tightness", signal=1.0, precision=2.0, salience=2.0
            )  # fmt: skip
        return scenario

    def _lifts(self, event: Event) -> bool:
        """Whether lifting export rules removes an event: a rule, or later news of such rules."""
        later_news = getattr(event, "question", "") == "policy_tightness" and event.when[0] >= self.month
        return event.kind == "export_control" or later_news

    def policy(self) -> tuple[Change, ...]:
        """Instruments that the changed world sets differently from the baseline, with the date and who sets them."""
        from abm.runs.setup import Setup

        exports_by = USER if self.exports != EXPORTS[0] else ""
        return resolved(self.changed_setup(), Setup.of(months=self.months), self.month, by=USER, exports_by=exports_by)

    def changed_setup(self) -> Setup:
        """Checked set-up of the changed world."""
        from abm.runs.setup import Setup

        return Setup.of(self.parameters(), self.changed_scenario(), self.months, segments=self.segments)

    def settings(self) -> list[Setting]:
        """The baseline and the changed world as settings for `abm.ensembles`."""
        from abm.runs.simulate import Setting

        return [Setting(), Setting(self.parameters(), self.changed_scenario(), branch_at=self.month)]

    def run(self, progress: Callable[[int, int, float], None] | None = None) -> Comparison:
        """Run both worlds and return changed minus baseline, run by run; ``.a`` is the changed ensemble, ``.b`` the baseline.

        `progress` as in `abm.ensembles`.
        """
        from abm.runs.results import compare
        from abm.runs.simulate import ensembles

        runs = range(self.seeds)
        options: dict[str, Any] = {"daily": (), "progress": progress, "segments": self.segments}
        baseline, changed = ensembles(self.settings(), runs, months=self.months, **options)
        return compare(changed, baseline)

    # --- as text ------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path) -> Counterfactual:
        """Load a TOML file. Raises `CounterfactualError` with all problems of the file."""
        file = read_spec(Path(path), CounterfactualError, largest=LARGEST)
        fields = file.fields
        known = [field.name for field in dataclasses.fields(cls)]
        problems = [
            (key, f"unknown key {shortened(key)}{did_you_mean(key, known)}") for key in fields if key not in known
        ]
        if isinstance(scenario := fields.get("scenario"), str) and scenario.endswith(".toml"):
            fields["scenario"] = str(Path(path).parent / scenario)  # relative to the file, not the working directory
        if isinstance(segments := fields.get("segments"), str):
            fields["segments"] = Path(path).parent / segments
        if "extends" in fields or "event" in fields:
            raise CounterfactualError(f"{path}: is a scenario; run it with: abm compare --scenario {path}")
        try:
            loaded = cls(**{key: value for key, value in fields.items() if key in known})
        except CounterfactualError as error:
            problems += list(error.problems.items())
        if problems:
            raise CounterfactualError(problems, file)
        return loaded

    def to_toml(self, segments: str | None = None) -> str:
        """Text of a file that `load` and `abm compare` read back unchanged, except that a scenario's path is absolute.

        `segments` names the file of own segments that accompanies it; without a name, their columns are in the text.
        """
        scenario = str(Path(self.scenario).resolve()) if self.scenario.endswith(".toml") else self.scenario
        lines = [
            f"scenario = {toml_value(scenario)}",
            f"since = {self.since}",
            f"exports = {toml_value(self.exports)}",
            f"seeds = {self.seeds}",
            f"months = {self.months}",
        ]
        if self.segments is not None:
            columns = {name: column.tolist() for name, column in self.segments.items()}
            lines.append(f"segments = {toml_value(segments or columns)}")
        if self.levers:
            levers = sorted(self.levers.items())
            lines += ["", "[levers]", *(f"{toml_key(name)} = {float(value)!r}" for name, value in levers)]
        return "\n".join(lines) + "\n"

    def annotated(self, segments: str | None = None) -> str:
        """`to_toml` with the changes of policy in comments."""
        return "".join(f"# {change}\n" for change in self.policy()) + self.to_toml(segments)

    def words(self) -> str:
        """One-line description of the changes and of the month they start."""
        changed = [f"scenario {self.scenario}"] if self.scenario != "baseline" else []
        changed += [f"export rules {self.exports}"] if self.exports != EXPORTS[0] else []
        changed += [f"{name} = {value:g}" for name, value in self.levers.items()]
        return f"{', '.join(changed) or 'nothing'} from {self.since:%B %Y} on"

    @property
    def changes_nothing(self) -> bool:
        """Whether the changed world is identical to the baseline."""
        return self.scenario == "baseline" and self.exports == EXPORTS[0] and not self.levers

    def to_query(self) -> str:
        """Query string of an address (the part after the ?), with all settings that differ from the defaults, but no segments."""
        default = Counterfactual()
        names = [field.name for field in dataclasses.fields(self) if field.name not in NOT_IN_ADDRESS]
        fields = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(default, name)}
        return urlencode(fields | {name: repr(float(value)) for name, value in self.levers.items()})

    @classmethod
    def from_query(cls, query: str) -> Counterfactual:
        """Parse the query string of an address. Raises `CounterfactualError` with all problems."""
        names = [field.name for field in dataclasses.fields(cls) if field.name not in NOT_IN_ADDRESS]
        fields: dict[str, Any] = {"levers": {}}
        problems = []
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
        duplicates = {name for name, number in Counter(name for name, _ in pairs).items() if number > 1}
        problems += [(name, f"{shortened(name)} is given twice: remove one of them") for name in duplicates]
        for name, text in pairs:
            read, requirement = _READ.get(name, (parse_float, "a number"))
            try:
                (fields if name in names else fields["levers"])[name] = read(text)
            except ValueError:
                problems.append((name, f"{name} = {shortened(text)}: must be {requirement}"))
        if "scenario" in fields and fields["scenario"] not in Scenario.names():  # an address never opens files
            name = fields.pop("scenario")
            problems.append(("scenario", f"unknown scenario {shortened(name)}{did_you_mean(name, Scenario.names())}"))
        try:
            parsed = cls(**fields)
        except CounterfactualError as error:
            problems += list(error.problems.items())
        if problems:
            raise CounterfactualError(problems)
        return parsed


def _date(text: str) -> dt.date:
    if not re.fullmatch(
        r"\d{4}-\d\d-\d\d", text.strip(), re.ASCII
    ):  # Python also accepts ISO weeks, and omitted dashes
        raise ValueError(text)
    return dt.date.fromisoformat(text.strip())


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):  # Python would read 1_0 as ten
        raise ValueError(text)
    return int(text)


_READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "since": (_date, "a date, such as 2025-01-01"),
    "seeds": (_whole, "a whole number"),
    "months": (_whole, "a whole number"),
    "scenario": (str, ""),
    "exports": (str, ""),
}
"""Parser and requirement of each setting in an address; all other names are levers."""


def numbers(comparison: Comparison, observables: list[str] | None = None) -> pd.DataFrame:
    """Table with one row per observable and month: means of both worlds, mean paired difference and its confidence interval.

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


def kept(counterfactual: Counterfactual, comparison: Comparison) -> pd.DataFrame:
    """`numbers` as saved in files: with a column `policy` that lists the policy changes of the changed world."""
    return numbers(comparison).assign(policy="; ".join(map(str, counterfactual.policy())))


__all__ = ["EXPORTS", "Counterfactual", "CounterfactualError", "kept", "numbers"]
