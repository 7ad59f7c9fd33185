"""Exit of labs without cash, and entry of forks, at the end of the accounts."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Shaped

from abm.agents.lab import HOSTING, NEVER
from abm.engine import Group
from abm.market.phases.common import is_open_lab
from abm.market.starting_values import value_of
from abm.market.state import Market, Now, Values, jurisdiction_sum
from abm.mechanisms import entry
from abm.support.shapes import AnyArray, Index, Numbers, Scalar

NOTHING_YET = {"taught_by": -1, "claimant": -1, "behind": False, "matched": -1.0, "rent_share": 0.0}
NOTHING_YET |= {"link_age": 0.0, "awards_seen": 0.0}
"""Links, cases and leads of an entrant, by column."""
HEARSAY = ("lead_months", "leads_ended", "rents_seen", "rents_lost", "leak", "caught_seen", "base_cost")
"""What an entrant knows of leads, leaks and detection, and what its weights cost: as the lab does whose weights it builds on."""


def enter_and_exit(market: Market, now: Now) -> Market:
    """Labs without cash for too long exit; funded forks of the best open weights enter free slots."""
    p, labs = now.p, market.labs
    is_open = is_open_lab(labs)
    leaves = labs.active & (labs.distressed >= p.insolvency_months)

    forkable = labs.active & is_open & (labs.licence > p.licence_needed)
    source = jnp.argmax(jnp.where(forkable, labs.capability[:, 0], -jnp.inf))
    momentum = market.exchange.momentum[market.vendors.size + source]
    chance = entry.entry_chance(momentum, market.regulators.compliance_fixed[labs.home], p)
    free = ~labs.active & is_open & forkable.any() & (labs.cash <= 0.0)
    free &= market.networks.access[1, :, source]
    enters = free & (now.draws.uniform("entry", labs) < chance) & (p.entry_rate > 0)

    def started(column: str, value: Numbers) -> Shaped[Array, "L ..."]:
        old = getattr(labs, column)
        mask = enters.reshape(enters.shape + (1,) * (old.ndim - 1))
        return jnp.where(mask, value, old)

    operators = take_over(market, leaves)
    forked = labs.capability[source] + jnp.log(p.copy_fidelity)
    adopters = try_forks(market, enters, source, p)
    labs = labs.replace(
        active=labs.active | enters,
        cash=started("cash", p.seed_funding),
        capability=started("capability", forked),
        model_size=started("model_size", labs.model_size[source]),
        serving_efficiency=started("serving_efficiency", market.accounts.serving_efficiency),
        price=started("price", labs.price[source]),
        token_cost=started("token_cost", labs.token_cost[source]),
        efficiency=started("efficiency", labs.efficiency[source] - 0.5),
        luck=started("luck", 0.0),
        copied=started("copied", forked[0]),
        untaught=started("untaught", forked[0]),
        distilled_share=started("distilled_share", 1.0),
        source=started("source", source),
        copied_from=started("copied_from", source),
        fork_age=started("fork_age", 0.0),
        hosted=started("hosted", NEVER),
        nash_markup=started("nash_markup", labs.nash_markup[source]),
        tier_slope=started("tier_slope", labs.tier_slope[source]),
        age=started("age", 0.0),
        monetisation=started("monetisation", HOSTING),
        licence=started("licence", 1.0),
        first_party_share=started("first_party_share", p.first_party_share),
        research_intensity=started("research_intensity", p.research_floor),
        run_compute=started("run_compute", 0.0),
        run_cost=started("run_cost", 0.0),
        programme_cost=started("programme_cost", 0.0),
        distilled=started("distilled", NEVER),
        own_best=started("own_best", NEVER),
        access_cut=started("access_cut", jnp.maximum(value_of("access_cut") - market.month - 1, 0.0)),
        exchanges_used=started("exchanges_used", 0.0),
        lineage=started("lineage", p.copy_fidelity * labs.lineage[source] + (1 - p.copy_fidelity) * jnp.eye(labs.size)),
        royalty=started("royalty", 0.0),
        **{name: started(name, value) for name, value in NOTHING_YET.items()},
        **{name: started(name, getattr(labs, name)[source]) for name in HEARSAY},
        case_left=started("case_left", 0.0),
        taught_sales=started("taught_sales", 0.0),
        legal_exposure=started("legal_exposure", 0.0),
        training=started("training", 0.0),
        training_bill=started("training_bill", 0.0),
        training_budget=started("training_budget", 0.0),
        profit=started("profit", 0.0),
        nat_value=started("nat_value", 0.0),
        distressed=started("distressed", 0.0),
    )
    labs, rescued = leave(labs, leaves)  # last, so that forks of a lab that leaves are not linked to its slot either
    flows = market.flows.replace(rescued=rescued, entry=(enters * p.seed_funding).sum())
    accounts = market.accounts.replace(entries=enters.sum() * 1.0, exits=leaves.sum() * 1.0)
    return market.replace(labs=labs, operators=operators, adopters=adopters, flows=flows, accounts=accounts)


def try_forks(market: Market, enters: Bool[AnyArray, " L"], source: Index, p: Values) -> Group:
    """Users find that the fork of an entrant suits them as its source does; nobody has a history with the entrant."""
    adopters = market.adopters
    fit = jnp.where(enters, adopters.fit[:, source][:, None], adopters.fit)
    trust = jnp.where(jnp.append(enters, False), p.trust_in_open, adopters.trust)
    return adopters.replace(fit=fit, own_fit=jnp.where(enters, fit, adopters.own_fit), trust=trust)


HOLDINGS = ("machines", "waiting", "places", "building", "backlog")
"""What owners have, by columns; operators take it over."""
BILLS = ("bought", "construction")
"""What owners spent this month, by columns. They are set by rules, which a lab that left no longer has."""


def take_over(market: Market, leaves: Bool[AnyArray, " L"]) -> Group:
    """Operators take over what labs in the mask (L,) own, by their share of orders in the jurisdiction."""
    labs, operators, size = market.labs, market.operators, market.regulators.size
    total = jurisdiction_sum(operators.order_share, operators.home, size)
    share = operators.order_share / jnp.maximum(total, 1e-9)[operators.home]
    where = jax.nn.one_hot(labs.home, size, dtype=share.dtype) * leaves[:, None]
    taken = {}
    for name in HOLDINGS:
        left = jnp.tensordot(where.T, getattr(labs, name), 1)[operators.home]
        mine = getattr(operators, name)
        taken[name] = mine + left * share.reshape(share.shape + (1,) * (mine.ndim - 1))
    return operators.replace(**taken)


LINKS = ("source", "copied_from", "taught_by", "claimant")
"""Other labs to which a lab is linked, by column; -1 for none."""


def leave(labs: Group, leaves: Bool[AnyArray, " L"]) -> tuple[Group, Scalar]:
    """Close the labs in the mask (L,); return the labs and the cost to the public and creditors, $ M.

    The public and creditors take over debts, which count as payments to the labs, net of cash that is written off.
    """
    debts = jnp.where(leaves, -jnp.minimum(labs.cash, 0.0), 0.0).sum()
    written_off = jnp.where(leaves, jnp.maximum(labs.cash, 0.0), 0.0).sum()
    gone = leaves[None, :]  # a later lab in the slot has no claims on those who learnt from this one
    labs = labs.replace(
        active=labs.active & ~leaves,
        lineage=jnp.where(gone, 0.0, labs.lineage),
        behind=labs.behind & ~gone,
        **{name: jnp.where(leaves[getattr(labs, name)], -1, getattr(labs, name)) for name in LINKS},
        cash=jnp.where(leaves, 0.0, labs.cash),
        exchanges=jnp.where(leaves[:, None], 0.0, labs.exchanges),  # a lab that left learns from no teacher
        **{
            name: jnp.where(
                leaves.reshape(leaves.shape + (1,) * (getattr(labs, name).ndim - 1)), 0.0, getattr(labs, name)
            )
            for name in (*HOLDINGS, *BILLS)
        },
    )
    return labs, debts - written_off


def close_labs(market: Market, leaves: Bool[AnyArray, " L"]) -> Market:
    """Close the labs in the mask (L,) at the end of a month and book their exit in the month's accounts."""
    labs, rescued = leave(market.labs, leaves & market.labs.active)
    exits = market.labs.active.sum() - labs.active.sum()
    return market.replace(
        labs=labs,
        operators=take_over(market, leaves & market.labs.active),
        flows=market.flows.replace(rescued=market.flows.rescued + rescued),
        accounts=market.accounts.replace(exits=market.accounts.exits + exits),
    )
