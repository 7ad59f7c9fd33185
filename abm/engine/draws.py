"""Randomness as data: a draw is a function of (seed, decision, month, day, stream, slot) and of nothing else."""

import dataclasses
import zlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree, UInt32

from abm.engine.modes import map_rows
from abm.engine.population import Group, Population
from abm.support.shapes import AnyArray

Key = UInt32[Array, "2"]
Words = UInt32[Array, "*n"]
Counter = Integer[AnyArray, "*#n"] | int
OfAgents = Float[Array, "agents ..."]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_TIME, _NAME = np.uint32(0x9E3779B9), np.uint32(0x7F4A7C15)  # separate the keys of periods from those of names


@jax.jit
def threefry(key: Key, first: Counter, second: Counter) -> tuple[Words, Words]:
    """Two random 32-bit words from a key and two counter words (Threefry-2x32-20; Salmon et al. 2011).

    JAX has the same generator, but on CPUs it compiles to a loop over whole arrays, which took a third of the time of a
    month; written out, it is a single pass that fuses with the operations that use the numbers.
    """
    k0, k1 = key[..., 0], key[..., 1]
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    x, y = jnp.asarray(first, jnp.uint32) + k0, jnp.asarray(second, jnp.uint32) + k1
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = x ^ ((y << np.uint32(rotation)) | (y >> np.uint32(32 - rotation)))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


@jax.jit
def derive(key: Key, value: Counter, kind: UInt32[Array, ""] | np.uint32) -> Key:
    """Derive the key of a period or a decision: mix each word with the value by a bijection (MurmurHash3's finaliser).

    Distinct values give distinct keys, which is all that Threefry requires.
    """

    def mix(word: Words) -> Words:
        word = (word ^ (word >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        word = (word ^ (word >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        return word ^ (word >> np.uint32(16))

    value = jnp.asarray(value, jnp.uint32) * kind + np.uint32(1)
    first = mix(key[..., 0] ^ value)
    return jnp.stack([first, mix(key[..., 1] + mix(value ^ first))], axis=-1)


def seed_words(seed: int) -> UInt32[np.ndarray, "2"]:
    """Split a seed, an integer 0 <= seed < 2^64, into the two words of a key. Raises ValueError outside this range."""
    seed = int(seed)
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed = {seed}: must lie between 0 and 2^64 - 1")
    return np.array([seed & 0xFFFFFFFF, seed >> 32], dtype=np.uint32)


@partial(jax.tree_util.register_dataclass, data_fields=["key"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Draws:
    """Named counter-based draws.

    Two scenarios with the same seed share every draw, and an agent's draws do not depend on the number of other agents:
    adding slots, events or decisions leaves all existing draws unchanged.
    """

    key: Key

    @classmethod
    def from_seed(cls, seed: int | np.integer | UInt32[AnyArray, "2"]) -> "Draws":
        """Create draws from an integer seed, or from `seed_words` if the seed is traced."""
        return cls(jnp.asarray(seed_words(int(seed)) if isinstance(seed, int | np.integer) else seed))

    def at(self, time: Counter) -> "Draws":
        """Draws of one period (a month, or a day within a month)."""
        # The barrier keeps the compiler from repeating the derivation of the key for every number drawn from it, which
        # took minutes with jaxlib 0.12.
        return Draws(jax.lax.optimization_barrier(derive(self.key, jnp.asarray(time).astype(jnp.uint32), _TIME)))

    def each(self, times: Integer[AnyArray, " times"], draw: Callable[["Draws"], PyTree]) -> PyTree:
        """``draw(self.at(t))`` for every t in `times`, vectorised: the same numbers as computed one by one."""
        return map_rows(lambda time: draw(self.at(time)), times)

    def uniform(self, decision: str, agents: Group | Population, shape: tuple[int, ...] = ()) -> OfAgents:
        """Uniform draws strictly between 0 and 1, shape ``(agents, *shape)``, in steps of 2^-32."""
        return self._by_stream(decision, agents, lambda words: _uniform(words[0]), shape)

    def normal(self, decision: str, agents: Group | Population, shape: tuple[int, ...] = ()) -> OfAgents:
        """Standard normal draws, shape ``(agents, *shape)``."""
        return self._by_stream(decision, agents, _normal, shape)

    def market_normal(self, decision: str, size: int) -> Float[Array, " draws"]:
        """Standard normal draws that do not belong to an agent."""
        return _normal(threefry(self.key_of(decision), np.arange(size, dtype=np.uint32), 0))

    def key_of(self, name: str) -> Key:
        """Key of named draws. The name is "DECISION / STREAM", or just the decision for draws without an agent."""
        return derive(self.key, np.uint32(zlib.crc32(name.encode())), _NAME)

    def _by_stream(
        self,
        decision: str,
        agents: Group | Population,
        convert: Callable[[tuple[Words, Words]], OfAgents],
        shape: tuple[int, ...],
    ) -> OfAgents:
        populations = agents.populations if isinstance(agents, Group) else (agents,)
        parts = []
        within = np.arange(int(np.prod(shape)), dtype=np.uint32).reshape(shape)
        for p in populations:
            slots = np.arange(p.offset, p.offset + p.size, dtype=np.uint32).reshape((p.size,) + (1,) * len(shape))
            slots = np.broadcast_to(slots, (p.size, *shape))
            words = threefry(self.key_of(f"{decision} / {p.kind.stream}"), slots, np.broadcast_to(within, slots.shape))
            parts.append(convert(words))
        # Without the barrier, the numbers would be computed again in every place that uses them.
        return jax.lax.optimization_barrier(parts[0] if len(parts) == 1 else jnp.concatenate(parts))


def _uniform(word: Words) -> Float[Array, "*n"]:
    unit = (word.astype(float) + 0.5) * 2.0**-32
    return jnp.minimum(unit, 1 - jnp.finfo(unit.dtype).epsneg)  # in 32 bits, the largest words would round to 1


def _normal(words: tuple[Words, Words]) -> Float[Array, "*n"]:
    """Convert two words to a standard normal number (Box and Muller 1958)."""
    radius = jnp.sqrt(-2 * jnp.log(_uniform(words[0])))
    return radius * jnp.cos(2 * np.pi * _uniform(words[1]))
