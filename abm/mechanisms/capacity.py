"""Scarcity, construction delays, power limits, and the rental price of compute."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.support.shapes import AnyArray, Floats, Numbers, Scalar
from abm.support.values import Values


def scarcity_rent(orders: Numbers, capacity: Numbers, elasticity: Numbers, cap: Numbers) -> Floats:
    """Price factor (orders/capacity)^(1/elasticity) when orders exceed capacity, at most `cap`; 1 otherwise.

    With isoelastic orders A p^-eps and binding capacity K, the market clears at p proportional to (A/K)^(1/eps).
    """
    pressure = jnp.maximum(orders / jnp.maximum(capacity, 1e-9), 1.0)
    return jnp.minimum(pressure ** (1 / elasticity), cap)


def erlang_stages(
    stages: Float[AnyArray, " stage"], inflow: Numbers, mean_lag: Numbers
) -> tuple[Scalar, Float[Array, " stage"]]:
    """Advance an Erlang-k delay by one month: (outflow, new stages).

    `stages` (k,) holds the quantity in each stage; each month, a share k / mean_lag of it moves on. The delay is `mean_lag`
    months on average, and at least k. Nothing is lost: sum(new) = sum(old) + inflow - outflow.
    Source: linear-chain delay of system dynamics (Sterman 2000, ch. 11).
    """
    stages = jnp.asarray(stages)
    k = stages.shape[0]
    moved = stages * jnp.minimum(k / mean_lag, 1.0)
    entering = jnp.concatenate([jnp.reshape(jnp.asarray(inflow, stages.dtype), (1,)), moved[:-1]])
    return moved[-1], stages - moved + entering


def rental_price(price: Numbers, demand: Numbers, supply: Numbers, p: Values) -> Numbers:
    """Monthly price of an H100e: damped adjustment, upwards when demand exceeds the usual share of supply.

    ln w' = ln w + a (ln(demand/supply) - ln u*); $ M per H100e month.
    """
    pressure = jnp.log(jnp.maximum(demand, 1e-9) / jnp.maximum(p.usual_utilisation * supply, 1e-9))
    return price * jnp.exp(p.rental_adjustment * jnp.clip(pressure, -2.0, 2.0))


def user_cost(chip_price: Numbers, p: Values) -> Numbers:
    """Monthly cost of owning an H100e: price x (interest + depreciation) + energy (Jorgenson 1963), $ M."""
    return chip_price * (p.interest_rate / 12 + p.compute_depreciation) + p.energy_cost


def delivered_performance(performance: Numbers, cap: Numbers) -> Floats:
    """Share of a chip's performance left by an export performance cap (H800, H20)."""
    return jnp.minimum(1.0, cap / performance)


def effective_availability(availability: Numbers, leakage: Numbers) -> Numbers:
    """Legal availability plus leakage: a + leak (1 - a)."""
    return availability + leakage * (1 - availability)


def stranded_value(
    book_value: Numbers, installed: Numbers, chip_price: Numbers, utilisation: Numbers, p: Values
) -> Floats:
    """Excess of the book value of compute over its replacement value in use, $ M; at least 0."""
    use = jnp.minimum(1.0, utilisation / p.usual_utilisation)
    return jnp.maximum(book_value - installed * chip_price * use, 0.0)


def workload_growth(month: Numbers, p: Values) -> Floats:
    """ln of platforms' own demand for compute relative to the start, with fading growth: g (1 - exp(-s t)) / s, t in years.

    A Gompertz path (Gompertz 1825; used for diffusion by Chow 1967).
    """
    return p.workload_growth * (1 - jnp.exp(-p.workload_slowdown * month / 12)) / p.workload_slowdown
