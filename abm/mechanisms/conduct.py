"""Prices of labs that sell several offers in many segments: their own first-order conditions, rivals' prices given."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.support.axes import TIERS
from abm.support.shapes import AnyArray, Floats, Numbers
from abm.support.values import Values

CHEAPEST, DEAREST = 1.01, 200.0
"""Limits of a price, in unit costs."""
USUAL = 1.0
"""Departure of the reference model from the compute-optimal size, ln parameters."""
OVERTRAINED = (1.5, 3.5)
"""Largest departures of flagships and efficient models from the compute-optimal size, ln parameters."""


def best_margins(
    spent: Real[AnyArray, " offers"], cross: Real[AnyArray, "offers offers"], p: Values
) -> Float[Array, " offers"]:
    """Lerner indices (p - c)/p at which a lab's first-order conditions for all its offers hold together.

    spent : A_r, spending on offer r over all segments; cross : B_rq = sum_j s_jr (sigma + 1 - P_j/v_j) S_jq, with shares s of
    a segment's spending S. Margins m solve ((1 + sigma) diag(A) - B) m = A; for one offer and one segment
    m = 1 / ((sigma + 1)(1 - s) + (P/v) s). Tiers of the API share segments; a subscription shares none with them.
    An offer that sells nothing gets the margin of an atom, 1 / (1 + sigma).

    Source: Bertrand with CES shares, Atkeson and Burstein (2008), for several products; Nocke and Schutz (2018).
    """
    sells = spent > 0
    scale = jnp.where(sells, spent, 1.0)
    matrix = (1 + p.substitution) * jnp.eye(spent.shape[-1]) - jnp.where(sells[:, None], cross, 0.0) / scale[:, None]
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    tiers = jnp.stack([d - b, a - c]) / (a * d - b * c)
    return jnp.concatenate([tiers, 1 / jnp.diagonal(matrix)[TIERS:]])


def step_towards(price: Numbers, cost: Numbers, margin: Numbers) -> Floats:
    """A step to the price at which p - c = m p: c + m p contracts, while c / (1 - m) can explode.

    With demand exp(-p / v) of a monopolist, m = v / p, and one step gives c + v. Within `CHEAPEST` and `DEAREST` unit costs.
    """
    return jnp.clip(cost + margin * price, CHEAPEST * cost, DEAREST * cost)


def resilient_step(step: Numbers, before: Numbers, pace: Numbers) -> tuple[Floats, Floats]:
    """How much of a step in log price to take, and the pace with which to go on.

    Near a price at which a segment changes hands the full step overshoots, so the pace is halved where the step turns
    back and rises by a fifth where it does not. Source: Riedmiller and Braun (1993).
    """
    pace = jnp.clip(jnp.where(step * before < 0, 0.5 * pace, 1.2 * pace), 0.02, 1.0)
    return pace * step, pace


def overtraining_losses(p: Values) -> Float[Array, "2"]:
    """Capability that flagships and efficient models lose per squared departure from the size they are measured from, nats.

    For a flagship that is the size that is best for its training compute, with the curvature (alpha + beta)/2 of the loss of
    Hoffmann et al. (2022). An efficient model is taught by the flagship, from whose size it departs, and loses less: the
    usual one is `tier_size_step` smaller and `tier_step` worse.
    """
    return jnp.stack([p.overtraining_loss, p.tier_step / jnp.square(p.tier_size_step)])


def best_overtraining(slope: Float[AnyArray, "2"], p: Values) -> Float[Array, "2"]:
    """How much smaller a flagship and an efficient model are than that size, d in ln parameters: they have cheaper tokens.

    A departure of d loses kappa d^2 nats, and tokens cost exp(-d) as much. At its best prices a lab gains as much from a
    token worth one per cent more as from one that costs one per cent less, so that 2 kappa d u = 1 with u the `slope` of
    ln worth in capability at the tier's customers, per nat: large models for hard tasks, small ones for tasks that any model
    does. kappa: `overtraining_losses`.
    """
    return jnp.minimum(1 / jnp.maximum(2 * overtraining_losses(p) * slope, 1e-3), jnp.asarray(OVERTRAINED))
