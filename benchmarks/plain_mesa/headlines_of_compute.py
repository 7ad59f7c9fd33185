"""10. Observe: headline numbers of the market for compute, and welfare, in which it weighs most."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from benchmarks.plain_mesa.constants import CHINA, LARGE_PLATFORMS, POWER, UNITED_STATES
from benchmarks.plain_mesa.demand import CHOKE


def machines_of(owners: list[Any]) -> float:
    return sum(sum(owner.machines) for owner in owners)


def outlays(owners: list[Any]) -> float:
    return sum(owner.outlay() for owner in owners)


def capex(model: Any) -> float:
    """Spending on chips, $ M a month."""
    return model.flows.chips_platforms + model.flows.chips_programmes + model.flows.chips_labs


def lead_time(model: Any) -> float:
    """Months."""
    leader = model.vendors[0]
    return leader.backlog / max(leader.capacity, 1e-9)


def china_share(model: Any) -> float:
    """China's part of what the leader delivers, in money."""
    spent = [(owner.home, owner.bought[0]) for owner in model.owners]
    return sum(paid for home, paid in spent if home == CHINA) / max(sum(paid for _, paid in spent), 1e-9)


def compute_installed(model: Any) -> float:
    """H100e in their places."""
    return machines_of(model.owners)


def compute_waiting(model: Any) -> float:
    """H100e."""
    return sum(sum(owner.waiting) for owner in model.owners)


def compute_china(model: Any) -> float:
    """H100e."""
    return sum(model.held(CHINA))


def machines_platforms(model: Any) -> float:
    """H100e of the large platforms."""
    return machines_of(model.operators[:LARGE_PLATFORMS])


def machines_programmes(model: Any) -> float:
    """H100e."""
    return machines_of(model.programmes)


def machines_labs(model: Any) -> float:
    """H100e."""
    return machines_of(model.labs)


def compute_utilisation(model: Any) -> float:
    """Share of machines in places that run."""
    return sum(model.compute.running) / max(compute_installed(model), 1e-9)


def training_share(model: Any) -> float:
    """Of machines that run."""
    return sum(lab.training for lab in model.labs if lab.active) / max(sum(model.compute.running), 1e-9)


def serving_share(model: Any) -> float:
    """Of machines that run."""
    return sum(map(min, model.compute.serving, model.compute.running)) / max(sum(model.compute.running), 1e-9)


def rental_price(model: Any) -> float:
    """$ M per H100e month."""
    return model.compute.rental_price[UNITED_STATES]


def rental_price_china(model: Any) -> float:
    """$ M per H100e month."""
    return model.compute.rental_price[CHINA]


def contract_price(model: Any) -> float:
    """$ M per H100e month."""
    return model.compute.contract_price[UNITED_STATES]


def rent_over_cost(model: Any) -> float:
    return rental_price(model) / model.compute.user_cost[UNITED_STATES]


def growth_expected(model: Any) -> float:
    """A year."""
    return model.compute.growth[UNITED_STATES]


def places(model: Any) -> float:
    """GW."""
    return 1e-3 * sum(owner.places for owner in model.owners)


def places_building(model: Any) -> float:
    """GW."""
    return 1e-3 * sum(sum(owner.building) for owner in model.owners)


def power_at_work(model: Any) -> float:
    """GW that running machines draw."""
    compute, draw = model.compute, 0.0
    for r, running in enumerate(compute.running):
        held = model.held(r)
        draw += running / max(sum(held), 1e-9) * model.megawatts(held)
    return 1e-3 * draw


def power_price(model: Any) -> float:
    """$ per MWh."""
    return 1e6 * model.compute.power_price[UNITED_STATES]


def additionality(model: Any) -> float:
    """Part of programmes' places that others would not have built; undefined without programmes."""
    theirs = sum(programme.places + sum(programme.building) for programme in model.programmes)
    return 1 - min(sum(model.compute.displaced), theirs) / theirs if theirs > 0 else math.nan


def stranded_value(model: Any) -> float:
    """$ M of book value above the price of new machines for the work they do."""
    worth = compute_installed(model) * model.vendors[0].chip_price * compute_utilisation(model)
    return max(model.compute.book_value - worth, 0.0)


def work_surplus(model: Any) -> float:
    """Gain of those who use machines for other work over its price, $ M a month."""
    p, compute, total = model.p, model.compute, 0.0
    power = 1 - p.chip_demand_elasticity
    for rent, pull in zip(compute.rental_price, compute.pull, strict=True):
        price = min(rent / p.rental_price_start / math.exp(compute.efficiency), CHOKE)
        area = math.log(CHOKE / price) if abs(power) < 1e-6 else (CHOKE**power - price**power) / power
        total += p.rental_price_start * pull * area
    return total


def delay_loss(model: Any) -> float:
    """Interest on machines that wait, $ M a month."""
    return compute_waiting(model) * model.vendors[0].chip_price * model.p.interest_rate / 12


def consumer_surplus(model: Any) -> float:
    """$ M a month."""
    gain = sum(adopter.surplus() for adopter in model.adopters)
    return gain - model.flows.applications - model.flows.fees


def producer_surplus(model: Any) -> float:
    """Profits from AI minus machines and places bought, with power at cost, $ M a month."""
    flows, labs = model.flows, [lab for lab in model.labs if lab.active]
    profits = sum(firm.profit for firm in [*labs, *model.vendors])
    profits += sum(layer.profit - layer.other_income for layer in model.layers if layer.layer != POWER)
    profits += flows.rent_programmes - flows.energy_programmes
    return profits - outlays([*labs, *model.operators, *model.programmes])


def welfare(model: Any) -> float:
    """$ M a month."""
    return consumer_surplus(model) + producer_surplus(model) + work_surplus(model)


HEADLINES_OF_COMPUTE: dict[str, Callable[[Any], float]] = {
    one.__name__: one
    for one in (
        capex,
        lead_time,
        china_share,
        compute_installed,
        compute_waiting,
        compute_china,
        machines_platforms,
        machines_programmes,
        machines_labs,
        compute_utilisation,
        training_share,
        serving_share,
        rental_price,
        rental_price_china,
        contract_price,
        rent_over_cost,
        growth_expected,
        places,
        places_building,
        power_at_work,
        power_price,
        additionality,
        stranded_value,
        work_surplus,
        delay_loss,
        consumer_surplus,
        producer_surplus,
        welfare,
    )
}
"""Headlines by their names among the compiled model's observables."""
