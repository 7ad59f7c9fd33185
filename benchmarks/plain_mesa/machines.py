"""2. Machines: owners begin places and order chips where a machine would cover its cost; vendors deliver."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import clip
from benchmarks.plain_mesa.demand import HOURS, Demand, demand_in, lead_months
from benchmarks.plain_mesa.export import Offer, offer_in


class Outlook(NamedTuple):
    """What all owners know when they decide; lists by jurisdiction."""

    offers: list[Offer]
    demand: list[Demand]  # last month's
    kw: float  # per H100e of the leader's generation
    spirits: float  # orders follow investors' beliefs
    lead: float  # months from order to delivery
    wait: list[float]  # months from the order of a place to its power


def trade_machines(model: Any) -> None:
    """Prices and export rules, then places, chips, sales, deployment, and vendors' investment."""
    for vendor in model.vendors:
        vendor.launch_generation()
        vendor.set_price()
    outlook = look(model)
    luck = model.draws.normal("lenders", len(model.programmes))
    for i, programme in enumerate(model.programmes):
        programme.announce(i, luck[i])
        programme.raise_money()
    begin_places(model, outlook)
    order_chips(model, outlook)
    for v, vendor in enumerate(model.vendors):
        vendor.invest(math.exp(model.exchange.log_price[v] - model.exchange.base[v]))
    record(model)


def look(model: Any) -> Outlook:
    """Learn how much cheaper chips got from the leader's last launch to this one, and what a new machine costs a month."""
    p, compute, leader, investors = model.p, model.compute, model.vendors[0], model.investors
    offers = [offer_in(model, r) for r in range(len(model.regulators))]
    kw = compute.kilowatts[leader.generation]
    if leader.generation_age < compute.launch_age:
        fall = math.log(compute.launch_price / leader.launch_price) / (compute.launch_age + 1)
        compute.decline = max(12 * fall, 0.0)
    compute.launch_price, compute.launch_age = leader.launch_price, leader.generation_age
    on_chips = p.capital_cost / 12 + p.machine_wear + compute.decline / 12
    place_rent = p.place_cost * (p.capital_cost / 12 + 1 / p.place_life)  # $ M per MW and month
    compute.user_cost = [
        offer.effective * on_chips + 0.001 * kw * (place_rent + HOURS * power)
        for offer, power in zip(offers, compute.power_price, strict=True)
    ]
    total = sum(investor.wealth for investor in investors)
    intensity, rents = (sum(i.wealth * i.belief[q] for i in investors) / total for q in (0, 1))
    return Outlook(
        offers=offers,
        demand=[demand_in(model, r) for r in range(len(model.regulators))],
        kw=kw,
        spirits=math.exp(p.capex_belief * (intensity + p.crash_rents * rents)),
        lead=lead_months(leader),
        wait=[p.build_time + regulator.permitting_lag for regulator in model.regulators],
    )


def begin_places(model: Any, outlook: Outlook) -> None:
    """Programmes spend their purses; labs and operators share the places that a rent equal to user cost would fill."""
    p, compute = model.p, model.compute
    for r in range(len(model.regulators)):
        owners = [owner for owner in model.owners if owner.home == r]
        programmes = [programme for programme in model.programmes if programme.home == r]
        connected, theirs = sum(owner.places for owner in owners), sum(q.places for q in programmes)
        grid = p.connection_rate * (connected - sum(q.own_power * q.places for q in programmes))
        grid_alone = p.connection_rate * (connected - theirs + min(compute.displaced[r], theirs))
        missing = sensible_places(model, r, outlook) - sum(owner.places + sum(owner.building) for owner in owners)

        unit = p.place_cost + outlook.offers[r].effective / (0.001 * outlook.kw)
        announced = [programme.wanted_places(unit) for programme in programmes]
        asked = sum(a * (1 - programme.own_power) for a, programme in zip(announced, programmes, strict=True))
        ration = min(grid / max(asked, 1e-9), 1.0)
        begun = [a * (q.own_power + (1 - q.own_power) * ration) for a, q in zip(announced, programmes, strict=True)]
        theirs += sum(sum(q.building) for q in programmes) + sum(begun)
        missing -= sum(begun)
        usual = min(max(missing, 0.0) / p.place_adjustment, grid - asked * ration)
        alone = min(max(missing + theirs - compute.displaced[r], 0.0) / p.place_adjustment, grid_alone)
        compute.displaced[r] = clip(compute.displaced[r] + alone - usual, 0.0, theirs)

        for owner, share in shares_of_places(model, r, outlook.demand[r]):
            owner.build(share * usual, outlook.wait[r])
        for programme, places in zip(programmes, begun, strict=True):
            programme.build(places, outlook.wait[r])
            programme.purse = max(programme.purse - places * unit, 0.0)
        compute.power_available[r] *= math.exp(model.regulators[r].power_growth / 12)


def sensible_places(model: Any, region: int, outlook: Outlook) -> float:
    """Places for the machines wanted at user cost when those ordered after building arrive, MW."""
    p, compute = model.p, model.compute
    owners = [owner for owner in model.owners if owner.home == region]
    here = sum(sum(owner.machines) for owner in owners)
    ahead = math.exp(clip(compute.growth[region] * (outlook.lead + p.build_time) / 12, -1.0, 2.0))
    target = outlook.demand[region].wanted(compute.user_cost[region]) * ahead * outlook.spirits
    return sum(model.megawatts(owner.machines) for owner in owners) + 0.001 * outlook.kw * max(target - here, 0.0)


