"""6. Tokens: labs price, adopters choose and use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.plain_mesa.adopter import Offers
from benchmarks.plain_mesa.constants import TIERS


def trade_tokens(model: Any) -> None:
    """Costs, prices, choice, habit, use; every quarter the value of a nat of capability."""
    p, labs, adopters, accounts = model.p, model.labs, model.adopters, model.accounts
    for lab in labs:
        if lab.active:
            lab.cost_tokens()
    offers = Offers.of(labs)
    for adopter in adopters:
        adopter.look(offers)
    elasticity = perceived_elasticity(model, offers)
    undercut = how_undercut(model)
    luck = model.draws.uniform("price change", (len(labs), len(TIERS)))
    for i, lab in enumerate(labs):
        if lab.active:
            lab.set_prices(elasticity[i], undercut[i], luck[i])

    offers, growth = Offers.of(labs), adoption(model)
    for adopter in adopters:
        adopter.adopt(offers)
        adopter.use(offers, growth)
    add_up_volumes(model)
    if model.month % 3 == 0:
        value_capability(model, offers, growth)

    accounts.demand_elasticity = elasticity
    for usual, now in zip(accounts.accustomed, undercut, strict=True):
        for t in TIERS:
            usual[t] += p.accustoming * (now[t] - usual[t])
    accounts.undercut = undercut
    contestable = sum(adopter.spending for adopter in adopters if adopter.is_contestable(offers))
    accounts.contestable_share = contestable / max(sum(adopter.spending for adopter in adopters), 1e-12)


def perceived_elasticity(model: Any, offers: Offers) -> list[float]:
    """Elasticity of each lab's sales in its common markup, weighted by spending; the plain mean for labs without sales."""
    total, weighted, plain = (np.zeros(len(model.labs)) for _ in range(3))
    for adopter in model.adopters:
        paid, elasticity = adopter.answer(offers)
        total += paid
        weighted += paid * elasticity
        plain += elasticity
    sells = total > 0
    return np.where(sells, weighted / np.where(sells, total, 1.0), plain / len(model.adopters)).tolist()


def how_undercut(model: Any) -> list[list[float]]:
    """Log price gap (nats) to the cheapest rival product that is at least as capable, for each product."""
    on_sale = [(lab, lab.capability[t], lab.price[t]) for lab in model.labs if lab.active for t in TIERS]
    undercut = []
    for lab in model.labs:
        row = []
        for t in TIERS:
            enough = lab.capability[t] - model.p.capability_slack
            rivals = [price for other, capability, price in on_sale if other is not lab and capability >= enough]
            row.append(max(math.log(lab.price[t] / min(rivals, default=1e9)), 0.0))
        undercut.append(row)
    return undercut


def adoption(model: Any) -> float:
    """Scale of use relative to the start: logistic in time."""
    p = model.p
    late = 1 / (1 + math.exp(-p.adoption_speed * (model.month - p.adoption_midpoint) / 12))
    return late * (1 + math.exp(p.adoption_speed * p.adoption_midpoint / 12))


def add_up_volumes(model: Any) -> None:
    """Record each lab's sales, in total and to enterprises."""
    everybody = sum(adopter.tokens for adopter in model.adopters)
    nobody = np.zeros(everybody.size)
    enterprises = sum((adopter.tokens for adopter in model.adopters if adopter.enterprise), nobody)
    for i, lab in enumerate(model.labs):
        lab.volume = everybody[2 * i : 2 * i + 2].tolist()
        lab.enterprise_volume = enterprises[2 * i : 2 * i + 2].tolist()


def value_capability(model: Any, offers: Offers, growth: float) -> None:
    """Value of a nat of capability to each lab, $ M per month."""
    worth = sum(adopter.worth_of_capability(offers, growth) for adopter in model.adopters)
    for lab, value in zip(model.labs, worth.tolist(), strict=True):
        capture = model.p.open_capture if lab.is_open else 1.0
        lab.marginal_value = 1e-6 * value * capture if lab.active else 0.0
