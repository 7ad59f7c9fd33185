"""7. Rent: in every jurisdiction one spot rent clears the market for running machines."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.demand import CHOKE, HOURS, Demand, demand_in, lead_months

HALVINGS = 44


def clear_rent(model: Any) -> None:
    """The demand for work grows; spot rent, machines of each lab, contracts, the price of power, expected growth."""
    p, compute, labs, accounts = model.p, model.compute, model.labs, model.accounts
    regions = range(len(model.regulators))
    was = [demand_in(model, r).wanted(compute.user_cost[r]) for r in regions]
    work_grows(model)
    compute.efficiency = accounts.serving_efficiency
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
        own = sum(q.own_power * model.megawatts(q.machines) for q in model.programmes if q.home == r)
        draw = running / max(here, 1e-9) * (model.megawatts(held) - own)
        tight = draw / max(compute.power_available[r], 1e-9)
        compute.power_price[r] = p.power_price_start * tight ** (1 / p.power_elasticity)

    for r in regions:
        grown = math.log(max(demand_in(model, r).wanted(compute.user_cost[r]), 1.0) / max(was[r], 1.0))
        compute.growth[r] += p.growth_learning * (12 * grown - compute.growth[r])
    accounts.serving_efficiency += p.inference_efficiency_growth / 12


def work_grows(model: Any) -> None:
    """Other work grows at a fading rate, with persistent shocks common to all jurisdictions."""
    p, compute = model.p, model.compute
    shock = model.draws.normal("demand for work", 1)[0]
    compute.boom = p.boom_persistence * compute.boom + p.boom_volatility * shock
    trend = p.workload_growth * math.exp(-p.workload_slowdown * model.month / 12)
    compute.pull = [pull * math.exp((trend + compute.boom) / 12) for pull in compute.pull]


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
