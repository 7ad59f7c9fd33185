"""V23: prices of the default world, beside an oracle that knows only what users do at given prices."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from abm.engine import Draws
from abm.market.month import PHASES
from abm.market.phases.common import is_open_lab, products_of
from abm.market.phases.research import workplace_of
from abm.market.phases.tokens import best_prices, demand_at, trade_tokens
from abm.market.state import Equations, Events, Market, Now, Values
from abm.runs.months import months_of, values_on_device
from abm.runs.setup import Setup
from abm.runs.simulate import ensemble
from abm.scenarios.scenario import Scenario
from abm.validation.ladder import Check, above, below, reported, rung

SEED, MONTHS = 1, (12, 24, 36, 48, 60)
SEEDS = 8
STEPS = np.linspace(-3, 3, 41)
"""ln of the prices that the oracle tries, over those of a lab."""


class Stage(NamedTuple):
    """A month at the moment at which labs set prices, and prices that follow (L, O)."""

    market: Market
    worth: Any  # (J, q)
    reply: Any  # what each lab would post, given its rivals' posted prices
    nash: Any  # Bertrand-Nash prices, exact
    again: Any  # the same after further steps
    month: Any  # sales and gross profit at the Nash prices that the month reports (L, 2)
    exact: Any  # the same at exact ones


@rung(
    "V23",
    "Prices of tokens in the default world",
    "derived; best replies found on a grid and by scipy's Nelder-Mead from users' own rules",
)
def default_world() -> Iterator[Check]:
    """The default world with its own labs and users, at the end of each of five years. No price on a grid, or found by search
    from its best point, pays a lab more than the one that it would post. The Nash prices that a month reports come from few
    steps: their margins are compared with those of prices that no step moves. Spending on tokens falls in no year, and
    faithful copies of all closed products leave closed labs a tenth of what they charge, or less."""
    yield from replies()
    yield from nash_prices()
    yield from revenue_by_year()
    if "perfect_copy" in Scenario.names():
        yield from perfect_copies()


@cache
def stages() -> dict[int, Stage]:
    """The default world at five moments, by month."""
    setup = Setup.of(months=max(MONTHS))
    p, moments = values_on_device(setup), {}
    for index, (market, _) in enumerate(months_of(setup, SEED), 1):
        if index in MONTHS:
            moments[index] = stage(market, p, setup.events(index - 1), Draws.from_seed(SEED))
    return moments


@jax.jit
def stage(market: Market, p: Values, events: Events, draws: Draws) -> Stage:
    """The month that follows, up to its prices."""
    posted = Now(p, events, draws.at(market.month))
    exact = posted._replace(equations=Equations("nash"))
    for name, phase in PHASES.items():
        if name == "tokens":
            break
        market = phase(market, posted)
    reports = [trade_tokens(market, now).accounts.nash.sum(1) for now in (posted, exact)]
    market = market.replace(labs=market.labs.do("cost_tokens", p, workplace=workplace_of(market, posted)))
    products = products_of(market.labs, p)
    worth = market.adopters.ask("worth", p, products)[0]
    seen = demand_at(market, posted, products, worth)

    def further(prices: Any) -> Any:
        markup = jnp.log(prices / market.labs.token_cost)
        return best_prices(market.replace(labs=market.labs.replace(nash_markup=markup)), exact, seen, nash=True)

    nash = further(further(best_prices(market, exact, seen, nash=True)))
    return Stage(market, worth, best_prices(market, posted, seen, nash=False), nash, further(nash), *reports)


def profit_of(stage: Stage, prices: Any, lab: int) -> Callable[[Any], Any]:
    """Gross profit of a lab, $ M per month, as a function of its own prices (n, O), with those of others given (L, O)."""
    p, market = values_on_device(Setup.of(months=1)), stage.market
    products, cost = products_of(market.labs, p), market.labs.ask("net_cost", p)[lab]

    def profit(own: Any) -> Any:
        offers = products._replace(price=prices.at[lab].set(own).reshape(-1))
        shares, log_price = market.adopters.ask("choose", p, offers, worth=stage.worth)
        spending, _ = market.adopters.ask("wanted", p, log_price=log_price)
        mine = (shares.reshape(shares.shape[0], *prices.shape)[:, lab] * spending[:, None]).sum(0)
        return (mine * (1 - cost / own)).sum() * 1e-6

    return jax.jit(jax.vmap(profit))


def best_found(profit: Callable[[Any], Any], price: Any) -> float:
    """The largest profit on a grid of both tiers' prices and that of a subscription, and by search from its best point."""
    price = np.asarray(price)
    tiers = price * np.exp(np.stack([a.ravel() for a in np.meshgrid(STEPS, STEPS)] + [np.zeros(STEPS.size**2)], 1))
    best = tiers[int(np.argmax(profit(tiers)))]
    fees = best * np.exp(np.stack([np.zeros_like(STEPS), np.zeros_like(STEPS), STEPS], 1))
    best = fees[int(np.argmax(profit(fees)))]
    search = minimize(
        lambda x: -float(profit(best[None] * np.exp(x)[None])[0]),
        np.zeros(3),
        method="Nelder-Mead",
        options=dict(xatol=1e-6),
    )
    return float(-search.fun)


