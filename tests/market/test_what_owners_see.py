"""No rule reads what its agent could not observe: from one state, a parameter of somebody else's technology, or what a rival has
not released, changes nothing that is decided next."""

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
from abm.market.phases.release import release_models
from abm.market.phases.research import teaching_of
from abm.market.phases.tokens import trade_tokens
from abm.market.state import Now

OPEN = np.array([2, 3])
"""Open labs of the cast."""
MONTH = 31
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
    # what students can learn, which they know themselves: teachers see by how much their students' releases come nearer
    "distillation_rate": {"students"},
    "exchange_scale": {"students"},
    "distillation_ceiling": {"students"},
    # what teachers do about it, and what that costs them: students see quotas and how much exchanges teach
    "hiding_cost": {"teachers"},
    "vigilance_cost": {"teachers"},
    "vigilance_maximum": {"teachers"},
    # detection: students know how often they have been detected
    "detection_rate": set(),
    # courts: how they will rule is seen in rulings alone; what a lost case costs, and how long cases take, is the law
    "ip_strength": set(),
    "ip_clarity": set(),
    "ruling_spread": set(),
    "damages_multiple": {"students", "plans"},
    "court_time": {"students"},
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
lasted, how fast rents then fell, by how much releases of students came nearer, who was detected, and how courts have ruled. A
student knows how much it learns itself and what a lost case costs, a teacher what its own defence costs, and everybody how fast
own research goes.
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
    "court_time": {"students"},
    "growth_fading": {"students", "teachers", "plans"},
    "vigilance_cost": {"teachers"},
    "hiding_cost": {"teachers"},
    "exchange_limit": {"teachers"},
}
"""Parameters of the deciders' own, or of their customers, which they know: with these the test has something to see."""


@functools.cache
def state():
    """A market in which all labs but one learn from it, have something to lose and a parent to choose, and its next inputs.

    Two lineages, of which the better one has another owner; leads that they saw were different for every lab, and all have had
    awards from courts.
    """
    market, _ = played()[MONTH]
    labs, size = market.labs, market.labs.size
    k = labs.capability.at[:, 0].set(jnp.linspace(6.0, 2.0, size)).at[OPEN, 0].set(jnp.array([5.01, 4.7]))
    taught = labs.replace(
        capability=k,
        untaught=jnp.full(size, 3.0),
        distilled=jnp.full(size, 4.2),
        copied=jnp.full(size, 4.0),
        copied_from=jnp.full(size, OPEN[1]),
        efficiency=jnp.full(size, -9.0),  # no run of their own is better
        marginal_value=labs.marginal_value + 50.0,
        nat_value=labs.nat_value + 50.0,
        gross_profit=jnp.full(size, 500.0),
        rents_seen=jnp.ones((size, 2)),
        rents_lost=jnp.tile(jnp.array([0.02, 0.06]), (size, 1)),
        exchanges=jnp.where(jnp.eye(size, dtype=bool), 0.0, 5.0),
        vigilance=jnp.full((size, size), 0.2),
        hidden=jnp.full((size, size), 0.1),
        licence=labs.licence.at[OPEN].set(0.5),
        lineage=jnp.eye(size).at[OPEN[0], OPEN[0]].set(0.2).at[OPEN[0], OPEN[1]].set(0.8),
        lead_months=20.0 + jnp.arange(size),
        leak=jnp.tile(jnp.array([0.5, 16.0]), (size, 1)),
        caught_seen=jnp.tile(jnp.array([0.4, 20.0]), (size, 1)),
        awards_seen=jnp.full(size, 0.5),
        access_cut=jnp.zeros((size, size)),
    )
    accounts = market.accounts
    history = jnp.broadcast_to(taught.capability[:, 0], accounts.capability_history.shape)
    rulings = accounts.rulings.at[:, 0].set(0.3)
    accounts = accounts.replace(capability_history=history, rulings=rulings, market_growth=jnp.full((), 0.3))
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


# --- what rivals have not released ---


HIDDEN = ("distilled", "copied", "efficiency", "run_compute", "own_best", "run_cost", "luck")
"""What a lab knows of its own next model, by column."""
nats = st.lists(st.floats(-3, 3), min_size=len(HIDDEN), max_size=len(HIDDEN))


@functools.cache
def usual_of_labs():
    return {who: [np.asarray(x) for x in given] for who, given in of_labs(*state()).items()}


@settings(max_examples=20)
@given(rival=st.integers(0, 4), moved=nats)
def test_nobody_reads_what_a_rival_has_not_released(rival, moved):
    """Teachers, students and parents alike. Plans and prices do not depend on the next model at all, be it one's own."""
    market, p, events, draws = state()
    shifted = {name: getattr(market.labs, name).at[rival].add(by) for name, by in zip(HIDDEN, moved, strict=True)}
    given = of_labs(market.replace(labs=market.labs.replace(**shifted)), p, events, draws)
    for who, arrays in given.items():
        kept = np.arange(market.labs.size) != rival if who in ("students", "forks") else slice(None)
        for before, after in zip(usual_of_labs()[who], arrays, strict=True):
            np.testing.assert_array_equal(np.asarray(after)[kept], before[kept], err_msg=who)


@jax.jit
def after_releases(market, p, events, draws):
    """Flagships that are out, and what teachers do once they have seen them."""
    now = Now(p, events, draws)
    market = release_models(market, now)
    guarded = enforce(market, now).labs
    return market.labs.capability[:, 0], market.labs.leak, guarded.vigilance, guarded.hidden


@pytest.mark.parametrize("name", ["copied", "efficiency", "distilled"])
def test_teachers_see_a_release_and_not_what_it_owes_to_them(name):
    """A student releases the same model with more or less of its own in it: its teachers do the same in the next month."""
    market, p, events, draws = state()
    p = type(p)(p.table | {"release_hazard": jnp.ones(())})
    labs, student = market.labs, OPEN[0]
    used = jnp.zeros_like(labs.exchanges_used).at[student, 0].set(4.0)
    best = {"copied": 4.9, "distilled": 4.9}
    labs = labs.replace(
        capability=labs.capability.at[student, 0].set(4.0), own_best=labs.own_best.at[student].set(3.0),
        exchanges_used=used, leak=labs.leak.at[0].set(jnp.array([0.1, 3.0])),
    )  # fmt: skip

    def released(columns):
        given = {column: getattr(labs, column).at[student].set(value) for column, value in columns.items()}
        return [np.asarray(x) for x in after_releases(market.replace(labs=labs.replace(**given)), p, events, draws)]

    other = {"copied": dict(copied=3.0), "distilled": dict(distilled=3.0), "efficiency": dict(efficiency=-5.0)}[name]
    usual, changed = released(best), released(best | other)
    assert usual[0][student] == 4.9  # which is out
    assert usual[1][0, 0] > 0.5  # and came nearer to its teacher
    for before, after in zip(usual, changed, strict=True):
        np.testing.assert_array_equal(after, before)


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
