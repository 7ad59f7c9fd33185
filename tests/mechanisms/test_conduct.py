"""Prices of labs against optimisers that know nothing of the first-order conditions."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from abm import Parameters
from abm.mechanisms import conduct
from abm.support.axes import OFFERS, SUBSCRIPTION_OFFER, TIERS

P = SimpleNamespace(**{name: float(np.ravel(value)[0]) for name, value in Parameters().values().items()})


def changed(**values):
    return SimpleNamespace(**{**vars(P), **values})


class Segments:
    """Segments that buy a lab's two tiers and a rival's offer, and others that subscribe; in plain NumPy.

    `worth` (J, O): ln worth of the lab's offers, -inf where a segment cannot buy one; `rival` (J,): ln effective price of the
    best rival offer; `value` (J,); `tasks` (J,).
    """

    def __init__(self, seed, sigma=6.0, segments=7):
        rng = np.random.default_rng(seed)
        self.sigma, self.p = sigma, changed(substitution=sigma)
        self.worth = rng.normal(0.0, 0.7, (segments, OFFERS))
        consumers = np.arange(segments) % 3 == 0
        self.worth[consumers, :TIERS] = -np.inf
        self.worth[~consumers, SUBSCRIPTION_OFFER] = -np.inf
        self.rival = rng.normal(0.3, 0.5, segments)
        self.value, self.tasks = rng.uniform(0.5, 4.0, segments), rng.uniform(0.5, 2.0, segments)
        self.cost = rng.uniform(0.3, 0.8, OFFERS)

    def sold(self, price, worth=None):
        """Shares and spending (J, O), and elasticities (J,)."""
        worth = self.worth if worth is None else worth
        pull = np.exp(-self.sigma * (np.log(price) - worth))
        total = pull.sum(1) + np.exp(-self.sigma * self.rival)
        elasticity = total ** (-1 / self.sigma) / self.value
        spending = self.tasks * self.value * elasticity * np.exp(-elasticity)
        shares = pull / total[:, None]
        return shares, shares * spending[:, None], elasticity

    def profit(self, price, worth=None):
        _, spent, _ = self.sold(price, worth)
        return (spent * (1 - self.cost / price)).sum()

    def best_margins(self, price):
        shares, spent, elasticity = self.sold(price)
        cross = np.einsum("jr,jq,j->rq", shares, spent, self.sigma + 1 - elasticity)
        return np.asarray(conduct.best_margins(spent.sum(0), cross, self.p))

    @np.errstate(all="ignore")  # of a line search that goes too far
    def optimum(self):
        """Prices of the highest profit, as an optimiser finds them."""
        loss = lambda x: -self.profit(np.exp(x))  # noqa: E731
        found = []
        for start in itertools.product((1.2, 4.0), repeat=OFFERS):
            rough = minimize(loss, np.log(start * self.cost), method="Nelder-Mead", options={"maxiter": 400})
            found.append(minimize(loss, rough.x, method="BFGS", options={"gtol": 1e-10}))
        return np.exp(min(found, key=lambda one: one.fun).x)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_margins_of_two_tiers_and_a_subscription_are_those_of_the_highest_profit(seed):
    market = Segments(seed)
    price = market.optimum()
    np.testing.assert_allclose(market.best_margins(price), 1 - market.cost / price, rtol=1e-4)
    np.testing.assert_allclose(conduct.step_towards(price, market.cost, market.best_margins(price)), price, rtol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 1), st.floats(0.01, 3), st.floats(2, 60))
def test_the_margin_of_one_offer_in_one_segment_has_a_closed_form(share, elasticity, sigma):
    """1/((sigma + 1)(1 - s) + (P/v) s): of an atom 1/(sigma + 1), of a monopolist v/P."""
    spent = np.array([3.0 * share, 0.0, 0.0])
    cross = np.zeros((3, 3))
    cross[0, 0] = share * spent[0] * (sigma + 1 - elasticity)
    margins = np.asarray(conduct.best_margins(spent, cross, changed(substitution=sigma)))
    assert margins[0] == pytest.approx(1 / ((sigma + 1) * (1 - share) + elasticity * share), rel=1e-9)
    np.testing.assert_allclose(margins[1:], 1 / (sigma + 1))  # what sells nothing is priced like an atom


@pytest.mark.parametrize("number", [2, 3, 8])
def test_identical_labs_charge_the_symmetric_bertrand_price(number):
    """A fixed point of their steps is one of the formula at a share of 1/n."""
    sigma, value, cost = 9.0, 2.0, 0.4
    price = cost
    for _ in range(500):
        elasticity = price * number ** (-1 / sigma) / value
        spending = elasticity * np.exp(-elasticity)
        spent = np.array([spending / number, 0.0, 0.0])
        cross = np.diag([spending / number**2 * (sigma + 1 - elasticity), 0.0, 0.0])
        margin = float(conduct.best_margins(spent, cross, changed(substitution=sigma))[0])
        price = float(conduct.step_towards(price, cost, margin))
    expected = 1 / ((sigma + 1) * (1 - 1 / number) + elasticity / number)
    assert 1 - cost / price == pytest.approx(expected, rel=1e-9)


def test_a_monopolist_adds_the_value_of_a_task_to_cost():
    """Use exp(-p/v): p - c = v, in one step from wherever it starts (margin v/p)."""
    for price in (0.5, 3.0, 50.0):
        assert float(conduct.step_towards(price, 1.0, 2.5 / price)) == pytest.approx(3.5)


def test_prices_stay_within_their_limits():
    assert float(conduct.step_towards(1.0, 1.0, -5.0)) == pytest.approx(conduct.CHEAPEST)
    assert float(conduct.step_towards(1e6, 1.0, 0.99)) == pytest.approx(conduct.DEAREST)


def test_at_the_best_prices_worth_is_worth_what_cost_saves():
    """The premise of `best_overtraining`: a token worth 1 % more earns as much as one that costs 1 % less."""
    market, step = Segments(1), 1e-6
    price = market.optimum()
    saved = (market.sold(price)[1] * market.cost / price).sum(0)  # derivative of profit in -ln c
    for offer in range(OFFERS):
        more, less = (market.worth + sign * step * (np.arange(OFFERS) == offer) for sign in (1, -1))
        gained = (market.profit(price, more) - market.profit(price, less)) / (2 * step)
        assert gained == pytest.approx(saved[offer], rel=1e-4)


@given(st.floats(0.05, 1.5), st.floats(0.05, 5))
def test_a_model_is_as_small_as_pays(slope, loss):
    """It gains d of ln cost for slope x loss x d^2 of ln worth."""
    p = changed(overtraining_loss=loss, tier_step=loss, tier_size_step=1.0)
    chosen = np.asarray(conduct.best_overtraining(np.array([slope, slope]), p))
    for tier, most in enumerate(conduct.OVERTRAINED):
        best = minimize_scalar(
            lambda d: slope * loss * d**2 - d, bounds=(0, most), method="bounded", options={"xatol": 1e-9}
        )
        assert chosen[tier] == pytest.approx(best.x, abs=1e-4)
    assert np.all(conduct.best_overtraining(np.array([slope, slope]) * 1.1, p) <= chosen)
