"""Headline results of every scenario are those that are stored: a change of the model must update them on purpose.

`make baseline` does, and its diff says what changed.
"""

import json

import baseline
import pytest

from abm.scenarios.scenario import Scenario

STORED = json.loads(baseline.FILE.read_text(encoding="utf-8"))


def changed(size):
    return baseline.differences(STORED[size], baseline.headlines(size))


def test_small_runs_give_what_is_stored():
    assert changed("small") == []


@pytest.mark.slow
def test_runs_of_the_default_population_give_what_is_stored():
    assert changed("default") == []


def test_every_scenario_and_headline_is_stored():
    for size in baseline.SIZES:
        assert set(STORED[size]) == set(Scenario.names())
        assert all(set(table) == set(baseline.HEADLINES) for table in STORED[size].values())


def test_a_change_is_named():
    moved = json.loads(json.dumps(STORED["small"]))
    moved["no_r1"]["welfare"]["end"][0] *= 1.001
    assert len(baseline.differences(STORED["small"], moved)) == 1
    assert "no_r1" in baseline.differences(STORED["small"], moved)[0]
    del moved["baseline"]["hhi"]
    assert len(baseline.differences(STORED["small"], moved)) == 3
