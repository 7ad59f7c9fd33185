"""The market for compute on its own: the model's own months of machines and rent, without labs."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Draws
from abm.market.observables import compute_market
from abm.market.phases.machines import trade_machines
from abm.market.phases.rent import clear_rent
from abm.market.start import first_market
from abm.market.state import Events, Market, Now, Values
from abm.parameters import Parameters
from abm.runs.setup import Setup

MONTHS = 600
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


@cache
def _play() -> Any:
    setup = Setup.of(closed_labs=1, open_labs=1, entrants=0, adopters=4, investors=4, months=MONTHS)
    rows = {name: jnp.asarray(array) for name, array in setup.timeline.items()}

    @jax.jit
    def play(p: Values, changes: dict[str, Any], efficiency_step: Any) -> dict[str, Any]:
        market = first_market(p, 0, setup.populations, setup.networks, setup.cast)
        idle = jnp.zeros(market.labs.size)
        labs = market.labs.replace(
            active=idle > 0, training_budget=idle, machines=0 * market.labs.machines, own_share=idle
        )
        compute = market.compute.replace(training=0 * market.compute.training)

        def month(market: Market, row: tuple[dict[str, Any], Any]) -> tuple[Market, dict[str, Any]]:
            events, step = row
            now = Now(p, Events(events), Draws.from_seed(0).at(market.month), setup.equations)
            efficiency = market.accounts.serving_efficiency + step
            market = market.replace(accounts=market.accounts.replace(serving_efficiency=efficiency))
            market = clear_rent(trade_machines(market, now), now)
            ratio = market.compute.rental_price / market.compute.user_cost
            seen = compute_market(market, now) | {"lowest": ratio.min(), "highest": ratio.max()}
            return market.replace(month=market.month + 1), seen

        return jax.lax.scan(month, market.replace(labs=labs, compute=compute), ({**rows, **changes}, efficiency_step))[
            1
        ]

    return play, setup


def path(
    months: int = MONTHS,
    efficiency_step: tuple[int, float] | None = None,
    programme: dict[str, float] | None = None,
    announced: int = 30,
    **parameters: Any,
) -> dict[str, np.ndarray]:
    """Observables of the market for compute, month by month, in a world without labs and without events.

    efficiency_step : (month, nats) of a jump of work per machine. programme : fields of a `capex_programme` announced in month
    `announced`.
    """
    play, setup = _play()
    p = Values({name: jnp.asarray(value) for name, value in Parameters(**parameters).values().items()})
    steps = np.zeros(MONTHS)
    if efficiency_step:
        steps[efficiency_step[0]] = efficiency_step[1]
    shape = setup.timeline["programme_amount"].shape
    changes = {f"programme_{n}": np.zeros(shape) for n in ("amount", "own_power", "offtake")}
    changes |= {f"programme_{n}": np.ones(shape) for n in ("months", "phases")}
    changes["export_availability"] = np.ones_like(setup.timeline["export_availability"])
    changes["performance_cap"] = np.full_like(setup.timeline["performance_cap"], 1e6)
    changes["policy_scale"] = np.ones_like(setup.timeline["policy_scale"])
    for name, value in (programme or {}).items():
        changes[f"programme_{name}"][announced, 0] = value
    out = play(p, changes, jnp.asarray(steps))
    return {name: np.asarray(values)[:months] for name, values in out.items()}
