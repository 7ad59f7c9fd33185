"""Influence of each sector of a production network on aggregate output."""

import jax.numpy as jnp

from abm.mechanisms.demand import reject
from abm.validation.theory.opinions import friedkin_johnsen


def influence_vector(inputs, labour_share):
    """Weight of each sector's productivity shock in aggregate output: v = (alpha / n) [I - (1 - alpha) W']^(-1) 1.

    inputs : W (sectors, sectors), row i the shares of i's intermediate spending on each sector; rows sum to 1.
    labour_share : alpha in (0, 1], a scalar.

    Returns (sectors,), weights that sum to 1; aggregate volatility is their Euclidean norm times that of one sector.
    v is the average over rows of alpha [I - (1 - alpha) W]^(-1), which is the average of Friedkin-Johnsen opinions if all
    agents have susceptibility 1 - alpha. Raises ValueError for a concrete labour_share out of range or rows
    that do not sum to 1. Source: Acemoglu, Carvalho, Ozdaglar & Tahbaz-Salehi (2012), section 2.
    """
    reject(labour_share, lambda x: ~((x > 0) & (x <= 1)), "labour_share must lie in (0, 1]: sectors must add value")
    sectors = jnp.shape(inputs)[0]
    susceptibility = 1 - jnp.broadcast_to(jnp.asarray(labour_share, dtype=float), (sectors,))
    return friedkin_johnsen(inputs, susceptibility, jnp.eye(sectors)).mean(axis=0)
