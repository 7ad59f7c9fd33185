"""What of a run's code is not the package's own: classes of the user's, and rules replaced in memory."""

from __future__ import annotations

import functools
import operator
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import abm.market.month  # noqa: F401  # with it all modules of the month are there
from abm.engine import Identity, identity_of, is_by_name, is_library, is_library_file
from abm.support.messages import AbmWarning

MONTH = tuple(
    f"abm.{part}"
    for part in ("agents", "engine", "market", "mechanisms", "networks", "observables", "phases", "population", "state")
)
"""Modules that decide what a month computes."""


def is_built_in(kind: type) -> bool:
    """Whether a class is one of the package's."""
    return kind.__module__.startswith("abm.") and is_by_name(kind)


def _namespaces() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every module of the month, and every class that it defines, with what stands in it."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(MONTH):
            yield name, vars(module)
            for kind in list(vars(module).values()):
                if isinstance(kind, type) and kind.__module__ == name:
                    yield f"{name}.{kind.__qualname__}", vars(kind)


def _is_foreign(name: str, value: Any) -> bool:
    """Whether a function or class that stands in the package is not the package's: replaced before anything was run."""
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
    """What a user has replaced in the package's own modules and classes since they were imported: name -> what is there now."""
    found = {}
    for where, space, before in AS_IMPORTED:
        if len(space) == len(before) and all(map(operator.is_, space.values(), before.values())):
            continue
        for name in {**before, **space}:
            now = space.get(name)
            if now is not before.get(name) and not name.startswith("__") and not _is_module(now):
                found[f"{where}.{name}"] = now
    return found


def _is_module(value: Any) -> bool:
    return isinstance(value, type(sys))  # a submodule that was imported later


def identity_of_code(kinds: Iterable[type]) -> Identity:
    """Of the user's classes among these, and of what was replaced in the package; the same for a run without either."""
    own = [kind for kind in kinds if not is_built_in(kind)]
    changed = replaced()
    if not own and not changed:
        return Identity("", ())
    # What was put in the package's place is looked into even where it calls itself the package's.
    found = identity_of(own, [(name, changed[name]) for name in sorted(changed)])
    if found.unknown:
        _warn_once(", ".join(sorted(kind.__name__ for kind in own) or sorted(changed)), found.unknown)
    return found


@functools.lru_cache(1_000)
def _warn_once(whose: str, unknown: tuple[str, ...]) -> None:
    warnings.warn(
        f"{whose}: what the rules do depends on more than their code ({'; '.join(unknown[:3])}). They are recompiled for"
        " every run, which takes some seconds, and use the values found at that moment; pass numbers as Fields, parameters or"
        " draws instead",
        AbmWarning,
        stacklevel=2,
    )
