"""6. Tokens: labs set prices, adopters choose and use."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from abm.engine import Group, loop, mean_of_neighbours, when
from abm.market.phases.common import Products, adoption, is_open_lab, products_of, quantities
from abm.market.phases.research import workplace_of
from abm.market.state import Market, Now, Values
from abm.mechanisms import pricing, tokens
from abm.support.axes import TIERS
from abm.support.shapes import AnyArray, Index, Scalar

OWN_NEST = (0,) * TIERS + (0, 1)
"""Nests of the products as one lab sees them: its own, the others of its nest as one, the other nest as one."""
NASH_STEPS = 40  # halves the distance to the fixed point at least every other step


class Offer(NamedTuple):
    """Inputs of a lab's pricing rule (L,) or (L, T)."""

    elasticity: Float[Array, " L"]  # of demand for its models in one common markup
    margin: Float[Array, " L"]  # $ per M tokens over cost under linear utility, 0 under log
    hosts: Float[Array, " L"]  # number of hosts of its weights
    undercut: Float[Array, "L T"]  # nats by which rivals undercut each tier
    luck: Float[Array, "L T"]  # uniform draw per tier
    price_factor: Float[AnyArray, " L"]  # factor of a price war in the scenario


class Tastes(NamedTuple):
    """Segments' valuation of the month's products before price."""

    quality: Float[Array, "J q"]  # utils
    peer: Float[Array, "J q"]  # average usage shares of an adopter's peers


def trade_tokens(market: Market, now: Now) -> Market:
    """Set costs and prices; adopters choose and use; then compute each lab's marginal value of capability."""
    p, labs = now.p, market.labs
    labs = labs.do("cost_tokens", p, workplace=workplace_of(market, now))
    market = market.replace(labs=labs)

    products = products_of(labs, p)
    tastes = Tastes(market.adopters.ask("quality", p, products), peer_shares(market))
    elasticity, margin = best_response(market, now, products, tastes)
    undercut = undercutting_of(labs, products, p)
    offer = Offer(
        elasticity=elasticity,
        margin=margin,
        hosts=hosts_of(market, now),
        undercut=undercut,
        luck=now.draws.uniform("price change", labs, (TIERS,)),
        price_factor=now.events.price_factor,
    )
    if now.equations.pricing == "nash":
        offer = nash_offer(market, now, offer, tastes)
    labs = labs.do("set_prices", p, now.equations.pricing, offer=offer)

    products = products_of(labs, p)
    market = market.replace(labs=labs)
    target, _ = choose(market, now, products, tastes)
    adopters = market.adopters.do("adopt", p, products, target=target)
    form, growth = now.equations.price_form, adoption(market, now)
    adopters = adopters.do("use", p, products, form, growth, quality=tastes.quality, peer_share=tastes.peer)
    market = market.replace(adopters=adopters)
    # Once a quarter, when budgets are made: it is the most expensive computation of the month.
    labs = when(
        market.month % 3 == 0,
        lambda group: group.replace(marginal_value=marginal_values(market, now, products, tastes)),
        labs,
    )
    before = market.accounts.accustomed
    accounts = market.accounts.replace(
        demand_elasticity=elasticity,
        undercut=undercut,
        accustomed=before + p.accustoming * (undercut - before),
        contestable_share=contestable_share(market, now, products, tastes),
    )
    return market.replace(labs=labs, accounts=accounts)


def choose(
    market: Market, now: Now, products: Products, tastes: Tastes
) -> tuple[Float[Array, "J q"], Float[Array, " J"]]:
    """Target shares and price indices of all segments."""
    return market.adopters.ask(
        "choose", now.p, products, now.equations.price_form, quality=tastes.quality, peer_share=tastes.peer
    )


def peer_shares(market: Market) -> Float[Array, "J q"]:
    """Average usage shares of an adopter's peers."""
    return mean_of_neighbours(market.adopters.usage, market.networks.peers)


def best_response(
    market: Market, now: Now, products: Products, tastes: Tastes
) -> tuple[Float[Array, " L"], Float[Array, " L"]]:
    """Elasticity of a lab's sales in its common markup at customers' target shares, and, under linear utility,
    the common margin that solves the first-order condition there.

    Linear: with tokens x_j, own share s_j, share w_j of the nest and L the price scale, m = sum_j x_j / sum_j x_j
    [alpha_j ((1 - rho w_j) / (1 - rho) - s_j) + epsilon_j s_j / L].
    """
    p, adopters, labs, form = now.p, market.adopters, market.labs, now.equations.price_form
    target, index = choose(market, now, products, tastes)
    own = target.reshape(adopters.size, labs.size, TIERS).sum(-1)
    nest = np.reshape(products.nest, (labs.size, TIERS))[:, 0]
    closed, opened = (jnp.where(nest == g, own, 0.0).sum(1, keepdims=True) for g in (0, 1))
    of_nest = jnp.where(nest == 0, closed, opened)
    within = own / jnp.where(of_nest > 0, of_nest, 1.0)
    wanted = adopters.ask("wanted", p, products, form, 1.0, shares=target, price_index=index)
    nests = dict(within=within, nest_correlation=p.nest_correlation)
    if form == "linear":
        # With the same weights, the slope of ln demand in a common margin; its inverse is the margin.
        volume = wanted.reshape(adopters.size, labs.size, TIERS).sum(-1)
        alpha, spread = adopters.ask("sensitivity", p, form), adopters.usage_elasticity / p.linear_price_scale
        slope = pricing.common_markup_elasticity(volume, own, alpha, spread, **nests)
        return jnp.full(labs.size, 2.0), 1 / slope
    # Weighted by spending: one markup on all tiers moves sales in proportion to the spending on them.
    paid = (wanted * products.price).reshape(adopters.size, labs.size, TIERS).sum(-1)
    sigma, epsilon = adopters.price_sensitivity, adopters.usage_elasticity
    elasticity = pricing.common_markup_elasticity(paid, own, sigma, epsilon, share_of="spending", **nests)
    return elasticity, jnp.zeros(labs.size)


