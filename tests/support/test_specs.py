"""One reader of specification files: pydantic's errors in the words of a file, each with its place and line."""

import pickle

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abm.support.specs import InvalidSpec, Wording, problems_of, read_spec
from abm.support.toml_lines import lines_of


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: float = Field(1.0, gt=0)
    names: tuple[str, ...] = ()


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str
    steps: tuple[Step, ...] = Field((), title="step")
    by_name: dict[str, Step] = {}
    level: float | dict[str, float] = 0.0


USUAL = Wording()


def problems(wording=USUAL, **given):
    with pytest.raises(ValidationError) as caught:
        Plan(**given)
    return list(problems_of(caught.value, Plan, given, wording).values())


def test_a_problem_begins_with_its_place_and_items_are_counted_from_one():
    steps = [{}, {"size": -1, "names": ["a", 3]}]
    assert problems(title="x", steps=steps, by_name={"a": {"size": "large"}}) == [
        "steps 2.size = -1: must be more than 0",
        "steps 2.names 2 = 3: must be text",
        "by_name.a.size = 'large': must be a number",
    ]


def test_an_unknown_key_is_compared_with_the_keys_of_its_own_table_as_a_file_spells_them():
    assert problems(titel="x", stepp=1, by_name={"a": {"siz": 1}}) == [
        "title: is missing",
        "by_name.a.siz: unknown key 'siz'; did you mean 'size'?",
        "titel: unknown key 'titel'; did you mean 'title'?",
        "stepp: unknown key 'stepp'; did you mean 'step'?",
    ]


def test_all_types_of_a_value_are_stated_unless_the_problem_lies_inside_one():
    assert problems(title="x", level="high") == ["level = 'high': must be a number or a table"]
    assert problems(title="x", level={"us": "high"}) == ["level.us = 'high': must be a number"]


def test_a_wording_sets_how_problems_read():
    wording = Wording("{requirement} ({value})", missing="no {key}", other="{message}", noun="word", listed="abm list")
    assert problems(wording, level="high", x=1) == [
        "no 'title'",
        "must be a number or a table ('high')",
        "unknown word 'x' (one of: title, step, by_name, level)",
    ]


def test_problems_of_a_file_begin_with_file_and_line(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("[[step]]\n[[step]]\n\nnames = ['a', 3]\n", encoding="utf-8")
    file = read_spec(path, InvalidSpec)
    assert file.fields == {"step": [{}, {"names": ["a", 3]}]}
    with pytest.raises(InvalidSpec) as caught, file.located():
        raise InvalidSpec(["step 2.names 2 = 3: must be text", "step: too few", "title: is missing"])
    assert caught.value.problems == (
        f"{path}:4: step 2.names 2 = 3: must be text",
        f"{path}:1: step: too few",
        f"{path}: title: is missing",
    )
    with pytest.raises(InvalidSpec, match="the plan: cannot be read: file not found; try another$"):
        read_spec(tmp_path / "none.toml", InvalidSpec, label="the plan", hint="; try another")


@pytest.mark.parametrize(
    "array",
    [
        "[\n  [0.0],\n  [1.0]\n]",
        "[ # a [\n  '''[''', ['a'],\n['b\"'],\n]",
        '["""\n[x]\n""",\n"]",\n]',
        '"[" # a [',
    ],
)
def test_a_line_within_an_array_is_no_table(array):
    text = f"factors.ip_strength = {array}\nmonths = 0\n\n[design]\nkind = 3\n"
    end = text.splitlines().index("months = 0") + 1
    assert lines_of(text) == {
        "factors": 1,
        "factors.ip_strength": 1,
        "months": end,
        "design": end + 2,
        "design.kind": end + 3,
    }


def test_a_strange_key_is_one_short_problem():
    strange = {"a\nb": {"size": 0}, "": 1, "k" * 70_000: {"size": 0}, "r1.date": {"size": 0}}
    assert problems(title="x", by_name=strange) == [
        "by_name.'a\\nb'.size = 0: must be more than 0",
        "by_name.'' = 1: must be a table",
        f"by_name.'{'k' * 56}....size = 0: must be more than 0",
        "by_name.r1.date.size = 0: must be more than 0",
    ]


def test_an_error_has_each_line_once_and_can_be_pickled():
    error = pickle.loads(pickle.dumps(InvalidSpec(["a", "b\nc", "a"])))
    assert error.problems == ("a", "b", "c")
    assert str(error) == "a\nb\nc"
