"""Capability of a lab: teachers, parents, the fallback after a lost suit, and what it learns from leads."""

import jax.numpy as jnp
import numpy as np
import pytest

from abm import Parameters
from abm.agents import OpenLab
from abm.agents.lab import MARGIN_SEEN, NEVER
from abm.engine import Population
from abm.market.phases.accounts import Leads
from abm.market.phases.enforcement import Case
from abm.market.phases.research import Teaching
from abm.market.state import Values

SIZES = {
    "tier": 2,
    "stage": 3,
    "offer": 3,
    "vendor": 2,
    "question": 4,
    "pair": 2,
    "asset": 5,
    "generation": 6,
    "lab": 3,
}


@pytest.fixture(scope="module")
def p():
    return Values({name: jnp.asarray(value) for name, value in Parameters().values().items()})


def labs(**columns):
    """Three labs with a flagship of 3 nats, which the first two owe partly to a teacher."""
    defaults = {
        "capability": np.array([[3.0, 2.5]] * 3),
        "untaught": np.array([2.0, 1.0, 3.0]),
        "copied": np.array([1.5, 2.7, 1.0]),
        "distilled": np.full(3, 3.4),
        "distilled_share": np.array([0.6, 0.6, 0.0]),
        "run_compute": np.full(3, 1e-9),
        "lineage": np.eye(3),
    }
    return Population.create(OpenLab, 3, sizes=SIZES, **(defaults | columns))


def case(detected=False, lost=True, owed=0.6):
    """A case against every lab."""
    return Case(jnp.full((3, 3), detected), jnp.full(3, lost), jnp.full(3, owed))


def teaching(**changed):
    """Teachers and parents for every lab: from the second on as good as nothing, unless changed."""
    far = jnp.full((3, 3), NEVER)
    given = dict(
        ceiling=far, cost=jnp.full((3, 3), 0.1), quota=jnp.full((3, 3), 9.0), clear=jnp.ones((3, 3)), weights=far,
        fee=jnp.zeros((3, 3)), duration=jnp.full(3, 12.0),
    )  # fmt: skip
    return Teaching(**(given | changed))


# --- courts ---


def test_a_lost_suit_leaves_the_best_capability_without_a_teacher(p):
    before = labs(case_left=np.ones(3), revenue=np.full(3, 10.0), taught_sales=np.full(3, 50.0))
    after = before.do("answer_case", p, case=case())
    np.testing.assert_allclose(after.capability, [[2.0, 2.0], [2.7, 2.5], [3.0, 2.5]])  # release, copy, own run
    assert (np.asarray(after.distilled) < 0).all()
    np.testing.assert_allclose(after.legal_exposure, p.damages_multiple * (50.0 + 0.6 * 10.0))
    assert not after.taught_sales.any() and not after.case_left.any()


@pytest.mark.parametrize("left", [0.0, 2.0, 18.0])
def test_nothing_is_owed_before_a_court_has_ruled(p, left):
    after = labs(case_left=np.full(3, left), revenue=np.full(3, 10.0)).do("answer_case", p, case=case())
    assert not after.legal_exposure.any()
    np.testing.assert_allclose(after.taught_sales, 6.0)
    np.testing.assert_array_equal(after.capability, labs().capability)
    np.testing.assert_array_equal(after.case_left, np.full(3, max(left - 1, 0)))


def test_a_case_that_is_won_ends_the_claim_on_past_sales(p):
    before = labs(case_left=np.ones(3), taught_sales=np.full(3, 50.0))
    after = before.do("answer_case", p, case=case(lost=False))
    assert not after.legal_exposure.any() and not after.taught_sales.any()
    np.testing.assert_array_equal(after.distilled, before.distilled)


