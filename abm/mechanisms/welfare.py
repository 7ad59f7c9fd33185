"""Surpluses, concentration and price indices."""

import jax.numpy as jnp


def herfindahl(shares):
    """Herfindahl-Hirschman index of shares along the last axis, 0..1; shares are normalised first."""
    total = jnp.maximum(shares.sum(-1, keepdims=True), 1e-12)
    return ((shares / total) ** 2).sum(-1)


def lerner_index(price, cost, quantity):
    """Sales-weighted Lerner index sum (p - c) q / sum p q over the last axis (Lerner 1934); 0 without sales."""
    sales = (price * quantity).sum(-1)
    return jnp.where(sales > 0, ((price - cost) * quantity).sum(-1) / jnp.maximum(sales, 1e-12), 0.0)


def isoelastic_surplus(scale, price_index, reference_index, elasticity):
    """Consumer surplus of usage m P^-eps against a reference index: the area under demand between the two indices.

    integral_P^P0 m q^-eps dq = m (P0^(1-eps) - P^(1-eps)) / (1 - eps); the limit m ln(P0/P) at eps = 1. $ (in price x scale).
    """
    near_one = jnp.abs(1 - elasticity) < 1e-6
    safe = jnp.where(near_one, 0.5, 1 - elasticity)
    area = (reference_index**safe - price_index**safe) / safe
    return scale * jnp.where(near_one, jnp.log(reference_index / price_index), area)


def entropy_of_sign(mean, standard_deviation):
    """Entropy (nats) of the question whether a Gaussian quantity is positive."""
    from jax.scipy.stats import norm

    q = jnp.clip(norm.cdf(mean / standard_deviation), 1e-12, 1 - 1e-12)
    return -(q * jnp.log(q) + (1 - q) * jnp.log(1 - q))
