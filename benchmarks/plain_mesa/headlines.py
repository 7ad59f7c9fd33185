"""10. Observe: headline numbers collected by Mesa every month."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from benchmarks.plain_mesa.constants import NOTHING
from benchmarks.plain_mesa.headlines_of_compute import HEADLINES_OF_COMPUTE


def lerner_closed(model: Any) -> float:
    """Sales-weighted Lerner index of closed labs."""
    worth, markup = sales_and_markup(model, closed_only=True)
    return markup / worth if worth > 0 else 0.0


def sales_and_markup(model: Any, closed_only: bool = False) -> tuple[float, float]:
    worth = markup = 0.0
    for lab in model.labs:
        if lab.active and not (closed_only and lab.is_open):
            for x, price, cost in zip(lab.volume, lab.price, lab.token_cost, strict=True):
                worth += x * price
                markup += x * (price - cost)
    return worth, markup


def open_token_share(model: Any) -> float:
    opened = sum(sum(lab.volume) for lab in model.labs if lab.active and lab.is_open)
    return opened / max(sum(sum(lab.volume) for lab in model.labs if lab.active), 1e-12)


def token_revenue(model: Any) -> float:
    """$ M a month."""
    return 1e-6 * sales_and_markup(model)[0]


def chip_revenue(model: Any) -> float:
    """$ M a month."""
    return sum(vendor.revenue for vendor in model.vendors)


def closed_profit(model: Any) -> float:
    """$ M a month."""
    return sum(lab.profit for lab in model.labs if lab.active and not lab.is_open)


def open_closed_gap(model: Any) -> float:
    """Gap between the frontier and the best open capability, nats."""
    opened = [max(lab.capability) for lab in model.labs if lab.active and lab.is_open]
    return model.frontier() - max([NOTHING, *opened])


def price_index(model: Any) -> float:
    """Quality-adjusted price of use, weighted by spending, $ per M tokens."""
    spending = sum(adopter.spending for adopter in model.adopters)
    logs = sum(adopter.spending * math.log(adopter.price_index) for adopter in model.adopters)
    return math.exp(logs / max(spending, 1e-12))


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
        open_token_share,
        token_revenue,
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
