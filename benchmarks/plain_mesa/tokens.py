"""6. Tokens: labs price, adopters choose, use and learn whom to trust."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from benchmarks.plain_mesa.adopter import Choice, Offers, uncopied
from benchmarks.plain_mesa.constants import (
    CONSUMER,
    DEVELOPER,
    ENTERPRISE,
    FLAGSHIP,
    OFFERS,
    OPEN_CORE,
    SUBSCRIBED,
    TIERS,
    first_greatest,
)

Array = np.ndarray

STEPS_ALONE, STEPS_TOGETHER = 6, 20  # towards the best prices, a month
FACTORS = [
    math.exp(x) for x in (-1.2, -0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8, 1.2)
]  # of posted prices, which a lab tries first
DEARER = [math.exp(x) for x in (0.0, 0.3, 0.8)]  # of its best prices, which a lab would try with a better model
PACE, LEAST_PACE, SLOWER, FASTER = 0.5, 0.02, 0.5, 1.2  # of these steps
WATCHED = 60  # months of memory of how rents fall
RISE = 1.1  # of prices, in the test for contestable spending


class Sold(NamedTuple):
    """What users bought of a lab, by offer, and of faithful copies of it."""

    tokens: list[float]  # M
    spent: list[float]  # $ M
    hosted_tokens: list[float]  # of these, from certified hosts
    hosted_spent: list[float]
    enterprises: list[float]  # $ M, of these, by enterprises
    copies: list[float]  # M tokens of copies
    spent_on_copies: list[float]  # $ M
    copies_of_enterprises: list[float]  # $ M, of these, by enterprises
    copies_of_developers: list[float]  # M tokens of copies bought by developers
    free: float  # M tokens, for nothing


def trade_tokens(model: Any) -> None:
    """Costs, prices, adoption, use, trust; the value of capability; what the month shows of pricing power."""
    labs, adopters = model.labs, model.adopters
    for lab in labs:
        if lab.active:
            lab.cost_tokens()
    offers = Offers.of(labs)
    for adopter in adopters:
        adopter.look(offers)

    posted, watchful = offers.price.reshape(-1, len(OFFERS)), watchful_labs(model)
    for adopter in adopters:
        adopter.see(posted, watchful)
    nash = best_prices(model, STEPS_TOGETHER, together=True)
    reply = best_prices(model, STEPS_ALONE, together=False)
    now, then = earnings(model, posted), earnings(model, reply)
    for i, lab in enumerate(labs):
        if lab.active:
            lab.set_prices(reply[i].tolist(), now[i], then[i])
        lab.nash_markup = [math.log(price / cost) for price, cost in zip(nash[i], lab.token_cost, strict=True)]

    offers = Offers.of(labs)
    kept = np.where(offers.copied, uncopied(offers.price, offers.cost, model.p.substitution), 1.0)
    for lab, parts in zip(labs, kept.reshape(-1, len(OFFERS)).tolist(), strict=True):
        lab.uncopied = parts
    chosen = [adopter.choose(offers.price) for adopter in adopters]
    use_models(model, offers, [choice.with_copies for choice in chosen])
    value_a_nat(model, chosen, reply)
    watch_customers(model)
    watch_rents(model)
    model.accounts.contestable_share = contestable_share(model, offers)
    model.accounts.nash = sales_and_profit(model, nash)


def use_models(model: Any, offers: Offers, targets: list[Array]) -> None:
    """Adoption spreads, segments buy, and trust follows use."""
    adopters = model.adopters
    watched = [sum(peer.adopted for peer in adopter.peers) / len(adopter.peers) for adopter in adopters]
    for adopter, target, peers_adopted in zip(adopters, targets, watched, strict=True):
        adopter.adopt(peers_adopted)
        adopter.buy(offers, target)
    for adopter in adopters:
        relied = sum(peer.relied for peer in adopter.peers) / len(adopter.peers)
        adopter.learn_trust(relied, model.accounts.incidents)
    add_up_sales(model)


def add_up_sales(model: Any) -> None:
    """Record what users bought of each lab and of its copies."""
    adopters, labs, shape = model.adopters, model.labs, (len(model.labs), len(OFFERS))
    price, cost = np.array([lab.price for lab in labs]), np.array([lab.token_cost for lab in labs])
    kept = np.array([lab.uncopied for lab in labs])

    def total(rows: list[Array]) -> Array:
        return np.reshape(sum(rows), shape)

    free = sum(a.free_tokens * a.usage.reshape(shape)[:, SUBSCRIBED] for a in adopters)
    spent = total([1e-6 * a.spent for a in adopters])
    of_enterprises = total([1e-6 * a.spent * (a.segment == ENTERPRISE) for a in adopters])
    of_developers = total([1e-6 * a.spent * (a.segment == DEVELOPER) for a in adopters])
    tokens = np.where(kept < 1, 1e6 * kept * spent / price, total([a.tokens for a in adopters]))
    tables = (
        tokens,
        kept * spent,
        total([a.tokens * a.certified for a in adopters]),
        total([1e-6 * a.spent * a.certified for a in adopters]),
        kept * of_enterprises,
        1e6 * (1 - kept) * spent / cost,
        (1 - kept) * spent,
        (1 - kept) * of_enterprises,
        1e6 * (1 - kept) * of_developers / cost,
    )
    for i, lab in enumerate(labs):
        lab.sold = Sold(*[table[i].tolist() for table in tables], float(free[i]))


def watchful_labs(model: Any) -> int:
    """Number of labs that look at demand when they set prices: the closed ones, which come first."""
    return sum(not lab.is_open for lab in model.labs)


def best_prices(model: Any, steps: int, together: bool) -> Array:
    """Prices at which every lab's first-order conditions hold: beside posted prices of rivals, or all together (Nash)."""
    labs, each, watchful = model.labs, len(OFFERS), watchful_labs(model)
    if together:
        price = np.array(
            [[c * math.exp(m) for c, m in zip(lab.token_cost, lab.nash_markup, strict=True)] for lab in labs]
        )
    else:
        price = np.array([lab.price for lab in labs])
        price[:watchful] *= best_multiples(model, price[:watchful])
    sales, pressure = np.zeros((len(labs), each)), np.zeros((len(labs), each, each))
    for i, lab in enumerate(labs[watchful:], watchful):
        price[i] = lab.wanted_price(price[i], sales[i], pressure[i], lab.hosts())
    before, pace = np.zeros((watchful, each)), np.full((watchful, each), PACE)
    for _ in range(steps):
        sales, pressure = np.zeros((watchful, each)), np.zeros((watchful, each, each))
        for adopter in model.adopters:
            one = adopter.answer(price) if together else adopter.answer_each(price[:watchful])
            shares, paid = one.shares[:watchful], one.paid[:watchful]
            steep = (model.p.substitution + 1 - one.elasticity)[:, None] * shares
            sales += paid
            pressure += steep[:, :, None] * paid[:, None, :]
        wanted = [lab.wanted_price(price[i], sales[i], pressure[i], 0.0) for i, lab in enumerate(labs[:watchful])]
        move = np.log(np.reshape(wanted, (watchful, each)) / price[:watchful])
        pace = np.clip(np.where(move * before < 0, SLOWER, FASTER) * pace, LEAST_PACE, 1.0)
        price[:watchful], before = price[:watchful] * np.exp(pace * move), move
    return price


