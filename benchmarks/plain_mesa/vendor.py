"""Chip vendors."""

from __future__ import annotations

import math
from typing import Any

import mesa

from benchmarks.plain_mesa.constants import LAST_GENERATION, clip, erlang_stages

EXPERIENCE = 36.0  # months of capacity in which a generation begins


class Vendor(mesa.Agent):
    """Prices a generation at the markup that its lock-in allows, delivers from a backlog, builds capacity, learns by doing."""

    active: bool
    home: int
    chip_price: float  # $ M per H100e
    unit_cost: float
    base_cost: float
    launch_price: float
    generation: int
    merchant: bool  # sells to all, not only to those who design its chips
    tools: float  # expansion for which it gets tools, of the usual
    performance: float  # H100e a chip
    generation_age: float  # months
    capacity: float  # H100e a month
    expansion: list[float]
    generation_output: float  # H100e
    experience: float
    lock_in: float
    orders: float  # H100e a month
    backlog: float  # H100e
    delivered: float  # H100e a month
    revenue: float  # $ M a month
    profit: float
    cash: float  # $ M
    demand_elasticity: float

    def __init__(self, model: Any, **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)

    def launch_generation(self) -> None:
        """A new generation when it is due: more work per chip, cheaper work, learning restarts."""
        p = self.model.p
        self.due = self.generation_age >= p.chip_generation_gap
        if not self.due:
            self.generation_age += 1
            return
        step = p.chip_performance_growth * p.chip_generation_gap / 12
        self.performance *= math.exp(step)
        self.base_cost *= math.exp(-step)
        self.experience = EXPERIENCE * self.capacity
        self.generation_output = self.experience
        self.generation = min(self.generation + 1, LAST_GENERATION)
        self.generation_age = 0.0

    def set_price(self) -> None:
        """A generation is priced at its launch; the mean price moves to that as it replaces the last."""
        p = self.model.p
        exponent = math.log2(1 - p.chip_learning_rate)
        self.unit_cost = self.base_cost * (self.generation_output / self.experience) ** exponent
        if self.due:
            elasticity = max(self.demand_elasticity, 1.05)
            self.launch_price = self.unit_cost * elasticity / (elasticity - 1)
        pace = p.chip_price_adjustment
        self.chip_price = math.exp((1 - pace) * math.log(self.chip_price) + pace * math.log(self.launch_price))

    def steepness(self, share: float) -> float:
        """Elasticity of its sales where it has this share of spending."""
        p = self.model.p
        return (1 - share) * (1 + p.chip_price_sensitivity) + p.chip_demand_elasticity * share

    def sell(self, orders: float, due: float, price: float, allowed: float) -> None:
        """Deliver what is due at its mean price, up to the capacity that rules at home allow."""
        self.orders = orders
        self.delivered = min(due, self.capacity * allowed)
        self.backlog = due - self.delivered
        self.generation_output += self.delivered
        self.revenue = price * self.delivered

    def invest(self, q: float) -> None:
        """Start the capacity that would deliver the backlog in time, more the dearer its shares (Tobin's q); pay out profit."""
        p = self.model.p
        ready, self.expansion = erlang_stages(self.expansion, 0.0, p.capacity_lead)
        self.capacity = self.capacity * (1 - p.capacity_depreciation) + ready
        wanted = self.backlog / p.delivery_time * q**p.investment_response - self.capacity - sum(self.expansion)
        affordable = max(self.cash, 0.0) / max(p.capacity_cost * self.unit_cost, 1e-9)
        started = clip(wanted, 0.0, min(p.capacity_build_limit * self.tools * self.capacity, affordable))
        self.expansion[0] += started
        outlay = p.capacity_cost * self.unit_cost * started
        overhead = p.vendor_overhead * self.revenue
        self.profit = self.revenue - self.unit_cost * self.delivered - outlay - overhead
        self.cash += self.profit - p.payout_ratio * max(self.profit, 0.0)
