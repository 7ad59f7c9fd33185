"""One month of the AI industry, as a table of contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from abm.engine import RUNS, Draws, firmly_typed, stretch
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
from abm.market.start import Populations, first_market
from abm.market.state import Conduct, Market, Networks, Now, Values

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


BY_RUN = Market(**{name: 0 for name in Market.names() if name not in ("networks", "month")}, networks=None, month=None)  # type: ignore[arg-type]
"""Which parts of the market differ between the runs of an ensemble (axis 0), and which they share."""


def start_runs(p: dict[str, Any], seeds: Any, networks: Networks, populations: Populations) -> Market:
    """The first markets of the runs of a chunk: parameters (runs, ...), seeds as words (runs, 2)."""
    world = populations.world()

    def start(values: dict[str, Any], seed: Any) -> Market:
        return first_market(Values(values), seed, populations, networks, world)

    return jax.vmap(start, out_axes=BY_RUN)(p, seeds)


def months_of_runs(conduct: Conduct, own_events: bool = False) -> Any:
    """`month` of all runs of a chunk: (markets, (parameters, seeds), events of the month) -> (markets, reports).

    With `own_events` every run has its own, first axis; otherwise all share one month's events.
    """

    def one(market: Market, setting: Any, events: dict[str, Any]) -> tuple[Market, Month]:
        values, seed = setting
        return month(market, Values(values), Events(events), Draws.from_seed(seed), conduct)

    return jax.jit(jax.vmap(one, in_axes=(BY_RUN, 0, 0 if own_events else None), out_axes=(BY_RUN, 0), axis_name=RUNS))


def run(
    markets: Market, setting: Any, timeline: dict[str, Any], bounds: tuple[Any, Any], reports: Any, months: Any
) -> tuple[Market, Any]:
    """Months ``bounds[0]`` to ``bounds[1] - 1`` of a chunk of runs: one loop, compiled by whoever calls it.

    `months` is what `months_of_runs` gives; the reports of the months played replace their rows of `reports`
    (months, runs, ...).
    """
    return stretch(lambda market, events: months(market, setting, events), markets, timeline, bounds, reports)


@jax.tree_util.register_pytree_node_class
class Events(Values):
    """One month of a timeline, with attribute access."""
