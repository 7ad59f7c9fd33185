"""What is offered in a jurisdiction under its export rules."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

ROOT = 0.5  # of what a capped chip is left, in its price


class Offer(NamedTuple):
    """Chips on offer in a jurisdiction, lists by vendor."""

    left: list[float]  # part of a chip's performance that arrives
    asked: list[float]  # $ M per H100e of list performance, with what leakage costs
    premium: list[float]  # part of that price that smugglers get
    share: list[float]  # H100e that buyers get, per H100e wanted; less than 1 in all if some cannot be had
    openness: list[float]  # part of a vendor's compute that the rules let through
    effective: float  # $ M per H100e that works: price index of what can be had


def offer_in(model: Any, region: int) -> Offer:
    """Buyers split spending by a logit; what cannot be had is bought from those who may sell, and a part leaks."""
    p, events, vendors, sigma = model.p, model.events, model.vendors, model.p.chip_price_sensitivity
    left, asked, premium, legal, available, appeal, worth = [], [], [], [], [], [], []
    for v, vendor in enumerate(vendors):
        abroad, price = vendor.home != region, vendor.chip_price
        allowed = events.export_availability[v][region] if abroad else 1.0
        capped = min(1.0, max(events.performance_cap[v][region] / vendor.performance, 1e-9))
        leak = p.export_leakage if allowed < 1 or capped < 1 else 0.0
        there = allowed + leak * (1 - allowed)
        leaked = min(leak / max(there, 1e-9), 1.0)
        legal.append(allowed)
        available.append(there)
        left.append(capped * (1 - leaked) + leaked)
        premium.append(leaked * price * p.leakage_premium)
        discounted = price * capped**ROOT
        asked.append(discounted * (1 - leaked) + leaked * price + premium[v])
        if abroad and vendor.lock_in < p.export_reach:
            appeal.append(-math.inf)
            continue
        appeal.append(vendor.lock_in + sigma * math.log(left[v] / asked[v]))
        bought = allowed * (1 - leak) * (discounted / capped) ** -sigma
        worth.append(bought + leak * (price * (1 + p.leakage_premium)) ** -sigma)
    spending = shares([math.exp(a - max(appeal)) for a in appeal])
    units = shares([s * k / price for s, k, price in zip(spending, left, asked, strict=True)])
    missing = sum(u * (1 - there) for u, there in zip(units, available, strict=True))
    free = [u if allowed == 1 else 0.0 for u, allowed in zip(units, legal, strict=True)]
    turned = missing / max(sum(free), 1e-9)
    share = [u * there + turned * f for u, there, f in zip(units, available, free, strict=True)]
    openness = [there * k for there, k in zip(available, left, strict=True)]
    return Offer(left, asked, premium, share, openness, (sum(worth) / len(worth)) ** (-1 / sigma))


def shares(weights: list[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]
