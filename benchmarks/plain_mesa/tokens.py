"""6. Tokens: labs price, adopters choose, use and learn whom to trust."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from benchmarks.plain_mesa.adopter import Offers
from benchmarks.plain_mesa.constants import ENTERPRISE, FLAGSHIP, OFFERS, SUBSCRIBED, TIERS, first_greatest

Array = np.ndarray

STEPS_ALONE, STEPS_TOGETHER = 8, 8  # towards the best prices, a month
PACE, LEAST_PACE, SLOWER, FASTER = 0.5, 0.02, 0.5, 1.2  # of these steps
WATCHED = 24  # months of memory of how rents fall
SETTLING = 3  # months after a release
RISE = 1.1  # of prices, in the test for contestable spending
LEAST_RENT = 0.01  # of a rent at its release


class Sold(NamedTuple):
    """What users bought of a lab, by offer; in the last three from certified hosts, by enterprises, and for nothing."""

    tokens: list[float]  # M
    spent: list[float]  # $ M
    hosted_tokens: list[float]
    hosted_spent: list[float]
    enterprises: list[float]  # $ M
    free: float  # M


def trade_tokens(model: Any) -> None:
    """Costs, prices, adoption, use, trust; the value of capability; what the month shows of pricing power."""
    labs, adopters = model.labs, model.adopters
    for lab in labs:
        if lab.active:
            lab.cost_tokens()
    offers = Offers.of(labs)
    for adopter in adopters:
        adopter.look(offers)

    posted = offers.price.reshape(-1, len(OFFERS))
    nash = best_prices(model, posted, STEPS_TOGETHER, together=True)
    reply = best_prices(model, posted, STEPS_ALONE, together=False)
    now, then = earnings(model, posted, posted), earnings(model, posted, reply)
    for i, lab in enumerate(labs):
        if lab.active:
            lab.set_prices(reply[i].tolist(), now[i], then[i])
        lab.nash_markup = [math.log(price / cost) for price, cost in zip(nash[i], lab.token_cost, strict=True)]

    offers = Offers.of(labs)
    chosen = [adopter.choose(offers.price) for adopter in adopters]
    use_models(model, offers, [shares for shares, _ in chosen])
    value_capability(model, [index for _, index in chosen], [shares for shares, _ in chosen])
    watch_rents(model)
    model.accounts.contestable_share = contestable_share(model, offers)
    model.accounts.nash = [list(pair) for pair in sales_and_profit(model, nash)]


def use_models(model: Any, offers: Offers, targets: list[Array]) -> None:
    """Adoption spreads, segments buy, and trust follows use."""
    adopters = model.adopters
    watched = [sum(peer.adopted for peer in adopter.peers) / len(adopter.peers) for adopter in adopters]
    for adopter, target, peers_adopted in zip(adopters, targets, watched, strict=True):
        adopter.adopt(offers, peers_adopted)
        adopter.buy(offers, target)
    for adopter in adopters:
        relied = sum(peer.relied for peer in adopter.peers) / len(adopter.peers)
        adopter.learn_trust(relied, model.accounts.incidents)
    add_up_sales(model)


def add_up_sales(model: Any) -> None:
    """Record what users bought of each lab."""
    adopters, shape = model.adopters, (len(model.labs), len(OFFERS))

    def total(rows: list[Array]) -> list[list[float]]:
        return sum(rows).reshape(shape).tolist()

    free = sum(a.free_tokens * a.usage.reshape(shape)[:, SUBSCRIBED] for a in adopters)
    tables = (
        total([a.tokens for a in adopters]),
        total([1e-6 * a.spent for a in adopters]),
        total([a.tokens * a.certified for a in adopters]),
        total([1e-6 * a.spent * a.certified for a in adopters]),
        total([1e-6 * a.spent * (a.segment == ENTERPRISE) for a in adopters]),
    )
    for i, lab in enumerate(model.labs):
        lab.sold = Sold(*[table[i] for table in tables], float(free[i]))


def best_prices(model: Any, posted: Array, steps: int, together: bool) -> Array:
    """Prices at which every lab's first-order conditions hold: beside posted prices of rivals, or all together (Nash)."""
    labs, each = model.labs, len(OFFERS)
    price = np.array([[c * math.exp(m) for c, m in zip(lab.token_cost, lab.nash_markup, strict=True)] for lab in labs])
    hosts = [lab.hosts() for lab in labs]
    before, pace = np.zeros(price.shape), np.full(price.shape, PACE)
    for _ in range(steps):
        sales, pressure = np.zeros((len(labs), each)), np.zeros((len(labs), each, each))
        for adopter in model.adopters:
            one = adopter.answer(price) if together else adopter.answer_each(posted, price)
            sales += one.paid
            steep = (model.p.substitution + 1 - one.elasticity)[:, None] * one.shares
            pressure += steep[:, :, None] * one.paid[:, None, :]
        wanted = [lab.wanted_price(price[i], sales[i], pressure[i], hosts[i]) for i, lab in enumerate(labs)]
        move = np.log(np.array(wanted) / price)
        pace = np.clip(np.where(move * before < 0, SLOWER, FASTER) * pace, LEAST_PACE, 1.0)
        price, before = price * np.exp(pace * move), move
    return price


