"""Layers: listed firms other than vendors and labs."""

from __future__ import annotations

from typing import Any

import mesa


class Layer(mesa.Agent):
    """Power sells energy to machines, platforms rent machines out, applications build on tokens."""

    active: bool
    layer: int
    revenue: float  # $ M a month
    other_income: float
    profit: float
    cash: float  # $ M

    def __init__(self, model: Any, **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)

    def close_books(self, income: float, costs: float, investment: float) -> float:
        """Update profit and cash of the month; returns the payout."""
        self.revenue = income
        self.profit = income + self.other_income - costs
        payout = self.model.p.payout_ratio * max(self.profit, 0.0)
        self.cash += self.profit - payout - investment
        return payout
