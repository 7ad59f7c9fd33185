"""An epidemic (SIR) among agents on a network."""

from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np

from abm.engine import Agent, Draws, Field, Population, loop, run_many, seed_words
from abm.validation.theory import epidemics

SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2
ROUNDS = 60


class Person(Agent):
    """Is infected by neighbours, stays infected for one round, and is then immune."""

    stream = "person"
    state = Field(SUSCEPTIBLE, "", "susceptible (0), infected (1) or recovered (2)", dtype=int)

    def meet(self, transmission, infected_neighbours, luck):
        """Become infected by any of the infected neighbours, or recover."""
        caught = luck < epidemics.infection_chance(infected_neighbours, transmission)
        is_susceptible = self.state == SUSCEPTIBLE
        self.state = jnp.where(is_susceptible, jnp.where(caught, INFECTED, SUSCEPTIBLE), RECOVERED)


def one_run(seed: Any, graph: nx.Graph, transmission: float, first: int, rounds: int = ROUNDS) -> jax.Array:
    """Share of agents ever infected, starting from `first` randomly chosen ones."""
    size, draws = graph.number_of_nodes(), Draws.from_seed(seed)
    ends = np.array(graph.edges).T
    source, target = np.concatenate([ends, ends[::-1]], axis=1)
    people = Population.create(Person, size)
    lots = jnp.argsort(draws.uniform("first infected", people))
    people = people.replace(state=people.state.at[lots[:first]].set(INFECTED))

    def spread(people: Population, number: Any) -> tuple[Population, None]:
        infected = people.state == INFECTED
        neighbours = jnp.zeros(size).at[target].add(infected[source])
        luck = draws.at(number).uniform("infection", people)
        return people.do("meet", transmission, infected_neighbours=neighbours, luck=luck), None

    people, _ = loop(spread, people, jnp.arange(1, rounds + 1))
    return (people.state != SUSCEPTIBLE).mean()


def attack_rate(graph: nx.Graph, transmission: float, seeds: int, first: int = 5) -> float:
    """Mean of `one_run` over seeds."""
    run = jax.jit(jax.vmap(lambda seed: one_run(seed, graph, transmission, first)))
    return float(run_many(run, np.stack([seed_words(seed) for seed in range(seeds)]), chunk=10).mean())
