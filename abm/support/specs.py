"""Specification files: reading one, and reporting every problem in one line with its file, line and key.

A specification is a pydantic model that a user writes in TOML or in Python: a scenario, sweep, experiment, calibration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, ValidationError

from abm.support.files import LARGEST, Unreadable, parse_toml, read_text
from abm.support.messages import did_you_mean, shortened
from abm.support.toml_lines import line_of, lines_of


class InvalidSpec(ValueError):
    """Every problem of a specification, one per line; `problems` is the tuple of these lines."""

    def __init__(self, problems: str | Iterable[str]):
        problems = (problems,) if isinstance(problems, str) else problems
        self.problems = tuple(dict.fromkeys(line for problem in problems for line in problem.split("\n") if line))
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


@dataclass(frozen=True)
class SpecFile:
    """The parsed content of a file, with the label and the line numbers that messages give."""

    label: str
    fields: dict[str, Any]
    lines: dict[str, int]

    def at(self, *places: str) -> str:
        """`file.toml:12`, with the line of the first of these places that has one; else only the file."""
        line = next(filter(None, (line_of(place, self.lines) for place in places)), None)
        return f"{self.label}:{line}" if line else self.label

    @contextmanager
    def located(self) -> Iterator[None]:
        """Prefix problems that the block raises, each of which begins with its place, with file and line."""
        try:
            yield
        except InvalidSpec as error:
            raise type(error)(f"{self.at(place_in(problem))}: {problem}" for problem in error.problems) from None


def read_spec(
    path: Path, refusal: Callable[[str], Exception], label: str = "", largest: int = LARGEST, hint: str = ""
) -> SpecFile:
    """Read a TOML file. If that fails, raises `refusal` with file, line and reason, followed by `hint`."""
    label = label or str(path)
    try:
        text = read_text(path, label, largest)
        return SpecFile(label, parse_toml(text, label), lines_of(text))
    except Unreadable as error:
        raise refusal(f"{error}{hint}") from None


def place_in(problem: str) -> str:
    """The place with which a problem begins: `months` in `months = 0: must be at least 1`."""
    return re.split(":| = ", problem, maxsplit=1)[0]


ONE_OR_MORE = BeforeValidator(lambda x: (x,) if isinstance(x, str) else tuple(x) if isinstance(x, list) else x)
"""For a field that is a tuple of names: a file may give one name or a list."""


# --- pydantic's errors in the words of a file ---

LONGEST_KEY = 60
"""Characters of a key that are shown."""


@dataclass(frozen=True)
class Wording:
    """How the problems of one kind of specification read: templates, the word for a key, the command that lists all keys."""

    invalid: str = "{place} = {value}: {requirement}"
    missing: str = "{place}: is missing"
    other: str = "{place}: {message}"
    """For an unknown key, or the message of a validator."""
    noun: str = "key"
    listed: str = ""


def problems_of(
    error: ValidationError, model: type[BaseModel], given: Any, wording: Wording = Wording()
) -> dict[str, str]:
    """Translate pydantic's errors about the `given` fields of a model: place -> problem, one line each.

    A place reads `priors.fit_spread.low`, or `test 2.y` within a list, counted from 1. Where a value may have several
    types, all of them are stated; but if the value is a table or list with a problem inside, only that is reported.
    """
    found: dict[tuple[str | int, ...], list[Any]] = {}
    for fault in error.errors(include_url=False):
        found.setdefault(_path(fault, given), []).append(fault)
    outer = {path[:length] for path in found for length in range(1, len(path))}
    return {_place(path): _problem(path, faults, model, wording) for path, faults in found.items() if path not in outer}


def _path(fault: Mapping[str, Any], given: Any) -> tuple[str | int, ...]:
    """The keys that lead to a fault, without the names of types that pydantic puts between them for unions."""
    path: list[str | int] = []
    for part in fault["loc"]:
        if isinstance(given, Mapping) and part in given:
            path.append(str(part))
        elif isinstance(given, list | tuple) and isinstance(part, int) and part < len(given):
            path.append(part + 1)
        else:
            continue
        given = given[part]
    return (*path, str(fault["loc"][-1])) if fault["type"] == "missing" else tuple(path)


def _place(path: tuple[str | int, ...]) -> str:
    return "".join(f" {part}" if isinstance(part, int) else f".{_key(part)}" for part in path)[1:]


def _key(key: str) -> str:
    """A key as the file has it; quoted, escaped and shortened if it would not be readable within a line."""
    return key if key and len(key) <= LONGEST_KEY and key.isprintable() else shortened(key)


def _problem(path: tuple[str | int, ...], faults: list[Any], model: type[BaseModel], wording: Wording) -> str:
    """One line about a place. Several faults are those of the types that its value may have."""
    first = faults[0]
    key = str(path[-1]) if path else ""
    for part in path[:-1]:
        field = model.model_fields.get(str(part))
        model = (field and _model_in(field.annotation)) or model
    if first["type"] == "missing":
        return wording.missing.format(place=_place(path), key=repr(key))
    if first["type"] in ("extra_forbidden", "value_error"):
        if first["type"] == "extra_forbidden":
            keys = [field.title or name for name, field in model.model_fields.items()]
            message = f"unknown {wording.noun} {shortened(key)}{did_you_mean(key, keys, wording.listed)}"
        else:
            message = str(first["ctx"]["error"])
        return wording.other.format(place=_place(path), message=message) if path else message
    needs = list(dict.fromkeys(map(requirement, faults)))
    description = model.model_fields[key].description if key in model.model_fields else ""
    return (wording.invalid if path else "{requirement}, not {value}").format(
        place=_place(path),
        unit=f" ({description})" if description else "",
        value=shortened(first["input"]),
        requirement=" or ".join([needs[0], *(need.removeprefix("must be ") for need in needs[1:])]),
    )


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in the type of a field, such as `Prior` in `dict[str, Prior]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def requirement(fault: Mapping[str, Any]) -> str:
    """Translate one of pydantic's errors into a requirement that the author of a file understands: `must be a list`."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "string_pattern_mismatch":
        marks = [mark for mark in "_.-" if mark in re.sub("[a-zA-Z0-9]-[a-zA-Z0-9]", "", context["pattern"])]
        letters = "letters" if "A-Z" in context["pattern"] else "lowercase letters"
        return f"must be a short name of {letters}, digits and {' '.join(marks)}"
    limits = {name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in context.items()}
    template = next((text for start, text in MUST_BE.items() if kind.startswith(start)), None)
    return template.format(**limits) if template else fault["msg"].lower()


MUST_BE = {
    "literal": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "tuple": "must be a list",
    "list": "must be a list",
    "dict": "must be a table",
    "model": "must be a table",
    "string_type": "must be text",
    "int": "must be a whole number",
    "float": "must be a number",
    "finite_number": "must be a finite number",
    "bool": "must be true or false",
    "date": "must be a date, such as 2025-01-27",
    "too_short": "must not be empty",
}
"""Requirements by the beginning of the name of pydantic's error type."""
