"""Learning from teachers and building on weights: signs, bounds, and what each of them is worth."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.transforms import assert_transforms_agree
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.mechanisms import imitation
from abm.support.values import Values

USUAL = dict(
    copying_rate=3.5,
    copy_fidelity=0.95,
    fork_cost=0.3,
    distillation_rate=3.5,
    distillation_ceiling=0.95,
    exchange_scale=2.0,
)
NOTHING = -50.0

nats = st.floats(-5, 8)
exchanges = st.lists(st.floats(0, 30), min_size=3, max_size=3)


def parameters(**changed):
    return Values(USUAL | changed)


def lessons(ceiling, clear=1.0, cost=0.1, quota=1e9):
    """Three teachers."""
    each = [jnp.broadcast_to(jnp.asarray(x, float), 3) for x in (ceiling, clear, cost, quota)]
    return SimpleNamespace(**dict(zip(("ceiling", "clear", "cost", "quota"), each, strict=True)))


# --- copying ---


@settings(max_examples=80, deadline=None)
@given(copied=nats, known=nats, weights=nats, rate=st.floats(0, 50))
def test_a_copy_never_gets_worse_nor_past_its_parent(copied, known, weights, rate):
    p = parameters(copying_rate=rate)
    after = float(imitation.copy(copied, known, weights, p))
    target = weights + np.log(p.copy_fidelity)
    assert copied - 1e-12 <= after <= max(copied, target) + 1e-12
    if rate == 0 or target <= max(copied, known):
        assert after == copied


def test_copying_closes_a_gap_at_its_rate():
    p, copied = parameters(copy_fidelity=1.0), NOTHING
    for _ in range(12):
        copied = imitation.copy(copied, 0.0, 2.0, p)
    assert 2.0 - copied == pytest.approx(2.0 * np.exp(-3.5))


three = st.lists(nats, min_size=3, max_size=3)
fees = st.lists(st.floats(0, 0.95), min_size=3, max_size=3)


@settings(max_examples=80, deadline=None)
@given(weights=three, known=nats)
def test_a_parent_brings_what_its_weights_are_ahead_and_a_new_one_less(weights, known):
    p, weights = parameters(), np.array(weights)
    changing, keeping = (np.asarray(imitation.gaps_to_parents(weights, known, np.full(3, x), p)) for x in (0.0, 1.0))
    np.testing.assert_allclose(keeping, np.maximum(weights + np.log(0.95) - known, 0), atol=1e-12)
    np.testing.assert_allclose(changing, np.maximum(weights + np.log(0.95) - 0.3 - known, 0), atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(gap=three, fee=fees, worth=st.floats(0, 1e4), revenue=st.floats(0, 1e4))
def test_a_parent_earns_what_it_brings_less_what_its_owners_ask_of_all_sales(gap, fee, worth, revenue):
    gap, fee = np.where(np.array(gap) > 1e-9, gap, 0.0), np.array(fee)
    earned = np.asarray(imitation.value_of_parents(gap, worth, fee, 0.0, revenue))
    free = np.asarray(imitation.value_of_parents(gap, worth, 0.0 * fee, 0.0, revenue))
    assert (earned <= free + 1e-9).all() and (
        (free > 0) == (gap > 0)
    ).all()  # free weights are worth having for any gain
    hold_up = (fee * revenue > gap * worth) & (fee * revenue > 1e-3)
    assert (earned[hold_up] <= 1e-6 * gap[hold_up]).all()
    same = np.asarray(imitation.value_of_parents(gap, worth, fee, fee, revenue))  # it pays that already
    np.testing.assert_allclose(same, gap * max(worth, 1e-6) * (1 - fee), rtol=1e-9, atol=1e-9)


# --- distillation ---


@settings(max_examples=80, deadline=None)
@given(
    ahead=st.floats(0, 3),
    ceiling=st.lists(nats, min_size=3, max_size=3),
    x=exchanges,
    rate=st.floats(0, 50),
    start=nats,
)
def test_a_student_never_gets_worse_nor_past_the_best_teacher_that_it_used(ahead, ceiling, x, rate, start):
    """It teaches the best model that it could release, of which a distilled one is one."""
    p, x, ceiling, best = parameters(distillation_rate=rate), np.array(x), np.array(ceiling), start + ahead
    after, added = imitation.distil(start, best, x, lessons(ceiling), p)
    used = ceiling[x > 0].max(initial=-np.inf)
    assert start - 1e-12 <= float(after) <= max(start, used) + 1e-12
    assert float(after) == start or float(after) == pytest.approx(best + float(added.sum()))
    assert (np.asarray(added) >= 0).all()
    assert not np.asarray(added)[(x == 0) | (ceiling <= best)].any()
    if rate == 0 or not x.any():
        assert float(after) == start


@settings(max_examples=40, deadline=None)
@given(x=st.floats(0.1, 20), more=st.floats(1.1, 3), hidden=st.floats(0, 4))
def test_exchanges_teach_with_diminishing_returns_and_less_where_reasoning_is_hidden(x, more, hidden):
    p = parameters()
    one, two = (float(imitation.taught(np.array([y]), 1.0, np.array([2.0]), p)[0]) for y in (x, more * x))
    assert one <= two <= more * one
    clear = np.exp(-hidden)
    less = float(imitation.taught(np.array([x]), clear, np.array([2.0]), p)[0])
    assert less == pytest.approx(float(imitation.taught(np.array([clear * x]), 1.0, np.array([2.0]), p)[0]))
    assert two <= 2.0 * float(imitation.gap_closed(p.distillation_rate))


terms = dict(worth=st.floats(1, 1e4), cost=st.floats(1e-3, 50), clear=st.floats(0.05, 1), quota=st.floats(0, 30))


@settings(max_examples=80, deadline=None)
@given(gap=st.floats(0, 5), **terms)
def test_with_one_teacher_no_other_number_of_exchanges_pays_better(gap, worth, cost, clear, quota):
    p, gap = parameters(), np.array([0.0, gap, 0.0])
    chosen = np.asarray(imitation.optimal_exchanges(gap, worth, lessons(gap, clear, cost, quota), p))
    assert (chosen >= 0).all() and (chosen <= quota + 1e-12).all() and not chosen[[0, 2]].any()

    def net(x):
        return float(worth * imitation.taught(x, clear, gap, p).sum() - cost * x.sum())

    for other in (0.0 * chosen, 0.9 * chosen, np.minimum(1.1 * chosen + 0.01, quota) * (gap > 0), quota * (gap > 0)):
        assert net(chosen) >= net(other) - 1e-9 * (1 + worth)


@settings(max_examples=40, deadline=None)
@given(gap=st.lists(st.floats(0.1, 5), min_size=3, max_size=3), seed=st.integers(0, 10_000), worth=st.floats(10, 1e4))
def test_among_several_teachers_a_student_pays_for_no_lesson_twice(gap, seed, worth):
    """It goes through its teachers a few times, and loses at most a tenth to what many times would find."""
    p, gap, luck = parameters(), np.array(gap), np.random.default_rng(seed)
    offered = lessons(gap, luck.uniform(0.2, 1, 3), luck.uniform(0.1, 3, 3), luck.uniform(0.5, 20, 3))

    def net(sweeps):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(imitation, "SWEEPS", sweeps)
            x = imitation.optimal_exchanges(gap, worth, offered, p)
        assert (x >= 0).all() and (x <= offered.quota + 1e-9).all()
        return float(worth * imitation.taught(x, offered.clear, gap, p).sum() - (offered.cost * x).sum())

    usual, best = net(imitation.SWEEPS), net(60)
    assert 0 <= usual <= best + 1e-9 * worth and usual >= 0.9 * best - 1e-9 * worth


def test_two_who_know_the_same_teach_what_one_would_with_the_exchanges_of_both():
    p, gap = parameters(), np.array([2.0, 2.0, 1.0])
    both = imitation.taught(np.array([1.0, 3.0, 0.0]), 1.0, gap, p).sum()
    one = imitation.taught(np.array([4.0, 0.0, 0.0]), 1.0, gap, p).sum()
    assert both == pytest.approx(float(one))
    worse = imitation.taught(np.array([4.0, 0.0, 2.0]), 1.0, gap, p).sum() - one  # teaches what all three know
    alone = imitation.taught(np.array([0.0, 0.0, 2.0]), 1.0, gap, p).sum()
    assert 0 < worse < alone


def test_nobody_pays_for_a_lesson_that_is_worth_nothing():
    p = parameters()
    for gap, worth in ((0.0, 1e6), (2.0, 0.0)):
        assert not np.asarray(imitation.optimal_exchanges(np.full(3, gap), worth, lessons(1.0), p)).any()
    assert not np.asarray(imitation.optimal_exchanges(np.full(3, 2.0), 1e6, lessons(1.0, quota=0.0), p)).any()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: imitation.copy(x[0], x[1], x[2], parameters()),
        lambda x: imitation.distil(x[0], x[1], x, lessons(x[2] + 3), parameters())[0],
        lambda x: imitation.optimal_exchanges(x, 200.0, lessons(x, 0.5), parameters()),
        lambda x: imitation.gaps_to_parents(x, 0.1, jnp.zeros(3), parameters(fork_cost=0.0)),
        lambda x: imitation.value_of_parents(x, 50.0, 0.1 * x, 0.1, x[0]),
    ],
    ids=["copy", "distil", "exchanges", "gaps", "parents"],
)
def test_jit_vmap_and_grad_agree_with_eager(function):
    assert_transforms_agree(function, np.array([0.4, 0.3, 1.2]))
