"""Positions, price formation and liquidity."""

import jax.numpy as jnp


def position(mispricing, momentum, trend_share, aggressiveness, wealth, p):
    """Wealth-weighted position per asset relative to the benchmark, and its slope in the log price.

    w (1 + tau [(1 - n)(ln V - ln P) + n g momentum]); with the short-sale constraint no position is negative
    (Miller 1977). Returns (position, slope), both (assets,).
    """
    fundamental = (1 - trend_share) * mispricing
    trend = trend_share * p.trend_strength * momentum
    tilt = p.demand_per_mispricing * aggressiveness * (fundamental + trend)
    slope = wealth * p.demand_per_mispricing * aggressiveness * (1 - trend_share)
    held = (tilt > -1) | (p.short_sale_constraint < 0.5)
    return wealth * jnp.where(held, 1 + tilt, 0.0), jnp.where(held, slope, 0.0)


def price_change(order, slope, depth):
    """Log price change after which the order that is left equals depth x change: order / (depth + slope).

    The market maker moves the price by order/lambda (Farmer 2002) while investors who trade against the move reduce the
    order; solving both at once keeps a day's price from overshooting its own demand.
    """
    return order / (depth + slope)


def liquidity_noise(noise, variance, p):
    """Daily noise per asset: larger when volatility was high, because dealers then supply less depth.

    sd = sigma (v / sigma^2)^(phi/2). Source: margin and value-at-risk limits (Brunnermeier and Pedersen 2009).
    """
    return p.noise_sd * (variance / p.noise_sd**2) ** (0.5 * p.liquidity_feedback) * noise


def update_variance(variance, change, p):
    """Exponentially weighted variance of daily log returns (RiskMetrics), bounded to the range dealers plan for."""
    return jnp.clip(variance + p.variance_update * (change**2 - variance), 0.25 * p.noise_sd**2, 40 * p.noise_sd**2)
