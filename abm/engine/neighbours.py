"""What an agent sees of those it is connected to."""

from typing import Any

import jax


def mean_of_neighbours(values: Any, lists: Any) -> jax.Array:
    """Mean over each agent's neighbours, shape (agents, ...).

    values : (agents, ...), any unit. lists : (agents, k) integers, row i whom agent i listens to.

    Neighbour by neighbour: k gathers that fuse with the sum, where one gather of all and a sum over a short axis would
    write everything to memory between the two.
    """
    values = jax.lax.optimization_barrier(values)  # else a second round would do the first one's work k times over
    total = values[lists[:, 0]]
    for i in range(1, lists.shape[1]):
        total = total + values[lists[:, i]]
    return total / lists.shape[1]
