"""Traced programs stored on disk, so that a process need not repeat a trace that another process has made.

JAX caches compiled programs, but looks them up by their trace, and tracing a month takes seconds. A stored trace would not
notice that a rule was changed in memory. It is therefore used only if `ABM_KEEP_TRACED` is 1, which the command line sets:
there, only the package's own code runs, whose source is part of the key.
"""

import contextlib
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


def is_wanted() -> bool:
    """Whether this process may use stored traces."""
    return os.environ.get("ABM_KEEP_TRACED") == "1"


def kept(name: str, make: Callable[[], bytes]) -> bytes:
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


def key_of(identity: str, leaves: list[AnyArray]) -> str:
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


class Traced:
    """A function of trees of arrays that is traced once for all processes, and compiled in each.

    `like` maps the arguments to a tree of the same structure as the result; `identity` stands for everything else that
    affects the trace.
    """

    def __init__(
        self,
        function: Callable[..., PyTree],
        like: Callable[..., PyTree],
        identity: str,
        options: dict[str, str | bool],
    ) -> None:
        self.function, self.like, self.identity, self.options = function, like, identity, options
        self.calls: dict[str, Callable[..., list[Array]]] = {}

    def __call__(self, *args: PyTree) -> PyTree:
        leaves, tree = jax.tree.flatten(args)
        leaves = [leaf if isinstance(leaf, jax.Array) else _as_computed(leaf) for leaf in leaves]
        key = key_of(self.identity, leaves)
        if key not in self.calls:
            self.calls[key] = self._compiled(key, leaves, tree)
        return jax.tree.unflatten(jax.tree.structure(self.like(*args)), self.calls[key](*leaves))

    def _compiled(self, key: str, leaves: list[AnyArray], tree: PyTreeDef) -> Callable[..., list[Array]]:
        def flat(*leaves: Array) -> list[Array]:
            return jax.tree.leaves(self.function(*jax.tree.unflatten(tree, leaves)))

        shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]

        def trace() -> bytes:
            return bytes(jax.export.export(jax.jit(flat))(*shapes).serialize())

        # A new trace is serialised and read back as well, so that all processes compile the same program. It is compiled
        # here, once: `jax.jit` would compile it again for arrays that one of its calls returned, whose device is fixed.
        call = jax.export.deserialize(bytearray(kept(key, trace))).call
        return jax.jit(call, compiler_options=self.options).lower(*shapes).compile()
