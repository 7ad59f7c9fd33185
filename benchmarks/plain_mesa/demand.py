"""Machines: the power they draw, and how many are wanted in a jurisdiction at a rent."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import LAST_GENERATION, clip

CHOKE = 16.0  # price of work, relative to the start, at which no other work is done
HOURS = 730.0  # in a month


def kilowatts(p: Any) -> list[float]:
    """Power of a machine with its share of cooling and site, per H100e, by generation."""
    return [p.machine_power * math.exp(-p.power_saving * (g - 1)) for g in range(LAST_GENERATION + 1)]


class Demand(NamedTuple):
    """Training spends a budget, tokens need what they need, and other work falls with the price of work."""

    training: float  # $ M a month
    serving: float  # H100e
    pull: float  # H100e wanted for other work at the starting price of work
    efficiency: float  # nats
    start: float  # $ M per H100e month
    elasticity: float

    def work(self, rent: float) -> float:
        """Machines for other work, H100e."""
        price = rent / self.start / math.exp(self.efficiency)
        return self.pull * price**-self.elasticity * math.exp(-self.efficiency) if price < CHOKE else 0.0

    def wanted(self, rent: float) -> float:
        """Machines wanted at a rent, H100e."""
        return self.training / rent + self.serving + self.work(rent)


def demand_in(model: Any, region: int) -> Demand:
    """The demand of a jurisdiction at which the rent cleared last."""
    p, compute = model.p, model.compute
    size = compute.training[region], compute.serving[region], compute.pull[region]
    return Demand(*size, compute.efficiency, p.rental_price_start, p.chip_demand_elasticity)


def lead_months(vendor: Any) -> float:
    """Months from order to delivery."""
    return clip(vendor.backlog / max(vendor.capacity, 1e-9), 1.0, 24.0)


def scarcity(model: Any, region: int) -> float:
    """How far the rent exceeds the mean of the world's running machines, nats."""
    rents, running = model.compute.rental_price, model.compute.running
    mean = sum(rent * number for rent, number in zip(rents, running, strict=True)) / sum(running)
    return max(math.log(rents[region] / mean), 0.0)
