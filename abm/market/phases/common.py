"""Quantities used by several phases: open labs, the frontier, products on sale, adoption, noise of share prices."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from abm.agents import OpenLab
from abm.agents.infrastructure import POWER
from abm.engine import Group
from abm.market.state import Market, Now, Values
from abm.mechanisms import trading
from abm.support.axes import TIERS
from abm.support.shapes import Scalar

NOTHING = -30.0
"""Capability (nats) of a market without products."""


class Products(NamedTuple):
    """All products, one row per lab and tier (L x T), as adopters see them."""

    capability: Float[Array, " q"]  # nats
    price: Float[Array, " q"]  # $ per M tokens
    cost: Float[Array, " q"]  # $ per M tokens
    trust: Float[Array, " q"]  # utils
    brand: Float[Array, " q"]  # utils
    is_open: Float[Array, " q"]
    available: Bool[Array, " q"]
    nest: Int[np.ndarray, " q"] | tuple[int, ...]  # 0 closed, 1 open; a constant
    owner: Int[np.ndarray, " q"]  # lab; a constant


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


def per_product(values: Shaped[Array, " L"]) -> Shaped[Array, " q"]:
    """Values of labs, repeated for each of their tiers."""
    return jnp.repeat(values, TIERS)


def products_of(labs: Group, p: Values) -> Products:
    """The products of the month."""
    is_open = labs.is_kind(OpenLab)
    return Products(
        capability=labs.capability.reshape(-1),
        price=labs.price.reshape(-1),
        cost=labs.token_cost.reshape(-1),
        trust=per_product(labs.trust),
        brand=per_product(labs.brand),
        is_open=jnp.asarray(np.repeat(is_open, TIERS), dtype=float),
        available=per_product(labs.active),
        nest=np.repeat(is_open.astype(int), TIERS),
        owner=np.repeat(np.arange(labs.size), TIERS),
    )


def quantities(market: Market) -> Float[Array, "J q"]:
    """Tokens by segment and product, M per month."""
    return market.adopters.tokens


def adoption(market: Market, now: Now) -> Scalar:
    """Scale of use relative to the start: diffusion of a general-purpose technology, logistic in time (Griliches 1957)."""
    p = now.p
    late = 1 / (1 + jnp.exp(-p.adoption_speed * (market.month - p.adoption_midpoint) / 12))
    start = 1 / (1 + jnp.exp(p.adoption_speed * p.adoption_midpoint / 12))
    return late / start


def price_paid(market: Market, now: Now) -> Scalar:
    """Average price paid, $ per million tokens."""
    quantity = quantities(market).sum(0)
    paid = (quantity * market.labs.price.reshape(-1)).sum() / jnp.maximum(quantity.sum(), 1e-9)
    return jnp.where(quantity.sum() > 0, paid, now.p.token_cost_start)


def usual_noise_of(assets: int, layers: Group, p: Values) -> Float[Array, " A"]:
    """Daily noise in quiet times of every asset: lower for layers of many firms (platforms, applications)."""
    single = jnp.zeros(assets - layers.size, bool)
    return trading.usual_noise(jnp.concatenate([single, layers.layer != POWER]), p)
