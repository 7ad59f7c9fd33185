"""Duopolies in step-by-step competition, as agents (Aghion, Bloom, Blundell, Griffith & Howitt 2005)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, loop, run_many, seed_words
from abm.validation.theory import race

STEPS = 100  # innovations per industry; even, so that industries end level, as they began


class Industry(Agent):
    """Two firms, level or one step apart: the next innovation opens or closes the gap."""

    stream = "industry"
    level = Field(True, "", "whether its two firms are level", dtype=bool)
    time = Field(0.0, "years", "time since the start")

    def innovate(self, efforts, spillover, luck):
        """Advance to the next innovation, by either firm."""
        level, behind = efforts
        hazard = jnp.where(self.level, 2 * level, behind + spillover)
        self.time -= jnp.log(luck) / hazard
        self.level = ~self.level


def one_run(seed: Any, competition: Any, spillover: float, industries: int, steps: int = STEPS) -> jax.Array:
    """Simulated innovations per industry and unit of time."""
    draws = Draws.from_seed(seed)
    efforts = race.race_efforts(competition, 1.0, spillover)

    def step(population: Population, number: Any) -> tuple[Population, None]:
        luck = draws.at(number).uniform("next step", population)
        return population.do("innovate", efforts, spillover, luck=luck), None

    population, _ = loop(step, Population.create(Industry, industries), jnp.arange(steps))
    return industries * steps / population.time.sum()


def innovation_rates(competition: np.ndarray, spillover: float, seeds: int, industries: int = 1000) -> np.ndarray:
    """`one_run` at every level of competition with every seed, (competition, seeds)."""
    levels = np.repeat(competition, seeds)
    inputs = np.stack([seed_words(seed) for seed in range(seeds)] * competition.size), levels
    run = jax.jit(jax.vmap(lambda given: one_run(given[0], given[1], spillover, industries)))
    return run_many(run, inputs, chunk=20).reshape(competition.size, seeds)
