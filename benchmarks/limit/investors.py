"""Hand-written loops for the trading days of a month, all investors of a run: a bound for what `abm.market.phases.equities` compiles to.

One pass over an investor's numbers a day, nothing stored in between. Arguments are plain arrays of one run; those that
the month changes are changed in place.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, uint32

PARAMETERS = (
    "base_attention", "news_exposure", "salience_floor", "attention_contagion", "attention_span", "story_life",
    "reference_adjustment", "belief_drift", "crash_beliefs", "diagnostic_weight", "risk_premium", "guarantee_share",
    "demand_per_mispricing", "trend_strength", "inventory_aversion", "market_depth", "liquidity_feedback", "price_limit",
    "momentum_update", "variance_update", "noise_correlation", "social_influence", "anchoring",
)  # fmt: skip
QUESTIONS = 4  # known at compile time, so that the compiler unrolls the loops
P = NamedTuple("P", [(name, float) for name in PARAMETERS])  # type: ignore[misc]


class Investors(NamedTuple):
    """Columns of investors (I,), (I, Q)."""

    belief: Any
    uncertainty: Any
    anchor: Any
    reference: Any
    attentive: Any
    heard_signal: Any
    heard_precision: Any
    heard_claims: Any
    credibility: Any
    threshold: Any
    wealth: Any
    aggressiveness: Any
    trend_share: Any
    susceptibility: Any


class Assets(NamedTuple):
    """Data of the assets (A,) and loadings (A, Q); the first four change."""

    log_price: Any
    momentum: Any
    variance: Any
    position: Any
    start: Any  # ln value priced in at the start of the month
    target: Any  # and at its end
    loadings: Any
    usual: Any
    listed: Any


class News(NamedTuple):
    """The public record, which changes, and daily additions to it (D, ...); luck: keys (D, 2), own (D, A), common (D,)."""

    signal: Any
    precision: Any
    claims: Any
    salience: Any  # (1,)
    new_signal: Any
    new_precision: Any
    new_claims: Any
    new_salience: Any
    keys: Any
    own: Any
    common: Any


@njit(inline="always")
def turn(x, y, r):
    x = uint32(x + y)
    return x, uint32(x ^ ((y << uint32(r)) | (y >> uint32(32 - r))))


@njit(inline="always")
def four_turns(x, y, a, b, c, d):
    x, y = turn(x, y, a)
    x, y = turn(x, y, b)
    x, y = turn(x, y, c)
    return turn(x, y, d)


@njit(inline="always")
def uniform(k0, k1, slot):
    """The engine's draw of a slot: Threefry-2x32-20 (Salmon et al. 2011)."""
    k2 = uint32(k0 ^ k1 ^ uint32(0x1BD11BDA))
    x, y = uint32(uint32(slot) + k0), k1
    x, y = four_turns(x, y, 13, 15, 26, 6)
    x, y = four_turns(uint32(x + k1), uint32(y + k2 + uint32(1)), 17, 29, 16, 24)
    x, y = four_turns(uint32(x + k2), uint32(y + k0 + uint32(2)), 13, 15, 26, 6)
    x, y = four_turns(uint32(x + k0), uint32(y + k1 + uint32(3)), 17, 29, 16, 24)
    x, y = four_turns(uint32(x + k1), uint32(y + k2 + uint32(4)), 13, 15, 26, 6)
    return (float(uint32(x + k2)) + 0.5) * 2.0**-32


