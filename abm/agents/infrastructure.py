"""Listed firms that are not vendors or labs: power, platforms, applications."""

import jax.numpy as jnp

from abm.engine import Agent, Field

POWER, PLATFORMS, APPLICATIONS = range(3)


class InfrastructureFirm(Agent):
    """A listed layer: power sells energy to machines, platforms rent machines out, applications build on tokens."""

    stream = "infrastructure"
    layer = Field(0, "", "0 power, 1 platforms, 2 applications", dtype=int)
    revenue = Field(100.0, "$ M per month", "sales that depend on AI")
    other_income = Field(0.0, "$ M per month", "profit that does not depend on AI")
    profit = Field(0.0, "$ M per month", "profit of the layer")
    cash = Field(10_000.0, "$ M", "cash on hand")

    def close_books(self, p, income, costs, investment):
        """Book the month's profit and cash, and pay out a share of profit."""
        self.revenue = income
        self.profit = income + self.other_income - costs
        payout = p.payout_ratio * jnp.maximum(self.profit, 0.0)
        self.cash += self.profit - payout - investment
