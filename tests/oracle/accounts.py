"""ODD 7.7: accounts."""

import math
from types import SimpleNamespace

from oracle.common import (
    COMPLEMENT,
    FLAGSHIP,
    HOSTING,
    NEVER,
    NOBODY,
    OPEN_CORE,
    SUBSCRIPTION,
    TIERS,
    active_labs,
    adoption,
    clip,
    first_greatest,
    frontier,
    is_forkable,
    law,
    normal_cdf,
    pos,
    quantity,
    trend_growth,
)
from oracle.tokens import at_one

POWER, PLATFORMS, APPLICATIONS = 0, 1, 2


def close_books(world, now):
    books = lab_books(world, now)
    record_flows(world, books)
    labs_close_books(world, books)
    layers_close_books(world, now)
    plans = {number: plan_of(world, lab, now.p) for number, lab in active_labs(world)}
    for number, lab in active_labs(world):
        lab.research_spending, lab.research_intensity, lab.order_budget = plans[number]
    enter_and_exit(world, now)


def lab_books(world, now):
    """Income by monetisation and costs of every slot."""
    p, books = now.p, []
    for number, lab in enumerate(world.labs):
        on = 1 if lab.active else 0
        b = SimpleNamespace()
        volume = [on * sum(quantity(a, number, t) for a in world.adopters) for t in TIERS]
        b.worth = sum(lab.price[t] * volume[t] for t in TIERS)
        b.markup = sum((lab.price[t] - lab.token_cost[t]) * volume[t] for t in TIERS)
        b.sales = 1e-6 * b.worth
        b.cost = 1e-6 * sum(volume[t] * lab.token_cost[t] for t in TIERS)
        b.own_share = lab.first_party_share if lab.open else 1
        e = clip(world.accounts.demand_elasticity[number], p.elasticity_floor, p.elasticity_ceiling)
        enterprises = [a for a in world.adopters if a.enterprise]
        enterprise_sales = 1e-6 * on * sum(lab.price[t] * quantity(a, number, t) for a in enterprises for t in TIERS)
        b.fee = 0.0
        if lab.monetisation == SUBSCRIPTION:
            b.fee = p.subscription_capture * b.sales / (e - 1)
        if lab.monetisation == OPEN_CORE:
            b.fee = p.open_core_fee * enterprise_sales
        b.advertising = p.complement_benefit * b.cost if lab.monetisation == COMPLEMENT else 0.0
        b.income = b.sales * b.own_share + b.fee + b.advertising

        b.serving = b.cost * b.own_share
        b.wages = on * lab.research_spending
        b.power = on * p.energy_cost * lab.machines
        rule = law(world, lab)
        b.compliance = on * (rule.compliance_fixed + rule.compliance_proportional * b.income)
        b.teachers = 0.0
        if lab.teacher >= 0 and lab.active:
            b.teachers = lab.exchanges * world.labs[lab.teacher].price[FLAGSHIP] * p.tokens_per_exchange
        can_pay = min(p.damages_pace * lab.legal_exposure, 0.5 * pos(lab.cash) + 0.1 * pos(b.income))
        b.damages = min(lab.legal_exposure, on * can_pay)
        b.defence = on * p.vigilance_cost * lab.vigilance
        needs = max(p.cash_target * (b.wages + lab.chip_bill + 1), 1)
        thirst = 1 / (1 + pos(lab.cash) / needs)
        asset = len(world.vendors) + number
        market_value = math.exp(world.exchange.log_price[asset]) * world.exchange.shares[asset]
        b.funding = on * p.funding_rate * market_value * thirst
        books.append(b)

    closed = [lab.capability[FLAGSHIP] if lab.active and not lab.open else -math.inf for lab in world.labs]
    heir = first_greatest(closed)  # damages of labs without teacher go to the best closed lab
    for number, b in enumerate(books):
        b.tuition = sum(books[s].teachers for s, lab in enumerate(world.labs) if lab.teacher == number)
        b.awards = sum(
            books[s].damages
            for s, lab in enumerate(world.labs)
            if lab.teacher == number or (lab.teacher == NOBODY and heir == number)
        )
    return books


