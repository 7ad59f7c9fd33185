"""docs/explanation/axes.md has the axes of the code: their lengths, what lies along them, and the arrays that have them."""

import dataclasses
import re
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

import abm.agents
from abm.engine import Field
from abm.market import start, state
from abm.market.populations import Populations
from abm.parameters import Parameters
from abm.runs.setup import Setup
from abm.scenarios.timeline import Timeline
from abm.support import axes

PAGE = Path(__file__).parents[2] / "docs/explanation/axes.md"
FIXED = {
    "day": (axes.DAYS, None),
    "tier": (axes.TIERS, axes.TIER_NAMES),
    "stage": (axes.STAGES, None),
    "jurisdiction": (len(axes.JURISDICTIONS), axes.JURISDICTIONS),
    "question": (len(axes.QUESTIONS), axes.QUESTIONS),
    "instrument": (len(axes.INSTRUMENTS), tuple(axes.INSTRUMENTS)),
    "vendor": (Populations().vendors, Populations().cast().vendors),
    "lab": (len(Populations().cast().labs), None),
    "adopter": (Populations().adopters, None),
    "investor": (Populations().investors, None),
    "month": (Setup.of().months, None),
    "delay": (start.HISTORY, None),
    "lag": (start.LONGEST_LAG, None),
    "operator": (len(axes.OPERATORS), axes.OPERATORS),
    "programme": (axes.PROGRAMMES, None),
    "owner": (len(axes.OPERATORS) + axes.PROGRAMMES + len(Populations().cast().labs), None),
    "generation": (axes.GENERATIONS, None),
    "offer": (axes.OFFERS, None),
    "asset": (Populations().vendors + len(Populations().cast().labs) + 3, None),
    "layer": (3, ("power", "platforms", "applications")),
}


@cache
def tables():
    """The tables: axis -> cells."""
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()[2:]]
        found.append({row[0]: row[1:] for row in rows})
    return found


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_axes_in_types_are_explained():
    sources = [path.read_text(encoding="utf-8") for path in Path(abm.agents.__file__).parents[1].rglob("*.py")]
    types = [axes for text in sources for axes in re.findall(r'\b[A-Z]\w+\[[\w.]+, "([^"]*)"\]', text)]
    used = {name.lstrip("*#") or name for axes in types for name in axes.split()} - {"n", "..."}
    letters = {cells[0] for cells in tables()[0].values()}
    assert {"J", "q", "offers"} <= used
    assert not used - letters - set(tables()[0]) - set(quoted(" ".join(tables()[1]))), "explain these axes in axes.md"


@pytest.mark.parametrize("axis", FIXED)
def test_length_and_order_are_those_of_the_code(axis):
    length, names = FIXED[axis]
    _, told, along, _ = tables()[0][axis]
    assert int(re.match(r"\d+", told)[0]) == length
    if names:
        assert along == ", ".join(names)


def test_fields_of_agents_are_listed_at_their_axes():
    kinds = [getattr(abm.agents, name) for name in abm.agents.__all__]
    found = {}
    for kind in kinds:
        for name, field in vars(kind).items():
            for axis in field.shape if isinstance(field, Field) else ():
                found.setdefault(axis, []).append(f"{kind.__name__}.{name}")
    told = {axis: sorted(quoted(cells[0])) for axis, cells in tables()[2].items() if quoted(cells[0])}
    assert told == {axis: sorted(fields) for axis, fields in found.items()}


def test_arrays_of_a_timeline_are_listed_at_their_axes():
    letter = {axis: cells[0] for axis, cells in tables()[0].items()}
    for axis in ("day", "vendor", "lab", "jurisdiction", "question", "instrument", "programme"):
        arrays = [f.name for f in dataclasses.fields(Timeline) if letter[axis] in f.metadata["axes"]]
        assert quoted(tables()[2][axis][1]) == arrays, axis
    assert all(f.metadata["axes"][0] == letter["month"] for f in dataclasses.fields(Timeline))


def test_records_have_the_axes_they_are_listed_at():
    """Shapes of a first market whose sizes all differ."""
    sizes = {"vendors": 5, "closed_labs": 6, "open_labs": 7, "entrants": 0, "adopters": 17, "investors": 19}
    populations = Populations(**sizes)
    length = {axis: fixed for axis, (fixed, _) in FIXED.items()} | {
        "vendor": 5, "lab": 13, "adopter": 17, "investor": 19, "asset": 21, "pair": 2, "vintage": 3
    }  # fmt: skip
    market = jax.eval_shape(
        lambda p: start.first_market(
            state.Values(p), np.zeros(2, np.uint32), populations, populations.networks(), populations.cast()
        ),
        Parameters().values(),
    )
    records = ("Compute", "Exchange", "Accounts")
    shapes = {
        f"{record}.{name}": getattr(getattr(market, record.lower()), name).shape
        for record in records
        for name in getattr(state, record).names()
    }
    told = {}
    for axis, cells in tables()[2].items():
        for name in quoted(cells[2]):
            if name.startswith(records):
                told.setdefault(name, []).append(length[axis])
    assert {name: sorted(lengths) for name, lengths in told.items()} == {
        name: sorted(shape) for name, shape in shapes.items() if shape
    }


def test_lists_of_the_module_are_all_named():
    text = PAGE.read_text(encoding="utf-8")
    assert not [name for name in vars(axes) if name.isupper() and f"`{name}`" not in text]
