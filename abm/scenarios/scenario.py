"""Scenarios: dated events over parameters, written in small TOML files.

    name = "early_ban"
    summary = "No chips for China from the week of R1."
    extends = "baseline"              # a built-in, or another file in the same folder
    remove = ["h20_licence"]          # inherited events to leave out

    [parameters]
    guarantee_share = 0.0             # or one number per jurisdiction: { us = 0.0, eu = 0.3 }

    [[event]]
    kind = "export_control"           # the kinds and their keys: abm.scenarios.events
    date = 2025-01-27
    destination = "china"
    availability = 0.0

A file is data: nothing in it is executed, and it cannot refer to files outside its folder. A `ScenarioError` reports all
its problems at once.
"""

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Union

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SerializeAsAny, ValidationError

from abm.parameters import merged
from abm.scenarios.calendar import HORIZON
from abm.scenarios.event_input import WORDING, read_event
from abm.scenarios.events import CapexProgramme, Event
from abm.scenarios.timeline import Cast, Timeline
from abm.support.axes import PROGRAMMES
from abm.support.files import toml_key, toml_value
from abm.support.messages import PARAMETERS, did_you_mean, shortened
from abm.support.specs import InvalidSpec, problems_of, read_spec
from abm.support.toml_lines import line_of

BUILT_IN = Path(__file__).parents[1] / "data" / "scenarios"
DEEPEST = 16
"""Longest chain of scenarios that extend one another."""


class ScenarioError(InvalidSpec):
    """All problems of a scenario, one per line as `file:line: message`; `problems` is the tuple of these lines."""


@dataclass(frozen=True, eq=False)
class _Origin:
    """Where a scenario comes from: its file and line numbers, and the context in which it was read."""

    label: str
    folder: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    cast: Cast | None = None
    horizon: int | None = None
    chain: tuple[Path, ...] = ()
    base: Union["Scenario", None] = None
    problems: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:  # scenarios with equal content are equal, wherever they were read
        return isinstance(other, _Origin)

    def __hash__(self) -> int:
        return 0

    def at(self, place: str) -> str:
        """`file.toml:12`: the line of a place, such as `event 2.lab`, else the first line of the file."""
        return f"{self.label}:{line_of(place, self.lines) or 1}" if self.lines else self.label


