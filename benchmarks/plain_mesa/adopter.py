"""Adopters: buyers of tokens."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import mesa
import numpy as np

from benchmarks.plain_mesa.constants import CONSUMER, FLAGSHIP, NOBODY, OFFERS, SUBSCRIBED, TIERS

Array = np.ndarray

UNSOLD = 1e4  # ln of the price of use where nothing is sold
LAST_USE = 60.0  # price of use over the value of tasks, beyond which there is no use


class Offers(NamedTuple):
    """What labs sell, lab by lab: tokens of the flagship and of the efficient model, and a subscription with the flagship."""

    price: Array  # $ per M tokens
    capability: Array  # nats
    hosted: Array  # nats, at certified hosts
    is_open: Array  # booleans, also the next two
    metered: Array  # sold by the token
    subscribed: Array  # sold as a subscription

    @classmethod
    def of(cls, labs: list[Any]) -> Offers:
        tiers = (*TIERS, FLAGSHIP)  # the model behind each offer
        return cls(
            price=np.array([price for lab in labs for price in lab.price]),
            capability=np.array([lab.capability[t] for lab in labs for t in tiers]),
            hosted=np.array([lab.hosted[t] for lab in labs for t in tiers]),
            is_open=np.array([lab.is_open for lab in labs for _ in tiers]),
            metered=np.array([lab.active and q != SUBSCRIBED for lab in labs for q in OFFERS]),
            subscribed=np.array([lab.active and lab.subscribes() and q == SUBSCRIBED for lab in labs for q in OFFERS]),
        )


class Answer(NamedTuple):
    """What a segment would do at given prices; rows are labs."""

    shares: Array  # of its spending (L, 3)
    paid: Array  # $ a month (L, 3)
    elasticity: Array  # of its use; one for all labs (1,), or where each lab changes its prices alone (L,)


class Adopter(mesa.Agent):
    """A segment of users with tasks of one difficulty: buys tokens where they do most for their price."""

    active: bool
    home: int
    segment: int  # developers, an enterprise, consumers
    difficulty: float  # nats
    value: float  # $ per M tokens, mean over its tasks
    tasks: float  # M tokens a month, if use cost nothing and all had adopted
    compliance_need: float
    adopted: float  # share
    free_tokens: float  # M tokens a month of those who do not pay
    price_index: float  # $ per M tokens
    spending: float  # $ M a month
    peers: list[Adopter]

    def __init__(self, model: Any, **columns: Any) -> None:
        super().__init__(model)
        self.__dict__.update(columns)
        for name in ("own_fit", "fit", "trust", "relied", "usage", "tokens", "spent", "certified"):
            setattr(self, name, np.array(getattr(self, name)))

    # Releases

    def try_releases(self, labs: list[Any], luck: list[float]) -> None:
        """Own training renews part of what a lab's models are good at; what is owed to another lab comes with its fit."""
        p, before = self.model.p, self.fit.copy()
        for lab, number in zip(labs, luck, strict=True):
            i = lab.number
            if not (lab.active and lab.released[FLAGSHIP]):
                continue
            if lab.from_own_run:
                noise = p.fit_spread * math.sqrt(1 - p.fit_persistence**2) * number
                self.own_fit[i] = p.fit_persistence * self.own_fit[i] + noise
            self.fit[i] = self.own_fit[i]
            if lab.source != NOBODY:
                self.fit[i] += p.fit_inheritance * lab.distilled_share * (before[lab.source] - self.own_fit[i])

    def try_fork(self, entrant: int, fit: float) -> None:
        """A fork suits it as its source does; nobody has used the entrant yet."""
        self.fit[entrant] = self.own_fit[entrant] = fit
        self.trust[entrant] = self.model.p.trust_in_open

    # Choice

    def look(self, offers: Offers) -> None:
        """ln of what a token of each offer is worth to it, from the lab or, open weights, from a certified host if better."""
        p, each = self.model.p, len(OFFERS)
        short = (self.difficulty - offers.capability) / p.usefulness_width
        fit = self.fit.repeat(each)
        accepted = np.log(1 - self.compliance_need * (1 - self.trust))
        own = fit - np.logaddexp(0.0, short) + accepted[:-1].repeat(each)
        missing = (self.difficulty - offers.hosted) / p.usefulness_width
        host = fit - np.logaddexp(0.0, missing) + accepted[-1] - p.certified_margin
        self.at_hosts = offers.is_open & (host > own)
        self.worth = np.where(self.at_hosts, host, own)
        self.useful = 1 / (1 + np.exp(short))
        self.slope = (1 - self.useful) / p.usefulness_width  # of ln worth in capability, per nat
        self.sold = offers.subscribed if self.segment == CONSUMER else offers.metered
        self.shopping = bool(self.sold.any())

    def pulls(self, price: Array) -> tuple[Array, float]:
        """Pull of every offer relative to the best one (L, 3), and ln of the best one's price over worth."""
        effective = np.where(self.sold, np.log(price) - self.worth, np.inf)
        best = float(effective.min()) if self.shopping else UNSOLD
        return np.exp(self.model.p.substitution * (best - effective)).reshape(-1, len(OFFERS)), best

    def choose(self, price: Array) -> tuple[Array, float]:
        """Shares of spending (L, 3) and ln of the price of use (Atkeson and Burstein 2008)."""
        pull, best = self.pulls(price)
        if not self.shopping:
            return pull, best
        total = pull.sum()
        return pull / total, best - math.log(total) / self.model.p.substitution

    def want(self, log_price: Any) -> tuple[Any, Any]:
        """Spending, $ a month, and elasticity of use at a price of use."""
        elasticity = np.exp(np.minimum(log_price - math.log(self.value), math.log(LAST_USE)))
        return self.value * elasticity * self.adopted * self.tasks * np.exp(-elasticity), elasticity

    def answer(self, price: Array) -> Answer:
        """What it would buy if these were the prices (L, 3)."""
        shares, index = self.choose(price.reshape(-1))
        paid, elasticity = self.want(np.array([index]))
        return Answer(shares, shares * paid, elasticity)

    def answer_each(self, posted: Array, price: Array) -> Answer:
        """What it would buy of each lab if that lab alone moved from its posted prices to these (L, 3)."""
        sigma = self.model.p.substitution
        now, best = self.pulls(posted.reshape(-1))
        if not self.shopping:
            return Answer(now, now, np.full(len(now), LAST_USE))
        then = now * np.exp(sigma * np.log(posted / price))
        total = rest_of(now.sum(axis=1)) + then.sum(axis=1)
        paid, elasticity = self.want(best - np.log(total) / sigma)
        shares = then / total[:, None]
        return Answer(shares, shares * paid[:, None], elasticity)

    # Use

    def adopt(self, offers: Offers, peers_adopted: float) -> None:
        """More of the segment uses models the more they can do and the more of its peers do (Bass 1969)."""
        p = self.model.p
        useful = float(self.useful[self.sold].max()) if self.shopping else 0.0
        hazard = p.adoption_innovation + p.adoption_imitation * peers_adopted
        self.adopted += useful * hazard / 12 * (1 - self.adopted)

    def buy(self, offers: Offers, target: Array) -> None:
        """Shares move part of the way to those it would choose, and use follows from what it then pays for it."""
        p, target = self.model.p, target.reshape(-1)
        usage = np.where(self.sold, self.usage, 0.0)
        if usage.any():
            usage = (1 - p.habit_rate) * usage + p.habit_rate * target
            usage = usage / usage.sum()
        else:
            usage = target.copy()
        log_price = self.price_of_use(offers, usage)
        paid, elasticity = self.want(log_price)
        self.usage, self.spent = usage, usage * paid
        self.certified = self.at_hosts & self.sold
        price = offers.price * np.where(self.certified, math.exp(p.certified_margin), 1.0)
        self.tokens = np.where(self.sold, self.spent / price, 0.0)
        pays_not = self.adopted * self.tasks * (1 - math.exp(-elasticity))
        self.free_tokens = p.free_use * pays_not if self.segment == CONSUMER and self.shopping else 0.0
        self.price_index = math.exp(min(log_price, 60.0))
        self.spending = 1e-6 * float(paid)
        first_hand = np.where(self.certified, 0.0, usage).reshape(-1, len(OFFERS)).sum(axis=1)
        self.relied = np.append(first_hand, usage[self.certified].sum())

    def price_of_use(self, offers: Offers, usage: Array) -> float:
        """ln of what it spends per unit of use at these shares: a CES aggregate of the tokens that they buy."""
        used = usage > 0
        if not used.any():
            return UNSOLD
        power = self.model.p.substitution / (self.model.p.substitution + 1)
        amount = np.log(usage[used]) + self.worth[used] - np.log(offers.price[used])
        top = float(amount.max())
        return -top - math.log(np.exp(power * (amount - top)).sum()) / power

    def learn_trust(self, peers_relied: Array, incidents: list[float]) -> None:
        """Trust grows with use by itself and by its peers up to a ceiling, and falls with incidents."""
        p = self.model.p
        gain = p.trust_rate * (self.relied + peers_relied) * np.maximum(p.trust_ceiling - self.trust, 0.0)
        self.trust = (self.trust + gain) * (1 - p.incident_loss * np.array([*incidents, 0.0]))

    def surplus(self) -> float:
        """Area under its demand for use above the price of use, $ M a month."""
        elasticity = min(self.price_index / self.value, LAST_USE)
        return 1e-6 * self.value * self.adopted * self.tasks * math.exp(-elasticity)

    def reach(self) -> float:
        """Value of the tasks of those who have adopted, $ a month."""
        return self.adopted * self.tasks * self.value


def rest_of(values: Array) -> Array:
    """Sum of the others' values, for each."""
    return np.array([np.delete(values, i).sum() for i in range(len(values))])
