"""The two models in this project's engine: a rule for one agent, run for a population, repeated in a loop."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, compiler_options, loop, run_many, seed_words
from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "ai-market-abm", 1e-9


class Person(Agent):
    stream = "person"
    infected = Field(False, "", "is infected", dtype=bool)
    recovered = Field(False, "", "was infected and is immune", dtype=bool)

    def meet(self, infected_neighbours, luck):
        """Be infected by any of the infected neighbours, or recover."""
        caught = luck < -jnp.expm1(infected_neighbours * np.log1p(-TRANSMISSION))
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
        """Move towards the mean belief of the neighbours; adopt as they have."""
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
        # 8 bits hold the number of anybody's neighbours, and less memory is read
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


@jax.jit
def persons(infected: Any) -> Population:
    return Population.create(Person, infected.size, infected=infected)


@jax.jit
def believers(opinion: Any, susceptibility: Any, threshold: Any) -> Population:
    own = {"opinion": opinion, "susceptibility": susceptibility, "threshold": threshold}
    return Population.create(Believer, opinion.size, belief=opinion, **own)


RUNS = {"sir": epidemic, "belief": adoption}
one_run = {name: jax.jit(run, static_argnums=4, compiler_options=compiler_options()) for name, run in RUNS.items()}


def _given(model: str, problem: Problem) -> tuple[Any, ...]:
    links = tuple(map(jnp.asarray, problem.both_ways()))
    if model == "sir":
        return persons(problem.infected), links, None
    degrees = jnp.asarray(np.bincount(problem.one, minlength=problem.agents) + np.bincount(problem.other, minlength=problem.agents))
    return believers(problem.opinion, problem.susceptibility, problem.threshold), links, degrees


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    return model, jax.block_until_ready(_given(model, problem)), seed_words(seed), steps


def run(built: Any) -> dict[str, np.ndarray]:
    model, given, seed, steps = built
    return {name: np.asarray(values) for name, values in one_run[model](*given, seed, steps).items()}


_many_runs: dict[tuple[str, int], Any] = {}


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    if (model, steps) not in _many_runs:
        def many(given: Any, seeds: Any) -> Any:
            name = "recovered" if model == "sir" else "adopted"
            return jax.vmap(lambda seed: RUNS[model](*given, seed, steps)[name][-1])(seeds)
        _many_runs[model, steps] = jax.jit(many, compiler_options=compiler_options())
    given, program = _given(model, problem), _many_runs[model, steps]
    return run_many(lambda words: program(given, words), np.stack([seed_words(seed) for seed in seeds]))
