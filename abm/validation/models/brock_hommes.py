"""Investors who choose between forecasting rules by past profits (Brock and Hommes 1998).

Prices are deviations x from the fundamental value. Rule h forecasts next period's price from the last known price,
f_h = g_h x_{t-1}. Its followers hold z_h = (f_h - R x_t) / (a sigma^2) of the asset; with no outside supply the
market clears where

    R x_t = sum_h n_h f_h                                                  (Brock and Hommes 1998)

The profit of a rule is U_h = (x_t - R x_{t-1}) z_{h,t-1} - C_h; its share in the next period is n_h = exp(beta U_h) / sum.
Here two rules compete: the fundamentalist's (g = 0, at a cost C = 1 a period) and the trend follower's (g = 1.2, free).
With two rules a steady state x* needs n_trend = R / g, which gives the pitchfork in closed form (`pitchfork`,
`steady_price`); the second bifurcation is where an eigenvalue of the model's own map leaves the unit circle
(`largest_eigenvalue`).

`run` simulates the limit of many investors, in which shares equal probabilities, or, with ``investors=10_000``, a market of
10,000 `Investor` agents who choose at random with these probabilities.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Draws, Field, Population, loop, run_many
from abm.mechanisms.equities import strategy_shares
from abm.validation.models.seeds import run_seeds

TREND, GROSS_RETURN, COST = 1.2, 1.1, 1.0


class Rule(Agent):
    """A forecasting rule, which expects the last price times its slope, and its realised profit."""

    stream = "rule"
    slope = Field(0.0, "", "expected price over last price", symbol="g_h")
    cost = Field(0.0, "per period", "price of following the rule", symbol="C_h")
    forecast = Field(0.0, "price", "expected price of the next period", symbol="f_h")
    holding = Field(0.0, "shares", "holding of a follower of the rule", symbol="z_h")
    profit = Field(0.0, "per period", "realised profit of the last holding, net of cost", symbol="U_h")

    def expect(self, last_price):
        self.forecast = self.slope * last_price

    def trade(self, price, last_price, gross_return):
        """Value the old holding at the new price, then choose the new holding; risk aversion times variance is 1."""
        self.profit = (price - gross_return * last_price) * self.holding - self.cost
        self.holding = self.forecast - gross_return * price


class Investor(Agent):
    """Follows a rule with a probability that depends on its past profit, and uses its forecast."""

    stream = "investor"
    rule = Field(0, "", "row of the rule followed", dtype=int)
    forecast = Field(0.0, "price", "expected price of the next period")

    def choose(self, shares, luck):
        self.rule = jnp.searchsorted(jnp.cumsum(shares)[:-1], luck)

    def expect(self, forecasts):
        self.forecast = forecasts[self.rule]


def two_rules(trend: Any = TREND, cost: Any = COST) -> Population:
    """The fundamentalist's rule and the trend follower's, without past profits."""
    return Population.create(Rule, 2, slope=jnp.stack([jnp.zeros_like(trend), trend]), cost=jnp.stack([cost, cost * 0]))


def period(state, t, intensity, gross_return, investors: Population | None = None, draws: Draws | None = None):
    """One period of the market: returns the state (rules, last price) and a report {"price", "trend_share"}."""
    rules, last_price = state
    shares = strategy_shares(rules.profit, intensity)
    rules = rules.do("expect", last_price)
    if investors is None or draws is None:
        mean_forecast, trend_share = shares @ rules.forecast, shares[1]
    else:
        luck = draws.at(t).uniform("rule", investors)
        investors = investors.do("choose", shares, luck=luck).do("expect", rules.forecast)
        mean_forecast, trend_share = investors.forecast.mean(), investors.rule.mean()
    price = mean_forecast / gross_return
    rules = rules.do("trade", price, last_price, gross_return)
    return (rules, price), {"price": price, "trend_share": trend_share}


def one_run(seed, intensity, start, trend, gross_return, cost, periods: int, investors: int = 0):
    """Price and share of trend followers, (periods,) each; see `run`."""
    crowd = Population.create(Investor, investors) if investors else None
    draws = Draws.from_seed(seed)
    state = (two_rules(trend, cost), start)
    return loop(lambda s, t: period(s, t, intensity, gross_return, crowd, draws), state, jnp.arange(periods))[1]


@cache
def _program(periods: int, investors: int):
    def chunk(inputs):
        seed, intensity, start, trend, gross_return, cost = inputs
        return one_run(seed, intensity, start, trend, gross_return, cost, periods, investors)

    return jax.jit(jax.vmap(chunk))


def run(
    intensity: Any,
    *,
    periods: int = 2_000,
    investors: int = 0,
    start: float = 0.5,
    trend: float = TREND,
    gross_return: float = GROSS_RETURN,
    cost: float = COST,
    seed: int = 0,
    chunk: int = 100,
) -> dict[str, Any]:
    """Simulate one market for each intensity of choice.

    intensity : number or (runs,), beta >= 0, per unit of profit. investors : number of agents; 0 means the limit of many.
    start : price before the first period, as a deviation from the fundamental. trend, gross_return, cost : g, R, C.

    Returns price (runs, periods), deviation from the fundamental, and trend_share (runs, periods), in [0, 1].
    """
    intensity = np.atleast_1d(np.asarray(intensity, dtype=float))
    runs = intensity.size
    given = (jnp.full(runs, float(value)) for value in (start, trend, gross_return, cost))
    inputs = (jnp.asarray(run_seeds(seed, runs)), jnp.asarray(intensity), *given)
    return run_many(_program(periods, investors), inputs, chunk=chunk)


def pitchfork(trend: float = TREND, gross_return: float = GROSS_RETURN, cost: float = COST) -> float:
    """Intensity at which the fundamental price loses its stability: beta* = 2 artanh(2 R / g - 1) / C, for g > R."""
    return float(2 * np.arctanh(2 * gross_return / trend - 1) / cost)


def steady_price(
    intensity: float, trend: float = TREND, gross_return: float = GROSS_RETURN, cost: float = COST
) -> float:
    """Steady-state price x* > 0 beyond the pitchfork: (R - 1) g x*^2 = C (1 - beta* / beta)."""
    surplus = cost * (1 - pitchfork(trend, gross_return, cost) / intensity)
    return float(np.sqrt(max(surplus, 0.0) / ((gross_return - 1) * trend)))


@jax.jit
def _jacobian(intensity: Any, price: Any) -> jax.Array:
    rules = two_rules()
    rules = rules.replace(holding=(rules.slope - GROSS_RETURN) * price)
    rules = rules.replace(profit=(1 - GROSS_RETURN) * price * rules.holding - rules.cost)

    def move(vector):
        before = rules.replace(holding=vector[1:3], profit=vector[3:5])
        (after, new_price), _ = period((before, vector[0]), 0, intensity, GROSS_RETURN)
        return jnp.concatenate([new_price[None], after.holding, after.profit])

    return jax.jacfwd(move)(jnp.concatenate([jnp.asarray(price)[None], rules.holding, rules.profit]))


def largest_eigenvalue(intensity: float, price: float) -> complex:
    """Eigenvalue of largest modulus of the one-period map, at the steady state with this price."""
    values = np.linalg.eigvals(np.asarray(_jacobian(float(intensity), float(price))))
    return complex(values[np.argmax(np.abs(values))])
