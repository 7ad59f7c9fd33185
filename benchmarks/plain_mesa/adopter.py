"""Adopters: buyers of tokens."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import mesa
import numpy as np

from benchmarks.plain_mesa.constants import TIERS

Array = np.ndarray


class Offers(NamedTuple):
    """Products on sale, closed labs' first, two per lab, with quantities common to all adopters."""

    price: Array  # $ per M tokens
    log_price: Array
    margin: Array  # $ per M tokens
    capability: Array  # nats
    trust: Array
    brand: Array
    is_open: Array  # 1 or 0
    on_sale: Array  # booleans
    absent: Array  # 0, or -inf if not on sale
    opens: int  # index of the first open product

    @classmethod
    def of(cls, labs: list[Any]) -> Offers:
        def products(values: list[Any]) -> Array:
            return np.array(values, dtype=float).repeat(len(TIERS))

        price = np.array([price for lab in labs for price in lab.price])
        on_sale = products([lab.active for lab in labs]) > 0
        return cls(
            price=price,
            log_price=np.log(price),
            margin=price - [cost for lab in labs for cost in lab.token_cost],
            capability=np.array([k for lab in labs for k in lab.capability]),
            trust=products([lab.trust for lab in labs]),
            brand=products([lab.brand for lab in labs]),
            is_open=products([lab.is_open for lab in labs]),
            on_sale=on_sale,
            absent=np.where(on_sale, 0.0, -np.inf),
            opens=len(TIERS) * sum(not lab.is_open for lab in labs),
        )


def by_lab(values: Array) -> Array:
    """Sums over the two products of each lab."""
    return values[0::2] + values[1::2]


def log_sum(values: tuple[float, ...]) -> float:
    """ln of the sum of exponentials."""
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


