"""4. Enforcement: detection of distillation, loss of access, litigation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.market.state import Market, Now
from abm.mechanisms import enforcement
from abm.support.shapes import AnyArray


class Threat(NamedTuple):
    """Threat to a teacher (L,): possible loss ($ M per month), exchanges taken (M per month), alarm raised by events."""

    loss: Float[Array, " L"]
    exchanges: Float[Array, " L"]
    alarm: Float[AnyArray, " L"]


def enforce(market: Market, now: Now) -> Market:
    """Teachers set their vigilance; some students are detected, and some of these lose in court."""
    p, labs, regulators = now.p, market.labs, market.regulators
    taught = labs.teacher >= 0
    received = jax.nn.one_hot(labs.teacher, labs.size) * labs.exchanges[:, None]  # student x teacher; -1 gives zeros
    loss = p.imitation_loss * jnp.maximum(labs.marginal_value, 0.0)
    labs = labs.do("defend", p, threat=Threat(loss, received.sum(0), now.events.vigilance))

    effort = labs.vigilance[labs.teacher] + regulators.enforcement_effort[labs.home] + now.events.allegation
    probability = enforcement.detection_probability(labs.exchanges, effort, p)
    detected = taught & labs.active & (now.draws.uniform("detection", labs) < probability)
    chance = enforcement.win_probability(
        regulators.ip_strength[labs.home], regulators.ip_clarity[labs.home], now.draws.normal("ruling", labs), p
    )
    lost = detected & (now.draws.uniform("court", labs) < chance)
    labs = labs.do("answer_case", p, detected=detected, lost=lost)
    accounts = market.accounts.replace(
        incidents=lost * 1.0, detections=detected.sum() * 1.0, suits_lost=lost.sum() * 1.0
    )
    return market.replace(labs=labs, accounts=accounts)
