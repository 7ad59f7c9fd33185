"""Hand-written loops for a month's use of models by all adopters of a run at given prices: worth, choice, adoption, habit, use."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

PARAMETERS = (
    "usefulness_width", "substitution", "certified_margin", "habit_rate", "free_use", "adoption_innovation",
    "adoption_imitation",
)  # fmt: skip
P = NamedTuple("P", [(name, float) for name in PARAMETERS])  # type: ignore[misc]
CONSUMER = 2
LAST_USE, HIGHEST, UNSOLD = 60.0, 60.0, 1e4
"""Elasticity beyond which nothing is used; largest ln of the price of use that is kept; that price without offers."""


class Adopters(NamedTuple):
    """Columns of adopters (J,), (J, offers), (J, labs), (J, providers); those from `adopted` on change."""

    segment: Any
    difficulty: Any
    value: Any
    tasks: Any
    compliance_need: Any
    fit: Any
    trust: Any
    adopted: Any
    usage: Any
    spent: Any
    tokens: Any
    free_tokens: Any
    price_index: Any
    spending: Any


class Products(NamedTuple):
    """Offers (offers,); `subscription` marks those for consumers, `seller` is the lab."""

    capability: Any
    hosted: Any
    log_price: Any
    paid: Any
    is_open: Any
    available: Any
    subscription: Any
    seller: Any


CHANGED = Adopters._fields[Adopters._fields.index("adopted") :]


@njit(inline="always")
def log_logistic(x):
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


@njit(error_model="numpy")
def choices(p, who, peers, goods):
    """Adopt, move shares towards those that would be chosen, then compute use."""
    adopters, offers = who.usage.shape
    watched, hosts = peers.shape[1], who.trust.shape[1] - 1
    before = who.adopted.copy()
    net, pull = np.empty(offers), np.empty(offers)  # ln of worth over price, and exp(sigma x) of it
    for j in range(adopters):
        need, consumes = who.compliance_need[j], who.segment[j] == CONSUMER
        at_hosts = math.log(1 - need * (1 - who.trust[j, hosts])) - p.certified_margin
        best, useful, habitual = -np.inf, 0.0, 0.0
        for q in range(offers):
            if goods.available[q] and not goods.subscription[q]:  # of the best model, whether it buys it or not
                can = log_logistic((goods.capability[q] - who.difficulty[j]) / p.usefulness_width)
                useful = max(useful, math.exp(can))
            if not goods.available[q] or goods.subscription[q] != consumes:
                net[q] = -np.inf
                continue
            lab = goods.seller[q]
            can = log_logistic((goods.capability[q] - who.difficulty[j]) / p.usefulness_width)
            worth = can + math.log(1 - need * (1 - who.trust[j, lab]))
            if goods.is_open[q]:
                from_hosts = log_logistic((goods.hosted[q] - who.difficulty[j]) / p.usefulness_width) + at_hosts
                worth = max(worth, from_hosts)
            net[q] = worth + who.fit[j, lab] - goods.log_price[q]
            best = max(best, net[q])
            habitual += who.usage[j, q]
        peer, total = 0.0, 0.0
        for k in range(watched):
            peer += before[peers[j, k]]
        hazard = (p.adoption_innovation + p.adoption_imitation * peer / watched) / 12
        who.adopted[j] += useful * min(hazard, 1.0) * (1 - before[j])
        for q in range(offers):
            pull[q] = math.exp(p.substitution * (net[q] - best)) if net[q] > -np.inf else 0.0
            total += pull[q]
        speed = p.habit_rate if habitual > 0 else 1.0
        power = p.substitution / (p.substitution + 1)
        kept, composite = habitual * (1 - speed) + (speed if total > 0 else 0.0), 0.0
        for q in range(offers):
            if net[q] == -np.inf:
                who.usage[j, q] = 0.0
                continue
            share = ((1 - speed) * who.usage[j, q] + speed * pull[q] / total) / kept
            who.usage[j, q] = share
            if share > 0:
                composite += share**power * math.exp(power * (net[q] - best))
        log_price = -best - math.log(composite) / power if composite > 0 else UNSOLD
        elasticity = math.exp(min(log_price - math.log(who.value[j]), math.log(LAST_USE)))
        most = who.adopted[j] * who.tasks[j]
        used = most * math.exp(-elasticity)
        bill = who.value[j] * elasticity * used
        for q in range(offers):
            who.spent[j, q] = who.usage[j, q] * bill
            if net[q] == -np.inf:
                who.tokens[j, q] = 0.0
                continue
            # The margin of certified hosts is in the price of those who take the model from them.
            price, lab = goods.paid[q], goods.seller[q]
            if goods.is_open[q]:
                can = log_logistic((goods.capability[q] - who.difficulty[j]) / p.usefulness_width)
                direct = can + math.log(1 - need * (1 - who.trust[j, lab]))
                there = log_logistic((goods.hosted[q] - who.difficulty[j]) / p.usefulness_width)
                if there + at_hosts > direct:
                    price *= math.exp(p.certified_margin)
            who.tokens[j, q] = who.spent[j, q] / price
        who.free_tokens[j] = p.free_use * (most - used) if consumes and total > 0 else 0.0
        who.price_index[j] = math.exp(min(log_price, HIGHEST))
        who.spending[j] = bill * 1e-6
