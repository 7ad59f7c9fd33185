"""The machines, places and markets for them at the start of a run. Part of `abm.market.start`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from abm.engine import Group
from abm.market.populations import Populations
from abm.market.starting_values import value_of, values_of
from abm.market.state import Compute, Values, jurisdiction_sum
from abm.mechanisms import machines
from abm.support.axes import GENERATIONS, JURISDICTIONS, OPERATORS, STAGES


def first_machines(
    vendors: Group, labs: Group, p: Values, populations: Populations, sizes: dict[str, int]
) -> tuple[Group, Group, Group]:
    """Operators, and labs and vendors with the machines, places and orders that they start with."""
    n = len(OPERATORS)
    share = np.array(values_of("operator_machines", n))
    owned = value_of("machines") * share
    of_labs = labs.own_share * labs.training

    def holdings(machines_owned: Float[Array, " owners"], orders: Float[Array, "owners V"]) -> dict[str, Any]:
        old = value_of("old_machines")
        by_generation = jnp.stack([old * machines_owned, (1 - old) * machines_owned], axis=1)
        by_generation = jnp.pad(by_generation, ((0, 0), (0, GENERATIONS - 2)))
        in_use = by_generation @ machines.kilowatts(GENERATIONS, p) * 1e-3
        return {
            "machines": by_generation,
            "places": in_use * (1 + value_of("places_free")),
            "building": (value_of("places_building") * in_use)[:, None] * jnp.ones(STAGES),
            "backlog": orders,
        }

    backlog = value_of("chips_on_order") * owned.sum() * vendors.capacity / vendors.capacity.sum()
    here = vendors.home[None, :] == np.array(values_of("operator_home", n))[:, None]
    designs = np.array(values_of("operator_designs", n)) > 0
    sells = here | (vendors.home == 0)  # only those of the United States sell abroad
    sells = sells & (vendors.merchant | designs[:, None])
    of_vendor = jnp.where(sells, share[:, None], 0.0)
    of_vendor = of_vendor / of_vendor.sum(0)
    operators = populations.group(
        "operators",
        sizes,
        {
            "home": np.array(values_of("operator_home", n), dtype=int),
            "order_share": np.array(values_of("operator_orders", n)),
            "designs": designs,
        }
        | holdings(jnp.asarray(owned), of_vendor * backlog),
    )
    labs = labs.replace(**holdings(of_labs, jnp.zeros((labs.size, vendors.size))))
    return operators, labs, vendors.replace(backlog=backlog)


def first_compute(vendors: Group, operators: Group, labs: Group, p: Values) -> Compute:
    """Markets for machines at the starting rent, at which other work wants what training leaves."""
    size = len(JURISDICTIONS)
    watts = machines.kilowatts(GENERATIONS, p)
    held, home = jnp.concatenate([operators.machines, labs.machines]), jnp.concatenate([operators.home, labs.home])
    here = jax.nn.one_hot(home, size, dtype=float).T @ held
    running, budgets = here.sum(-1), labs.training_budget * labs.active
    training = jurisdiction_sum(budgets, labs.home, size)
    same = jnp.ones(size)
    place = machines.place_rent(p.capital_cost, p) * watts[1] * 1e-3
    energy = machines.energy_cost(watts[1], p.power_price_start)
    decline = value_of("decline_expected")
    cost = machines.user_cost(p.chip_price_start, decline, p.capital_cost, place, energy, p)
    return Compute(
        rental_price=p.rental_price_start * same,
        contract_price=p.rental_price_start * same,
        contract_paid=p.rental_price_start * same,
        running=running,
        training=training,
        serving=jnp.zeros(size),
        pull=jnp.maximum(running - training / p.rental_price_start, 0.1 * running),
        growth=value_of("growth_expected") * same,
        kilowatts=watts,
        user_cost=cost * same,
        efficiency=jnp.zeros(()),
        launch_price=p.chip_price_start * jnp.ones(()),
        launch_age=vendors.generation_age[0],
        openness=jnp.ones((size, vendors.size)),
        performance=jnp.ones((size, vendors.size)),
        decline=decline * jnp.ones(()),
        boom=jnp.zeros(()),
        power_available=here @ watts * 1e-3,
        power_price=p.power_price_start * same,
        displaced=jnp.zeros(size),
        book_value=running.sum() * p.chip_price_start * value_of("book_value"),
    )
