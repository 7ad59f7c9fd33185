"""9. Equities: 21 days on which news spreads, beliefs move, investors trade and prices form; investors talk at weekends."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from benchmarks.plain_mesa.constants import APPLICATIONS, DAYS, FLAGSHIP, PLATFORMS, POWER, QUESTIONS, WEEK
from benchmarks.plain_mesa.news import DayNews, news_of_month

ROUNDS = 2  # rounds of passing on a story per trading day
Array = np.ndarray


class Month(NamedTuple):
    """Quantities constant over the month's trading days, by asset (A,)."""

    loadings: Array  # (A, Q)
    squares: Array
    usual: Array  # standard deviation of daily noise in quiet times
    listed: Array  # 1 or 0
    constant: float  # price-independent demand
    value: float  # demand per log point of value over price
    trend: float  # demand per unit of momentum
    diagnostic: float
    premium: float


class Closing(NamedTuple):
    """Quantities for the month-end settlement, by asset (A,)."""

    gap: Array  # base value over price, log points
    loadings: Array
    squares: Array
    momentum: Array
    worth: Array  # $ M
    worth_and_payout: Array
    worth_grown: Array


def trade_equities(model: Any) -> Array:
    """Run the month's trading days; returns the daily log returns (D, A)."""
    p, exchange, investors = model.p, model.exchange, model.investors
    for investor in investors:
        investor.open_month()
    loadings = loadings_of(model)
    single = [p.noise_sd] * (len(model.vendors) + len(model.labs))
    broad = [p.noise_sd * (1.0 if layer.layer == POWER else p.broad_noise) for layer in model.layers]
    on = [1.0] * len(model.vendors) + [float(lab.active) for lab in model.labs] + [1.0] * len(model.layers)
    month = Month(
        loadings=loadings,
        squares=loadings**2,
        usual=np.array(single + broad),
        listed=np.array(on),
        constant=sum(investor.wealth for investor in investors),
        value=sum(investor.fundamental for investor in investors),
        trend=sum(investor.trend for investor in investors),
        diagnostic=p.crash_beliefs * p.diagnostic_weight,
        premium=p.risk_premium * (1 - p.guarantee_share),
    )
    exchange.target_base = target_base(model)
    start, opening, profits, returns = exchange.base, exchange.log_price, np.zeros(2), []
    for day, news in enumerate(news_of_month(model)):
        spread_news(model, news, day)
        exchange.base = start + (exchange.target_base - start) * (day + 1) / DAYS
        change, gains = form_prices(model, month, day)
        profits += gains
        returns.append(change)
        if (day + 1) % WEEK == 0:
            heard = [investor.heard() for investor in investors]
            for investor, others in zip(investors, heard, strict=True):
                investor.talk(others)
    settle(model, month, profits, opening)
    return np.array(returns)


def spread_news(model: Any, news: DayNews, day: int) -> None:
    """Today's news joins the public record; some notice it, pass it on and learn from it."""
    p, record, investors = model.p, model.exchange, model.investors
    for name in ("signal", "precision", "claims"):
        now = [a + b for a, b in zip(getattr(record, name), getattr(news, name), strict=True)]
        setattr(record, name, now)
    record.salience = record.salience * math.exp(-1 / p.story_life) + news.salience

    exposure = 1 - (1 - p.base_attention) * math.exp(-p.news_exposure * record.salience)
    staying = 1 - 1 / p.attention_span
    luck = model.draws.uniform("attention", len(investors), day)
    for investor, number in zip(investors, luck, strict=True):
        investor.notice(exposure, staying, number)
    if record.salience > p.salience_floor and p.attention_contagion > 0.5:
        for _ in range(ROUNDS):
            for investor in [i for i in investors if i.attentive < 1 and i.is_talked_into()]:
                investor.attentive = 1.0
    for investor in investors:
        investor.learn(record, p.reference_adjustment, p.belief_drift)


def form_prices(model: Any, month: Month, day: int) -> tuple[Array, Array]:
    """The market maker moves each price by the net order divided by depth; returns and gains of both strategies."""
    p, exchange, draws = model.p, model.exchange, model.draws
    orders = [investor.order(month.diagnostic) for investor in model.investors]
    total = np.array([sum(column) for column in zip(*orders, strict=True)])
    beliefs, doubts = total[:QUESTIONS], total[QUESTIONS:]
    wanted = month.constant + month.value * (exchange.base - exchange.log_price) + month.trend * exchange.momentum
    wanted += month.loadings @ beliefs - month.squares @ (month.premium * doubts)

    order = wanted - exchange.position - p.inventory_aversion * (1 - wanted)
    own = np.array(draws.normal("price noise", month.usual.size, day))
    common = draws.normal("market noise", 1, day)[0]
    noise = math.sqrt(1 - p.noise_correlation) * own + math.sqrt(p.noise_correlation) * common
    noise *= month.usual * (exchange.variance / month.usual**2) ** (0.5 * p.liquidity_feedback)
    change = np.clip(order / (p.market_depth + month.value) + noise, -p.price_limit, p.price_limit)

    mispricing = (wanted - 1) / p.demand_per_mispricing
    both = change * mispricing, change * p.trend_strength * exchange.momentum
    gains = np.array([float(gain @ month.listed) for gain in both]) / month.listed.sum()
    variance = exchange.variance + p.variance_update * (change**2 - exchange.variance)
    exchange.variance = np.clip(variance, 0.25 * month.usual**2, 40 * month.usual**2)
    exchange.log_price = exchange.log_price + change
    exchange.position = wanted - month.value * change
    exchange.momentum = exchange.momentum + p.momentum_update * (change - exchange.momentum)
    return change, gains