def earnings(model: Any, posted: Array, price: Array) -> list[float]:
    """Gross profit, $ M a month, of each lab if it alone charged these prices."""
    paid = sum(adopter.answer_each(posted, price).paid for adopter in model.adopters)
    return (1e-6 * (paid * (1 - net_costs(model) / price)).sum(axis=1)).tolist()


def net_costs(model: Any) -> Array:
    return np.array([lab.net_cost() for lab in model.labs])


def sales_and_profit(model: Any, price: Array) -> list[tuple[float, float]]:
    """Sales and gross profit of each lab, $ M a month, if all charged these prices."""
    paid = 1e-6 * sum(adopter.answer(price).paid for adopter in model.adopters)
    profit = paid * (1 - net_costs(model) / price)
    return list(zip(paid.sum(axis=1).tolist(), profit.sum(axis=1).tolist(), strict=True))


def value_capability(model: Any, indices: list[float], targets: list[Array]) -> None:
    """What a nat of each tier brings a lab, $ M a month; and how steep worth is in capability for its customers."""
    p, labs, shape = model.p, model.labs, (len(model.labs), len(OFFERS))
    margin = 1 - net_costs(model) / np.array([lab.price for lab in labs])
    gain, steep, bought = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for adopter, index, shares in zip(model.adopters, indices, targets, strict=True):
        paid, elasticity = adopter.want(index)
        mean = (shares * margin).sum(axis=1, keepdims=True)
        slope = adopter.slope.reshape(shape)
        gain += paid * shares * (p.substitution * margin - (p.substitution + 1 - elasticity) * mean) * slope
        spent = adopter.spent.reshape(shape)
        steep += spent * slope
        bought += spent
    for i, lab in enumerate(labs):
        kept = (p.open_capture if lab.is_open else 1.0) if lab.active else 0.0
        flagship = gain[i, FLAGSHIP] + gain[i, SUBSCRIBED]
        lab.tier_value = [1e-6 * kept * flagship, 1e-6 * kept * gain[i, TIERS[-1]]]
        lab.marginal_value = sum(lab.tier_value)
        # The flagship's customers are those who pay for its tokens and subscribers; both see the same model.
        customers = bought[i, FLAGSHIP] + bought[i, SUBSCRIBED], bought[i, TIERS[-1]]
        slopes = steep[i, FLAGSHIP] + steep[i, SUBSCRIBED], steep[i, TIERS[-1]]
        for t in TIERS:
            if customers[t] > 1.0:
                lab.tier_slope[t] = slopes[t] / customers[t]


def watch_rents(model: Any) -> None:
    """How fast rents of closed flagships fall from their first months on, per value of adopters' tasks, at the first cost."""
    accounts = model.accounts
    reach = max(sum(adopter.reach() for adopter in model.adopters), 1e-30)
    fallen = weights = 0.0
    for i, lab in enumerate(model.labs):
        cost, best, last = accounts.vintage[i]
        age = lab.age[FLAGSHIP]
        if age < 1:
            cost, best = lab.token_cost[FLAGSHIP], 0.0
        spent = lab.sold.spent[FLAGSHIP] + lab.sold.spent[SUBSCRIBED]
        tokens = lab.sold.tokens[FLAGSHIP] + lab.sold.tokens[SUBSCRIBED]
        rent = (spent - 1e-6 * cost * tokens) / reach
        if age < SETTLING:
            best = max(best, rent)
        rent = max(rent, LEAST_RENT * best)
        if lab.active and not lab.is_open and age >= SETTLING and best > 0:
            weights += best
            fallen += best * math.log((last if age > SETTLING else best) / rent)
        accounts.vintage[i] = [cost, best, rent]
    total = max(weights, 1e-30)
    faded = [number * (1 - 1 / WATCHED) for number in accounts.rent_life]
    accounts.rent_life = [faded[0] + weights / total, faded[1] + fallen / total]


def contestable_share(model: Any, offers: Offers) -> float:
    """Share of spending on closed models in segments where all closed labs together would lose by a rise of their prices."""
    closed = np.array([lab.active and not lab.is_open for lab in model.labs])
    price = offers.price.reshape(-1, len(OFFERS))
    raised, cost = np.where(closed[:, None], RISE * price, price), net_costs(model)
    contestable = everything = 0.0
    for adopter in model.adopters:
        before = (adopter.answer(price).paid * (1 - cost / price))[closed].sum()
        after = (adopter.answer(raised).paid * (1 - cost / raised))[closed].sum()
        paid = adopter.spent.reshape(price.shape)[closed].sum()
        everything += paid
        contestable += paid if after < before else 0.0
    return contestable / max(everything, 1e-12)


def leader_of(labs: list[Any]) -> Any | None:
    """The active closed lab with the best flagship."""
    ranks = [lab.capability[FLAGSHIP] if lab.active and not lab.is_open else -math.inf for lab in labs]
    best = labs[first_greatest(ranks)]
    return best if best.active and not best.is_open else None
