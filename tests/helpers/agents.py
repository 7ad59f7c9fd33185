"""Agents of textbook models, for tests of the engine."""

import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Field

SUSCEPTIBLE, INFECTED, RECOVERED = range(3)


class Person(Agent):
    stream = "person"
    health = Field(SUSCEPTIBLE, dtype=int)

    def live(self, infection, recovery, sick_neighbours, luck):
        falls_ill = luck[0] < 1 - (1 - infection) ** sick_neighbours
        recovers = luck[1] < recovery
        self.health = jnp.where(
            self.health == SUSCEPTIBLE, jnp.where(falls_ill, INFECTED, SUSCEPTIBLE),
            jnp.where((self.health == INFECTED) & recovers, RECOVERED, self.health),
        )  # fmt: skip


class Trader(Agent):
    stream = "trader"
    wealth = Field(100.0, "coins")
    gift = Field(0.0, "coins")

    def give(self):
        self.gift = jnp.where(self.wealth >= 1, 1.0, 0.0)
        self.wealth -= self.gift

    def receive(self, coins):
        self.wealth += coins


class Counter(Agent):
    """Rules that work, and rules with the usual mistakes."""

    stream = "counter"
    count = Field(0, dtype=int)
    weight = Field(1.0, shape=("part",))

    def up(self, by, own=0):
        self.count += by + own

    def double(self):
        self.count *= 2
        return self.count + 100

    def set_weight(self, value):
        self.weight = value

    def set_count(self, value):
        self.count = value

    def branch(self):
        if self.count > 2:
            self.weight = self.weight + self.count

    def calls_branch(self):
        self.branch()

    def biggest(self):
        self.count = max(self.count, 3)

    def numpy(self):
        self.count = np.maximum(self.count, 2)

    def calls_numpy(self):
        self.numpy()

    def misspelt(self):
        self.cuont = self.count + 1

    def look(self):
        return self.model

    def look_for(self):
        return self.height
