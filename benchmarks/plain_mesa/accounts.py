"""7. Accounts: profit, cash, plans for the next month; entry and exit."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import (
    APPLICATIONS,
    COMPLEMENT,
    FLAGSHIP,
    HOSTING,
    NEVER,
    NOBODY,
    OPEN_CORE,
    PLATFORMS,
    POWER,
    SUBSCRIPTION,
    clip,
    first_greatest,
)
from benchmarks.plain_mesa.tokens import adoption


class Books(NamedTuple):
    """A lab's month, $ M."""

    worth: float  # value of tokens sold, $
    markup: float  # part above cost, $
    sales: float
    cost: float
    own_share: float
    fee: float
    advertising: float
    income: float
    serving: float
    wages: float
    power: float
    compliance: float
    fees_paid: float  # to teachers
    damages: float
    defence: float
    funding: float


def close_books(model: Any) -> None:
    """Income by monetisation, costs, money; then R&D and compute plans; then entry and exit."""
    p, labs = model.p, model.labs
    somebody_sues = any(lab.active and not lab.is_open for lab in labs)
    books = [books_of(model, lab, somebody_sues) for lab in labs]
    record_flows(model, books)
    closed = [lab.capability[FLAGSHIP] if lab.active and not lab.is_open else -math.inf for lab in labs]
    leader = first_greatest(closed)
    tuition, awards = [0.0] * len(labs), [0.0] * len(labs)
    for lab, b in zip(labs, books, strict=True):
        if lab.teacher != NOBODY:
            tuition[lab.teacher] += b.fees_paid
        winner = leader if lab.teacher == NOBODY else lab.teacher  # without a current teacher, the leader is paid
        awards[winner] += b.damages
    for i, lab in enumerate(labs):
        lab.funded = 0.0
        if lab.active:
            lab.close_books(books[i], tuition[i], awards[i])
    layers_close_books(model)

    cost = p.research_cost_start * math.exp(p.research_burden_growth * model.month / 12)
    taught = 1 - math.exp(-sum(lab.exchanges for lab in labs) / p.exchange_scale)
    distilling, frontier = p.distillation_rate * taught / 12 * p.imitation_loss, model.frontier()
    for lab in labs:
        if lab.active:
            lab.plan(cost, distilling, frontier)
    enter_and_exit(model)


def books_of(model: Any, lab: Any, somebody_sues: bool) -> Books:
    """Income and costs of a lab in the month; zero for an empty slot."""
    if not lab.active:
        return Books(*[0.0] * len(Books._fields))
    p, law = model.p, lab.law
    worth = sum(x * price for x, price in zip(lab.volume, lab.price, strict=True))
    cost = sum(x * c for x, c in zip(lab.volume, lab.token_cost, strict=True))
    markup, sales, cost = worth - cost, 1e-6 * worth, 1e-6 * cost
    own_share = lab.first_party_share if lab.is_open else 1.0
    fee = advertising = 0.0
    if lab.monetisation == SUBSCRIPTION:
        elasticity = clip(model.accounts.demand_elasticity[lab.number], p.elasticity_floor, p.elasticity_ceiling)
        fee = p.subscription_capture * sales / (elasticity - 1)
    elif lab.monetisation == OPEN_CORE:
        fee = p.open_core_fee * 1e-6 * sum(x * c for x, c in zip(lab.enterprise_volume, lab.price, strict=True))
    elif lab.monetisation == COMPLEMENT:
        advertising = p.complement_benefit * cost
    income = sales * own_share + fee + advertising
    fees_paid = 0.0
    if lab.teacher != NOBODY:
        fees_paid = lab.exchanges * model.labs[lab.teacher].price[FLAGSHIP] * p.tokens_per_exchange
    can_pay = min(p.damages_pace * lab.legal_exposure, 0.5 * max(lab.cash, 0.0) + 0.1 * max(income, 0.0))
    needs = max(p.cash_target * (lab.research_spending + lab.chip_bill + 1), 1.0)
    asset = len(model.vendors) + lab.number
    value = math.exp(model.exchange.log_price[asset]) * float(model.exchange.shares[asset])
    return Books(
        worth=worth,
        markup=markup,
        sales=sales,
        cost=cost,
        own_share=own_share,
        fee=fee,
        advertising=advertising,
        income=income,
        serving=cost * own_share,
        wages=lab.research_spending,
        power=p.energy_cost * lab.machines,
        compliance=law.compliance_fixed + law.compliance_proportional * income,
        fees_paid=fees_paid,
        damages=min(can_pay, lab.legal_exposure) if somebody_sues else 0.0,
        defence=p.vigilance_cost * lab.vigilance,
        funding=p.funding_rate * value / (1 + max(lab.cash, 0.0) / needs),
    )


