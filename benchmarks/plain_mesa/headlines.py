"""10. Observe: headline numbers collected by Mesa every month."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.plain_mesa.accounts import lag_of_open
from benchmarks.plain_mesa.constants import DEVELOPER, NOTHING, OFFERS, SUBSCRIBED, TIERS
from benchmarks.plain_mesa.headlines_of_compute import HEADLINES_OF_COMPUTE
from benchmarks.plain_mesa.tokens import leader_of

SOME = 1e-3  # share of sales below which a margin says nothing


def labs_of(model: Any, which: str) -> list[Any]:
    """Active labs: closed, open, the leader, the closed rest, or the same as followers."""
    labs, leader = [lab for lab in model.labs if lab.active], leader_of(model.labs)
    tests: dict[str, Callable[[Any], bool]] = {
        "closed": lambda lab: not lab.is_open,
        "open": lambda lab: lab.is_open,
        "leader": lambda lab: lab is leader,
        "rest": lambda lab: not lab.is_open and lab is not leader,
    }
    tests["followers"] = tests["rest"]
    return [lab for lab in labs if tests[which](lab)]


def weight(lab: Any, which: str) -> float:
    """A lab follows as far as it owes its flagship to others."""
    return lab.distilled_share if which == "followers" else 1.0


def share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def margin(model: Any, which: str, net: bool, offers: tuple[int, ...] = OFFERS) -> float:
    """(sales - cost) / sales of some labs; `net` counts what a complement earns. Of next to no sales there is none."""
    labs, everything = labs_of(model, which), sum(lab.sold.spent[q] for lab in model.labs for q in offers)
    sales = sum(weight(lab, which) * lab.sold.spent[q] for lab in labs for q in offers)
    costs = [(lab, lab.net_cost() if net else lab.token_cost) for lab in labs]
    cost = 1e-6 * sum(weight(lab, which) * lab.sold.tokens[q] * cost[q] for lab, cost in costs for q in offers)
    return share(sales - cost, sales) if sales > SOME * everything else math.nan


def nash_margin(model: Any, which: str, offers: tuple[int, ...] = OFFERS) -> float:
    nash = model.accounts.nash
    pairs = [(weight(lab, which), *nash[lab.number][q]) for lab in labs_of(model, which) for q in offers]
    sales, everything = sum(w * sold for w, sold, _ in pairs), sum(rows[q][0] for rows in nash for q in offers)
    return share(sum(w * profit for w, _, profit in pairs), sales) if sales > SOME * everything else math.nan


def lerner_closed(model: Any) -> float:
    """Sales-weighted Lerner index of closed labs."""
    return margin(model, "closed", net=True)


def lerner_leader(model: Any) -> float:
    """Of the closed lab with the best flagship."""
    return margin(model, "leader", net=True)


def lerner_followers(model: Any) -> float:
    """Of the other closed labs, each as far as it owes its flagship to others."""
    return margin(model, "followers", net=True)


def lerner_rest(model: Any) -> float:
    """Of all closed labs but the leader."""
    return margin(model, "rest", net=True)


def lerner_open(model: Any) -> float:
    """Of open models, at their hosts."""
    return margin(model, "open", net=False)


def lerner_closed_nash(model: Any) -> float:
    """At the month's Nash prices."""
    return nash_margin(model, "closed")


def lerner_leader_nash(model: Any) -> float:
    """At the month's Nash prices."""
    return nash_margin(model, "leader")


def lerner_followers_nash(model: Any) -> float:
    """At the month's Nash prices."""
    return nash_margin(model, "followers")


def lerner_rest_nash(model: Any) -> float:
    """At the month's Nash prices."""
    return nash_margin(model, "rest")


def lerner_leader_api(model: Any) -> float:
    """On tokens alone."""
    return margin(model, "leader", net=True, offers=TIERS)


def lerner_followers_api(model: Any) -> float:
    """On tokens alone."""
    return margin(model, "followers", net=True, offers=TIERS)


