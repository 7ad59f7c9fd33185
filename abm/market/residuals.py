"""The accounting identities of a month: money and machines."""

import jax.numpy as jnp

from abm.market.phases.machines import of_owners
from abm.market.state import Flows, Market, Now
from abm.support.shapes import Scalar


def residuals(before: Market, market: Market, now: Now) -> dict[str, Scalar]:
    """Accounting identities: change of every stock minus its flows, relative to the flows; zero up to rounding."""
    f = market.flows
    labs_in = f.tokens - _hosted(f) + f.fees + f.advertising + f.rent_own + f.tuition + f.damages
    labs_in = labs_in + f.funding + f.rescued + f.entry
    labs_out = f.rent_labs + f.rent_training + f.wages + f.energy_labs + f.compliance + f.tuition + f.damages
    labs_out = labs_out + f.chips_labs + f.places_labs
    labs = market.labs.cash.sum() - before.labs.cash.sum() - (labs_in - labs_out)
    vendors_in = f.chips_labs + f.chips_platforms + f.chips_programmes - f.smuggling - f.chip_costs
    paid = now.p.payout_ratio * jnp.maximum(market.vendors.profit, 0.0).sum()
    vendors = market.vendors.cash.sum() - before.vendors.cash.sum() - (vendors_in - paid)
    layers_in = f.energy_labs + f.energy_platforms + f.energy_programmes + f.applications
    layers_in = layers_in + f.rent_labs + f.rent_training + f.rent_hosts + f.rent_work - f.rent_own - f.rent_programmes
    layers_in = layers_in + market.infrastructure.other_income.sum()
    layers_out = f.energy_platforms + f.chips_platforms + f.places_platforms + f.dividends - paid
    layers = market.infrastructure.cash.sum() - before.infrastructure.cash.sum() - (layers_in - layers_out)
    owners = (
        market.investors.money.sum()
        + market.exchange.dealer_cash
        - before.investors.money.sum()
        - before.exchange.dealer_cash
    )
    owners = owners - (f.dividends - f.funding)
    stocks = (market.labs.cash, market.infrastructure.cash, market.investors.money)
    held = sum((jnp.abs(stock).sum() for stock in stocks), jnp.abs(market.exchange.dealer_cash))
    scale = jnp.maximum(
        labs_in + vendors_in + layers_in, 1.0 + 1e-6 * held
    )  # large stocks bring rounding errors of their own

    change = _machines(market) - _machines(before) - (market.accounts.deliveries - market.accounts.retired)
    return {
        "money_residual": jnp.max(jnp.abs(jnp.stack([labs, vendors, layers, owners]))) / scale,
        "compute_residual": jnp.abs(change) / jnp.maximum(_machines(market), 1.0),
    }


def _hosted(flows: Flows) -> Scalar:
    return flows.rent_hosts + flows.hosts_margin


def _machines(market: Market) -> Scalar:
    return of_owners(market, "machines").sum() + of_owners(market, "waiting").sum()
