"""6. Tokens: labs price, adopters choose, tokens are served, money moves."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from abm.engine import each, loop, when
from abm.mechanisms import capacity, pricing, tokens
from abm.phases.common import Products, is_open_lab, products_of, quantities
from abm.phases.research import setting_of
from abm.state import TIERS, Market, Now

NASH_STEPS = 40  # halves the distance to the fixed point at least every other step


class Offer(NamedTuple):
    """What a lab knows when it prices (L,) or (L, T)."""

    elasticity: Any  # of demand for its models at one common markup
    margin: Any  # $ per M tokens over cost under linear utility, 0 under log
    hosts: Any  # hosts of its weights
    undercut: Any  # nats by which rivals undercut each tier
    luck: Any  # uniform draw per tier
    price_factor: Any  # price war of the scenario


def trade_tokens(market: Market, now: Now) -> Market:
    """Costs, prices, choice, habit, use; then what a lab would earn from a little more capability."""
    p, labs = now.p, market.labs
    labs = labs.do("cost_tokens", p, setting=setting_of(market, now))
    market = market.replace(labs=labs)
    peer = peer_shares(market)

    products = products_of(labs, p)
    elasticity, margin = best_response(market, now, products, peer)
    undercut = how_undercut(labs, products, p)
    offer = Offer(
        elasticity=elasticity,
        margin=margin,
        hosts=hosts_of(market, now),
        undercut=undercut,
        luck=now.draws.uniform("price change", labs, (TIERS,)),
        price_factor=now.events.price_factor,
    )
    if now.conduct.pricing == "nash":
        offer = nash_offer(market, now, offer, peer)
    labs = labs.do("set_prices", p, now.conduct.pricing, offer=offer)

    products = products_of(labs, p)
    market = market.replace(labs=labs)
    target, index = choose(market, now, products, peer)
    adopters = market.adopters.do("adopt", p, target=target)
    adopters = adopters.do("use", p, products.price, adoption(market, now), price_index=index)
    market = market.replace(adopters=adopters)
    # Budgets are made by the quarter, and this is the dearest number of the month.
    labs = when(
        market.month % 3 == 0,
        lambda group: group.replace(marginal_value=marginal_values(market, now, products, peer)),
        labs,
    )
    before = market.accounts.accustomed
    accounts = market.accounts.replace(
        demand_elasticity=elasticity,
        undercut=undercut,
        accustomed=before + p.accustoming * (undercut - before),
    )
    return serve(market.replace(labs=labs, accounts=accounts), now)


def choose(market: Market, now: Now, products: Products, peer: Any) -> tuple[jax.Array, jax.Array]:
    """Target shares (J, L x T) and price indices (J,) of all segments."""
    return market.adopters.ask("choose", now.p, products, now.conduct.price_form, peer_share=peer)


def peer_shares(market: Market) -> jax.Array:
    """Average usage shares of an adopter's peers, (J, L x T)."""
    return market.adopters.usage[market.networks.peers].mean(1)


def best_response(market: Market, now: Now, products: Products, peer: Any) -> tuple[jax.Array, jax.Array]:
    """Elasticity (L,) of a lab's tokens in its common markup at the choices customers would make today, and, under
    linear utility, the margin (L,) that solves sum_j x_j (1 - alpha_j m (1 - s_j)) = 0.
    """
    adopters, labs = market.adopters, market.labs
    target, index = choose(market, now, products, peer)
    own = target.reshape(adopters.size, labs.size, TIERS).sum(-1)
    use = adopters.scale * index ** (-adopters.usage_elasticity)
    if now.conduct.price_form == "linear":
        volume = own * use[:, None]
        alpha = adopters.price_sensitivity / now.p.linear_price_scale
        slope = (alpha[:, None] * volume * (1 - own)).sum(0)
        return jnp.full(labs.size, 2.0), volume.sum(0) / jnp.maximum(slope, 1e-9)
    # Weights are spending: one markup on all tiers moves sales in proportion to what is spent on them.
    paid = (target * products.price).reshape(adopters.size, labs.size, TIERS).sum(-1) * use[:, None]
    elasticity = pricing.common_markup_elasticity(paid, own, adopters.price_sensitivity, adopters.usage_elasticity)
    return elasticity, jnp.zeros(labs.size)


