"""Irreversible investment under uncertainty."""

import jax
import jax.numpy as jnp
import numpy as np

from abm.support.shapes import Floats, Numbers


def option_multiple(interest: Numbers, payout: Numbers, volatility: Numbers) -> Floats:
    """Ratio of a project's value to its cost above which investing now is better than waiting: V* / I.

    V* / I = b / (b - 1), with b = 1/2 - (r - d)/s^2 + sqrt([(r - d)/s^2 - 1/2]^2 + 2 r / s^2), the positive root of
    s^2 b (b - 1) / 2 + (r - d) b - r = 0.

    interest : r >= 0, per year. payout : d > 0, the project's rate of return lost by waiting, per year.
    volatility : s >= 0, standard deviation of the log of V, per square root of a year; values below 1e-9 are treated as
    1e-9, where V* / I has reached its limit max(1, r / d).

    Three arrays that broadcast. Returns the multiple, a pure number >= 1. Raises ValueError for concrete arguments out
    of range. Source: Dixit & Pindyck (1994), ch. 5, the solution by dynamic programming under risk neutrality.
    """
    for name, value in {"interest": interest, "volatility": volatility}.items():
        if not isinstance(value, jax.core.Tracer) and np.any(np.asarray(value) < 0):
            raise ValueError(f"{name} must not be negative")
    if not isinstance(payout, jax.core.Tracer) and np.any(np.asarray(payout) <= 0):
        raise ValueError("payout must be positive: if waiting costs nothing, nobody ever invests")
    interest, payout = jnp.asarray(interest, dtype=float), jnp.asarray(payout, dtype=float)
    variance = jnp.maximum(jnp.asarray(volatility, dtype=float), 1e-9) ** 2
    drift = interest - payout - variance / 2
    root = jnp.sqrt(drift**2 + 2 * interest * variance)
    # 1 / b, in whichever of two equivalent forms adds numbers of the same sign and does not divide by a small variance.
    rising = drift > 0
    inverse = jnp.where(
        rising,
        (drift + root) / (2 * jnp.where(rising, interest, 1.0)),
        variance / jnp.where(rising, 1.0, root - drift),
    )
    return 1 / (1 - inverse)
