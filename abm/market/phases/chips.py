"""2. Chips: vendors set prices, labs and platforms order, capacity rations, and orders pass a pipeline to machines."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.engine import Group
from abm.market.state import Cloud, Market, Now, jurisdiction_sum
from abm.mechanisms import capacity, compute, demand, pricing
from abm.support.shapes import Scalar


class Delivery(NamedTuple):
    """Compute that a lab receives: effective compute (H100e) and its lag until it is in operation (months)."""

    compute: Float[Array, " L"]
    lag: Float[Array, " L"]


def trade_chips(market: Market, now: Now) -> Market:
    """Split chip budgets by jurisdiction between vendors (logit with lock-in), ration by capacity, and build machines."""
    p, vendors, labs, cloud = now.p, market.vendors, market.labs, market.cloud
    regulators = market.regulators
    jurisdictions = regulators.size
    vendors = vendors.do("launch_generation", p).do("set_price", p)

    platform_budget = platform_orders(market, now, vendors)
    lab_budget = jnp.where(labs.active, jnp.minimum(labs.order_budget, jnp.maximum(labs.cash, 0.0)), 0.0)
    budget = platform_budget + jurisdiction_sum(lab_budget, labs.home, jurisdictions)

    # Vendor shares: price per unit of compute under the export rules, lock-in, availability.
    availability = capacity.effective_availability(now.events.export_availability, p.export_leakage)  # (V, R)
    left = capacity.delivered_performance(vendors.performance[:, None], now.events.performance_cap)
    reach = jnp.where(
        vendors.home[:, None] == jnp.arange(jurisdictions),
        1.0,
        jnp.where(vendors.lock_in[:, None] < p.export_reach, 0.02, 1.0),
    )
    quality = (vendors.lock_in[:, None] + jnp.log(availability * reach) + p.chip_price_sensitivity * jnp.log(left)).T
    share = demand.shares(
        quality, vendors.chip_price, price_sensitivity=p.chip_price_sensitivity, price_form="log", outside=False
    )  # (R, V)
    orders = budget[:, None] * share / vendors.chip_price
    elasticity = pricing.common_markup_elasticity(
        budget[:, None] * share, share, p.chip_price_sensitivity, p.chip_demand_elasticity, share_of="spending"
    )
    vendors = vendors.do("sell", p, orders=orders.sum(0), elasticity=elasticity)
    filled = vendors.delivered / jnp.maximum(vendors.orders, 1e-9)

    spent_share = (share * filled).sum(1)
    effective = (orders * filled * left.T).sum(1)  # H100e by jurisdiction
    per_dollar = effective / jnp.maximum(budget, 1e-9)
    wanted = (budget[:, None] * share / vendors.chip_price).sum(1)
    scarcity = jnp.maximum(jnp.log(jnp.maximum(wanted, 1e-9) / jnp.maximum(effective, 1e-9)), 0.0)

    lag = p.build_time + regulators.permitting_lag
    delivery = Delivery(lab_budget * per_dollar[labs.home], lag[labs.home])
    before = labs.machines * labs.active
    labs = labs.do("build", p, delivery=delivery).replace(
        chip_bill=lab_budget * spent_share[labs.home],
        supplied=lab_budget[:, None] * (share * filled)[labs.home],
    )
    cloud, retired = build_cloud(
        cloud, platform_budget, platform_budget * per_dollar, platform_budget * spent_share, lag, now, regulators
    )
    log_q = (market.exchange.log_price - market.exchange.base)[: vendors.size]
    vendors = vendors.do("invest", p, q=jnp.exp(log_q))

    flows = market.flows.replace(
        chips_labs=labs.chip_bill.sum(),
        chips_platforms=(platform_budget * spent_share).sum(),
        chip_costs=(vendors.revenue - vendors.profit).sum(),
    )
    accounts = market.accounts.replace(
        chip_demand=wanted.sum(),
        deliveries=effective.sum(),
        retired=retired + (before * p.compute_depreciation).sum(),
        scarcity=scarcity,
    )
    return market.replace(vendors=vendors, labs=labs, cloud=cloud, flows=flows, accounts=accounts)


def platform_orders(market: Market, now: Now, vendors: Group) -> Float[Array, " R"]:
    """Chip budget of the platforms by jurisdiction, $ M: stock adjustment to desired compute plus announced capex.

    Desired compute is isoelastic in its user cost and in the work per chip; it shifts with beliefs about the future
    intensity of compute and about who keeps the rents (animal spirits with a testable sign).
    """
    p, cloud, events = now.p, market.cloud, now.events
    best_price = jnp.min(jnp.where(vendors.home == 0, vendors.chip_price, jnp.inf))
    growth = capacity.workload_growth(market.month + p.capex_foresight, p)
    weight = market.investors.wealth * market.investors.active
    mean_belief = (weight[:, None] * market.investors.belief).sum(0) / weight.sum()
    spirits = jnp.exp(p.capex_belief * (mean_belief[0] + p.crash_rents * mean_belief[1]))
    elasticity = jnp.where(
        p.crash_capacity > 0.5,
        p.saturation_weight * p.saturation_elasticity + (1 - p.saturation_weight) * p.chip_demand_elasticity,
        p.chip_demand_elasticity,
    )
    desired = compute.isoelastic_chip_demand(
        capacity.user_cost(best_price, p) / capacity.user_cost(p.chip_price_start, p),
        jnp.exp(market.accounts.serving_efficiency),
        elasticity,
        p.workload_scale * jnp.exp(growth),
    )
    desired = (desired + cloud.serving) * spirits * p.capex_ambition / p.usual_utilisation
    wanted = desired * jnp.stack([p.region_us, p.region_china, p.region_eu, p.region_row])
    missing = wanted - cloud.installed - cloud.ordered.sum(-1)
    units = jnp.maximum(missing / p.capex_adjustment, 0.0) + p.compute_depreciation * cloud.installed
    announced = p.capex_additionality * events.capex * p.chip_share_of_capex
    in_us = (jnp.arange(units.shape[0]) == 0).astype(units.dtype)
    return units * best_price + announced * in_us


def build_cloud(
    cloud: Cloud,
    budget: Float[Array, " R"],
    compute_bought: Float[Array, " R"],
    spent: Float[Array, " R"],
    lag: Float[Array, " R"],
    now: Now,
    regulators: Group,
) -> tuple[Cloud, Scalar]:
    """Move orders through the pipeline; machines beyond the power supply wait in its last stage."""
    p = now.p
    arrived, ordered = jax.vmap(capacity.erlang_stages)(cloud.ordered, compute_bought, lag)
    power = cloud.power * jnp.exp(regulators.power_growth / 12)
    remaining = cloud.installed * (1 - p.compute_depreciation)
    started = jnp.minimum(arrived, jnp.maximum(power - remaining, 0.0))
    ordered = ordered.at[:, -1].add(arrived - started)
    book = cloud.book_value * (1 - p.book_depreciation) + spent
    retired = (cloud.installed * p.compute_depreciation).sum()
    return cloud.replace(installed=remaining + started, ordered=ordered, power=power, book_value=book), retired
