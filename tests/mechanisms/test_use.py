"""Demand for tokens: closed forms, limits, and the surplus as the area under demand."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.transforms import assert_transforms_agree
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad, solve_ivp
from scipy.optimize import minimize

from abm import Parameters
from abm.mechanisms import use

P = SimpleNamespace(**{name: float(np.ravel(value)[0]) for name, value in Parameters().values().items()})
TASKS, VALUE = 3e6, 4.0  # M tokens per month, $ per M tokens
PRICE, WORTH = np.array([2.0, 5.0, 0.8, 3.0]), np.array([0.3, 0.9, -0.6, -0.1])


def changed(**values):
    return SimpleNamespace(**{**vars(P), **values})


FIVE = changed(substitution=5.0)
LOGS = arrays(float, 4, elements=st.floats(-4, 4))
SIGMA = st.floats(2, 60)


def index_of(log_price, sigma):
    """Price index of a CES aggregate with an elasticity of substitution of sigma + 1, as textbooks write it."""
    return np.sum(np.exp(log_price) ** -sigma) ** (-1 / sigma)


# --- what a token is worth ---


@given(st.floats(-5, 20), st.floats(-5, 20), st.floats(0.1, 5))
def test_usefulness_is_a_logistic_step(capability, difficulty, width):
    expected = -np.log1p(np.exp(-(capability - difficulty) / width))
    log_useful, beyond = use.usefulness(capability, difficulty, width)
    assert float(log_useful) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert float(beyond) == pytest.approx(1 - np.exp(expected), rel=1e-9, abs=1e-12)
    slope = jax.grad(lambda capability: use.usefulness(capability, difficulty, width)[0])(capability)
    assert float(beyond) / width == pytest.approx(float(slope), rel=1e-9, abs=1e-12)


def test_half_of_the_tasks_work_at_their_difficulty_and_more_capability_adds_ever_less():
    assert float(use.usefulness(2.0, 2.0, 0.65)[0]) == pytest.approx(np.log(0.5))
    worth, beyond = use.usefulness(jnp.linspace(-5, 15, 50), 2.0, 0.65)
    np.testing.assert_allclose(np.exp(worth) + beyond, 1)
    assert np.all(np.diff(worth) > 0) and np.all(np.diff(worth, 2) < 1e-12)
    assert worth[-1] == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.floats(0.01, 0.3))
def test_some_segment_of_each_kind_of_user_begins(seed, n, share):
    rng = np.random.default_rng(seed)
    luck, kind, difficulty = rng.uniform(size=n), rng.integers(0, 3, n), rng.uniform(-2, 16, n)
    early = np.asarray(use.early_users(jnp.asarray(luck), share, jnp.asarray(kind), 3, jnp.asarray(difficulty)))
    for one in set(kind):
        drawn, began = luck[kind == one] < share, early[kind == one]
        if drawn.any():
            np.testing.assert_array_equal(began, drawn)
        else:
            assert np.flatnonzero(began).tolist() == [difficulty[kind == one].argmin()]


@given(st.floats(0, 1))
def test_without_a_need_of_trust_trust_does_nothing(trust):
    assert use.acceptance(0.0, trust) == 1
    assert use.acceptance(1.0, trust) == pytest.approx(trust)
    assert use.acceptance(0.4, 1.0) == 1


# --- shares and the price of use ---


@settings(max_examples=60, deadline=None)
@given(LOGS, SIGMA)
def test_shares_and_index_are_those_of_a_ces_aggregate(log_price, sigma):
    p = changed(substitution=sigma)
    shares, log_index = use.relative_pull(log_price, np.ones(4, bool), p)
    textbook = np.exp(log_price - log_price.min()) ** -sigma
    np.testing.assert_allclose(shares, textbook / textbook.sum(), rtol=1e-9, atol=1e-300)
    assert float(log_index) == pytest.approx(np.log(index_of(log_price, sigma)), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(LOGS, arrays(float, 4, elements=st.floats(0, 1)), SIGMA)
def test_the_price_of_use_is_lowest_at_the_chosen_shares(log_price, other, sigma):
    p = changed(substitution=sigma)
    best, log_index = use.relative_pull(log_price, np.ones(4, bool), p)
    assert float(use.log_price_of_use(best, log_price, p)) == pytest.approx(float(log_index), rel=1e-9, abs=1e-9)
    other = np.where(other > 1e-3, other, 0.0)
    other = other / other.sum() if other.sum() else np.full(4, 0.25)
    assert float(use.log_price_of_use(other, log_price, p)) >= float(log_index) - 1e-9


def test_an_optimiser_finds_the_chosen_shares():
    log_price = np.log(PRICE) - WORTH

    def price(x):
        shares = np.exp(x - x.max())
        shares = shares / shares.sum()
        return float(use.log_price_of_use(shares, log_price, FIVE)), shares

    found = minimize(lambda x: price(x)[0], np.zeros(4), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(price(found.x)[1], use.relative_pull(log_price, np.ones(4, bool), FIVE)[0], atol=1e-5)


def test_the_price_of_use_at_given_shares_is_spending_over_the_ces_aggregate():
    """Tokens x_q = s_q S / p_q make (sum (W_q x_q)^((e - 1)/e))^(e/(e - 1)) of use, e = sigma + 1."""
    shares, spending, e = np.array([0.4, 0.1, 0.3, 0.2]), 700.0, 6.0
    tokens = shares * spending / PRICE
    aggregate = np.sum((np.exp(WORTH) * tokens) ** ((e - 1) / e)) ** (e / (e - 1))
    log_price = float(use.log_price_of_use(shares, np.log(PRICE) - WORTH, FIVE))
    assert np.exp(log_price) == pytest.approx(spending / aggregate, rel=1e-12)


def test_one_offer_costs_its_price_over_its_worth_at_any_substitution():
    for sigma in (2.0, 20.0, 60.0):
        shares, log_index = use.relative_pull(np.array([0.7]), np.array([True]), changed(substitution=sigma))
        assert shares[0] == 1 and float(log_index) == pytest.approx(0.7)


@pytest.mark.parametrize("kind", [jnp.float32, jnp.float64])
def test_pulls_are_finite_however_far_prices_are_apart(kind):
    p = SimpleNamespace(substitution=jnp.asarray(100.0, kind))
    share, prices = jnp.asarray([0.3, 0.7], kind), jnp.asarray([1e4, 1.0], kind)
    pull = use.pull_at(share, prices, jnp.asarray([1.0, 1e4], kind), p)
    assert bool(jnp.isfinite(pull).all()) and float(pull[0]) > 1e30 and float(pull[1]) == 0
    near = use.pull_at(share, prices, prices * 1.01, p)
    np.testing.assert_allclose(near, share * 1.01**-100.0, rtol=1e-4)


def test_offers_that_are_not_on_sale_have_no_share_and_no_gradient():
    log_price, on_sale = np.log(PRICE), np.array([True, False, True, False])
    shares, log_index = use.relative_pull(log_price, on_sale, FIVE)
    alone, index = use.relative_pull(log_price[on_sale], np.ones(2, bool), FIVE)
    np.testing.assert_allclose(shares[on_sale], alone)
    assert np.all(shares[~on_sale] == 0) and float(log_index) == pytest.approx(float(index))
    slope = jax.grad(lambda x: use.relative_pull(x, on_sale, FIVE)[1])(log_price)
    np.testing.assert_allclose(slope, shares, atol=1e-12)  # d ln P / d ln p_q = s_q


def test_without_any_offer_nothing_is_used():
    shares, log_index = use.relative_pull(np.log(PRICE), np.zeros(4, bool), FIVE)
    assert np.all(shares == 0) and float(log_index) == use.NOT_ON_SALE
    assert float(use.log_price_of_use(shares, np.log(PRICE), FIVE)) == use.NOT_ON_SALE
    assert float(use.use(TASKS, log_index, VALUE)) == pytest.approx(0, abs=1e-12 * TASKS)
    assert float(use.surplus(TASKS, log_index, VALUE)) == pytest.approx(0, abs=1e-12 * TASKS * VALUE)
    slope = jax.grad(lambda x: use.surplus(TASKS, use.relative_pull(x, np.zeros(4, bool), FIVE)[1], VALUE))(
        np.log(PRICE)
    )
    assert np.all(slope == 0)


# --- use and surplus ---


def bought(price, shares=None):
    """Surplus, and tokens of each offer, at prices and chosen shares, or at given ones."""
    log_price = jnp.log(price) - WORTH
    if shares is None:
        shares, log_index = use.relative_pull(log_price, np.ones(4, bool), FIVE)
    else:
        log_index = use.log_price_of_use(shares, log_price, FIVE)
    spending = jnp.exp(log_index) * use.use(TASKS, log_index, VALUE)
    return use.surplus(TASKS, log_index, VALUE), shares * spending / price


def test_surplus_falls_by_the_tokens_bought_and_cross_slopes_are_symmetric():
    """dCS/dp = -x (Shephard), whether shares follow the price or stay where they were chosen (the envelope theorem)."""
    slope, tokens = jax.grad(bought, has_aux=True)(PRICE)
    np.testing.assert_allclose(slope, -tokens, rtol=1e-10)
    chosen = use.relative_pull(np.log(PRICE) - WORTH, np.ones(4, bool), FIVE)[0]
    np.testing.assert_allclose(jax.grad(lambda x: bought(x, chosen)[0])(PRICE), -tokens, rtol=1e-10)
    cross = jax.jacobian(lambda x: bought(x)[1])(PRICE)
    np.testing.assert_allclose(cross, cross.T, rtol=1e-9, atol=1e-9 * np.abs(cross).max())
    assert np.all(np.linalg.eigvalsh(cross) < 0)


@pytest.mark.parametrize("price", [0.1, 2.0, 15.0])
def test_surplus_is_the_area_under_use(price):
    area, _ = quad(lambda x: float(use.use(1.0, np.log(x), VALUE)), price, np.inf)
    assert float(use.surplus(1.0, np.log(price), VALUE)) == pytest.approx(area, rel=1e-6)


@given(st.floats(-5, 5), st.floats(0.1, 100))
def test_the_elasticity_of_use_is_its_price_over_its_value(log_price, value):
    """So it fades as use becomes cheap: cheaper tokens raise spending only while P > v."""
    slope = jax.grad(lambda x: jnp.log(use.use(1.0, x, value)))(log_price)
    expected = np.exp(log_price) / value
    if expected < 50:
        assert float(use.relative_price(log_price, value)) == pytest.approx(expected, rel=1e-9)
        assert float(slope) == pytest.approx(-expected, rel=1e-6)
    assert float(use.relative_price(log_price, value)) <= 60 * (1 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(LOGS, st.floats(0.01, 0.85))
def test_a_duplicate_of_every_offer_adds_next_to_nothing(log_price, relative):
    """Differentiation is fit, not variety: at sigma = 20 use changes by less than 3 % where P < 0.85 v."""
    p, on = changed(substitution=20.0), np.ones(8, bool)
    _, once = use.relative_pull(log_price, on[:4], p)
    _, twice = use.relative_pull(np.tile(log_price, 2), on, p)
    assert float(once - twice) == pytest.approx(np.log(2) / 20, rel=1e-9)
    value = np.exp(float(once)) / relative
    assert 1 < float(use.use(TASKS, twice, value) / use.use(TASKS, once, value)) < 1.03


def test_consumers_who_do_not_subscribe_use_a_fraction():
    paid = use.use(TASKS, np.log(2.0), VALUE)
    assert float(use.free_use(TASKS, np.log(2.0), VALUE, changed(free_use=1.0)) + paid) == pytest.approx(TASKS)
    assert use.free_use(TASKS, np.log(2.0), VALUE, changed(free_use=0.0)) == 0


# --- adoption, trust, fit ---


def test_adoption_among_equals_follows_the_curve_of_bass():
    p = changed(adoption_innovation=0.03, adoption_imitation=1.2)
    adopted, path = 0.01, [0.01]
    for _ in range(96):
        adopted += float(use.adopters_gained(adopted, adopted, 1.0, p))
        path.append(adopted)
    curve = solve_ivp(lambda t, f: (0.03 + 1.2 * f) * (1 - f), (0, 8), [0.01], rtol=1e-9, t_eval=np.arange(97) / 12)
    np.testing.assert_allclose(path, curve.y[0], atol=0.03)
    assert np.all(np.diff(path) > 0)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 5), st.floats(0, 10))
def test_adoption_grows_up_to_everybody_and_only_where_models_are_useful(adopted, peers, useful, innovation, imitation):
    p = changed(adoption_innovation=innovation, adoption_imitation=imitation)
    gained = float(use.adopters_gained(adopted, peers, useful, p))
    assert gained >= 0 and adopted + gained <= 1 + 1e-12
    assert use.adopters_gained(adopted, peers, 0.0, p) == 0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_trust_grows_with_use_up_to_its_ceiling(trust, used, peers, rate):
    p = changed(trust_rate=rate, trust_ceiling=0.95)
    gained = float(use.trust_gained(trust, used, peers, p))
    assert gained >= 0 and trust + gained <= max(trust, 0.95) + 1e-12
    assert use.trust_gained(trust, 0.0, 0.0, p) == 0


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 1), st.floats(0, 1))
def test_a_copy_suits_users_as_its_source_by_what_it_owes(own, source, owed, inheritance):
    p = changed(fit_inheritance=inheritance)
    fit = use.inherited_fit(own, source, owed, p)
    assert min(own, source) - 1e-12 <= fit <= max(own, source) + 1e-12
    assert use.inherited_fit(own, source, 0.0, p) == own
    assert use.inherited_fit(own, source, owed, changed(fit_inheritance=0.0)) == own
    assert use.inherited_fit(own, source, 1.0, changed(fit_inheritance=1.0)) == pytest.approx(source, abs=1e-12)


@pytest.mark.parametrize("persistence", [0.0, 0.6, 0.95])
def test_renewed_fit_keeps_its_spread(persistence):
    p, rng = changed(fit_persistence=persistence, fit_spread=0.8), np.random.default_rng(0)
    before = 0.8 * rng.standard_normal(200_000)
    after = use.renewed_fit(before, rng.standard_normal(200_000), p)
    assert np.std(after) == pytest.approx(0.8, rel=0.02)
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(persistence, abs=0.02)


def test_jit_vmap_and_grad_agree_with_eager():
    on = np.ones(4, bool)
    assert_transforms_agree(lambda x: use.relative_pull(x, on, FIVE)[1], np.log(PRICE))
    assert_transforms_agree(lambda x: use.log_price_of_use(np.full(4, 0.25), x, FIVE), np.log(PRICE))
    assert_transforms_agree(lambda x: use.surplus(x[0], x[1], x[2]), np.array([2.0, 0.3, 4.0]))
