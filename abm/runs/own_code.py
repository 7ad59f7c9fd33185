"""Identify code of a run that is not the package's own: user classes, and rules replaced in memory."""

from __future__ import annotations

import functools
import operator
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import abm.market.month  # noqa: F401  # imports all modules of the month
from abm.engine import Identity, identity_of, is_by_name, is_library, is_library_file
from abm.support.messages import AbmWarning

MONTH = ("abm.agents", "abm.engine", "abm.market", "abm.mechanisms")
"""Folders whose code determines a month."""


def is_built_in(kind: type) -> bool:
    """Whether a class belongs to the package."""
    return kind.__module__.startswith("abm.") and is_by_name(kind)


def _namespaces() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (name, namespace) of every module of the month and of every class that it defines."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(MONTH):
            yield name, vars(module)
            for kind in list(vars(module).values()):
                if isinstance(kind, type) and kind.__module__ == name:
                    yield f"{name}.{kind.__qualname__}", vars(kind)


def _is_foreign(name: str, value: Any) -> bool:
    """Whether a function or class in a module of the package comes from elsewhere (replaced before this import)."""
    if name.startswith("__") or not isinstance(value, types.FunctionType | type):
        return False
    if isinstance(value, type):
        return not is_library(value.__module__)
    return not is_library_file(value.__code__.co_filename)


AS_IMPORTED = [
    (where, space, {name: value for name, value in space.items() if not _is_foreign(name, value)})
    for where, space in _namespaces()
]


def replaced() -> dict[str, Any]:
    """Objects that a user has replaced in the package's modules and classes since the import: name -> new object."""
    changed = {}
    for where, space, before in AS_IMPORTED:
        if len(space) == len(before) and all(map(operator.is_, space.values(), before.values())):
            continue
        for name in {**before, **space}:
            now = space.get(name)
            if now is not before.get(name) and not name.startswith("__") and not _is_module(now):
                changed[f"{where}.{name}"] = now
    return changed


def _is_module(value: Any) -> bool:
    return isinstance(value, type(sys))  # a submodule may be imported later


def identity_of_code(kinds: Iterable[type]) -> Identity:
    """Identity of the user's classes among `kinds` and of all replaced code; empty for a run without either."""
    own = [kind for kind in kinds if not is_built_in(kind)]
    changed = replaced()
    if not own and not changed:
        return Identity("", ())
    # Replacements are examined even if their `__module__` claims to be the package.
    identity = identity_of(own, [(name, changed[name]) for name in sorted(changed)])
    if identity.unknown:
        _warn_once(", ".join(sorted(kind.__name__ for kind in own) or sorted(changed)), identity.unknown)
    return identity


@functools.lru_cache(1_000)
def _warn_once(owners: str, unknown: tuple[str, ...]) -> None:
    warnings.warn(
        f"{owners}: the rules depend on more than their code ({'; '.join(unknown[:3])}). They are recompiled for every"
        " run, which takes some seconds, with the values of that moment; pass numbers as Fields, parameters or draws instead",
        AbmWarning,
        stacklevel=2,
    )
