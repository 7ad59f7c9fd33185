"""The two most expensive blocks of the month, compiled and hand-written, on the same arrays; and limits of the machine.

The engine's block and the kernel's must agree to 1e-9 before they are timed. Both compute one chunk of runs in one
thread, turn about, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numba import njit

from abm.analysis.profile import eve_of, of_runs
from abm.engine import compiler_options
from abm.engine.devices import CHUNK
from abm.market.phases import equities, tokens
from abm.market.phases.common import products_of
from abm.market.state import Market, Now
from abm.support.axes import DAYS, OFFERS, SUBSCRIPTION_OFFER, TIERS
from benchmarks.limit import adopters, investors

PRECISION = 1e-9


class Chunk:
    """A chunk of default runs at the start of a month."""

    def __init__(self, at: int, runs: int = CHUNK, **sizes: int) -> None:
        self.runs = runs
        self.setup, self.inputs, self.events, self.markets = eve_of(at, runs, **sizes)
        self.values = self.inputs[0]

    def compiled(self, block: Callable[[Market, Now], Any]) -> Callable[[], Any]:
        program = jax.jit(of_runs(block, self.setup.equations), compiler_options=compiler_options())
        return lambda: jax.block_until_ready(program(self.markets, self.inputs, self.events))

    def of(self, run: int, kind: Any, **more: Any) -> Any:
        """Parameters of a run in the form that a kernel takes."""
        own = {name: float(self.values[name][run]) for name in kind._fields if name in self.values}
        return kind(**own, **more)


def trading(market: Market, now: Now) -> Any:
    """The engine's block: news arrives and is learnt, prices form, investors talk; without settlement."""
    _, investors, exchange, _, returns = equities.trading_days(market, now)
    changed = ("belief", "uncertainty", "reference", "attentive", "heard_signal", "heard_precision", "heard_claims")
    return [getattr(investors, name) for name in changed], exchange.log_price, returns


def small_arrays(market: Market, now: Now) -> dict[str, Any]:
    """Other inputs of the investors' kernel: news, keys of the draws, loadings; small compared with the investors."""
    days = jnp.arange(DAYS)
    stream = market.investors.populations[0].kind.stream
    luck = now.draws.each(days, lambda day: equities.day_luck(day, market))
    return {
        "target": jnp.log(equities.capitalised(market, now)) - jnp.log(market.exchange.shares),
        "news": equities.news_of_month(market, now)._asdict(),
        "keys": jax.vmap(lambda day: now.draws.at(day).key_of(f"attention / {stream}"))(days),
        "own": luck.own,
        "common": luck.common[:, 0],
        "loadings": equities.loadings_of(market, now),
        "usual": equities.usual_noise_of(market.exchange.base.size, market.infrastructure, now.p),
        "listed": equities.is_listed(market) * 1.0,
    }


def investor_kernel(chunk: Chunk) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a function that lays out the arrays and one that simulates the month on them."""
    given = jax.tree.map(np.asarray, chunk.compiled(small_arrays)())
    group, exchange = chunk.markets.investors, chunk.markets.exchange
    columns = [np.asarray(getattr(group, name), float) for name in investors.Investors._fields]
    books = {name: np.asarray(getattr(exchange, name), float) for name in exchange.names()}
    listen = np.asarray(chunk.markets.networks.information)
    parameters = [chunk.of(run, investors.P) for run in range(chunk.runs)]
    laid: list[Any] = []

    def lay() -> None:
        laid.clear()
        for run in range(chunk.runs):
            own = {name: books[name][run].copy() for name in ("log_price", "momentum", "variance", "position")}
            fixed = {name: given[name][run] for name in ("target", "loadings", "usual", "listed")}
            assets = investors.Assets(**own, **fixed, start=books["base"][run])
            record = [books[name][run].copy() for name in ("signal", "precision", "claims")]
            arriving = [given["news"][name][run] for name in ("signal", "precision", "claims", "salience")]
            luck = [given[name][run] for name in ("keys", "own", "common")]
            news = investors.News(*record, books["salience"][run : run + 1].copy(), *arriving, *luck)
            who = investors.Investors(*[column[run].copy() for column in columns])
            laid.append((parameters[run], who, listen, assets, news))

    def play() -> Any:
        returns = [investors.trading_days(*one) for one in laid]
        who = [[one[1][at] for one in laid] for at in (0, 1, 3, 4, 5, 6, 7)]
        return [np.stack(rows) for rows in who], np.stack([one[3].log_price for one in laid]), np.stack(returns)

    return lay, play


def choosing(market: Market, now: Now) -> Any:
    """The engine's block: segments judge the models on sale, choose, adopt, form habits and use them."""
    p, products = now.p, products_of(market.labs, now.p)
    worth, certified, _, useful = market.adopters.ask("worth", p, products)
    target, _ = market.adopters.ask("choose", p, products, worth=worth)
    market = tokens.use_models(market, now, products, worth, certified, useful, target)
    return [getattr(market.adopters, name) for name in adopters.CHANGED]


