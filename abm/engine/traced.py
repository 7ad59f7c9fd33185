"""Traced programs stored on disk, so that a process need not repeat a trace that another process has made.

JAX caches compiled programs, but looks them up by their trace, and tracing a month takes seconds. A stored trace would not
notice that a rule was changed in memory. It is therefore used only if `ABM_KEEP_TRACED` is 1, which the command line sets:
there, only the package's own code runs, whose source is part of the key.
"""

import contextlib
import functools
import hashlib
import json
import os
import threading
from collections.abc import Callable

import jax
import jax.export
import numpy as np
from jaxtyping import Array, ArrayLike, PyTree, PyTreeDef

from abm.engine.compilation import cache_folder
from abm.support.shapes import AnyArray

CHECKSUM = 32
"""Length, in bytes, of the checksum at the head of a stored file: the SHA-256 of the rest."""


def cached_bytes(name: str, make: Callable[[], bytes]) -> bytes:
    """Return the bytes stored under a name; if they are missing or damaged, call `make` and store the result.

    If nothing can be written to disk, only `make` is called.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / "traced" / name
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[CHECKSUM:]).digest() == content[:CHECKSUM]:
            return content[CHECKSUM:]
    except OSError:
        pass
    made = make()
    temporary = path.with_name(f"{name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(hashlib.sha256(made).digest() + made)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return made


class Traces:
    """The traces of programs that differ only in their arguments; processes share them if `ABM_KEEP_TRACED` is 1.

    `identity` stands for everything that affects a trace besides the arguments; if it is empty, nothing is stored.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity if os.environ.get("ABM_KEEP_TRACED") == "1" else ""

    def compiled(
        self, function: Callable[..., PyTree], like: Callable[..., PyTree], options: dict[str, str | bool]
    ) -> Callable[..., PyTree]:
        """Compile a function of trees of arrays; `like` maps its arguments to a tree of the structure of its result."""
        if not self.identity:
            return jax.jit(function, compiler_options=options)
        programs: dict[str, Callable[..., list[Array]]] = {}

        def call(*args: PyTree) -> PyTree:
            leaves, tree = jax.tree.flatten(args)
            leaves = [leaf if isinstance(leaf, jax.Array) else _as_computed(leaf) for leaf in leaves]
            name = _name_of(self.identity, leaves)
            if name not in programs:
                programs[name] = _compiled(name, function, leaves, tree, options)
            return jax.tree.unflatten(jax.tree.structure(like(*args)), programs[name](*leaves))

        return call

    def shapes(self, function: Callable[..., PyTree], like: PyTree) -> Callable[..., PyTree]:
        """Like `jax.eval_shape`: what the function would return, as shapes and types, in a tree of the structure `like`."""
        if not self.identity:
            return functools.partial(jax.eval_shape, function)

        def call(*args: PyTree) -> PyTree:
            def trace() -> bytes:
                leaves = jax.tree.leaves(jax.eval_shape(function, *args))
                return json.dumps([(leaf.shape, str(leaf.dtype)) for leaf in leaves]).encode()

            stored = json.loads(cached_bytes(_name_of(f"shapes {self.identity}", jax.tree.leaves(args)), trace))
            leaves = [jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype)) for shape, dtype in stored]
            return jax.tree.unflatten(jax.tree.structure(like), leaves)

        return call


def _compiled(
    name: str, function: Callable[..., PyTree], leaves: list[AnyArray], tree: PyTreeDef, options: dict[str, str | bool]
) -> Callable[..., list[Array]]:
    """Compile a function for arguments with these leaves, from its stored trace; it takes and returns leaves."""

    def flat(*leaves: Array) -> list[Array]:
        return jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves)))

    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]

    def trace() -> bytes:
        return bytes(jax.export.export(jax.jit(flat))(*shapes).serialize())

    # A new trace is serialised and read back as well, so that all processes compile the same program. It is compiled
    # here, once: `jax.jit` would compile it again for arrays that one of its calls returned, whose device is fixed.
    call = jax.export.deserialize(bytearray(cached_bytes(name, trace))).call
    return jax.jit(call, compiler_options=options).lower(*shapes).compile()


def _name_of(identity: str, leaves: list[AnyArray]) -> str:
    """Name of a stored trace: a hash of the identity, the shapes and types of the arrays, and the version of JAX."""
    shapes = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
    head = [
        identity,
        shapes,
        jax.__version__,
        jax.default_backend(),
        np.dtype(jax.dtypes.canonicalize_dtype(float)).name,
    ]
    return hashlib.sha256(json.dumps(head, default=str).encode()).hexdigest()[:32]


def _as_computed(leaf: ArrayLike) -> np.ndarray:
    """Convert a number to a NumPy array of the width that JAX is set to; creating a JAX array would compile a program."""
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
