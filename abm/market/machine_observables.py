"""Observables of machines: what vendors sell, who owns what, rents and power. Part of `abm.market.observables`."""

import jax.numpy as jnp

from abm.market.phases.common import sales_of
from abm.market.phases.machines import of_owners, split_by_role
from abm.market.phases.rent import utilisation
from abm.market.state import Market, Now
from abm.mechanisms import machines
from abm.support.axes import JURISDICTIONS, OPERATORS
from abm.support.shapes import Scalar

CHINA = JURISDICTIONS.index("china")
PLATFORM_COUNT = sum(name.startswith("platform") for name in OPERATORS)


def chips_and_compute(market: Market, now: Now) -> dict[str, Scalar]:
    """Vendors' sales and margins."""
    vendors, labs = market.vendors, market.labs
    margin = 1 - vendors.unit_cost / vendors.chip_price
    chips = (margin * vendors.revenue).sum()
    sold = sales_of(market)
    tokens = jnp.maximum(sold.spent.sum() - (sold.tokens * labs.token_cost).sum() * 1e-6, 0.0)
    bought = of_owners(market, "bought")[:, 0]
    home = of_owners(market, "home")
    return {
        "leader_revenue": vendors.revenue[0],
        "leader_margin": margin[0],
        "hardware_share": chips / jnp.maximum(chips + tokens, 1e-9),
        "leader_profit": vendors.profit[0],
        "chip_revenue": vendors.revenue.sum(),
        "chip_profit": vendors.profit.sum(),
        "chip_price": vendors.chip_price[0],
        "chip_margin": chips / jnp.maximum(vendors.revenue.sum(), 1e-9),
        "chip_orders": market.accounts.chip_demand,
        "chip_deliveries": market.accounts.deliveries,
        "lead_time": vendors.backlog[0] / jnp.maximum(vendors.capacity[0], 1e-9),
        "leader_share": vendors.revenue[0] / jnp.maximum(vendors.revenue.sum(), 1e-9),
        "china_share": jnp.where(home == CHINA, bought, 0.0).sum() / jnp.maximum(bought.sum(), 1e-9),
        "capex": sum(getattr(market.flows, f"chips_{who}") for who in ("platforms", "programmes", "labs")),
    } | compute_market(market, now)


def compute_market(market: Market, now: Now) -> dict[str, Scalar]:
    """Machines and places by owner, rent and what it covers, power."""
    p, compute, programmes = now.p, market.compute, market.programmes
    machines_here = of_owners(market, "machines").sum(-1)
    home, all_machines = of_owners(market, "home"), machines_here.sum()
    running = compute.running.sum()
    of_role = {role: rows.sum() for role, rows in split_by_role(market, machines_here).items()}
    platforms = jnp.where(jnp.arange(market.operators.size) < PLATFORM_COUNT, market.operators.machines.sum(-1), 0.0)
    watts = market.compute.kilowatts
    at_work = (of_owners(market, "machines") @ watts * utilisation(market)[home]).sum() * 1e-6
    theirs = (programmes.places + programmes.building.sum(-1)).sum()
    displaced = jnp.minimum(compute.displaced.sum(), theirs)
    added = jnp.where(theirs > 0, 1 - displaced / jnp.maximum(theirs, 1e-9), jnp.nan)
    surplus = machines.work_surplus(compute.rental_price, compute.pull, compute.efficiency, p)
    return {
        "compute_installed": all_machines,
        "compute_waiting": of_owners(market, "waiting").sum(),
        "compute_china": jnp.where(home == CHINA, machines_here, 0.0).sum(),
        "compute_utilisation": running / jnp.maximum(all_machines, 1e-9),
        "machines_platforms": platforms.sum(),
        "machines_programmes": of_role["programmes"],
        "machines_labs": of_role["labs"],
        "training_share": jnp.where(market.labs.active, market.labs.training, 0.0).sum() / jnp.maximum(running, 1e-9),
        "serving_share": jnp.minimum(compute.serving, compute.running).sum() / jnp.maximum(running, 1e-9),
        "rental_price": compute.rental_price[0],
        "contract_price": compute.contract_price[0],
        "rental_price_china": compute.rental_price[CHINA],
        "rent_over_cost": compute.rental_price[0] / compute.user_cost[0],
        "places": of_owners(market, "places").sum() * 1e-3,
        "places_building": of_owners(market, "building").sum() * 1e-3,
        "power_at_work": at_work,
        "power_price": 1e6 * compute.power_price[0],
        "additionality": added,
        "growth_expected": compute.growth[0],
        "work_surplus": surplus.sum(),
        "serving_efficiency": market.accounts.serving_efficiency,
        "stranded_value": machines.stranded_value(
            compute.book_value, all_machines, market.vendors.chip_price[0], running / jnp.maximum(all_machines, 1e-9)
        ),
    }
