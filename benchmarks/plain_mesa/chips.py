"""2. Chips: vendors price; labs and platforms order; capacity rations; orders become machines."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.constants import erlang_stages


def trade_chips(model: Any) -> None:
    """Budgets by jurisdiction are split between vendors by a logit, rationed by capacity, and built."""
    p, vendors, labs, accounts = model.p, model.vendors, model.labs, model.accounts
    regions = range(len(model.regulators))
    for vendor in vendors:
        vendor.launch_generation()
        vendor.set_price()

    platform_budget = platform_orders(model)
    lab_budget = [lab.chip_budget() for lab in labs]
    budget = list(platform_budget)
    for lab, amount in zip(labs, lab_budget, strict=True):
        budget[lab.home] += amount

    left = [[performance_left(model, v, r) for v in range(len(vendors))] for r in regions]
    share = [vendor_shares(model, r, left[r]) for r in regions]
    for v, vendor in enumerate(vendors):
        spent = [budget[r] * share[r][v] for r in regions]
        steepness = [
            p.chip_price_sensitivity * (1 - s) + p.chip_demand_elasticity * s + 1 - s for s in (row[v] for row in share)
        ]
        if sum(spent) > 0:
            elasticity = sum(a * e for a, e in zip(spent, steepness, strict=True)) / sum(spent)
        else:
            elasticity = sum(steepness) / len(steepness)
        vendor.sell(sum(amount / vendor.chip_price for amount in spent), elasticity)

    filled = [vendor.delivered / max(vendor.orders, 1e-9) for vendor in vendors]
    bought = [[s * f for s, f in zip(row, filled, strict=True)] for row in share]  # by jurisdiction and vendor
    wanted = [budget[r] * sum(s / v.chip_price for s, v in zip(share[r], vendors, strict=True)) for r in regions]
    per_budget = [
        sum(s * k / v.chip_price for s, k, v in zip(bought[r], left[r], vendors, strict=True)) for r in regions
    ]
    effective = [budget[r] * per_budget[r] for r in regions]  # H100e
    per_dollar = [effective[r] / max(budget[r], 1e-9) for r in regions]
    spent_share = [sum(row) for row in bought]
    lag = [p.build_time + regulator.permitting_lag for regulator in model.regulators]

    retired = 0.0
    for lab, amount in zip(labs, lab_budget, strict=True):
        if lab.active:
            retired += lab.machines * p.compute_depreciation
            lab.build(amount * per_dollar[lab.home], lag[lab.home])
        lab.chip_bill = amount * spent_share[lab.home]
        lab.supplied = [amount * part for part in bought[lab.home]]
    chips_platforms = sum(platform_budget[r] * spent_share[r] for r in regions)
    accounts.retired = retired + build_cloud(model, platform_budget, per_dollar, spent_share, lag)
    exchange = model.exchange
    for v, vendor in enumerate(vendors):
        vendor.invest(math.exp(exchange.log_price[v] - exchange.base[v]))

    model.flows.chips_labs = sum(lab.chip_bill for lab in labs)
    model.flows.chips_platforms = chips_platforms
    model.flows.chip_costs = sum(vendor.revenue - vendor.profit for vendor in vendors)
    accounts.chip_demand = sum(wanted)
    accounts.deliveries = sum(effective)
    accounts.scarcity = [
        max(math.log(max(w, 1e-9) / max(e, 1e-9)), 0.0) for w, e in zip(wanted, effective, strict=True)
    ]


def performance_left(model: Any, vendor: int, region: int) -> float:
    """Share of a chip's performance allowed by an export cap."""
    return min(1.0, model.events.performance_cap[vendor][region] / model.vendors[vendor].performance)


def vendor_shares(model: Any, region: int, left: list[float]) -> list[float]:
    """Shares of vendors in a jurisdiction's budget: a logit in lock-in, availability and price per unit of compute."""
    p, events = model.p, model.events
    worth = []
    for v, vendor in enumerate(model.vendors):
        legal = events.export_availability[v][region]
        there = legal + p.export_leakage * (1 - legal)
        if vendor.home != region and vendor.lock_in < p.export_reach:
            there *= 0.02
        if there <= 0 or left[v] <= 0:
            worth.append(-math.inf)
            continue
        dear = math.log(vendor.chip_price) - math.log(left[v])
        worth.append(vendor.lock_in + math.log(there) - p.chip_price_sensitivity * dear)
    top = max(worth)
    if top == -math.inf:
        return [0.0] * len(worth)
    weight = [math.exp(w - top) for w in worth]
    total = sum(weight)
    return [w / total for w in weight]


def workload_growth(months: float, p: Any) -> float:
    """ln of the platforms' own demand for compute relative to the start."""
    return p.workload_growth * (1 - math.exp(-p.workload_slowdown * months / 12)) / p.workload_slowdown


def platform_orders(model: Any) -> list[float]:
    """Chip budget of the platforms by jurisdiction, $ M: stock adjustment to desired compute, and announced capex."""
    p, cloud, investors = model.p, model.cloud, model.investors
    best_price = min(vendor.chip_price for vendor in model.vendors if vendor.home == 0)
    total = sum(investor.wealth for investor in investors)
    intensity, rents = (sum(i.wealth * i.belief[q] for i in investors) / total for q in (0, 1))
    spirits = math.exp(p.capex_belief * (intensity + p.crash_rents * rents))
    elasticity = p.chip_demand_elasticity
    if p.crash_capacity > 0.5:
        elasticity = p.saturation_weight * p.saturation_elasticity + (1 - p.saturation_weight) * elasticity

    def user_cost(price: float) -> float:
        return price * (p.interest_rate / 12 + p.compute_depreciation) + p.energy_cost

    scale = p.workload_scale * math.exp(workload_growth(model.month + p.capex_foresight, p))
    relative = user_cost(best_price) / user_cost(p.chip_price_start)
    efficiency = math.exp(model.accounts.serving_efficiency)
    desired = scale * relative**-elasticity * efficiency ** (elasticity - 1)
    desired = (desired + cloud.serving) * spirits * p.capex_ambition / p.usual_utilisation
    budget = []
    for r, weight in enumerate((p.region_us, p.region_china, p.region_eu, p.region_row)):
        missing = desired * weight - cloud.installed[r] - sum(cloud.ordered[r])
        units = max(missing / p.capex_adjustment, 0.0) + p.compute_depreciation * cloud.installed[r]
        budget.append(units * best_price)
    budget[0] += p.capex_additionality * model.events.capex * p.chip_share_of_capex
    return budget


def build_cloud(
    model: Any, budget: list[float], per_dollar: list[float], spent_share: list[float], lag: list[float]
) -> float:
    """Move orders through the pipeline; machines without power wait in its last stage. Returns retired machines."""
    p, cloud = model.p, model.cloud
    retired = 0.0
    for r, regulator in enumerate(model.regulators):
        arrived, stages = erlang_stages(cloud.ordered[r], budget[r] * per_dollar[r], lag[r])
        cloud.power[r] *= math.exp(regulator.power_growth / 12)
        retired += cloud.installed[r] * p.compute_depreciation
        kept = cloud.installed[r] * (1 - p.compute_depreciation)
        on_line = min(arrived, max(cloud.power[r] - kept, 0.0))
        stages[-1] += arrived - on_line
        cloud.ordered[r], cloud.installed[r] = stages, kept + on_line
        cloud.book_value[r] = cloud.book_value[r] * (1 - p.book_depreciation) + budget[r] * spent_share[r]
    return retired
