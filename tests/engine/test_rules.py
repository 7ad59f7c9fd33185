"""`do` and `ask`: what a rule may read and assign, and the errors it raises otherwise."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.agents import Counter

from abm.engine import (
    Field,
    Group,
    Population,
    RuleError,
    interpreted,
)


@pytest.fixture(params=["compiled", "interpreted"])
def counters(request):
    people = Population.create(Counter, 3, sizes={"part": 2}, active=np.array([True, False, True]), count=np.arange(3))
    if request.param == "compiled":
        yield people
    else:
        with interpreted():
            yield people


def test_inactive_rows_are_unchanged(counters):
    np.testing.assert_array_equal(counters.do("up", 10).count, [10, 1, 12])
    np.testing.assert_array_equal(counters.do("up", 10, own=jnp.array([1, 2, 3])).count, [11, 1, 15])
    np.testing.assert_array_equal(counters.do("up", 10, where=jnp.array([False, True, False])).count, [0, 11, 2])
    np.testing.assert_array_equal(counters.count, [0, 1, 2])


def test_ask_returns_and_changes_nothing(counters):
    np.testing.assert_array_equal(counters.ask("double"), [100, 102, 104])
    np.testing.assert_array_equal(counters.count, [0, 1, 2])
    group = Group(counters, counters.replace(count=counters.count + 5))
    np.testing.assert_array_equal(group.ask("double"), [100, 102, 104, 110, 112, 114])


def test_assigned_values_take_the_fields_shape_and_type(counters):
    after = counters.do("set_weight", 3.0)
    np.testing.assert_array_equal(after.weight, [[3, 3], [1, 1], [3, 3]])
    after = counters.do("set_weight", np.array([1.0, 2.0])).do("set_count", 7.0)
    np.testing.assert_array_equal(after.weight, [[1, 2], [1, 1], [1, 2]])
    assert after.count.dtype == int


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ("set_weight", np.ones(3), ["Counter.set_weight", "field weight", "(3,)", "(2,)"]),
        ("set_weight", np.ones((1, 2)), ["Counter.set_weight", "field weight", "(1, 2)", "(2,)"]),
        ("set_count", np.ones(1), ["Counter.set_count", "field count", "(1,)", "shape ()"]),
        ("set_count", None, ["Counter.set_count", "field count", "None"]),
    ],
)
def test_an_assignment_of_the_wrong_shape_names_rule_field_and_shapes(counters, rule, value, words):
    with pytest.raises(RuleError) as error:
        counters.do(rule, value)
    for word in words:
        assert word in str(error.value)


def test_assigning_to_a_misspelt_field_is_an_error(counters):
    with pytest.raises(RuleError, match=r"Counter\.misspelt assigns to self\.cuont, which is not a field"):
        counters.do("misspelt")


def test_missing_rules_and_fields_are_named(counters):
    with pytest.raises(RuleError, match="Counter has no rule 'fly'"):
        counters.do("fly")
    with pytest.raises(AttributeError, match="sees only its own fields"):
        counters.ask("look")
    with pytest.raises(AttributeError, match="Counter has no field or attribute 'height'"):
        counters.ask("look_for")


@pytest.mark.parametrize(
    ("declared", "error", "message"),
    [
        (("a",), TypeError, r"Field\('a'\): the default comes first and must be a number"),
        ((None,), TypeError, "must be a number"),
        (([1.0, "b"],), TypeError, "must be a number"),
        ((float("nan"),), ValueError, r"Field\(nan\): the default must be a finite number"),
        ((0.0, "$", "m", "p", "tier"), TypeError, r"such as \('tier',\)"),
        ((0.0, "$", "m", "p", (), str), TypeError, "must be float, int or bool"),
    ],
)
def test_invalid_field_declarations_are_rejected(declared, error, message):
    with pytest.raises(error, match=message):
        Field(*declared)


@pytest.mark.parametrize("rule", ["numpy", "calls_numpy"])
def test_the_error_for_numpy_in_a_rule_suggests_jax(rule):
    people = Population.create(Counter, 4, sizes={"part": 2}, count=np.arange(4))
    with pytest.raises(RuleError) as error:
        people.do(rule)
    for word in ("Counter.numpy (line", "Write jnp.maximum instead of np.maximum", "compiled=False"):
        assert word in str(error.value)
    with interpreted():
        assert people.do(rule).count.tolist() == [2, 2, 2, 3]


@pytest.mark.parametrize("rule", ["branch", "biggest", "calls_branch"])
def test_python_branches_require_interpreted_mode(rule):
    people = Population.create(Counter, 4, sizes={"part": 2}, count=np.arange(4))
    with pytest.raises(RuleError) as error:
        people.do(rule)
    for word in (
        f"Counter.{rule.removeprefix('calls_')} (line",
        "the field count",
        "jnp.where",
        "self.count = ",
        "compiled=False",
    ):
        assert word in str(error.value)
    with interpreted():
        after = people.do(rule)
    if rule != "biggest":
        np.testing.assert_array_equal(after.weight[:, 0], [1, 1, 1, 4])
    else:
        np.testing.assert_array_equal(after.count, [3, 3, 3, 3])
