"""Gibrat's law, growth independent of size, and the resulting size distribution."""

import jax.numpy as jnp
import numpy as np

from abm.mechanisms.demand import reject


def gibrat_growth(size, mean_size, luck, volatility, floor):
    """Size one period later: S' = max(floor, (S / mean size) exp(sigma z - sigma^2 / 2)).

    size : S > 0, any shape. mean_size : of all firms, > 0. luck : z, standard normal. volatility : sigma >= 0, per
    period. floor : below 1, in units of the mean size, at which firms are supported or replaced. Arrays that broadcast.

    Returns sizes in units of the mean. Raises ValueError for a concrete floor outside [0, 1).
    Source: Gibrat (1931); Gabaix (1999) for the floor.
    """
    reject(floor, lambda x: ~((x >= 0) & (x < 1)), "floor must lie in [0, 1): it is a share of the mean size")
    growth = jnp.exp(jnp.asarray(volatility) * jnp.asarray(luck) - 0.5 * jnp.asarray(volatility) ** 2)
    return jnp.maximum(jnp.asarray(size) / jnp.asarray(mean_size) * growth, floor)


def zipf_exponent(floor):
    """Exponent of the power law to which sizes converge: zeta = 1 / (1 - S_min / mean S).

    floor : S_min over the mean size, in [0, 1), any shape. Near 0 the exponent is 1, Zipf's law.
    Raises ValueError for a concrete floor out of range. Source: Gabaix (1999).
    """
    reject(floor, lambda x: ~((x >= 0) & (x < 1)), "floor must lie in [0, 1): it is a share of the mean size")
    return 1 / (1 - jnp.asarray(floor))


def hill_exponent(sizes, largest):
    """Exponent of the upper tail from the k largest of many sizes: 1 / mean of ln(S_i / S_(k+1)).

    sizes : (firms,), positive. largest : k, a whole number below the number of firms. Returns a float.
    Raises ValueError for any other k. Source: Hill (1975).
    """
    sizes = np.asarray(sizes, dtype=float)
    if not 0 < largest < sizes.size:
        raise ValueError(f"largest is {largest} of {sizes.size} sizes: at least one size must be left below")
    ranked = np.sort(sizes)[::-1]
    return float(1 / np.log(ranked[:largest] / ranked[largest]).mean())