@njit(error_model="numpy")
def trading_days(p, who, listen, assets, news):
    """Log returns (D, A)."""
    investors = who.belief.shape[0]
    days, firms, listened = news.keys.shape[0], assets.log_price.shape[0], listen.shape[1]
    diagnosis, premium = p.crash_beliefs * p.diagnostic_weight, p.risk_premium * (1 - p.guarantee_share)
    woken, heard = np.empty(investors), np.empty((investors, QUESTIONS))
    returns, beliefs, doubts = np.empty((days, firms)), np.empty(QUESTIONS), np.empty(QUESTIONS)
    for day in range(days):
        news.signal[:] += news.new_signal[day]
        news.precision[:] += news.new_precision[day]
        news.claims[:] += news.new_claims[day]
        news.salience[0] = news.salience[0] * math.exp(-1 / p.story_life) + news.new_salience[day]
        chance = 1 - (1 - p.base_attention) * math.exp(-p.news_exposure * news.salience[0])
        for i in range(investors):
            luck = uniform(news.keys[day, 0], news.keys[day, 1], i)
            if luck < chance:
                who.attentive[i] = 1.0
            elif not luck < 1 - 1 / p.attention_span:
                who.attentive[i] = 0.0
        if news.salience[0] > p.salience_floor and p.attention_contagion > 0.5:
            for _ in range(2):
                for i in range(investors):
                    awake = 0.0
                    for k in range(listened):
                        awake += who.attentive[listen[i, k]]
                    woken[i] = 1.0 if awake / listened >= who.threshold[i] else who.attentive[i]
                who.attentive[:] = woken
        constant = value = trend = 0.0
        beliefs[:] = 0.0
        doubts[:] = 0.0
        for i in range(investors):
            odds = who.credibility[i] * math.exp(who.belief[i, 3])
            trust = odds / (odds + 1 - who.credibility[i])
            awake = who.attentive[i] > 0.5
            tau = p.demand_per_mispricing * who.wealth[i] * who.aggressiveness[i]
            fundamental = tau * (1 - who.trend_share[i])
            constant += who.wealth[i]
            value += fundamental
            trend += tau * who.trend_share[i] * p.trend_strength
            for q in range(QUESTIONS):
                before = who.belief[i, q]
                who.reference[i, q] += p.reference_adjustment * (before - who.reference[i, q])
                if awake:
                    precision = news.precision[q] - who.heard_precision[i, q]
                    information = news.signal[q] - who.heard_signal[i, q]
                    if q == 0:
                        precision += trust * (news.claims[1] - who.heard_claims[i, 1])
                        information += trust * (news.claims[0] - who.heard_claims[i, 0])
                    variance = who.uncertainty[i, q] / (1 + who.uncertainty[i, q] * precision)
                    who.belief[i, q] = before + variance * (information - precision * before)
                    who.uncertainty[i, q] = variance
                    who.heard_signal[i, q], who.heard_precision[i, q] = news.signal[q], news.precision[q]
                who.uncertainty[i, q] += p.belief_drift
                felt = who.belief[i, q] + diagnosis * (who.belief[i, q] - who.reference[i, q])
                beliefs[q] += fundamental * felt
                doubts[q] += fundamental * premium * who.uncertainty[i, q]
            if awake:
                who.heard_claims[i, 0], who.heard_claims[i, 1] = news.claims[0], news.claims[1]
        for a in range(firms):
            base = assets.start[a] + (assets.target[a] - assets.start[a]) * (day + 1) / days
            wanted = constant + value * (base - assets.log_price[a]) + trend * assets.momentum[a]
            for q in range(QUESTIONS):
                loading = assets.loadings[a, q]
                wanted += beliefs[q] * loading - doubts[q] * loading**2
            order = wanted - assets.position[a] - p.inventory_aversion * (1 - wanted)
            luck = math.sqrt(1 - p.noise_correlation) * news.own[day, a]
            luck += math.sqrt(p.noise_correlation) * news.common[day]
            usual = assets.usual[a]
            noise = usual * (assets.variance[a] / usual**2) ** (0.5 * p.liquidity_feedback) * luck
            change = min(max(order / (p.market_depth + value) + noise, -p.price_limit), p.price_limit)
            assets.log_price[a] += change
            assets.position[a] = wanted - value * change
            assets.momentum[a] += p.momentum_update * (change - assets.momentum[a])
            variance = assets.variance[a] + p.variance_update * (change**2 - assets.variance[a])
            assets.variance[a] = min(max(variance, 0.25 * usual**2), 40 * usual**2)
            returns[day, a] = change
        if (day + 1) % 5 == 0:
            for i in range(investors):
                for q in range(QUESTIONS):
                    heard[i, q] = 0.0
                for k in range(listened):
                    for q in range(QUESTIONS):
                        heard[i, q] += who.belief[listen[i, k], q]
            for i in range(investors):
                weight = who.susceptibility[i] * p.social_influence
                for q in range(QUESTIONS):
                    inner = weight * heard[i, q] / listened + (1 - weight) * who.belief[i, q]
                    who.belief[i, q] = inner + p.anchoring * (who.anchor[i, q] - inner)
    return returns