def labs_close_books(world, books):
    """Profit, cash and legal debts of the month."""
    for lab in world.labs:
        lab.funded = 0.0
    for number, lab in active_labs(world):
        b = books[number]
        costs = b.serving + b.wages + b.power + b.compliance + b.teachers + b.damages + b.defence
        lab.revenue = b.income
        lab.funded = b.funding
        lab.lerner = b.markup / b.worth if b.worth > 0 else 0.0
        lab.profit = b.income + b.tuition + b.awards - costs
        lab.legal_exposure -= b.damages
        lab.cash += lab.profit + b.funding - lab.chip_bill
        lab.distressed = lab.distressed + 1 if lab.cash < 0 else 0


def record_flows(world, books):
    flows = world.flows
    flows.tokens = sum(b.sales for b in books)
    flows.fees = sum(b.fee for b in books)
    flows.advertising = sum(b.advertising for b in books)
    flows.rent_labs = sum(b.serving for b in books)
    flows.rent_hosts = sum((1 - b.own_share) * b.cost for b in books)
    flows.hosts_margin = sum((1 - b.own_share) * (b.sales - b.cost) for b in books)
    flows.energy_labs = sum(b.power for b in books)
    flows.wages = sum(b.wages + b.defence for b in books)
    flows.compliance = sum(b.compliance for b in books)
    flows.tuition = sum(b.teachers for b in books)
    flows.damages = sum(b.damages for b in books)
    flows.funding = sum(b.funding for b in books)


def consumer_surplus(world, adopter, now):
    """Area under a segment's demand for use, from the status quo down to the index at which it bought; $ M."""
    p = now.p
    m, eps, index = at_one(adopter, now) * adoption(world, p), adopter.usage_elasticity, adopter.price_index
    if now.price_form == "linear":
        status_quo = math.exp(p.outside_price / p.linear_price_scale)
        area = p.linear_price_scale * m * (index ** (-eps) - status_quo ** (-eps)) / eps
    elif abs(1 - eps) < 1e-6:
        area = m * math.log(p.outside_price / index)
    else:
        area = m * (p.outside_price ** (1 - eps) - index ** (1 - eps)) / (1 - eps)
    return 1e-6 * area


def layers_close_books(world, now):
    """Listed layers: power, platforms, applications."""
    p, flows, cloud = now.p, world.flows, world.cloud
    flows.rent_internal = cloud.internal * cloud.rental_price
    flows.energy_platforms = p.energy_cost * sum(cloud.installed)
    flows.applications = p.application_share * sum(pos(consumer_surplus(world, a, now)) for a in world.adopters)
    income = {
        POWER: flows.energy_labs + flows.energy_platforms,
        PLATFORMS: flows.rent_labs + flows.rent_hosts + flows.rent_internal,
        APPLICATIONS: flows.applications,
    }
    for layer in world.layers:
        platforms = layer.layer == PLATFORMS
        layer.revenue = income[layer.layer]
        layer.profit = layer.revenue + layer.other_income - (flows.energy_platforms if platforms else 0)
        layer.cash += layer.profit - p.payout_ratio * pos(layer.profit) - (flows.chips_platforms if platforms else 0)
    flows.dividends = p.payout_ratio * sum(pos(firm.profit) for firm in [*world.vendors, *world.layers])


