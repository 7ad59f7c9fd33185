"""5. Release: new models with disclosed and true cost, and the news that they make."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from abm.agents import OpenLab
from abm.engine import Group
from abm.market.phases.common import frontier, is_open_lab, open_frontier, scarcity_of
from abm.market.phases.research import claims_on
from abm.market.state import Market, Now, Values
from abm.mechanisms import disclosure, enforcement
from abm.support.axes import TIERS
from abm.support.shapes import AnyArray, Scalar


class Releases(NamedTuple):
    """The month's flagships, as users find how well they suit them (L,)."""

    out: Bool[Array, " L"]  # released this month
    own: Bool[Array, " L"]  # from a run of its own
    source: Int[Array, " L"]  # lab to which it owes capability, -1: none
    owed: Float[Array, " L"]  # share of it


class ReleaseNews(NamedTuple):
    """Inputs of a lab's release rule (L,) or (L, T)."""

    forced: Bool[Array, " L"]  # whether the scenario forces a release this month
    capability: Float[Array, " L"]  # nats, capability of a forced release
    size_step: Float[AnyArray, " L"]  # ln parameters
    parent_size: Float[Array, " L"]  # ln parameters of the open model that it copied
    parent_cost: Float[Array, " L"]  # $ M, of the run that this model rests on
    parent_lineage: Float[Array, "L L"]  # share of that model's capability owed to the weights of each lab
    itself: Float[Array, "L L"]  # 1 at its own place
    luck: Float[Array, "L T"]  # uniform draw per tier
    claimed_cost: Float[AnyArray, " L"]  # $ M, 0: none given by the scenario
    report_ratio: Float[Array, " L"]  # disclosed over true marginal cost
    serving_efficiency: Float[Array, " L"]  # nats


def release_models(market: Market, now: Now) -> Market:
    """Labs release models that improve by their threshold; record how far each surprises in the open-closed race."""
    p, labs, events = now.p, market.labs, now.events
    is_open = is_open_lab(labs)
    top, top_open = frontier(market), open_frontier(market)
    beta = disclosure.price_response(p.claim_value_sd, p.claim_motive_sd, p.claim_bias_cost)
    bias = beta * p.claim_motive_sd * jnp.abs(now.draws.normal("disclosure motive", labs)) / p.claim_bias_cost
    news = ReleaseNews(
        forced=(events.release > 0.5) & labs.active,
        capability=jnp.where(events.release_gap > -1e5, top + events.release_gap, labs.ask("candidate", p)),
        size_step=events.size_step,
        parent_size=labs.model_size[labs.copied_from, 0],
        parent_cost=labs.base_cost[labs.copied_from],
        parent_lineage=labs.lineage[labs.copied_from],
        itself=jnp.eye(labs.size),
        luck=now.draws.uniform("release", labs, (TIERS,)),
        claimed_cost=events.release_claimed_cost,
        report_ratio=jnp.exp(-bias),
        serving_efficiency=market.accounts.serving_efficiency - p.scarcity_diversion * scarcity_of(market)[labs.home],
    )
    before, used = labs.capability[:, 0], labs.exchanges_used  # student x teacher
    labs = labs.do("release", p, news=news)
    programme = jnp.where(events.release_programme_cost > 0, events.release_programme_cost, labs.true_cost)
    labs = labs.replace(true_cost=jnp.where(labs.released[:, 0], programme, labs.true_cost))
    labs = labs.replace(leak=(1 - p.lead_forgetting) * labs.leak + what_exchanges_taught(labs, before, used))
    market = market.replace(labs=licence_models(labs, top, p))
    labs = market.labs.replace(royalty=enforcement.royalty(claims_on(market), market.accounts.rulings[labs.home, 0]))

    # A closed release widens the lead and an open one narrows it; only the part beyond what was expected is a surprise.
    flagship = labs.capability[:, 0]
    expected = jnp.where(is_open, jnp.maximum(top_open, top - p.expected_open_gap), top)
    surprise = jnp.maximum(flagship - expected, 0.0) * jnp.where(is_open, -1.0, 1.0)
    release_surprise = jnp.where(labs.released[:, 0] & labs.active, surprise, 0.0)
    history = jnp.concatenate([flagship[None, :], market.accounts.capability_history[:-1]])
    closed = jnp.max(jnp.where(labs.active & ~is_open, flagship, -jnp.inf))
    closed_path = jnp.concatenate([closed[None], market.accounts.closed_path[:-1]])
    accounts = market.accounts.replace(
        release_surprise=release_surprise,
        capability_history=history,
        closed_path=closed_path,
    )
    out = labs.released[:, 0] & labs.active
    releases = Releases(out, out & labs.from_own_run, labs.source, labs.distilled_share)
    luck = now.draws.normal("fit", market.adopters, (labs.size,))
    adopters = market.adopters.do("try_releases", p, releases, luck=luck)
    return market.replace(labs=labs, adopters=adopters, accounts=accounts)


def what_exchanges_taught(
    labs: Group, before: Float[Array, " L"], used: Float[AnyArray, "L L"]
) -> Float[Array, "L pair"]:
    """What each teacher sees in the month: by how many nats releases of its students came nearer to it, and their exchanges.

    It cannot tell what they owe to others or to themselves. before : their flagships until now; used : student x teacher.
    """
    level = labs.capability[:, 0]
    nearer = jnp.maximum(jnp.minimum(level[:, None], level) - jnp.minimum(before[:, None], level), 0.0)
    shown = (labs.released[:, 0] & labs.active)[:, None] & (used > 0)
    return jnp.stack([(nearer * shown).sum(0), (used * shown).sum(0)], axis=-1)


def licence_models(labs: Group, top: Scalar, p: Values) -> Group:
    """Open labs choose how freely their weights may be used."""
    frontier_seen = jnp.full(labs.size, top)
    parts = labs.split(frontier_seen)
    return Group(
        *(
            population.do("choose_licence", p, frontier=seen) if issubclass(population.kind, OpenLab) else population
            for population, seen in zip(labs.populations, parts, strict=True)
        )
    )
