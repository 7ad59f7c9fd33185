"""Equity markets: investors' choice of strategy, and the price impact of orders."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from abm.support.shapes import AnyArray, Numbers


def strategy_shares(profits: Real[AnyArray, "*#n strategies"], intensity: Numbers) -> Float[Array, "*#n strategies"]:
    """Shares of investors who follow each strategy: n_h = exp(beta U_h) / sum_k exp(beta U_k).

    profits : (..., strategies), U, past realised profit net of the strategy's cost, $ or any unit.
    intensity : beta >= 0, intensity of choice per unit of profit; broadcasts against the leading axes.

    Returns (..., strategies), shares that sum to 1. Raises ValueError for a concrete intensity below zero.
    Source: Brock & Hommes (1998), the discrete-choice fractions.
    """
    if not isinstance(intensity, jax.core.Tracer) and np.any(np.asarray(intensity) < 0):
        raise ValueError("intensity must not be negative: at 0 all strategies are equally common")
    return jax.nn.softmax(jnp.asarray(intensity)[..., None] * jnp.asarray(profits), axis=-1)


def market_maker_return(order, depth):
    """Log return set by a market maker in response to a net order: ln P_{t+1} - ln P_t = order / depth.

    order : any shape, net purchases, $ (a sale is negative). depth : > 0, $ per log point; broadcasts. Linear in the
    order, so a purchase followed by an equal sale restores the price. Raises ValueError for a concrete depth <= 0.
    Source: Farmer (2002), the log-linear price-impact function.
    """
    if not isinstance(depth, jax.core.Tracer) and np.any(np.asarray(depth) <= 0):
        raise ValueError("depth must be positive: a market without depth has no price")
    return jnp.asarray(order) / jnp.asarray(depth)


def kyle_lambda(sd_value, sd_noise):
    """Price impact of an order in a market with one informed trader: lambda = sd_value / (2 sd_noise).

    sd_value : standard deviation of the asset's value, $ per share, >= 0. sd_noise : of uninformed orders, shares, > 0.
    Arrays that broadcast. Returns $ per share, per share ordered. Raises ValueError for a concrete sd_noise <= 0 or
    sd_value < 0. Source: Kyle (1985), theorem 1.
    """
    if not isinstance(sd_value, jax.core.Tracer) and np.any(np.asarray(sd_value) < 0):
        raise ValueError("sd_value must not be negative")
    if not isinstance(sd_noise, jax.core.Tracer) and np.any(np.asarray(sd_noise) <= 0):
        raise ValueError("sd_noise must be positive: without noise, nobody trades with the informed trader")
    return jnp.asarray(sd_value) / (2 * jnp.asarray(sd_noise))
