"""The types of arrays in signatures and records are true: months are played while those of all that they call are checked."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

PLAY = Path(__file__).parents[1] / "helpers" / "checked_shapes.py"


@pytest.mark.slow
@pytest.mark.parametrize("how", [["compiled"], ["others", "interpreted"]])
def test_arrays_have_the_shapes_that_signatures_say(how):
    """In a process of its own: modules are checked from their import on."""
    root = str(PLAY.parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, PLAY, *how],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "checked\n"


def modules_of(room):
    package = importlib.import_module(room)
    return [
        package,
        *(importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, f"{room}.")),
    ]


def own(of, module):
    """Functions and classes that a module defines, and those within its classes."""
    for attribute in vars(of).values():
        thing = getattr(attribute, "__func__", getattr(attribute, "fget", attribute))
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module:
            yield thing
            if inspect.isclass(thing):
                yield from own(thing, module)


@pytest.mark.parametrize("room", ["abm.engine", "abm.market", "abm.mechanisms"])
def test_every_annotation_can_be_evaluated(room):
    """The check above passes over an annotation that cannot be."""
    things = {thing for module in modules_of(room) for thing in own(module, module.__name__)}
    assert len(things) > 30
    for thing in things:
        get_type_hints(thing)
