"""The month's news about the open questions, day by day."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from abm.market.phases.common import is_open_lab
from abm.market.state import Market, Now
from abm.mechanisms import disclosure
from abm.support.axes import DAYS, QUESTIONS
from abm.support.shapes import Scalar

INTENSITY, APPROPRIABILITY, TIGHTNESS, CREDIBILITY = range(len(QUESTIONS))


class DailyNews(NamedTuple):
    """News by day (D, ...), in the form in which it is added to the public record."""

    signal: Float[Array, "D Q"]  # precision x signal
    precision: Float[Array, "D Q"]
    claims: Float[Array, "D pair"]  # cost claims on compute intensity: precision x signal, precision
    salience: Float[Array, " D"]


def news_of_month(market: Market, now: Now) -> DailyNews:
    """Collect the news of the month: scenario events, cost claims, audits, capex plans, releases and earnings."""
    events = now.events
    day, released = release_days(market, now)
    signal, precision = events.news_signal_precision, events.news_precision
    for add_signal, add_precision in (
        release_news(market, now, day),
        capex_news(market, now),
        audit_news(market, now),
        earnings_news(market, now),
    ):
        signal, precision = signal + add_signal, precision + add_precision
    endogenous = (jnp.abs(market.accounts.release_surprise) * released) @ day
    salience = events.salience + now.p.release_salience * endogenous
    return DailyNews(signal, precision, claim_news(market, now, day), salience)


def release_days(market: Market, now: Now) -> tuple[Float[Array, "L D"], Bool[Array, " L"]]:
    """Day on which each lab's release becomes news, one-hot, and mask of releases not forced by the scenario."""
    labs, events = market.labs, now.events
    forced = events.release > 0.5
    drawn = jnp.floor(now.draws.uniform("release day", labs) * DAYS)
    index = jnp.where(forced, events.release_day, drawn).astype(int)
    released = labs.released[:, 0] & labs.active
    return jax.nn.one_hot(index, DAYS) * released[:, None], released & ~forced


def expected_cost(market: Market) -> Scalar:
    """Believed cost of a frontier model: the largest cost that a closed lab has disclosed so far, $ M."""
    labs = market.labs
    return jnp.maximum(jnp.max(jnp.where(labs.active & ~is_open_lab(labs), labs.claimed_cost, 0.0)), 1.0)


def claim_news(market: Market, now: Now, day: Float[Array, "L D"]) -> Float[Array, "D pair"]:
    """Cost claims relative to expectations, as signals of compute intensity, discounted for bias.

    The discount is the price response of Fischer and Verrecchia (2000), since reporters have motives to shade.
    """
    p, events = now.p, now.events
    with_release = (events.release_claimed_cost[:, None] * day).max(0)
    claimed = jnp.maximum(events.claimed_cost, with_release)
    made = claimed > 0
    surprise = jnp.log(jnp.where(made, claimed, 1.0)) - jnp.log(expected_cost(market))
    beta = disclosure.price_response(p.claim_value_sd, p.claim_motive_sd, p.claim_bias_cost)
    precision = jnp.where(made, p.claim_precision, 0.0)
    return jnp.stack([precision * p.cost_to_intensity * beta * surprise, precision], axis=1)


def audit_news(market: Market, now: Now) -> tuple[Float[Array, "D Q"], Float[Array, "D Q"]]:
    """Audits estimate the cost of the whole programme, with noise, where a claim covers one run."""
    p, audited = now.p, now.events.audit_cost
    made = audited > 0
    noise = p.audit_noise * now.draws.market_normal("audit", DAYS)
    surprise = jnp.log(jnp.where(made, audited, 1.0)) - jnp.log(expected_cost(market)) + noise
    precision = jnp.where(made, p.audit_precision, 0.0)
    return on_question(precision * p.cost_to_intensity * surprise, precision, INTENSITY)


def capex_news(market: Market, now: Now) -> tuple[Float[Array, "D Q"], Float[Array, "D Q"]]:
    """A capex programme signals that platforms expect demand for compute."""
    p, amount = now.p, now.events.capex_news
    precision = jnp.where(amount > 0, p.capex_precision, 0.0)
    signal = p.capex_to_intensity * jnp.log1p(amount / p.capex_news_scale)
    return on_question(precision * signal, precision, INTENSITY)


def release_news(market: Market, now: Now, day: Float[Array, "L D"]) -> tuple[Float[Array, "D Q"], Float[Array, "D Q"]]:
    """A release that narrows the open-closed gap lowers appropriability; one from abroad also raises tightness."""
    p, labs = now.p, market.labs
    surprise = market.accounts.release_surprise
    precision = p.release_precision * (jnp.abs(surprise)[:, None] * day).sum(0)
    s1, q1 = on_question(
        p.release_precision * p.gap_to_rents * ((surprise * jnp.abs(surprise))[:, None] * day).sum(0),
        precision,
        APPROPRIABILITY,
    )
    abroad = jnp.where((labs.home != 0) & is_open_lab(labs), jnp.abs(surprise), 0.0)
    weight = p.release_precision * (abroad[:, None] * day).sum(0)
    s2, q2 = on_question(
        p.rivals_to_tightness * p.release_precision * ((abroad**2)[:, None] * day).sum(0), weight, TIGHTNESS
    )
    return s1 + s2, q1 + q2


def earnings_news(market: Market, now: Now) -> tuple[Float[Array, "D Q"], Float[Array, "D Q"]]:
    """Once a month, the leading vendor's orders relative to its capacity signal the demand for compute."""
    p, vendors = now.p, market.vendors
    pressure = jnp.log(jnp.maximum(vendors.orders[0], 1e-9) / jnp.maximum(vendors.capacity[0], 1e-9))
    on_day = (jnp.arange(DAYS) == p.earnings_day) * p.earnings_precision
    return on_question(on_day * p.orders_to_intensity * jnp.clip(pressure, -1.0, 1.0), on_day, INTENSITY)


def on_question(
    signal: Float[Array, " D"], precision: Float[Array, " D"], question: int
) -> tuple[Float[Array, "D Q"], Float[Array, "D Q"]]:
    """Place precision x signal, and precision, in the column of one question."""
    column = (jnp.arange(len(QUESTIONS)) == question).astype(float)
    return signal[:, None] * column, precision[:, None] * column
