"""V22: the limits of the market for tokens, played through the model's own phase of tokens."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from abm.agents.adopter import CONSUMER
from abm.agents.lab import SUBSCRIPTION
from abm.engine import Draws
from abm.market.phases.common import products_of
from abm.market.phases.research import teaching_of
from abm.market.state import Events, Market, Now, Values
from abm.support.axes import OFFERS
from abm.validation.ladder import Check, above, below, between, check, rung
from abm.validation.token_limits import (
    CLOSED,
    LABS,
    NOTHING,
    OPEN,
    SEGMENTS,
    blank,
    bought,
    labs_of,
    lerner_of,
    market_of,
    setup_of,
    traded,
    users_of,
    values_of,
)

SUBSTITUTIONS = (20.0, 50.0, 100.0)
"""sigma, from its default to its largest value."""


@rung(
    "V22",
    "The market for tokens",
    "Bertrand (1883); Atkeson and Burstein (2008); Shaked and Sutton (1982); limits derived, best replies found by scipy",
)
def market_for_tokens() -> Iterator[Check]:
    """Markets whose labs and users are given, in the model's own phase of tokens, at Nash prices. A monopolist's price of use
    exceeds its cost by the mean value of tasks, for tokens and for subscriptions. In one segment, a better lab charges just
    what keeps a worse one at cost out, or less if a monopolist would. Faithful copies of every product at cost leave what one
    part in sigma + 1 is worth. Equal labs have the margin of the formula. A student follows a teacher who grows at a constant
    rate at the distance of the rules of imitation. At given prices, a second seller of every product adds no variety, and
    surplus falls by what is bought, also under habit. Nobody's trust matters where no task needs it."""
    yield from monopoly()
    yield from limit_price()
    yield from faithful_copies()
    yield from equal_labs()
    yield from distance_of_a_student()
    yield from duplicates()
    yield from surplus_and_use()
    yield from no_need_of_trust()


def monopoly() -> Iterator[Check]:
    """Values exponential with mean v: use falls by one part in v per $, so P - C = v."""
    for value in (0.5, 5.0, 50.0):
        market = traded(labs_of([0]), users_of(value))
        yield check(
            f"monopoly: price less cost, value of tasks {value:g}", paid_over_cost(market), value, relative=1e-6
        )
    hard = traded(labs_of([0]), users_of(5.0, difficulty=20.5))
    yield check(
        "monopoly, tasks of which a third work: price of use less its cost", paid_over_cost(hard), 5, relative=1e-6
    )
    labs = labs_of([0]) | {"monetisation": np.full(LABS, SUBSCRIPTION)}
    subscribed = traded(labs, users_of(5.0, segment=CONSUMER))
    yield check("monopoly: fee of a subscription per token less cost", paid_over_cost(subscribed, 2), 5, relative=1e-6)


def paid_over_cost(market: Market, offer: int = 0) -> float:
    """Price of use of the first segment less the cost of it, where the first lab alone sells."""
    labs, index = market.labs, market.adopters.price_index[0]
    return float(index * (1 - labs.token_cost[0, offer] / labs.price[0, offer]))


def limit_price() -> Iterator[Check]:
    """Bertrand with a better product: min(c_F W_L / W_F, monopoly) as tokens become perfect substitutes."""
    better = 2.0
    labs = labs_of([0, CLOSED], fit=np.where(np.arange(LABS) == 0, np.log(better), 0.0))
    for value, limit in ((5.0, better), (0.3, 1 + 0.3 * better)):
        prices = []
        for sigma in SUBSTITUTIONS:
            price = float(traded(labs, users_of(value), substitution=sigma).labs.price[0, 0])
            prices.append(price)
            yield check(
                f"leader's price beside a rival at cost, half as good: value {value:g}, sigma {sigma:g}",
                price,
                best_price(better, value, sigma),
                relative=1e-5,
            )
        yield between(f"and over its limit, value {value:g}, sigma {sigma:g}", prices[-1] / limit, 0.95, 1.0, 1.0)
        yield above(f"and its rise with sigma, value {value:g}", np.diff(prices).min(), 0)


def best_price(better: float, value: float, sigma: float) -> float:
    """Best price of a lab with tokens `better` times as good as those sold at 1, both at a cost of 1, found by search."""

    def loss(log_price: float) -> float:
        pull = np.exp(-sigma * (log_price - np.log(better)))
        index = (pull + 1) ** (-1 / sigma)
        return -(pull / (pull + 1)) * index * np.exp(-index / value) * (1 - np.exp(-log_price))

    grid = np.linspace(0, 4, 2001)
    start = grid[np.argmin([loss(x) for x in grid])]
    best = minimize_scalar(loss, bounds=(start - 0.01, start + 0.01), method="bounded", options=dict(xatol=1e-12))
    return float(np.exp(best.x))


