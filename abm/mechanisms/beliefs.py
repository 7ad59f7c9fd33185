"""Opinion dynamics: listening to neighbours, learning from signals, and the entropy of a Gaussian belief."""

import jax
import jax.numpy as jnp
import numpy as np

from abm.mechanisms.demand import reject
from abm.support.shapes import Floats, Numbers


def friedkin_johnsen_step(neighbour_mean: Numbers, susceptibility: Numbers, anchor: Numbers) -> Floats:
    """One round of the Friedkin-Johnsen model: lambda * (mean opinion of neighbours) + (1 - lambda) * (initial opinion).

    Three arrays that broadcast; susceptibility lambda in [0, 1] (ValueError otherwise, where concrete). Returns
    opinions in the unit given. Source: Friedkin & Johnsen (1990).
    """
    reject(susceptibility, lambda x: ~((x >= 0) & (x <= 1)), "susceptibility must lie in [0, 1]")
    susceptibility = jnp.asarray(susceptibility)
    return susceptibility * jnp.asarray(neighbour_mean) + (1 - susceptibility) * jnp.asarray(anchor)


def absorb(mean: Numbers, variance: Numbers, information: Numbers, precision: Numbers) -> tuple[Numbers, Numbers]:
    """Gaussian belief after any number of noisy signals: variance V' = V / (1 + V P), mean + V' (H - P mean).

    mean, variance : before the signals; V >= 0. information : H, the sum of precision x signal over the signals, 0 where
    there are none. precision : P >= 0, the sum of their precisions (one over the variance of a signal's error), finite.
    Broadcasts. Returns (mean, variance). Source: Kalman (1960); the information form of the filter.
    """
    variance = variance / (1 + variance * precision)
    return mean + variance * (information - precision * mean), variance


def trust(credibility: Numbers, belief: Numbers) -> Numbers:
    """Weight given to a claim: the odds c / (1 - c) times e^belief, converted to a share.

    credibility : c in [0, 1]. belief : nats.
    """
    odds = credibility * jnp.exp(belief)
    return odds / (odds + 1 - credibility)


def entropy(mean: Numbers, variance: Numbers) -> Floats:
    """Entropy, in nats, of the question "is theta > 0?" under a Gaussian belief: ln 2 when open, 0 when settled.

    H = -P ln P - (1 - P) ln(1 - P), P = Phi(mean / sqrt(variance)). Two arrays that broadcast; a variance of 0 gives 0.
    Raises ValueError for a concrete negative variance. Source: Shannon (1948), section 6.
    """
    if not isinstance(variance, jax.core.Tracer) and np.any(np.asarray(variance) < 0):
        raise ValueError("variance must not be negative")
    mean, variance = jnp.asarray(mean, dtype=float), jnp.asarray(variance, dtype=float)
    unsure = variance > 0
    # Beyond 35 standard deviations, the entropy is below the smallest floating-point number.
    odds = jnp.clip(mean / jnp.sqrt(jnp.where(unsure, variance, 1.0)), -35.0, 35.0)
    log_yes, log_no = jax.scipy.special.log_ndtr(odds), jax.scipy.special.log_ndtr(-odds)
    return jnp.where(unsure, -jnp.exp(log_yes) * log_yes - jnp.exp(log_no) * log_no, 0.0)
