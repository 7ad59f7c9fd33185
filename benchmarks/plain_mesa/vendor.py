"""Chip vendors."""

from __future__ import annotations

import math
from typing import Any

import mesa

from benchmarks.plain_mesa.constants import clip


class Vendor(mesa.Agent):
    """Prices at the markup that its lock-in allows plus a scarcity rent, builds capacity with a lead, learns by doing."""

    active: bool
    home: int
    chip_price: float  # $ M per H100e
    unit_cost: float
    base_cost: float
    performance: float  # H100e a chip
    generation_age: float  # months
    capacity: float  # H100e a month
    expansion: list[float]
    generation_output: float  # H100e
    experience: float
    lock_in: float
    orders: float  # H100e a month
    delivered: float
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
        if self.generation_age < p.chip_generation_gap:
            self.generation_age += 1
            return
        step = p.chip_performance_growth * p.chip_generation_gap / 12
        self.performance *= math.exp(step)
        self.base_cost *= math.exp(-step)
        self.generation_output = self.experience
        self.generation_age = 0.0

    def set_price(self) -> None:
        """A damped step towards cost times the markup of lock-in competition times the scarcity rent."""
        p = self.model.p
        exponent = math.log2(1 - p.chip_learning_rate)
        self.unit_cost = self.base_cost * (self.generation_output / self.experience) ** exponent
        elasticity = max(self.demand_elasticity, 1.05)
        pressure = max(self.orders / max(self.capacity, 1e-9), 1.0)
        scarcity = min(pressure ** (1 / p.scarcity_elasticity), p.scarcity_cap)
        target = self.unit_cost * elasticity / (elasticity - 1) * scarcity
        pace = p.chip_price_adjustment
        self.chip_price = math.exp((1 - pace) * math.log(self.chip_price) + pace * math.log(target))

    def sell(self, orders: float, elasticity: float) -> None:
        """Deliver up to capacity; other orders wait with the buyers' budgets."""
        self.orders = orders
        self.demand_elasticity = elasticity
        self.delivered = min(orders, self.capacity)
        self.generation_output += self.delivered
        self.revenue = self.chip_price * self.delivered

    def invest(self, q: float) -> None:
        """Order capacity for the orders it sees coming, the more the dearer its shares (Tobin's q); pay out profit."""
        p = self.model.p
        moving = min(len(self.expansion) / p.capacity_lead, 1.0)
        moved = [stage * moving for stage in self.expansion]
        entering = [0.0, *moved[:-1]]
        self.expansion = [a - b + c for a, b, c in zip(self.expansion, moved, entering, strict=True)]
        self.capacity = self.capacity * (1 - p.capacity_depreciation) + moved[-1]
        ambition = p.capacity_ambition * q**p.investment_response
        wanted = ambition * self.orders * math.exp(p.capacity_growth_plan) - self.capacity - sum(self.expansion)
        ceiling = p.capacity_build_limit * self.capacity
        affordable = max(self.cash, 0.0) / max(p.capacity_cost * self.unit_cost, 1e-9)
        started = clip(wanted, 0.0, min(ceiling, affordable))
        self.expansion[0] += started
        outlay = p.capacity_cost * self.unit_cost * started
        overhead = p.vendor_overhead * self.revenue
        self.profit = (self.chip_price - self.unit_cost) * self.delivered - outlay - overhead
        self.cash += self.profit - p.payout_ratio * max(self.profit, 0.0)
