"""Surpluses, concentration and price indices."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.support.shapes import AnyArray, Floats


def herfindahl(shares: Real[AnyArray, "*n owners"]) -> Float[Array, "*n"]:
    """Herfindahl-Hirschman index of shares along the last axis, 0..1; shares are normalised first."""
    total = jnp.maximum(shares.sum(-1, keepdims=True), 1e-12)
    return jnp.sum((shares / total) ** 2, axis=-1)


def lerner_index(
    price: Real[AnyArray, "*#n products"],
    cost: Real[AnyArray, "*#n products"],
    quantity: Real[AnyArray, "*#n products"],
) -> Floats:
    """Sales-weighted Lerner index sum (p - c) q / sum p q over the last axis (Lerner 1934); 0 without sales."""
    sales = (price * quantity).sum(-1)
    return jnp.where(sales > 0, ((price - cost) * quantity).sum(-1) / jnp.maximum(sales, 1e-12), 0.0)