def best_multiples(model: Any, price: Array) -> Array:
    """Factors of these prices that earn each lab most alone: one for both tiers, which share segments, one for subscriptions."""
    earned = np.array([earned_alone(model, factor * price) for factor in FACTORS])
    of_tiers = [FACTORS[best] for best in earned[:, :, : len(TIERS)].sum(axis=2).argmax(axis=0)]
    of_subscriptions = [FACTORS[best] for best in earned[:, :, SUBSCRIBED].argmax(axis=0)]
    return np.array([of_tiers, of_tiers, of_subscriptions]).T


def earned_alone(model: Any, price: Array) -> Array:
    """Gross profit on each offer, $ a month, of each lab that looks at demand if it alone charged these prices."""
    paid = sum(adopter.answer_each(price).paid for adopter in model.adopters)
    return paid * (1 - net_costs(model)[: len(price)] / price)


def earnings(model: Any, price: Array) -> list[float]:
    """Gross profit, $ M a month, of each lab if it alone charged these prices; none for those that do not look at demand."""
    watchful = watchful_labs(model)
    earned = 1e-6 * earned_alone(model, price[:watchful]).sum(axis=1)
    return [*earned.tolist(), *[0.0] * (len(model.labs) - watchful)]


def net_costs(model: Any) -> Array:
    return np.array([lab.net_cost() for lab in model.labs])


def sales_and_profit(model: Any, price: Array) -> list[list[list[float]]]:
    """Sales and gross profit with each offer of each lab, $ M a month, if all charged these prices."""
    paid = 1e-6 * sum(adopter.answer(price).paid for adopter in model.adopters)
    return np.stack([paid, paid * (1 - net_costs(model) / price)], axis=-1).tolist()


def value_a_nat(model: Any, chosen: list[Choice], reply: Array) -> None:
    """What each lab would earn more with models a nat better, rivals as they are, $ M a month.

    With what it has it would ask the prices that pay best, with better models the best of several multiples of them,
    subscriptions and tokens apart; hosts of open weights ask what they ask.
    """
    posted, pairs = np.array([lab.price for lab in model.labs]), list(zip(model.adopters, chosen, strict=True))

    def earns(nats: float, factor: float) -> Array:
        price = factor * np.asarray(reply)
        spent = [adopter.if_better(choice, nats, price / posted) for adopter, choice in pairs]
        return earned_from(spent, price, model)

    now, then = earns(0.0, 1.0), [earns(1.0, factor) for factor in DEARER]
    best = np.max(then, axis=0)
    for i, lab in enumerate(model.labs):
        more = (then[0] if lab.is_open else best)[i] - now[i]
        lab.marginal_value = 1e-6 * max(float(more.sum()), 0.0) if lab.active else 0.0


