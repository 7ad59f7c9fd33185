"""Regulators: policy instruments."""

from __future__ import annotations

import math
from typing import Any

import mesa

from benchmarks.plain_mesa.constants import INSTRUMENTS, NOTHING, clip


class Regulator(mesa.Agent):
    """Moves each instrument part of the way towards a target that safety, rivalry, consumers and lobbying shift."""

    active: bool
    home: int
    ip_strength: float
    ip_clarity: float
    enforcement_effort: float
    compliance_fixed: float  # $ M a month
    compliance_proportional: float
    permitting_lag: float  # months
    power_growth: float  # a year
    policy_uncertainty: float
    announced: float
    weight_safety: float
    weight_competitiveness: float
    weight_consumers: float
    weight_lobbying: float

    def __init__(self, model: Any, **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)

    def adjust(self, price_level: float, open_risk: float, noise: float) -> None:
        """Take a damped step of every instrument, then compute the announced strength of IP."""
        p, events = self.model.p, self.model.events
        lobbying = self.weight_lobbying * math.tanh(self.closed_profit() / p.lobbying_scale)
        consumers = self.weight_consumers * price_level
        safety = self.weight_safety * open_risk
        rivalry = self.weight_competitiveness * math.tanh(self.foreign_lead())
        respond = p.policy_response
        shift = {
            "ip_strength": 1 + respond * (lobbying - consumers),
            "enforcement_effort": 1 + respond * (lobbying + safety),
            "compliance_fixed": 1 + respond * (safety - rivalry),
            "compliance_proportional": 1 + respond * (safety - rivalry),
            "permitting_lag": 1 - respond * rivalry,
            "power_growth": 1 + respond * rivalry,
        }
        scale, add = events.policy_scale[self.home], events.policy_add[self.home]
        for i, name in enumerate(INSTRUMENTS):
            target = (getattr(p, name)[self.home] * scale[i] + add[i]) * clip(shift.get(name, 1.0), 0.5, 1.5)
            if name.startswith("ip_"):
                target = min(target, 1.0)
            now = getattr(self, name)
            setattr(self, name, now + p.policy_adjustment * (target - now))
        self.announced = clip(self.ip_strength + self.policy_uncertainty * noise, 0.0, 1.0)

    def closed_profit(self) -> float:
        """Profit of the closed labs at home, $ M."""
        labs = self.model.labs
        return sum(lab.profit for lab in labs if lab.active and not lab.is_open and lab.home == self.home)

    def foreign_lead(self) -> float:
        """Lead of the best flagship abroad over the best at home, nats."""
        own = foreign = NOTHING
        for lab in self.model.labs:
            if lab.active and lab.home == self.home:
                own = max(own, lab.capability[0])
            elif lab.active:
                foreign = max(foreign, lab.capability[0])
        return max(foreign - own, 0.0)
