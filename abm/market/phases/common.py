"""Quantities used by several phases: open labs, the frontier, products on sale, adoption, noise of share prices."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from abm.agents import OpenLab
from abm.agents.adopter import ENTERPRISE
from abm.agents.infrastructure import POWER
from abm.agents.lab import COMPLEMENT, SUBSCRIPTION
from abm.engine import Group
from abm.market.state import Market, Now, Values
from abm.mechanisms import trading, use
from abm.support.axes import OFFERS, SUBSCRIPTION_OFFER, TIERS
from abm.support.shapes import Scalar

NOTHING = -30.0
"""Capability (nats) of a market without products."""
NEAR = 0.5
"""Gap between flagships within which one counts as matched by the other, nats."""


class Products(NamedTuple):
    """All offers, one row per lab and offer (L x O), as users see them."""

    capability: Float[Array, "L T"]  # nats
    hosted: Float[Array, "L T"]  # nats, at certified hosts
    price: Float[Array, " q"]  # $ per M tokens; with a copy of it at cost, the index of both
    paid: Float[Array, " q"]  # $ per M tokens, mean over what is bought
    available: Bool[Array, " q"]
    closed_labs: int  # labs without weights for hosts, which come first; a constant


class Sales(NamedTuple):
    """What users bought this month, by lab and offer; what is `hosted` came from certified hosts. Faithful copies stand apart."""

    tokens: Float[Array, "L O"]  # M
    spent: Float[Array, "L O"]  # $ M
    hosted_tokens: Float[Array, "L O"]  # M
    hosted_spent: Float[Array, "L O"]  # $ M
    enterprises: Float[Array, "L O"]  # $ M spent by enterprises
    copies: Float[Array, "L O"]  # M tokens of faithful copies
    spent_on_copies: Float[Array, "L O"]  # $ M, which is what they cost
    free: Float[Array, " L"]  # M tokens of consumers who do not pay


def is_open_lab(labs: Group) -> Bool[Array, " L"]:
    """Mask of labs whose class releases weights."""
    return jnp.asarray(labs.is_kind(OpenLab))


def frontier(market: Market) -> Scalar:
    """Best capability on sale, nats."""
    return jnp.max(jnp.where(market.labs.active, market.labs.capability.max(-1), NOTHING))


def open_frontier(market: Market) -> Scalar:
    """Best open capability on sale, nats."""
    labs = market.labs
    return jnp.max(jnp.where(labs.active & is_open_lab(labs), labs.capability.max(-1), NOTHING))


HOSTS = 0
"""Jurisdiction in which hosts of open weights rent their machines: the largest market."""


def serving_home(labs: Group) -> Int[Array, " L"]:
    """Jurisdiction in which tokens are served: at home, and for open weights where hosts are."""
    return jnp.where(is_open_lab(labs), HOSTS, labs.home)


def rent_of_tokens(market: Market) -> Float[Array, " L"]:
    """Rent of the machines that serve each lab's tokens, under contracts of the past year, $ M per H100e month."""
    return market.compute.contract_paid[serving_home(market.labs)]


def scarcity_of(market: Market) -> Float[Array, " R"]:
    """How far the rent in a jurisdiction exceeds the mean of the world's running machines, nats."""
    rent, machines = market.compute.rental_price, market.compute.running
    return jnp.maximum(jnp.log(rent) - jnp.log((rent * machines).sum() / machines.sum()), 0.0)


def per_offer(values: Shaped[Array, " L"]) -> Shaped[Array, " q"]:
    """Values of labs, repeated for each of their offers."""
    return jnp.repeat(values, OFFERS)


def by_offer(rows: Shaped[Array, "J q"], labs: Group) -> Shaped[Array, "J L O"]:
    """Columns of all offers, by lab and offer."""
    return rows.reshape(rows.shape[0], labs.size, OFFERS)


