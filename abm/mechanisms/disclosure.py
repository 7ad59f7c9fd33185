"""Biased reports: the response of a price to the claim of a sender who gains from a high price and pays for bias."""

import jax
import jax.numpy as jnp
import numpy as np

from abm.support.shapes import Floats, Numbers


def price_response(sd_value: Numbers, sd_motive: Numbers, cost: Numbers) -> Floats:
    """Response of the price to the report: the beta in (0, 1] that solves

    beta^3 sd_motive^2 / cost^2 + beta sd_value^2 - sd_value^2 = 0.

    The price is E[value | report] = prior mean + beta (report - expected report), with value and motive normal and
    independent, and a sender who maximises motive * price - cost * bias^2 / 2.

    sd_value : standard deviation of the value (unit of the report, ln $ say), >= 0; 0 gives beta = 0.
    sd_motive : standard deviation of the sender's gain per unit of price, >= 0; 0 gives beta = 1.
    cost : marginal cost of bias, > 0, in units of gain per squared unit of the report.

    Three arrays that broadcast. Returns beta, a pure number, from the closed form of the cubic:
    beta = (2 / u) sinh(asinh(3 u / 2) / 3), u = sqrt(3) sd_motive / (cost sd_value).
    Raises ValueError for concrete arguments out of range. Source: Fischer & Verrecchia (2000), the linear equilibrium.
    """
    for name, value in {"sd_value": sd_value, "sd_motive": sd_motive}.items():
        if not isinstance(value, jax.core.Tracer) and np.any(~(np.asarray(value) >= 0)):
            raise ValueError(f"{name} must not be negative or missing")
    if not isinstance(cost, jax.core.Tracer) and np.any(~(np.asarray(cost) > 0)):
        raise ValueError("cost must be positive: a report that costs nothing to bias carries no information")
    sd_value, sd_motive, cost = (jnp.asarray(x, dtype=float) for x in (sd_value, sd_motive, cost))
    uncertain = sd_value > 0
    scale = jnp.sqrt(3.0) * sd_motive / (cost * jnp.where(uncertain, sd_value, 1.0))
    some = scale > 1e-6
    safe = jnp.where(some, scale, 1.0)
    cubic = 2 / safe * jnp.sinh(jnp.arcsinh(1.5 * safe) / 3)
    # For smaller scales, the series 1 - u^2 / 3 is exact to rounding and has the right slope at a motive of zero.
    return jnp.where(uncertain, jnp.where(some, cubic, 1 - scale**2 / 3), 0.0)
