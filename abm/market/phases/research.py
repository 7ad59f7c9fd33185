"""3. Research: algorithmic progress, training, copying of open weights, distillation."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from abm.market.phases.common import is_open_lab, rent_of_tokens, scarcity_of
from abm.market.state import Market, Now


class Workplace(NamedTuple):
    """Conditions of a lab's work (L,): scarcity and price of compute, published knowledge, the law at home."""

    scarcity: Float[Array, " L"]  # nats by which rent at home exceeds the world's
    published_efficiency: Float[Array, " L"]  # nats
    ip_strength: Float[Array, " L"]
    rent: Float[Array, " L"]  # $ M per H100e month, of machines that serve tokens
    serving_efficiency: Float[Array, " L"]  # nats, best inference stack


class Teaching(NamedTuple):
    """Sources a lab can learn from (L,): outputs of a closed teacher, at a price and a risk, and the best open weights."""

    teacher: Int[Array, " L"]  # index of a lab, -1: none
    ceiling: Float[Array, " L"]  # nats: ln rho + k_teacher(t - delay)
    exchange_price: Float[Array, " L"]  # $ M per M exchanges
    expected_penalty: Float[Array, " L"]  # $ M per M exchanges
    open_source: Int[Array, " L"]  # index of a lab, -1: none
    open_capability: Float[Array, " L"]  # nats
    ip_strength: Float[Array, " L"]


def do_research(market: Market, now: Now) -> Market:
    """Every lab makes progress and trains its run; then it distils and copies what is within its reach."""
    p = now.p
    luck = now.draws.normal("research luck", market.labs)
    gain = now.events.efficiency_gain
    labs = market.labs.do("research", p, workplace=workplace_of(market, now), luck=luck, efficiency_gain=gain)
    teaching = teaching_of(market.replace(labs=labs), now)
    labs = labs.do("choose_exchanges", p, teaching=teaching).do("imitate", p, teaching=teaching)
    return market.replace(labs=labs)


def workplace_of(market: Market, now: Now) -> Workplace:
    """Conditions of every lab's work this month."""
    labs = market.labs
    lag = jnp.where(is_open_lab(labs), 0.0, now.p.publication_gap)
    published = jnp.max(jnp.where(labs.active, labs.efficiency - lag, -jnp.inf))
    ones = jnp.ones(labs.size)
    return Workplace(
        scarcity=scarcity_of(market)[labs.home],
        published_efficiency=published * ones,
        ip_strength=market.regulators.ip_strength[labs.home],
        rent=rent_of_tokens(market),
        serving_efficiency=market.accounts.serving_efficiency * ones,
    )


def teaching_of(market: Market, now: Now) -> Teaching:
    """For every lab: the best other closed lab as teacher, price and risk of its outputs, and the best open weights."""
    p, labs, regulators = now.p, market.labs, market.regulators
    is_open = is_open_lab(labs)
    teaches = labs.active & ~is_open
    delay = jnp.asarray(p.access_delay - 1).astype(int)
    seen = jnp.where(teaches, market.accounts.capability_history[delay], -jnp.inf)
    others = jnp.where(jnp.eye(labs.size, dtype=bool), -jnp.inf, seen[None, :])  # student x teacher
    teacher = jnp.argmax(others, axis=1)
    best = jnp.max(others, axis=1)
    effort = labs.vigilance[teacher] + regulators.enforcement_effort[labs.home] + now.events.allegation
    damages = p.damages_multiple * jnp.maximum(labs.revenue, p.damages_floor)
    penalty = p.detection_rate * effort * regulators.announced[labs.home] * damages
    forkable = labs.active & is_open & (labs.licence > p.licence_needed)
    weights = jnp.where(forkable, labs.capability[:, 0], -50.0)
    open_best, open_source = jnp.max(weights), jnp.argmax(weights)
    return Teaching(
        teacher=jnp.where(jnp.isfinite(best), teacher, -1),
        ceiling=jnp.where(jnp.isfinite(best), jnp.log(p.distillation_ceiling) + best, -50.0),
        exchange_price=labs.price[teacher, 0] * p.tokens_per_exchange,
        expected_penalty=penalty,
        open_source=jnp.where(forkable.any(), open_source, -1) * jnp.ones(labs.size, int),
        open_capability=open_best * jnp.ones(labs.size),
        ip_strength=regulators.ip_strength[labs.home],
    )
