"""First-order and global conditions of Bertrand equilibrium, block by block over segments.

Internals of `nash.py`, where the arguments are documented. `market` holds arrays whose first axis is the segment;
`structure` holds constants of the compiled program: owner labels, nest labels (or None) and the price form.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.mechanisms.demand import group_labels, nested_logit, per_product, sum_by_group

BLOCK = 2**20  # numbers in one (segments, products) block: 8 MB
MARGIN_FACTORS = np.geomspace(1 / 32, 32, 41)  # an odd number, so that 1 is in the middle


def as_market(
    quality,
    cost,
    *,
    price_sensitivity,
    owner,
    nest,
    nest_correlation,
    at_cost,
    price_form,
    usage_elasticity,
    outside,
    size,
    available,
):
    """(market, structure) from the arguments of `nash.nash_prices`."""
    quality, cost = jnp.atleast_2d(jnp.asarray(quality, dtype=float)), jnp.asarray(cost, dtype=float)
    products = cost.size
    coefficients = {
        "price_sensitivity": price_sensitivity,
        "nest_correlation": nest_correlation,
        "usage_elasticity": usage_elasticity,
        "size": size,
        "outside": None if outside is False else 0.0 if outside is True else outside,
    }
    market: dict[str, Any] = {
        name: None if x is None else jnp.atleast_1d(jnp.asarray(x, dtype=float)) for name, x in coefficients.items()
    }
    offered = jnp.asarray(True if available is None else available, dtype=bool) & (quality != -jnp.inf)
    market["available"] = offered & (market["size"] > 0)[:, None]
    market["quality"], market["cost"] = quality, cost
    market["at_cost"] = jnp.broadcast_to(jnp.asarray(False if at_cost is None else at_cost, dtype=bool), (products,))
    owner = tuple(range(products)) if owner is None else tuple(np.asarray(owner).tolist())
    return market, (owner, None if nest is None else tuple(np.asarray(nest).tolist()), price_form)


@partial(jax.jit, static_argnums=2)
def zeta(price, market, structure):
    """The zeta-markup map: see `nash.zeta_markup_step`."""
    owner, owner_nest = _groups(structure)
    cost, linear = market["cost"], structure[2] == "linear"
    priced = ~market["at_cost"] & market["available"].any(axis=0)
    margin = jnp.where(priced, price - cost, 0.0)
    price = jnp.where(market["at_cost"], cost, price)

    def update(total, block, fresh):
        log_share, log_within, value, weight = _choice(price, block, structure, fresh)
        share, within = jnp.exp(log_share), jnp.exp(log_within)
        sensitivity, correlation = per_product(block["price_sensitivity"]), per_product(block["nest_correlation"])
        usage, steepest = per_product(block["usage_elasticity"]), sensitivity / (1 - correlation)
        if linear:
            rescued = _own_sum(margin * share, owner), _own_sum(margin * within, owner_nest)
            values = 1 + sensitivity * rescued[0] + steepest * correlation * rescued[1], steepest
        else:
            own, own_within = _own_sum(priced * share, owner), _own_sum(priced * within, owner_nest)
            elasticity = steepest * (1 - correlation * own_within) - sensitivity * own + usage * own
            log_share = log_share + usage / sensitivity * value  # now ln quantity
            values = elasticity, jnp.maximum(steepest, usage)
        return _add_weighted(total, log_share, weight, values)

    top, weight, values = over_segments(update, _nothing(price, 2), market)
    first, second = (x / jnp.where(weight > 0, weight, 1.0) for x in values)
    if linear:
        return cost + jnp.where(priced, first / jnp.where(priced, second, 1.0), 0.0)

    unit_cost = jnp.where(priced, cost, 1.0)
    log_value = jnp.where(priced, top + jnp.log(jnp.where(priced, weight, 1.0) * unit_cost), 0.0)
    of_owner = jnp.where((owner[:, None] == owner) & priced[:, None], 1.0, 0.0)
    by_product = [x[:, None] for x in (log_value, first, second, margin / unit_cost)]
    _, weight, values = _add_weighted(_nothing(price, 3), by_product[0], of_owner, by_product[1:])
    elasticity, steepest, markup = (x / jnp.where(weight > 0, weight, 1.0) for x in values)
    markup = (1 + markup * (steepest - elasticity)) / jnp.where(priced, steepest - 1, 1.0)
    return cost * (1 + jnp.where(priced, markup, 0.0))


@partial(jax.jit, static_argnums=2)
def deviation(price, market, structure):
    """Largest relative gain in profit from rescaling an owner's margins, and the factor that achieves it: (owners,) each.

    Other owners keep their prices. The factors tried are MARGIN_FACTORS; owners are in the order of their labels.
    """
    (owner, owner_nest), cost = _groups(structure), market["cost"]
    limits = jnp.finfo(price.dtype)
    log_form = structure[2] == "log"

    def log_usage(total, block, fresh):
        value = _choice(price, block, structure, fresh)[2]
        return jnp.maximum(total, (per_product(block["usage_elasticity"] / block["price_sensitivity"]) * value).max())

    base = over_segments(log_usage, -jnp.inf, market) if log_form else 0.0

    def update(total, block, fresh):
        log_share, log_within, value, weight = _choice(price, block, structure, fresh)
        share, within = jnp.exp(log_share), jnp.exp(log_within)
        sensitivity, correlation = per_product(block["price_sensitivity"]), per_product(block["nest_correlation"])
        own_within = _own_sum(within, owner_nest)
        # Summed over an owner's products of a nest, this is the share of the whole nest.
        in_nest = share / jnp.where(own_within > 0, own_within, 1.0)
        others_within, elsewhere = jnp.maximum(1 - own_within, 0.0), jnp.maximum(1 - _own_sum(in_nest, owner), 0.0)

        def profit(factor):
            other = cost + factor * (price - cost)
            move = jnp.log(other / price) if log_form else other - price
            ratio = jnp.exp(jnp.minimum(-sensitivity * move / (1 - correlation), 0.8 * jnp.log(limits.max)))
            nest_ratio = jnp.maximum(others_within + _own_sum(within * ratio, owner_nest), limits.tiny)
            growth = jnp.maximum(elsewhere + _own_sum(in_nest * nest_ratio ** (1 - correlation), owner), limits.tiny)
            quantity = weight * share * ratio * nest_ratio**-correlation / growth
            if log_form:
                usage = per_product(block["usage_elasticity"]) / sensitivity
                quantity *= jnp.exp(usage * (value + jnp.log(growth)) - base)
            return sum_by_group((quantity * (other - cost)).sum(axis=0), owner)

        return total + jax.lax.map(profit, jnp.asarray(MARGIN_FACTORS, dtype=price.dtype))

    profits = over_segments(update, jnp.zeros((MARGIN_FACTORS.size, owner.max() + 1), dtype=price.dtype), market)
    posted = profits[MARGIN_FACTORS.size // 2]
    sells = posted > limits.tiny / limits.eps
    gain = jnp.where(sells, profits / jnp.where(sells, posted, 1.0) - 1, 0.0)
    return gain.max(axis=0), jnp.asarray(MARGIN_FACTORS)[gain.argmax(axis=0)]


def over_segments(update, total, market):
    """Fold `update(total, block, fresh)` over blocks of segments; `fresh` marks rows that no earlier block contained."""
    segmented = {name: x for name, x in market.items() if name not in ("cost", "at_cost") and x is not None}
    segments, rows = block_shape(market)

    @jax.checkpoint
    def fold(total, first):
        start = jnp.minimum(first, segments - rows)  # the last block is shifted back, so that all have the same shape
        block = {n: jax.lax.dynamic_slice_in_dim(x, start, rows) if x.shape[0] > 1 else x for n, x in segmented.items()}
        return update(total, market | block, start + jnp.arange(rows) >= first), None

    return jax.lax.scan(fold, total, jnp.arange(0, segments, rows))[0]


def block_shape(market):
    """Number of segments in the market and in one block."""
    segments = max(x.shape[0] for name, x in market.items() if name not in ("cost", "at_cost") and x is not None)
    return segments, min(segments, max(1, BLOCK // market["cost"].size))


def _choice(price, block, structure, fresh):
    """ln shares, ln shares within nests, inclusive values (segments, 1), and the weight of each (segment, product)."""
    _, nest, price_form = structure
    _, log_share, log_within, value = nested_logit(
        block["quality"],
        price,
        price_sensitivity=block["price_sensitivity"],
        nest=nest,
        nest_correlation=block["nest_correlation"],
        price_form=price_form,
        outside=False if block["outside"] is None else block["outside"],
        available=block["available"],
    )
    weight = jnp.where(block["available"] & fresh[:, None], per_product(block["size"]), 0.0)
    value = jnp.where(jnp.isfinite(value), value, 0.0)  # a segment without offers, which has zero weight
    return log_share, log_within, value[:, None], weight


def _groups(structure):
    """Labels of owners, and of owner-nest pairs."""
    owner, nest, _ = structure
    labels = group_labels(owner)
    return labels, labels * labels.size + (np.arange(labels.size) if nest is None else group_labels(nest))


def _own_sum(values, groups):
    """For each product, the sum over the products of its group."""
    labels = group_labels(groups)
    return values if labels.max() + 1 == labels.size else sum_by_group(values, labels)[..., labels]


def _nothing(price, count):
    """An empty running total for `_add_weighted`."""
    return jnp.full_like(price, -jnp.inf), jnp.zeros_like(price), (jnp.zeros_like(price),) * count


def _add_weighted(total, log_size, weight, values):
    """Add weight * exp(log_size) * (1, *values), summed over rows, to a running total relative to exp(top).

    This keeps averages accurate even if every exp(log_size) underflows.
    """
    top, weights, sums = total
    counts = weight > 0
    log_size = jnp.where(counts, log_size, 0.0)
    highest = jax.lax.stop_gradient(jnp.where(counts, log_size, -jnp.inf)).max(axis=0)
    new_top = jnp.maximum(top, highest)
    base = jnp.where(new_top > -jnp.inf, new_top, 0.0)
    rescale = jnp.exp(top - base)
    weight = jnp.where(counts, weight * jnp.exp(jnp.where(counts, log_size - base, 0.0)), 0.0)
    sums = tuple(old * rescale + (weight * new).sum(axis=0) for old, new in zip(sums, values, strict=True))
    return new_top, weights * rescale + weight.sum(axis=0), sums
