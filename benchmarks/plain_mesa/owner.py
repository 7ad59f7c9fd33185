"""Owners of places and machines: operators, programmes and labs."""

from __future__ import annotations

from typing import Any

import mesa

from benchmarks.plain_mesa.constants import clip, erlang_stages


class Owner(mesa.Agent):
    """Builds powered places, orders chips for them, and runs no machine without one."""

    own_power = 0.0  # share of its places with power of their own

    active: bool
    home: int
    machines: list[float]  # H100e in places, by generation
    waiting: list[float]  # H100e without a place, by generation
    places: float  # MW
    building: list[float]  # MW, by stage
    backlog: list[float]  # H100e on order, by vendor
    designs: bool  # buys the chips that platforms design
    bought: list[float]  # $ M a month, by vendor
    construction: float  # $ M a month

    def __init__(self, model: Any, **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)

    @property
    def law(self) -> Any:
        """The regulator at home."""
        return self.model.regulators[self.home]

    def outlay(self) -> float:
        """Spending on chips and places this month, $ M."""
        return sum(self.bought) + self.construction

    def build(self, starts: float, wait: float) -> None:
        """Begin places, and move those under way towards their power; `wait` is in months, for places on the grid."""
        p = self.model.p
        if self.active:
            lag = self.own_power * p.own_site_time + (1 - self.own_power) * wait
            opened, self.building = erlang_stages(self.building, starts, lag)
            self.places += opened
            self.construction = p.place_cost * starts

    def lose_orders(self, kept: list[float]) -> None:
        """Orders that a stricter export rule no longer lets through are cancelled; `kept` by vendor."""
        if self.active:
            self.backlog = [chips * part for chips, part in zip(self.backlog, kept, strict=True)]

    def on_order(self, left: list[float]) -> float:
        """Machines that are on order or wait, H100e that work under the export rules."""
        return sum(chips * part for chips, part in zip(self.backlog, left, strict=True)) + sum(self.waiting)

    def lacking(self, left: list[float], wait: float, kw: float) -> float:
        """Machines to order for places that open within a quarter, and to replace what wears out, H100e."""
        soon = self.places + self.building[-1] * (1 - (1 - min(3 / wait, 1.0)) ** 3)
        room = max(soon - self.model.megawatts(self.machines), 0.0) / (0.001 * kw)
        return max(room + self.model.p.machine_wear * sum(self.machines) - self.on_order(left), 0.0)

    def deploy(self, orders: list[float], filled: list[float], offer: Any) -> None:
        """Take delivery, and put machines into free places, the newest generation first; all machines wear out."""
        model, kept = self.model, 1 - self.model.p.machine_wear
        if not self.active:
            return
        queue = [number * kept for number in self.waiting]
        for v, vendor in enumerate(model.vendors):
            due = self.backlog[v] + orders[v]
            arrived = due * filled[v]
            self.backlog[v] = due - arrived
            self.bought[v] = arrived * offer.asked[v]
            queue[vendor.generation] += arrived * offer.left[v]
        machines = [number * kept for number in self.machines]
        space = max(self.places - self.model.megawatts(machines), 0.0)
        for g in reversed(range(len(queue))):
            kw = 0.001 * model.compute.kilowatts[g]
            taken = clip(space, 0.0, queue[g] * kw)
            space -= queue[g] * kw
            machines[g] += taken / kw
            queue[g] = max(queue[g] - taken / kw, 0.0)
        self.machines, self.waiting = machines, queue


class Operator(Owner):
    """A cloud: rents its machines out at the market's rent."""

    order_share: float  # of what operators of its jurisdiction order