def settle(model: Any, month: Month, profits: Array, opening: Array) -> None:
    """Month's end: positions and money, strategies, wealth; labs' new shares."""
    p, exchange, investors = model.p, model.exchange, model.investors
    v, n = len(model.vendors), len(model.labs)
    funding, payout = np.zeros(month.usual.size), np.zeros(month.usual.size)
    funding[v : v + n] = [lab.funded for lab in model.labs]
    payout[:v] = [p.payout_ratio * max(vendor.profit, 0.0) for vendor in model.vendors]
    payout[v + n :] = [p.payout_ratio * max(layer.profit, 0.0) for layer in model.layers]
    payout -= funding
    price = np.exp(exchange.log_price)
    worth = price * exchange.shares * month.listed  # an empty slot is worth nothing
    closing = Closing(
        gap=exchange.base - exchange.log_price,
        loadings=month.loadings,
        squares=month.squares,
        momentum=exchange.momentum,
        worth=worth,
        worth_and_payout=worth + payout,
        worth_grown=worth * np.exp(exchange.log_price - opening),
    )
    before = sum(investor.money for investor in investors)
    scaled = (profits * p.strategy_scale).tolist()
    for investor in investors:
        investor.settle(closing, month.diagnostic, month.premium)
        investor.choose_strategy(scaled)
        investor.grow(closing)
    total = sum(investor.wealth for investor in investors)
    for investor in investors:
        investor.wealth /= total
    bought = sum(investor.money for investor in investors) - before
    exchange.position = sum(investor.holdings for investor in investors)
    exchange.shares = exchange.shares + funding / price
    exchange.dealer_cash += float(payout.sum()) - bought


def target_base(model: Any) -> Array:
    """ln of capitalised sales or profit per share, smoothed."""
    p, exchange = model.p, model.exchange
    frontier = max(lab.capability[FLAGSHIP] for lab in model.labs if lab.active)
    value = [12 * p.multiple_chips * max(vendor.revenue, 20.0) for vendor in model.vendors]
    for lab in model.labs:
        if not lab.active:
            value.append(1.0)
            continue
        near = math.exp(p.lab_option_slope * max(lab.capability[FLAGSHIP] - frontier, -5.0))
        option = 12 * p.lab_option_multiple * model.accounts.market_size * near
        earning = 12 * p.multiple_labs * max(lab.revenue, 0.0)
        value.append(max(earning + option + max(lab.cash, 0.0), 1.0))
    value += [12 * p.multiple_layers * max(layer.profit, 10.0) for layer in model.layers]
    shares, smooth = np.log(exchange.shares), p.earnings_smoothing
    return (1 - smooth) * (exchange.target_base + shares) + smooth * np.log(value) - shares


def loadings_of(model: Any) -> Array:
    """Effect of a nat of belief on each question on each firm's log value (A, Q)."""
    p = model.p
    slack = (1 - p.crash_capacity) * (1 - p.chip_demand_elasticity)
    narrative = p.crash_beliefs * p.narrative_loading
    chips_x = p.crash_capacity * (1 - p.saturation_elasticity) / p.saturation_elasticity + slack + narrative
    quantity_x = p.crash_capacity * (1 - p.saturation_elasticity) + slack + narrative
    rents, rivals = p.crash_rents * p.chip_rent_exposure, p.crash_rivals * p.chip_policy_exposure
    layers = {
        POWER: [p.power_leverage * quantity_x, p.power_leverage * rents],
        PLATFORMS: [p.platform_exposure * quantity_x, p.platform_rent_exposure],
        APPLICATIONS: [0.0, -p.application_rent_exposure],
    }
    rows = [[chips_x, rents, rivals if vendor.home == 1 else -rivals, 0.0] for vendor in model.vendors]
    closed, opened = [0.0, p.closed_rent_exposure, -0.1, 0.0], [0.0, -p.open_rent_exposure, -0.1, 0.0]
    rows += [opened if lab.is_open else closed for lab in model.labs]
    rows += [[*layers[layer.layer], 0.0, 0.0] for layer in model.layers]
    return np.array(rows)
