"""Traced programs kept on disk, so that a process need not trace again what another one has traced.

JAX keeps compiled programs, but finds them by what tracing gives, and tracing a month takes seconds. A kept trace would
not notice that a rule was changed in memory; it is used only where `ABM_KEEP_TRACED` is 1, which the command line sets:
there nobody's code runs but that of the package, whose source is part of the key.
"""

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.export
import numpy as np

from abm.engine.compilation import cache_folder

CHECKSUM = 32
"""Bytes at the head of a kept file: the SHA-256 of the rest."""


def is_wanted() -> bool:
    """Whether this process may use kept traces."""
    return os.environ.get("ABM_KEEP_TRACED") == "1"


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """The bytes kept under a name; made, and kept, where there are none or they are damaged.

    Where the disk does not bear it they are only made.
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
    half = path.with_name(f"{name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(hashlib.sha256(made).digest() + made)
        os.replace(half, path)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink()
    return made


def key_of(identity: str, leaves: list[Any]) -> str:
    """A name for an identity, the shapes and types of the arrays, and the installed JAX."""
    shapes = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
    head = [
        identity,
        shapes,
        jax.__version__,
        jax.default_backend(),
        np.dtype(jax.dtypes.canonicalize_dtype(float)).name,
    ]
    return hashlib.sha256(json.dumps(head, default=str).encode()).hexdigest()[:32]


def _as_computed(leaf: Any) -> np.ndarray:
    """A number or array of NumPy's in the width that JAX is set to; making a JAX array of it would compile a program."""
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


class Traced:
    """A function of trees of arrays that is traced once for all processes, and compiled.

    `like` gives, of the arguments, what the result is shaped like; `identity` stands for all else that decides the trace.
    """

    def __init__(
        self, function: Callable[..., Any], like: Callable[..., Any], identity: str, options: dict[str, Any]
    ) -> None:
        self.function, self.like, self.identity, self.options = function, like, identity, options
        self.calls: dict[str, Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        leaves = [leaf if isinstance(leaf, jax.Array) else _as_computed(leaf) for leaf in leaves]
        key = key_of(self.identity, leaves)
        if key not in self.calls:
            self.calls[key] = self._prepared(key, leaves, tree)
        return jax.tree.unflatten(jax.tree.structure(self.like(*args)), self.calls[key](*leaves))

    def _prepared(self, key: str, leaves: list[Any], tree: Any) -> Callable[..., Any]:
        def flat(*leaves: Any) -> list[Any]:
            return jax.tree.leaves(self.function(*jax.tree.unflatten(tree, leaves)))

        shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]

        def trace() -> bytes:
            return bytes(jax.export.export(jax.jit(flat))(*shapes).serialize())

        # What was just traced also goes through bytes: all processes then compile one and the same program. It is
        # compiled here, once: `jax.jit` would compile it again for arrays that a call of it gave, whose device is fixed.
        call = jax.export.deserialize(bytearray(kept(key, trace))).call
        return jax.jit(call, compiler_options=self.options).lower(*shapes).compile()
