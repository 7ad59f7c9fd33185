"""7. Rent: in every jurisdiction one spot rent clears the market for running machines."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.demand import CHOKE, HOURS, Demand, demand_in, lead_months

HALVINGS = 44


def clear_rent(model: Any) -> None:
    """Spot rent, machines of each lab, contracts and the price of power; then the demand for work grows."""
    p, compute, labs, accounts = model.p, model.compute, model.labs, model.accounts
    regions = range(len(model.regulators))
    was = [demand_in(model, r).wanted(compute.user_cost[r]) for r in regions]
    for lab in labs:
        lab.need_machines()
    compute.serving = [sum(lab.serving for lab in labs if lab.serving_home == r) for r in regions]
    compute.training = [sum(lab.training_budget for lab in labs if lab.active and lab.home == r) for r in regions]
    lead = lead_months(model.vendors[0])
    fading = lead / 12 * (1 - math.exp(-12 / lead))
    for r in regions:
        held, here = model.held(r), sum(model.held(r))
        demand = demand_in(model, r)
        rent = clearing_rent(demand, held, [0.001 * kw * HOURS * compute.power_price[r] for kw in compute.kilowatts])
        wanted = demand.wanted(rent)
        running = min(wanted, here)
        served = min(running / max(wanted, 1e-9), 1.0)
        for lab in labs:
            if lab.home == r:
                lab.train(rent, served)
        contract = compute.user_cost[r] + (rent - compute.user_cost[r]) * fading
        compute.rental_price[r], compute.running[r], compute.contract_price[r] = rent, running, contract
        compute.contract_paid[r] += (contract - compute.contract_paid[r]) / 12
        power = sum(number * kw for number, kw in zip(held, compute.kilowatts, strict=True))
        draw = 0.001 * running * power / max(here, 1e-9)
        tight = draw / max(compute.power_available[r], 1e-9)
        compute.power_price[r] = p.power_price_start * tight ** (1 / p.power_elasticity)

    shock = model.draws.normal("demand for work", 1)[0]
    compute.boom = p.boom_persistence * compute.boom + p.boom_volatility * shock
    trend = p.workload_growth * math.exp(-p.workload_slowdown * model.month / 12)
    accounts.serving_efficiency += p.inference_efficiency_growth / 12
    for r in regions:
        compute.pull[r] *= math.exp((trend + compute.boom) / 12)
        will_be = demand_in(model, r).wanted(compute.user_cost[r])
        compute.growth[r] += p.growth_learning * (12 * math.log(will_be / was[r]) - compute.growth[r])


def clearing_rent(demand: Demand, held: list[float], energy: list[float]) -> float:
    """The rent at which as many machines run as are wanted; a generation runs if the rent covers its energy."""
    upper = math.log(demand.start) + demand.efficiency + math.log(CHOKE)
    lower = min(math.log(min(energy)), upper - 1)
    for _ in range(HALVINGS):
        middle = (lower + upper) / 2
        rent = math.exp(middle)
        if demand.wanted(rent) > sum(number for number, cost in zip(held, energy, strict=True) if cost <= rent):
            lower = middle
        else:
            upper = middle
    return math.exp(upper)
