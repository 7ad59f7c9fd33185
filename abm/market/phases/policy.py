"""1. Policy: the scenario's events set targets, and regulators adjust their instruments."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.market.phases.common import NOTHING, is_open_lab, price_paid
from abm.market.state import Market, Now, jurisdiction_sum
from abm.support.axes import INSTRUMENTS


class Pressure(NamedTuple):
    """Political pressure on each regulator (R,): about 0 in ordinary times, about 1 when strong."""

    closed_profit: Float[Array, " R"]
    price_level: Float[Array, " R"]
    open_risk: Float[Array, " R"]
    foreign_lead: Float[Array, " R"]


def adjust_policy(market: Market, now: Now) -> Market:
    """Each regulator moves part of the way to the scenario's policy, shifted by lobbying, rivals, safety and users."""
    p, labs, regulators = now.p, market.labs, market.regulators
    base = jnp.stack([getattr(p, name) for name in INSTRUMENTS], axis=-1)
    base = base * now.events.policy_scale + now.events.policy_add
    jurisdictions = regulators.size
    is_open = is_open_lab(labs)
    flagship = jnp.where(labs.active, labs.capability[:, 0], -jnp.inf)
    here = jax.nn.one_hot(labs.home, jurisdictions, dtype=bool).T
    own = jnp.max(jnp.where(here, flagship, NOTHING), axis=1)
    foreign = jnp.max(jnp.where(here, NOTHING, flagship), axis=1)
    closed_profit = jurisdiction_sum(jnp.where(is_open | ~labs.active, 0.0, labs.profit), labs.home, jurisdictions)
    open_frontier = jnp.max(jnp.where(is_open & labs.active, flagship, NOTHING))
    price_level = jnp.log(price_paid(market, now)) - jnp.log(p.token_cost_start)
    pressure = Pressure(
        closed_profit=jnp.tanh(closed_profit / p.lobbying_scale),
        price_level=jnp.full(jurisdictions, jnp.tanh(price_level)),
        open_risk=jnp.full(jurisdictions, jnp.tanh(jnp.maximum(open_frontier - p.risk_threshold, 0.0))),
        foreign_lead=jnp.tanh(jnp.maximum(foreign - own, 0.0)),
    )
    noise = now.draws.normal("policy announcement", regulators)
    return market.replace(regulators=regulators.do("adjust", p, base=base, pressure=pressure, noise=noise))