def adopter_kernel(chunk: Chunk) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a function that lays out the arrays and one that simulates the month on them."""
    goods = jax.tree.map(np.asarray, chunk.compiled(lambda market, now: products_of(market.labs, now.p))())
    model = [*range(TIERS), 0]  # a subscription is with the flagship
    group, peers = chunk.markets.adopters, np.asarray(chunk.markets.networks.peers)
    columns = [np.asarray(getattr(group, name), float) for name in adopters.Adopters._fields]
    offers = np.arange(goods.price.shape[1])
    laid: list[Any] = []

    def lay() -> None:
        laid.clear()
        for run in range(chunk.runs):
            capability, hosted = (tiers[run][:, model].reshape(-1) for tiers in (goods.capability, goods.hosted))
            offer = adopters.Products(
                capability, hosted, np.log(goods.price[run]), goods.paid[run], offers // OFFERS >= goods.closed_labs[run],
                goods.available[run], offers % OFFERS == SUBSCRIPTION_OFFER, offers // OFFERS,
            )  # fmt: skip
            who = adopters.Adopters(*[column[run].copy() for column in columns])
            laid.append((chunk.of(run, adopters.P), who, peers, offer))

    def play() -> Any:
        for one in laid:
            adopters.choices(*one)
        return [np.stack([getattr(one[1], name) for one in laid]) for name in adopters.CHANGED]

    return lay, play


BLOCKS = {"investors": (trading, investor_kernel), "adopters": (choosing, adopter_kernel)}


def farthest(one: Any, other: Any) -> float:
    """Largest difference relative to the largest element of each array."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    arrays = [(np.asarray(a, float), np.asarray(b, float)) for a, b in pairs]
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-300)) for a, b in arrays)


def compare(name: str, at: int, repeats: int, **sizes: int) -> dict[str, Any]:
    """Run both versions of a block in one month; returns their difference and seconds for each call."""
    chunk, (block, kernel) = Chunk(at, **sizes), BLOCKS[name]
    engine = chunk.compiled(block)
    lay, play = kernel(chunk)
    lay()
    apart = farthest(engine(), play())
    if not apart < PRECISION:
        raise ValueError(f"{name}: the kernel differs from the engine by {apart:.1e}: they are not the same")
    seconds: dict[str, list[float]] = {"engine": [], "kernel": []}
    for _ in range(repeats):
        began = time.perf_counter()
        engine()
        seconds["engine"].append(time.perf_counter() - began)
        lay()
        began = time.perf_counter()
        play()
        seconds["kernel"].append(time.perf_counter() - began)
    ratio = min(seconds["engine"]) / min(seconds["kernel"])
    return {"month": at, "runs": chunk.runs, "apart": apart, "ratio": ratio, **seconds}


@njit
def exponentials(x, out):
    for i in range(x.size):
        out[i] = np.exp(x[i])


def bandwidth(size: int, repeats: int) -> float:
    """Bytes read and written per second when copying arrays of `size` bytes, one thread (STREAM copy)."""
    source = np.ones(size // 8)
    target = np.empty_like(source)
    times = max(1, (1 << 28) // size)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(times):
            np.copyto(target, source)
        seconds.append((time.perf_counter() - began) / times)
    return 2 * size / min(seconds)


def exponential_rate(repeats: int, size: int = 4096) -> float:
    """Exponentials of doubles per second in a compiled loop over an array in the first-level cache."""
    x, out = np.linspace(-2, 2, size), np.empty(size)
    exponentials(x, out)
    seconds = []
    for _ in range(repeats * 100):
        began = time.perf_counter()
        exponentials(x, out)
        seconds.append(time.perf_counter() - began)
    return size / min(seconds)


def measure(quick: bool) -> dict[str, Any]:
    """Measure everything in `section`."""
    repeats = 3 if quick else 40
    months = (24,) if quick else (12, 24, 48)
    blocks = {f"{name} {at}": compare(name, at, repeats) for at in months for name in BLOCKS}
    return {
        "blocks": blocks,
        "bandwidth_memory": bandwidth(1 << 26, repeats),
        "bandwidth_cache": bandwidth(1 << 18, repeats),
        "exponentials": exponential_rate(repeats),
    }
