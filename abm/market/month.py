"""One month of the AI industry, as a table of contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxtyping import Array, Float

from abm.engine import Draws, without_weak_types
from abm.market.observables import ProductRecord, mask_invalid_prices, observe, record_products
from abm.market.phases.accounts import close_books
from abm.market.phases.enforcement import enforce
from abm.market.phases.equities import trade_equities
from abm.market.phases.machines import trade_machines
from abm.market.phases.policy import adjust_policy
from abm.market.phases.release import release_models
from abm.market.phases.rent import clear_rent
from abm.market.phases.research import do_research
from abm.market.phases.tokens import trade_tokens
from abm.market.state import Equations, Events, Market, Now, Values
from abm.support.shapes import Scalar

Phase = Callable[[Market, Now], Market]

PHASES: dict[str, Phase] = {
    "policy": adjust_policy,
    "machines": trade_machines,
    "research": do_research,
    "enforcement": enforce,
    "release": release_models,
    "tokens": trade_tokens,
    "rent": clear_rent,
    "accounts": close_books,
    "equities": trade_equities,
}
"""The schedule of a month, in order. `abm profile`, docs/ODD.md and the tests read it here."""

USUAL = Equations()


class Month(NamedTuple):
    """The report of one month."""

    observables: Mapping[str, Scalar]
    products: ProductRecord
    daily_returns: Float[Array, "D A"]  # log returns


def month(
    market: Market, p: Values, events: Events, draws: Draws, equations: Equations = USUAL
) -> tuple[Market, Month]:
    """Run one month (a pure function): return the market at its end and its report. Month 0 is January 2023."""
    now = Now(p, events, draws.at(market.month), equations)
    before = market
    for phase in PHASES.values():
        market = phase(market, now)
    products = record_products(market)
    report = Month(mask_invalid_prices(observe(before, market, now), products), products, market.exchange.daily_returns)
    return without_weak_types((market.replace(month=market.month + 1), report))
