"""V17: firm sizes, and the returns and event-study results that trading produces without news."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.agents.investor import Investor
from abm.engine import Draws, Group, Population, loop
from abm.market.phases import equities
from abm.market.state import Equations, Events, Exchange, Now, Values
from abm.parameters import Parameters
from abm.runs import event_study
from abm.validation.ladder import Check, above, below, between, check, reported, rung
from abm.validation.models import firms
from abm.validation.theory import growth_of_firms

ASSETS, INVESTORS, DAYS = 60, 20, 20_000
EVENT_DAYS, ESTIMATION, GAP = 5, 250, 10


@rung("V17", "Firm sizes and returns without news", "Gabaix (1999); Cont (2001); MacKinlay (1997)", slow=True)
def sizes_and_returns() -> Iterator[Check]:
    """Sizes: 20,000 firms that grow randomly above a floor; the tail exponent is that of the largest 10 %. Returns:
    20,000 of the model's own trading days with default parameters, 60 assets and 20 investors whose beliefs and
    values never change. Event study: five days without an event, on normal returns with a common factor (the null
    hypothesis of the test) and, for information, on the model's returns, whose volatility varies over time."""
    # At lower floors the tail approaches Zipf's law, and the mean of this many firms is still below the distribution's.
    floors = np.array([0.2, 0.3, 0.4])
    for floor, samples in zip(floors, firms.sizes(floors), strict=True):
        target = np.mean([growth_of_firms.zipf_exponent(floor / sizes.mean()) for sizes in samples])
        estimate = np.mean([growth_of_firms.hill_exponent(sizes, sizes.size // 10) for sizes in samples])
        yield check(f"tail exponent, floor at {floor:g} of the mean", estimate, target, absolute=0.1)

    returns = trading_days()
    excess = (returns**4).mean(0) / (returns**2).mean(0) ** 2 - 3
    yield above("excess kurtosis of daily returns, median asset", np.median(excess), 3.0)
    raw = np.abs([autocorrelation(returns, lag) for lag in range(2, 21)])
    yield below("largest autocorrelation of returns, lags 2 to 20", raw.max(), 0.05)
    absolute = [autocorrelation(np.abs(returns), lag) for lag in range(1, 61)]
    yield above("lowest autocorrelation of absolute returns, lags 1 to 60", min(absolute), 0.0)

    draws = np.random.default_rng(17)
    shape = (returns.shape[0], ASSETS)
    normal = 0.02 * (0.6 * draws.normal(size=(shape[0], 1)) + 0.8 * draws.normal(size=shape))
    yield between("event study: rejections at 5 %, normal returns", rejections(normal), 0.035, 0.065, target=0.05)
    yield reported("event study: rejections at 5 %, the model's returns", rejections(returns), 0.05)


def trading_days() -> np.ndarray:
    """Log returns (days, assets) of the model's own price formation with nothing but dealers' noise."""
    p = Values(dict(Parameters().values()))
    sizes = {"question": 4, "pair": 2, "asset": ASSETS}
    investors = Group(Population.create(Investor, INVESTORS, sizes=sizes, wealth=1 / INVESTORS, uncertainty=0.0))
    zero, one = jnp.zeros(ASSETS), jnp.ones(ASSETS)
    usual = one * p.noise_sd
    no_news: dict[str, Any] = dict.fromkeys(Exchange.names(), 0.0)
    start = Exchange(**no_news | {
        "log_price": zero, "base": zero, "shares": one, "position": one, "momentum": zero,
        "variance": one * p.noise_sd**2,
    })  # fmt: skip
    assets_like = Population.create(Investor, ASSETS, sizes=sizes)  # names the streams of noise
    draws = Draws.from_seed(17)

    def day(exchange: Exchange, number: Any) -> tuple[Exchange, jax.Array]:
        today = draws.at(number)
        luck = equities.DayLuck(
            jnp.zeros(INVESTORS), today.normal("price noise", assets_like), today.market_normal("market noise", 1)
        )
        assets = equities.Assets(exchange.base, exchange.log_price, exchange.momentum, jnp.zeros((ASSETS, 4)), usual)
        now = Now(p, Events({}), today, Equations())
        exchange, change, _ = equities.form_prices(investors, exchange, assets, luck, one, now)
        return exchange, change

    run = jax.jit(lambda: loop(day, start, jnp.arange(DAYS + 1000))[1])
    return np.asarray(run())[1000:]


def autocorrelation(series: np.ndarray, lag: int) -> float:
    """Autocorrelation at a lag, averaged over columns."""
    centred = series - series.mean(0)
    return float(((centred[lag:] * centred[:-lag]).mean(0) / (centred**2).mean(0)).mean())


def rejections(returns: np.ndarray) -> float:
    """Share of (window, asset) with |t| of the cumulative abnormal return above 1.96; the index is the mean asset."""
    length = ESTIMATION + GAP + EVENT_DAYS
    windows = returns[: len(returns) // length * length].reshape(-1, length, returns.shape[1])
    simple = np.moveaxis(np.expm1(windows), -1, 1)  # (windows, assets, days)
    index = np.broadcast_to(simple.mean(1, keepdims=True), simple.shape)
    model = event_study.market_model(simple[..., :ESTIMATION], index[..., :ESTIMATION])
    abnormal = event_study.abnormal_returns(simple, index, model)[..., -EVENT_DAYS:]
    return float((np.abs(event_study.t_statistic(abnormal, model.sigma)) > 1.96).mean())
