"""Capability of a lab: teachers, parents, the fallback after a lost suit, what its models cost, and what it learns from leads."""

import jax.numpy as jnp
import numpy as np
import pytest

from abm import Parameters
from abm.agents import OpenLab
from abm.agents.lab import NEVER
from abm.engine import Population
from abm.market.phases.accounts import Leads
from abm.market.phases.enforcement import Case
from abm.market.phases.release import ReleaseNews
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


def case(detected=False, lost=True, owed=0.6, effort=0.5):
    """A case against every lab."""
    return Case(jnp.full((3, 3), detected), jnp.full(3, lost), jnp.full(3, owed), jnp.full((3, 3), effort))


def teaching(**changed):
    """Teachers and parents for every lab: from the second on as good as nothing, unless changed."""
    far = jnp.full((3, 3), NEVER)
    given = dict(
        ceiling=far, cost=jnp.full((3, 3), 0.1), quota=jnp.full((3, 3), 9.0), clear=jnp.ones((3, 3)), weights=far,
        fee=jnp.zeros((3, 3)), duration=jnp.full(3, 12.0), kept=jnp.ones(3),
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


def test_an_injunction_leaves_nothing_that_is_owed_to_a_teacher(p):
    """A lab that falls back on a copy owes it to its parent, one that falls back on runs of its own to nobody."""
    ours = np.array([2.0, 1.0, 2.9])  # what each can show from runs of its own; the second has a better copy
    taught = labs(
        case_left=np.ones(3), own_best=ours, copied_from=np.array([2, 2, -1]), source=np.array([1, 0, -1]),
        taught_by=np.array([1, 0, -1]),
    )  # fmt: skip
    after = taught.do("answer_case", p, case=case())
    np.testing.assert_allclose(after.distilled_share, [0.0, 1 - np.exp(1.0 - 2.7), 0.0], atol=1e-12)
    assert after.source.tolist() == [-1, 2, -1]
    kept = taught.do("answer_case", p, case=case(lost=False))
    assert kept.source.tolist() == [1, 0, -1]
    np.testing.assert_array_equal(kept.distilled_share, taught.distilled_share)


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


def test_a_student_learns_how_often_it_is_detected_for_what_it_risks(p):
    """Detections and exchanges times effort, of late: the last ones count most."""
    before = labs(exchanges=np.array([[0.0, 1.0, 4.0], [2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), caught_seen=np.ones((3, 2)))
    detected = jnp.array([[False, True, True], [False, False, False], [False, False, False]])
    after = before.do("answer_case", p, case=case(effort=0.5)._replace(detected=detected))
    fade = 1 - float(p.lead_forgetting)
    np.testing.assert_allclose(after.caught_seen, [[fade + 2, fade + 2.5], [fade, fade + 1.5], [fade, fade]])


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
    start = labs(untaught=np.full(3, 3.0), nat_value=np.full(3, 50.0))
    for fee, parent in ((0.0, 1), (0.3, 2)):
        seen = teaching(weights=weights, fee=jnp.zeros((3, 3)).at[0, 1].set(fee))
        after = start.do("imitate", p, teaching=seen)
        assert after.copied_from.tolist() == [parent, -1, -1]
        assert 3.0 < float(after.copied[0]) < float(weights[0, parent]) + np.log(p.copy_fidelity)
        assert after.fork_age.tolist()[0] == 1.0
    later = after.do("imitate", p, teaching=seen)
    assert float(later.fork_age[0]) == 2.0 and float(later.copied[0]) > float(after.copied[0])
    np.testing.assert_array_equal(after.copied[1:], start.copied[1:])


def test_nobody_builds_on_weights_that_cost_more_in_royalties_than_they_bring(p):
    """A nat that brings $ 50 M a month is not worth a fifth of sales of $ 1000 M; with nothing to pay, any gain is."""
    weights = jnp.full((3, 3), NEVER).at[0, 1].set(5.0)
    for revenue, fee, worth, parent in (
        (1_000.0, 0.2, 50.0, -1),
        (1_000.0, 0.0, 50.0, 1),
        (10.0, 0.2, 50.0, 1),  # what it sells is little
        (1_000.0, 0.2, 500.0, 1),  # a nat is worth much
        (1_000.0, 0.0, 0.0, 1),
    ):
        start = labs(untaught=np.full(3, 3.0), marginal_value=np.full(3, worth), revenue=np.full(3, revenue))
        after = start.do("imitate", p, teaching=teaching(weights=weights, fee=jnp.zeros((3, 3)).at[0, 1].set(fee)))
        assert int(after.copied_from[0]) == parent
        assert (float(after.copied[0]) > float(start.copied[0])) == (parent == 1)


def test_a_lab_that_pays_royalties_goes_on_to_build_on_its_parent(p):
    """Its parent's better weights cost it nothing more than it pays already."""
    weights, fee = jnp.full((3, 3), NEVER).at[0, 2].set(5.0), jnp.zeros((3, 3)).at[0, 2].set(0.3)
    start = labs(
        untaught=np.full(3, 3.0), copied_from=np.array([2, -1, -1]), marginal_value=np.full(3, 50.0),
        revenue=np.full(3, 1_000.0), royalty=np.full(3, 0.3),
    )  # fmt: skip
    after = start.do("imitate", p, teaching=teaching(weights=weights, fee=fee))
    assert int(start.ask("choose_parent", p, teaching=teaching(weights=weights, fee=fee))[0]) == 2
    assert float(after.copied[0]) > 3.0


def test_a_parent_is_kept_unless_another_is_better_by_what_a_change_costs(p):
    weights = jnp.full((3, 3), NEVER).at[0, 2].set(6.0)
    for ahead, parent in ((0.5 * float(p.fork_cost), 2), (1.5 * float(p.fork_cost), 1)):
        seen = teaching(weights=weights.at[0, 1].set(6.0 + ahead))
        mine = labs(
            copied_from=np.array([2, -1, -1]),
            untaught=np.full(3, 3.0),
            fork_age=np.full(3, 7.0),
            marginal_value=np.full(3, 50.0),
        )
        after = mine.do("imitate", p, teaching=seen)
        assert int(after.copied_from[0]) == parent
        assert float(after.fork_age[0]) == (8.0 if parent == 2 else 1.0)


def test_the_lab_that_taught_most_is_the_source(p):
    ceiling = jnp.full((3, 3), NEVER).at[0, 1:].set(jnp.array([5.0, 6.0]))
    start = labs(exchanges=np.array([[0.0, 2.0, 2.0]] * 3), distilled=np.full(3, NEVER))
    after = start.do("imitate", p, teaching=teaching(ceiling=ceiling))
    assert after.taught_by.tolist() == [2, -1, -1]
    np.testing.assert_allclose(after.exchanges_used, [[0.0, 2.0, 2.0]] * 3)
    secret = start.do("imitate", p, teaching=teaching(ceiling=ceiling, clear=jnp.full((3, 3), 0.25)))
    np.testing.assert_allclose(secret.exchanges_used, [[0.0, 0.5, 0.5]] * 3)  # what it saw of them


# --- releases ---


def release(p, start):
    """What labs release next, on the weights of the third lab, whose run cost $ 90 M."""
    news = ReleaseNews(
        forced=jnp.zeros(3, bool), capability=jnp.zeros(3), size_step=jnp.zeros(3), parent_size=jnp.zeros(3),
        parent_cost=jnp.full(3, 90.0), parent_lineage=jnp.eye(3)[jnp.full(3, 2)], itself=jnp.eye(3), luck=jnp.zeros((3, 2)),
        claimed_cost=jnp.zeros(3), report_ratio=jnp.full(3, 0.5), serving_efficiency=jnp.zeros(3),
    )  # fmt: skip
    return start.do("release", Values(p.table | {"hurry_loss": jnp.zeros(())}), news=news)


def test_the_cost_of_a_model_is_that_of_the_run_it_rests_on(p):
    """A run of its own, one whose model was better before, or that of the lab whose weights it builds on."""
    start = labs(
        run_compute=np.full(3, float(p.reference_compute)), efficiency=np.array([5.0, 2.0, 2.0]), run_cost=np.full(3, 7.0),
        own_best=np.array([3.0, 4.0, 2.0]), own_cost=np.full(3, 30.0), copied=np.array([4.0, 3.5, 5.0]),
        copied_from=np.full(3, 2), distilled=np.array([NEVER, 6.0, 6.0]), base_cost=np.full(3, 1.0),
    )  # fmt: skip
    after = release(p, start)
    assert after.released[:, 0].all()
    np.testing.assert_allclose(after.base_cost, [7.0, 30.0, 90.0])
    np.testing.assert_allclose(after.claimed_cost, [3.5, 15.0, 45.0])
    still = release(p, start.replace(capability=jnp.full((3, 2), 9.0), age=jnp.zeros((3, 2))))
    assert not still.released[:, 0].any()
    np.testing.assert_allclose(still.base_cost, 1.0)


# --- leads ---


def seen(below=False, level=False, rent=0.3, awards=0.0):
    """What every lab sees of all others."""
    full = ~jnp.eye(3, dtype=bool)
    return Leads(full & below, full & level, jnp.full(3, rent), jnp.full(3, awards))


def after_release(p):
    """Labs that have just released a flagship that is ahead of all others, without leads in their past."""
    out = labs(released=np.ones((3, 2), bool), lead_months=np.zeros(3), leads_ended=np.zeros(3))
    return out.do("watch_lead", p, seen=seen(below=True)).replace(released=jnp.zeros((3, 2), bool))


@pytest.fixture(scope="module")
def retentive(p):
    """Parameters of labs that forget nothing."""
    return Values(p.table | {"lead_forgetting": jnp.zeros(())})


def test_a_lead_lasts_the_months_in_which_the_flagship_was_ahead(retentive):
    labs_ = after_release(retentive)
    for _ in range(4):
        labs_ = labs_.do("watch_lead", retentive, seen=seen(below=True))
    for _ in range(3):
        labs_ = labs_.do("watch_lead", retentive, seen=seen(level=True))
    np.testing.assert_array_equal(labs_.lead_months, np.full(3, 5.0))
    np.testing.assert_array_equal(labs_.leads_ended, np.ones(3))
    np.testing.assert_array_equal(labs_.matched, np.full(3, 2.0))


def test_a_rival_that_leaves_matches_nobody(p):
    gone = after_release(p).do("watch_lead", p, seen=seen())  # neither below nor level
    assert not gone.leads_ended.any() and (np.asarray(gone.matched) < 0).all()


def test_rents_are_watched_apart_ahead_and_once_matched(retentive):
    """What was earned of users' spending, and by how much it then fell: a rise counts as much as a fall."""
    labs_ = after_release(retentive)
    assert not labs_.rents_seen.any() and not labs_.rents_lost.any()  # a month with a release of its own
    np.testing.assert_allclose(labs_.rent_share, 0.3)
    ahead = dict(below=True), (0.28, 0.31, 0.30)  # the month in which it is matched still counts as one ahead
    matched = dict(level=True), (0.30, 0.20, 0.10)
    for what, rents in (ahead, matched):
        for rent in rents:
            labs_ = labs_.do("watch_lead", retentive, seen=seen(**what, rent=rent))
    np.testing.assert_allclose(labs_.rents_seen, [[0.3 + 0.28 + 0.31 + 0.30, 0.30 + 0.20]] * 3)
    np.testing.assert_allclose(labs_.rents_lost, [[0.3 - 0.30, 0.30 - 0.10]] * 3, atol=1e-12)


def test_a_month_with_a_release_tells_nothing_of_what_rivals_take(retentive):
    """Neither a flagship's nor an efficient model's, but the rent of that month is where the next one starts."""
    before = after_release(retentive).do("watch_lead", retentive, seen=seen(below=True, rent=0.28))
    for tier in range(2):
        out = before.replace(released=jnp.zeros((3, 2), bool).at[:, tier].set(True))
        after = out.do("watch_lead", retentive, seen=seen(below=True, rent=0.5))
        np.testing.assert_array_equal(after.rents_seen, before.rents_seen)
        np.testing.assert_array_equal(after.rents_lost, before.rents_lost)
        np.testing.assert_allclose(after.rent_share, 0.5)


def test_what_leads_were_like_is_forgotten_at_one_pace(p):
    past = after_release(p).replace(
        rents_seen=jnp.full((3, 2), 4.0), rents_lost=jnp.full((3, 2), -0.2), lead_months=jnp.full(3, 9.0),
        leads_ended=jnp.full(3, 2.0),
    )  # fmt: skip
    after, fade = past.do("watch_lead", p, seen=seen(below=True, rent=0.3)), 1 - float(p.lead_forgetting)
    np.testing.assert_allclose(after.rents_seen, [[4.0 * fade + 0.3, 4.0 * fade]] * 3)
    np.testing.assert_allclose(after.rents_lost, -0.2 * fade)
    np.testing.assert_allclose(after.lead_months, 9.0 * fade + 1)
    np.testing.assert_allclose(after.leads_ended, 2.0 * fade)


def test_awards_are_a_slow_mean(p):
    labs_ = labs()
    for _ in range(1_000):
        labs_ = labs_.do("watch_lead", p, seen=seen(awards=7.0))
    np.testing.assert_allclose(labs_.awards_seen, 7.0, rtol=1e-4)
