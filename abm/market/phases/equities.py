"""9. Equities: on 21 days news spreads, beliefs move, investors trade and prices form; at weekends investors talk."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from abm.agents.infrastructure import APPLICATIONS, PLATFORMS, POWER
from abm.engine import Draws, Group, in_any_run, loop, loop_between, mean_of_neighbours, when
from abm.market.phases.common import is_open_lab, usual_noise_of
from abm.market.phases.news import DailyNews, news_of_month
from abm.market.state import Exchange, Market, Now
from abm.mechanisms import attention, trading
from abm.support.axes import DAYS
from abm.support.shapes import Index, Scalar

WEEK = 5  # trading days
ROUNDS = 2  # rounds of contagion of a story per trading day

Trading = tuple[Group, Exchange, Float[Array, " strategy"]]
"""What changes from day to day: investors, exchange, and profits of the strategies so far."""


class Assets(NamedTuple):
    """The assets on a day as investors see them (A,); loadings (A, Q)."""

    base: Float[Array, " A"]  # ln capitalised earnings per share
    log_price: Float[Array, " A"]
    momentum: Float[Array, " A"]
    loadings: Float[Array, "A Q"]
    usual_noise: Float[Array, " A"]  # standard deviation of daily noise in quiet times


class PublicNews(NamedTuple):
    """All news of the run so far, pooled, as attentive investors see it."""

    signal: Float[Array, " Q"]  # precision x signal
    precision: Float[Array, " Q"]
    claims: Float[Array, " pair"]
    salience: Scalar


def trade_equities(market: Market, now: Now) -> Market:
    """Run the month's trading days, then settle trades and payments."""
    opening, listed = market.exchange.log_price, is_listed(market)
    loadings, investors, exchange, profits, returns = trading_days(market, now)
    market = market.replace(investors=investors, exchange=exchange.replace(daily_returns=returns))
    return settle(market, now, loadings, profits, opening, listed)


def is_listed(market: Market) -> Bool[Array, " A"]:
    """Mask of the assets that are traded."""
    return jnp.concatenate([group.active for group in (market.vendors, market.labs, market.infrastructure)])


