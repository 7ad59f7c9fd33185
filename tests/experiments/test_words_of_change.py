"""Sentences about changes: either the verb or the sign gives the direction, never both, and raw returns are named as such."""

import importlib.util
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from abm.experiments.r1.sentences import Findings, change_in_words
from abm.runs import event_study

ROOT = Path(__file__).parents[2]
NAN = float("nan")
TWICE = re.compile(r"\b(by|lost|loses?|fell|falls?|rose|rises?|gained?)\s+[−+-]\s*\d")
"""A direction given twice: "lost −13 %"."""


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((-13.26,), "fell by 13 %"),
        ((5.1, 4.2, 6.0), "rose by 5.1 % [4.2, 6.0]"),
        ((-3.4, -5.1, -1.7), "fell by 3.4 % [1.7, 5.1]"),
        ((-0.3, -1.2, 0.6), "did not clearly change (−0.30 % [−1.2, 0.60])"),
        ((0.3, 0.0, 0.6), "did not clearly change (0.30 % [0, 0.60])"),
        ((0.0,), "did not change"),
        ((-0.0, 0.0, 0.0), "did not change"),
        ((0.0, -1.0, 1.0), "did not clearly change (0 % [−1.0, 1.0])"),
        ((NAN, NAN, NAN), "changed by an unknown amount"),
        ((math.inf,), "changed by an unknown amount"),
        ((2.0, NAN, NAN), "rose by 2.0 %"),
        ((-1e-9, -2e-9, -1e-10), "fell by 1.0\u00a0×\u00a010⁻⁹ % [1.0\u00a0×\u00a010⁻¹⁰, 2.0\u00a0×\u00a010⁻⁹]"),
    ],
)
def test_a_change_in_words(numbers, words):
    assert change_in_words(*numbers) == words


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((-0.58, -0.65, -0.50), "lowered the index by 0.58 points [0.50, 0.65]"),
        ((1.0, 0.5, 1.5), "raised the index by 1.0 points [0.50, 1.5]"),
        ((1.0, -0.5, 2.5), "did not clearly change the index (1.0 points [−0.50, 2.5])"),
        ((0.0,), "did not change the index"),
        ((NAN,), "changed the index by an unknown amount"),
    ],
)
def test_an_effect_on_something_in_words(numbers, words):
    numbers = (*numbers, NAN, NAN)[:3]
    assert change_in_words(*numbers, "points", "the index") == words


def test_the_table_of_numbers_keeps_the_sign():
    numbers = Findings()
    price = {"difference": -0.1, "low": -0.2, "high": -0.05}
    assert numbers.moved("price", price, scale=100) == "fell by 10 % [5.0, 20]"
    assert numbers.moved("use", {"difference": 1.2}, "log points") == "rose by 1.2 log points"
    price, use = numbers.table().to_dict("records")
    assert (price["value"], price["low"], price["high"], price["shown"]) == (-10, -20, -5, "10")
    assert (use["value"], use["shown"]) == (1.2, "1.2") and math.isnan(use["low"])


def fill_results():
    """The module docs/fill_results.py."""
    spec = importlib.util.spec_from_file_location("fill_results", ROOT / "docs" / "fill_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            (-0.034, -0.051, -0.017),
            "R1 lowered chip orders by 3.3 % [1.7, 5.0] in 2027. In 2027 it lowered compute installed",
        ),
        ((0.02, 0.01, 0.03), "R1 raised chip orders by 2.0 % [1.0, 3.0] in 2027. In 2027 it raised compute installed"),
        ((0.0, 0.0, 0.0), "R1 did not change chip orders in 2027. In 2027 it did not change compute installed"),
        ((NAN, NAN, NAN), "R1 changed chip orders by an unknown amount in 2027"),
    ],
)
def test_sentences_of_the_readme_give_a_direction_once(row, words):
    observables = ["chip_orders", "compute_installed"]
    difference, low, high = row
    paired = pd.DataFrame(
        [
            {"comparison": which, "observable": name, "year": 2027, "difference": difference, "low": low, "high": high}
            for which in ("no_r1", "no_stargate")
            for name in observables
        ]
    )
    text = fill_results().chips(paired)
    assert text.startswith(words) and not TWICE.search(text)


def test_the_readme_says_which_return_is_raw():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not TWICE.search(readme)
    nvidia = event_study.tickers().query("ticker == 'NVDA' and day == 0").iloc[0]
    assert (
        f"NVIDIA's shares fell by {-100 * nvidia['raw']:.0f} % in a day (by {-100 * nvidia['abnormal']:.0f} % net"
        in readme
    )
    (crash,) = (line for line in readme.splitlines() if line.startswith("- **The crash.**"))
    assert "Mean abnormal return" in crash and "+3.5 %, a raw return)" in crash
