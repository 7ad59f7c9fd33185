"""Chips: production cost."""

import jax
import jax.numpy as jnp
import numpy as np

from abm.support.shapes import Floats, Numbers


def learning_cost(
    cumulative: Numbers, initial_cumulative: Numbers, initial_cost: Numbers, learning_rate: Numbers
) -> Floats:
    """Unit cost after cumulative output X: c = c_0 (X / X_0)^(-b), b = -log2(1 - learning rate).

    Every doubling of X reduces the cost by the fraction `learning_rate`: 20 % gives b = 0.322.

    cumulative, initial_cumulative : X, X_0 > 0, chips. initial_cost : c_0, $ per chip. learning_rate : in [0, 1).
    Arrays that broadcast. Returns $ per chip. Raises ValueError for concrete arguments out of range.
    Source: Wright (1936); 20 % for semiconductors: Irwin & Klenow (1994).
    """
    for name, value in {"cumulative": cumulative, "initial_cumulative": initial_cumulative}.items():
        if not isinstance(value, jax.core.Tracer) and np.any(np.asarray(value) <= 0):
            raise ValueError(f"{name} must be positive: include output from before the first month")
    if not isinstance(learning_rate, jax.core.Tracer) and not np.all(np.floor(learning_rate) == 0):
        raise ValueError("learning_rate must lie in [0, 1): 0.2 means 20 % per doubling")
    exponent = jnp.log2(1 - jnp.asarray(learning_rate))
    return jnp.asarray(initial_cost) * (jnp.asarray(cumulative) / jnp.asarray(initial_cumulative)) ** exponent
