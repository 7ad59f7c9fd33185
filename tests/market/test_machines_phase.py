"""The phases of machines and rent: accounts, places, orders, programmes, exits; compiled and interpreted, in any order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.machines import EXITS, inputs_of, play, played, values_of

from abm.engine import interpreted
from abm.market.phases.exits import HOLDINGS, close_labs
from abm.market.phases.machines import by_home, chip_orders, of_owners, offer_of, trade_machines
from abm.market.phases.rent import clear_rent
from abm.market.state import Events, Now

RUNS = [("baseline", {}), ("export_ban", EXITS)]
IDS = ["baseline", "ban_and_exits"]


def path_of(run, name):
    return np.array([float(report.observables[name]) for _, report in run[1:]])


def close(a, b, rtol=1e-9):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-9)


# --- five years ---


@pytest.mark.parametrize(("scenario", "parameters"), RUNS, ids=IDS)
def test_accounts_close_over_five_years(scenario, parameters):
    """With programmes, export bans, and labs that leave with machines of their own."""
    run = played(scenario, **parameters)
    assert path_of(run, "money_residual").max() < 1e-8
    assert path_of(run, "compute_residual").max() < 1e-8
    assert path_of(run, "machines_programmes")[-1] > 0
    assert (path_of(run, "exits").sum() > 0) == bool(parameters)


@pytest.mark.parametrize(("scenario", "parameters"), RUNS, ids=IDS)
def test_every_machine_has_a_place(scenario, parameters):
    for market, _ in played(scenario, **parameters):
        drawn = np.asarray(of_owners(market, "machines")) @ np.asarray(market.compute.kilowatts) * 1e-3
        assert (drawn <= np.asarray(of_owners(market, "places")) * (1 + 1e-9) + 1e-9).all()
        for name in HOLDINGS:
            held = np.asarray(of_owners(market, name))
            assert held.min() >= -1e-9 * max(held.max(), 1.0), name


@pytest.mark.parametrize(("scenario", "parameters"), RUNS, ids=IDS)
def test_what_owners_have_on_order_is_what_vendors_have_to_deliver(scenario, parameters):
    for market, _ in played(scenario, **parameters):
        np.testing.assert_allclose(of_owners(market, "backlog").sum(0), market.vendors.backlog, rtol=1e-9, atol=1e-6)


def test_places_on_the_grid_are_begun_only_as_far_as_it_can_connect_them():
    run, p = played(), values_of()
    for (before, _), (after, _) in zip(run, run[1:], strict=False):
        begun = of_owners(after, "construction") / p.place_cost
        own = np.concatenate([np.zeros(after.operators.size), after.programmes.own_power, np.zeros(after.labs.size)])
        limit = p.connection_rate * by_home(before, of_owners(before, "places"))
        assert (by_home(before, begun * (1 - own)) <= limit * (1 + 1e-9)).all()


def test_labs_hoard_no_chips():
    """What they have, wait for and have on order, as export rules leave it, fits into the places that they have and build."""
    run, owned = played(), 0.0
    for (before, _), (market, _) in zip(run, run[1:], strict=False):
        left = np.asarray(offer_of(market.vendors, Now(*inputs_of(before))).performance)[market.labs.home]
        labs, watts = market.labs, np.asarray(market.compute.kilowatts) * 1e-3
        newest = watts[market.vendors.generation[0]]
        needs = np.asarray(labs.machines + labs.waiting) @ watts + (np.asarray(labs.backlog) * left).sum(-1) * newest
        assert (needs <= np.asarray(labs.places + labs.building.sum(-1)) * (1 + 1e-9)).all()
        owned = max(owned, float(labs.machines.sum()))
    assert owned > 0


def orders_of(market):
    """Chips ordered next by each lab, H100e."""
    now = Now(*inputs_of(market))
    orders = chip_orders(market, now, offer_of(market.vendors, now)).sum(-1)
    return np.asarray(orders)[-market.labs.size :]


def test_a_lab_orders_chips_for_free_places_whatever_its_cash():
    market, _ = played()[32]
    market = market.replace(compute=market.compute.replace(pull=10 * market.compute.pull))  # any number would pay
    labs, usual = market.labs, orders_of(market)
    assert usual.sum() > 0
    rich = market.replace(labs=labs.replace(cash=1e6 + 100 * labs.cash))
    np.testing.assert_array_equal(orders_of(rich), usual)
    p, events, _ = inputs_of(market)
    arrives = offer_of(market.vendors, Now(p, events, None)).performance[labs.home, 0]
    room = (labs.places + labs.building.sum(-1)) * 1e3 / market.compute.kilowatts[market.vendors.generation[0]]
    supplied = market.replace(labs=labs.replace(backlog=labs.backlog.at[:, 0].add(room / arrives)))
    assert not orders_of(supplied).any()


# --- a month ---


@pytest.mark.slow
@pytest.mark.parametrize("month", [0, 30])
def test_interpreted_and_compiled_phases_agree(month):
    market, _ = played()[month]
    inputs = inputs_of(market)
    compiled = play(market, *inputs)
    with interpreted():
        traded = trade_machines(market, Now(*inputs))
        rented = clear_rent(traded, Now(*inputs))
    close(compiled, (traded, rented))


def test_the_order_of_operators_does_not_matter():
    market, _ = played()[30]
    order = np.random.default_rng(1).permutation(market.operators.size)

    def shuffled(market):
        return market.replace(operators=jax.tree.map(lambda column: column[order], market.operators))

    inputs = inputs_of(market)
    close(play(shuffled(market), *inputs), tuple(shuffled(after) for after in play(market, *inputs)))


def test_a_lab_that_leaves_passes_what_it_owns_to_operators_at_home():
    market, _ = played()[30]
    labs = market.labs
    leaves = np.asarray(labs.active & (labs.machines.sum(-1) > 0))
    assert leaves.any()
    after = close_labs(market, jnp.asarray(leaves))
    for name in HOLDINGS:
        close(by_home(after, of_owners(after, name)), by_home(market, of_owners(market, name)))
        assert not np.asarray(getattr(after.labs, name))[leaves].any(), name
    assert not np.asarray(after.labs.active)[leaves].any()


# --- programmes ---


def test_lenders_refuse_a_phase_that_rents_do_not_pay_for():
    """Stargate, on the day of its announcement, without customers who promise rents."""
    market, _ = played()[24]
    p, events, draws = inputs_of(market, lenders_spread=0.0)
    events = Events(events.table | {"programme_offtake": 0 * events.programme_offtake})
    cost = play(market, p, events, draws)[0].compute.user_cost
    for factor, granted in ((1.01, 1), (0.99, 0)):
        seen = market.replace(compute=market.compute.replace(contract_price=cost * p.lenders_cover * factor))
        programme = play(seen, p, events, draws)[0].programmes
        assert programme.amount[0] > 0
        assert (programme.financed[0], programme.refused[0]) == (granted, 1 - granted)
        assert (programme.construction[0] > 0) == bool(granted)


def test_programmes_that_are_never_financed_are_given_up_and_leave_nothing():
    """Lenders who ask for ten times the cost, in a world that hardly wants tokens."""
    run = played(lenders_cover=10.0, task_volume=1.0, consumers=1.0)
    programmes = run[-1][0].programmes
    announced = np.asarray(programmes.amount > 0)
    assert announced.sum() >= 4
    assert np.asarray(programmes.cancelled)[announced].all() and not np.asarray(programmes.financed).any()
    assert path_of(run, "machines_programmes").max() == 0 and np.isnan(path_of(run, "additionality")).all()
    news, end = (int(np.argmax([getattr(m.programmes, n)[0] > 0 for m, _ in run])) for n in ("amount", "cancelled"))
    assert end - news == values_of().programme_patience - 1


def test_a_cancelled_programme_keeps_its_machines_and_raises_no_more():
    """Stargate, in the month of its second phase or later."""
    run = played()
    due = next(month for month, (m, _) in enumerate(run) if m.programmes.raised[0] > 0 and m.programmes.financed[0] > 1)
    market, _ = run[due - 1]
    given_up = market.replace(programmes=market.programmes.replace(cancelled=market.programmes.amount > 0))
    after = play(given_up, *inputs_of(market))[0].programmes
    assert not np.asarray(after.raised).any() and after.machines[0].sum() > 0