def subscribes(labs: Group) -> Bool[Array, " L"]:
    """Labs that offer consumers a subscription."""
    return ~is_open_lab(labs) & ((labs.monetisation == SUBSCRIPTION) | (labs.monetisation == COMPLEMENT))


def sold_beside_copies(labs: Group, p: Values) -> tuple[Float[Array, "L O"], Float[Array, "L O"], Float[Array, "L O"]]:
    """Prices of offers in choice and per token, and the share of each that does not go to a copy of it (`use.beside_copy`)."""
    copied = (~is_open_lab(labs) & (p.perfect_copies > 0))[:, None]
    price, paid, share = use.beside_copy(labs.price, labs.token_cost, p)
    return jnp.where(copied, price, labs.price), jnp.where(copied, paid, labs.price), jnp.where(copied, share, 1.0)


def share_of_copies(labs: Group, p: Values) -> Float[Array, "L O"]:
    """Share of each offer and its copy that goes to the copy; 1 less the other share would be rounding where that is near 1."""
    copied = (~is_open_lab(labs) & (p.perfect_copies > 0))[:, None]
    return jnp.where(copied, use.beside_copy(labs.token_cost, labs.price, p)[2], 0.0)


def products_of(labs: Group, p: Values) -> Products:
    """The offers of the month."""
    price, paid, _ = sold_beside_copies(labs, p)
    on = jnp.broadcast_to(labs.active[:, None], (labs.size, OFFERS))
    on = on.at[:, SUBSCRIPTION_OFFER].set(labs.active & subscribes(labs))
    return Products(
        capability=labs.capability,
        hosted=labs.hosted,
        price=price.reshape(-1),
        paid=paid.reshape(-1),
        available=on.reshape(-1),
        closed_labs=int((~labs.is_kind(OpenLab)).sum()),
    )


def sales_of(market: Market) -> Sales:
    """What users bought this month."""
    labs, adopters = market.labs, market.adopters

    def total(rows: Float[Array, "J q"]) -> Float[Array, "L O"]:
        return rows.sum(0).reshape(labs.size, OFFERS)

    subscribed = by_offer(adopters.usage, labs)[:, :, SUBSCRIPTION_OFFER]
    spent = adopters.spent * 1e-6
    own, copied = total(spent) * labs.uncopied, total(spent) * (1 - labs.uncopied)
    return Sales(
        tokens=jnp.where(labs.uncopied < 1, own * 1e6 / labs.price, total(adopters.tokens)),
        spent=own,
        hosted_tokens=total(adopters.tokens * adopters.certified),
        hosted_spent=total(spent * adopters.certified),
        enterprises=total(spent * (adopters.segment == ENTERPRISE)[:, None]) * labs.uncopied,
        copies=copied * 1e6 / labs.token_cost,
        spent_on_copies=copied,
        free=adopters.free_tokens @ subscribed,
    )


def price_paid(market: Market, now: Now) -> Scalar:
    """Average price paid, $ per million tokens."""
    sold = sales_of(market)
    bought = (sold.tokens + sold.copies).sum()
    spent = (sold.spent + sold.spent_on_copies).sum() * 1e6
    return jnp.where(bought > 0, spent / jnp.maximum(bought, 1e-9), now.p.token_cost_start)


def serving_of_tiers(sold: Float[Array, "L O"], free: Float[Array, " L"]) -> Float[Array, "L T"]:
    """Tokens served with each tier: those of subscribers and free users are the flagship's."""
    return sold[:, :TIERS].at[:, 0].add(sold[:, TIERS:].sum(-1) + free)


def usual_noise_of(assets: int, layers: Group, p: Values) -> Float[Array, " A"]:
    """Daily noise in quiet times of every asset: lower for layers of many firms (platforms, applications)."""
    single = jnp.zeros(assets - layers.size, bool)
    return trading.usual_noise(jnp.concatenate([single, layers.layer != POWER]), p)
