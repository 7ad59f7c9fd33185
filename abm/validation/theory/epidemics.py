"""Epidemics on networks: one round of infection, and epidemic thresholds."""

import jax.numpy as jnp
import numpy as np

from abm.mechanisms.demand import reject


def infection_chance(infected_neighbours, transmission):
    """Probability of infection by at least one of k infected neighbours: 1 - (1 - T)^k.

    infected_neighbours : k >= 0, any shape. transmission : T in [0, 1], probability per infected neighbour; broadcasts.
    Returns probabilities in [0, 1]. Raises ValueError for concrete arguments out of range.
    Source: the Reed-Frost model; Abbey (1952).
    """
    reject(infected_neighbours, lambda x: ~(x >= 0), "infected_neighbours must not be negative: it is a count")
    _check_chances(transmission=transmission)
    return 1 - (1 - jnp.asarray(transmission)) ** jnp.asarray(infected_neighbours)


def sis_step(infected, exposure, transmission, recovery):
    """Probability of being infected one round later, if recovered agents can be infected again.

    x' = x (1 - mu) + (1 - x) (1 - exp(-beta sum_j a_ij x_j)): infections of neighbours are assumed to be independent.

    infected : x (agents,), probabilities in [0, 1]. exposure : sum_j a_ij x_j >= 0 (agents,). transmission : beta >= 0, per
    round and infected neighbour. recovery : mu in (0, 1], per round; scalars.

    A small infection grows if and only if beta / mu > 1 / lambda_max(A). Returns (agents,). Raises ValueError for
    concrete probabilities out of range. Source: Wang, Chakrabarti, Wang & Faloutsos (2003); Pastor-Satorras & Vespignani
    (2001) for the mean-field case.
    """
    _check_chances(infected=infected, recovery=recovery)
    reject(transmission, lambda x: ~(x >= 0), "transmission must not be negative")
    infected = jnp.asarray(infected)
    return infected * (1 - recovery) - (1 - infected) * jnp.expm1(-transmission * jnp.asarray(exposure))


def sir_threshold(degrees):
    """Transmission probability per link above which an outbreak can reach a finite share of agents: <k> / (<k^2> - <k>).

    degrees : (agents,), numbers of neighbours, known before compilation. Holds for networks that are random given the
    degrees. Raises ValueError if no agent has two neighbours. Source: Newman (2002); the same quantity
    determines the existence of a giant component (Molloy & Reed 1995).
    """
    degrees = np.asarray(degrees, dtype=float)
    excess = (degrees**2).mean() - degrees.mean()
    if not excess > 0:
        raise ValueError("degrees must exceed 1 for some agent: nothing spreads if all have at most one neighbour")
    return degrees.mean() / excess


def _check_chances(**chances):
    for name, value in chances.items():
        reject(value, lambda x: ~((x >= 0) & (x <= 1)), f"{name} must lie in [0, 1]: it is a probability")