def faithful_copies() -> Iterator[Check]:
    """Two equal sellers share a segment at most; one at cost leaves the other an elasticity of (sigma + 1) / 2 or more."""
    luck = np.random.default_rng(0)
    fit = 0.6 * luck.normal(size=(SEGMENTS, CLOSED))
    capability, cost = np.linspace(8, 12, CLOSED), np.exp(luck.normal(size=CLOSED))
    users = users_of(5 * np.exp(1.5 * luck.normal(size=SEGMENTS)), difficulty=luck.uniform(-2, 12, SEGMENTS))
    labs: dict[str, Any] = dict(
        fit=np.tile(fit, 2),
        cost=np.tile(cost, 2),
        capability=np.tile(capability, 2),
        efficient=np.tile(capability - 1, 2),
    )
    for sigma in SUBSTITUTIONS:
        alone = closed_lerner(traded(labs_of(range(CLOSED), **labs), users, substitution=sigma))
        copied = closed_lerner(traded(labs_of(range(LABS), **labs), users, substitution=sigma))
        yield below(f"faithful copies at cost: largest Lerner index, sigma {sigma:g}", copied.max(), 2 / (sigma + 1))
        yield above("and smallest loss of it through copies", (alone - copied).min(), 0)


def closed_lerner(market: Market) -> np.ndarray:
    """Sales-weighted Lerner index of every closed lab."""
    spent = np.asarray(market.adopters.spent).sum(0).reshape(LABS, OFFERS)[:CLOSED]
    lerner = 1 - np.asarray(market.labs.token_cost / market.labs.price)[:CLOSED]
    return np.asarray((spent * lerner).sum(1) / spent.sum(1))


def equal_labs() -> Iterator[Check]:
    """m = 1 / ((sigma + 1)(1 - s) + (P / v) s) with s = 1 / n, at the price of use of n equal prices."""
    value, sigma = 5.0, 20.0
    for number in (1, 2, 3, 5):

        def gap(price: float, number: int = number) -> float:
            part = 1 / number
            elasticity = (sigma + 1) * (1 - part) + part * price * number ** (-1 / sigma) / value
            return 1 - 1 / price - 1 / elasticity

        price = brentq(gap, 1 + 1e-9, 100, xtol=1e-13)
        market = traded(labs_of(range(number)), users_of(value), substitution=sigma)
        yield check(f"{number} equal labs: Lerner index", lerner_of(market, number - 1), 1 - 1 / price, relative=1e-6)


def distance_of_a_student() -> Iterator[Check]:
    """Of a leader who grows at g, at mid-month: g / kappa - ln ceiling; the student has no progress of its own."""
    setup, growth, student = setup_of("posted"), 2.0, LABS - 1
    labs = labs_of([0, student], capability=np.where(np.arange(LABS) == 0, 0.0, -5.0))
    for rate, ceiling in ((1.0, 0.95), (4.0, 0.8)):
        p = values_of(dict(distillation_rate=rate, distillation_ceiling=ceiling, access_delay=1))
        yield check(
            f"distance of a student, {rate:g} a year, ceiling {ceiling:g}, nats",
            last_distance(market_of(setup, p, labs, users_of()), p, blank(setup), growth, student),
            growth / rate - np.log(ceiling),
            relative=0.01,
        )


@jax.jit
def last_distance(market: Market, p: Values, events: Events, growth: float, student: int) -> Any:
    """Distance of a student to the first lab after twelve years in which that lab grows by `growth` nats a year.

    The mean of what it is just before and just after the student has learned in a month.
    """

    def month(market: Market, _: Any) -> tuple[Market, Any]:
        labs = market.labs
        labs = labs.replace(
            capability=labs.capability.at[0].add(growth / 12), exchanges=jnp.full((labs.size, labs.size), 1e6)
        )
        history = jnp.concatenate([labs.capability[:, 0][None], market.accounts.capability_history[:-1]])
        market = market.replace(labs=labs, accounts=market.accounts.replace(capability_history=history))
        now = Now(p, events, Draws.from_seed(0).at(market.month))
        taught = labs.do("imitate", p, teaching=teaching_of(market, now))
        seen = labs.capability[0, 0] - (labs.distilled[student] + taught.distilled[student]) / 2
        return market.replace(labs=taught, month=market.month + 1), seen

    return jax.lax.scan(month, market, length=144)[1][-1]


