"""The floor plan has the rooms of the package on the floors of pyproject.toml, its imports, and the path that a run takes."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).parents[2]
ROOMS = {path.parent.name for path in (ROOT / "abm").glob("*/__init__.py")}


@cache
def drawing():
    spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs/draw_rooms.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def boxes():
    """Room -> how high its box stands."""
    patches = drawing().plan().axes[0].patches
    return {patch.get_gid(): patch.get_y() for patch in patches if isinstance(patch, FancyBboxPatch)}


def test_every_room_is_drawn_on_its_floor():
    drawn = boxes()
    assert set(drawn) == ROOMS
    heights = sorted(set(drawn.values()), reverse=True)
    found = [sorted(room for room, height in drawn.items() if height == one) for one in heights]
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = told["tool"]["importlinter"]["contracts"][0]["layers"]
    assert found == [sorted(layer.split(" | ")) for layer in layers]


def test_rooms_of_a_floor_do_not_cover_one_another():
    places = drawing().PLACES
    for level in drawing().floors():
        at = sorted(places[room] for room in level)
        assert all(right - left > drawing().WIDE for left, right in zip(at, at[1:], strict=False))


def test_arrows_are_imports_and_lead_to_all_that_is_imported():
    arrows, kept = drawing().imports(), drawing().direct(drawing().imports())
    height = boxes()
    for room, others in kept.items():
        assert others <= arrows[room]
        assert arrows[room] <= drawing().below(room, kept)
        assert all(height[other] < height[room] for other in others)


@pytest.mark.parametrize(
    "statement", ["import abm.runs.setup", "from abm.runs.setup import Setup", "from abm import runs"]
)
def test_an_import_is_seen_in_whatever_form(statement):
    (node,) = ast.parse(statement).body
    assert drawing().modules(node)[0].startswith("abm.runs")


def test_the_path_goes_along_imports_and_stops_at_what_there_is():
    arrows = drawing().imports()
    assert all(other in arrows[room] for room, other in drawing().PATH)
    for stop in drawing().STOPS:
        tree = ast.parse((ROOT / "abm" / stop.file).read_text(encoding="utf-8"))
        assert stop.name in {getattr(node, "name", "") for node in tree.body}, stop
        assert stop.file.partition("/")[0] in stop.rooms
        assert set(stop.rooms) <= ROOMS


def test_the_page_beside_the_picture_has_the_rooms_and_the_schedule():
    from abm.market.month import PHASES

    text = (ROOT / "docs/explanation/path_of_a_run.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == ROOMS
    rows = re.findall(r"^\| (\w+) \| `(\w+)`.*\| `(\w+)\.py` \|$", text, flags=re.MULTILINE)
    assert rows == [(name, phase.__name__, phase.__module__.rpartition(".")[2]) for name, phase in PHASES.items()]


RUN = """
import sys

stops, met = [{stops}], []


def watch(frame, event, argument):
    code = frame.f_code
    name = code.co_qualname if hasattr(code, "co_qualname") else code.co_name
    for file, wanted in stops:
        if event == "call" and code.co_filename.endswith(file) and wanted in (name.split(".")[0], code.co_name):
            if wanted not in met:
                met.append(wanted)


import abm

abm.simulate  # loaded before anybody looks
sys.setprofile(watch)
few = dict(closed_labs=2, open_labs=1, entrants=0, vendors=1, adopters=2, investors=2)
abm.simulate(seed=1, months=1, **few)
sys.setprofile(None)
print(" ".join(met))
"""


@pytest.mark.docs
def test_a_run_passes_the_stops_in_their_order():
    stops = ", ".join(f"({stop.file!r}, {stop.name!r})" for stop in drawing().STOPS)
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(stops=stops)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    met = done.stdout.split()
    assert [name for name in met if name != "Population"] == [s.name for s in drawing().STOPS if s.name != "Population"]
    assert "Population" in met  # which the first market is made of, before its rules are called


def test_the_picture_in_the_docs_is_the_one_that_is_drawn_now(tmp_path):
    module = drawing()
    module.style.save(module.plan(), tmp_path / "rooms.png")
    now, stored = (imread(path) for path in (tmp_path / "rooms.png", module.OUT))
    assert now.shape == stored.shape
    assert np.mean(np.abs(now - stored) > 0.1) < 0.02  # fonts of a machine may move a letter
