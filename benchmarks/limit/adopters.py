"""Hand-written loops for a month's choices of all adopters of a run at given prices: nested logit, habit, use."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

PARAMETERS = ("usefulness_width", "nest_correlation", "network_effect", "outside_price", "habit_rate")
P = NamedTuple("P", [*((name, float) for name in PARAMETERS), ("growth", float)])  # type: ignore[misc]


class Adopters(NamedTuple):
    """Columns of adopters (J,); usage and tokens (J, products), price_index and spending change."""

    difficulty: Any
    price_sensitivity: Any
    quality_taste: Any
    compliance_need: Any
    openness_taste: Any
    scale: Any
    usage_elasticity: Any
    usage: Any
    tokens: Any
    price_index: Any
    spending: Any


class Products(NamedTuple):
    """Products on sale (products,); nest 0 or 1."""

    capability: Any
    log_price: Any
    price: Any
    trust: Any
    brand: Any
    is_open: Any
    available: Any
    nest: Any


@njit(error_model="numpy")
def choices(p, who, peers, goods):
    """Move shares towards the chosen ones, then compute use."""
    adopters, products = who.usage.shape
    watched, independence = peers.shape[1], 1 - p.nest_correlation
    before, utility, weight = who.usage.copy(), np.empty(products), np.empty(products)
    group, top, held = np.empty(2), np.empty(2), np.empty(2)
    for j in range(adopters):
        sigma = who.price_sensitivity[j]
        outside = -sigma * math.log(p.outside_price)
        top[:] = -np.inf
        for q in range(products):
            if not goods.available[q]:
                continue
            peer = 0.0
            for k in range(watched):
                peer += before[peers[j, k], q]
            above = (goods.capability[q] - who.difficulty[j]) / p.usefulness_width
            useful = min(above, 0.0) - math.log1p(math.exp(-abs(above)))
            utility[q] = (
                who.quality_taste[j] * useful
                + who.compliance_need[j] * goods.trust[q]
                + who.openness_taste[j] * goods.is_open[q]
                + goods.brand[q]
                - sigma * goods.log_price[q]
                + p.network_effect * peer / watched
            )
            top[goods.nest[q]] = max(top[goods.nest[q]], utility[q] / independence)
        group[:] = 0.0
        for q in range(products):
            if goods.available[q]:
                weight[q] = math.exp(utility[q] / independence - top[goods.nest[q]])
                group[goods.nest[q]] += weight[q]
        highest, total = outside, 0.0
        for g in range(2):
            if group[g] > 0:
                highest = max(highest, independence * (math.log(group[g]) + top[g]))
        total = math.exp(outside - highest)
        for g in range(2):
            if group[g] > 0:
                total += math.exp(independence * (math.log(group[g]) + top[g]) - highest)
        for g in range(2):
            if group[g] > 0:
                share = math.exp(independence * (math.log(group[g]) + top[g]) - highest) / total
                group[g] = share / group[g]
        value, rest = 0.0, 1.0
        held[:] = 0.0
        for q in range(products):
            if not goods.available[q]:
                who.usage[j, q] = 0.0
                continue
            chosen = weight[q] * group[goods.nest[q]]
            share = before[j, q] + p.habit_rate * (chosen - before[j, q])
            who.usage[j, q] = share
            if share > 0:
                value += share * (utility[q] - independence * math.log(share))
                held[goods.nest[q]] += share
                rest -= share
        for g in range(2):
            if held[g] > 0:
                value -= p.nest_correlation * held[g] * math.log(held[g])
        rest = max(rest, 0.0)
        if rest > 0:
            value += rest * (outside - math.log(rest))
        index = math.exp(-value / sigma)
        elasticity = who.usage_elasticity[j]
        spent = who.scale[j] * p.growth * p.outside_price**elasticity * index ** (1 - elasticity)
        who.price_index[j] = index
        who.spending[j] = 0.0
        for q in range(products):
            share = who.usage[j, q]
            tokens = share * spent / goods.price[q] if share > 0 else 0.0
            who.tokens[j, q] = tokens
            who.spending[j] += tokens * goods.price[q] * 1e-6