def mixed(seed: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two closed and two open labs that suit segments more or less, and segments with easy and hard, cheap and dear tasks."""
    luck = np.random.default_rng(seed)
    fit = 0.6 * luck.normal(size=(SEGMENTS, LABS))
    capability = np.array([12.0, 10.0, *[NOTHING] * (CLOSED - 2), 9.0, 8.0, *[NOTHING] * (OPEN - 2)])
    users = users_of(5 * np.exp(luck.normal(size=SEGMENTS)), difficulty=luck.uniform(-2, 9, SEGMENTS))
    return labs_of([0, 1, CLOSED, CLOSED + 1], fit=fit, capability=capability, efficient=capability - 1), users


def duplicates() -> Iterator[Check]:
    """Twice every product at its price: P falls by ln 2 / sigma, less than 3 % of the use of all."""
    labs, users = mixed()
    price = np.exp(np.linspace(0.3, 1.5, LABS))
    twins = np.array([0, 1, 0, 1, 4, 5, 6, 5, 6, 9])  # the third lab is as the first one, and so on
    twice = {name: value[:, twins] if name == "fit" else value[twins] for name, value in labs.items()}
    once, both = bought(labs, users, price), bought(twice, users, price[twins])
    work, more = (used(market, users) for market in (once, both))
    sigma = 20.0
    change = np.log(more / work)
    elasticity = np.asarray(once.adopters.price_index) / users["value"]
    yield check(
        "twice every product: ln change of use over that of a price lower by ln 2 / sigma, segment that differs most",
        np.max(np.abs(change / (elasticity * (1 - 2 ** (-1 / sigma))) - 1)),
        0,
        absolute=1e-9,
    )
    yield below("and change of use by all, %", 100 * (more.sum() / work.sum() - 1), 3)
    yield below(
        "and of a segment with an elasticity of use below 0.85, %, largest", 100 * change[elasticity < 0.85].max(), 3
    )


def used(market: Market, users: dict[str, Any]) -> np.ndarray:
    """What every segment uses, M tokens of ideal worth."""
    return np.asarray(users["tasks"] * np.exp(-np.asarray(market.adopters.price_index) / users["value"]))


def surplus_and_use() -> Iterator[Check]:
    """dCS / dp = -x at chosen shares, and at any proportions of what is used; CS of a CES consumer at chosen shares."""
    labs, users = mixed()
    here, price = labs["active"], np.exp(np.linspace(0.3, 1.5, LABS))
    p = values_of({})
    market = market_of(setup_of("posted"), p, labs, users)
    some = jnp.asarray(np.random.default_rng(2).uniform(0.5, 1, (SEGMENTS, LABS * OFFERS)))
    for words, held in (("chosen shares", None), ("any proportions of tokens", some)):
        total, slope, tokens = surplus_at(market, p, price, held)
        sold = np.asarray(tokens).reshape(SEGMENTS, LABS, OFFERS).sum((0, 2))
        yield check(
            f"{words}: users' surplus lost per $ on a lab's price over what they buy of it, lab that differs most",
            np.max(np.abs(-np.asarray(slope)[here] / sold[here] - 1)),
            0,
            absolute=1e-9,
        )
        if held is None:
            sigma, value = float(p.substitution), users["value"]
            harder = labs["capability"][None] - users["difficulty"][:, None, None]
            worth = np.exp(labs["fit"][:, :, None]) / (1 + np.exp(-harder / float(p.usefulness_width)))
            ratio = np.where(here[None, :, None], worth / price[None, :, None], 0.0)
            textbook = (ratio**sigma).sum((1, 2)) ** (-1 / sigma)
            ces = (value * np.exp(-textbook / value)).sum()
            yield check(f"{words}: users' surplus, as of a CES consumer", total, ces, relative=1e-9)


def surplus_at(market: Market, p: Values, price: np.ndarray, held: Any) -> tuple[Any, Any, Any]:
    """Users' surplus, its slope in the price of every lab, and tokens bought, at the shares that users choose or that leave
    tokens in proportion to `held` (J, q).
    """
    products = products_of(market.labs, p)
    worth, certified, *_ = market.adopters.ask("worth", p, products)

    def surplus(price: Any) -> tuple[Any, Any]:
        each = jnp.repeat(price, OFFERS)
        offers = products._replace(price=each, paid=each)
        adopters, shares = market.adopters, market.adopters.ask("choose", p, offers, worth=worth)[0]
        if held is not None:
            spent = jnp.where(adopters.ask("on_sale", offers), held * offers.price, 0.0)
            shares = spent / spent.sum(1, keepdims=True)
            adopters = adopters.replace(usage=shares)
        after = adopters.do("buy", p, offers, worth=worth, certified=certified, target=shares)
        return after.ask("surplus").sum(), after.tokens

    (total, tokens), slope = jax.jit(jax.value_and_grad(surplus, has_aux=True))(jnp.asarray(price))
    return total, slope, tokens


def no_need_of_trust() -> Iterator[Check]:
    """A token is worth as much from whom nobody trusts where no task needs a trusted provider."""
    labs, users = mixed()
    trust = np.random.default_rng(3).uniform(size=(SEGMENTS, LABS + 1))
    for need, words in ((0.0, "no task needs it"), (0.5, "half of the tasks need it")):
        world = users | {"compliance_need": np.full(SEGMENTS, need)}
        apart = [bought(labs, world | {"trust": given}, 3.0).adopters.usage for given in (trust, np.ones_like(trust))]
        moved = float(jnp.abs(apart[0] - apart[1]).max())
        what = f"trust or none, {words}: largest change of a share"
        yield check(what, moved, 0, absolute=1e-12) if need == 0 else above(what, moved, 0.01)
