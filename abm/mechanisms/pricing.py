"""Elasticity that determines the markup of sellers of differentiated products who set prices independently (Bertrand).

In the market, chip vendors set prices by it; `abm.validation.theory.nash` computes the equilibrium prices that result.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.mechanisms.demand import per_product, reject
from abm.support.shapes import AnyArray, Numbers

Coefficient = Real[AnyArray, " segments"] | Real[AnyArray, ""] | float
"""One number for all segments, or one for each."""


def markup_factor(elasticity: Numbers) -> Numbers:
    """Ratio of price to cost, e/(e - 1), of a seller facing elasticity e > 1 (Lerner 1934)."""
    return elasticity / (elasticity - 1)


def common_markup_elasticity(
    quantity: Real[AnyArray, "*n segments owners"],
    own_share: Real[AnyArray, "*n segments owners"],
    price_sensitivity: Coefficient,
    usage_elasticity: Coefficient,
    *,
    within: Real[AnyArray, "*n segments owners"] | float | None = None,
    nest_correlation: Real[AnyArray, ""] | float = 0.0,
    share_of: str = "quantity",
) -> Float[Array, "*n owners"]:
    """Elasticity of an owner's sales with respect to a common markup factor on all its products (log form).

    e_l = sum_i x_il e_il / sum_i x_il over segments i. If shares are of quantity (as `demand.shares` returns them),
    e_il = sigma_i [(1 - rho w_il) / (1 - rho) - s_il] + epsilon_i s_il, where w is the owner's share of its nest; without
    nests, this is sigma (1 - s) + epsilon s. If shares are of spending, 1 - s_il is added: demand is
    then CES with an elasticity of substitution of 1 + sigma.

    quantity : (..., segments, owners), x, any unit. If an owner's products differ in cost, pass quantity times cost
    (or revenue, which gives the same weights under a common markup): only then is 1 / e the optimal Lerner index.
    own_share : (..., segments, owners), s: the total share of the owner's products.
    price_sensitivity, usage_elasticity : sigma and epsilon, scalars or (segments,).
    within, nest_correlation : w (..., segments, owners) in [0, 1] and rho in [0, 1); an owner is in one nest.
    share_of : "quantity" or "spending".

    Returns (..., owners); an owner that sells nothing gets the unweighted mean over segments. Raises ValueError for
    concrete quantities below zero and shares outside [0, 1], and for nests without `within`. Source: Atkeson & Burstein
    (2008), Bertrand case; McFadden (1978), nests.
    """
    reject(quantity, lambda x: ~(x >= 0), "quantity must not be negative or missing: put 0 where nothing is sold")
    reject(own_share, lambda x: ~((x >= 0) & (x < 1 + 1e-9)), "own_share must lie in [0, 1]: give shares")
    if share_of not in ("quantity", "spending"):
        raise ValueError(f"share_of is {share_of!r}: choose 'quantity' or 'spending'")
    if within is None:
        reject(nest_correlation, lambda x: x != 0, "nest_correlation needs `within`: give shares within the nest")
        within = 0.0
    quantity, own_share = jnp.asarray(quantity), jnp.asarray(own_share)
    away = (1 - nest_correlation * within) / (1 - nest_correlation) - own_share
    elasticity = per_product(price_sensitivity) * away + per_product(usage_elasticity) * own_share
    if share_of == "spending":
        elasticity = elasticity + 1 - own_share
    total = quantity.sum(axis=-2)
    weighted = (quantity * elasticity).sum(axis=-2) / jnp.where(total > 0, total, 1.0)
    return jnp.where(total > 0, weighted, elasticity.mean(axis=-2))
