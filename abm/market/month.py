"""One month of the AI industry, as a table of contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from abm.engine import Draws, firmly_typed
from abm.market.observables import ProductRecord, observe, of_a_market, record_products
from abm.market.phases.accounts import close_books
from abm.market.phases.chips import trade_chips
from abm.market.phases.common import is_open_lab, per_product, quantities
from abm.market.phases.enforcement import enforce
from abm.market.phases.equities import trade_equities
from abm.market.phases.policy import adjust_policy
from abm.market.phases.release import release_models
from abm.market.phases.research import do_research
from abm.market.phases.tokens import trade_tokens
from abm.market.state import Conduct, Market, Now, Values

USUAL = Conduct()
SHOCK_MONTH = 24  # January 2025


class Month(NamedTuple):
    """What one month reports."""

    observables: Mapping[str, Any]
    products: ProductRecord
    daily_returns: Any  # (D, A) log returns


def month(market: Market, p: Values, events: Any, draws: Draws, conduct: Conduct = USUAL) -> tuple[Market, Month]:
    """January 2023 is month 0. Pure: the market at the end, and what the month reports."""
    now = Now(p, events, draws.at(market.month), conduct)
    before = market

    market = adjust_policy(market, now)  # 1. Policy
    market = trade_chips(market, now)  # 2. Chips
    market = do_research(market, now)  # 3. Research
    market = enforce(market, now)  # 4. Enforcement
    market = release_models(market, now)  # 5. Release
    market = trade_tokens(market, now)  # 6. Tokens
    market = close_books(market, now)  # 7. Accounts
    market, daily_returns = trade_equities(market, now)  # 8. Equities
    market = fix_basket(market)

    products = record_products(market)
    report = Month(of_a_market(observe(before, market, now), products), products, daily_returns)  # 9. Observe
    return firmly_typed((market.replace(month=market.month + 1), report))


def fix_basket(market: Market) -> Market:
    """Until the month before the shock, what each segment spends on closed models: the weights of the fixed basket."""
    closed = per_product(~is_open_lab(market.labs))
    spent = quantities(market) @ (closed * market.labs.price.reshape(-1)) * 1e-6
    basket = jnp.where(market.month < SHOCK_MONTH, spent, market.accounts.basket)
    return market.replace(accounts=market.accounts.replace(basket=basket))
