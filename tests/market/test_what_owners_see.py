"""No rule reads what its agent could not observe: from one state, a parameter of somebody else's technology changes nothing
that is decided next."""

import functools

import jax
import numpy as np
import pytest
from helpers.machines import inputs_of, play, played
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.market.phases.accounts import outlook_of
from abm.market.phases.machines import OWNERS
from abm.market.state import Now

MONTH = 26
"""With programmes under way, places missing and vendors who expand; no phase is due and no chips are launched."""
ORDERS = ("construction", "backlog", "bought")
KNOWN = {
    # of vendors
    "power_saving": set(),
    "chip_performance_growth": set(),
    "chip_learning_rate": {"vendors"},
    "capacity_lead": {"vendors"},
    "capacity_build_limit": {"vendors"},
    "capacity_cost": {"vendors"},
    # of users and of serving
    "inference_efficiency_growth": set(),
    "workload_growth": set(),
    "workload_slowdown": set(),
    "boom_volatility": set(),
    "boom_persistence": set(),
    # of labs, which learn from leads that they saw
    "copying_rate": set(),
    "distillation_rate": set(),
    "scarcity_induction": set(),
    "scarcity_diversion": set(),
    # of lenders: in a month without a phase due there is nothing to decide
    "lenders_cover": {"programmes"},
    "lenders_spread": {"programmes"},
}
"""Parameters, and whose decisions may depend on them: never those of owners."""
OWN = {
    "capital_cost": {*OWNERS},
    "place_adjustment": {"operators"},
    "capex_belief": {*OWNERS},
    "machine_wear": {*OWNERS},
    "build_time": {*OWNERS},
    "capacity_depreciation": {"vendors"},
    "research_burden_growth": {"plans"},
}
"""Parameters of the deciders' own, which they know: with these the test has something to see."""


@functools.cache
def state():
    """A market, in which some labs are taught, and the inputs of its next month."""
    market, _ = played()[MONTH]
    taught = market.labs.replace(exchanges=market.labs.exchanges + 1.0)
    return market.replace(labs=taught), *inputs_of(market)


@jax.jit
def plans(market, p, events, draws):
    """What labs plan to spend on training and research."""
    labs = market.labs.do("plan", p, outlook=outlook_of(market, Now(p, events, draws)))
    return labs.training_budget, labs.research_spending


def decisions(**factors):
    """What is decided next when parameters are multiplied by factors, by whom: places and chips that owners order, prices and
    capacity of vendors, plans of labs.
    """
    market, p, events, draws = state()
    p = type(p)(p.table | {name: p.table[name] * factor for name, factor in factors.items()})
    after, _ = play(market, p, events, draws)
    owners = {role: [getattr(getattr(after, role), name) for name in ORDERS] for role in OWNERS}
    vendors = [after.vendors.chip_price, after.vendors.expansion]
    decided = owners | {"vendors": vendors, "plans": plans(market, p, events, draws)}
    return {who: [np.asarray(x).tobytes() for x in given] for who, given in decided.items()}


usual = functools.cache(decisions)


def who_differs(**factors):
    """Whose decisions change, be it in the last bit."""
    return {who for who, then in decisions(**factors).items() if then != usual()[who]}


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from([*KNOWN]), st.floats(0.3, 1.2), min_size=1))
def test_nobody_reads_a_parameter_that_it_could_not_observe(factors):
    assert who_differs(**factors) <= set().union(*(KNOWN[name] for name in factors))


@pytest.mark.parametrize("name", KNOWN)
def test_each_parameter_alone(name):
    assert who_differs(**{name: 0.5}) <= KNOWN[name]


@pytest.mark.parametrize("name", OWN)
def test_decisions_depend_on_what_deciders_know(name):
    assert who_differs(**{name: 0.9}) >= OWN[name]
