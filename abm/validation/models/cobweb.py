"""Producers who buy perfect foresight, or expect the last price at no cost (Brock and Hommes 1997).

The cobweb: output planned for the expected price is sold at the price that clears the market. Prices are deviations from
the steady state, demand is -B p, and a producer who expects p^e produces b p^e, so that

    -B p_t = b (n_1 p_t + n_2 p_{t-1})

with a share n_1 of producers who know p_t, at a cost C, and n_2 who expect p_{t-1}. Shares follow the last realised
profits, n_h = exp(beta U_h) / sum. The steady state loses stability to a cycle of two periods at beta = 2 artanh(B / b) / C.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Field, Population, loop, run_many
from abm.mechanisms.equities import strategy_shares

SUPPLY_SLOPE, DEMAND_SLOPE, COST = 1.35, 0.5, 1.0


class Producer(Agent):
    """Plans output for the expected price: the next price, foreseen at a cost, or the last one."""

    stream = "producer"
    foresight = Field(False, "", "knows the next price", dtype=bool)
    cost = Field(0.0, "per period", "price of foresight", symbol="C")
    profit = Field(0.0, "per period", "realised profit, net of the cost of foresight")

    def earn(self, price, last_price, supply_slope):
        """Supply b p^e maximises p^e q - q^2 / (2 b)."""
        output = supply_slope * jnp.where(self.foresight, price, last_price)
        self.profit = price * output - output**2 / (2 * supply_slope) - self.cost


def period(state, intensity, supply_slope, demand_slope):
    """One period: returns the state (the two kinds of producer, last price) and the price."""
    producers, last_price = state
    foreseeing, naive = strategy_shares(producers.profit, intensity)
    price = -naive * supply_slope * last_price / (demand_slope + foreseeing * supply_slope)
    return (producers.do("earn", price, last_price, supply_slope), price), price


def two_kinds(cost: Any = COST) -> Population:
    """One producer who buys foresight and one who does not, before their first sale."""
    costs = cost * jnp.array([1.0, 0.0])
    return Population.create(Producer, 2, foresight=np.array([True, False]), cost=costs, profit=-costs)


def one_run(intensity, start, supply_slope, demand_slope, cost, periods: int):
    """Prices (periods,); see `run`."""
    step = lambda state, _: period(state, intensity, supply_slope, demand_slope)  # noqa: E731
    return loop(step, (two_kinds(cost), jnp.asarray(start)), jnp.arange(periods))[1]


@cache
def _program(periods: int):
    def chunk(inputs):
        intensity, start, supply_slope, demand_slope, cost = inputs
        return {"price": one_run(intensity, start, supply_slope, demand_slope, cost, periods)}

    return jax.jit(jax.vmap(chunk))


def run(
    intensity: Any,
    *,
    periods: int = 2_000,
    start: float = 0.1,
    supply_slope: float = SUPPLY_SLOPE,
    demand_slope: float = DEMAND_SLOPE,
    cost: float = COST,
    chunk: int = 100,
) -> dict[str, Any]:
    """Simulate one market for each intensity of choice beta >= 0, a number or (runs,); b, B, C as in the module docstring.

    Returns price (runs, periods), deviation from the steady state.
    """
    intensity = np.atleast_1d(np.asarray(intensity, dtype=float))
    given = (jnp.full(intensity.size, float(value)) for value in (start, supply_slope, demand_slope, cost))
    return run_many(_program(periods), (jnp.asarray(intensity), *given), chunk=chunk)


def first_bifurcation(
    supply_slope: float = SUPPLY_SLOPE, demand_slope: float = DEMAND_SLOPE, cost: float = COST
) -> float:
    """Intensity beyond which prices alternate permanently: 2 artanh(B / b) / C, for b > B."""
    return float(2 * np.arctanh(demand_slope / supply_slope) / cost)