def lerner_leader_api_nash(model: Any) -> float:
    """On tokens alone, at the month's Nash prices."""
    return nash_margin(model, "leader", TIERS)


def lerner_followers_api_nash(model: Any) -> float:
    """On tokens alone, at the month's Nash prices."""
    return nash_margin(model, "followers", TIERS)


def lerner_basket(model: Any) -> float:
    """Of what each segment buys, weighted by what it spent on closed models before the shock."""
    cost = np.array([c for lab in model.labs for c in lab.token_cost])
    total = 0.0
    for weight, adopter in zip(model.accounts.basket, model.adopters, strict=True):
        spent = float(adopter.spent.sum())
        total += weight * (1 - float(adopter.tokens @ cost) / spent) if spent > 0 else 0.0
    return share(total, sum(model.accounts.basket))


def hedonic(model: Any) -> tuple[float, float]:
    """Premium of closed over open models at equal capability (Griliches 1961), and the share of sales it is measured on."""
    tiers = {t: [(lab.capability[t], math.log(lab.price[t])) for lab in labs_of(model, "open")] for t in TIERS}
    lines = {t: np.array(here).reshape(-1, 2).T for t, here in tiers.items() if here}
    together = sum(float((k - k.mean()) @ (price - price.mean())) for k, price in lines.values())
    slope = together / max(sum(float((k - k.mean()) @ (k - k.mean())) for k, _ in lines.values()), 1e-9)
    gaps = covered = sales = 0.0
    for lab in labs_of(model, "closed"):
        for t in TIERS:
            spent = lab.sold.spent[t]
            sales += spent
            if t in lines and lines[t][0].min() <= lab.capability[t] <= lines[t][0].max():
                k, price = lines[t]
                covered += spent
                gaps += spent * (math.log(lab.price[t]) - price.mean() - slope * (lab.capability[t] - k.mean()))
    return share(gaps, covered), share(covered, sales)


def closed_premium(model: Any) -> float:
    """ln of the price of closed models over that of open ones at equal capability."""
    premium, coverage = hedonic(model)
    return premium if coverage > SOME else math.nan


def premium_coverage(model: Any) -> float:
    """Share of closed models' sales by the token that has open models to compare with."""
    return hedonic(model)[1]


def contestable_share(model: Any) -> float:
    """Share of spending on closed models for which they compete with open ones or with doing without."""
    return model.accounts.contestable_share


def rent_half_life(model: Any) -> float:
    """Median months until a closed flagship that led loses half of its rent."""
    months, halvings = model.accounts.rent_life
    return -math.log(2) / math.log1p(-min((halvings + 0.5) / (months + 1), 0.999)) if months >= 12 else math.nan


def open_token_share(model: Any) -> float:
    copies = sum(sum(lab.sold.copies) for lab in model.labs)
    opened = sum(sum(lab.sold.tokens) for lab in labs_of(model, "open")) + copies
    return share(opened, sum(sum(lab.sold.tokens) for lab in model.labs) + copies)


def open_revenue_share(model: Any) -> float:
    copies = sum(sum(lab.sold.spent_on_copies) for lab in model.labs)
    opened = sum(sum(lab.sold.spent) for lab in labs_of(model, "open")) + copies
    return share(opened, token_revenue(model))


def open_enterprise_share(model: Any) -> float:
    """Of enterprises' spending."""
    copies = sum(sum(lab.sold.copies_of_enterprises) for lab in model.labs)
    opened = sum(sum(lab.sold.enterprises) for lab in labs_of(model, "open")) + copies
    return share(opened, sum(sum(lab.sold.enterprises) for lab in model.labs) + copies)


def open_developer_share(model: Any) -> float:
    """Of developers' tokens."""
    bought = sum(adopter.tokens for adopter in model.adopters if adopter.segment == DEVELOPER)
    rows = np.reshape(bought, (len(model.labs), -1)).sum(axis=1)
    opened = sum(rows[lab.number] for lab in labs_of(model, "open"))
    opened += sum(sum(lab.sold.copies_of_developers) for lab in model.labs)
    return share(float(opened), float(rows.sum()))


