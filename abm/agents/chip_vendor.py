"""Chip vendors."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.mechanisms import compute, pricing
from abm.support.axes import GENERATIONS

EXPERIENCE = 36.0
"""Months of its capacity at launch in which a generation's experience begins: learning restarts, relative to scale."""


class ChipVendor(Agent):
    """Prices each generation at cost times a lock-in markup, delivers from a backlog, builds capacity, learns by doing."""

    stream = "vendor"
    home = Field(0, "", "jurisdiction of the vendor", dtype=int)
    chip_price = Field(0.03, "$ M per H100e", "list price of compute", symbol="p_v")
    unit_cost = Field(0.011, "$ M per H100e", "unit cost of compute", symbol="c_v")
    base_cost = Field(0.011, "$ M per H100e", "unit cost of the current generation before learning")
    launch_price = Field(0.03, "$ M per H100e", "price at which the current generation was launched")
    generation = Field(1, "", "generation on sale", dtype=int)
    merchant = Field(True, "", "sells to everybody; otherwise to those who design its chips", dtype=bool)
    tools = Field(1.0, "", "expansion for which it can get tools, of the usual")
    performance = Field(1.0, "H100e per chip", "performance of the current generation")
    generation_age = Field(6.0, "months", "age of the current generation")
    capacity = Field(10_000.0, "H100e per month", "monthly production and packaging capacity", symbol="K_v")
    expansion = Field(0.0, "H100e per month", "capacity under construction, by stage", shape=("stage",))
    generation_output = Field(1e5, "H100e", "experience with the current generation", symbol="X_v")
    experience = Field(1e5, "H100e", "experience at which unit cost equals base cost", symbol="X_v0")
    lock_in = Field(0.0, "utils", "software lock-in of buyers")
    orders = Field(0.0, "H100e per month", "orders received")
    backlog = Field(0.0, "H100e", "orders not yet delivered", symbol="B_v")
    delivered = Field(0.0, "H100e per month", "deliveries")
    revenue = Field(0.0, "$ M per month", "sales of compute")
    profit = Field(0.0, "$ M per month", "sales minus unit costs, capacity investment and overhead")
    cash = Field(5_000.0, "$ M", "cash on hand")
    demand_elasticity = Field(1.5, "", "elasticity of orders the vendor perceives", symbol="e_v")

    def launch_generation(self, p):
        """Launch a generation every `chip_generation_gap` months: faster chips, cheaper compute, learning restarts.

        It is priced at launch, at unit cost times the lock-in markup, and keeps its price.
        """
        due = self.generation_age >= p.chip_generation_gap
        step = p.chip_performance_growth * p.chip_generation_gap / 12
        self.performance = jnp.where(due, self.performance * jnp.exp(step), self.performance)
        self.base_cost = jnp.where(due, self.base_cost * jnp.exp(-step), self.base_cost)
        self.experience = jnp.where(due, EXPERIENCE * self.capacity, self.experience)
        self.generation_output = jnp.where(due, self.experience, self.generation_output)
        self.generation = jnp.where(due, jnp.minimum(self.generation + 1, GENERATIONS - 1), self.generation)
        self.generation_age = jnp.where(due, 0.0, self.generation_age + 1)
        self.unit_cost = compute.learning_cost(
            self.generation_output, self.experience, self.base_cost, p.chip_learning_rate
        )
        elasticity = jnp.maximum(self.demand_elasticity, 1.05)
        launch = self.unit_cost * pricing.markup_factor(elasticity)
        self.launch_price = jnp.where(due, launch, self.launch_price)

    def set_price(self, p):
        """Move the mean price of compute by a damped step to the launch price, as the new generation replaces the old."""
        step = p.chip_price_adjustment
        self.chip_price = jnp.exp((1 - step) * jnp.log(self.chip_price) + step * jnp.log(self.launch_price))

    def sell(self, p, orders, due, paid, elasticity, supply):
        """Deliver what is due, old orders and new ones, up to capacity and to the share of it that export rules leave.

        The elasticity that it perceives is a slow mean. `paid` is its mean price of what is due, $ M per H100e.
        """
        self.orders = orders
        step = jnp.where(orders > 0, p.elasticity_learning, 0.0)
        self.demand_elasticity += step * (elasticity - self.demand_elasticity)
        self.delivered = jnp.minimum(due, self.capacity * supply)
        self.backlog = due - self.delivered
        self.generation_output += self.delivered
        self.revenue = paid * self.delivered

    def invest(self, p, q):
        """Start the capacity that would deliver the backlog in time: more when its shares are expensive relative to earnings
        (Tobin's q), and no more than the industry can build and its cash can pay for.
        """
        stages = self.expansion.shape[0]
        moved = self.expansion * jnp.minimum(stages / p.capacity_lead, 1.0)
        self.expansion = self.expansion - moved + jnp.concatenate([jnp.zeros(1), moved[:-1]])
        self.capacity = self.capacity * (1 - p.capacity_depreciation) + moved[-1]
        under_way = self.expansion.sum()
        wanted = self.backlog / p.delivery_time * q**p.investment_response - self.capacity - under_way
        ceiling = p.capacity_build_limit * self.tools * self.capacity
        affordable = jnp.maximum(self.cash, 0.0) / jnp.maximum(p.capacity_cost * self.unit_cost, 1e-9)
        started = jnp.clip(wanted, 0.0, jnp.minimum(ceiling, affordable))
        self.expansion = self.expansion.at[0].add(started)
        outlay = p.capacity_cost * self.unit_cost * started
        overhead = p.vendor_overhead * self.revenue
        self.profit = self.revenue - self.unit_cost * self.delivered - outlay - overhead
        payout = p.payout_ratio * jnp.maximum(self.profit, 0.0)
        self.cash += self.profit - payout
