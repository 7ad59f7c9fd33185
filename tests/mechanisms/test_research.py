"""What a lead is worth: its limits, a recursion month by month, and what it rises and falls with."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.transforms import assert_transforms_agree
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.mechanisms import research
from abm.support.values import Values

MONTHS = np.arange(1, research.HORIZON + 1)
STILL = dict(growth_fading=0.25, interest_rate=0.0)
"""No interest."""

leads, decays = st.floats(1, 200), st.floats(-0.2, 1)
growths, rates = st.floats(-0.5, 2), st.floats(0, 0.3)


def worth(lead=12.0, ahead=0.0, matched=0.0, growth=0.0, **changed):
    """Months of today's rent that a lead is worth, and one that has just been matched."""
    each = (jnp.asarray([x]) for x in (lead, ahead, matched))
    found = research.worth_of_lead(*each, growth, Values(STILL | changed))
    return tuple(float(x[0]) for x in found)


def month_by_month(lead, ahead, matched, growth, interest, fading=0.25, steps=400):
    """The same by small steps: of the part of the rent that is left, some decays and some goes over to what was matched."""
    step, first, then = 1 / steps, np.zeros(research.HORIZON), np.zeros(research.HORIZON)
    leading, lost, alone = 1.0, 0.0, 1.0
    end, ahead, matched = 1 / max(lead, 1), max(ahead, 0), max(matched, 0)
    for month in range(research.HORIZON):
        for _ in range(steps):
            over = -np.expm1(-(ahead + end) * step) * leading * end / (ahead + end)
            half = np.exp(-matched * step / 2)  # which it spends as matched, on average half of the step
            lost = lost * half**2 + over * half
            leading *= np.exp(-(ahead + end) * step)
            alone *= half**2
        years = (month + 1) / 12
        market = np.exp(growth * (1 - np.exp(-fading * years)) / fading - interest * years)
        first[month], then[month] = market * (leading + lost), market * alone
    return first.sum(), then.sum()


@pytest.mark.parametrize("lead", [0.0, 1.0, 12.0, 1e9])
def test_rents_that_nothing_takes_are_worth_every_month_for_which_labs_plan(lead):
    assert worth(lead) == pytest.approx((research.HORIZON, research.HORIZON), rel=1e-12)


def test_rents_that_go_at_once_are_worth_less_than_a_month_of_them():
    """No rent falls by more than all of it; ahead, that leaves the months for which the lead still lasts, and one more."""
    gone = np.exp(-1.0 * MONTHS).sum()
    assert worth(1e12, 1.0, 1.0) == pytest.approx((gone, gone), rel=1e-9)
    assert worth(1e12, 10.0, 10.0) == pytest.approx((gone, gone), rel=1e-9)
    ahead, matched = worth(12.0, 0.0, 10.0)
    assert matched == pytest.approx(gone, rel=1e-9)
    assert np.exp(-MONTHS / 12).sum() < ahead < np.exp(-MONTHS / 12).sum() + 1


def test_a_lead_that_nobody_ends_is_worth_what_rents_that_fall_as_ahead_are():
    lost, growth, interest, fading = 0.03, 0.6, 0.1, 0.25
    years = MONTHS / 12
    market = np.exp(growth / fading * -np.expm1(-fading * years) - interest * years)
    expected = (market * np.exp(-lost * MONTHS)).sum(), (market * np.exp(-0.2 * MONTHS)).sum()
    assert worth(1e12, lost, 0.2, growth, interest_rate=interest) == pytest.approx(expected, rel=1e-9)


def test_a_lead_makes_no_difference_where_rents_fall_as_fast_once_matched():
    for decay in (0.0, 0.04, 0.5):
        ahead, matched = worth(5.0, decay, decay, 0.3, interest_rate=0.1)
        assert ahead == pytest.approx(matched, rel=1e-9)


def test_rents_that_rose_are_not_expected_to_go_on_rising():
    assert worth(12.0, -0.1, -0.3, 0.2) == worth(12.0, 0.0, 0.0, 0.2)


@settings(max_examples=12, deadline=None)
@given(lead=leads, ahead=decays, matched=decays, growth=growths, interest=rates)
def test_the_closed_form_is_that_of_a_recursion(lead, ahead, matched, growth, interest):
    found = worth(lead, ahead, matched, growth, interest_rate=interest)
    assert found == pytest.approx(month_by_month(lead, ahead, matched, growth, interest), rel=1e-4)


@settings(max_examples=100, deadline=None)
@given(lead=leads, ahead=decays, matched=decays, growth=growths, more=st.floats(0, 1))
def test_a_lead_is_worth_less_the_faster_rents_fall_and_more_in_a_market_that_grows(lead, ahead, matched, growth, more):
    usual = worth(lead, ahead, matched, growth)
    slack = 1 + 1e-9
    for index in range(2):
        assert 0 <= worth(lead, ahead + more, matched, growth)[index] <= usual[index] * slack
        assert worth(lead, ahead, matched + more, growth)[index] <= usual[index] * slack
        assert worth(lead, ahead, matched, growth + more)[index] * slack >= usual[index]
        assert worth(lead, ahead, matched, growth, interest_rate=0.1)[index] <= usual[index] * slack
    assert worth(lead, ahead + more, matched, growth)[1] == usual[1]


@settings(max_examples=100, deadline=None)
@given(lead=leads, longer=st.floats(1, 5), ahead=st.floats(0, 0.5), more=st.floats(0, 0.5), growth=growths)
def test_a_longer_lead_is_worth_more_where_rents_fall_faster_once_matched(lead, longer, ahead, more, growth):
    matched = ahead + more
    short, long = (worth(x, ahead, matched, growth) for x in (lead, lead * longer))
    assert short[0] <= long[0] * (1 + 1e-9) and short[1] == long[1]
    assert short[0] * (1 + 1e-9) >= short[1]
    assert worth(lead, matched, ahead, growth)[0] * (1 + 1e-9) >= worth(lead * longer, matched, ahead, growth)[0]


def test_jit_vmap_and_grad_agree_with_eager():
    p = Values(STILL | {"interest_rate": 0.1})
    assert_transforms_agree(
        lambda x: research.worth_of_lead(20 * x, 0.1 * x, 0.3 * x, x[0], p)[0], jnp.array([0.4, 0.7, 0.6])
    )
