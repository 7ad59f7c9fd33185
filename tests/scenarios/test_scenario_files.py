"""Fuzz tests: any dictionary, TOML text or bytes gives a scenario or a `ScenarioError`."""

import datetime as dt
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from helpers.scenarios import CAST, SOME_EVENTS, problems_of
from hypothesis import given, settings
from hypothesis import strategies as st

import abm.scenarios.scenario
from abm.scenarios.events import KINDS
from abm.scenarios.scenario import BUILT_IN, Scenario, ScenarioError
from abm.support.axes import INSTRUMENTS, QUESTIONS

WORDS = st.one_of(
    st.sampled_from(
        [*KINDS, *INSTRUMENTS, *QUESTIONS, *CAST.labs, *CAST.jurisdictions, *CAST.vendors, *Scenario.names()]
        + ["all", "foreign", "set", "scale", "add", "r1", "mine.toml", "entrant_1", ".", "..", "name", "event"]
    ),
    st.text(max_size=8),
)


SCALARS = st.one_of(
    WORDS,
    st.integers(-(10**30), 10**30),
    st.integers(-2, 70),
    st.floats(),
    st.floats(0, 1),
    st.booleans(),
    st.none(),
    st.dates(),
    st.dates(dt.date(2022, 1, 1), dt.date(2028, 12, 31)),
    st.datetimes(),
    st.times(),
)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


EVENT_KEYS = sorted({key for kind in KINDS.values() for key in kind.model_fields} | {"salence", "self", "__class__"})


@st.composite
def events(draw):
    """An event of some kind, valid or with missing, unknown and invalid fields."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    event = {"kind": kind, "month": draw(st.integers(0, 59)), **SOME_EVENTS[kind]}
    if draw(st.booleans()):
        return event
    for key in draw(st.lists(st.sampled_from(EVENT_KEYS), max_size=3)):
        event[key] = draw(VALUES)
    for key in draw(st.lists(st.sampled_from(sorted(event)), max_size=1)):
        del event[key]
    return event


SENSE = st.fixed_dictionaries(
    {"name": st.just("mine"), "events": st.lists(events(), max_size=3)},
    optional={"extends": st.sampled_from(["baseline", "no_r1"]), "summary": st.text(max_size=8)},
)


NONSENSE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.just("mine"), VALUES),
        "summary": VALUES,
        "extends": st.one_of(st.sampled_from(["baseline", "no_r1", "mine.toml"]), VALUES),
        "remove": st.one_of(st.lists(st.sampled_from(["r1", "stargate"])), VALUES),
        "parameters": st.one_of(st.dictionaries(WORDS, VALUES, max_size=3), VALUES),
        "events": st.one_of(st.lists(events(), max_size=4), VALUES),
        "origin": VALUES,
        "self": VALUES,
        "_base": VALUES,
    },
)


SCENARIOS = st.one_of(SENSE, NONSENSE)


@given(SCENARIOS)
@settings(max_examples=400, deadline=None)
def test_any_dictionary_is_a_scenario_or_a_scenario_error(fields):
    try:
        scenario = Scenario(**fields)
        timeline = scenario.timeline(36)
    except ScenarioError as error:
        assert error.problems  # noqa: PT017
        assert all(isinstance(problem, str) and problem for problem in error.problems)  # noqa: PT017
    else:
        assert all(np.isfinite(array).all() for array in timeline.arrays().values())
        written = tomllib.loads(scenario.to_toml())
        assert Scenario(**written | {"events": written.pop("event", [])}) == scenario


def as_toml(value) -> str:
    """A value as TOML; values that TOML lacks are written as in Python, and do not parse."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{abm.support.files.toml_value(key)} = {as_toml(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return abm.support.files.toml_value(value)


@given(SCENARIOS)
@settings(max_examples=400, deadline=None)
def test_any_file_is_a_scenario_or_a_scenario_error(tmp_path_factory, fields):
    lines = [f"{key} = {as_toml(value)}" for key, value in fields.items() if key != "events"]
    for event in fields["events"] if isinstance(fields.get("events"), list) else []:
        lines += ["[[event]]", *(f"{k} = {as_toml(v)}" for k, v in (event.items() if isinstance(event, dict) else ()))]
    path = tmp_path_factory.getbasetemp() / "mine.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    load_or_error(path)


def load_or_error(path: Path) -> None:
    try:
        scenario = Scenario.load(path)
        assert Scenario.load(path) == scenario
        assert all(np.isfinite(array).all() for array in scenario.timeline(60).arrays().values())
    except ScenarioError as error:
        assert all(str(path.name) in problem or ".toml" in problem for problem in error.problems)  # noqa: PT017


@given(st.sampled_from(Scenario.names()), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_any_corrupted_file_is_a_scenario_or_a_scenario_error(tmp_path_factory, name, chance):
    content = bytearray((BUILT_IN / f"{name}.toml").read_bytes())
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(content))
        end = start + chance.choice([0, 1, 1, 5, 80])
        other = chance.randrange(len(content))
        content[start:end] = (
            chance.choice(
                [
                    b"",
                    bytes([chance.randrange(256)]),
                    content[other : other + 60],
                    b"\n[[event]]\n",
                    b'"',
                    b"'''",
                    b"9" * 30,
                ]
            )
            or b" "
        )
    path = tmp_path_factory.getbasetemp() / f"{name}_corrupted.toml"
    path.write_bytes(content)
    load_or_error(path)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_scenario_or_a_scenario_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    load_or_error(path)


@pytest.mark.parametrize(
    "text",
    [
        'name = "a"\n' + "[[event]]\n" * 20_000,
        'name = "a"\n[[event]]\nkind = "news"\nnote = """\n[' + " " * 900_000 + '"""',
        'name = "a"\n[[event]]\nkind = "' + "policy" * 150_000 + '"',
        'name = "a"\n' + "".join(f"x{i} = 1\n" for i in range(20_000)),
    ],
)
def test_no_file_takes_long(tmp_path, text):
    started = time.perf_counter()
    assert problems_of(tmp_path, text)
    assert time.perf_counter() - started < 20
