"""Investors: beliefs and trading."""

from __future__ import annotations

import math
from typing import Any

import mesa
import numpy as np

from benchmarks.plain_mesa.constants import logistic


class Investor(mesa.Agent):
    """Holds beliefs over four open questions, hears news when attentive, talks to neighbours, and buys what looks cheap."""

    active: bool
    home: int
    wealth: float  # share of all wealth
    money: float  # $ M
    belief: list[float]  # mean by question, nats
    uncertainty: list[float]  # variance
    anchor: list[float]
    reference: list[float]
    susceptibility: float
    credibility: float
    threshold: float
    attentive: float
    heard_signal: list[float]
    heard_precision: list[float]
    heard_claims: list[float]
    trend_share: float
    switching: float
    aggressiveness: float
    neighbours: list[Investor]

    def __init__(self, model: Any, holdings: list[float], **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)
        self.holdings = np.array(holdings)
        self.trust = math.log(self.credibility / (1 - self.credibility)) if self.credibility < 1 else math.inf
        self.listens = self.susceptibility * model.p.social_influence

    def open_month(self) -> None:
        """Weights of its bets on value and on the trend; wealth and strategy are fixed for a month."""
        p = self.model.p
        bet = p.demand_per_mispricing * self.wealth * self.aggressiveness
        self.fundamental = bet * (1 - self.trend_share)
        self.trend = bet * self.trend_share * p.trend_strength

    def notice(self, exposure: float, staying: float, luck: float) -> None:
        """Wake by exposure to salient news; otherwise sometimes lose interest."""
        if luck < exposure:
            self.attentive = 1.0
        elif luck >= staying:
            self.attentive = 0.0

    def is_talked_into(self) -> bool:
        """Whether enough of those it listens to are awake."""
        awake = sum([neighbour.attentive for neighbour in self.neighbours])
        return awake / len(self.neighbours) >= self.threshold

    def learn(self, record: Any, pace: float, drift: float) -> None:
        """Update reference and uncertainty; an attentive investor first absorbs pending news."""
        m0, m1, m2, m3 = self.belief  # unrolled, because every investor does it every day
        r0, r1, r2, r3 = self.reference
        self.reference = [r0 + pace * (m0 - r0), r1 + pace * (m1 - r1), r2 + pace * (m2 - r2), r3 + pace * (m3 - r3)]
        if self.attentive > 0.5:
            self.absorb(record)
        v0, v1, v2, v3 = self.uncertainty
        self.uncertainty = [v0 + drift, v1 + drift, v2 + drift, v3 + drift]

    def absorb(self, record: Any) -> None:
        """Kalman update on all public news not yet absorbed, claims at its own credibility."""
        trust = logistic(self.trust + self.belief[3])
        signal = [all_ - heard for all_, heard in zip(record.signal, self.heard_signal, strict=True)]
        precision = [all_ - heard for all_, heard in zip(record.precision, self.heard_precision, strict=True)]
        signal[0] += trust * (record.claims[0] - self.heard_claims[0])
        precision[0] += trust * (record.claims[1] - self.heard_claims[1])
        belief, uncertainty = list(self.belief), list(self.uncertainty)
        for q, sharpness in enumerate(precision):
            if sharpness > 0:
                weight = uncertainty[q] * sharpness
                belief[q] += weight / (1 + weight) * (signal[q] / sharpness - belief[q])
                uncertainty[q] /= 1 + weight
        self.belief, self.uncertainty = belief, uncertainty
        self.heard_signal, self.heard_precision = list(record.signal), list(record.precision)
        self.heard_claims = list(record.claims)

    def heard(self) -> list[float]:
        """Mean belief of those it listens to."""
        number = len(self.neighbours)
        return [sum(column) / number for column in zip(*[n.belief for n in self.neighbours], strict=True)]

    def talk(self, heard: list[float]) -> None:
        """One round of averaging with neighbours, anchored to its initial opinion."""
        anchoring, listens = self.model.p.anchoring, self.listens
        for q, others in enumerate(heard):
            inner = listens * others + (1 - listens) * self.belief[q]
            self.belief[q] = inner + anchoring * (self.anchor[q] - inner)

    def felt(self, diagnostic: float) -> list[float]:
        """Diagnostic belief: news is over-weighted relative to the reference."""
        m0, m1, m2, m3 = self.belief
        r0, r1, r2, r3 = self.reference
        more = 1 + diagnostic
        return [
            more * m0 - diagnostic * r0,
            more * m1 - diagnostic * r1,
            more * m2 - diagnostic * r2,
            more * m3 - diagnostic * r3,
        ]

    def order(self, diagnostic: float) -> tuple[float, ...]:
        """Daily drivers of demand: felt beliefs and uncertainties by question, each times its bet on value."""
        bet = self.fundamental
        f0, f1, f2, f3 = self.felt(diagnostic)
        v0, v1, v2, v3 = self.uncertainty
        return bet * f0, bet * f1, bet * f2, bet * f3, bet * v0, bet * v1, bet * v2, bet * v3

    def settle(self, closing: Any, diagnostic: float, premium: float) -> None:
        """Trades of the month against the dealer, dividends received and funding paid in proportion to holdings."""
        felt, doubt = np.array(self.felt(diagnostic)), premium * np.array(self.uncertainty)
        mispricing = closing.gap + closing.loadings @ felt - closing.squares @ doubt
        position = self.wealth + self.fundamental * mispricing + self.trend * closing.momentum
        self.money += float(self.holdings @ closing.worth_and_payout - position @ closing.worth)
        self.holdings = position

    def choose_strategy(self, profits: list[float]) -> None:
        """Fundamental or trend by discrete choice on last month's profits (Brock and Hommes 1998)."""
        p = self.model.p
        share = logistic(self.switching * p.strategy_switching * (profits[1] - profits[0]))
        self.trend_share = 0.5 * self.trend_share + 0.5 * p.trend_share_maximum * share

    def grow(self, closing: Any) -> None:
        """Update wealth with the portfolio: a better month than the market's increases its share."""
        held = np.maximum(self.holdings, 0.0)
        self.wealth *= float(held @ closing.worth_grown) / max(float(held @ closing.worth), 1e-12)
