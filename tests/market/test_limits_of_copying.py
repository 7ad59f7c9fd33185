"""The two ends of copying: faithful copies of everything at cost, and no imitation at all."""

import functools
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.sizes import SMALL

from abm import ensemble
from abm.agents.adopter import DEVELOPER, ENTERPRISE
from abm.market.phases.common import is_open_lab, price_paid, sales_of
from abm.mechanisms import use
from abm.runs.months import months_of
from abm.runs.setup import Setup

MONTHS, SEEDS = 30, range(3)


@functools.cache
def runs_of(scenario):
    return ensemble(scenario=scenario, seeds=SEEDS, months=MONTHS, daily=(), **SMALL)


@pytest.mark.parametrize("price", [1.0, 1.1, 2.0])
def test_a_product_and_its_copy_are_chosen_as_two_offers_of_equal_worth(price):
    p = SimpleNamespace(substitution=20.0)
    index, paid, share = use.beside_copy(jnp.asarray(price), jnp.asarray(1.0), p)
    shares, log_index = use.relative_pull(jnp.log(jnp.array([price, 1.0])), jnp.array([True, True]), p)
    assert np.log(index) == pytest.approx(float(log_index), abs=1e-12)
    assert share == pytest.approx(float(shares[0]))
    assert 1 / paid == pytest.approx(float(shares[0] / price + shares[1]))


def test_a_dear_product_beside_its_copy_sells_nothing_and_the_copy_costs_its_cost():
    index, paid, share = use.beside_copy(jnp.asarray(50.0), jnp.asarray(2.0), SimpleNamespace(substitution=20.0))
    assert share < 1e-12
    assert (index, paid) == pytest.approx((2.0, 2.0))


def test_faithful_copies_leave_closed_labs_next_to_no_pricing_power():
    """Posted and at the month's Nash prices, which take the first year to settle from the markups of the start.

    Posted prices are a little higher: unit costs fall while they stay.
    """
    runs = runs_of("perfect_copy")
    assert (runs["lerner_closed"][:, 12:].mean(1) <= 0.15).all()
    assert (runs["lerner_closed_nash"][:, 12:] <= 0.10).all()
    usual = runs_of("baseline")
    assert (runs["lerner_closed"].mean(1) < 0.5 * usual["lerner_closed"].mean(1)).all()


def test_copies_are_open_models_that_users_pay_and_money_adds_up():
    runs, usual = runs_of("perfect_copy"), runs_of("baseline")
    assert (runs["open_revenue_share"].mean(1) > usual["open_revenue_share"].mean(1)).all()
    assert np.nanmax(runs["money_residual"]) < 1e-8
    whole = runs["api_revenue"] + runs["subscription_revenue"]
    assert whole == pytest.approx(runs["token_revenue"])


def test_copies_count_as_open_models_in_every_share():
    """What is left to closed labs of each kind of user's purchases is the rest; policy sees the price that users pay."""
    setup = Setup.of(scenario="perfect_copy", months=3, **SMALL)
    *_, (market, report) = months_of(setup, 1)
    labs, adopters = market.labs, market.adopters
    closed = ~np.asarray(is_open_lab(labs)) & np.asarray(labs.active)

    def to_closed(kind):
        mine = np.asarray(adopters.segment) == kind
        spent = np.asarray(adopters.spent)[mine].sum(0).reshape(labs.size, -1)
        kept = spent * np.asarray(labs.uncopied)
        tokens = np.asarray(adopters.tokens)[mine].sum()
        return kept[closed].sum() / spent.sum(), (kept / np.asarray(labs.price))[closed].sum() / tokens

    of_spending, _ = to_closed(ENTERPRISE)
    _, of_tokens = to_closed(DEVELOPER)
    assert float(report.observables["open_enterprise_share"]) == pytest.approx(1 - of_spending, rel=1e-6)
    assert float(report.observables["open_developer_share"]) == pytest.approx(1 - of_tokens, rel=1e-6)
    now = SimpleNamespace(p=SimpleNamespace(token_cost_start=1.0))
    assert float(price_paid(market, now)) == pytest.approx(float(report.observables["mean_price_paid"]), rel=1e-6)


def test_nobody_copies_open_models_faithfully_and_nothing_has_a_copy_otherwise():
    """Only closed products get copies; in other scenarios no offer has one."""
    for scenario in ("perfect_copy", "baseline"):
        *_, (market, _) = months_of(Setup.of(scenario=scenario, months=2, **SMALL), 1)
        labs, sold = market.labs, sales_of(market)
        copied = ~np.asarray(is_open_lab(labs)) & (scenario == "perfect_copy")
        assert ((np.asarray(labs.uncopied) < 1).all(1) == copied).all()
        assert ((np.asarray(sold.spent_on_copies).sum(1) > 0) == copied).all()
        total = np.asarray(sold.spent + sold.spent_on_copies).sum()
        assert total == pytest.approx(float(market.adopters.spent.sum()) * 1e-6)


def test_without_imitation_nothing_is_owed_to_others():
    runs = runs_of("no_imitation")
    for name in ("distillation_volume", "distilled_share", "entries", "detections", "suits_lost"):
        assert not runs[name].any(), name
    *_, (market, _) = months_of(Setup.of(scenario="no_imitation", months=MONTHS, **SMALL), 1)
    on = np.asarray(market.labs.active)
    assert (np.asarray(market.labs.source) == -1).all()
    fit, own = (np.asarray(rows)[:, on] for rows in (market.adopters.fit, market.adopters.own_fit))
    assert fit == pytest.approx(own, rel=1e-9)
