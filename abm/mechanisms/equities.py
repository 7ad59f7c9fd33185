"""Equity markets: investors' choice of strategy."""

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
