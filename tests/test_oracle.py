"""The model against a second implementation of its core, written from docs/ODD.md (tests/oracle)."""

import ast
import functools
import math
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import oracle
import pytest

from abm.engine import Draws
from abm.phases.chips import trade_chips
from abm.phases.policy import adjust_policy
from abm.simulation import Setup, play
from abm.state import Accounts, Cloud, Exchange, Flows, Now, Values

TINY = dict(vendors=2, closed_labs=2, open_labs=2, entrants=1, adopters=4, investors=5)
FIRST, LAST, SEED, PRECISION = 12, 36, 3, 1e-9
LAB_DRAWS = {"research luck": "normal", "detection": "uniform", "ruling": "normal", "court": "uniform"}
LAB_DRAWS |= {"disclosure motive": "normal", "entry": "uniform"}
TIER_DRAWS = ("release", "price change")
COMPARED = ("labs", "adopters", "layers", "cloud", "accounts", "flows")

WORLDS = {  # what each adds to the default month
    "baseline": dict(),
}


@functools.cache
def months_of_model(name):
    """(world after policy and chips, world at the month's end, `now` in plain numbers) for every month."""
    options = WORLDS[name]
    sizes = {**TINY, **options.get("sizes", {})}
    conduct = options.get("conduct", {})
    setup = Setup.of(options.get("parameters"), "baseline", months=LAST, **conduct, **sizes)
    values, draws = Values({k: jax.numpy.asarray(v) for k, v in setup.values.items()}), Draws.from_seed(SEED)
    p = SimpleNamespace(**{k: np.asarray(v).tolist() for k, v in setup.values.items()})

    @jax.jit
    def before_research(market, events):
        now = Now(values, events, draws.at(market.month), setup.conduct)
        return trade_chips(adjust_policy(market, now), now)

    @jax.jit
    def luck_of(market):
        luck = draws.at(market.month)
        by_tier = {name: luck.uniform(name, market.labs, (2,)) for name in TIER_DRAWS}
        return {name: getattr(luck, kind)(name, market.labs) for name, kind in LAB_DRAWS.items()} | by_tier

    markets = [market for market, _ in play(setup, SEED)]
    months = []
    for at in range(FIRST, LAST):
        events = SimpleNamespace(**{k: np.asarray(rows[at]).tolist() for k, rows in setup.timeline.items()})
        luck = {name: np.asarray(drawn).tolist() for name, drawn in luck_of(markets[at]).items()}
        now = SimpleNamespace(p=p, events=events, draws=luck, pricing=setup.conduct.pricing)
        now.price_form = setup.conduct.price_form
        start = before_research(markets[at], setup.events(at))
        months.append((plain(start, setup), plain(markets[at + 1], setup), now))
    return months


def plain(market, setup):
    """A market as lists and namespaces of plain numbers."""
    world = SimpleNamespace(
        labs=agents(market.labs),
        adopters=agents(market.adopters),
        vendors=agents(market.vendors),
        layers=agents(market.infrastructure),
        regulators=agents(market.regulators),
        peers=np.asarray(market.networks.peers).tolist(),
        month=int(market.month),
        **{
            name: SimpleNamespace(**{field: np.asarray(getattr(part, field)).tolist() for field in kind.names()})
            for name, kind, part in (
                ("cloud", Cloud, market.cloud),
                ("exchange", Exchange, market.exchange),
                ("accounts", Accounts, market.accounts),
                ("flows", Flows, market.flows),
            )
        },
    )
    for number, lab in enumerate(world.labs):
        lab.open = number >= setup.populations.closed_labs
    return world


def agents(group):
    """One namespace an agent."""
    columns = {name: np.asarray(getattr(group, name)).tolist() for name in group.populations[0].columns}
    return [SimpleNamespace(**{name: column[i] for name, column in columns.items()}) for i in range(group.size)]


def leaves(thing, path=()):
    """(path, number) of everything in a tree."""
    if isinstance(thing, SimpleNamespace):
        thing = vars(thing)
    if isinstance(thing, dict | list):
        for name, part in thing.items() if isinstance(thing, dict) else enumerate(thing):
            yield from leaves(part, (*path, str(name)))
    else:
        yield ".".join(path), thing


def differences(mine, models):
    """Where the two worlds differ by more than the precision: (path, oracle, model)."""
    found = []
    for part in COMPARED:
        own, other = dict(leaves(getattr(mine, part), (part,))), dict(leaves(getattr(models, part), (part,)))
        assert own.keys() == other.keys()
        found += [
            (path, own[path], other[path])
            for path in own
            if not math.isclose(own[path], other[path], rel_tol=PRECISION, abs_tol=1e-12)
        ]
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_month_by_month(name):
    for start, end, now in months_of_model(name):
        assert not differences(oracle.month(start, now), end), start.month


@pytest.mark.parametrize("name", WORLDS)
def test_fed_forward(name):
    """The oracle's own state goes on for all months; only policy, chips and equities are given."""
    mine = None
    for start, end, now in months_of_model(name):
        mine = oracle.month(oracle.with_outside(mine, start) if mine else start, now)
        assert not differences(mine, end), start.month


def test_imports_nothing_of_the_model():
    files = list(Path(oracle.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert {str(name).split(".")[0] for name in names} <= {"oracle", "math", "cmath", "copy", "types"}, file
