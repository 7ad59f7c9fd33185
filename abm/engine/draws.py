"""Randomness as data: a draw is a function of (seed, decision, month, day, stream, slot), and of nothing else."""

import dataclasses
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from abm.engine.modes import each
from abm.engine.population import Group, Population


@partial(jax.tree_util.register_dataclass, data_fields=["key"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Draws:
    """Named counter-based draws (threefry; Salmon et al. 2011).

    Two scenarios with one seed share every draw, and an agent's draws do not depend on how many others there are:
    adding slots, events or decisions leaves the existing draws as they were.
    """

    key: Any

    @classmethod
    def from_seed(cls, seed: Any) -> "Draws":
        return cls(jax.random.key(seed))

    def at(self, time: Any) -> "Draws":
        """The draws of one period (a month, then within it a day)."""
        return Draws(jax.random.fold_in(self.key, time))

    def uniform(self, decision: str, agents: Group | Population, shape: tuple[int, ...] = ()) -> jax.Array:
        """Uniform (0, 1) draws, shape (agents, *shape), in steps of 2^-23: finer would cost twice as much and decide nothing."""
        coarse = partial(jax.random.uniform, dtype=jnp.float32)
        return self._draw(coarse, decision, agents, shape).astype(float)

    def normal(self, decision: str, agents: Group | Population, shape: tuple[int, ...] = ()) -> jax.Array:
        """Standard normal draws, shape (agents, *shape)."""
        return self._draw(jax.random.normal, decision, agents, shape)

    def market_normal(self, decision: str, size: int) -> jax.Array:
        """Standard normal draws (size,) that belong to no agent."""
        return jax.random.normal(self._named(decision), (size,))

    def each(self, times: Any, draw: Callable[["Draws"], Any]) -> Any:
        """``draw(self.at(t))`` for every t of `times` at once: the same numbers as one by one, at less cost per number."""
        return each(lambda time: draw(self.at(time)), times)

    def _named(self, name: str) -> Any:
        return jax.random.fold_in(self.key, zlib.crc32(name.encode()) & 0x7FFFFFFF)

    def _draw(self, sampler: Any, decision: str, agents: Group | Population, shape: tuple[int, ...]) -> jax.Array:
        populations = agents.populations if isinstance(agents, Group) else (agents,)
        parts = []
        for p in populations:
            key = self._named(f"{decision} / {p.kind.stream}")
            # Slot i's numbers are the i-th of the stream however long it is, so a prefix may be cut off.
            parts.append(sampler(key, (p.offset + p.size, *shape))[p.offset :])
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)
