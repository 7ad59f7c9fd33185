"""What teachers do against students, what courts decide, and what owners of weights ask together."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.transforms import assert_transforms_agree
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.mechanisms import enforcement
from abm.support.values import Values

P = Values(
    dict(
        detection_rate=0.02, exchange_limit=20.0, vigilance_cost=3.0, vigilance_maximum=5.0, hiding_cost=3.0,
        ruling_spread=0.3, damages_pace=0.1,
    )
)  # fmt: skip
shares = st.lists(st.just(0.0) | st.floats(1e-4, 1), min_size=4, max_size=4)
"""Claims of owners; those that are next to nothing count for less, which is rounding."""


@settings(max_examples=60, deadline=None)
@given(x=st.floats(0, 100), more=st.floats(0, 100), effort=st.floats(0, 10))
def test_detections_of_two_lots_are_independent(x, more, effort):
    one, two, both = (1 - float(enforcement.detection_probability(y, effort, P)) for y in (x, more, x + more))
    assert both == pytest.approx(one * two, abs=1e-12)
    assert 0 <= 1 - both <= 1


@settings(max_examples=60, deadline=None)
@given(loss=st.floats(-10, 200), other=st.floats(0, 5))
def test_no_other_vigilance_costs_less(loss, other):
    def cost(v):
        return loss * float(enforcement.quota(v, P)) + P.vigilance_cost * v

    chosen = float(enforcement.vigilance(loss, P))
    assert 0 <= chosen <= P.vigilance_maximum
    assert cost(chosen) <= cost(other) + 1e-9
    if loss <= 0:
        assert chosen == 0 and float(enforcement.quota(chosen, P)) == P.exchange_limit


@settings(max_examples=60, deadline=None)
@given(loss=st.floats(-10, 200), exchanges=st.floats(0, 20), other=st.floats(0, 20))
def test_no_other_hiding_costs_less(loss, exchanges, other):
    def cost(h):
        return loss * exchanges * np.exp(-h) + P.hiding_cost * h

    chosen = float(enforcement.hiding(loss, exchanges, P))
    assert chosen >= 0
    assert cost(chosen) <= cost(other) + 1e-9
    if loss <= 0 or exchanges == 0:
        assert chosen == 0


@settings(max_examples=60, deadline=None)
@given(strength=st.floats(0, 1), clarity=st.floats(0, 1), luck=st.floats(-4, 4))
def test_a_ruling_is_a_share_and_a_clear_one_is_the_strength(strength, clarity, luck):
    assert 0 <= float(enforcement.ruling(strength, clarity, luck, P)) <= 1
    assert float(enforcement.ruling(strength, 1.0, luck, P)) == pytest.approx(strength, rel=1e-15, abs=1e-300)
    clear, vague = (
        abs(float(enforcement.ruling(0.5, c, luck, P)) - 0.5) for c in (max(clarity, 0.5), min(clarity, 0.5))
    )
    assert clear <= vague + 1e-12


@settings(max_examples=60, deadline=None)
@given(strength=st.sampled_from([0.0, 1.0]), clarity=st.floats(0, 1), luck=st.floats(-40, 40))
def test_no_rights_and_full_ones_leave_nothing_to_courts_however_vague(strength, clarity, luck):
    assert float(enforcement.ruling(strength, clarity, luck, P)) == strength


@settings(max_examples=40, deadline=None)
@given(strength=st.floats(0, 1), clarity=st.floats(0, 1))
def test_rulings_are_hardest_to_foresee_where_either_side_may_win(strength, clarity):
    """Their spread is that of a yes or no, as far as it cannot be foreseen."""
    spread = float(enforcement.ruling_sd(strength, clarity, P))
    assert spread == pytest.approx(float(enforcement.ruling_sd(1 - strength, clarity, P)), abs=1e-9)
    assert 0 <= spread <= float(enforcement.ruling_sd(0.5, clarity, P)) == pytest.approx(0.3 * (1 - clarity))


@settings(max_examples=60, deadline=None)
@given(owed=st.floats(0, 1e5), revenue=st.floats(-10, 1e4), cash=st.floats(-1e4, 1e5))
def test_damages_are_no_more_than_a_share_of_what_is_owed_and_than_a_firm_can_pay(owed, revenue, cash):
    paid = float(enforcement.damages(owed, revenue, cash, P))
    assert 0 <= paid <= 0.1 * owed + 1e-9
    assert paid <= 0.5 * max(cash, 0) + 0.1 * max(revenue, 0) + 1e-9


# --- royalties ---


@settings(max_examples=80, deadline=None)
@given(claims=shares, chance=st.floats(0, 1))
def test_owners_together_ask_once_to_twice_what_they_brought_in(claims, chance):
    claims = 0.25 * np.array(claims)
    asked = float(enforcement.royalty(claims, chance))
    brought = chance * claims.sum()
    assert min(brought, 0.95) - 1e-6 <= asked <= min(2 * brought, 0.95) + 1e-9
    assert asked == pytest.approx(float(enforcement.royalty(claims[::-1], chance)))


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.4), chance=st.floats(0, 1), number=st.integers(1, 6))
def test_like_owners_are_complementary_monopolies(share, chance, number):
    claims = np.zeros(8)
    claims[:number] = share / number
    expected = chance * share * 2 * number / (number + 1) if share > 1e-5 else chance * share
    assert float(enforcement.royalty(claims, chance)) == pytest.approx(expected, abs=1e-5 if share <= 1e-5 else 1e-12)


@settings(max_examples=40, deadline=None)
@given(claims=shares, chance=st.floats(0, 1))
def test_a_claim_that_is_split_costs_no_less(claims, chance):
    """Two owners of half a claim each ask for more than one owner of all of it."""
    whole = 0.25 * np.array(claims)
    split = np.concatenate([whole[:-1], [whole[-1] / 2] * 2])
    assert float(enforcement.royalty(split, chance)) >= float(enforcement.royalty(np.append(whole, 0.0), chance)) - 1e-6


def test_free_licences_cost_nothing():
    assert float(enforcement.royalty(np.zeros(5), 1.0)) == 0.0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: enforcement.detection_probability(x[0], x[1], P),
        lambda x: enforcement.vigilance(3 * x, P),
        lambda x: enforcement.hiding(9 * x, x[1], P),
        lambda x: enforcement.ruling(x[0], x[1], 0.3 * x[2], P),
        lambda x: enforcement.royalty(0.3 * x, x[0]),
    ],
    ids=["detection", "vigilance", "hiding", "ruling", "royalty"],
)
def test_jit_vmap_and_grad_agree_with_eager(function):
    assert_transforms_agree(function, jnp.array([0.4, 0.7, 0.6]))
