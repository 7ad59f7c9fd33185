"""Run a simulation month by month."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from abm.engine import Draws, floats_of, interpreted, seed_words
from abm.market.month import Month, month
from abm.market.start import first_market
from abm.market.state import Events, Market, Values
from abm.runs.programs import compiled_month, compiled_start
from abm.runs.setup import Setup


def months_of(setup: Setup, seed: int, *, compiled: bool = True) -> Iterator[tuple[Market, Month | None]]:
    """Yield the markets of a run: the first without a report, then one with its report per month."""
    values = values_on_device(setup)
    with floats_of(64):
        draws = Draws.from_seed(int(seed))
    market = first_market_of(setup, seed, compiled)
    yield market, None
    for index in range(setup.months):
        market, report = one_month(setup, market, values, setup.events(index), draws, compiled)
        yield market, report


def values_on_device(setup: Setup) -> Values:
    """Parameters as device arrays, so that a program does not convert them on every call."""
    with floats_of(64):
        return Values({name: jnp.asarray(value) for name, value in setup.values.items()})


def first_market_of(setup: Setup, seed: int, compiled: bool = True) -> Market:
    """The market before month 0, compiled or interpreted, always in 64 bits."""
    values = values_on_device(setup)
    with floats_of(64):
        if compiled:
            return compiled_start(setup.program_key)(
                values.table, jnp.asarray(seed_words(seed)), setup.networks, setup.segments
            )
        return first_market(values, int(seed), setup.populations, setup.networks, setup.cast, setup.segments)


def one_month(setup: Setup, market: Market, values: Values, events: Events, draws: Draws, compiled: bool = True) -> Any:
    """Run `market.month`, compiled or interpreted, always in 64 bits."""
    key = setup.program_key  # if rules have changed, this drops JAX's caches of them, for interpreted runs too
    with floats_of(64):
        if compiled:
            return compiled_month(key)(market, values, events, draws)
        with interpreted():
            return month(market, values, events, draws, setup.equations)
