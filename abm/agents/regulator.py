"""Regulators."""

import jax.numpy as jnp

from abm.engine import Agent, Field
from abm.support.axes import INSTRUMENTS


class Regulator(Agent):
    """Moves each instrument part of the way to a target set by its weights on safety, rivalry, consumers and lobbying."""

    stream = "regulator"
    home = Field(0, "", "home jurisdiction", dtype=int)
    ip_strength = Field(0.4, "", "probability that a suit over copied or distilled capability is won", symbol="S_r")
    ip_clarity = Field(0.5, "", "1 minus the spread of that probability", symbol="Cl_r")
    enforcement_effort = Field(0.2, "", "public effort at detection", symbol="E_r")
    compliance_fixed = Field(1.0, "$ M per month", "fixed cost of compliance of a lab", symbol="F_r")
    compliance_proportional = Field(0.02, "share of revenue", "proportional cost of compliance", symbol="c_r")
    permitting_lag = Field(8.0, "months", "delay before machines come on line", symbol="L_r")
    power_growth = Field(0.3, "per year", "growth of power available to compute", symbol="G_r")
    policy_uncertainty = Field(0.1, "", "standard deviation of announced against enacted policy", symbol="u_r")
    announced = Field(0.4, "", "IP strength as announced")
    weight_safety = Field(0.25, "", "weight on open capability beyond the risk threshold")
    weight_competitiveness = Field(0.25, "", "weight on the gap to the foreign frontier")
    weight_consumers = Field(0.25, "", "weight on the price paid for tokens")
    weight_lobbying = Field(0.25, "", "weight on the profits of closed labs")

    def adjust(self, p, base, pressure, noise):
        """Move every instrument by a damped step towards its scenario value, scaled by political pressure."""
        lobbying = self.weight_lobbying * pressure.closed_profit
        consumers = self.weight_consumers * pressure.price_level
        safety = self.weight_safety * pressure.open_risk
        rivalry = self.weight_competitiveness * pressure.foreign_lead
        factor = {
            "ip_strength": 1 + p.policy_response * (lobbying - consumers),
            "enforcement_effort": 1 + p.policy_response * (lobbying + safety),
            "compliance_fixed": 1 + p.policy_response * (safety - rivalry),
            "compliance_proportional": 1 + p.policy_response * (safety - rivalry),
            "permitting_lag": 1 - p.policy_response * rivalry,
            "power_growth": 1 + p.policy_response * rivalry,
        }
        for i, name in enumerate(INSTRUMENTS):
            target = base[i] * jnp.clip(factor.get(name, 1.0), 0.5, 1.5)
            target = jnp.minimum(target, 1.0) if name.startswith("ip_") else target
            now = getattr(self, name)
            setattr(self, name, now + p.policy_adjustment * (target - now))
        self.announced = jnp.clip(self.ip_strength + self.policy_uncertainty * noise, 0.0, 1.0)
