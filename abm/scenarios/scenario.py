"""Scenarios: dated events over parameters, written in small TOML files.

    name = "early_ban"
    summary = "No chips for China from the week of R1."
    extends = "baseline"              # a built-in, or another file of the same folder
    remove = ["h20_licence"]          # inherited events that do not happen

    [parameters]
    guarantee_share = 0.0             # or one number a jurisdiction: { us = 0.0, eu = 0.3 }

    [[event]]
    kind = "export_control"           # the kinds and their keys: abm.scenarios.events
    date = 2025-01-27
    destination = "china"
    availability = 0.0

A file is data: nothing in it is run, and it reaches no file outside its folder. One `ScenarioError` has all its faults.
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Union

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SerializeAsAny, ValidationError

from abm.parameters import merged
from abm.scenarios.calendar import HORIZON
from abm.scenarios.event_input import complaints, read_event
from abm.scenarios.events import Event
from abm.scenarios.timeline import Cast, Timeline
from abm.support.files import Unreadable, parse_toml, read_text, toml_key, toml_value
from abm.support.messages import PARAMETERS, did_you_mean, shortened
from abm.support.toml_lines import lines_of

BUILT_IN = Path(__file__).parents[1] / "data" / "scenarios"
DEEPEST = 16
"""Most scenarios that may extend one another in a row."""


class ScenarioError(ValueError):
    """Everything that is wrong with a scenario, one `file:line: what` a line; `problems` has them one by one."""

    def __init__(self, problems: str | Iterable[str]):
        self.problems = (problems,) if isinstance(problems, str) else tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


@dataclass(frozen=True, eq=False)
class _Origin:
    """Where a scenario comes from: a file and its line numbers, and what was known while it was read."""

    label: str
    folder: Path | None = None
    lines: Mapping[tuple[Any, ...], int] = field(default_factory=dict)
    cast: Cast | None = None
    horizon: int | None = None
    chain: tuple[Path, ...] = ()
    base: Union["Scenario", None] = None
    problems: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:  # two scenarios that say the same are equal, wherever they were read
        return isinstance(other, _Origin)

    def __hash__(self) -> int:
        return 0

    def at(self, key: str | None, section: str = "", number: int = 0) -> str:
        """`file.toml:12`: the line of a key, of its table where the key has none, or of nothing but the file."""
        own, table = (section, number, key), (section, number, None)
        for place in (own, table, ("", 0, section), (key, 0, None), (key, 1, None)):
            if place in self.lines:
                return f"{self.label}:{self.lines[place]}"
        return f"{self.label}:1" if self.lines else self.label


class Scenario(BaseModel):
    """Events over parameters. `events` and `parameters` are its own words, `all_*` those of what it extends, too.

    >>> late = Scenario.load("no_r1").with_event(kind="release", lab="open_1", month=27, day=12, gap=-0.3)
    >>> late.timeline(48).release_gap[27].max()
    np.float64(-0.3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    summary: str = ""
    extends: str | None = None
    remove: tuple[str, ...] = ()
    parameters: dict[str, float | dict[str, float]] = Field(default_factory=dict)
    events: tuple[SerializeAsAny[Event], ...] = ()
    _base: Union["Scenario", None] = PrivateAttr(None)
    _origin: _Origin = PrivateAttr()

    def __init__(self, origin: _Origin | None = None, /, **said: Any):
        origin = origin or _Origin(f"scenario {shortened(said.get('name'))}")
        said = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
        problems = list(origin.problems)
        numbered = _events(said.get("events", ()), origin, problems)
        said["events"] = tuple(numbered.values())
        base = _extended(said.get("extends"), origin, problems)
        problems += _clashes(numbered, said, base, origin)
        problems += _odd_parameters(said.get("parameters"), origin)
        try:
            super().__init__(**said)
        except ValidationError as error:
            problems += [f"{origin.at(key)}: {message}" for key, message in complaints(error, Scenario)]
        if problems:
            raise ScenarioError(problems)
        self._base, self._origin = base, origin

    @classmethod
    def load(cls, source: "str | Path | Scenario", *, cast: Cast | None = None, horizon: int = HORIZON) -> "Scenario":
        """A built-in by name, or a file by its path; a scenario is handed back as it is.

        Names are checked against `cast` (default: `Cast()`), the dates of a file against `horizon`, in months.
        """
        if isinstance(source, Scenario):
            return source
        origin = _Origin("", cast=cast or Cast(), horizon=horizon)
        name = str(source)
        if name in cls.names():
            return _read(BUILT_IN / f"{name}.toml", replace(origin, horizon=None))
        if not name.endswith(".toml"):
            raise ScenarioError(
                f"unknown scenario {shortened(name)}{did_you_mean(name, cls.names())}; or the path of a .toml file"
            )
        return _read(Path(name), origin)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Built-in scenarios, `baseline` first."""
        names = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
        return tuple(sorted(names, key=lambda name: name != "baseline"))

    @property
    def all_events(self) -> tuple[Event, ...]:
        """Inherited and own events, oldest first; of one day, inherited before own, then as written."""
        inherited = () if self._base is None else self._base.all_events
        kept = [event for event in inherited if event.id is None or event.id not in self.remove]
        return tuple(sorted((*kept, *self.events), key=lambda event: event.when))

    @property
    def all_parameters(self) -> dict[str, float | dict[str, float]]:
        """Inherited and own overrides; own ones win, jurisdiction by jurisdiction."""
        return merged({} if self._base is None else self._base.all_parameters, self.parameters)

    def with_event(self, event: Event | Mapping[str, Any] | None = None, /, **said: Any) -> "Scenario":
        """This scenario and one event more, given as an `Event`, a mapping or keywords."""
        return self._but(events=(*self.events, said if event is None else event))

    def without(self, id: str) -> "Scenario":
        """This scenario without the event of that id, its own or an inherited one."""
        if any(event.id == id for event in self.events):
            return self._but(events=tuple(event for event in self.events if event.id != id))
        ids = [event.id for event in self.all_events if event.id]
        if id not in ids:
            raise ScenarioError(f"scenario {self.name!r}: no event has the id {shortened(id)}{did_you_mean(id, ids)}")
        return self._but(remove=(*self.remove, id))

    def _but(self, **changes: Any) -> "Scenario":
        said = {name: getattr(self, name) for name in Scenario.model_fields} | changes
        return Scenario(_Origin(f"scenario {self.name!r}", base=self._base), **said)

    def check_parameters(self, known: Collection[str]) -> None:
        """Raise where an override names none of the `known` parameters."""
        names = sorted(known)
        problems = [
            f"{scenario._origin.at(name, 'parameters')}: unknown parameter {shortened(name)}"
            f"{did_you_mean(name, names, PARAMETERS)}"
            for scenario in self._line()
            for name in scenario.parameters
            if name not in known
        ]
        if problems:
            raise ScenarioError(problems)

    def _line(self) -> "list[Scenario]":
        return [self] if self._base is None else [self, *self._base._line()]

    def timeline(self, months: int = HORIZON, cast: Cast | None = None) -> Timeline:
        """What the scenario does to a run of `months` in `cast`; later events do not happen.

        An event about a firm of the default cast that a smaller cast leaves out does not happen either; a name that
        is in neither cast is an error.
        """
        cast, problems, events = cast or Cast(), [], []
        if not isinstance(months, int) or months < 1:
            problems.append(f"a run has at least one month, not {shortened(months)}")
        for event in self.all_events:
            called = repr(event.id) if event.id else f"of {event.date or f'month {event.month}'}"
            wrong = read_event(event, cast)[1]
            if not wrong:
                events.append(event)
            elif not read_event(event, Cast())[1]:
                continue
            problems += [f"scenario {self.name!r}: event {called} (kind {event.kind!r}): {what}" for _, what in wrong]
        if problems:
            raise ScenarioError(problems)
        return Timeline.of(events, months, cast)

    def to_toml(self) -> str:
        """The scenario's own words as a file that `load` reads back to an equal scenario."""
        own = {key: getattr(self, key) for key in ("name", "summary", "extends", "remove")}
        lines = [f"{key} = {toml_value(value)}" for key, value in own.items() if value not in (None, "", ())]
        if self.parameters:
            lines += ["", "[parameters]", *(f"{toml_key(k)} = {toml_value(v)}" for k, v in self.parameters.items())]
        for event in self.events:
            said = {"kind": event.kind} | event.model_dump(exclude_defaults=True)
            lines += ["", "[[event]]", *(f"{key} = {toml_value(value)}" for key, value in said.items())]
        return "\n".join(lines) + "\n"


# --- reading ---


def _events(said: Any, origin: _Origin, problems: list[str]) -> dict[int, Event]:
    """The sound events by their number, counted from 1."""
    if not isinstance(said, tuple):
        problems.append(f"{origin.at('event')}: events are tables [[event]], each of its own, not {shortened(said)}")
        return {}
    sound = {}
    for number, raw in enumerate(said, start=1):
        event, wrong = read_event(raw, origin.cast, origin.horizon)
        kind = dict(raw).get("kind") if isinstance(raw, Mapping | Event) else None
        for key, what in wrong:
            called = f"event {number}" if kind is None else f"event {number} (kind {shortened(kind)})"
            problems.append(f"{origin.at(key, 'event', number)}: {called}: {what}")
        if event is not None:
            sound[number] = event
    return sound


def _extended(name: Any, origin: _Origin, problems: list[str]) -> Scenario | None:
    """The scenario that is extended: a built-in, or a file inside the folder of the one that extends it."""
    if origin.base is not None or not isinstance(name, str):
        return origin.base
    here = f"{origin.at('extends')}: extends"
    try:
        if name in Scenario.names():
            path = BUILT_IN / f"{name}.toml"
        elif origin.folder is None or not name.endswith(".toml"):
            raise ScenarioError(f"{here} unknown scenario {shortened(name)}{did_you_mean(name, Scenario.names())}")
        else:
            path = origin.folder / name
            if not path.resolve().is_relative_to(origin.folder.resolve()):
                raise ScenarioError(f"{here} {shortened(name)}, which is outside the folder of this file")
        chain = (*origin.chain, path.resolve())
        if len(set(chain)) < len(chain) or len(chain) > DEEPEST:
            wrong = "circular" if len(set(chain)) < len(chain) else f"more than {DEEPEST} in a row"
            raise ScenarioError(f"{here} is {wrong}: {' -> '.join(link.name for link in chain)}")
        return _read(path, replace(origin, horizon=None))
    except ScenarioError as error:
        problems += error.problems
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a zero byte
        problems.append(f"{here} {shortened(name)}, which is no path: {shortened(str(error))}")
    return None


def _clashes(numbered: dict[int, Event], said: dict[str, Any], base: Scenario | None, origin: _Origin) -> Iterator[str]:
    """Ids given twice, ids to remove that are not there, and events that need the same place on the timeline."""
    inherited = base.all_events if base is not None else ()
    ids = [event.id for event in inherited if event.id]
    remove = said.get("remove")
    removed = [word for word in remove if isinstance(word, str)] if isinstance(remove, tuple) else []
    for word in removed:
        if word not in ids and (base is not None or said.get("extends") is None):
            yield f"{origin.at('remove')}: remove: no inherited event has the id {shortened(word)}{did_you_mean(word, ids)}"
    named: dict[str, str] = {}
    placed: dict[tuple[Any, ...], str] = {}
    kept = [(None, event) for event in inherited if event.id not in removed]
    for number, event in [*kept, *numbered.items()]:
        what = f"inherited event {event.id!r}" if number is None else f"event {number}"
        here = f"{origin.at('id', 'event', number)}: event {number} (kind {event.kind!r})" if number else origin.label
        if event.id is not None and named.setdefault(event.id, what) != what:
            yield f"{here}: duplicate id {event.id!r}, which {named[event.id]} has"
        if event.place is not None and placed.setdefault(event.place, what) != what:
            yield f"{here}: {placed[event.place]} is there already: one release a lab and month, one claim, audit a day"


def _odd_parameters(said: Any, origin: _Origin) -> Iterator[str]:
    """Overrides that are neither a number nor a table of numbers by jurisdiction."""
    for name, value in said.items() if isinstance(said, Mapping) else ():
        here = f"{origin.at(str(name), 'parameters')}: parameter {shortened(name)}"
        table = value if isinstance(value, Mapping) and value else {None: value}
        for key, number in table.items():
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not abs(number) <= sys.float_info.max:
                yield f"{here}: must be a finite number, or a table of them by jurisdiction, not {shortened(number)}"
            if key is not None and origin.cast is not None and key not in (*origin.cast.jurisdictions, "default"):
                yield f"{here}: unknown jurisdiction {shortened(key)}{did_you_mean(key, origin.cast.jurisdictions)}"


def _read(path: Path, origin: _Origin) -> Scenario:
    label = path.name if path.parent == BUILT_IN else str(path)
    try:
        text = read_text(path, label)
        said = parse_toml(text, label)
    except Unreadable as error:
        raise ScenarioError(str(error)) from None
    chain = (*origin.chain, path.resolve())
    origin = replace(origin, label=label, folder=path.parent, lines=lines_of(text), chain=chain, problems=())
    if "events" in said:
        origin = replace(origin, problems=(f"{origin.at('events')}: unknown key 'events'; did you mean [[event]]?",))
    return Scenario(origin, **(said | {"events": said.pop("event", ())}))
