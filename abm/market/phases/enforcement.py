"""4. Enforcement: what teachers do against students, detection, loss of access, litigation."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from abm.market.phases.common import NEAR, is_open_lab
from abm.market.phases.research import effort_against_students, lead_duration
from abm.market.state import Accounts, Market, Now
from abm.mechanisms import enforcement


class Threat(NamedTuple):
    """What each lab sees of every account (L labs x L accounts)."""

    student: Bool[Array, "L L"]  # whether it is a lab's that can learn here
    loss: Float[Array, "L L"]  # $ M per M exchanges: what they cost, less what they pay
    exchanges: Float[Array, "L L"]  # M per month
    alarm: Float[Array, "L L"]  # vigilance that events add


class Case(NamedTuple):
    """What happens to each lab as a student this month."""

    detected: Bool[Array, "L L"]  # by each teacher
    lost: Bool[Array, " L"]  # whether the court sides with the owner, if a case is due
    owed: Float[Array, " L"]  # share of its flagship's capability owed to teachers


def enforce(market: Market, now: Now) -> Market:
    """Teachers limit accounts; some students are detected and sued; courts decide what is due, and everybody sees how."""
    p, regulators = now.p, market.regulators
    market = market.replace(labs=market.labs.do("defend", p, threat=threat_of(market, now)))
    labs = market.labs
    probability = enforcement.detection_probability(labs.exchanges, effort_against_students(market, now), p)
    detected = now.draws.uniform("detection", labs, (labs.size,)) < probability * labs.active[:, None]
    chance = enforcement.ruling(
        regulators.ip_strength, regulators.ip_clarity, now.draws.normal("ruling", regulators), p
    )
    lost = now.draws.uniform("court", labs) < chance[labs.home]
    due = labs.active & (labs.case_left == 1)
    taught = (labs.source >= 0) & ~is_open_lab(labs)[labs.source]  # open weights are forked, under a licence
    owed = jnp.where(taught, labs.distilled_share, 0.0)
    labs = labs.do("answer_case", p, case=Case(detected, lost, owed))
    accounts = observe_rulings(market.accounts, chance, now).replace(
        incidents=(due & lost) * 1.0,
        detections=detected.sum() * 1.0,
        suits_lost=(due & lost).sum() * 1.0,
    )
    return market.replace(labs=labs, accounts=accounts)


def threat_of(market: Market, now: Now) -> Threat:
    """What a lab fears of the accounts of labs behind it: to be matched costs what it cost before, and the nearest comes first.

    What it would lose, by the gap in nats that an account's lab still has to close and what exchanges have taught so far.
    """
    p, labs = now.p, market.labs
    gap = labs.capability[:, :1] - labs.capability[:, 0]
    guards = labs.active & ~is_open_lab(labs)  # open weights need no exchanges
    student = guards[:, None] & labs.active & (gap > 0) & market.networks.access[0].T
    near = jnp.where(student, jnp.exp(-gap / NEAR), 0.0)
    first = near / jnp.maximum(near.sum(-1, keepdims=True), 1e-30)
    nats, exchanges = market.accounts.leak
    paid = (labs.price[:, 0] - labs.token_cost[:, 0]) * p.tokens_per_exchange  # $ M per M exchanges
    worth = labs.lost_share * jnp.maximum(labs.gross_profit, 0.0) * lead_duration(market, now)
    return Threat(
        student=student,
        loss=worth[:, None] * first / jnp.maximum(gap, NEAR) * nats / jnp.maximum(exchanges, 1e-6) - paid[:, None],
        exchanges=labs.exchanges.T,
        alarm=now.events.vigilance[:, None] * jnp.ones_like(gap),
    )


def observe_rulings(accounts: Accounts, chance: Float[Array, " R"], now: Now) -> Accounts:
    """Forecast of the next ruling in every jurisdiction, and how far rulings were from it: slow means of those of the past.

    Courts rule on some claim of this kind in every month, and everybody reads it.
    """
    forecast, variance = accounts.rulings[:, 0], accounts.rulings[:, 1]
    error, pace = chance - forecast, now.p.ruling_learning
    return accounts.replace(
        rulings=jnp.stack([forecast + pace * error, variance + pace * (error**2 - variance)], axis=-1)
    )