def earned_from(spent: list[Array], price: Array, model: Any) -> Array:
    """What each lab earns with tokens and with subscriptions, $ a month (L, 2), if segments spend this at its `price`.

    Hosts of open weights keep a part, unless they are the lab's parent. Enterprises pay fees in proportion to all that they spend.
    """
    labs, earned = model.labs, np.zeros((len(model.labs), 2))
    kept = np.array([1.0 if lab.of_parent else lab.first_party_share for lab in labs])
    cost = net_costs(model) / price  # of a $ of sales
    fee = np.array([model.p.open_core_fee if lab.monetisation == OPEN_CORE else 0.0 for lab in labs])
    for adopter, paid in zip(model.adopters, spent, strict=True):
        sales, costs = paid.sum(axis=1), (paid * cost).sum(axis=1)
        fees = fee * sales if adopter.segment == ENTERPRISE else 0.0
        earned[:, int(adopter.segment == CONSUMER)] += kept * (sales - costs) + fees
    return earned


def watch_customers(model: Any) -> None:
    """How steep worth is in capability for the customers of each tier, by what they spend."""
    labs, shape = model.labs, (len(model.labs), len(OFFERS))
    steep, bought = np.zeros(shape), np.zeros(shape)
    for adopter in model.adopters:
        spent = adopter.spent.reshape(shape)
        steep += spent * adopter.slope.reshape(shape)
        bought += spent
    for i, lab in enumerate(labs):
        # The flagship's customers are those who pay for its tokens and subscribers; both see the same model.
        customers = bought[i, FLAGSHIP] + bought[i, SUBSCRIBED], bought[i, TIERS[-1]]
        slopes = steep[i, FLAGSHIP] + steep[i, SUBSCRIBED], steep[i, TIERS[-1]]
        for t in TIERS:
            if customers[t] > 1.0:
                lab.tier_slope[t] = slopes[t] / customers[t]


def watch_rents(model: Any) -> None:
    """When closed flagships that led at their release earn half of their best, per value of adopters' tasks, at the first cost."""
    accounts = model.accounts
    reach = max(sum(adopter.reach() for adopter in model.adopters), 1e-30)
    months = halvings = 0.0
    for i, lab in enumerate(model.labs):
        cost, best, still = accounts.vintage[i]
        watched = still > 0 and lab.active
        if lab.age[FLAGSHIP] < 1:
            cost, best = lab.token_cost[FLAGSHIP], 0.0
            beaten = any(
                m.active and m.capability[FLAGSHIP] > lab.capability[FLAGSHIP] for m in model.labs if m is not lab
            )
            watched = lab.active and not lab.is_open and not beaten
        spent = lab.sold.spent[FLAGSHIP] + lab.sold.spent[SUBSCRIBED]
        tokens = lab.sold.tokens[FLAGSHIP] + lab.sold.tokens[SUBSCRIBED]
        rent = (spent - 1e-6 * cost * tokens) / reach
        at_risk = watched and best > 0
        halved = at_risk and rent < 0.5 * best
        months, halvings = months + at_risk, halvings + halved
        accounts.vintage[i] = [cost, max(best, rent), float(watched and not halved)]
    faded = [number * (1 - 1 / WATCHED) for number in accounts.rent_life]
    accounts.rent_life = [faded[0] + months, faded[1] + halvings]


def contestable_share(model: Any, offers: Offers) -> float:
    """Share of spending on closed models that open ones alone keep from a rise of all closed prices."""
    closed = np.array([lab.active and not lab.is_open for lab in model.labs])
    price = offers.price.reshape(-1, len(OFFERS))
    raised, cost = np.where(closed[:, None], RISE * price, price), net_costs(model)
    kept = np.array([lab.uncopied for lab in model.labs])

    def would_lose(adopter: Any) -> bool:
        before = (adopter.answer(price).paid * (1 - cost / price))[closed].sum()
        return bool((adopter.answer(raised).paid * (1 - cost / raised))[closed].sum() < before)

    contestable = everything = 0.0
    for adopter in model.adopters:
        paid = (adopter.spent.reshape(price.shape) * kept)[closed].sum()
        everything += paid
        if would_lose(adopter):
            with adopter.offered_only(closed.repeat(len(OFFERS))):
                contestable += 0.0 if would_lose(adopter) else paid
    return contestable / everything if everything > 0 else math.nan


def leader_of(labs: list[Any]) -> Any | None:
    """The active closed lab with the best flagship."""
    ranks = [lab.capability[FLAGSHIP] if lab.active and not lab.is_open else -math.inf for lab in labs]
    best = labs[first_greatest(ranks)]
    return best if best.active and not best.is_open else None
