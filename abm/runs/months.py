"""The months of a run, one after the other."""

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
    """The markets of a run one after the other: the first with no report, then one per month."""
    values = values_on_device(setup)
    with floats_of(64):
        draws = Draws.from_seed(int(seed))
    market = first_market_of(setup, seed, compiled)
    yield market, None
    for at in range(setup.months):
        market, report = one_month(setup, market, values, setup.events(at), draws, compiled)
        yield market, report


def values_on_device(setup: Setup) -> Values:
    """Parameters as arrays that a program takes without converting them."""
    with floats_of(64):
        return Values({name: jnp.asarray(value) for name, value in setup.values.items()})


def first_market_of(setup: Setup, seed: int, compiled: bool = True) -> Market:
    values = values_on_device(setup)
    with floats_of(64):
        if compiled:
            return compiled_start(setup.program_key)(values.table, jnp.asarray(seed_words(seed)), setup.networks)
        return first_market(values, int(seed), setup.populations, setup.networks, setup.cast)


def one_month(setup: Setup, market: Market, values: Values, events: Events, draws: Draws, compiled: bool = True) -> Any:
    """`market.month`, compiled or interpreted, always in 64 bits."""
    key = setup.program_key  # where rules have changed since, this drops what JAX keeps of them, in Python too
    with floats_of(64):
        if compiled:
            return compiled_month(key)(market, values, events, draws)
        with interpreted():
            return month(market, values, events, draws, setup.equations)