class Scenario(BaseModel):
    """Dated events and overrides of parameters. `events`, `parameters` are its own, `all_*` include inherited ones.

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
    events: tuple[SerializeAsAny[Event], ...] = Field((), title="event")
    _base: Union["Scenario", None] = PrivateAttr(None)
    _origin: _Origin = PrivateAttr()

    def __init__(self, origin: _Origin | None = None, /, **fields: Any):
        origin = origin or _Origin(f"scenario {shortened(fields.get('name'))}")
        fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
        problems = list(origin.problems)
        numbered = _events(fields.get("events", ()), origin, problems)
        fields["events"] = tuple(numbered.values())
        base = _extended(fields.get("extends"), origin, problems)
        problems += _clashes(numbered, fields, base, origin)
        problems += _odd_parameters(fields.get("parameters"), origin)
        try:
            super().__init__(**fields)
        except ValidationError as error:
            faults = problems_of(error, Scenario, fields, WORDING).items()
            problems += [f"{origin.at(at)}: {what}" for at, what in faults if not at.startswith("parameters.")]
        if problems:
            raise ScenarioError(problems)
        self._base, self._origin = base, origin

    @classmethod
    def load(cls, source: "str | Path | Scenario", *, cast: Cast | None = None, horizon: int = HORIZON) -> "Scenario":
        """Load a built-in scenario by name or a file by path; a `Scenario` is returned unchanged.

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
                f"unknown scenario {shortened(name)}{did_you_mean(name, cls.names())}; or give the path of a .toml file"
            )
        return _read(Path(name), origin)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Built-in scenarios, `baseline` first."""
        names = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
        return tuple(sorted(names, key=lambda name: name != "baseline"))

    @property
    def all_events(self) -> tuple[Event, ...]:
        """Inherited and own events, oldest first; on the same day inherited before own, then in the order written."""
        inherited = () if self._base is None else self._base.all_events
        inherited = tuple(event for event in inherited if event.id is None or event.id not in self.remove)
        return tuple(sorted((*inherited, *self.events), key=lambda event: event.when))

    @property
    def all_parameters(self) -> dict[str, float | dict[str, float]]:
        """Inherited and own overrides; own ones take precedence, jurisdiction by jurisdiction."""
        return merged({} if self._base is None else self._base.all_parameters, self.parameters)

    def with_event(self, event: Event | Mapping[str, Any] | None = None, /, **fields: Any) -> "Scenario":
        """This scenario plus one event, given as an `Event`, a mapping or keywords."""
        return self._changed(events=(*self.events, fields if event is None else event))

    def without(self, id: str) -> "Scenario":
        """This scenario without the event with that id, whether its own or inherited."""
        if any(event.id == id for event in self.events):
            return self._changed(events=tuple(event for event in self.events if event.id != id))
        ids = [event.id for event in self.all_events if event.id]
        if id not in ids:
            raise ScenarioError(f"scenario {self.name!r}: no event has the id {shortened(id)}{did_you_mean(id, ids)}")
        return self._changed(remove=(*self.remove, id))

    def _changed(self, **changes: Any) -> "Scenario":
        fields = {name: getattr(self, name) for name in Scenario.model_fields} | changes
        return Scenario(_Origin(f"scenario {self.name!r}", base=self._base), **fields)

    def check_parameters(self, known: Collection[str]) -> None:
        """Raise ScenarioError if an override is not among the `known` parameters."""
        names = sorted(known)
        problems = [
            f"{scenario._origin.at(f'parameters.{name}')}: unknown parameter {shortened(name)}"
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
        """Effects of the scenario on a run of `months` with `cast`; later events are ignored.

        Events about a firm of the default cast that a smaller cast leaves out are ignored too; a name that is in
        neither cast raises ScenarioError.
        """
        cast, problems, events = cast or Cast(), [], []
        if not isinstance(months, int) or months < 1:
            problems.append(f"a run needs at least one month, not {shortened(months)}")
        for event in self.all_events:
            label = repr(event.id) if event.id else f"of {event.date or f'month {event.month}'}"
            faults = read_event(event, cast)[1]
            if not faults:
                events.append(event)
            elif not read_event(event, Cast())[1]:
                continue
            problems += [f"scenario {self.name!r}: event {label} (kind {event.kind!r}): {fault}" for _, fault in faults]
        if problems:
            raise ScenarioError(problems)
        return Timeline.of(events, months, cast)

    def to_toml(self) -> str:
        """The scenario as the text of a file, which `load` reads back into an equal scenario."""
        own = {key: getattr(self, key) for key in ("name", "summary", "extends", "remove")}
        lines = [f"{key} = {toml_value(value)}" for key, value in own.items() if value not in (None, "", ())]
        if self.parameters:
            lines += ["", "[parameters]", *(f"{toml_key(k)} = {toml_value(v)}" for k, v in self.parameters.items())]
        for event in self.events:
            fields = {"kind": event.kind} | event.model_dump(exclude_defaults=True)
            lines += ["", "[[event]]", *(f"{key} = {toml_value(value)}" for key, value in fields.items())]
        return "\n".join(lines) + "\n"


# --- reading ---


def _events(tables: Any, origin: _Origin, problems: list[str]) -> dict[int, Event]:
    """Read the events; return the valid ones by number, counted from 1, and add the problems of the others."""
    if not isinstance(tables, tuple):
        problems.append(f"{origin.at('event')}: events must be tables [[event]], not {shortened(tables)}")
        return {}
    valid = {}
    for number, table in enumerate(tables, start=1):
        event, faults = read_event(table, origin.cast, origin.horizon)
        kind = dict(table).get("kind") if isinstance(table, Mapping | Event) else None
        label = f"event {number}" if kind is None else f"event {number} (kind {shortened(kind)})"
        for key, fault in faults:
            problems.append(f"{origin.at(f'event {number}.{key}' if key else f'event {number}')}: {label}: {fault}")
        if event is not None:
            valid[number] = event
    return valid


def _extended(name: Any, origin: _Origin, problems: list[str]) -> Scenario | None:
    """Load the scenario to extend: a built-in, or a file inside the folder of the file that extends it."""
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
            fault = "circular" if len(set(chain)) < len(chain) else f"more than {DEEPEST} levels deep"
            raise ScenarioError(f"{here} is {fault}: {' -> '.join(link.name for link in chain)}")
        return _read(path, replace(origin, horizon=None))
    except ScenarioError as error:
        problems += error.problems
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a zero byte
        problems.append(f"{here} {shortened(name)}, which is not a valid path: {shortened(str(error))}")
    return None


def _clashes(
    numbered: dict[int, Event], fields: dict[str, Any], base: Scenario | None, origin: _Origin
) -> Iterator[str]:
    """Messages about duplicate ids, unknown ids to remove, events that take the same place on the timeline, and programmes
    for which no slot is left.
    """
    inherited = base.all_events if base is not None else ()
    ids = [event.id for event in inherited if event.id]
    remove = fields.get("remove")
    removed = [id_ for id_ in remove if isinstance(id_, str)] if isinstance(remove, tuple) else []
    for id_ in removed:
        if id_ not in ids and (base is not None or fields.get("extends") is None):
            yield f"{origin.at('remove')}: remove: no inherited event has the id {shortened(id_)}{did_you_mean(id_, ids)}"
    labels: dict[str, str] = {}  # by id
    holders: dict[tuple[Any, ...], str] = {}  # by place
    programmes = 0
    remaining = [(None, event) for event in inherited if event.id not in removed]
    for number, event in [*remaining, *numbered.items()]:
        label = f"inherited event {event.id!r}" if number is None else f"event {number}"
        here = f"{origin.at(f'event {number}.id')}: event {number} (kind {event.kind!r})" if number else origin.label
        if event.id is not None and labels.setdefault(event.id, label) != label:
            yield f"{here}: duplicate id {event.id!r}, already used by {labels[event.id]}"
        if event.place is not None and holders.setdefault(event.place, label) != label:
            limits = "at most one release per lab and month, one cost claim and one audit per day"
            yield f"{here}: conflicts with {holders[event.place]}: {limits}"
        programmes += isinstance(event, CapexProgramme)
        if isinstance(event, CapexProgramme) and programmes > PROGRAMMES:
            others = f"{PROGRAMMES} others, inherited ones included"
            yield f"{here}: no place is left beside {others}: leave one out, or add its amount to another"


def _odd_parameters(overrides: Any, origin: _Origin) -> Iterator[str]:
    """Messages about overrides that are neither a number nor a table of numbers by jurisdiction."""
    for name, value in overrides.items() if isinstance(overrides, Mapping) else ():
        here = f"{origin.at(f'parameters.{name}')}: parameter {shortened(name)}"
        table = value if isinstance(value, Mapping) and value else {None: value}
        for key, number in table.items():
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not abs(number) <= sys.float_info.max:
                yield f"{here}: must be a finite number or a table of numbers by jurisdiction, not {shortened(number)}"
            if key is not None and origin.cast is not None and key not in (*origin.cast.jurisdictions, "default"):
                yield f"{here}: unknown jurisdiction {shortened(key)}{did_you_mean(key, origin.cast.jurisdictions)}"


def _read(path: Path, origin: _Origin) -> Scenario:
    label = path.name if path.parent == BUILT_IN else str(path)
    file = read_spec(path, ScenarioError, label)
    fields, chain = file.fields, (*origin.chain, path.resolve())
    origin = replace(origin, label=label, folder=path.parent, lines=file.lines, chain=chain, problems=())
    if "events" in fields:
        origin = replace(origin, problems=(f"{origin.at('events 1')}: unknown key 'events'; did you mean [[event]]?",))
    return Scenario(origin, **(fields | {"events": fields.pop("event", ())}))
