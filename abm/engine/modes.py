"""Compiled or interpreted mode: a single switch for populations and loops, and the control flow that follows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from abm.support.shapes import AnyArray, Index

Flag = Bool[AnyArray, ""] | np.bool_ | bool

_interpreted: ContextVar[bool] = ContextVar("interpreted", default=False)


@contextmanager
def interpreted() -> Iterator[None]:
    """Context manager: call rules agent by agent in Python, and run loops as Python loops."""
    token = _interpreted.set(True)
    try:
        yield
    finally:
        _interpreted.reset(token)


def is_interpreted() -> bool:
    """Whether the current context is interpreted."""
    return _interpreted.get()


def loop(body: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]], carry: PyTree, xs: PyTree) -> tuple[PyTree, PyTree]:
    """`jax.lax.scan(body, carry, xs)`, or the equivalent Python loop in interpreted mode."""
    if not is_interpreted():
        return jax.lax.scan(body, carry, xs)
    outputs = []
    for i in range(jax.tree.leaves(xs)[0].shape[0]):
        carry, out = body(carry, jax.tree.map(lambda x, i=i: x[i], xs))
        outputs.append(out)
    return carry, jax.tree.map(lambda *rows: jnp.stack(rows), *outputs)


def loop_between(
    body: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]],
    carry: PyTree,
    xs: PyTree,
    bounds: tuple[Index | int, Index | int],
    outputs: PyTree,
) -> tuple[PyTree, PyTree]:
    """Loop over the rows ``bounds[0] <= i < bounds[1]`` of `xs`, and replace those rows of `outputs` by the new outputs.

    The bounds are values, not shapes: one compiled program serves runs of any length up to that of `xs`, as well as runs
    that branch off from the middle of another run.
    """

    def step(i: Index | int, state: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        carry, outputs = state
        carry, out = body(carry, jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), xs))
        put = jax.lax.dynamic_update_index_in_dim
        return carry, jax.tree.map(lambda rows, row: put(rows, row, i, 0), outputs, out)

    if is_interpreted():
        state = carry, outputs
        for i in range(int(bounds[0]), int(bounds[1])):
            state = step(i, state)
        return state
    return jax.lax.fori_loop(*bounds, step, (carry, outputs))


def without_weak_types(state: PyTree) -> PyTree:
    """Return the same arrays without JAX's weak types.

    A program that returns its state with types other than those it received is traced and compiled a second time.
    """
    return jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.result_type(x)), state)


def map_rows(function: Callable[[PyTree], PyTree], rows: PyTree) -> PyTree:
    """Apply ``function`` to every row of a tree of arrays and stack the results, by `jax.vmap` or by a Python loop."""
    if not is_interpreted():
        return jax.vmap(function)(rows)
    size = jax.tree.leaves(rows)[0].shape[0]
    results = [function(jax.tree.map(lambda x, i=i: x[i], rows)) for i in range(size)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)


RUNS = "runs"
"""Name of the axis along which runs are batched."""


def in_any_run(condition: Flag) -> Flag:
    """Whether the condition holds in any run of the batch.

    Use it in `when` to skip an action that does not change the state where the condition is false: skipping it then
    affects speed only.
    """
    try:
        return jax.lax.pmax(jnp.asarray(condition).astype(jnp.int32), RUNS) > 0
    except NameError:  # a single run
        return condition


def when(condition: Flag, action: Callable[[PyTree], PyTree], state: PyTree) -> PyTree:
    """``action(state)`` if the condition holds, otherwise ``state``; in compiled mode, too, only the chosen branch runs.

    The condition must be the same for all runs of an ensemble (a day of the week, say). Only arrays that the action
    changes pass through the branch, so that large unchanged arrays are not copied.
    """
    if is_interpreted():
        return action(state) if bool(condition) else state
    leaves, tree = jax.tree.flatten(state)
    moving: list[int] = []

    def probe(inputs: list[Array]) -> int:
        outputs = jax.tree.leaves(action(jax.tree.unflatten(tree, inputs)))
        moving.extend(i for i, (a, b) in enumerate(zip(inputs, outputs, strict=True)) if a is not b)
        return 0

    jax.eval_shape(probe, leaves)

    def act(values: list[Array]) -> list[Array]:
        inputs = list(leaves)
        for i, value in zip(moving, values, strict=True):
            inputs[i] = value
        outputs = jax.tree.leaves(action(jax.tree.unflatten(tree, inputs)))
        return [outputs[i] for i in moving]

    changed = jax.lax.cond(condition, act, lambda values: values, [leaves[i] for i in moving])
    for i, value in zip(moving, changed, strict=True):
        leaves[i] = value
    return jax.tree.unflatten(tree, leaves)