def nash_offer(market: Market, now: Now, offer: Offer, peer: Any) -> Offer:
    """Elasticities at the Bertrand-Nash prices of the month: best responses repeated, damped, until they agree.

    A markup rule with the elasticity as its state is a contraction where p <- c + mu/(1 - s) need not be one.
    """
    p, labs = now.p, market.labs

    def respond(state: Any, _: Any) -> tuple[Any, None]:
        elasticity, margin = state
        wanted = labs.ask("wanted_price", p, offer=offer._replace(elasticity=elasticity, margin=margin))
        products = products_of(labs, p)._replace(price=wanted.reshape(-1))
        new_elasticity, new_margin = best_response(market, now, products, peer)
        return (0.5 * (elasticity + new_elasticity), 0.5 * (margin + new_margin)), None

    (elasticity, margin), _ = loop(respond, (offer.elasticity, offer.margin), jnp.arange(NASH_STEPS))
    return offer._replace(elasticity=elasticity, margin=margin)


def how_undercut(labs: Any, products: Products, p: Any) -> jax.Array:
    """ln own price over the cheapest rival's at least as capable offer, (L, T), nats >= 0."""
    owner = jnp.repeat(jnp.arange(labs.size), TIERS)
    rival = (owner[:, None] != owner[None, :]) & products.available[None, :]
    as_good = rival & (products.capability[None, :] >= products.capability[:, None] - p.capability_slack)
    cheapest = jnp.min(jnp.where(as_good, products.price[None, :], 1e9), axis=1)
    return jnp.maximum(jnp.log(products.price) - jnp.log(cheapest), 0.0).reshape(labs.size, TIERS)


def hosts_of(market: Market, now: Now) -> jax.Array:
    """Number of competing hosts of each lab's weights (L,): entry until a host's margin pays its fixed cost."""
    p, labs = now.p, market.labs
    volume = quantities(market).sum(0).reshape(labs.size, TIERS)
    sales = (volume * labs.token_cost).sum(-1) * 1e-6  # $ M a month
    return 1 + jnp.sqrt(p.host_differentiation * sales * jnp.maximum(labs.licence, 0.0) / p.host_fixed_cost)


def adoption(market: Market, now: Now) -> jax.Array:
    """Scale of use relative to the start: diffusion of a general-purpose technology, logistic in time."""
    p = now.p
    late = 1 / (1 + jnp.exp(-p.adoption_speed * (market.month - p.adoption_midpoint) / 12))
    start = 1 / (1 + jnp.exp(p.adoption_speed * p.adoption_midpoint / 12))
    return late / start


def marginal_values(market: Market, now: Now, products: Products, peer: Any) -> jax.Array:
    """Derivative (L,) of each lab's token profit in its own capability, $ M per month per nat, prices given.

    Exact, by forward differentiation of the token market itself.
    """
    labs, adopters = market.labs, market.adopters
    growth = adoption(market, now)

    def profits(capability: jax.Array) -> jax.Array:
        target, index = choose(market, now, products._replace(capability=capability), peer)
        use = adopters.scale * growth * index ** (-adopters.usage_elasticity)
        volume = (target * use[:, None]).sum(0)
        margin = (products.price - products.cost) * 1e-6
        return (volume * margin).reshape(labs.size, TIERS).sum(-1)

    def own_derivative(direction: jax.Array) -> jax.Array:
        _, change = jax.jvp(profits, (products.capability,), (jnp.repeat(direction, TIERS),))
        return (change * direction).sum()

    value = each(own_derivative, jnp.eye(labs.size)) * labs.active
    return value * jnp.where(is_open_lab(labs), now.p.open_capture, 1.0)


def serve(market: Market, now: Now) -> Market:
    """Tokens need compute; the rental price of compute moves with demand over supply; inference gets more efficient."""
    p, labs, cloud = now.p, market.labs, market.cloud
    volume = quantities(market).sum(0)
    saved = labs.serving_efficiency + p.serving_retrofit * (
        market.accounts.serving_efficiency - labs.serving_efficiency
    )
    need = tokens.compute_per_token(labs.model_size, saved, p).reshape(-1)
    serving = (volume * need).sum()
    growth = capacity.workload_growth(market.month, p)
    supply = cloud.installed.sum()
    relative = cloud.rental_price / p.rental_price_start
    internal = p.workload_scale * jnp.exp(growth) * relative ** (-p.chip_demand_elasticity)
    internal = internal * jnp.exp((p.chip_demand_elasticity - 1) * market.accounts.serving_efficiency)
    wanted = serving + internal
    rental = capacity.rental_price(cloud.rental_price, wanted, supply, p)
    rental = jnp.maximum(rental, p.energy_cost)
    served = jnp.minimum(internal, jnp.maximum(supply - serving, 0.0))
    cloud = cloud.replace(demand=wanted, internal=served, rental_price=rental)
    efficiency = market.accounts.serving_efficiency + p.inference_efficiency_growth / 12
    return market.replace(cloud=cloud, accounts=market.accounts.replace(serving_efficiency=efficiency))