def record_flows(model: Any, books: list[Books]) -> None:
    flows = model.flows
    flows.tokens = sum(b.sales for b in books)
    flows.fees = sum(b.fee for b in books)
    flows.advertising = sum(b.advertising for b in books)
    flows.rent_labs = sum(b.serving for b in books)
    flows.rent_hosts = sum((1 - b.own_share) * b.cost for b in books)
    flows.hosts_margin = sum((1 - b.own_share) * (b.sales - b.cost) for b in books)
    flows.energy_labs = sum(b.power for b in books)
    flows.wages = sum(b.wages + b.defence for b in books)
    flows.compliance = sum(b.compliance for b in books)
    flows.tuition = sum(b.fees_paid for b in books)
    flows.damages = sum(b.damages for b in books)
    flows.funding = sum(b.funding for b in books)


def layers_close_books(model: Any) -> None:
    """Income of layers: power from energy, platforms from rent, applications from part of users' surplus."""
    p, flows, cloud, growth = model.p, model.flows, model.cloud, adoption(model)
    flows.rent_internal = cloud.internal * cloud.rental_price
    flows.energy_platforms = p.energy_cost * sum(cloud.installed)
    flows.applications = p.application_share * sum(max(a.surplus(growth), 0.0) for a in model.adopters)
    income = {
        POWER: flows.energy_labs + flows.energy_platforms,
        PLATFORMS: flows.rent_labs + flows.rent_hosts + flows.rent_internal,
        APPLICATIONS: flows.applications,
    }
    paid = p.payout_ratio * sum(max(vendor.profit, 0.0) for vendor in model.vendors)
    for layer in model.layers:
        builds = layer.layer == PLATFORMS
        costs, investment = (flows.energy_platforms, flows.chips_platforms) if builds else (0.0, 0.0)
        paid += layer.close_books(income[layer.layer], costs, investment)
    flows.dividends = paid


def enter_and_exit(model: Any) -> None:
    """Labs without money for too long exit; financed forks of the best open weights take free slots."""
    p, labs, accounts, flows = model.p, model.labs, model.accounts, model.flows
    leavers = [lab for lab in labs if lab.active and lab.distressed >= p.insolvency_months]
    luck = model.draws.uniform("entry", len(labs))
    entrants, origin = [], None
    if any(lab.is_forkable() for lab in labs) and p.entry_rate > 0:
        source = first_greatest([lab.capability[FLAGSHIP] if lab.is_forkable() else -math.inf for lab in labs])
        momentum = float(model.exchange.momentum[len(model.vendors) + source])
        chance = p.entry_rate / 12 * math.exp(clip(20 * momentum, -1.0, 1.0)) * (1 + p.guarantee_share)
        burden = p.insolvency_months / p.seed_funding * p.entry_cost_weight
        origin = labs[source]
        entrants = [
            lab
            for lab in labs
            if not lab.active
            and lab.is_open
            and lab.cash <= 0
            and luck[lab.number] < chance * math.exp(-burden * lab.law.compliance_fixed)
        ]

    for lab in entrants:  # before exits: the weights of exiting labs can still be forked
        accounts.retired -= p.seed_machines - lab.machines
        become_entrant(lab, origin, model)
    flows.rescued = sum(-lab.cash for lab in leavers)
    for lab in leavers:
        lab.active, lab.cash = False, 0.0
        lab.exchanges, lab.teacher = 0.0, NOBODY
    flows.entry = len(entrants) * p.seed_funding
    accounts.entries, accounts.exits = float(len(entrants)), float(len(leavers))


def become_entrant(lab: Any, origin: Any, model: Any) -> None:
    """Enter as a fork of the best open weights."""
    p = model.p
    lab.active = True
    lab.cash, lab.machines = p.seed_funding, p.seed_machines
    lab.capability = [k + math.log(p.copy_fidelity) for k in origin.capability]
    lab.copied = lab.untaught = lab.capability[FLAGSHIP]
    lab.model_size, lab.price, lab.token_cost = list(origin.model_size), list(origin.price), list(origin.token_cost)
    lab.serving_efficiency = [model.accounts.serving_efficiency for _ in origin.price]
    lab.efficiency = origin.efficiency - 0.5
    lab.distilled_share, lab.distilled = 1.0, NEVER
    lab.age = [0.0, 0.0]
    lab.monetisation, lab.licence, lab.first_party_share = HOSTING, 1.0, p.first_party_share
    lab.research_intensity = p.research_floor
    lab.run_compute = lab.run_cost = lab.programme_cost = 0.0
    lab.access_cut = lab.legal_exposure = lab.order_budget = lab.profit = lab.distressed = 0.0
