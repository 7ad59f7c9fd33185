"""Adopters: buyers of tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
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
    cost: Array  # $ per M tokens, at which faithful copies are sold
    copied: Array  # booleans: whether there is a faithful copy
    capability: Array  # nats
    hosted: Array  # nats, at certified hosts
    is_open: Array  # booleans, also the next two
    metered: Array  # sold by the token
    subscribed: Array  # sold as a subscription

    @classmethod
    def of(cls, labs: list[Any]) -> Offers:
        tiers = (*TIERS, FLAGSHIP)  # the model behind each offer
        copies = labs[0].model.p.perfect_copies > 0
        return cls(
            price=np.array([price for lab in labs for price in lab.price]),
            cost=np.array([cost for lab in labs for cost in lab.token_cost]),
            copied=np.array([copies and not lab.is_open for lab in labs for _ in OFFERS]),
            capability=np.array([lab.capability[t] for lab in labs for t in tiers]),
            hosted=np.array([lab.hosted[t] for lab in labs for t in tiers]),
            is_open=np.array([lab.is_open for lab in labs for _ in tiers]),
            metered=np.array([lab.active and q != SUBSCRIBED for lab in labs for q in OFFERS]),
            subscribed=np.array([lab.active and lab.subscribes() and q == SUBSCRIBED for lab in labs for q in OFFERS]),
        )


class Answer(NamedTuple):
    """What a segment would do at given prices; rows are labs."""

    shares: Array  # of its spending, without copies (L, 3)
    paid: Array  # $ a month (L, 3)
    elasticity: Array  # of its use; one for all labs (1,), or where each lab changes its prices alone (L,)


class Choice(NamedTuple):
    """What a segment would choose at posted prices; rows are labs."""

    shares: Array  # of its spending (L, 3)
    with_copies: Array  # the same, each offer with its copy
    copies: float  # of its spending, on copies
    index: float  # ln of the price of use


class Seen(NamedTuple):
    """Pulls as the first few labs see them, each with the posted prices of its rivals; relative to the best offer."""

    price: Array  # posted, $ per M tokens (C, 3)
    pull: Array  # (C, 3)
    rest: Array  # of rivals and of copies (C,)
    best: float  # ln of the best offer's price over worth


class Adopter(mesa.Agent):
    """A segment of users with tasks of one difficulty: buys tokens where they do most for their price."""

    active: bool
    home: int
    segment: int  # developers, an enterprise, consumers
    difficulty: float  # nats
    value: float  # $ per M tokens, mean over its tasks
    tasks: float  # M tokens a month, if use cost nothing and all had adopted
    compliance_need: float
    pace: float  # how often it reviews what it uses, of developers
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
        useful = 1 / (1 + np.exp(short))
        self.slope = (1 - useful) / p.usefulness_width  # of ln worth in capability, per nat
        self.sold = offers.subscribed if self.segment == CONSUMER else offers.metered
        self.useful = float(useful[self.sold].max(initial=0.0))  # of the best model, whether it buys it or not
        self.shopping = bool(self.sold.any())
        self.of_copies = np.where(self.sold & offers.copied, np.log(offers.cost) - self.worth, np.inf)

    def pulls(self, price: Array) -> tuple[Array, Array, float]:
        """Pulls of every offer and of its copy relative to the best one (L, 3), and ln of the best one's price over worth."""
        sigma = self.model.p.substitution
        effective = np.where(self.sold, np.log(price) - self.worth, np.inf)
        best = float(min(effective.min(), self.of_copies.min())) if self.shopping else UNSOLD
        pull, copies = np.exp(sigma * (best - effective)), np.exp(sigma * (best - self.of_copies))
        return pull.reshape(-1, len(OFFERS)), copies.reshape(-1, len(OFFERS)), best

    def choose(self, price: Array) -> Choice:
        """Shares of spending and ln of the price of use (Atkeson and Burstein 2008)."""
        pull, copies, best = self.pulls(price)
        if not self.shopping:
            return Choice(pull, pull, 0.0, best)
        total = pull.sum() + copies.sum()
        index = best - math.log(total) / self.model.p.substitution
        return Choice(pull / total, (pull + copies) / total, copies.sum() / total, index)

    def see(self, posted: Array, labs: int) -> None:
        """Note what the first few labs need to know to work out what each would sell if it alone changed its prices."""
        pull, copies, best = self.pulls(posted.reshape(-1))
        self.seen = Seen(posted[:labs], pull[:labs], rest_of(pull.sum(axis=1))[:labs] + copies.sum(), best)

    def want(self, log_price: Any) -> tuple[Any, Any]:
        """Spending, $ a month, and elasticity of use at a price of use."""
        elasticity = np.exp(np.minimum(log_price - math.log(self.value), math.log(LAST_USE)))
        return self.value * elasticity * self.adopted * self.tasks * np.exp(-elasticity), elasticity

    def answer(self, price: Array) -> Answer:
        """What it would buy if these were the prices (L, 3)."""
        choice = self.choose(price.reshape(-1))
        paid, elasticity = self.want(np.array([choice.index]))
        return Answer(choice.shares, choice.shares * paid, elasticity)

    def answer_each(self, price: Array) -> Answer:
        """What it would buy of each lab that it was seen by if that lab alone charged these prices (C, 3)."""
        sigma, seen = self.model.p.substitution, self.seen
        if not self.shopping:
            return Answer(seen.pull, seen.pull, np.full(len(seen.pull), LAST_USE))
        then = seen.pull * np.exp(sigma * np.log(seen.price / price))
        total = seen.rest + then.sum(axis=1)
        paid, elasticity = self.want(seen.best - np.log(total) / sigma)
        shares = then / total[:, None]
        return Answer(shares, shares * paid[:, None], elasticity)

    def if_better(self, choice: Choice, nats: float, dearer: Array) -> Array:
        """What it would spend with each lab, $ a month (L, 3), if that lab alone had better models at `dearer` times its prices.

        Better by a nat or by none. Faithful copies of them are better as well.
        """
        p = self.model.p
        if not self.shopping:
            return choice.shares
        beyond = (self.slope * p.usefulness_width).reshape(-1, len(OFFERS))  # part of its tasks that a model cannot do
        gain = -np.log(1 - (1 - math.exp(-nats / p.usefulness_width)) * beyond)  # ln worth
        then = choice.shares * np.exp(p.substitution * (gain - np.log(dearer)))
        copies = (choice.with_copies.reshape(then.shape) - choice.shares) * np.expm1(
            p.substitution * gain
        )  # what they pull more
        total = rest_of(choice.shares.sum(axis=1)) + choice.copies + copies.sum(axis=1) + then.sum(axis=1)
        paid, _ = self.want(choice.index - np.log(total) / p.substitution)
        return then / total[:, None] * paid[:, None]

    @contextmanager
    def offered_only(self, these: Array) -> Iterator[None]:
        """What it would do without all other offers and without copies."""
        usual = self.sold, self.shopping, self.of_copies
        self.sold, self.of_copies = self.sold & these, np.full(len(these), np.inf)
        self.shopping = bool(self.sold.any())
        yield
        self.sold, self.shopping, self.of_copies = usual

    # Use

    def adopt(self, peers_adopted: float) -> None:
        """More of the segment uses models the more they can do and the more of its peers do (Bass 1969)."""
        p = self.model.p
        hazard = (p.adoption_innovation + p.adoption_imitation * peers_adopted) / 12
        self.adopted += self.useful * min(hazard, 1.0) * (1 - self.adopted)

    def buy(self, offers: Offers, target: Array) -> None:
        """Shares move part of the way to those it would choose, and use follows from what it then pays for it.

        An offer and its copy count as one: what is spent on both divides as their pulls do.
        """
        p, target = self.model.p, target.reshape(-1)
        usage = np.where(self.sold, self.usage, 0.0)
        if usage.any():
            reviewed = 1 - (1 - p.habit_rate) ** self.pace
            usage = (1 - reviewed) * usage + reviewed * target
            usage = usage / usage.sum()
        else:
            usage = target.copy()
        kept = uncopied(offers.price, offers.cost, p.substitution)
        kept = np.where(offers.copied, kept, 1.0)
        log_price = self.price_of_use(np.log(offers.price) + np.log(kept) / p.substitution, usage)
        paid, elasticity = self.want(log_price)
        self.usage, self.spent = usage, usage * paid
        self.certified = self.at_hosts & self.sold
        per_dollar = kept / offers.price + (1 - kept) / offers.cost
        per_dollar = per_dollar / np.where(self.certified, math.exp(p.certified_margin), 1.0)
        self.tokens = np.where(self.sold, self.spent * per_dollar, 0.0)
        pays_not = self.adopted * self.tasks * (1 - math.exp(-elasticity))
        self.free_tokens = p.free_use * pays_not if self.segment == CONSUMER and self.shopping else 0.0
        self.price_index = math.exp(min(log_price, 60.0))
        self.spending = 1e-6 * float(paid)
        first_hand = np.where(self.certified, 0.0, usage).reshape(-1, len(OFFERS)).sum(axis=1)
        self.relied = np.append(first_hand, usage[self.certified].sum())

    def price_of_use(self, log_price: Array, usage: Array) -> float:
        """ln of what it spends per unit of use at these shares: a CES aggregate of the tokens that they buy."""
        used = usage > 0
        if not used.any():
            return UNSOLD
        power = self.model.p.substitution / (self.model.p.substitution + 1)
        amount = np.log(usage[used]) + self.worth[used] - log_price[used]
        top = float(amount.max())
        return -top - math.log(np.exp(power * (amount - top)).sum()) / power

    def learn_trust(self, peers_relied: Array, incidents: list[float]) -> None:
        """Trust grows with use by itself and by its peers up to a ceiling, and falls with incidents."""
        p = self.model.p
        part = np.minimum(p.trust_rate * (self.relied + peers_relied), 1.0)
        gain = part * np.maximum(p.trust_ceiling - self.trust, 0.0)
        self.trust = (self.trust + gain) * (1 - p.incident_loss * np.array([*incidents, 0.0]))

    def surplus(self) -> float:
        """Area under its demand for use above the price of use, $ M a month."""
        elasticity = min(self.price_index / self.value, LAST_USE)
        return 1e-6 * self.value * self.adopted * self.tasks * math.exp(-elasticity)

    def reach(self) -> float:
        """Value of the tasks of those who have adopted, $ a month."""
        return self.adopted * self.tasks * self.value


def uncopied(price: Array, cost: Array, sigma: float) -> Array:
    """Part of what is spent on an offer and a faithful copy of it, at cost, that goes to the offer."""
    return 1 / (1 + np.exp(sigma * np.log(price / cost)))


def rest_of(values: Array) -> Array:
    """Sum of the others' values, for each."""
    return np.array([np.delete(values, i).sum() for i in range(len(values))])
