"""What is offered in a jurisdiction under its export rules."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import clip


class Offer(NamedTuple):
    """Chips on offer in a jurisdiction, lists by vendor."""

    left: list[float]  # part of a chip's performance that may be sold
    asked: list[float]  # $ M per H100e of list performance, with what leakage costs
    spending: list[float]  # shares of spending that buyers wish
    share: list[float]  # H100e that buyers get, per H100e wanted; less than 1 in all if some cannot be had
    effective: float  # $ M per H100e that works


def offer_in(model: Any, region: int) -> Offer:
    """Buyers split spending by a logit; what cannot be had is bought from those who may sell, and a part leaks."""
    p, events, vendors = model.p, model.events, model.vendors
    left, asked, legal, available, worth = [], [], [], [], []
    for v, vendor in enumerate(vendors):
        abroad = vendor.home != region
        allowed = events.export_availability[v][region] if abroad else 1.0
        there = allowed + p.export_leakage * (1 - allowed)
        leaked = p.export_leakage * (1 - allowed) / there if there > 0 else 0.0
        legal.append(allowed)
        available.append(there)
        asked.append(vendor.chip_price * (1 + p.leakage_premium * leaked))
        left.append(clip(events.performance_cap[v][region] / vendor.performance, 1e-9, 1.0))
        reach = 0.02 if abroad and vendor.lock_in < p.export_reach else 1.0
        dear = math.log(asked[v] / left[v])
        worth.append(vendor.lock_in + math.log(reach) - p.chip_price_sensitivity * dear)
    spending = shares([math.exp(w - max(worth)) for w in worth])
    units = shares([s * k / price for s, k, price in zip(spending, left, asked, strict=True)])
    missing = sum(u * (1 - there) for u, there in zip(units, available, strict=True))
    free = [u if allowed > 0.999 else 0.0 for u, allowed in zip(units, legal, strict=True)]
    turned = missing / max(sum(free), 1e-9)
    share = [u * there + turned * f for u, there, f in zip(units, available, free, strict=True)]
    paid = sum(s * price / k for s, price, k in zip(share, asked, left, strict=True))
    return Offer(left, asked, spending, share, paid / max(sum(share), 1e-9))


def shares(weights: list[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]
