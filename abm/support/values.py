"""Numbers by name, as the compiled model carries them: parameters and events."""

from __future__ import annotations

from typing import Any

import jax


@jax.tree_util.register_pytree_node_class
class Values:
    """Parameter values with attribute access, as the compiled model carries them."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "table":
            raise AttributeError(name)
        try:
            return self.table[name]
        except KeyError:
            raise AttributeError(f"unknown parameter '{name}'") from None

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        return tuple(self.table.values()), tuple(self.table)

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], children: tuple[Any, ...]) -> Values:
        return cls(dict(zip(names, children, strict=True)))


@jax.tree_util.register_pytree_node_class
class Events(Values):
    """The events of one month of a timeline, with attribute access."""
