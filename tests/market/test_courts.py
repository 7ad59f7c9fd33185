"""Courts matter as far as somebody's income hangs on how they rule, and no further."""

import functools

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from helpers.sizes import FEW

from abm.engine import Draws
from abm.market.phases.accounts import outlook_of
from abm.market.state import Now, Values
from abm.runs.months import first_market_of, one_month, values_on_device
from abm.runs.setup import Setup

MONTHS, SEED = 30, 2
NOBODY_WATCHES = {"detection_rate": 0.0}
ALL_WATCH = {"detection_rate": 10.0, "court_time": 3.0}


@functools.cache
def setup_of(linked, parameters):
    labs = Setup.of(**FEW).cast.labs
    links = "complete" if linked else nx.empty_graph(labs, create_using=nx.DiGraph)
    return Setup.of(dict(parameters), months=MONTHS, access_network=links, **FEW)


def labs_of(clarity, linked=True, free=False, **parameters):
    """Labs in every month of a run, in which they may learn from each other if `linked`; `free` licences reserve nothing."""
    given = {"ip_clarity": clarity, "ip_strength": 0.5, "policy_response": 0.0} | parameters
    setup = setup_of(linked, tuple(given.items()))
    market, values, draws = first_market_of(setup, SEED), values_on_device(setup), Draws.from_seed(SEED)
    if free:
        market = market.replace(labs=market.labs.replace(licence=jnp.where(market.labs.licence > 0, 1.0, 0.0)))
        values = Values(values.table | {"openness_response": jnp.asarray(1e3)})  # and stay so
    labs = []
    for month in range(MONTHS):
        market, _ = one_month(setup, market, values, setup.events(month), draws)
        labs.append(market.labs)
    return labs


def same(one, other):
    """Whether all that is known of labs is the same in every month, to the last bit."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


@pytest.mark.parametrize(
    ("world", "idle"),
    [
        (dict(free=True, **NOBODY_WATCHES), "royalty"),
        (dict(linked=False, **ALL_WATCH), "exchanges"),
        (dict(ip_strength=0.0, **ALL_WATCH), "royalty"),
    ],
    ids=["free weights and no detection", "no links", "no rights"],
)
def test_where_no_income_hangs_on_courts_it_does_not_matter_how_clear_they_are(world, idle):
    clear, vague = labs_of(1.0, **world), labs_of(0.0, **world)
    assert same(clear, vague)
    assert not any(np.asarray(getattr(labs, idle)).any() for labs in clear)
    assert not any(np.asarray(labs.legal_exposure).any() for labs in clear)


def test_full_rights_are_certain_however_vague_courts_are():
    clear, vague = labs_of(1.0, ip_strength=1.0, **ALL_WATCH), labs_of(0.0, ip_strength=1.0, **ALL_WATCH)
    assert same(clear, vague)
    assert any(np.asarray(labs.royalty).any() for labs in clear)


def planned(uncertain, **columns):
    """Research that labs plan if rulings were hard to foresee of late, or not."""
    setup = setup_of(True, ())
    market, values = first_market_of(setup, SEED), values_on_device(setup)
    error = 0.2 if uncertain else 0.0
    labs = market.labs.replace(
        marginal_value=jnp.full(market.labs.size, 8.0),
        revenue=jnp.full(market.labs.size, 20.0),
        **{name: jnp.full(market.labs.size, value) for name, value in columns.items()},
    )
    rulings = market.accounts.rulings.at[:].set(jnp.array([0.5, error**2]))
    market = market.replace(labs=labs, accounts=market.accounts.replace(rulings=rulings))
    outlook = outlook_of(market, Now(values, setup.events(0), Draws.from_seed(SEED)))
    return np.asarray(labs.do("plan", values, outlook=outlook).research_intensity)


@pytest.mark.parametrize(
    ("columns", "moves"), [({}, False), ({"royalty": 0.3}, True), ({"awards_seen": 5.0}, True)],
    ids=["nothing", "royalties", "awards"],
)  # fmt: skip
def test_labs_wait_where_income_hangs_on_rulings_that_are_hard_to_foresee(columns, moves):
    vague, clear = planned(True, **columns), planned(False, **columns)
    assert (vague <= clear).all()
    assert (vague < clear).any() == moves


def test_clarity_matters_where_income_hangs_on_courts():
    assert not same(labs_of(1.0), labs_of(0.0))  # some licences reserve rights
    sued = ALL_WATCH | {"detection_rate": 0.2}
    assert not same(labs_of(1.0, free=True, **sued), labs_of(0.0, free=True, **sued))  # some students are
