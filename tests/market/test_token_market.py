"""The token market of a run: users' surplus is the area under their demand, and no metered closed lab gains by deviating
from Nash prices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.sizes import SMALL
from scipy.optimize import minimize_scalar

from abm.agents.lab import METERED
from abm.engine import Draws
from abm.market.phases import tokens
from abm.market.phases.accounts import consumer_surplus
from abm.market.phases.common import adoption, is_open_lab, products_of
from abm.market.state import Now, Values
from abm.runs.months import months_of
from abm.runs.setup import Setup
from abm.support.axes import TIERS

MONTHS, SEED = 26, 3


@functools.cache
def market_of_run(price_form, **parameters):
    """The market in the second month after R1, and the inputs of that month."""
    setup = Setup.of(parameters, months=MONTHS, price_form=price_form, **SMALL)
    values = Values({name: jnp.asarray(value) for name, value in setup.values.items()})
    *_, (market, _) = months_of(setup, SEED)
    return market, Now(values, setup.events(MONTHS - 1), Draws.from_seed(SEED).at(market.month), setup.equations)


def used_at(price, market, now):
    """Total users' surplus ($ M per month) and tokens by product, at prices (L x T) and the current shares."""
    products = products_of(market.labs, now.p)
    tastes = tokens.Tastes(market.adopters.ask("quality", now.p, products), tokens.peer_shares(market))
    offers = products._replace(price=price)
    terms = now.p, offers, now.equations.price_form, adoption(market, now)
    adopters = market.adopters.do("use", *terms, quality=tastes.quality, peer_share=tastes.peer)
    after = market.replace(adopters=adopters)
    return consumer_surplus(after, now).sum(), adopters.tokens.sum(0)


@pytest.mark.slow
@pytest.mark.parametrize("price_form", ["log", "linear"])
def test_a_small_price_rise_costs_users_the_tokens_they_use(price_form):
    """At given shares a price is a transfer: users lose what sellers gain on the tokens they sell."""
    market, now = market_of_run(price_form)
    price = market.labs.price.reshape(-1)
    slope, bought = jax.grad(used_at, has_aux=True)(price, market, now)
    assert (np.asarray(bought) > 0).sum() > 8
    np.testing.assert_allclose(slope * 1e6, -bought, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("price_form", ["log", pytest.param("linear", marks=pytest.mark.slow)])
def test_no_closed_lab_gains_by_deviating_from_nash_prices(price_form):
    market, now = market_of_run(price_form, nest_correlation=0.5, elasticity_floor=1.01)
    p, labs = now.p, market.labs
    products = products_of(labs, p)
    tastes = tokens.Tastes(market.adopters.ask("quality", p, products), tokens.peer_shares(market))
    elasticity, margin = tokens.best_response(market, now, products, tastes)
    hosts, undercut = tokens.hosts_of(market, now), tokens.undercutting_of(labs, products, p)
    offer = tokens.Offer(elasticity, margin, hosts, undercut, jnp.zeros((labs.size, TIERS)), jnp.ones(labs.size))
    offer = tokens.nash_offer(market, now, offer, tastes)
    price = labs.ask("wanted_price", p, offer=offer)
    metered = ~is_open_lab(labs) & labs.active & (labs.monetisation == METERED)

    @jax.jit
    def profit(own, lab):
        """Profit of a lab with another markup (log prices) or margin (linear prices) on its tiers, $ M per month."""
        cost = labs.token_cost[lab]
        offers = price.at[lab].set(cost + own if price_form == "linear" else cost * (1 + own))
        on_sale = products._replace(price=offers.reshape(-1))
        target, index = tokens.choose(market, now, on_sale, tastes)
        wanted = market.adopters.ask("wanted", p, on_sale, price_form, 1.0, shares=target, price_index=index)
        volume = wanted.sum(0).reshape(labs.size, TIERS)[lab]
        return (volume * (offers[lab] - cost)).sum() * 1e-6

    tried = np.flatnonzero(np.asarray(metered))
    assert tried.size >= 2
    for lab in tried:
        cost = labs.token_cost[lab, 0]
        chosen = float(price[lab, 0] - cost if price_form == "linear" else price[lab, 0] / cost - 1)
        loss = lambda own, lab=lab: -float(profit(jnp.exp(own), lab))  # noqa: E731
        best = minimize_scalar(loss, bounds=np.log(chosen) + np.array([-3.0, 3.0]), options=dict(xatol=1e-10))
        assert np.exp(best.x) == pytest.approx(chosen, rel=1e-5), lab
