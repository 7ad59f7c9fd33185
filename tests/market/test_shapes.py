"""The types of arrays in signatures and records are true: months are played while every one of them is checked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAY = Path(__file__).parents[1] / "helpers" / "checked_shapes.py"


@pytest.mark.parametrize("how", ["compiled", pytest.param("interpreted", marks=pytest.mark.slow)])
def test_arrays_have_the_shapes_that_signatures_say(how):
    """In a process of its own: modules are checked from their import on."""
    root = str(PLAY.parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, PLAY, how], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "checked\n"
