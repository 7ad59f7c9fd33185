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
from abm.market.phases.enforcement import enforce
from abm.market.phases.machines import OWNERS
from abm.market.phases.research import teaching_of
from abm.market.phases.tokens import trade_tokens
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
COPYING = {
    "copying_rate": set(),
    "copy_fidelity": set(),
    "ip_copy_block": set(),
    "fit_inheritance": set(),
    "fit_persistence": set(),
    "fit_spread": set(),
    "overtraining_loss": set(),
    "algorithmic_doubling_time": {"plans"},
    "spillover_rate": set(),
    "certified_delay": set(),
    "adoption_innovation": set(),
    "adoption_imitation": set(),
    "incident_loss": set(),
    "trust_rate": set(),
    "distillation_rate": {"students"},
    "exchange_scale": {"students"},
    "distillation_ceiling": {"students"},
}
"""What rivals can do with a lab's models, and how users will take to them: labs see only how long leads have lasted. A student
knows how much it learns itself, and everybody how fast own research goes."""
NOT_THEIRS = KNOWN | COPYING
OWN = {
    "capital_cost": {*OWNERS},
    "place_adjustment": {"operators"},
    "capex_belief": {*OWNERS},
    "machine_wear": {*OWNERS},
    "build_time": {*OWNERS},
    "capacity_depreciation": {"vendors"},
    "research_burden_growth": {"plans"},
    "substitution": {"prices"},
    "lead_horizon": {"students"},
    "vigilance_cost": {"teachers"},
}
"""Parameters of the deciders' own, or of their customers, which they know: with these the test has something to see."""


@functools.cache
def state():
    """A market, in which all labs are taught and have something to lose, and the inputs of its next month."""
    market, _ = played()[MONTH]
    labs = market.labs
    first = np.arange(labs.size) == 0
    taught = labs.replace(
        marginal_value=labs.marginal_value + 50.0, exchanges=labs.exchanges + 50.0, teacher=np.where(first, 1, 0)
    )
    return market.replace(labs=taught), *inputs_of(market)


@jax.jit
def of_labs(market, p, events, draws):
    """What labs decide from this state: training and research, posted prices, defence, and what they learn from teachers."""
    now = Now(p, events, draws)
    labs = market.labs.do("plan", p, outlook=outlook_of(market, now))
    released = market.replace(labs=market.labs.replace(released=market.labs.released | True))
    return {
        "plans": [labs.training_budget, labs.research_spending],
        "prices": [trade_tokens(released, now).labs.price],
        "teachers": [enforce(market, now).labs.vigilance],
        "students": [market.labs.do("choose_exchanges", p, teaching=teaching_of(market, now)).exchanges],
    }


def decisions(**factors):
    """What is decided next when parameters are multiplied by factors, by whom: places and chips that owners order, prices and
    capacity of vendors, plans and prices of labs.
    """
    market, p, events, draws = state()
    p = type(p)(p.table | {name: p.table[name] * factor for name, factor in factors.items()})
    after, _ = play(market, p, events, draws)
    owners = {role: [getattr(getattr(after, role), name) for name in ORDERS] for role in OWNERS}
    vendors = [after.vendors.chip_price, after.vendors.expansion]
    decided = owners | {"vendors": vendors} | of_labs(market, p, events, draws)
    return {who: [np.asarray(x).tobytes() for x in given] for who, given in decided.items()}


usual = functools.cache(decisions)


def who_differs(**factors):
    """Whose decisions change, be it in the last bit."""
    return {who for who, then in decisions(**factors).items() if then != usual()[who]}


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from([*NOT_THEIRS]), st.floats(0.3, 1.2), min_size=1))
def test_nobody_reads_a_parameter_that_it_could_not_observe(factors):
    assert who_differs(**factors) <= set().union(*(NOT_THEIRS[name] for name in factors))


@pytest.mark.parametrize("name", NOT_THEIRS)
def test_each_parameter_alone(name):
    assert who_differs(**{name: 0.5}) <= NOT_THEIRS[name]


@pytest.mark.parametrize("name", OWN)
def test_decisions_depend_on_what_deciders_know(name):
    assert who_differs(**{name: 0.9}) >= OWN[name]


@pytest.mark.parametrize("rival", [0, 2, -1], ids=["the leader", "another closed lab", "an open lab"])
def test_prices_are_not_set_on_unit_costs_of_others(rival):
    """Labs see what rivals charge, not what it costs them; a lab whose own cost falls charges less."""
    market, p, events, draws = state()
    labs = market.labs
    cheaper = market.replace(labs=labs.replace(model_size=labs.model_size.at[rival].add(-0.5)))
    before, after = (np.asarray(of_labs(m, p, events, draws)["prices"][0]) for m in (market, cheaper))
    others = np.arange(labs.size) != np.arange(labs.size)[rival]
    assert np.array_equal(before[others], after[others])
    assert (after[rival] < before[rival]).all()
