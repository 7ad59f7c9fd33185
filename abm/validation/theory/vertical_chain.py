"""Vertical chain of monopolists, each of whom adds a margin: chips, cloud, labs."""

import jax.numpy as jnp

from abm.mechanisms.demand import not_finite, reject


def successive_monopoly(intercept, slope, cost, stages):
    """Prices along a chain of monopolists who set prices in sequence, starting with the first stage.

    With final demand P = a - b q, stage k of n charges p_k = (a + p_(k-1)) / 2 with p_0 = c: every stage adds half of
    the distance between the price it pays and a, so that q = (a - c) / (2^n b). One stage is the integrated firm.

    intercept : a, $ per unit. slope : b > 0, $ per unit of quantity. cost : c in [0, a], $ per unit, of the first
    stage; the other stages have no cost but the price they pay. Scalars. stages : n >= 1, a whole number.

    Returns (prices (stages,), quantity). Raises ValueError for concrete arguments out of range.
    Source: Spengler (1950); Tirole (1988), ch. 4.
    """
    reject(slope, lambda x: not_finite(x) | (x <= 0), "slope must be finite and positive: demand must fall in price")
    reject(cost, lambda x: not_finite(x) | (x < 0), "cost must be finite and not negative")
    reject(jnp.asarray(intercept) - cost, lambda x: ~(x >= 0), "intercept must not lie below cost: nothing is sold")
    if stages < 1:
        raise ValueError("stages must be at least 1")
    left = (jnp.asarray(intercept, dtype=float) - cost) * 0.5 ** jnp.arange(1, stages + 1)
    return intercept - left, left[-1] / slope
