"""Machines, places and rent: what clears, what moves in which direction, and what is never lost."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.transforms import assert_transforms_agree
from hypothesis import assume, given
from hypothesis import strategies as st

from abm import Parameters
from abm.market.state import Values
from abm.mechanisms import machines

P = Values({name: float(np.ravel(value)[0]) for name, value in Parameters().values().items()})
START = P.rental_price_start
NEAR = 1 - 1e-11, 1 + 1e-11
"""A little less and a little more rent."""


def changed(**given):
    return Values({**P.table, **given})


amounts = st.floats(0, 1e6)
shares = st.floats(0, 2)
advance = jax.jit(machines.erlang_stages)


@st.composite
def markets(draw):
    """Machines by generation, their energy (oldest first), budgets, tokens, other work, efficiency and elasticity."""
    stock = np.array([draw(st.floats(1, 1e6)) for _ in range(3)])
    energy = np.sort([draw(st.floats(1e-3, 0.5)) for _ in range(3)])[::-1] * START
    training = draw(shares) * stock.sum() * START
    serving, pull = draw(st.floats(0, 0.8)) * stock.sum(), draw(st.floats(0.01, 5)) * stock.sum()
    return SimpleNamespace(
        machines=stock,
        energy=energy,
        training=training,
        serving=serving,
        pull=pull,
        efficiency=draw(st.floats(-1, 3)),
        elasticity=draw(st.floats(0.3, 3)),
    )


@jax.jit
def _rent(m):
    p = changed(chip_demand_elasticity=m["elasticity"])
    rent = machines.clearing_rent(
        m["machines"], m["energy"], m["training"], m["serving"], m["pull"], m["efficiency"], p
    )
    at = rent * jnp.array([NEAR[0], 1.0, NEAR[1]])
    wanted = machines.machines_wanted(at, m["training"], m["serving"], m["pull"], m["efficiency"], p)
    supply = jnp.stack([((m["energy"] <= rent * near) * m["machines"]).sum() for near in NEAR])
    return rent, wanted, supply


def rent_of(market, **changes):
    """Rent, machines wanted at it (and a little below and above), machines that run just below and just above."""
    return [np.asarray(x) for x in _rent({**vars(market), **changes})]


@given(markets())
def test_the_rent_clears_wherever_it_is_inside_its_bounds(market):
    rent, (below, wanted, above), (few, many) = rent_of(market)
    choke = START * np.exp(market.efficiency) * machines.CHOKE
    if rent >= choke * NEAR[0]:
        assert below >= few * (1 - 1e-9)  # more is wanted than there is, until other work ends
    elif rent <= market.energy.min() * NEAR[1]:
        assert above <= many * (1 + 1e-9)  # the thriftiest machines stand idle
    elif few < many:  # the rent is the energy of a generation, of which a part runs
        assert few * (1 - 1e-9) <= wanted <= many * (1 + 1e-9)
    else:
        assert wanted == pytest.approx(few, rel=1e-9)


@given(markets(), st.sampled_from(["machines", "training", "serving", "pull"]), st.floats(1.01, 3))
def test_more_machines_lower_the_rent_and_more_demand_raises_it(market, what, factor):
    rent, more = (rent_of(market, **change)[0] for change in ({}, {what: getattr(market, what) * factor}))
    sign = -1 if what == "machines" else 1
    assert sign * (more - rent) >= -1e-11 * rent
    bounds = market.energy.min() * NEAR[1], START * np.exp(market.efficiency) * machines.CHOKE * NEAR[0]
    inside = all(bounds[0] < r < bounds[1] and not np.isclose(r, market.energy, rtol=1e-6).any() for r in (rent, more))
    if inside and what in ("machines", "pull"):
        assert sign * (more - rent) > 0


@given(markets(), st.floats(0.01, 1))
def test_work_per_machine_raises_the_rent_only_if_work_is_elastic(market, gain):
    """Of a market of other work alone."""
    alone = {"training": 0.0, "serving": 0.0}
    rent, more = (rent_of(market, **alone, efficiency=market.efficiency + x)[0] for x in (0.0, gain))
    choke = START * np.exp(market.efficiency) * machines.CHOKE
    inside = all(market.energy.max() * NEAR[1] < r < choke * NEAR[0] for r in (rent, more))
    assume(inside)
    e = market.elasticity
    assert np.log(more / rent) == pytest.approx((e - 1) / e * gain, abs=1e-9)


@given(st.lists(amounts, min_size=3, max_size=3), amounts, st.floats(0.5, 120))
def test_nothing_is_lost_or_created_between_order_and_power(stages, begun, lag):
    opened, after = advance(np.array(stages), begun, lag)
    assert (np.asarray(after) >= 0).all() and opened >= 0
    assert float(opened + after.sum()) == pytest.approx(sum(stages) + begun, rel=1e-12, abs=1e-9)


@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.floats(0.05, 50), st.floats(1.01, 5))
def test_the_price_of_power_rises_with_use_and_falls_with_supply(wanted, available, elasticity, factor):
    p = changed(power_elasticity=elasticity)
    price = machines.power_price(wanted, available, p)
    assert (
        machines.power_price(wanted * factor, available, p)
        > price
        > machines.power_price(wanted, available * factor, p)
    )
    assert float(machines.power_price(available, available, p)) == pytest.approx(p.power_price_start)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(1, 24), st.floats(1.1, 3))
def test_a_contract_lies_between_the_spot_rent_and_user_cost_and_nearer_to_cost_where_chips_come_soon(
    spot, cost, lead, factor
):
    contract = float(machines.contract_rent(spot, cost, lead, P))
    assert min(spot, cost) - 1e-12 <= contract <= max(spot, cost) + 1e-12
    later = float(machines.contract_rent(spot, cost, lead * factor, P))
    assert abs(contract - cost) <= abs(later - cost) + 1e-12


@given(st.floats(1e-3, 15), st.floats(1.001, 2), st.floats(-1, 3), st.floats(0.2, 4))
def test_surplus_of_work_falls_with_the_rent_by_what_is_used(rent, factor, efficiency, elasticity):
    p = changed(chip_demand_elasticity=elasticity)
    low, high = rent * START, rent * factor * START
    lost = float(machines.work_surplus(low, 1.0, efficiency, p) - machines.work_surplus(high, 1.0, efficiency, p))
    used = [float(machines.work_demand(w, 1.0, efficiency, p)) for w in (high, low)]
    assert (high - low) * used[0] * (1 - 1e-9) <= lost + 1e-15 and lost <= (high - low) * used[1] * (1 + 1e-9)


def test_no_surplus_and_no_demand_at_the_choke_price_of_work():
    choke = machines.CHOKE * START * np.exp(0.3)
    assert machines.work_demand(choke * 1.0001, 1.0, 0.3, P) == 0
    assert float(machines.work_surplus(choke * 2, 1.0, 0.3, P)) == pytest.approx(0, abs=1e-15)


@given(amounts, amounts, st.floats(1, 100))
def test_places_are_ordered_only_while_they_are_missing(wanted, existing, months):
    ordered = float(machines.places_ordered(wanted, existing, changed(place_adjustment=months)))
    assert ordered == pytest.approx(max(wanted - existing, 0.0) / months)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 50), st.floats(0.1, 50))
def test_what_export_rules_leave_is_a_share(availability, leakage, performance, cap):
    assert 0 <= float(machines.delivered_performance(performance, cap)) <= 1
    arrives = float(machines.effective_availability(availability, leakage))
    assert availability <= arrives <= 1 + 1e-15 and (arrives == 1 or leakage < 1)


def test_user_cost_rises_in_everything_that_costs():
    base = dict(chip_price=0.03, decline=0.3, interest=0.12, place=1e-4, energy=1e-4)
    cost = functools.partial(machines.user_cost, p=P)
    assert all(cost(**base | {name: 1.1 * value}) > cost(**base) for name, value in base.items())
    assert float(cost(0.03, 0.0, 0.0, 0.0, 0.0)) == pytest.approx(0.03 * P.machine_wear)
    assert (np.diff(machines.kilowatts(6, P)) < 0).all()
    assert machines.stranded_value(10.0, 100.0, 0.2, 1.0) == 0
    assert machines.stranded_value(10.0, 100.0, 0.2, 0.25) == 5


def test_jit_vmap_and_grad_agree_with_eager():
    p = changed(chip_demand_elasticity=1.3)
    at = np.array([0.9, 1.3, 0.2])
    assert_transforms_agree(lambda x: machines.work_surplus(x[0] * START, x[1], x[2], p), at)
    assert_transforms_agree(lambda x: machines.machines_wanted(x[0] * START, x[1], x[2], 3.0, 0.1, p), at)
    assert_transforms_agree(lambda x: machines.contract_rent(x[0], x[1], 5.0 + x[2], p), at)