class Adopter(mesa.Agent):
    """A segment of users: chooses among models useful for its tasks and uses more when the price index falls."""

    active: bool
    home: int
    difficulty: float  # nats
    price_sensitivity: float
    quality_taste: float
    compliance_need: float
    openness_taste: float
    scale: float  # M tokens a month at the price of the status quo
    usage_elasticity: float
    enterprise: bool
    price_index: float
    spending: float  # $ M a month
    peers: list[Adopter]

    def __init__(self, model: Any, usage: list[float], tokens: list[float], **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)
        self.usage, self.tokens = np.array(usage), np.array(tokens)
        p = model.p
        self.outside = -self.price_sensitivity * math.log(p.outside_price)
        self.use_at_one = self.scale * p.outside_price**self.usage_elasticity

    def look(self, offers: Offers) -> None:
        """Utility of each product before price: usefulness for its tasks, trust, openness, brand, and peers."""
        p = self.model.p
        useful = -np.logaddexp(0.0, (self.difficulty - offers.capability) / p.usefulness_width)
        self.quality = (
            self.quality_taste * useful
            + self.compliance_need * offers.trust
            + self.openness_taste * offers.is_open
            + offers.brand
        )
        watched = sum(peer.usage for peer in self.peers) / len(self.peers)
        self.appeal = self.quality + p.network_effect * watched

    def choose(self, offers: Offers) -> tuple[Array, Array, float]:
        """Target shares, shares within the nest, and price index: a nested logit (McFadden 1978)."""
        rho = self.model.p.nest_correlation
        worth = (self.appeal - self.price_sensitivity * offers.log_price + offers.absent) / (1 - rho)
        nests, values = [], []
        for nest in (worth[: offers.opens], worth[offers.opens :]):
            top = float(nest.max())
            if top == -math.inf:  # the nest is empty
                nests.append(np.zeros(nest.size))
                values.append(-math.inf)
                continue
            weight = np.exp(nest - top)
            total = float(weight.sum())
            nests.append(weight / total)
            values.append((1 - rho) * (math.log(total) + top))
        value = log_sum((*values, self.outside))
        target = [within * math.exp(nest - value) for within, nest in zip(nests, values, strict=True)]
        return np.concatenate(target), np.concatenate(nests), math.exp(-value / self.price_sensitivity)

    def answer(self, offers: Offers) -> tuple[Array, Array]:
        """Spending on each lab, and its elasticity in the lab's common markup, at today's target shares."""
        rho = self.model.p.nest_correlation
        target, within, index = self.choose(offers)
        own = by_lab(target)
        away = (1 - rho * by_lab(within)) / (1 - rho) - own
        elasticity = self.price_sensitivity * away + self.usage_elasticity * own + 1 - own
        return self.use_at_one * index ** (1 - self.usage_elasticity) * own, elasticity

    def adopt(self, offers: Offers) -> None:
        """Move usage shares towards the target shares (habit); products that left the market are no longer used."""
        self.target, self.within, self.target_index = self.choose(offers)
        usage = self.usage + self.model.p.habit_rate * (self.target - self.usage)
        self.usage = np.where(offers.on_sale, usage, 0.0)

    def use(self, offers: Offers, growth: float) -> None:
        """Use and spending at the price index of its habitual products."""
        value = self.value_of_use(offers)
        self.price_index = math.exp(-value / self.price_sensitivity)
        spent = self.use_at_one * growth * self.price_index ** (1 - self.usage_elasticity)
        self.tokens = spent * self.usage / offers.price
        self.spending = float(self.tokens @ offers.price) * 1e-6

    def value_of_use(self, offers: Offers) -> float:
        """Utility of its shares, including the value of variety (Anderson, de Palma and Thisse 1988)."""
        rho, usage = self.model.p.nest_correlation, self.usage
        variety = np.log(np.where(usage > 0, usage, 1.0))
        utility = self.appeal - self.price_sensitivity * offers.log_price
        value = float(usage @ (utility - (1 - rho) * variety))
        closed, opened = float(usage[: offers.opens].sum()), float(usage[offers.opens :].sum())
        for share in (closed, opened):
            if share > 0:
                value -= rho * share * math.log(share)
        rest = max(1 - closed - opened, 0.0)
        return value + rest * self.outside - (rest * math.log(rest) if rest > 0 else 0.0)

    def worth_of_capability(self, offers: Offers, growth: float) -> Array:
        """Gain in sales minus cost, $ per month, of each lab from one more nat in both its products, at target shares."""
        rho, sigma, width = self.model.p.nest_correlation, self.price_sensitivity, self.model.p.usefulness_width
        gain = self.quality_taste / width / (1 + np.exp((offers.capability - self.difficulty) / width))
        in_nest = by_lab(self.within * gain).repeat(len(TIERS))
        in_all = by_lab(self.target * gain).repeat(len(TIERS))
        spent = self.use_at_one * growth * self.target_index ** (1 - self.usage_elasticity)
        tokens = spent * self.target / offers.price
        rise = (gain - rho * in_nest) / (1 - rho) + ((self.usage_elasticity - 1) / sigma - 1) * in_all
        return by_lab(tokens * offers.margin * rise)

    def is_contestable(self, offers: Offers) -> bool:
        """Whether its best open offer is within a switching cost of its best closed one."""
        utility = self.quality - self.price_sensitivity * offers.log_price + offers.absent
        closed = max(float(utility[: offers.opens].max()), -1e9)
        opened = max(float(utility[offers.opens :].max()), -1e9)
        return opened >= closed - self.model.p.switching_cost

    def surplus(self, growth: float) -> float:
        """Surplus over not using models, $ M per month: the area under its demand."""
        p, index = self.model.p, self.price_index
        scale, power = self.use_at_one * growth, 1 - self.usage_elasticity
        if abs(power) < 1e-6:
            return 1e-6 * scale * math.log(p.outside_price / index)
        return 1e-6 * scale * (p.outside_price**power - index**power) / power
