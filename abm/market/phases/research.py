"""3. Research: algorithmic progress, training, copying of open weights, distillation."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.agents.lab import NEVER
from abm.engine import Group
from abm.market.phases.common import is_open_lab, rent_of_tokens, scarcity_of
from abm.market.state import Market, Now, Values
from abm.mechanisms import enforcement, research


class Workplace(NamedTuple):
    """Conditions of a lab's work (L,): scarcity and price of compute, published knowledge."""

    scarcity: Float[Array, " L"]  # nats by which rent at home exceeds the world's
    published_efficiency: Float[Array, " L"]  # nats
    rent: Float[Array, " L"]  # $ M per H100e month, of machines that serve tokens
    serving_efficiency: Float[Array, " L"]  # nats, best inference stack


class Teaching(NamedTuple):
    """What each lab could learn from every other (L students x L labs), at which price; `duration` is of a lead, in months."""

    ceiling: Float[Array, "L L"]  # nats: ln rho + k_teacher(t - delay); far below where there is nothing to learn
    cost: Float[Array, "L L"]  # $ M per M exchanges: tokens and expected penalty
    quota: Float[Array, "L L"]  # M exchanges per month that the teacher lets through
    clear: Float[Array, "L L"]  # part of what an exchange can teach that hidden reasoning leaves
    weights: Float[Array, "L L"]  # nats of open weights that may be built on
    fee: Float[Array, "L L"]  # share of income that their owners would get
    duration: Float[Array, " L"]  # months of today's rent that a nat of lead is worth
    kept: Float[Array, " L"]  # chance that no court takes away what it learns now


def do_research(market: Market, now: Now) -> Market:
    """Every lab makes progress and trains its run; then it distils and copies what is within its reach."""
    p = now.p
    luck = now.draws.normal("research luck", market.labs)
    gain = now.events.efficiency_gain
    labs = market.labs.do("research", p, workplace=workplace_of(market, now), luck=luck, efficiency_gain=gain)
    teaching = teaching_of(market.replace(labs=labs), now)
    labs = labs.do("choose_exchanges", p, teaching=teaching).do("imitate", p, teaching=teaching)
    return market.replace(labs=labs)


def workplace_of(market: Market, now: Now) -> Workplace:
    """Conditions of every lab's work this month."""
    labs = market.labs
    lag = jnp.where(is_open_lab(labs), 0.0, now.p.publication_gap)
    published = jnp.max(jnp.where(labs.active, labs.efficiency - lag, -jnp.inf))
    ones = jnp.ones(labs.size)
    return Workplace(
        scarcity=scarcity_of(market)[labs.home],
        published_efficiency=published * ones,
        rent=rent_of_tokens(market),
        serving_efficiency=market.accounts.serving_efficiency * ones,
    )


def teaching_of(market: Market, now: Now) -> Teaching:
    """For every lab: teachers with price, risk, quota and hidden reasoning, and weights with the fees of their owners."""
    p, labs = now.p, market.labs
    is_open, others = is_open_lab(labs), ~jnp.eye(labs.size, dtype=bool)
    delay = jnp.asarray(p.access_delay - 1).astype(int)
    may_distil, may_build = market.networks.access  # student x teacher
    teaches = labs.active & ~is_open & others & labs.active[:, None] & may_distil
    best = market.accounts.capability_history[delay]
    effort = effort_seen(market, now)
    chance = market.accounts.rulings[labs.home, 0]
    duration = worth_of_lead(market, now)[0]
    # What a lost case would cost: damages on what is sold meanwhile as far as it is owed, and what an injunction takes away.
    taught = jnp.maximum(labs.distilled - jnp.maximum(labs.untaught, labs.copied), 0.0)
    owed = 1 - jnp.exp(-taught)
    stake = p.damages_multiple * (labs.taught_sales + p.court_time * owed * labs.revenue)
    stake = stake + jnp.maximum(labs.nat_value, 0.0) * duration * taught
    sued = labs.case_left > 0  # one case at a time
    hazard = labs.caught_seen[:, 0] / jnp.maximum(labs.caught_seen[:, 1], 1e-9)
    penalty = effort * (hazard * chance * jnp.where(sued, 0.0, stake))[:, None]
    forkable = labs.active & is_open & (labs.licence > p.licence_needed) & others & may_build
    return Teaching(
        ceiling=jnp.where(teaches, jnp.log(p.distillation_ceiling) + best, NEVER),
        cost=labs.price[:, 0] * p.tokens_per_exchange + penalty,
        quota=enforcement.quota(labs.vigilance, p).T,
        clear=jnp.exp(-labs.hidden).T,
        weights=jnp.where(forkable, labs.capability[:, 0], NEVER),
        fee=fees_of_parents(market, p),
        duration=duration,
        kept=1 - jnp.where(sued, chance, 0.0),
    )


def effort_against_students(market: Market, now: Now) -> Float[Array, "L L"]:
    """Effort with which each student is watched by each teacher: the teacher's, the public's, and what allegations add."""
    labs, regulators = market.labs, market.regulators
    public = regulators.enforcement_effort[labs.home] + now.events.allegation
    return labs.vigilance.T + public[:, None]


def effort_seen(market: Market, now: Now) -> Float[Array, "L L"]:
    """The same as students see it: a teacher's vigilance shows in the quota that it leaves them."""
    quota = enforcement.quota(market.labs.vigilance, now.p).T
    teachers = jnp.log(jnp.maximum(now.p.exchange_limit, 1e-30) / jnp.maximum(quota, 1e-30))
    public = market.regulators.enforcement_effort[market.labs.home] + now.events.allegation
    return teachers + public[:, None]


def owed_to_teachers(labs: Group) -> Float[Array, " L"]:
    """Share of each flagship's capability owed to closed labs; open weights are forked, under a licence."""
    taught = (labs.source >= 0) & ~is_open_lab(labs)[labs.source]
    return jnp.where(taught, labs.distilled_share, 0.0)


def reserved(market: Market) -> Float[Array, " L"]:
    """How far each lab's licence reserves the rights to its weights: nothing for a free one, or if the owner is gone."""
    labs = market.labs
    return jnp.where(is_open_lab(labs) & labs.active, jnp.maximum(1 - labs.licence, 0.0), 0.0)


def claims_on(market: Market) -> Float[Array, "L L"]:
    """Share of each lab's flagship that every other lab has a claim to, as an owner of weights that it descends from."""
    labs = market.labs
    return labs.lineage * reserved(market) * ~jnp.eye(labs.size, dtype=bool)


def fees_of_parents(market: Market, p: Values) -> Float[Array, "L L"]:
    """Royalty that each lab would pay on a model built on every other lab's weights (L, L), by the rulings seen so far."""
    labs = market.labs
    claims = labs.lineage * reserved(market)  # of the parent's owners, the parent among them
    own = claims[None, :, :] * ~jnp.eye(labs.size, dtype=bool)[:, None, :]  # what it owns itself is free
    return enforcement.royalty(own, market.accounts.rulings[labs.home, 0][:, None])


def worth_of_lead(market: Market, now: Now) -> tuple[Float[Array, " L"], Float[Array, " L"]]:
    """What a lead is worth to each lab, and a lead that has just been matched, in months of today's rent."""
    labs, growth = market.labs, market.accounts.market_growth
    lead = labs.lead_months / jnp.maximum(labs.leads_ended, 1e-6)
    ahead, matched = (labs.rents_lost / jnp.maximum(labs.rents_seen, 1e-12)).T
    return research.worth_of_lead(lead, ahead, matched, growth, now.p)
