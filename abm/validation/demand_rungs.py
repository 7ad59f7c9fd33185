"""V1, V2, V4, V19: prices and shares of competing sellers of differentiated products."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import lambertw

from abm.mechanisms import demand, pricing
from abm.validation.ladder import Check, check, rung
from abm.validation.theory import choice_sets, nash


@rung("V1", "Symmetric logit oligopoly", "Anderson, de Palma & Thisse (1992), ch. 7; Lambert function for monopoly")
def symmetric_logit() -> Iterator[Check]:
    """Quality 2 and cost 1 in money, taste scale mu = 0.5, N equal single-product sellers, with and without an
    outside option. Free entry: the entry fee equals the profit of each of N sellers; without an outside option,
    welfare is then highest at N - 1."""
    quality, cost, mu = 2.0, 1.0, 0.5

    def price(sellers: int, outside: bool = True) -> jax.Array:
        offers, available = (np.full(10, quality / mu), np.full(10, cost)), np.arange(10) < sellers
        return nash.nash_prices(*offers, price_sensitivity=1 / mu, outside=outside, available=available)[0]

    for sellers, target in {1: 2.0, 2: 1.799470931, 3: 1.696467659, 5: 1.612099212, 10: 1.553139871}.items():
        yield check(f"price, N = {sellers}", price(sellers), target, absolute=1e-6)
    closed_form = cost + mu * (1 + lambertw(np.exp((quality - cost) / mu - 1)).real)
    yield check("price of a monopolist, Lambert function", price(1), closed_form, absolute=1e-6)
    for sellers, target in {2: 2.0, 3: 1.75, 5: 1.625}.items():
        yield check(f"price, N = {sellers}, no outside option", price(sellers, False), target, absolute=1e-6)

    entrants = 5
    fee = float(price(entrants, False) - cost) / entrants

    def welfare(sellers: jax.Array) -> jax.Array:
        # N equal offers are equivalent to one of quality + mu ln N. Prices are only transfers, hence set to cost.
        best = jnp.array([quality / mu]) + jnp.log(sellers)
        return (
            choice_sets.consumer_surplus(best, jnp.array([cost]), price_sensitivity=1 / mu, outside=False)
            - fee * sellers
        )

    slope = jax.jit(jax.grad(welfare))
    optimum = brentq(lambda n: float(slope(n)), 1.0, 100.0, xtol=1e-12)
    yield check("sellers under free entry minus the optimum", entrants - optimum, 1, absolute=1e-6)


@rung(
    "V2",
    "Asymmetric logit: merger, nests, an open model at cost",
    "computed independently; (a) to (c) agree with pyblp 1.3.0",
)
def asymmetric_logit() -> Iterator[Check]:
    """Qualities (2, 1.5, 1) and costs (1, 0.6, 0.2) in money, mu = 0.5: (a) three firms; (b) the first two merged;
    (c) nests (0, 0, 1) with correlation 0.5; (d) as (a) with an open model of quality 0.9 and cost 0.1 sold at cost."""
    mu, cost = 0.5, np.array([1.0, 0.6, 0.2, 0.1])
    quality, three, four = np.array([2.0, 1.5, 1.0, 0.9]) / mu, np.arange(4) < 3, np.ones(4, dtype=bool)
    nests = dict(nest=(0, 0, 1, 1), nest_correlation=0.5)
    cases: dict[str, tuple[Any, Any, list[float], list[float]]] = {
        "a": (dict(available=three), {}, [1.72461308, 1.28788316, 0.85633031], [0.30997657, 0.27313237, 0.23818847]),
        "b": (dict(available=three), dict(owner=(0, 0, 1, 2)), [1.95190202, 1.55190202, 0.90242276],
              [0.26102591, 0.21370994, 0.28817796]),
        "c": (dict(available=three, **nests), {}, [1.45050845, 0.99676076, 0.8368983],
              [0.34402206, 0.28591556, 0.2149453]),
        "d": (dict(available=four), {}, [1.61539277, 1.19514311, 0.77828556, 0.1],
              [0.18751076, 0.15986594, 0.13537526, 0.43035988]),
    }  # fmt: skip
    surplus = {"a": 0.8610161994, "b": 0.7196657781}
    for case, (choice, equations, prices, parts) in cases.items():
        solution = nash.nash_prices(
            quality, cost, price_sensitivity=1 / mu, at_cost=np.arange(4) == 3, **choice, **equations
        )
        share = demand.shares(quality, solution, price_sensitivity=1 / mu, **choice)
        for product, target in enumerate(prices):
            yield check(f"({case}) price of product {product + 1}", solution[product], target, absolute=1e-6)
        for product, target in enumerate(parts):
            yield check(f"({case}) share of product {product + 1}", share[product], target, absolute=1e-6)
        if case in surplus:
            value = choice_sets.consumer_surplus(quality, solution, price_sensitivity=1 / mu, **choice)
            yield check(f"({case}) consumer surplus", value, surplus[case], absolute=1e-6)


@rung(
    "V4", "From capability gap to markup", "closed form: gap / mu = ln o + o - 1/o, margins mu (1 + o) and mu (1 + 1/o)"
)
def gap_to_markup() -> Iterator[Check]:
    """Logit duopoly without outside option; the leader's advantage is a gap in quality net of cost, in units of
    mu."""
    for gap, target in {0: 1.0, 0.5: 1.180758, 1: 1.390054, 2: 1.891395, 3: 2.489567, 5: 3.896547}.items():
        quality = np.array([gap, 0.0])
        margin = nash.nash_prices(quality, np.zeros(2), price_sensitivity=1.0, outside=False)
        share = demand.shares(quality, margin, price_sensitivity=1.0, outside=False)
        odds = share[0] / share[1]
        yield check(f"odds of the leader, gap {gap:g} mu", odds, target, absolute=1e-5)
        yield check(f"its margin over mu, gap {gap:g} mu", margin[0], 1 + target, absolute=1e-5)
        yield check(f"the follower's margin over mu, gap {gap:g} mu", margin[1], 1 + 1 / target, absolute=1e-5)
        yield check(f"gap recovered from the odds, gap {gap:g} mu", jnp.log(odds) + odds - 1 / odds, gap, absolute=1e-5)


@rung("V19", "Log prices with a usage margin", "Atkeson & Burstein (2008), Bertrand case; best replies found by scipy")
def atkeson_burstein() -> Iterator[Check]:
    """Three firms with qualities (1, 0.4, 0) and costs (1, 0.8, 1.3); demand is elastic across products (sigma) and
    in the price index (epsilon): the Lerner index is 1 / e with e = sigma (1 - s) + epsilon s."""
    quality, cost = np.array([1.0, 0.4, 0.0]), np.array([1.0, 0.8, 1.3])
    for sigma, usage, outside in ((4.0, 1.11, False), (4.0, 0.5, False), (1.5, 6.0, True)):
        choice: dict[str, Any] = dict(price_sensitivity=sigma, price_form="log", outside=outside)
        solution = nash.nash_prices(quality, cost, usage_elasticity=usage, **choice)
        oracle = best_replies(quality, cost, sigma, usage, outside)
        share = demand.shares(quality, solution, **choice)
        lerner = 1 / (sigma * (1 - share) + usage * share)
        where = f"sigma {sigma:g}, epsilon {usage:g}{', outside option' if outside else ''}"
        for firm in range(3):
            yield check(f"price of firm {firm + 1}, {where}", solution[firm], oracle[firm], absolute=1e-6)
            index = (solution[firm] - cost[firm]) / solution[firm]
            yield check(f"Lerner index of firm {firm + 1}, {where}", index, lerner[firm], absolute=1e-6)
            # The vendors' pricing rule: the elasticity with respect to a common markup, and the markup that follows from it.
            elasticity = pricing.common_markup_elasticity(
                share[None, firm : firm + 1], share[None, firm : firm + 1], sigma, usage
            )
            price = cost[firm] * pricing.markup_factor(elasticity[0])
            yield check(f"the markup rule of vendors, firm {firm + 1}, {where}", price, oracle[firm], absolute=1e-6)


def best_replies(quality: np.ndarray, cost: np.ndarray, sigma: float, usage: float, outside: bool) -> np.ndarray:
    """Equilibrium prices by an independent method: search for each firm's best price in turn until no price changes."""
    log_price = np.log(1.5 * cost)

    def loss(own: float, firm: int) -> float:
        utility = quality - sigma * np.where(np.arange(cost.size) == firm, own, log_price)
        total = np.exp(utility).sum() + outside
        quantity = np.exp(utility[firm]) / total * total ** (usage / sigma)
        return -(np.exp(own) - cost[firm]) * quantity

    for _ in range(500):
        before = log_price.copy()
        for firm in range(cost.size):
            bounds = np.log(cost[firm]) + np.array([1e-6, 5.0])
            options = dict(bounds=bounds, method="bounded", options=dict(xatol=1e-12))
            log_price[firm] = minimize_scalar(loss, args=(firm,), **options).x
        if np.max(np.abs(log_price - before)) < 1e-10:
            break
    return np.exp(log_price)