def closed_labs(stage: Stage) -> np.ndarray:
    """Closed labs in business that earn more than a thousandth of what all do."""
    labs = stage.market.labs
    earns = np.asarray(stage.exact[:, 1])
    return np.flatnonzero(~np.asarray(is_open_lab(labs)) & np.asarray(labs.active) & (earns > 1e-3 * earns.sum()))


def replies() -> Iterator[Check]:
    """Prices that labs would post are best replies: by others they would earn hardly more."""
    for month, now in stages().items():
        posted = now.market.labs.price
        profits = [profit_of(now, posted, lab) for lab in closed_labs(now)]
        mine = np.array([float(f(now.reply[lab][None])[0]) for f, lab in zip(profits, closed_labs(now), strict=True)])
        best = np.array([best_found(f, posted[lab]) for f, lab in zip(profits, closed_labs(now), strict=True)])
        words = f"month {month}: what labs could earn more than at prices that they would post, %"
        yield below(words, 100 * (best.sum() / mine.sum() - 1), 5)
        yield reported(f"month {month}: and the lab that misses most, %", 100 * (best / mine - 1).max(), 0)


def nash_prices() -> Iterator[Check]:
    """The month's Nash prices beside those after many more steps, and what it would pay a lab to leave the latter.

    Each of them satisfies every lab's first-order conditions. Where a lab can serve few who pay much or many who pay little,
    its profit has several peaks, and no set of prices need be a best reply to itself: steps then go round.
    """
    apart: list[float] = []
    for month, now in stages().items():
        labs = closed_labs(now)
        moved = np.abs(np.log(np.asarray(now.again / now.nash)))[labs].max()
        yield reported(f"month {month}: largest change of a Nash price in further steps, log points", moved, 0)
        leader = labs[np.argmax(np.asarray(now.market.labs.capability)[labs, 0])]
        for words, who in (("closed labs", labs), ("the leader", [leader])):
            month_s, exact = (lerner(x, who) for x in (now.month, now.exact))
            what = f"month {month}: Lerner index of {words} at the month's Nash prices, beside exact ones"
            apart.append(month_s - exact)
            yield reported(what, month_s, exact)
        gained = earned = 0.0
        for lab in labs:
            profit = profit_of(now, now.nash, lab)
            mine = float(profit(now.nash[lab][None])[0])
            gained, earned = gained + best_found(profit, now.nash[lab]) - mine, earned + mine
        yield reported(
            f"month {month}: what labs would earn more, each leaving Nash prices alone, %", 100 * gained / earned, 0
        )


def lerner(sales_and_profit: Any, labs: Any) -> float:
    """Gross profit over sales of some labs."""
    sales, profit = np.asarray(sales_and_profit)[labs].reshape(-1, 2).sum(0)
    return float(profit / sales)


def revenue_by_year() -> Iterator[Check]:
    """Tasks open as the frontier reaches them, and use spreads: mean of seeds."""
    revenue = np.asarray(ensemble(seeds=range(SEEDS), months=60)["token_revenue"]).mean(0)
    years = revenue.reshape(5, 12).sum(1)
    yield above("slowest growth of a year's spending on tokens, log points", 100 * np.diff(np.log(years)).min(), 0)


def perfect_copies() -> Iterator[Check]:
    """Faithful copies of every closed product at cost, equal trust: a segment's elasticity is half of sigma + 1, or more."""
    lerner_closed = np.asarray(ensemble(seeds=range(2), months=60, scenario="perfect_copy")["lerner_closed_nash"])
    years = np.nanmean(lerner_closed, axis=0).reshape(5, 12).mean(1)
    yield below("faithful copies: highest Lerner index of closed labs in a year, at Nash prices", years.max(), 0.10)
