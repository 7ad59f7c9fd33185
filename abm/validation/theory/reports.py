"""The report of a sender who gains from a high price and pays for bias."""

import jax
import jax.numpy as jnp
import numpy as np


def reported_value(value, motive, response, cost):
    """Report of the sender: r = value + response * motive / cost, the truth plus the sender's optimal bias.

    value : the truth, in the unit of the report (ln $ say). motive : gain per unit of price, either sign.
    response : beta of `price_response`, a pure number. cost : marginal cost of bias, > 0. Arrays that broadcast.

    Returns the report. Raises ValueError for a concrete cost <= 0.
    Source: Fischer & Verrecchia (2000), the sender's first-order condition.
    """
    if not isinstance(cost, jax.core.Tracer) and np.any(np.asarray(cost) <= 0):
        raise ValueError("cost must be positive: bias without a cost is unbounded")
    return jnp.asarray(value) + jnp.asarray(response) * jnp.asarray(motive) / jnp.asarray(cost)
