"""The market for compute on its own: the model's own months of machines and rent, in a world without labs and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Draws
from abm.market.machine_observables import compute_market
from abm.market.phases.machines import trade_machines
from abm.market.phases.rent import clear_rent
from abm.market.start import first_market
from abm.market.state import Events, Market, Now, Values
from abm.parameters import Parameters
from abm.runs.setup import Setup
from abm.scenarios.events import CapexProgramme
from abm.scenarios.timeline import Timeline

MONTHS = 600
"""Length of every path, so that all are played by one compiled program."""
STILL: dict[str, Any] = dict(
    workload_growth=0.0,
    boom_volatility=0.0,
    inference_efficiency_growth=0.0,
    chip_performance_growth=0.0,
    chip_learning_rate=0.0,
    power_saving=0.0,
    power_growth=0.0,
    capex_belief=0.0,
)
"""A world without growth, technical progress and shocks."""


def path(
    programme: CapexProgramme | None = None, efficiency_step: Mapping[int, float] | None = None, **parameters: Any
) -> dict[str, np.ndarray]:
    """Observables of the market for compute, month by month, and over jurisdictions the `lowest` and `highest` rent over user
    cost.

    programme : announced in its own month, the only event. efficiency_step : jumps of work per machine, nats by month.
    """
    setup, play = program()
    timeline = Timeline.blank(MONTHS, setup.cast)
    if programme:
        programme.act(timeline, setup.cast)
    steps = np.zeros(MONTHS)
    for month, jump in (efficiency_step or {}).items():
        steps[month] = jump
    p = Values({name: jnp.asarray(value) for name, value in Parameters(**parameters).values().items()})
    return {name: np.asarray(values) for name, values in play(p, timeline.arrays(), steps).items()}


@cache
def program() -> tuple[Setup, Callable[..., dict[str, Any]]]:
    """The set-up and the program that plays the months, compiled once."""
    setup = Setup.of(closed_labs=1, open_labs=1, entrants=0, adopters=4, investors=4, months=1)

    @jax.jit
    def play(p: Values, rows: dict[str, Any], steps: Any) -> dict[str, Any]:
        market = first_market(p, 0, setup.populations, setup.networks, setup.cast)
        none = jnp.zeros(market.labs.size)
        labs = market.labs.replace(
            active=none > 0, training_budget=none, own_share=none, machines=0 * market.labs.machines
        )
        compute = market.compute.replace(training=0 * market.compute.training)

        def month(market: Market, row: tuple[dict[str, Any], Any]) -> tuple[Market, dict[str, Any]]:
            events, step = row
            now = Now(p, Events(events), Draws.from_seed(0).at(market.month), setup.equations)
            efficiency = market.accounts.serving_efficiency + step
            market = market.replace(accounts=market.accounts.replace(serving_efficiency=efficiency))
            market = clear_rent(trade_machines(market, now), now)
            cover = market.compute.rental_price / market.compute.user_cost
            seen = compute_market(market, now) | {"lowest": cover.min(), "highest": cover.max()}
            return market.replace(month=market.month + 1), seen

        return jax.lax.scan(month, market.replace(labs=labs, compute=compute), (rows, steps))[1]

    return setup, play
