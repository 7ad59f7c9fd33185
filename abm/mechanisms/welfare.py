"""Surpluses, concentration and price indices."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.support.shapes import AnyArray


def herfindahl(shares: Real[AnyArray, "*n owners"]) -> Float[Array, "*n"]:
    """Herfindahl-Hirschman index of shares along the last axis, 0..1; shares are normalised first."""
    total = jnp.maximum(shares.sum(-1, keepdims=True), jnp.finfo(jnp.result_type(shares, 1.0)).tiny)
    return jnp.sum((shares / total) ** 2, axis=-1)
