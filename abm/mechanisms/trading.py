"""Positions, price formation and liquidity."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.support.shapes import AnyArray, Floats, Mask, Numbers
from abm.support.values import Values


class Schedule(NamedTuple):
    """A demand schedule: position in a firm with value V, price P, trend m and loadings L (share of the firm)

    constant + value (ln V_base - ln P) + sum_q belief_q L_q - sum_q doubt_q L_q^2 + trend m.

    Schedules are additive: the sum of all investors' schedules is the market's (demand schedules as in Kyle 1989).
    """

    constant: Numbers  # share of the firm held at any price
    value: Numbers  # per log point of base value over price
    trend: Numbers  # per unit of average daily log return
    belief: Float[AnyArray, " Q"]  # per unit of loading
    doubt: Float[AnyArray, " Q"]  # per unit of squared loading


def schedule(
    wealth: Numbers,
    aggressiveness: Numbers,
    trend_share: Numbers,
    belief: Float[AnyArray, " Q"],
    doubt: Float[AnyArray, " Q"],
    p: Values,
) -> Schedule:
    """Demand schedule of an investor with wealth share w: w (1 + tau [(1 - n)(ln V - ln P) + n g m]).

    ln V = base + sum_q L_q belief_q - sum_q L_q^2 doubt_q, belief and doubt (Q,).
    """
    tau = p.demand_per_mispricing * wealth * aggressiveness
    fundamental = tau * (1 - trend_share)
    trend = tau * trend_share * p.trend_strength
    return Schedule(wealth, fundamental, trend, fundamental * belief, fundamental * doubt)


def position(schedule: Schedule, assets, p: Values) -> Float[Array, " A"]:
    """Positions (A,) of a schedule at today's prices; not negative under the short-sale constraint (Miller 1977)."""
    unconstrained = (
        schedule.constant + schedule.value * (assets.base - assets.log_price) + schedule.trend * assets.momentum
    )
    for q in range(assets.loadings.shape[1]):  # unrolled so that it fuses
        loading = assets.loadings[:, q]
        unconstrained = unconstrained + schedule.belief[q] * loading - schedule.doubt[q] * loading**2
    return jnp.where(p.short_sale_constraint > 0.5, jnp.maximum(unconstrained, 0.0), unconstrained)


def price_change(order: Numbers, slope: Numbers, depth: Numbers) -> Numbers:
    """Log price change at which the remaining order equals depth x change: order / (depth + slope).

    The market maker moves the price by order/lambda (Farmer 2002), while investors who trade against the move reduce the
    order. Solving for both simultaneously keeps a day's price from overshooting demand at that price.
    """
    return order / (depth + slope)


def usual_noise(is_broad: Mask, p: Values) -> Floats:
    """Standard deviation (A,) of an asset's daily noise in calm markets: much of it averages out in a layer of many firms."""
    return p.noise_sd * jnp.where(is_broad, p.broad_noise, 1.0)


def liquidity_noise(noise: Numbers, variance: Numbers, usual: Numbers, p: Values) -> Numbers:
    """Daily noise per asset: larger when volatility was high, because dealers then supply less depth.

    sd = sigma (v / sigma^2)^(phi/2), sigma the usual noise. Source: margin and value-at-risk limits (Brunnermeier and
    Pedersen 2009).
    """
    return usual * (variance / usual**2) ** (0.5 * p.liquidity_feedback) * noise


def update_variance(variance: Numbers, change: Numbers, usual: Numbers, p: Values) -> Floats:
    """Exponentially weighted variance of daily log returns (RiskMetrics), bounded to the range that dealers plan for."""
    return jnp.clip(variance + p.variance_update * (change**2 - variance), 0.25 * usual**2, 40 * usual**2)
