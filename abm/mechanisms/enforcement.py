"""What teachers do against being distilled, detection, courts, and what owners of weights ask of derivatives."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.support.shapes import AnyArray, Floats, Numbers
from abm.support.values import Values


def detection_probability(exchanges: Numbers, effort: Numbers, p: Values) -> Floats:
    """1 - exp(-eta x effort), with x in millions of exchanges per month and effort = teacher's vigilance + public effort."""
    return 1 - jnp.exp(-p.detection_rate * exchanges * effort)


def vigilance(loss: Numbers, p: Values) -> Floats:
    """Vigilance v towards an account: what is let through falls as exp(-v), so v* = ln(loss x_max / c) if positive.

    `loss` : $ M that a million exchanges cost the teacher, less what they pay. Minimises loss x_max exp(-v) + c v.
    """
    effort = jnp.log(jnp.maximum(loss * p.exchange_limit / p.vigilance_cost, 1.0))
    return jnp.minimum(effort, p.vigilance_maximum)


def quota(vigilance: Numbers, p: Values) -> Floats:
    """Exchanges that the teacher lets through, M per month."""
    return p.exchange_limit * jnp.exp(-vigilance)


def hiding(loss: Numbers, exchanges: Numbers, p: Values) -> Floats:
    """Reasoning hidden from an account, nats h: it teaches exp(-h) as much. h* = ln(loss x / c_h) if positive.

    Minimises loss x exp(-h) + c_h h at this month's exchanges x.
    """
    return jnp.log(jnp.maximum(loss * exchanges / p.hiding_cost, 1.0))


def ruling(strength: Numbers, clarity: Numbers, luck: Numbers, p: Values) -> Floats:
    """Share of claims on which courts side with owners this month: strength S plus a draw whose spread falls with clarity.

    The spread is that of a yes or no with chance S, as far as rulings cannot be foreseen: none where S is 0 or 1.
    """
    return jnp.clip(strength + ruling_sd(strength, clarity, p) * luck, 0.0, 1.0)


def ruling_sd(strength: Numbers, clarity: Numbers, p: Values) -> Floats:
    """Standard deviation of that share, ruling_spread (1 - clarity) 2 sqrt(S (1 - S))."""
    return p.ruling_spread * (1 - clarity) * 2 * jnp.sqrt(jnp.maximum(strength * (1 - strength), 0.0))


def damages(exposure: Numbers, revenue: Numbers, cash: Numbers, p: Values) -> Floats:
    """Damages paid this month: a share of the damages owed, limited by what the firm can pay."""
    return jnp.minimum(p.damages_pace * exposure, jnp.maximum(cash, 0.0) * 0.5 + 0.1 * jnp.maximum(revenue, 0.0))


def royalty(claims: Real[AnyArray, "... labs"], chance: Numbers) -> Float[Array, "..."]:
    """Share of the income from a derivative that its owners get: chance x claims x 2n/(n + 1), with n owners of like claims.

    claims : share of the model's capability owed to each owner of weights, as far as its licence reserves it; n is the
    inverse of their concentration. One owner gets what it brought in, as far as courts side with it; several ask each for
    itself and together take up to twice that. Source: complementary monopolies, Cournot (1838) ch. 9; Shapiro (2001).
    """
    total = claims.sum(-1)
    owners = total**2 / jnp.maximum((claims**2).sum(-1), 1e-12)
    return jnp.minimum(chance * total * 2 * owners / (owners + 1), 0.95)
