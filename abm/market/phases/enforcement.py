"""4. Enforcement: what teachers do against students, detection, loss of access, litigation."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from abm.market.phases.common import NEAR, is_open_lab
from abm.market.phases.research import effort_against_students, effort_seen, owed_to_teachers, worth_of_lead
from abm.market.state import Accounts, Market, Now
from abm.mechanisms import enforcement


class Threat(NamedTuple):
    """What each lab sees of every account (L labs x L accounts)."""

    student: Bool[Array, "L L"]  # whether it is a lab's that can learn here
    loss: Float[Array, "L L"]  # $ M per M exchanges that hide nothing: what they cost
    paid: Float[Array, "L L"]  # $ M per M exchanges: what they bring
    exchanges: Float[Array, "L L"]  # M per month
    alarm: Float[Array, "L L"]  # vigilance that events add


class Case(NamedTuple):
    """What happens to each lab as a student this month."""

    detected: Bool[Array, "L L"]  # by each teacher
    lost: Bool[Array, " L"]  # whether the court sides with the owner, if a case is due
    owed: Float[Array, " L"]  # share of its flagship's capability owed to teachers
    effort: Float[Array, "L L"]  # with which each teacher watches it, as far as it sees


def enforce(market: Market, now: Now) -> Market:
    """Teachers limit accounts; some students are detected and sued; courts decide what is due, and everybody sees how."""
    p, regulators = now.p, market.regulators
    market = market.replace(labs=market.labs.do("defend", p, threat=threat_of(market, now)))
    labs = market.labs
    probability = enforcement.detection_probability(labs.exchanges, effort_against_students(market, now), p)
    detected = now.draws.uniform("detection", labs, (labs.size,)) < probability * labs.active[:, None]
    luck = now.draws.normal("ruling", regulators)
    won = enforcement.ruling(regulators.ip_strength, regulators.ip_clarity, luck, p)
    lost = now.draws.uniform("court", labs) < won[labs.home]
    due = labs.active & (labs.case_left == 1)
    case = Case(detected, lost, owed_to_teachers(labs), effort_seen(market, now))
    labs = labs.do("answer_case", p, case=case)
    accounts = observe_rulings(market.accounts, won, now).replace(
        incidents=(due & lost) * 1.0,
        detections=detected.sum() * 1.0,
        suits_lost=(due & lost).sum() * 1.0,
    )
    return market.replace(labs=labs, accounts=accounts)


def threat_of(market: Market, now: Now) -> Threat:
    """What a lab fears of the accounts of labs behind it: to lose what a lead is worth, to the nearest of them first.

    What it would lose, by the gap in nats that an account's lab still has to close, and by how much nearer such labs came, from
    release to release, per exchange with it.
    """
    p, labs = now.p, market.labs
    gap = labs.capability[:, :1] - labs.capability[:, 0]
    guards = labs.active & ~is_open_lab(labs)  # open weights need no exchanges
    student = guards[:, None] & labs.active & (gap > 0) & market.networks.access[0].T
    near = jnp.where(student, jnp.exp(-gap / NEAR), 0.0)
    first = near / jnp.maximum(near.sum(-1, keepdims=True), 1e-30)
    taught = labs.leak[:, 0] / jnp.maximum(labs.leak[:, 1], 1e-6)
    paid = (labs.price[:, 0] - labs.token_cost[:, 0]) * p.tokens_per_exchange  # $ M per M exchanges
    ahead, matched = worth_of_lead(market, now)
    worth = jnp.maximum(labs.gross_profit, 0.0) * jnp.maximum(ahead - matched, 0.0)
    return Threat(
        student=student,
        loss=(worth * taught)[:, None] * first / jnp.maximum(gap, NEAR),
        paid=jnp.broadcast_to(paid[:, None], gap.shape),
        exchanges=labs.exchanges.T,
        alarm=now.events.vigilance[:, None] * jnp.ones_like(gap),
    )


def observe_rulings(accounts: Accounts, won: Float[Array, " R"], now: Now) -> Accounts:
    """Forecast of the next ruling in every jurisdiction, and how far rulings were from it: slow means of those of the past.

    Courts rule on claims of this kind in every month, and everybody reads what share of them owners won.
    """
    forecast, variance = accounts.rulings[:, 0], accounts.rulings[:, 1]
    error, pace = won - forecast, now.p.ruling_learning
    return accounts.replace(
        rulings=jnp.stack([forecast + pace * error, variance + pace * (error**2 - variance)], axis=-1)
    )
