"""What an agent sees of those it is connected to."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from abm.engine.devices import on_accelerator

WRITTEN_OUT = 16
"""Most neighbours whose sum is written out term by term. A user's network may have hundreds, which would take minutes to
compile."""


def mean_of_neighbours(values: Any, lists: Any) -> jax.Array:
    """Mean over each agent's neighbours, shape (agents, ...).

    values : (agents, ...), any unit. lists : (agents, k) integers, row i whom agent i listens to.
    """
    return _mean(values, lists)


def _one_by_one(values: Any, lists: Any) -> jax.Array:
    """k gathers that fuse with the sum, where one gather of all would write everything to memory between the two."""
    values = jax.lax.optimization_barrier(values)  # else a second round would do the first one's work k times over
    if lists.shape[1] > WRITTEN_OUT:
        return _sum(values, lists) / lists.shape[1]
    total = values[lists[:, 0]]
    for i in range(1, lists.shape[1]):
        total = total + values[lists[:, i]]
    return total / lists.shape[1]


_mean = custom_vmap(_one_by_one)


@_mean.def_vmap
def _of_runs(_size: int, batched: list[bool], values: Any, lists: Any) -> tuple[jax.Array, bool]:
    """Runs side by side share their lists: a neighbour's numbers in all of them lie together and are fetched at once.

    Summed in the order of `_one_by_one`, so that a run has the same numbers alone.
    """
    if batched != [True, False]:
        return jax.vmap(_one_by_one, in_axes=[0 if one else None for one in batched])(values, lists), True
    values = jax.lax.optimization_barrier(jnp.moveaxis(values, 0, -1))
    return jnp.moveaxis(_sum(values, lists) / lists.shape[1], -1, 0), True


def _sum(values: jax.Array, lists: Any) -> jax.Array:
    """Sum over each agent's neighbours, first to last.

    On a processor a loop: what is written out would be summed anew in every place that uses it, with all k fetched arrays
    kept. An accelerator makes one kernel of what is written out, and the loop would cost it two thirds more of a month.
    """
    first, others = values[lists[:, 0]], lists[:, 1:].T
    if on_accelerator() and lists.shape[1] <= WRITTEN_OUT:
        return functools.reduce(lambda total, whom: total + values[whom], others, first)
    return jax.lax.scan(lambda total, whom: (total + values[whom], None), first, others)[0]
