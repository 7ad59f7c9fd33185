"""No rule reads what its agent could not observe: from one state, a parameter of somebody else's technology changes nothing
that is decided next."""

import functools

import jax
import jax.numpy as jnp
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

OPEN = np.array([2, 3])
"""Open labs of the cast."""
MONTH = 35
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
    # of labs
    "scarcity_induction": set(),
    "scarcity_diversion": set(),
    # of lenders: in a month without a phase due there is nothing to decide
    "lenders_cover": {"programmes"},
    "lenders_spread": {"programmes"},
}
"""Parameters, and whose decisions may depend on them: never those of owners."""
COPYING = {
    # what rivals can copy, and how fast; a lab that looks for a parent knows what a change costs it and what a fork loses
    "copying_rate": set(),
    "copy_fidelity": {"forks"},
    "fork_cost": {"forks"},
    # what students can learn, which they know themselves: teachers see what releases have owed to exchanges
    "distillation_rate": {"students"},
    "exchange_scale": {"students"},
    "distillation_ceiling": {"students"},
    # what teachers do about it, and what that costs them: students see quotas and how much exchanges teach
    "hiding_cost": {"teachers"},
    "vigilance_cost": {"teachers"},
    "vigilance_maximum": {"teachers"},
    # courts: how they will rule is seen in rulings alone; what a lost case costs, and how long cases take, is the law
    "ip_strength": set(),
    "ip_clarity": set(),
    "ruling_spread": set(),
    "damages_multiple": {"students"},
    "court_time": {"students"},
    "detection_rate": {"students"},
    "damages_pace": set(),
    "access_cut_months": set(),
    # what rivals lose by a hurried release, and by their size
    "hurry_loss": set(),
    "overtraining_loss": set(),
    "release_hazard": set(),
    "openness_response": set(),
    "algorithmic_doubling_time": {"plans"},
    "spillover_rate": set(),
    # users and hosts
    "fit_inheritance": set(),
    "fit_persistence": set(),
    "fit_spread": set(),
    "certified_delay": set(),
    "adoption_innovation": set(),
    "adoption_imitation": set(),
    "incident_loss": set(),
    "trust_rate": set(),
}
"""What rivals can do with a lab's models, what courts will do, and how users will take to it: labs see only how long leads have
lasted, what they lost with them, what releases owed to exchanges, and how courts have ruled. A student knows how much it learns
itself and what it risks, a teacher what its own defence costs, and everybody how fast own research goes.
"""
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
    "fork_cost": {"forks"},
    "interest_rate": {"students", "plans"},
    "distillation_rate": {"students"},
    "exchange_scale": {"students"},
    "distillation_ceiling": {"students"},
    "damages_multiple": {"students"},
    "detection_rate": {"students"},
    "court_time": {"students"},
    "vigilance_cost": {"teachers"},
    "hiding_cost": {"teachers"},
    "exchange_limit": {"teachers"},
}
"""Parameters of the deciders' own, or of their customers, which they know: with these the test has something to see."""


@functools.cache
def state():
    """A market in which all labs but one learn from it, have something to lose and a parent to choose, and its next inputs.

    Two lineages, of which the better one has another owner; leads that they saw were different for every lab.
    """
    market, _ = played()[MONTH]
    labs, size = market.labs, market.labs.size
    k = labs.capability.at[:, 0].set(jnp.linspace(6.0, 2.0, size)).at[OPEN, 0].set(jnp.array([5.01, 4.7]))
    taught = labs.replace(
        capability=k,
        untaught=jnp.full(size, 3.0),
        distilled=jnp.full(size, 3.5),
        copied=jnp.full(size, 4.0),
        copied_from=jnp.full(size, OPEN[1]),
        efficiency=jnp.full(size, -9.0),  # no run of their own is better
        marginal_value=labs.marginal_value + 50.0,
        nat_value=labs.nat_value + 50.0,
        gross_profit=jnp.full(size, 5.0),
        exchanges=jnp.where(jnp.eye(size, dtype=bool), 0.0, 5.0),
        vigilance=jnp.full((size, size), 0.2),
        hidden=jnp.full((size, size), 0.1),
        licence=labs.licence.at[OPEN].set(0.5),
        lineage=jnp.eye(size).at[OPEN[0], OPEN[0]].set(0.2).at[OPEN[0], OPEN[1]].set(0.8),
        lead_months=20.0 + jnp.arange(size),
        access_cut=jnp.zeros((size, size)),
    )
    accounts = market.accounts
    history = jnp.broadcast_to(taught.capability[:, 0], accounts.capability_history.shape)
    rulings = accounts.rulings.at[:, 0].set(0.3)
    still = jnp.zeros(())  # a market that grows would hide what ends leads
    accounts = accounts.replace(capability_history=history, rulings=rulings, market_growth=still)
    market = market.replace(labs=taught, accounts=accounts)
    return market, *inputs_of(market)


@jax.jit
def of_labs(market, p, events, draws):
    """What labs decide from this state: training and research, posted prices, defence, and what they learn from whom."""
    now = Now(p, events, draws)
    labs = market.labs.do("plan", p, outlook=outlook_of(market, now))
    released = market.replace(labs=market.labs.replace(released=market.labs.released | True))
    guarded, teaching = enforce(market, now).labs, teaching_of(market, now)
    return {
        "plans": [labs.training_budget, labs.research_spending],
        "prices": [trade_tokens(released, now).labs.price],
        "teachers": [guarded.vigilance, guarded.hidden],
        "students": [market.labs.do("choose_exchanges", p, teaching=teaching).exchanges],
        "forks": [market.labs.ask("choose_parent", p, teaching=teaching)],
    }


def decisions(changed=None, **factors):
    """What is decided next when parameters are multiplied by factors, by whom: places and chips that owners order, prices and
    capacity of vendors, plans and prices of labs. `changed` makes the market another one first.
    """
    market, p, events, draws = state()
    market = changed(market) if changed else market
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


def of_regulators(market, **columns):
    return market.replace(regulators=market.regulators.replace(**{n: jnp.full(4, x) for n, x in columns.items()}))


def test_labs_know_how_courts_have_ruled_and_not_how_they_will():
    """Strength and clarity of rights show in rulings alone; a forecast from rulings moves students, forks and plans."""
    hidden = decisions(lambda market: of_regulators(market, ip_strength=0.95, ip_clarity=0.1))
    assert hidden == usual()

    def ruled(market):
        return market.replace(accounts=market.accounts.replace(rulings=market.accounts.rulings.at[:].set([0.0, 0.3])))

    moved = decisions(ruled)
    assert {who for who, then in moved.items() if then != usual()[who]} == {"students", "forks", "plans"}


@pytest.mark.parametrize("rival", [0, 2, -1], ids=["the leader", "another closed lab", "an open lab"])
def test_prices_are_not_set_on_unit_costs_of_others(rival):
    """Labs see what rivals charge, not what it costs them; a lab whose own cost falls charges less for something."""
    market, _ = played()[MONTH]
    p, events, draws = inputs_of(market)
    labs = market.labs
    cheaper = market.replace(labs=labs.replace(model_size=labs.model_size.at[rival].add(-0.5)))
    before, after = (np.asarray(of_labs(m, p, events, draws)["prices"][0]) for m in (market, cheaper))
    others = np.arange(labs.size) != np.arange(labs.size)[rival]
    assert np.array_equal(before[others], after[others])
    # Where its best prices are at another peak of its profit, some of them may rise.
    assert (after[rival] != before[rival]).all() and (after[rival] < before[rival]).any()
