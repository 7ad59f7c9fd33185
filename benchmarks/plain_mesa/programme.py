"""Announced programmes of investment."""

from __future__ import annotations

import math

from benchmarks.plain_mesa.owner import Owner


class Programme(Owner):
    """Raises money phase by phase from lenders who look at rents, and spends it on places and their machines."""

    amount: float  # $ M in all; 0 if the slot is free
    months: float
    phases: float
    own_power: float
    offtake: float  # share of its rent that customers have promised at cost
    luck: float  # of the lenders it finds
    since: float  # months since the announcement
    financed: float  # phases
    refused: float  # months in a row
    cancelled: bool
    purse: float  # $ M not committed
    raised: float  # $ M a month

    def announce(self, number: int, luck: float) -> None:
        """Take up what is announced this month for this slot, and find lenders."""
        events = self.model.events
        self.since += 1
        if events.programme_amount[number] > 0:
            self.since, self.luck = 0.0, luck
            for name in ("amount", "months", "phases", "own_power", "offtake"):
                setattr(self, name, getattr(events, f"programme_{name}")[number])

    def raise_money(self) -> None:
        """Ask for the next phase when it is due; lenders grant it if rents under contract, or promises, cover cost."""
        p, compute = self.model.p, self.model.compute
        waits = self.amount > 0 and not self.cancelled and self.financed < self.phases
        asks = waits and self.since * self.phases >= self.financed * self.months
        cover = compute.contract_price[self.home] / compute.user_cost[self.home]
        cover = self.offtake + (1 - self.offtake) * cover
        risk = (1 - self.offtake) * p.lenders_spread
        granted = asks and cover >= p.lenders_cover * math.exp(risk * self.luck)
        self.refused = self.refused + 1 if asks and not granted else 0.0
        self.cancelled = self.cancelled or self.refused >= p.programme_patience
        self.raised = self.amount / self.phases if granted else 0.0
        self.financed += granted
        self.purse += self.raised

    def wanted_places(self, unit: float) -> float:
        """Places that spend its purse over half a phase, MW; `unit` is $ M per MW, machines included."""
        return self.purse / max(self.months / self.phases / 2, 1.0) / unit
