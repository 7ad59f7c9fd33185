"""Chip vendors."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.mechanisms import capacity, compute


class ChipVendor(Agent):
    """Prices at cost times a lock-in markup and a scarcity rent, builds capacity with a lead time, learns by doing."""

    stream = "vendor"
    home = Field(0, "", "jurisdiction of the vendor", dtype=int)
    chip_price = Field(0.03, "$ M per H100e", "list price of compute", symbol="p_v")
    unit_cost = Field(0.011, "$ M per H100e", "unit cost of compute", symbol="c_v")
    base_cost = Field(0.011, "$ M per H100e", "unit cost of the current generation before learning")
    performance = Field(1.0, "H100e per chip", "performance of the current generation")
    generation_age = Field(6.0, "months", "age of the current generation")
    capacity = Field(10_000.0, "H100e per month", "monthly production and packaging capacity", symbol="K_v")
    expansion = Field(0.0, "H100e per month", "capacity under construction, by stage", shape=("stage",))
    generation_output = Field(1e5, "H100e", "experience with the current generation", symbol="X_v")
    experience = Field(1e5, "H100e", "experience at which unit cost equals base cost", symbol="X_v0")
    lock_in = Field(0.0, "utils", "software lock-in of buyers")
    orders = Field(0.0, "H100e per month", "orders received")
    delivered = Field(0.0, "H100e per month", "deliveries")
    revenue = Field(0.0, "$ M per month", "sales of compute")
    profit = Field(0.0, "$ M per month", "sales minus unit costs, capacity investment and overhead")
    cash = Field(5_000.0, "$ M", "cash on hand")
    demand_elasticity = Field(1.5, "", "elasticity of orders the vendor perceives", symbol="e_v")

    def launch_generation(self, p):
        """Launch a generation every `chip_generation_gap` months: faster chips, cheaper compute, learning restarts."""
        due = self.generation_age >= p.chip_generation_gap
        step = p.chip_performance_growth * p.chip_generation_gap / 12
        self.performance = jnp.where(due, self.performance * jnp.exp(step), self.performance)
        self.base_cost = jnp.where(due, self.base_cost * jnp.exp(-step), self.base_cost)
        self.generation_output = jnp.where(due, self.experience, self.generation_output)
        self.generation_age = jnp.where(due, 0.0, self.generation_age + 1)

    def set_price(self, p):
        """Move the price by a damped step towards unit cost times the lock-in markup times the scarcity rent."""
        self.unit_cost = compute.learning_cost(
            self.generation_output, self.experience, self.base_cost, p.chip_learning_rate
        )
        elasticity = jnp.maximum(self.demand_elasticity, 1.05)
        scarcity = capacity.scarcity_rent(self.orders, self.capacity, p.scarcity_elasticity, p.scarcity_cap)
        target = self.unit_cost * elasticity / (elasticity - 1) * scarcity
        self.chip_price = jnp.exp(
            (1 - p.chip_price_adjustment) * jnp.log(self.chip_price) + p.chip_price_adjustment * jnp.log(target)
        )

    def sell(self, p, orders, elasticity):
        """Deliver orders up to capacity; unfilled orders stay in the buyers' budgets."""
        self.orders = orders
        self.demand_elasticity = elasticity
        self.delivered = jnp.minimum(orders, self.capacity)
        self.generation_output += self.delivered
        self.revenue = self.chip_price * self.delivered

    def invest(self, p, q):
        """Start capacity for expected orders: more when its shares are expensive relative to earnings (Tobin's q), and
        no more than the industry can build and its cash can pay for.
        """
        stages = self.expansion.shape[0]
        moved = self.expansion * jnp.minimum(stages / p.capacity_lead, 1.0)
        self.expansion = self.expansion - moved + jnp.concatenate([jnp.zeros(1), moved[:-1]])
        self.capacity = self.capacity * (1 - p.capacity_depreciation) + moved[-1]
        under_way = self.expansion.sum()
        ambition = p.capacity_ambition * q**p.investment_response
        wanted = ambition * self.orders * jnp.exp(p.capacity_growth_plan) - self.capacity - under_way
        ceiling = p.capacity_build_limit * self.capacity
        affordable = jnp.maximum(self.cash, 0.0) / jnp.maximum(p.capacity_cost * self.unit_cost, 1e-9)
        started = jnp.clip(wanted, 0.0, jnp.minimum(ceiling, affordable))
        self.expansion = self.expansion.at[0].add(started)
        outlay = p.capacity_cost * self.unit_cost * started
        overhead = p.vendor_overhead * self.revenue
        self.profit = (self.chip_price - self.unit_cost) * self.delivered - outlay - overhead
        payout = p.payout_ratio * jnp.maximum(self.profit, 0.0)
        self.cash += self.profit - payout