def shares_of_places(model: Any, region: int, demand: Demand) -> list[tuple[Any, float]]:
    """Labs take what they want to own of the machines wanted, operators the rest by their shares of orders."""
    wanted = max(demand.wanted(model.compute.rental_price[region]), 1e-9)
    labs = [lab for lab in model.labs if lab.home == region]
    own = [(lab, lab.own_share * lab.machines_at_home() / wanted if lab.active else 0.0) for lab in labs]
    rest = max(1 - sum(share for _, share in own), 0.0)
    operators = [operator for operator in model.operators if operator.home == region]
    total = max(sum(operator.order_share for operator in operators), 1e-9)
    return own + [(operator, operator.order_share / total * rest) for operator in operators]


def order_chips(model: Any, outlook: Outlook) -> None:
    """Owners order for their places, in all no more than covers its cost; all get the same part of what is due."""
    p, compute, vendors, accounts, orders = model.p, model.compute, model.vendors, model.accounts, {}
    for r, offer in enumerate(outlook.offers):
        owners = [owner for owner in model.owners if owner.home == r]
        kept = [min(now / max(then, 1e-9), 1.0) for now, then in zip(offer.openness, compute.openness[r], strict=True)]
        left = [then / max(now, 1e-9) for now, then in zip(offer.left, compute.performance[r], strict=True)]
        kept = [k * x for k, x in zip(kept, left, strict=True)]  # in compute of what a chip is left
        compute.openness[r], compute.performance[r] = offer.openness, offer.left
        for owner in owners:
            owner.lose_orders(kept)
        lacking = [owner.lacking(offer.left, outlook.wait[r], outlook.kw) for owner in owners]
        quarter = math.exp(clip(compute.growth[r] / 4, -0.5, 0.5)) * outlook.spirits
        have = sum((1 - p.machine_wear) * sum(owner.machines) + owner.on_order(offer.left) for owner in owners)
        worth = max(outlook.demand[r].wanted(compute.user_cost[r]) * quarter - have, 0.0)
        cut = min(worth / max(sum(lacking), 1e-9), 1.0)
        for owner, number in zip(owners, lacking, strict=True):
            sold = [s if v.merchant or owner.designs else 0.0 for s, v in zip(offer.share, vendors, strict=True)]
            more = sum(offer.share) / max(sum(sold), 1e-9)  # others' chips instead of those that only designers buy
            orders[owner] = [number * cut * more * s / left for s, left in zip(sold, offer.left, strict=True)]

    accounts.chip_demand = sum(sum(row) for row in orders.values())
    filled = sell_chips(model, outlook, orders)
    accounts.retired = p.machine_wear * sum(sum(owner.machines) + sum(owner.waiting) for owner in model.owners)
    accounts.deliveries = 0.0
    for owner, row in orders.items():
        offer = outlook.offers[owner.home]
        arrived = [(b + o) * f for b, o, f in zip(owner.backlog, row, filled, strict=True)]
        accounts.deliveries += sum(a * left for a, left in zip(arrived, offer.left, strict=True))
        owner.deploy(row, filled, offer)


def sell_chips(model: Any, outlook: Outlook, orders: dict[Any, list[float]]) -> list[float]:
    """Vendors deliver what is due, and learn how steep the demand for their chips is; returns the part delivered."""
    p, vendors = model.p, model.vendors
    offers = outlook.offers
    price = [[asked - more for asked, more in zip(offer.asked, offer.premium, strict=True)] for offer in offers]
    bill = [[0.0] * len(vendors) for _ in offers]  # by jurisdiction and vendor, $ M
    filled = []
    for v, vendor in enumerate(vendors):
        due = paid = 0.0
        for owner, row in orders.items():
            bill[owner.home][v] += row[v] * price[owner.home][v]
            due += owner.backlog[v] + row[v]
            paid += (owner.backlog[v] + row[v]) * price[owner.home][v]
        mean_price = paid / due if due > 0 else vendor.chip_price
        ordered = sum(row[v] for row in orders.values())
        vendor.sell(ordered, due, mean_price, model.events.export_availability[v][vendor.home])
        filled.append(vendor.delivered / max(due, 1e-9))
    for v, vendor in enumerate(vendors):
        if vendor.orders > 0:
            steep = sum(row[v] * vendor.steepness(row[v] / max(sum(row), 1e-9)) for row in bill)
            steep /= sum(row[v] for row in bill)
            vendor.demand_elasticity += p.elasticity_learning * (steep - vendor.demand_elasticity)
    return filled


def record(model: Any) -> None:
    """Payments for chips and places, and the book value of machines."""
    flows, compute, vendors = model.flows, model.compute, model.vendors
    groups = {"platforms": model.operators, "programmes": model.programmes, "labs": model.labs}
    for name, owners in groups.items():
        setattr(flows, f"chips_{name}", sum(sum(owner.bought) for owner in owners))
        setattr(flows, f"places_{name}", sum(owner.construction for owner in owners))
    bought = flows.chips_platforms + flows.chips_programmes + flows.chips_labs
    flows.smuggling = bought - sum(vendor.revenue for vendor in vendors)
    flows.chip_costs = sum(vendor.revenue - vendor.profit for vendor in vendors)
    compute.book_value = compute.book_value * (1 - model.p.book_depreciation) + bought