def trading_days(
    market: Market, now: Now
) -> tuple[Float[Array, "A Q"], Group, Exchange, Float[Array, " strategy"], Float[Array, "D A"]]:
    """Run the days in order: loadings, investors, exchange, profits of strategies, log returns."""
    target = jnp.log(capitalised(market, now)) - jnp.log(market.exchange.shares)
    exchange = market.exchange.replace(target_base=target)
    start = exchange.base
    loadings, usual = loadings_of(market, now), usual_noise_of(start.size, market.infrastructure, now.p)
    news = news_of_month(market, now)

    listed = is_listed(market)

    def day(carry: Trading, today: tuple[Index, DailyNews]) -> tuple[Trading, Float[Array, " A"]]:
        investors, exchange, profits = carry
        index, arriving = today
        luck = day_luck(now.draws.at(index), market)
        investors, exchange = spread_news(investors, exchange, arriving, luck, market, now)
        base = start + (target - start) * (index + 1) / DAYS
        assets = Assets(base, exchange.log_price, exchange.momentum, loadings, usual)
        exchange, change, gains = form_prices(investors, exchange.replace(base=base), assets, luck, listed, now)
        return (investors, exchange, profits + gains), change

    days = (jnp.arange(DAYS), news)

    def talk(group: Group) -> Group:
        listened = market.networks.information
        return group.do("talk", now.p, neighbours_belief=mean_of_neighbours(group.belief, listened))

    def week(
        carry: tuple[Trading, Float[Array, "D A"]], number: Index
    ) -> tuple[tuple[Trading, Float[Array, "D A"]], None]:
        state, returns = carry
        bounds = number * WEEK, jnp.minimum((number + 1) * WEEK, DAYS)
        (investors, *rest), returns = loop_between(day, state, days, bounds, returns)
        investors = when(number < DAYS // WEEK, talk, investors)
        return ((investors, *rest), returns), None

    opened = (market.investors, exchange, jnp.zeros(2)), jnp.zeros((DAYS, listed.size))
    weeks = jnp.arange(-(-DAYS // WEEK))  # the last one is short
    (((investors, exchange, profits), returns), _) = loop(week, opened, weeks)
    return loadings, investors, exchange, profits, returns


class DayLuck(NamedTuple):
    """Random draws of a day."""

    attention: Float[Array, " I"]  # uniform
    own: Float[Array, " A"]  # normal
    common: Float[Array, "1"]  # normal


def day_luck(draws: Draws, market: Market) -> DayLuck:
    """The day's draws: who sees the news, and the orders of noise traders."""
    return DayLuck(
        attention=draws.uniform("attention", market.investors),
        own=jnp.concatenate(
            [draws.normal("price noise", g) for g in (market.vendors, market.labs, market.infrastructure)]
        ),
        common=draws.market_normal("market noise", 1),
    )


def spread_news(
    investors: Group, exchange: Exchange, arriving: DailyNews, luck: DayLuck, market: Market, now: Now
) -> tuple[Group, Exchange]:
    """Add today's news to the public record; some investors notice it, pass it on and learn from it."""
    p = now.p
    exchange = exchange.replace(
        signal=exchange.signal + arriving.signal,
        precision=exchange.precision + arriving.precision,
        claims=exchange.claims + arriving.claims,
        salience=attention.fading(exchange.salience, arriving.salience, p),
    )
    news = PublicNews(exchange.signal, exchange.precision, exchange.claims, exchange.salience)
    listened = market.networks.information
    investors = investors.do("notice", p, news, luck=luck.attention)

    def pass_on(group: Group) -> Group:
        for _ in range(ROUNDS):
            group = group.do("hear", p, news, neighbours=mean_of_neighbours(group.attentive, listened))
        return group

    investors = when(in_any_run(attention.is_talked_about(news.salience, p)), pass_on, investors)
    return investors.do("learn", p, news), exchange


def form_prices(
    investors: Group, exchange: Exchange, assets: Assets, luck: DayLuck, listed_firms: Shaped[Array, " A"], now: Now
) -> tuple[Exchange, Float[Array, " A"], Float[Array, " strategy"]]:
    """The market maker moves each price by net orders over market depth, and shades quotes against its inventory."""
    p = now.p
    wanted, slope = market_demand(investors, assets, now)
    # A dealer with excess stock quotes lower until it is sold (Ho and Stoll 1981).
    order = wanted - exchange.position - p.inventory_aversion * (1 - wanted)
    noise = jnp.sqrt(1 - p.noise_correlation) * luck.own + jnp.sqrt(p.noise_correlation) * luck.common
    change = trading.price_change(order, slope, p.market_depth) + trading.liquidity_noise(
        noise, exchange.variance, assets.usual_noise, p
    )
    change = jnp.clip(change, -p.price_limit, p.price_limit)
    mispricing = (wanted - 1) / p.demand_per_mispricing
    listed = listed_firms * 1.0
    both = jnp.stack([change * mispricing, change * p.trend_strength * exchange.momentum])
    gains = (both * listed).sum(1) / listed.sum()
    exchange = exchange.replace(
        log_price=exchange.log_price + change,
        position=wanted - slope * change,
        momentum=exchange.momentum + p.momentum_update * (change - exchange.momentum),
        variance=trading.update_variance(exchange.variance, change, assets.usual_noise, p),
    )
    return exchange, change, gains


def market_demand(investors: Group, assets: Assets, now: Now) -> tuple[Float[Array, " A"], Float[Array, " A"]]:
    """Total positions of investors, and their slope in the log price (positive if falling), both by firm.

    Without a short-sale constraint the schedules are summed first; with it every position has its own kink.
    """
    p = now.p
    schedules = investors.ask("schedule", p)
    active = investors.active * 1.0
    if now.equations.short_sales:
        total = jax.tree.map(lambda rows: jnp.tensordot(active, rows, 1), schedules)
        return trading.position(total, assets, p), jnp.full(assets.log_price.shape, total.value)
    positions = jax.vmap(lambda schedule: trading.position(schedule, assets, p))(schedules) * active[:, None]
    slopes = jnp.where(positions > 0, schedules.value[:, None], 0.0) * active[:, None]
    return positions.sum(0), slopes.sum(0)


def settle(
    market: Market,
    now: Now,
    loadings: Float[Array, "A Q"],
    profits: Float[Array, " strategy"],
    opening: Float[Array, " A"],
    listed: Bool[Array, " A"],
) -> Market:
    """Settle at the end of the month: positions and cash, strategies, wealth, new shares of labs."""
    p, exchange = now.p, market.exchange
    assets = Assets(
        exchange.base,
        exchange.log_price,
        exchange.momentum,
        loadings,
        usual_noise_of(listed.size, market.infrastructure, p),
    )
    value = jnp.exp(exchange.log_price) * exchange.shares * listed  # empty slots have no value
    funding, dividends = payments_with_owners(market, now)
    payouts = dividends - funding
    before = market.investors
    investors = before.do("settle", p, assets, value, payouts)
    bought = investors.money.sum() - before.money.sum()
    owed = payouts.sum()
    investors = investors.do("choose_strategy", p, profits * p.strategy_scale)
    investors = investors.do("grow", p, value, jnp.exp(exchange.log_price - opening))
    total = jnp.where(investors.active, investors.wealth, 0.0).sum()
    investors = investors.replace(wealth=investors.wealth / total)
    held = jnp.where(investors.active[:, None], investors.holdings, 0.0).sum(0)
    exchange = exchange.replace(
        position=held,
        shares=exchange.shares + funding / jnp.exp(exchange.log_price),
        dealer_cash=exchange.dealer_cash + owed - bought,
    )
    return market.replace(investors=investors, exchange=exchange)


def payments_with_owners(market: Market, now: Now) -> tuple[Float[Array, " A"], Float[Array, " A"]]:
    """Funding paid in by owners and dividends paid out to them this month, by asset, $ M."""
    p, vendors, labs, layers = now.p, market.vendors, market.labs, market.infrastructure
    funding = jnp.concatenate([jnp.zeros(vendors.size), labs.funded, jnp.zeros(layers.size)])
    paid = p.payout_ratio * jnp.maximum(jnp.concatenate([vendors.profit, jnp.zeros(labs.size), layers.profit]), 0.0)
    return funding, paid


def capitalised(market: Market, now: Now) -> Float[Array, " A"]:
    """Value of each firm at its multiple of sales or profit, $ M."""
    p, vendors, labs, layers = now.p, market.vendors, market.labs, market.infrastructure
    chips = p.multiple_chips * 12 * jnp.maximum(vendors.revenue, 20.0)
    option = (
        p.lab_option_multiple
        * 12
        * market.accounts.market_size
        * jnp.exp(p.lab_option_slope * jnp.clip(labs.capability[:, 0] - frontier_of(labs), -5.0, 0.0))
    )
    lab = p.multiple_labs * 12 * jnp.maximum(labs.revenue, 0.0) + option + jnp.maximum(labs.cash, 0.0)
    lab = jnp.where(labs.active, jnp.maximum(lab, 1.0), 1.0)
    layer = 12 * p.multiple_layers * jnp.maximum(layers.profit, 10.0)
    smooth = p.earnings_smoothing
    now_value = jnp.concatenate([chips, lab, layer])
    before = jnp.exp(market.exchange.target_base) * market.exchange.shares
    return jnp.exp((1 - smooth) * jnp.log(before) + smooth * jnp.log(now_value))


def frontier_of(labs: Group) -> Scalar:
    """Capability of the best flagship on sale, nats."""
    return jnp.max(jnp.where(labs.active, labs.capability[:, 0], -jnp.inf))


def loadings_of(market: Market, now: Now) -> Float[Array, "A Q"]:
    """Effect of a nat of belief on each question on each firm's log value: the crash mechanisms (a)-(d).

    On compute intensity x (efficiency lowers x): an unconstrained isoelastic seller gains (eps - 1) from efficiency, so
    its loading is -(eps - 1); with saturating demand and binding capacity revenue moves by (eps_s - 1)/eps_s, so (a)
    makes the loading (1 - eps_s)/eps_s. (b) lower rents of labs cut capex: a loading on appropriability y. (c) rivals
    and export rules: a loading on policy tightness z. (d) the narrative that efficiency means fewer chips, whatever the
    elasticities. Each is switched by a parameter `crash_...`.
    """
    p, vendors, labs, layers = now.p, market.vendors, market.labs, market.infrastructure
    binding = p.crash_capacity * (1 - p.saturation_elasticity) / p.saturation_elasticity
    slack = (1 - p.crash_capacity) * (1 - p.chip_demand_elasticity)
    narrative = p.crash_beliefs * p.narrative_loading
    chips_x = binding + slack + narrative
    quantity_x = p.crash_capacity * (1 - p.saturation_elasticity) + slack + narrative
    domestic = vendors.home == 1
    chips = jnp.stack(
        [
            jnp.full(vendors.size, 1.0) * chips_x,
            jnp.full(vendors.size, 1.0) * p.crash_rents * p.chip_rent_exposure,
            jnp.where(domestic, 1.0, -1.0) * p.crash_rivals * p.chip_policy_exposure,
            jnp.zeros(vendors.size),
        ],
        axis=1,
    )
    is_open = is_open_lab(labs)
    lab = jnp.stack(
        [
            jnp.zeros(labs.size),
            jnp.where(is_open, -p.open_rent_exposure, p.closed_rent_exposure),
            jnp.full(labs.size, -0.1),
            jnp.zeros(labs.size),
        ],
        axis=1,
    )
    kind = layers.layer
    x = jnp.select(
        [kind == POWER, kind == PLATFORMS], [p.power_leverage * quantity_x, p.platform_exposure * quantity_x], 0.0
    )
    y = jnp.select(
        [kind == POWER, kind == PLATFORMS, kind == APPLICATIONS],
        [
            p.power_leverage * p.crash_rents * p.chip_rent_exposure,
            p.platform_rent_exposure,
            -p.application_rent_exposure,
        ],
    )
    layer = jnp.stack([x, y, jnp.zeros(layers.size), jnp.zeros(layers.size)], axis=1)
    return jnp.concatenate([chips, lab, layer])
