"""The two models in this project's engine: a rule for one agent, run for a population, repeated in a loop."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, compiler_options, loop, run_many, seed_words
from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "ai-market-abm", 1e-9
MANY = 128  # larger than any degree
CHANCES = 1 - (1 - TRANSMISSION) ** np.arange(MANY)  # looking them up is faster than a power for every agent


class Person(Agent):
    stream = "person"
    infected = Field(False, "", "is infected", dtype=bool)
    recovered = Field(False, "", "was infected and is immune", dtype=bool)

    def meet(self, infected_neighbours, luck):
        """Become infected by any of the infected neighbours, or recover."""
        caught = luck < jnp.asarray(CHANCES)[infected_neighbours]
        recovers = luck < RECOVERY
        is_open = ~(self.infected | self.recovered)
        self.recovered = self.recovered | (self.infected & recovers)
        self.infected = jnp.where(self.infected, ~recovers, is_open & caught)


class Believer(Agent):
    stream = "believer"
    opinion = Field(0.0, "", "first belief, which the agent holds on to")
    susceptibility = Field(0.0, "", "weight of the neighbours")
    threshold = Field(0.0, "", "belief above which the agent may adopt")
    belief = Field(0.0, "", "belief")
    adopted = Field(False, "", "has adopted", dtype=bool)

    def listen(self, belief, adopted, luck):
        """Move towards the mean belief of the neighbours, and possibly adopt."""
        self.belief = (1 - self.susceptibility) * self.opinion + self.susceptibility * belief
        adopts = (self.belief > self.threshold) & (luck < INNOVATION + IMITATION * adopted)
        self.adopted = self.adopted | adopts


def sum_of_seen(values: Any, links: Any) -> jax.Array:
    """Sum over each agent's neighbours, (agents,)."""
    seen, sees = links
    return jnp.zeros_like(values).at[sees].add(values[seen])


def epidemic(people: Population, links: Any, _: Any, seed: Any, steps: int) -> dict[str, jax.Array]:
    draws = Draws.from_seed(seed)

    def step(people: Population, number: Any) -> tuple[Population, Any]:
        luck = draws.at(number).uniform("infection", people)
        # 8 bits are enough for any degree, and less memory is read
        neighbours = sum_of_seen(people.infected.astype(jnp.int8), links)
        people = people.do("meet", infected_neighbours=neighbours, luck=luck)
        return people, {"infected": people.infected.mean(), "recovered": people.recovered.mean()}

    return loop(step, people, jnp.arange(steps))[1]


def adoption(people: Population, links: Any, degrees: Any, seed: Any, steps: int) -> dict[str, jax.Array]:
    draws = Draws.from_seed(seed)

    def step(people: Population, number: Any) -> tuple[Population, Any]:
        luck = draws.at(number).uniform("adoption", people)
        belief = sum_of_seen(people.belief, links) / degrees
        adopted = sum_of_seen(people.adopted.astype(jnp.int8), links) / degrees
        people = people.do("listen", belief=belief, adopted=adopted, luck=luck)
        return people, people.adopted.mean()

    people, adopted = loop(step, people, jnp.arange(steps))
    return {"adopted": adopted, "belief": people.belief}


def both_ways(one: Any, other: Any) -> tuple[jax.Array, jax.Array]:
    """Sources and targets of all links, (2 edges,) each."""
    return jnp.concatenate([one, other]), jnp.concatenate([other, one])


@jax.jit
def persons(ends: Any, infected: Any) -> tuple[Population, Any, None]:
    return Population.create(Person, infected.size, infected=infected), both_ways(*ends), None


@jax.jit
def believers(ends: Any, opinion: Any, susceptibility: Any, threshold: Any) -> tuple[Population, Any, Any]:
    own = {"opinion": opinion, "susceptibility": susceptibility, "threshold": threshold}
    people = Population.create(Believer, opinion.size, belief=opinion, **own)
    links = both_ways(*ends)
    return people, links, jnp.zeros(people.size, dtype=jnp.int8).at[links[1]].add(1)


RUNS = {"sir": epidemic, "belief": adoption}
one_run = {name: jax.jit(run, static_argnums=4, compiler_options=compiler_options()) for name, run in RUNS.items()}


def _given(model: str, problem: Problem) -> tuple[Any, ...]:
    ends = problem.one, problem.other
    if model == "sir":
        return persons(ends, problem.infected)
    return believers(ends, problem.opinion, problem.susceptibility, problem.threshold)


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    return model, jax.block_until_ready(_given(model, problem)), seed_words(seed), steps


def run(built: Any) -> dict[str, np.ndarray]:
    model, given, seed, steps = built
    return {name: np.asarray(values) for name, values in one_run[model](*given, seed, steps).items()}


@functools.cache
def many_runs(model: str, steps: int) -> Any:
    name = "recovered" if model == "sir" else "adopted"

    def chunk(given: Any, seeds: Any) -> jax.Array:
        return jax.vmap(lambda seed: RUNS[model](*given, seed, steps)[name][-1])(seeds)

    return jax.jit(chunk, compiler_options=compiler_options())


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    given, program = _given(model, problem), many_runs(model, steps)
    words = np.stack([seed_words(seed) for seed in seeds])
    return run_many(lambda some: program(given, some), words, x64=jax.config.jax_enable_x64)
