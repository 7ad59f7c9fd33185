"""Conditions, verdicts, and their wording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.experiments import ALL, table
from hypothesis import given
from hypothesis import strategies as st

from abm.experiments import find, report
from abm.experiments.checks import of_condition
from abm.experiments.judge import FALSIFIED, PENDING, SUPPORTED, UNSUPPORTED, answered, judge
from abm.experiments.load import load
from abm.experiments.spec import Test, holds

ROOT = Path(__file__).parents[2]


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_conditions_mean_what_they_say(value, low, bound):
    numbers = {"value": value, "low": low, "high": np.nan, "p": 0.01}
    bound = round(bound, 3)
    assert holds(f"value < {bound}", numbers) == (value < bound)
    assert holds(f"value >= {bound} and p < 0.05", numbers) == (value >= bound)
    assert holds(f"value > {bound} or low <= {bound}", numbers) == (value > bound or low <= bound)
    assert not holds(f"high < {bound}", numbers)
    assert not holds(f"high >= {bound}", numbers)


@pytest.mark.parametrize("text", ["value", "value > x", "value > 1 and p < 2 or low > 3", "__import__('os') > 1"])
def test_malformed_conditions_are_rejected(text):
    assert of_condition(text)


def test_verdicts():
    experiment = load(ALL[0])

    def verdict(*tests):
        tests = tuple(Test(**{"name": f"t{i}", "statistic": "level", "y": ("y",)} | t) for i, t in enumerate(tests))
        return judge(experiment.model_copy(update={"test": tests}), table(lambda x, k: 1.0 + 0.01 * k)).says

    good, bad = {"supported_if": "low > 0"}, {"supported_if": "low > 5"}
    dead = {"supported_if": "low > 0", "falsified_if": "value > 0"}
    waiting = {"statistic": "awaited", "supported_if": "value > 0"}
    assert verdict(good) == SUPPORTED
    assert verdict(good, {}) == SUPPORTED  # a test without conditions only reports
    assert verdict(good, bad) == UNSUPPORTED
    assert verdict(good, bad, dead) == FALSIFIED
    assert verdict(good, waiting) == PENDING
    assert verdict(waiting, dead) == FALSIFIED  # even if another outcome is pending
    assert verdict({"falsified_if": "value > 5"}) == SUPPORTED
    assert verdict({"where": {"x": 17.0}, "falsified_if": "value > 5"}) == UNSUPPORTED


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (-0.009675, -0.032154, 0.012804, "−0.010 [−0.032, 0.013]"),
        (0.00497, -0.000007, 0.00994, "0.0050 [−0.000007, 0.0099]"),
        (5111.2, 4843.4, 5380.3, "5,111 [4,843, 5,380]"),
        (1.0, None, None, "1"),
        (6.224, None, None, "6.22"),
    ],
)
def test_digits_do_not_exceed_the_precision_of_the_interval(value, low, high, text):
    test = Test(name="t", statistic="level", digits=4 if value < 0 else 2)
    finding = {"of": "y", "value": value, "low": low, "high": high, "p": None, "more": {}}
    assert report.in_words(load(find("5", ROOT / "experiments")), test, finding, name=False) == text


def test_a_rule_in_words_names_its_need():
    assert report.rule_in_words("supported if", "low > 0 and signs >= 4", "any") == (
        "supported if the interval's lower end > 0 and signs >= 4 (any of the outcomes)"
    )


def test_need_sets_how_many_outcomes_must_meet_a_condition():
    frame = table(lambda x, k: x).assign(u=1.0, v=1.0, w=-1.0)

    def says(need):
        test = Test(name="t", statistic="level", y=("u", "v", "w"), need=need, supported_if="value > 0")
        return answered(test, frame).says

    assert [says(need) for need in ("all", "most", "any")] == [UNSUPPORTED, SUPPORTED, SUPPORTED]
