"""Averages over an agent's neighbours in a network."""

import functools

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Int, Shaped

from abm.engine.devices import on_accelerator

WRITTEN_OUT = 16
"""Largest number of neighbours for which the sum is unrolled. A user's network may have hundreds, which would take minutes
to compile."""


def mean_of_neighbours(
    values: Shaped[Array, " agents *n"], lists: Int[Array, "agents k"]
) -> Float[Array, " agents *n"]:
    """Mean over each agent's neighbours.

    values : any unit. lists : row i holds the agents that agent i listens to.
    """
    return _mean(values, lists)


def _one_by_one(values: Shaped[Array, " agents *n"], lists: Int[Array, "agents k"]) -> Float[Array, " agents *n"]:
    """Mean by k gathers that fuse with the sum; a single gather would write all values to memory first."""
    values = jax.lax.optimization_barrier(values)  # otherwise a second round would repeat the first one's work k times
    if lists.shape[1] > WRITTEN_OUT:
        return _sum(values, lists) / lists.shape[1]
    total = values[lists[:, 0]]
    for i in range(1, lists.shape[1]):
        total = total + values[lists[:, i]]
    return total / lists.shape[1]


_mean = custom_vmap(_one_by_one)


@_mean.def_vmap
def _of_runs(
    _size: int, batched: list[bool], values: Shaped[Array, "..."], lists: Int[Array, "..."]
) -> tuple[Float[Array, "runs agents ..."], bool]:
    """Mean in a batch of runs that share their lists: a neighbour's values in all runs are contiguous and fetched at once.

    Terms are added in the order of `_one_by_one`, so that a run gives the same numbers on its own.
    """
    if batched != [True, False]:
        axes = [0 if is_batched else None for is_batched in batched]
        return jax.vmap(_one_by_one, in_axes=axes)(values, lists), True
    values = jax.lax.optimization_barrier(jnp.moveaxis(values, 0, -1))
    return jnp.moveaxis(_sum(values, lists) / lists.shape[1], -1, 0), True


def _sum(values: Shaped[Array, " agents *n"], lists: Int[Array, "agents k"]) -> Shaped[Array, " agents *n"]:
    """Sum over each agent's neighbours, first to last.

    On a CPU, this is a loop: an unrolled sum would be computed again in every place that uses it, with all k fetched arrays
    kept in memory. An accelerator compiles the unrolled sum to a single kernel; the loop would make a month two thirds
    slower.
    """
    first, others = values[lists[:, 0]], lists[:, 1:].T
    if on_accelerator() and lists.shape[1] <= WRITTEN_OUT:
        return functools.reduce(lambda total, neighbour: total + values[neighbour], others, first)
    return jax.lax.scan(lambda total, neighbour: (total + values[neighbour], None), first, others)[0]
