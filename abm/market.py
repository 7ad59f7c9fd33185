"""One month of the AI industry, as a table of contents."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from abm.engine import Draws, loop
from abm.observables import ProductRecord, observe, record_products
from abm.phases.accounts import close_books
from abm.phases.chips import trade_chips
from abm.phases.enforcement import enforce
from abm.phases.equities import trade_equities
from abm.phases.policy import adjust_policy
from abm.phases.release import release_models
from abm.phases.research import do_research
from abm.phases.tokens import trade_tokens
from abm.population import Populations, first_market
from abm.state import Conduct, Market, Networks, Now, Values

USUAL = Conduct()
SHOCK_MONTH = 24  # January 2025: the basket of customers is fixed the month before


class Month(NamedTuple):
    """What one month reports."""

    observables: dict[str, Any]
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

    report = Month(observe(before, market, now), record_products(market), daily_returns)  # 9. Observe
    return market.replace(month=market.month + 1), report


def fix_basket(market: Market) -> Market:
    """The month before the shock, remember which segments bought mostly closed models: the fixed basket."""
    from abm.phases.common import is_open_lab, per_product

    usage = market.adopters.usage
    closed = (usage * per_product(~is_open_lab(market.labs))).sum(1)
    mostly = (closed > 0.5 * usage.sum(1)) * 1.0
    basket = jnp.where(market.month < SHOCK_MONTH, mostly, market.accounts.basket)
    return market.replace(accounts=market.accounts.replace(basket=basket))


def run(
    p: dict[str, Any],
    seed: Any,
    timeline: dict[str, Any],
    networks: Networks,
    populations: Populations,
    conduct: Conduct = USUAL,
) -> tuple[Market, Month]:
    """A whole run: the first market, then `month` for every row of the timeline. Compiled by whoever calls it.

    Returns the last market and the reports, first axis the months.
    """
    values, draws = Values(p), Draws.from_seed(seed)
    start = first_market(values, seed, populations, networks, populations.world())

    def step(market: Market, events: Any) -> tuple[Market, Month]:
        return month(market, values, Events(events), draws, conduct)

    return loop(step, start, timeline)


@jax.tree_util.register_pytree_node_class
class Events(Values):
    """One month of a timeline, with attribute access."""
