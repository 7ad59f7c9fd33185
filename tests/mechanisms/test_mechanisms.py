"""Beliefs, disclosure, investment, equities and compute: targets of the validation ladder, limits, invalid arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.transforms import assert_transforms_agree
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from abm.mechanisms import beliefs, compute, demand, disclosure, equities, investment, machines, pricing
from abm.support.values import Values

# --- beliefs ---


def test_absorbing_signals_jointly_equals_absorbing_them_one_by_one():
    signals, precisions = np.array([3.0, -1.0, 0.4]), np.array([0.5, 2.0, 0.0])
    one_by_one = 1.0, 4.0
    for signal, precision in zip(signals, precisions, strict=True):
        one_by_one = beliefs.absorb(*one_by_one, signal * precision, precision)
    joint = beliefs.absorb(1.0, 4.0, (signals * precisions).sum(), precisions.sum())
    np.testing.assert_allclose(joint, one_by_one, rtol=1e-14)
    assert tuple(beliefs.absorb(1.0, 4.0, 0.0, 0.0)) == (1.0, 4.0)


def test_a_belief_after_a_signal_is_the_product_of_normals():
    mean, variance = beliefs.absorb(1.0, 4.0, 0.5 * 3.0, 0.5)
    assert variance == pytest.approx(1 / (1 / 4 + 0.5))
    assert mean == pytest.approx((1 / 4 * 1 + 0.5 * 3) * variance)


def test_trust_adds_the_belief_to_the_log_odds_of_a_claim():
    for credibility, belief in ((0.5, 0.0), (0.3, 1.2), (0.9, -2.0)):
        trust = beliefs.trust(credibility, belief)
        assert np.log(trust / (1 - trust)) == pytest.approx(np.log(credibility / (1 - credibility)) + belief)


def test_entropy_against_its_formula_and_with_finite_gradients():
    assert beliefs.entropy(0.0, 2.0) == pytest.approx(np.log(2), rel=1e-14)
    p = 0.841344746068543  # Phi(1)
    assert beliefs.entropy(-3.0, 9.0) == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p), rel=1e-13)
    assert beliefs.entropy(1.0, 0.0) == 0
    for mean, variance in [(1.0, 0.0), (0.0, 0.0), (1e6, 1e-6), (0.0, 1.0)]:
        slopes = jax.grad(beliefs.entropy, argnums=(0, 1))(mean, variance)
        assert all(np.isfinite(x) for x in slopes)


# --- disclosure ---


@pytest.mark.parametrize(("motive", "beta"), [(0, 1), (0.5, 0.847708), (1, 0.682328), (2, 0.5), (4, 0.344699)])
def test_v13_fischer_verrecchia(motive, beta):
    assert disclosure.price_response(1.0, motive, 1.0) == pytest.approx(beta, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(value=st.floats(1e-3, 1e3), motive=st.floats(0, 1e6), cost=st.floats(1e-3, 1e3))
def test_price_response_solves_its_cubic(value, motive, cost):
    beta = float(disclosure.price_response(value, motive, cost))
    parts = beta**3 * motive**2 / cost**2, beta * value**2, -(value**2)
    assert abs(sum(parts)) <= 1e-11 * max(map(abs, parts))
    assert 0 < beta <= 1


def test_price_response_at_the_boundaries():
    assert disclosure.price_response(0.0, 1.0, 1.0) == 0
    for motive in (0.0, 1e-8, 1e-3, 1.0):
        slope = float(jax.grad(disclosure.price_response, argnums=1)(1.0, motive, 1.0))
        beta = float(disclosure.price_response(1.0, motive, 1.0))
        assert slope == pytest.approx(-2 * beta**3 * motive / (1 + 3 * beta**2 * motive**2), rel=1e-6, abs=1e-300)


# --- investment ---


@pytest.mark.parametrize(("volatility", "multiple"), [(0.1, 1.421535), (0.2, 2.0), (0.3, 2.763086), (0.4, 3.732051)])
def test_v14_dixit_pindyck(volatility, multiple):
    assert investment.option_multiple(0.04, 0.04, volatility) == pytest.approx(multiple, abs=1e-6)


@pytest.mark.parametrize(
    ("interest", "payout", "limit"), [(0.04, 0.04, 1), (0.06, 0.02, 3), (0.02, 0.06, 1), (0, 0.1, 1)]
)
def test_option_multiple_without_uncertainty(interest, payout, limit):
    for volatility in (0.0, 1e-12, 1e-6):
        assert investment.option_multiple(interest, payout, volatility) == pytest.approx(limit, abs=1e-5)
    slopes = jax.grad(investment.option_multiple, argnums=(0, 1, 2))(float(interest), payout, 0.0)
    assert all(np.isfinite(x) for x in slopes)


@settings(max_examples=60, deadline=None)
@given(interest=st.floats(0.001, 0.3), payout=st.floats(0.001, 0.3), volatility=st.floats(0.05, 1))
def test_option_multiple_solves_its_quadratic(interest, payout, volatility):
    multiple = float(investment.option_multiple(interest, payout, volatility))
    root = multiple / (multiple - 1)
    terms = volatility**2 / 2 * root * (root - 1), (interest - payout) * root, -interest
    assert abs(sum(terms)) < 1e-9 * max(map(abs, terms))
    assert multiple > 1


# --- equities ---


def asset_price(intensity, start, months):
    """Brock & Hommes (1998): fundamentalists, at a cost of 1, and trend followers with g = 1.2, R = 1.1."""
    growth, interest = 1.2, 1.1

    def step(state, _):
        now, last, before = state  # deviations from the fundamental price, newest first
        gain = now - interest * last
        profits = jnp.stack([gain * (0 - interest * last) - 1, gain * (growth * before - interest * last)])
        following = equities.strategy_shares(profits, intensity)[1] * growth * now / interest
        return (following, now, last), following

    return jax.lax.scan(step, (start, start, start), None, length=months)[1]


def test_v11_pitchfork_of_strategy_switching():
    """V11: the fundamental price loses stability at beta* = 2.397895; then x*(3.0) = 1.293257."""
    path = jax.jit(asset_price, static_argnums=2)
    assert abs(path(2.39, 0.1, 20_000)[-1]) < 1e-6
    assert abs(path(2.41, 0.1, 20_000)[-1]) > 0.05
    assert path(3.0, 0.1, 20_000)[-1] == pytest.approx(1.293257, abs=1e-6)
    # At the pitchfork the share of trend followers is R / g.
    shares = equities.strategy_shares(jnp.array([-1.0, 0.0]), 2.397895)
    assert shares[1] == pytest.approx(1.1 / 1.2, abs=1e-7)


def test_v11_neimark_sacker_cycles():
    """V11: at beta = 3.4 prices cycle in [1.270, 1.677]; below 3.331337 they settle."""
    path = jax.jit(asset_price, static_argnums=2)
    cycle, settled = path(3.4, 1.3, 40_000)[-5000:], path(3.3, 1.3, 40_000)[-5000:]
    assert settled.max() - settled.min() < 1e-6
    assert cycle.min() == pytest.approx(1.270, abs=1e-3)
    assert cycle.max() == pytest.approx(1.677, abs=1e-3)


def test_strategy_shares_sum_to_one_and_favour_the_most_profitable():
    profits = np.random.default_rng(0).normal(size=(5, 3)) * 1e3
    shares = equities.strategy_shares(profits, np.array([0.0, 0.1, 1.0, 10.0, 1e3]))
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-14)
    np.testing.assert_allclose(shares[0], 1 / 3)
    assert shares[4, profits[4].argmax()] == pytest.approx(1)


# --- compute ---


@pytest.mark.parametrize(("elasticity", "factor"), [(0.5, 0.7071), (1.0, 1.0), (1.11, 1.0792), (2.0, 2.0)])
def test_v9_chips_per_doubling_of_efficiency(elasticity, factor):
    """V9: 2^(epsilon - 1), slack capacity; revenue 2^((epsilon - 1) / epsilon) when capacity binds."""

    def chips(price, efficiency):
        p = Values({"rental_price_start": 1.0, "chip_demand_elasticity": elasticity})
        return machines.work_demand(price, 3.0, jnp.log(efficiency), p)

    assert chips(2.0, 2.0) / chips(2.0, 1.0) == pytest.approx(factor, abs=1e-4)
    slope = jax.grad(lambda x: jnp.log(chips(2.0, jnp.exp(x))))(0.3)
    assert slope == pytest.approx(elasticity - 1, abs=1e-12)
    scarce = [brentq(lambda p, e=e: float(chips(p, e)) - 1.7, 1e-3, 15.0, xtol=1e-14) for e in (1.0, 2.0)]
    assert scarce[1] / scarce[0] == pytest.approx(2 ** ((elasticity - 1) / elasticity), rel=1e-9)


def test_v9_fading_jevons_under_logit():
    """V9, logit with alpha = 2, delta = 1, k = 1: chips peak at phi = 1.276207, where p = 0.783572 and s = 0.361896."""

    def share(efficiency):
        return demand.shares(jnp.ones(1), 1 / efficiency[None], price_sensitivity=2.0)[0]

    slope = jax.jit(jax.grad(lambda e: share(e) / e))
    peak = brentq(lambda e: float(slope(jnp.asarray(e))), 1.0, 2.0, xtol=1e-12)
    assert peak == pytest.approx(1.276207, abs=1e-6)
    assert 1 / peak == pytest.approx(0.783572, abs=1e-6)
    assert share(jnp.asarray(peak)) == pytest.approx(0.361896, abs=1e-6)


def test_learning_curve():
    assert compute.learning_cost(8.0, 1.0, 100.0, 0.2) == pytest.approx(100 * 0.8**3, rel=1e-14)
    slope = jax.grad(lambda x: jnp.log(compute.learning_cost(jnp.exp(x), 1.0, 1.0, 0.2)))(1.0)
    assert slope == pytest.approx(-0.322, abs=1e-3)
    assert compute.learning_cost(8.0, 1.0, 100.0, 0.0) == 100


def test_v10_markup_of_a_monopolist():
    """V10: a Lerner index of 75 % is an elasticity of 1.333."""
    assert 1 - 1 / pricing.markup_factor(4 / 3) == pytest.approx(0.75)
    price = pricing.markup_factor(1.5) * 2.0
    p = Values({"rental_price_start": 1.0, "chip_demand_elasticity": 1.5})
    profit = [(price - 2.0) * machines.work_demand(price, 1.0, np.log(phi), p) for phi in (1.0, 2.0)]
    assert profit[1] > profit[0]


# --- all of them ---


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (lambda x: jnp.stack(beliefs.absorb(x[0], x[1], 1.0, x[2])), np.array([0.3, 0.5, 0.2])),
        (lambda x: beliefs.entropy(x[0], x[1]), np.array([0.3, 0.5])),
        (lambda x: disclosure.price_response(x[0], x[1], x[2]), np.array([0.3, 0.5, 0.2])),
        (lambda x: investment.option_multiple(x[0], x[1], x[2]), np.array([0.05, 0.03, 0.2])),
        (lambda x: equities.strategy_shares(x, 2.0), np.array([0.3, 0.5, 0.2])),
        (lambda x: compute.learning_cost(x[0], 0.1, 5.0, x[1]), np.array([0.3, 0.2])),
    ],
    ids=["signals", "entropy", "response", "option", "strategies", "learning"],
)
def test_jit_vmap_and_grad_agree_with_eager(function, point):
    assert_transforms_agree(function, point)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: beliefs.friedkin_johnsen_step(1.0, -0.1, 1.0), "susceptibility must"),
        (lambda: beliefs.entropy(0.0, -1.0), "variance"),
        (lambda: disclosure.price_response(-1.0, 1.0, 1.0), "sd_value"),
        (lambda: disclosure.price_response(1.0, -1.0, 1.0), "sd_motive"),
        (lambda: disclosure.price_response(1.0, 1.0, 0.0), "cost"),
        (lambda: investment.option_multiple(-0.01, 0.04, 0.2), "interest"),
        (lambda: investment.option_multiple(0.04, 0.0, 0.2), "payout"),
        (lambda: investment.option_multiple(0.04, 0.04, -0.2), "volatility"),
        (lambda: equities.strategy_shares(np.ones(2), -1.0), "intensity"),
        (lambda: compute.learning_cost(0.0, 1.0, 1.0, 0.2), "cumulative"),
        (lambda: compute.learning_cost(1.0, 0.0, 1.0, 0.2), "initial_cumulative"),
        (lambda: compute.learning_cost(1.0, 1.0, 1.0, 1.0), "learning_rate"),
    ],
)
def test_invalid_arguments_are_rejected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
