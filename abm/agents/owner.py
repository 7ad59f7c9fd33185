"""Owners of machines: what operators, programmes and labs share."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.mechanisms import machines


class Owner(Agent):
    """Builds powered places, orders chips for them, and runs no machine without one."""

    stream = "owner"
    home = Field(0, "", "jurisdiction of its places", dtype=int)
    machines = Field(0.0, "H100e", "machines in their places, by generation", symbol="H_k", shape=("generation",))
    waiting = Field(0.0, "H100e", "machines delivered that wait for a place, by generation", shape=("generation",))
    places = Field(0.0, "MW", "powered places", symbol="N_k")
    building = Field(0.0, "MW", "places between order and power, by stage", shape=("stage",))
    backlog = Field(0.0, "H100e", "chips on order, by vendor", shape=("vendor",))
    designs = Field(False, "", "whether it buys the chips that platforms design for themselves", dtype=bool)
    bought = Field(0.0, "$ M per month", "chips delivered and paid for, by vendor", shape=("vendor",))
    construction = Field(0.0, "$ M per month", "spending on places")

    def build(self, p, site):
        """Begin places, and move those under way towards their permits, their connection and their power."""
        opened, self.building = machines.erlang_stages(self.building, site.begun, site.lag)
        self.places += opened
        self.construction = site.begun * p.place_cost

    def lose_orders(self, p, left):
        """Lose the orders that an export rule no longer lets through; `left` is what stays, by vendor."""
        self.backlog = self.backlog * left

    def deploy(self, p, delivery):
        """Take delivery of chips, and put those that have waited least into free places; the others age where they are."""
        due = self.backlog + delivery.orders
        arrived = due * delivery.filled
        self.backlog = due - arrived
        self.bought = arrived * delivery.price
        left = 1 - p.machine_wear
        waiting = self.waiting * left + (arrived * delivery.performance) @ delivery.generation
        kept = self.machines * left
        free = jnp.maximum(self.places - (kept * delivery.kilowatts).sum() * 1e-3, 0.0)
        needed = (waiting * delivery.kilowatts * 1e-3)[::-1]  # newest first
        taken = jnp.clip(free - (jnp.cumsum(needed) - needed), 0.0, needed)[::-1]
        placed = taken * 1e3 / delivery.kilowatts
        self.machines = kept + placed
        self.waiting = jnp.maximum(waiting - placed, 0.0)