def test_a_detected_lab_loses_access_at_once_and_is_sued_by_the_teacher_it_used_most(p):
    before = labs(exchanges=np.array([[0.0, 1.0, 4.0], [2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]))
    detected = jnp.array([[False, True, False], [True, False, True], [False, True, False]])
    after = before.do("answer_case", p, case=case()._replace(detected=detected))
    np.testing.assert_array_equal(after.capability, before.capability)
    np.testing.assert_array_equal(after.access_cut, np.where(detected, p.access_cut_months, 0))
    np.testing.assert_array_equal(after.claimant, [1, 0, 1])  # of those that detected it
    np.testing.assert_array_equal(after.case_left, np.full(3, p.court_time))
    again = after.replace(case_left=jnp.full(3, 5.0)).do("answer_case", p, case=case(detected=True))
    np.testing.assert_array_equal(again.claimant, after.claimant)  # one case at a time
    np.testing.assert_array_equal(again.case_left, np.full(3, 4.0))


def test_access_comes_back_after_the_months_it_is_cut(p):
    student = labs(nat_value=np.full(3, 1e4), distilled=np.full(3, NEVER))
    student = student.replace(access_cut=jnp.zeros((3, 3)).at[0, 1].set(2.0))
    eager = teaching(ceiling=jnp.full((3, 3), 5.0).at[jnp.arange(3), jnp.arange(3)].set(NEVER))
    open_to = []
    for _ in range(3):
        student = student.do("choose_exchanges", p, teaching=eager).do("imitate", p, teaching=eager)
        open_to.append(np.asarray(student.exchanges[0] > 0).tolist())
    assert open_to == [[False, False, True], [False, False, True], [False, True, True]]
    np.testing.assert_array_equal(student.link_age[0], [0, 1, 3])


# --- teachers and parents ---


def test_a_lab_builds_on_the_weights_that_bring_most_after_fees_and_says_so(p):
    weights = jnp.full((3, 3), NEVER).at[0].set(jnp.array([NEVER, 6.0, 5.8]))
    start = labs(untaught=np.full(3, 3.0))
    for fee, parent in ((0.0, 1), (0.3, 2)):
        seen = teaching(weights=weights, fee=jnp.zeros((3, 3)).at[0, 1].set(fee))
        after = start.do("imitate", p, teaching=seen)
        assert after.copied_from.tolist() == [parent, -1, -1]
        assert 3.0 < float(after.copied[0]) < float(weights[0, parent]) + np.log(p.copy_fidelity)
        assert after.fork_age.tolist()[0] == 1.0
    later = after.do("imitate", p, teaching=seen)
    assert float(later.fork_age[0]) == 2.0 and float(later.copied[0]) > float(after.copied[0])
    np.testing.assert_array_equal(after.copied[1:], start.copied[1:])


def test_a_parent_is_kept_unless_another_is_better_by_what_a_change_costs(p):
    weights = jnp.full((3, 3), NEVER).at[0, 2].set(6.0)
    for ahead, parent in ((0.5 * float(p.fork_cost), 2), (1.5 * float(p.fork_cost), 1)):
        seen = teaching(weights=weights.at[0, 1].set(6.0 + ahead))
        mine = labs(copied_from=np.array([2, -1, -1]), untaught=np.full(3, 3.0), fork_age=np.full(3, 7.0))
        after = mine.do("imitate", p, teaching=seen)
        assert int(after.copied_from[0]) == parent
        assert float(after.fork_age[0]) == (8.0 if parent == 2 else 1.0)


def test_the_lab_that_taught_most_is_the_source(p):
    ceiling = jnp.full((3, 3), NEVER).at[0, 1:].set(jnp.array([5.0, 6.0]))
    start = labs(exchanges=np.array([[0.0, 2.0, 2.0]] * 3), distilled=np.full(3, NEVER))
    after = start.do("imitate", p, teaching=teaching(ceiling=ceiling))
    assert after.taught_by.tolist() == [2, -1, -1]
    np.testing.assert_allclose(after.exchanges_used, 4.0)


# --- leads ---


def seen(below=False, level=False, rent=0.3, awards=0.0):
    """What every lab sees of all others."""
    full = ~jnp.eye(3, dtype=bool)
    return Leads(full & below, full & level, jnp.full(3, rent), jnp.full(3, awards))


def after_release(p):
    """Labs that have just released a flagship that is ahead of all others, without leads in their past."""
    out = labs(
        released=np.ones((3, 2), bool), lead_months=np.zeros(3), leads_ended=np.zeros(3), lost_share=np.full(3, 0.5)
    )
    return out.do("watch_lead", p, seen=seen(below=True)).replace(released=jnp.zeros((3, 2), bool))


def test_a_lead_lasts_the_months_in_which_the_flagship_was_ahead(p):
    still = Values(p.table | {"lead_forgetting": jnp.asarray(0.0)})
    labs_ = after_release(still)
    for _ in range(4):
        labs_ = labs_.do("watch_lead", still, seen=seen(below=True))
    for _ in range(3):
        labs_ = labs_.do("watch_lead", still, seen=seen(level=True))
    np.testing.assert_array_equal(labs_.lead_months, np.full(3, 5.0))
    np.testing.assert_array_equal(labs_.leads_ended, np.ones(3))
    np.testing.assert_array_equal(labs_.matched, np.full(3, 2.0))


def test_a_rival_that_leaves_matches_nobody(p):
    gone = after_release(p).do("watch_lead", p, seen=seen())  # neither below nor level
    assert not gone.leads_ended.any() and (np.asarray(gone.matched) < 0).all()


def test_what_goes_with_a_lead_is_seen_some_months_after_its_end(p):
    labs_ = after_release(p).do("watch_lead", p, seen=seen(level=True, rent=0.3))
    for month in range(1, int(MARGIN_SEEN) + 3):
        labs_ = labs_.do("watch_lead", p, seen=seen(level=True, rent=0.12))
        learnt = float(labs_.lost_share[0]) - 0.5
        assert learnt == pytest.approx(float(p.lead_learning) * 0.1 if month >= MARGIN_SEEN else 0.0)


def test_awards_are_a_slow_mean(p):
    labs_ = labs()
    for _ in range(1_000):
        labs_ = labs_.do("watch_lead", p, seen=seen(awards=7.0))
    np.testing.assert_allclose(labs_.awards_seen, 7.0, rtol=1e-4)
