"""Opinions that settle: averaging with neighbours, with and without an anchor."""

import jax
import jax.numpy as jnp
import numpy as np

from abm.mechanisms.demand import reject


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
    reject(susceptibility, lambda x: ~((x >= 0) & (x <= 1)), "susceptibility must lie in [0, 1]")
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


def _check_weights(weights):
    if not isinstance(weights, jax.core.Tracer):
        weights = np.asarray(weights)
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
            raise ValueError(f"weights has shape {weights.shape}: give one row and one column per agent")
        if not (np.all(weights >= 0) and np.allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-6)):
            raise ValueError("weights must be rows of numbers >= 0 that sum to 1: divide each row by its sum")
