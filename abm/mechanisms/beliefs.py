"""Opinion dynamics: averaging with neighbours, learning from signals, and the entropy of a Gaussian belief."""

import jax
import jax.numpy as jnp
import numpy as np

from abm.support.shapes import Floats, Numbers


def degroot(weights, opinions, rounds):
    """Opinions after repeated averaging with neighbours: x_{t+1} = W x_t.

    weights : (agents, agents), rows of weights >= 0 that sum to 1 (row = listener).
    opinions : (agents,) or (agents, questions), any unit.
    rounds : integer >= 0, known before compilation.

    Returns opinions in the shape given. Raises ValueError for concrete weights that are not averages.
    Source: DeGroot (1974).
    """
    _check_weights(weights)
    weights, opinions = jnp.asarray(weights, dtype=float), jnp.asarray(opinions, dtype=float)
    return jax.lax.fori_loop(0, rounds, lambda _, x: weights @ x, opinions)


def friedkin_johnsen(weights, susceptibility, opinions):
    """Limit of opinions that are anchored to initial opinions: x* = (I - L W)^(-1) (I - L) x_0.

    weights : (agents, agents), rows of weights >= 0 that sum to 1 (row = listener).
    susceptibility : (agents,), the diagonal of L, in [0, 1]; 0 = never moves from the initial opinion.
    opinions : (agents,) or (agents, questions), initial opinions x_0, any unit.

    Returns opinions in the shape given. Raises ValueError for concrete arguments if an agent is not influenced, directly
    or indirectly, by anyone with a susceptibility below 1 (no unique fixed point then). Source: Friedkin & Johnsen (1990).
    """
    _check_weights(weights)
    _check_susceptibility(susceptibility)
    if np.shape(susceptibility) != np.shape(weights)[:1]:
        raise ValueError(
            f"susceptibility has shape {np.shape(susceptibility)}: give one value for each of the"
            f" {np.shape(weights)[0]} agents"
        )
    if not isinstance(weights, jax.core.Tracer) and not isinstance(susceptibility, jax.core.Tracer):
        listens = np.asarray(weights) * np.asarray(susceptibility)[:, None] > 0
        anchored = np.asarray(susceptibility) < 1
        for _ in anchored:
            anchored = anchored | (listens & anchored).any(axis=1)
        if not anchored.all():
            raise ValueError(
                "susceptibility is 1 for all members of a group that listens only to itself: lower one of them"
            )
    weights, susceptibility = jnp.asarray(weights, dtype=float), jnp.asarray(susceptibility, dtype=float)
    opinions = jnp.asarray(opinions, dtype=float)
    anchor = (opinions.T * (1 - susceptibility)).T
    return jnp.linalg.solve(jnp.eye(susceptibility.size) - susceptibility[:, None] * weights, anchor)


def friedkin_johnsen_step(neighbour_mean: Numbers, susceptibility: Numbers, anchor: Numbers) -> Floats:
    """One round of the Friedkin-Johnsen model: lambda * (mean opinion of neighbours) + (1 - lambda) * (initial opinion).

    Three arrays that broadcast; susceptibility lambda in [0, 1] (ValueError otherwise, where concrete). Returns
    opinions in the unit given. Source: Friedkin & Johnsen (1990).
    """
    _check_susceptibility(susceptibility)
    susceptibility = jnp.asarray(susceptibility)
    return susceptibility * jnp.asarray(neighbour_mean) + (1 - susceptibility) * jnp.asarray(anchor)


def kalman_update(mean: Numbers, variance: Numbers, signal: Numbers, precision: Numbers) -> tuple[Floats, Floats]:
    """Gaussian belief after a noisy signal: gain k = V P / (1 + V P), mean + k (signal - mean), V / (1 + V P).

    Four arrays that broadcast: prior mean and variance V >= 0, the signal, and its precision P >= 0 (one over its error
    variance; finite). P = 0 means no news: the belief is unchanged whatever the signal, even if it is NaN.

    Returns (mean, variance). Raises ValueError for concrete V or P below zero or not finite. Source: Kalman (1960),
    the scalar case without drift.
    """
    for name, value in {"variance": variance, "precision": precision}.items():
        if not isinstance(value, jax.core.Tracer) and not np.all((np.asarray(value) >= 0) & np.isfinite(value)):
            raise ValueError(f"{name} must be finite and not negative: for near certainty use a large or small number")
    mean, variance, precision = jnp.asarray(mean), jnp.asarray(variance), jnp.asarray(precision)
    surprise = jnp.where(precision > 0, jnp.asarray(signal) - mean, 0.0)
    weight = variance * precision
    return mean + weight / (1 + weight) * surprise, variance / (1 + weight)


def absorb(mean: Numbers, variance: Numbers, information: Numbers, precision: Numbers) -> tuple[Numbers, Numbers]:
    """`kalman_update` on many signals at once, in information form: V' = V / (1 + V P), mean + V' (H - P mean).

    information : H, the sum of precision x signal over the signals, 0 where there are none. precision : P >= 0, the sum
    of their precisions. Broadcasts. Returns (mean, variance). Source: Kalman (1960); the information form of the filter.
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


def _check_weights(weights):
    if not isinstance(weights, jax.core.Tracer):
        weights = np.asarray(weights)
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
            raise ValueError(f"weights has shape {weights.shape}: give one row and one column per agent")
        if not (np.all(weights >= 0) and np.allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-6)):
            raise ValueError("weights must be rows of numbers >= 0 that sum to 1: divide each row by its sum")


def _check_susceptibility(susceptibility: Numbers) -> None:
    if not isinstance(susceptibility, jax.core.Tracer):
        susceptibility = np.asarray(susceptibility)
        if not np.all((susceptibility >= 0) & (susceptibility <= 1)):
            raise ValueError("susceptibility must lie in [0, 1]")