def plan_of(world, lab, p):
    """Research spending, research intensity and order budget of the next month."""
    rule = law(world, lab)
    cost = p.research_cost_start * math.exp(p.research_burden_growth * world.month / 12)
    copying = p.copying_rate * (1 - p.ip_copy_block * rule.ip_strength) * (1 if lab.open else p.closed_leak) / 12
    all_exchanges = sum(other.exchanges for other in world.labs)
    taught = 1 - math.exp(-all_exchanges / p.exchange_scale)
    distilling = p.distillation_rate * taught / 12 * p.imitation_loss
    lead = 1 / (copying + distilling + p.lead_decay / 12 + p.interest_rate / 12)
    s = rule.ip_strength
    ruling = (p.ruling_spread * (1 - rule.ip_clarity)) ** 2 * normal_cdf(4 * s) * (1 - s)
    vol = math.sqrt(p.demand_volatility**2 + ruling + rule.policy_uncertainty**2)
    vol *= 1 - p.guarantee_share * p.guarantee_insurance
    near = math.exp(lab.capability[FLAGSHIP] - frontier(world))
    standing = p.interest_rate / 12 * p.lab_option_value * near

    multiple = option_multiple(vol, p)
    ratio = p.research_returns * trend_growth(p) * pos(lab.marginal_value + standing) * lead / (multiple * cost)
    low, high = p.research_floor, p.research_ceiling
    goal = clip(max(ratio, 1e-6) ** (1 / (1 - p.research_returns)), low, high)
    step = p.research_adjustment * (math.log(goal) - math.log(lab.research_intensity))
    intensity = clip(lab.research_intensity * math.exp(step), low, high)
    affordable = pos(lab.cash) / p.runway
    spending = min(intensity * cost, affordable)
    return spending, max(spending / cost, 0.2 * low), p.compute_budget_share * pos(affordable - spending)


def option_multiple(vol, p):
    """beta / (beta - 1) of Dixit and Pindyck (1994)."""
    variance = max(vol, 1e-9) ** 2
    drift = p.interest_rate - p.payout_rate - variance / 2
    root = math.sqrt(drift**2 + 2 * p.interest_rate * variance)
    inverse = (drift + root) / (2 * p.interest_rate) if drift > 0 else variance / (root - drift)
    return 1 / (1 - inverse)


def enter_and_exit(world, now):
    """Exit and entry, all on the values before either."""
    p, flows, accounts = now.p, world.flows, world.accounts
    leavers = [lab for lab in world.labs if lab.active and lab.distressed >= p.insolvency_months]
    forkable = [lab.capability[FLAGSHIP] if is_forkable(lab, p) else -math.inf for lab in world.labs]
    entrants = []
    if max(forkable) > -math.inf:
        number = first_greatest(forkable)
        origin = SimpleNamespace(**vars(world.labs[number]))
        climate = math.exp(clip(20 * world.exchange.momentum[len(world.vendors) + number], -1, 1))
        for slot, lab in enumerate(world.labs):
            burden = law(world, lab).compliance_fixed * p.insolvency_months / p.seed_funding * p.entry_cost_weight
            chance = p.entry_rate / 12 * climate * (1 + p.guarantee_share) * math.exp(-burden)
            is_free = not lab.active and lab.open and lab.cash <= 0
            if is_free and now.draws["entry"][slot] < chance and p.entry_rate > 0:
                entrants.append(lab)

    flows.rescued = sum(-lab.cash for lab in leavers)
    for lab in leavers:
        lab.active = False
        lab.cash = 0.0
        lab.exchanges, lab.teacher = 0.0, NOBODY
    for lab in entrants:
        accounts.retired -= p.seed_machines - lab.machines
        become_entrant(lab, origin, accounts, p)
    flows.entry = sum(lab.cash for lab in entrants)
    accounts.entries, accounts.exits = len(entrants), len(leavers)


def become_entrant(lab, origin, accounts, p):
    """A fork of the best open weights."""
    lab.active = True
    lab.cash = p.seed_funding
    lab.machines = p.seed_machines
    lab.capability = [k + math.log(p.copy_fidelity) for k in origin.capability]
    lab.copied = lab.untaught = lab.capability[FLAGSHIP]
    lab.model_size, lab.price, lab.token_cost = list(origin.model_size), list(origin.price), list(origin.token_cost)
    lab.serving_efficiency = [accounts.serving_efficiency for _ in TIERS]
    lab.efficiency = origin.efficiency - 0.5
    lab.distilled_share = 1.0
    lab.age = [0 for _ in TIERS]
    lab.monetisation = HOSTING
    lab.licence = 1.0
    lab.first_party_share = p.first_party_share
    lab.research_intensity = p.research_floor
    lab.distilled = NEVER
    lab.run_compute = lab.run_cost = lab.programme_cost = 0.0
    lab.access_cut = lab.legal_exposure = lab.order_budget = lab.profit = 0.0
    lab.distressed = 0
