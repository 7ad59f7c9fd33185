"""Headline results of every scenario match the stored ones, so that a change of the model must update them deliberately.

`make baseline` updates them, and its diff shows what changed.
"""

import json
import os
import subprocess
import sys

import baseline
import pytest

from abm.scenarios.scenario import Scenario

STORED = json.loads(baseline.FILE.read_text(encoding="utf-8"))


def test_small_runs_match_the_stored_results():
    assert baseline.differences(STORED["small"], baseline.headlines("small")) == []


@pytest.mark.slow
def test_runs_compiled_as_users_compile_them_match_the_stored_results():
    """In a process of its own, since the tests' options of the compiler (`XLA_FLAGS`) hold for a whole process."""
    tests = baseline.FILE.parent
    path = os.pathsep.join(filter(None, [str(tests), str(tests.parent), os.environ.get("PYTHONPATH")]))
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", "import baseline, json; print(json.dumps(baseline.headlines('default')))"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert baseline.differences(STORED["default"], json.loads(done.stdout)) == []


def test_every_scenario_and_headline_is_stored():
    for size in baseline.SIZES:
        assert set(STORED[size]) == set(Scenario.names())
        assert all(set(table) == set(baseline.HEADLINES) for table in STORED[size].values())


def test_differences_name_scenario_and_headline():
    modified = json.loads(json.dumps(STORED["small"]))
    modified["no_r1"]["welfare"]["before"][0] *= 1.001
    assert len(baseline.differences(STORED["small"], modified)) == 1
    assert "no_r1" in baseline.differences(STORED["small"], modified)[0]
    del modified["baseline"]["hhi"]
    assert len(baseline.differences(STORED["small"], modified)) == 3
