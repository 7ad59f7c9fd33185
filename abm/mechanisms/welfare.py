"""Surpluses, concentration and price indices."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.support.shapes import AnyArray, Floats, Numbers


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


def surplus_of_use(
    scale: Numbers,
    price_index: Numbers,
    reference_index: Numbers,
    elasticity: Numbers,
    price_form: str,
    price_scale: Numbers = 1.0,
) -> Floats:
    """Consumer surplus of use m P^-eps against a reference index P0: the area under demand between the two.

    Log: integral_P^P0 m q^-eps dq = m (P0^(1-eps) - P^(1-eps)) / (1 - eps), in the limit m ln(P0/P) at eps = 1.
    Linear: the index is exp(-v / L) of the money value v of the choice set, L = `price_scale` $, and the area over v is
    (L / eps) m (P^-eps - P0^-eps), in the limit L m ln(P0/P) at eps = 0.

    Arrays that broadcast; $ (units of price x units of scale). Raises nothing. Source: the envelope theorem; Small &
    Rosen (1981), section 5; Anderson, de Palma & Thisse (1992), ch. 3.
    """
    linear = price_form == "linear"
    power = -elasticity if linear else 1 - elasticity
    near_zero = jnp.abs(power) < 1e-6
    safe = jnp.where(near_zero, 0.5, power)
    area = jnp.where(
        near_zero, jnp.log(reference_index / price_index), (reference_index**safe - price_index**safe) / safe
    )
    return area * (scale * (price_scale if linear else 1.0))