def token_volume(model: Any) -> float:
    """M tokens a month, free ones included."""
    return sum(sum(lab.sold.tokens) + sum(lab.sold.copies) + lab.sold.free for lab in model.labs)


def token_revenue(model: Any) -> float:
    """$ M a month."""
    return sum(sum(lab.sold.spent) + sum(lab.sold.spent_on_copies) for lab in model.labs)


def api_revenue(model: Any) -> float:
    """$ M a month, from tokens."""
    return sum(lab.sold.spent[t] + lab.sold.spent_on_copies[t] for lab in model.labs for t in TIERS)


def subscription_revenue(model: Any) -> float:
    """$ M a month."""
    return sum(lab.sold.spent[SUBSCRIBED] + lab.sold.spent_on_copies[SUBSCRIBED] for lab in model.labs)


def hhi(model: Any) -> float:
    """Concentration of sales."""
    sales = [sum(lab.sold.spent) for lab in model.labs]
    return sum((one / sum(sales)) ** 2 for one in sales) if sum(sales) > 0 else math.nan


def adoption(model: Any) -> float:
    """Share of tasks, by value, of those who use models."""
    return sum(a.reach() for a in model.adopters) / sum(a.tasks * a.value for a in model.adopters)


def open_closed_lag(model: Any) -> float:
    """Months."""
    return lag_of_open(model)


def chip_revenue(model: Any) -> float:
    """$ M a month."""
    return sum(vendor.revenue for vendor in model.vendors)


def closed_profit(model: Any) -> float:
    """$ M a month."""
    return sum(lab.profit for lab in labs_of(model, "closed"))


def open_closed_gap(model: Any) -> float:
    """Gap between the frontier and the best open capability, nats."""
    opened = [max(lab.capability) for lab in labs_of(model, "open")]
    return model.frontier() - max([NOTHING, *opened])


def price_index(model: Any) -> float:
    """Quality-adjusted price of use, weighted by spending, $ per M tokens."""
    spending = sum(adopter.spending for adopter in model.adopters)
    logs = sum(adopter.spending * math.log(adopter.price_index) for adopter in model.adopters)
    return math.exp(logs / spending) if spending > 0 else math.nan


def equity_leader(model: Any) -> float:
    """Market value of the leading chip vendor, $ M."""
    return float(math.exp(model.exchange.log_price[0]) * model.exchange.shares[0])


def attention(model: Any) -> float:
    """Share of wealth whose owners follow the news."""
    weight = sum(investor.wealth for investor in model.investors)
    return sum(investor.wealth * investor.attentive for investor in model.investors) / weight


def active_labs(model: Any) -> float:
    return float(sum(lab.active for lab in model.labs))


HEADLINES: dict[str, Callable[[Any], float]] = {
    one.__name__: one
    for one in (
        lerner_closed,
        lerner_leader,
        lerner_followers,
        lerner_rest,
        lerner_rest_nash,
        lerner_closed_nash,
        lerner_leader_nash,
        lerner_followers_nash,
        lerner_leader_api,
        lerner_followers_api,
        lerner_leader_api_nash,
        lerner_followers_api_nash,
        lerner_open,
        lerner_basket,
        closed_premium,
        premium_coverage,
        contestable_share,
        rent_half_life,
        open_token_share,
        open_revenue_share,
        open_enterprise_share,
        open_developer_share,
        token_volume,
        token_revenue,
        api_revenue,
        subscription_revenue,
        hhi,
        adoption,
        open_closed_lag,
        chip_revenue,
        closed_profit,
        open_closed_gap,
        price_index,
        equity_leader,
        attention,
        active_labs,
    )
} | HEADLINES_OF_COMPUTE
"""Headlines by their names among the compiled model's observables."""
