"""The Bass model: diffusion of an innovation through a population."""

import jax.numpy as jnp

from abm.mechanisms.demand import not_finite, reject


def bass_hazard(adopted, innovation, imitation):
    """Hazard rate of adoption of those who have not adopted yet: p + q F.

    adopted : F, share of the population that has adopted, in [0, 1]. innovation : p >= 0, per year,
    external influence. imitation : q >= 0, per year, influence of earlier adopters. Arrays that broadcast.

    Returns a hazard, per year. Raises ValueError for concrete arguments out of range. Source: Bass (1969), the basic assumption.
    """
    reject(adopted, lambda x: ~((x >= 0) & (x <= 1)), "adopted must lie in [0, 1]: give the share of the population")
    _check_rates(innovation, imitation)
    return jnp.asarray(innovation) + jnp.asarray(imitation) * jnp.asarray(adopted)


def bass_adoption(time, innovation, imitation):
    """Share of adopters at a time: F = (1 - exp(-(p + q) t)) / (1 + (q / p) exp(-(p + q) t)).

    It solves F' = (1 - F) h(F) from F(0) = 0, with h the `bass_hazard`.

    time : t >= 0, years since the launch. innovation : p > 0. imitation : q >= 0, both per year. Arrays that broadcast.

    Returns shares in [0, 1). Raises ValueError for concrete arguments out of range. Source: Bass (1969), the solution for F(T).
    """
    reject(time, lambda x: ~(x >= 0), "time must not be negative: nobody adopts before the launch")
    _check_rates(innovation, imitation)
    reject(innovation, lambda x: x == 0, "innovation must be positive: without it nobody is first")
    innovation, imitation = jnp.asarray(innovation), jnp.asarray(imitation)
    decay = jnp.exp(-(innovation + imitation) * jnp.asarray(time))
    return (1 - decay) / (1 + imitation / innovation * decay)


def _check_rates(innovation, imitation):
    for name, rate in {"innovation": innovation, "imitation": imitation}.items():
        reject(
            rate, lambda x: not_finite(x) | (x < 0), f"{name} must be finite and not negative: it is a rate per year"
        )
