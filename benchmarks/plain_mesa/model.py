"""The market as a Mesa model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mesa
import numpy as np

from benchmarks.plain_mesa.accounts import close_books
from benchmarks.plain_mesa.adopter import Adopter
from benchmarks.plain_mesa.constants import OFFERS, SHOCK_MONTH
from benchmarks.plain_mesa.demand import kilowatts
from benchmarks.plain_mesa.draws import Draws, FreshDraws
from benchmarks.plain_mesa.equities import trade_equities
from benchmarks.plain_mesa.headlines import HEADLINES
from benchmarks.plain_mesa.investor import Investor
from benchmarks.plain_mesa.layer import Layer
from benchmarks.plain_mesa.machines import trade_machines
from benchmarks.plain_mesa.owner import Operator
from benchmarks.plain_mesa.policy import adjust_policy
from benchmarks.plain_mesa.programme import Programme
from benchmarks.plain_mesa.regulator import Regulator
from benchmarks.plain_mesa.rent import clear_rent
from benchmarks.plain_mesa.research import do_research, enforce, release_models
from benchmarks.plain_mesa.seller import ClosedLab, OpenLab
from benchmarks.plain_mesa.start import fresh, start_of
from benchmarks.plain_mesa.tokens import add_up_sales, trade_tokens
from benchmarks.plain_mesa.vendor import Vendor

ASSETS = ("log_price", "base", "target_base", "shares", "position", "momentum", "variance")
"""Fields of the exchange that are arrays over assets; the others are numbers and lists."""

USUAL = ("posted", True)
"""Pricing and short sales: the equations implemented here."""


class PlainMarket(mesa.Model):
    """Simulates `months` months from a start.

    Parameters
    ----------
    start
        What `start.start_of` gives, or the path of the file that `start.write` wrote.
    months
        How many are played; default: as many as the timeline has.
    rng
        Seed, as Mesa takes it.
    draws
        Where decisions get their numbers; default: Mesa's generator of this model.
    """

    def __init__(
        self,
        start: dict[str, Any] | str | Path,
        months: int | None = None,
        rng: Any = None,
        draws: Draws | None = None,
    ) -> None:
        super().__init__(rng=rng)
        given = fresh(start)
        self.p = SimpleNamespace(**given.p)
        if self.p.short_sale_constraint > 0.5:
            raise ValueError("short_sale_constraint: the plain model allows short sales only")
        self.timeline, self.month = given.timeline, given.month
        length = len(self.timeline["capex_news"])
        self.until = length if months is None else self.month + months
        if not self.month < self.until <= length:
            raise ValueError(f"months = {months}: the timeline goes from month {self.month} to {length - 1}")
        self.draws: Draws = draws or FreshDraws(self.rng)

        self.compute, self.exchange = SimpleNamespace(**given.compute), SimpleNamespace(**given.exchange)
        self.access = given.access  # whether a lab may distil, and build on the weights of, each other lab
        self.accounts, self.flows = SimpleNamespace(**given.accounts), SimpleNamespace(**given.flows)
        self.compute.kilowatts = kilowatts(self.p)
        for name in ASSETS:
            setattr(self.exchange, name, np.array(getattr(self.exchange, name)))
        if given.open != sorted(given.open):
            raise ValueError("labs: closed ones must come before open ones")
        if not all(row["active"] for row in [*given.vendors, *given.adopters, *given.investors, *given.operators]):
            raise ValueError("start: only labs may be inactive")
        self.regulators = [Regulator(self, **row) for row in given.regulators]
        self.vendors = [Vendor(self, **row) for row in given.vendors]
        kinds = [OpenLab if is_open else ClosedLab for is_open in given.open]
        self.labs = [kind(self, i, **row) for i, (kind, row) in enumerate(zip(kinds, given.labs, strict=True))]
        self.operators = [Operator(self, **row) for row in given.operators]
        self.programmes = [Programme(self, **row) for row in given.programmes]
        self.owners = [*self.operators, *self.programmes, *self.labs]
        self.layers = [Layer(self, **row) for row in given.layers]
        self.adopters = [Adopter(self, **row) for row in given.adopters]
        self.investors = [Investor(self, **row) for row in given.investors]
        for adopter, numbers in zip(self.adopters, given.peers, strict=True):
            adopter.peers = [self.adopters[i] for i in numbers]
        for investor, numbers in zip(self.investors, given.information, strict=True):
            investor.neighbours = [self.investors[i] for i in numbers]
        add_up_sales(self)
        self.datacollector = mesa.DataCollector(model_reporters=HEADLINES)

    @classmethod
    def from_market(
        cls, market: Any, values: Any, timeline: dict[str, Any], equations: Any = None, **options: Any
    ) -> PlainMarket:
        """Create from a compiled model's market, parameter values by name, timeline (months first) and equations."""
        if equations is not None and tuple(equations) != USUAL:
            raise ValueError(f"{equations}: the plain model has posted prices and short sales only")
        return cls(start_of(market, values, timeline), **options)

    def step(self) -> None:
        """Simulate one month."""
        self.events = SimpleNamespace(**{name: rows[self.month] for name, rows in self.timeline.items()})
        adjust_policy(self)
        trade_machines(self)
        do_research(self)
        enforce(self)
        release_models(self)
        trade_tokens(self)
        clear_rent(self)
        close_books(self)
        self.exchange.daily_returns = trade_equities(self)
        if self.month < SHOCK_MONTH:
            self.fix_basket()
        self.datacollector.collect(self)
        self.month += 1
        self.running = self.month < self.until

    def fix_basket(self) -> None:
        """Spending of each segment on closed models: weights of the fixed basket."""
        closed = np.array([not lab.is_open for lab in self.labs]).repeat(len(OFFERS))
        self.accounts.basket = [1e-6 * float(adopter.spent[closed].sum()) for adopter in self.adopters]

    def held(self, region: int) -> list[float]:
        """Machines in places of a jurisdiction by generation, H100e."""
        owners = [owner for owner in self.owners if owner.home == region]
        return [sum(numbers) for numbers in zip(*[owner.machines for owner in owners], strict=True)]

    def megawatts(self, machines: list[float]) -> float:
        """Power of machines by generation."""
        return 0.001 * sum(number * kw for number, kw in zip(machines, self.compute.kilowatts, strict=True))

    def frontier(self) -> float:
        """Best capability on sale, nats."""
        return max(max(lab.capability) for lab in self.labs if lab.active)