def nash_offer(market: Market, now: Now, offer: Offer, tastes: Tastes) -> Offer:
    """Elasticities at the Bertrand-Nash prices of the month: best responses repeated, damped, until they agree.

    Iterating on the elasticity of a markup rule is a contraction, while p <- c + mu/(1 - s) need not be one. A lab
    replies with one markup (under linear utility one margin) to the shares that customers are moving to, not to this
    month's habitual shares.
    """
    p, labs = now.p, market.labs

    def respond(
        state: tuple[Float[Array, " L"], Float[Array, " L"]], _: Index
    ) -> tuple[tuple[Float[Array, " L"], Float[Array, " L"]], None]:
        elasticity, margin = state
        wanted = labs.ask("wanted_price", p, offer=offer._replace(elasticity=elasticity, margin=margin))
        products = products_of(labs, p)._replace(price=wanted.reshape(-1))
        new_elasticity, new_margin = best_response(market, now, products, tastes)
        return (0.5 * (elasticity + new_elasticity), 0.5 * (margin + new_margin)), None

    (elasticity, margin), _ = loop(respond, (offer.elasticity, offer.margin), jnp.arange(NASH_STEPS))
    return offer._replace(elasticity=elasticity, margin=margin)


def undercutting_of(labs: Group, products: Products, p: Values) -> Float[Array, "L T"]:
    """ln of own price over the cheapest offer of a rival that is at least as capable, nats >= 0."""
    owner = jnp.repeat(jnp.arange(labs.size), TIERS)
    rival = (owner[:, None] != owner[None, :]) & products.available[None, :]
    as_good = rival & (products.capability[None, :] >= products.capability[:, None] - p.capability_slack)
    cheapest = jnp.min(jnp.where(as_good, products.price[None, :], 1e9), axis=1)
    return jnp.maximum(jnp.log(products.price) - jnp.log(cheapest), 0.0).reshape(labs.size, TIERS)


def hosts_of(market: Market, now: Now) -> Float[Array, " L"]:
    """Number of hosts of each lab's weights, by last month's sales at this month's cost."""
    labs = market.labs
    volume = quantities(market).sum(0).reshape(labs.size, TIERS)
    sales = (volume * labs.token_cost).sum(-1) * 1e-6  # $ M per month
    return tokens.number_of_hosts(sales, labs.licence, now.p)


def marginal_values(market: Market, now: Now, products: Products, tastes: Tastes) -> Float[Array, " L"]:
    """Derivative of each lab's token profit in its own capability, $ M per month per nat, at given prices.

    Exact, by forward differentiation of the token market as the lab sees it: its own products next to all others, which
    do not change and therefore enter as two composite products (`demand.rivals_as_one`).
    """
    p, labs, adopters, form = now.p, market.labs, market.adopters, now.equations.price_form
    same, other = adopters.ask(
        "rest_of_market", p, products, form, quality=tastes.quality, peer_share=tastes.peer
    )  # (J, L) each
    growth = adoption(market, now)

    def own_derivative(lab: Index) -> Scalar:
        def own(rows: Shaped[AnyArray, "*n all"], number: int = TIERS) -> Shaped[Array, "*n own"]:
            return jax.lax.dynamic_slice_in_dim(jnp.asarray(rows), lab * number, number, axis=-1)

        mine = jax.tree.map(own, products)
        besides = jnp.concatenate([own(same, 1), own(other, 1)], axis=1)
        market_of_lab = mine._replace(
            price=jnp.append(mine.price, jnp.full(2, 0.0 if form == "linear" else 1.0)),  # utilities after price
            available=jnp.append(mine.available, jnp.ones(2, bool)),
            nest=OWN_NEST,
        )
        peer = jnp.concatenate([own(tastes.peer), jnp.zeros((adopters.size, 2))], axis=1)

        def profit(step: Scalar) -> Scalar:
            quality = adopters.ask("quality", p, mine._replace(capability=mine.capability + step))
            offers = jnp.concatenate([quality, besides], axis=1)
            target, index = adopters.ask("choose", p, market_of_lab, form, quality=offers, peer_share=peer)
            wanted = adopters.ask("wanted", p, market_of_lab, form, growth, shares=target, price_index=index)
            volume = wanted[:, :TIERS].sum(0)
            return (volume * (mine.price - mine.cost)).sum() * 1e-6

        return jax.jvp(profit, (jnp.zeros(()),), (jnp.ones(()),))[1]

    # One lab at a time: all labs at once would need the largest arrays of a run.
    _, value = loop(lambda _, lab: (None, own_derivative(lab)), None, jnp.arange(labs.size))
    return value * labs.active * jnp.where(is_open_lab(labs), p.open_capture, 1.0)


def contestable_share(market: Market, now: Now, products: Products, tastes: Tastes) -> Scalar:
    """Share of spending of the segments whose best open offer is within one switching cost of their best closed one."""
    adopters = market.adopters
    linear = now.equations.price_form == "linear"
    sensitivity = adopters.ask("sensitivity", now.p, now.equations.price_form)
    utility = tastes.quality - sensitivity[:, None] * (products.price if linear else jnp.log(products.price))
    best_open, best_closed = (
        jnp.max(jnp.where(products.available & (products.nest == nest), utility, -1e9), axis=1) for nest in (1, 0)
    )
    contestable = best_open >= best_closed - now.p.switching_cost
    spending = adopters.spending
    return jnp.where(contestable, spending, 0.0).sum() / jnp.maximum(spending.sum(), 1e-12)
