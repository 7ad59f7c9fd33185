"""Cost of a token, and hosts of open weights."""

import jax.numpy as jnp

from abm.support.shapes import Floats, Numbers
from abm.support.values import Values


def token_cost(size: Numbers, saved: Numbers, rental_price: Numbers, p: Values) -> Floats:
    """Unit cost c0 exp(size - inference efficiency) x price of compute relative to the start, $ per M tokens."""
    return p.token_cost_start * jnp.exp(size - saved) * rental_price / p.rental_price_start


def compute_per_token(size: Numbers, saved: Numbers, p: Values) -> Floats:
    """Compute per token, H100e months per M tokens: `token_cost` at the starting rental price, over that price."""
    return 1e-6 * p.token_cost_start * jnp.exp(size - saved) / p.rental_price_start


def host_margin(hosts: Numbers, p: Values) -> Floats:
    """Margin over cost of n hosts of the same weights, mu/n: the price approaches cost as hosts enter (Cournot, log demand).

    It also decides how many enter: a change here is a change in `number_of_hosts`.
    """
    return p.host_differentiation / jnp.maximum(hosts, 1.0)


def number_of_hosts(sales: Numbers, licence: Numbers, p: Values) -> Floats:
    """Hosts of the same weights, n = 1 + sqrt(mu S / F): the lab itself, and others until they make no profit (free entry).

    Each of m others has the mth part of the sales S that the licence allows them, at the `host_margin` of m; m rises until
    (mu/m)(S/m) = F, the fixed cost (Mankiw and Whinston 1986). They do not count the lab, which counts once they price.

    sales : all tokens of the weights at cost, $ M per month; licence : share of them that others may serve, S = sales licence.
    """
    square = p.host_differentiation * sales * jnp.maximum(licence, 0.0) / p.host_fixed_cost
    hosted = square > 0  # the root has no derivative at 0
    return 1 + jnp.where(hosted, jnp.sqrt(jnp.where(hosted, square, 1.0)), 0.0)
