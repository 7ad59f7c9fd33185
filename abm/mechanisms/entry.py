"""Entry of open labs: forks of the best open weights, paid for by investors."""

import jax.numpy as jnp

from abm.support.shapes import Floats, Numbers
from abm.support.values import Values

SENTIMENT = 20.0
"""Response of entry to the average daily return of the share of the lab that is forked."""


def entry_chance(momentum: Numbers, compliance_cost: Numbers, p: Values) -> Floats:
    """Probability per month that a free slot is entered.

    chance = entry_rate / 12 * exp(clip(20 momentum, -1, 1)) * (1 + guarantee_share) * exp(-F insolvency_months / seed_funding *
    entry_cost_weight): more in a rising market, with public guarantees, and where fixed costs eat little of the seed funding.

    momentum : average daily log return of the lab that would be forked; compliance_cost : F, $ M per month, fixed, by slot.
    """
    climate = jnp.exp(jnp.clip(momentum * SENTIMENT, -1.0, 1.0))
    chance = p.entry_rate / 12 * climate * (1 + p.guarantee_share)
    return chance * jnp.exp(-compliance_cost * p.insolvency_months / p.seed_funding * p.entry_cost_weight)
