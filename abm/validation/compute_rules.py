"""Rules of machines, places, rent and programmes, each compared with a closed form or a search by scipy: part of V20."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import fixed_quad, quad
from scipy.optimize import brentq

from abm.agents import Programme
from abm.engine import Draws, Population
from abm.market.phases import machines as phase
from abm.market.state import Events, Market, Now, Values
from abm.mechanisms import machines
from abm.runs.months import first_market_of
from abm.runs.setup import Setup
from abm.support.axes import JURISDICTIONS
from abm.validation.compute_events import against_their_absence
from abm.validation.ladder import Check, check


def changed(p: Values, **given: float) -> Values:
    """Parameters with some values replaced."""
    return Values({**p.table, **given})


def compute_market(p: Values) -> Iterator[Check]:
    """Machines, places and rent: what they cost, what clears, what is ordered, sold under export rules and financed, and what
    rules, permits, power and a programme do in the whole model."""
    yield from costs_of_machines(p)
    yield from rents(p)
    yield from surplus_of_work(p)
    yield from orders_of_owners(p)
    yield from money_of_programmes(p)
    yield from against_their_absence()


def costs_of_machines(p: Values) -> Iterator[Check]:
    """User cost, place rent, power, and the delay of building."""
    price, decline, free = 0.03, 0.31, 0.0

    def earned(month: np.ndarray) -> np.ndarray:
        """What a machine bought today earns in a month, discounted, if rents always cover the cost of a new one."""
        new = price * np.exp(-decline * month / 12)
        rent = np.asarray(machines.user_cost(new, decline, p.capital_cost, free, free, p))
        return rent * np.exp(-(p.machine_wear + p.capital_cost / 12) * month)

    yield check(
        "machines: discounted user cost equals the price, chips 31 % a year cheaper (Jorgenson 1963)",
        fixed_quad(earned, 0, 1000, n=100)[0],
        price,
        relative=1e-9,
    )
    months = np.arange(1, 20_000)
    left = (1 - 1 / p.place_life) ** (months - 1) * (1 + p.capital_cost / 12.0) ** -months
    rent = machines.place_rent(p.capital_cost, p)
    yield check("places: discounted rent equals the cost", (rent * left).sum(), p.place_cost, relative=1e-9)
    drawn = p.power_elasticity * np.log(machines.power_price(7.0, 4.0, p) / p.power_price_start)
    yield check("power: GW on the supply curve at the price, of 4 spare", 4.0 * np.exp(drawn), 7.0, relative=1e-12)

    stages, out = jnp.zeros(3), []
    for month_number in range(400):
        opened, stages = machines.erlang_stages(stages, 1.0 if month_number == 0 else 0.0, 9.0)
        out.append(float(opened))
    yield check("places: all that are begun are opened", sum(out), 1.0, absolute=1e-12)
    delay = (np.arange(400) * np.array(out)).sum()
    yield check("places: mean delay of three stages in months (Sterman 2000)", delay, 9.0, relative=1e-9)


def rents(p: Values) -> Iterator[Check]:
    """Spot rent, with machines that idle where it does not cover their energy, and the rent of a contract."""
    stock = np.array([400.0, 300.0, 200.0])
    energy = np.array([0.5, 0.3, 0.1]) * p.rental_price_start  # the oldest draws most
    budget, serving, efficiency = 0.3 * p.rental_price_start * 100, 20.0, 0.4

    def wanted(rent: float, pull: float) -> float:
        work = pull * (rent / p.rental_price_start) ** -p.chip_demand_elasticity
        return float(budget / rent + serving + work * np.exp((p.chip_demand_elasticity - 1) * efficiency))

    for running, stock_that_runs, pull in (
        ("all generations run", 900.0, 700.0),
        ("the oldest generation idles", 500.0, 150.0),
        ("only the newest generation runs", 200.0, 20.0),
    ):
        found = brentq(lambda rent, pull=pull, run=stock_that_runs: wanted(rent, pull) - run, 1e-6, 1.0, xtol=1e-16)
        rent = float(machines.clearing_rent(stock, energy, budget, serving, pull, efficiency, p))
        yield check(f"rent: {running}", rent, found, relative=1e-9)
        runs = machines.running(rent, stock, energy)
        yield check(f"rent: machines that run, {running}", runs, stock_that_runs, absolute=1e-9)
    rent = float(machines.clearing_rent(stock, energy, budget, serving, 300.0, efficiency, p))
    yield check("rent: that of the energy of a generation which runs in part", rent, energy[0], relative=1e-9)

    cost, spot, lead = 0.0021, 0.0034, 7.0
    year = quad(lambda month: cost + (spot - cost) * np.exp(-month / lead), 0, 12)[0] / 12
    contract = machines.contract_rent(spot, cost, lead, p)
    yield check("rent of a contract: mean over a year of the path that is expected", contract, year, relative=1e-10)


def surplus_of_work(p: Values) -> Iterator[Check]:
    """Surplus of other work: the area under its demand, at any elasticity."""
    rent, pull, efficiency = 0.8 * p.rental_price_start, 500.0, 0.7
    choke = machines.CHOKE * p.rental_price_start * np.exp(efficiency)
    for elasticity in (0.6, 1.0, 1.4):
        given = changed(p, chip_demand_elasticity=elasticity)

        def demanded(log_rent: np.ndarray, given: Values = given) -> np.ndarray:
            return np.exp(log_rent) * np.asarray(machines.work_demand(np.exp(log_rent), pull, efficiency, given))

        yield check(
            f"work: surplus is the area under demand, elasticity {elasticity:g}",
            machines.work_surplus(rent, pull, efficiency, given),
            fixed_quad(demanded, np.log(rent), np.log(choke), n=40)[0],
            relative=1e-10,
        )
    at = [
        float(machines.work_surplus(rent, pull, efficiency, changed(p, chip_demand_elasticity=1 + away)))
        for away in (0.0, 2e-6, -2e-6)
    ]
    yield check("work: surplus is continuous at an elasticity of 1", (at[1] + at[2]) / 2, at[0], relative=1e-9)
    slope = jax.grad(machines.work_surplus)(rent, pull, efficiency, p)
    used = machines.work_demand(rent, pull, efficiency, p)
    yield check("work: surplus lost per $ of rent is the machines used", -slope, used, relative=1e-9)


def orders_of_owners(p: Values) -> Iterator[Check]:
    """Places and chips that owners order, and the vendors they buy from under export rules."""
    setup = Setup.of(closed_labs=2, open_labs=1, entrants=0, adopters=4, investors=4, months=1)
    first = first_market_of(setup, 0)
    now = Now(p, setup.events(0), Draws.from_seed(0).at(0), setup.equations)

    def without(*columns: str) -> Market:
        """The first market where owners have nothing in some columns, and other work alone wants machines."""
        owners = {role: getattr(first, role) for role in phase.OWNERS}
        owners = {
            role: own.replace(**{name: 0 * getattr(own, name) for name in columns}) for role, own in owners.items()
        }
        return first.replace(compute=first.compute.replace(training=0 * first.compute.training), **owners)

    bare = without("machines")

    def places(belief: float = 0.0, efficiency: float = 0.0, **given: float) -> float:
        """Places for the machines that would cover their cost in the United States, which has none, MW."""
        held = jnp.zeros_like(bare.investors.belief).at[:, 0].set(belief)
        last = bare.compute.replace(efficiency=jnp.asarray(efficiency))  # owners see last month's demand
        seen = bare.replace(investors=bare.investors.replace(belief=held), compute=last)
        return float(phase.sensible_places(seen, now._replace(p=changed(p, **given)))[0])

    spirits = np.log(places(belief=0.3) / places())
    yield check("places: effect of a belief of 0.3 nats in compute, ln", spirits, 0.3 * p.capex_belief, relative=1e-9)
    for elasticity in (0.6, 1.4):
        given = dict(chip_demand_elasticity=elasticity)
        slope = np.log(places(efficiency=0.5, **given) / places(**given)) / 0.5
        what = f"places: slope of their logarithm in log efficiency, elasticity {elasticity:g} (Jevons)"
        yield check(what, slope, elasticity - 1, absolute=1e-9)

    shares = phase.by_home(first, phase.order_shares(first, now))
    for home, share in zip(JURISDICTIONS, shares, strict=True):
        yield check(f"orders: owners' shares in {home} add up", share, 1.0, relative=1e-12)

    unplaced = without("places", "building", "machines")
    ordered = phase.chip_orders(unplaced, now, phase.offer_of(first.vendors, now)).sum()
    yield check("orders: chips for a world without places", ordered, 0, absolute=1e-12)

    china, abroad = JURISDICTIONS.index("china"), np.asarray(first.vendors.home) != JURISDICTIONS.index("china")

    def on_offer(availability: float, **given: float) -> phase.Offer:
        """What vendors offer when a share of the chips from abroad may be sold."""
        rules = {"export_availability": availability, "performance_cap": 1e6}
        table = {name: jnp.full_like(now.events.table[name], value) for name, value in rules.items()}
        given = {"export_leakage": 0.06, **given}
        return phase.offer_of(
            first.vendors, now._replace(p=changed(p, **given), events=Events(now.events.table | table))
        )

    free, banned = (on_offer(x, leakage_premium=0.0).share[china] for x in (1.0, 0.0))
    yield check(
        "exports: of units from abroad, the share that a ban leaves is what leaks",
        banned[abroad].sum() / free[abroad].sum(),
        0.06,
        relative=1e-9,
    )
    turned = free[~abroad].sum() + 0.94 * free[abroad].sum()
    yield check("exports: the rest turns to vendors at home", banned[~abroad].sum(), turned, relative=1e-9)
    dear = on_offer(0.0, leakage_premium=0.5).price[china] / first.vendors.chip_price
    yield check("exports: price of what leaks, of the list price", dear[abroad].max(), 1.5, relative=1e-12)


def money_of_programmes(p: Values) -> Iterator[Check]:
    """Phases that lenders grant or refuse; a programme is given up when their patience ends."""
    p = changed(p, lenders_spread=0.0)
    announced = phase.Announcement(*(jnp.array([x]) for x in (600.0, 24.0, 4.0, 0.0, 0.0, 0.0)))
    later = announced._replace(amount=jnp.zeros(1))

    def played(cover: Callable[[int], float], months: int, offtake: float = 0.0) -> Any:
        """Money raised in each month, and the programme at the end."""
        programme, raised = Population.create(Programme, 1, sizes=dict(generation=1, stage=3, vendor=1)), []
        for month_number in range(months):
            news = (later if month_number else announced)._replace(offtake=jnp.array([offtake]))
            rent_over_cost = jnp.array([cover(month_number)])
            programme = programme.do("announce", p, news=news).do("raise_money", p, cover=rent_over_cost)
            raised.append(float(programme.raised[0]))
        return np.array(raised), programme

    raised, _ = played(lambda _: 1.01 * p.lenders_cover, 30)
    due = np.zeros(30)
    due[[0, 6, 12, 18]] = 150.0
    yield check(
        "programmes: phases granted when due, where rent covers cost", abs(raised - due).max(), 0, absolute=1e-12
    )
    raised, programme = played(lambda _: 0.99 * p.lenders_cover, 30)
    yield check("programmes: money raised where it does not", raised.sum(), 0, absolute=1e-12)
    yield check("programmes: given up when refused for a year", programme.cancelled[0], 1, absolute=0)
    patience = int(p.programme_patience)
    raised, _ = played(lambda now: (0.99, 1.01)[now >= patience - 1] * p.lenders_cover, 30)
    yield check("programmes: financed after all, if rents recover in its last month", raised.sum(), 600, absolute=1e-12)
    raised, _ = played(lambda now: (0.99, 1.01)[now >= patience] * p.lenders_cover, 30)
    yield check("programmes: a recovery a month later finds none", raised.sum(), 0, absolute=1e-12)
    raised, _ = played(lambda _: 0.5 * p.lenders_cover, 30, offtake=1.0)
    yield check("programmes: customers who promise the rent stand in for the market", raised.sum(), 600, absolute=1e-12)
