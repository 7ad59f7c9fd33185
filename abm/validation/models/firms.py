"""Firms as agents whose growth is independent of size (Gibrat 1931; Gabaix 1999)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, loop
from abm.validation.theory import growth_of_firms

VOLATILITY = 0.1  # per period; small, because the formula holds for short periods
PERIODS, EVERY = 6000, 500


class Firm(Agent):
    """Grows randomly, and is supported or replaced at the floor."""

    stream = "firm"
    scale = Field(1.0, "mean size", "size", symbol="S")

    def grow(self, mean_size, floor, luck):
        self.scale = growth_of_firms.gibrat_growth(self.scale, mean_size, luck, VOLATILITY, floor)


def one_run(floor: Any, firms: int, seed: int, periods: int = PERIODS, every: int = EVERY) -> jax.Array:
    """Sizes (samples, firms), sampled once per `every` periods."""
    draws = Draws.from_seed(seed)

    def period(population: Population, number: Any) -> tuple[Population, None]:
        luck = draws.at(number).normal("growth", population)
        return population.do("grow", population.scale.mean(), floor, luck=luck), None

    def span(population: Population, numbers: Any) -> tuple[Population, jax.Array]:
        population, _ = loop(period, population, numbers)
        return population, population.scale

    return loop(span, Population.create(Firm, firms), jnp.arange(periods).reshape(-1, every))[1]


def sizes(floors: np.ndarray, firms: int = 20_000, seed: int = 17) -> np.ndarray:
    """Sizes (floors, samples, firms) in the second half of `one_run`; all floors share draws."""
    samples = np.asarray(jax.jit(jax.vmap(lambda floor: one_run(floor, firms, seed)))(floors))
    return samples[:, samples.shape[1] // 2 :]
