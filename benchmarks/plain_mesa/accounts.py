"""8. Accounts: profit, cash, plans for the next month; entry and exit."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from benchmarks.plain_mesa.constants import (
    APPLICATIONS,
    COMPLEMENT,
    FIRST_API,
    FLAGSHIP,
    HOSTING,
    NEVER,
    NOBODY,
    NOTHING,
    OPEN_CORE,
    PLATFORMS,
    POWER,
    TIERS,
    clip,
    first_greatest,
)
from benchmarks.plain_mesa.demand import HOURS
from benchmarks.plain_mesa.tokens import leader_of


class Books(NamedTuple):
    """A lab's month, $ M."""

    sales: float  # of all tokens of its models, and subscriptions
    cost: float  # of all of them, and of those that are free
    copies: float  # spending on faithful copies, and what they cost
    own_sales: float  # what reaches the lab and not hosts
    fee: float
    advertising: float
    income: float
    serving: float
    training: float
    wages: float
    power: float
    compliance: float
    fees_paid: float  # to teachers
    royalties: float  # to owners of weights
    damages: float
    defence: float
    funding: float


def close_books(model: Any) -> None:
    """Income by monetisation, costs, money; then plans of R&D and training; then entry and exit."""
    p, labs = model.p, model.labs
    somebody_sues = any(lab.active and not lab.is_open for lab in labs)
    books = [books_of(model, lab, somebody_sues) for lab in labs]
    rent = rent_per_machine(model, books)
    record_flows(model, books, rent)
    tuition, awards = tuition_of(labs, p), awards_of(labs, books)
    for i, lab in enumerate(labs):
        lab.funded = 0.0
        if lab.active:
            lab.close_books(books[i], rent[lab.home] * sum(lab.machines), tuition[i] + awards[i])
    layers_close_books(model)

    learn(model)
    for lab in labs:
        if lab.active:
            lab.watch_lead(awards[lab.number])
    cost = p.research_cost_start * math.exp(p.research_burden_growth * model.month / 12)
    for lab in labs:
        if lab.active:
            lab.plan(cost)
    enter_and_exit(model)


def books_of(model: Any, lab: Any, somebody_sues: bool) -> Books:
    """Income and costs of a lab in the month; zero for an empty slot."""
    if not lab.active:
        return Books(*[0.0] * len(Books._fields))
    p, law, sold = model.p, lab.law, lab.sold
    own_share = lab.first_party_share if lab.is_open else 1.0
    sales, hosted = sum(sold.spent), sum(sold.hosted_spent)
    free = 1e-6 * sold.free * lab.token_cost[FLAGSHIP]
    cost = 1e-6 * sum(x * c for x, c in zip(sold.tokens, lab.token_cost, strict=True))
    cost_of_hosts = 1e-6 * sum(x * c for x, c in zip(sold.hosted_tokens, lab.token_cost, strict=True))
    own_sales, serving = own_share * (sales - hosted), own_share * (cost - cost_of_hosts) + free
    fee = advertising = 0.0
    if lab.monetisation == OPEN_CORE:
        fee = p.open_core_fee * sum(sold.enterprises)
    elif lab.monetisation == COMPLEMENT:
        advertising = p.complement_benefit * serving
    income = own_sales + fee + advertising
    can_pay = min(p.damages_pace * lab.legal_exposure, 0.5 * max(lab.cash, 0.0) + 0.1 * max(income, 0.0))
    spending = lab.research_spending + lab.training_bill + lab.outlay()
    needs = max(p.cash_target * (spending + 1), 1.0)
    asset = len(model.vendors) + lab.number
    value = math.exp(model.exchange.log_price[asset]) * float(model.exchange.shares[asset])
    return Books(
        sales=sales,
        cost=cost + free,
        copies=sum(sold.spent_on_copies),
        own_sales=own_sales,
        fee=fee,
        advertising=advertising,
        income=income,
        serving=serving,
        training=lab.training_bill,
        wages=lab.research_spending,
        power=energy_of(model, lab),
        compliance=law.compliance_fixed + law.compliance_proportional * income,
        fees_paid=sum(fees_of(lab, model.labs, p)),
        royalties=lab.royalty * income,
        damages=min(can_pay, lab.legal_exposure) if somebody_sues else 0.0,
        defence=p.vigilance_cost * sum(lab.vigilance) + p.hiding_cost * sum(lab.hidden),
        funding=p.funding_rate * value / (1 + max(lab.cash, 0.0) / needs),
    )


def fees_of(student: Any, labs: list[Any], p: Any) -> list[float]:
    """What an active lab pays each teacher, $ M."""
    return [x * lab.price[FLAGSHIP] * p.tokens_per_exchange for x, lab in zip(student.exchanges, labs, strict=True)]


def tuition_of(labs: list[Any], p: Any) -> list[float]:
    """What students pay each lab, $ M."""
    paid = [fees_of(student, labs, p) for student in labs if student.active]
    return [sum(fees[m] for fees in paid) for m in range(len(labs))]


def awards_of(labs: list[Any], books: list[Books]) -> list[float]:
    """Damages, to who sued or else to the leader, and royalties, in proportion to claims: what each lab gets, $ M."""
    awards, leader = [0.0] * len(labs), leader_of(labs)
    for lab, b in zip(labs, books, strict=True):
        if b.damages > 0:
            sues = labs[lab.claimant] if lab.claimant != NOBODY else leader
            winner = sues if sues.active and not sues.is_open else leader
            awards[winner.number] += b.damages
        if b.royalties > 0:
            claims = lab.claims(lab.number)
            for owner, claim in enumerate(claims):
                awards[owner] += b.royalties * claim / sum(claims)
    return awards


def energy_of(model: Any, owner: Any) -> float:
    """Energy of an owner's running machines, $ M; the same share runs everywhere in a jurisdiction."""
    compute, home = model.compute, owner.home
    use = compute.running[home] / max(sum(model.held(home)), 1e-9)
    return HOURS * compute.power_price[home] * use * model.megawatts(owner.machines)


def rent_per_machine(model: Any, books: list[Books]) -> list[float]:
    """Rents of tokens, training and other work, shared by all machines of a jurisdiction: $ M per H100e."""
    compute, labs, rents = model.compute, model.labs, []
    for r in range(len(model.regulators)):
        served = sum(b.cost + b.copies for lab, b in zip(labs, books, strict=True) if lab.serving_home == r)
        trained = sum(b.training for lab, b in zip(labs, books, strict=True) if lab.home == r)
        training = sum(lab.training for lab in labs if lab.home == r)
        work = max(compute.running[r] - training - compute.serving[r], 0.0) * compute.rental_price[r]
        rents.append(served + trained + work)
    model.flows.rent_work = sum(rents) - sum(b.cost + b.copies + b.training for b in books)
    return [rent / max(sum(model.held(r)), 1e-9) for r, rent in enumerate(rents)]


def record_flows(model: Any, books: list[Books], rent: list[float]) -> None:
    flows = model.flows
    flows.tokens = sum(b.sales + b.copies for b in books)
    flows.fees = sum(b.fee for b in books)
    flows.advertising = sum(b.advertising for b in books)
    flows.rent_labs = sum(b.serving for b in books)
    flows.rent_hosts = sum(b.cost - b.serving + b.copies for b in books)
    flows.hosts_margin = sum(b.sales - b.own_sales + b.copies for b in books) - flows.rent_hosts
    flows.rent_training = sum(b.training for b in books)
    flows.rent_own = sum(rent[lab.home] * sum(lab.machines) for lab in model.labs)
    flows.rent_programmes = sum(rent[owner.home] * sum(owner.machines) for owner in model.programmes)
    flows.energy_labs = sum(energy_of(model, lab) for lab in model.labs)
    flows.energy_platforms = sum(energy_of(model, owner) for owner in model.operators)
    flows.energy_programmes = sum(energy_of(model, owner) for owner in model.programmes)
    flows.wages = sum(b.wages + b.defence for b in books)
    flows.compliance = sum(b.compliance for b in books)
    flows.tuition = sum(b.fees_paid for b in books)
    flows.damages = sum(b.damages for b in books)
    flows.royalties = sum(b.royalties for b in books)
    flows.funding = sum(b.funding for b in books)


def layers_close_books(model: Any) -> None:
    """Income of layers: power from energy, platforms from rent, applications from part of users' surplus."""
    p, flows = model.p, model.flows
    flows.applications = p.application_share * sum(max(a.surplus(), 0.0) for a in model.adopters)
    rents = flows.rent_labs + flows.rent_hosts + flows.rent_training + flows.rent_work
    income = {
        POWER: flows.energy_labs + flows.energy_platforms + flows.energy_programmes,
        PLATFORMS: rents - flows.rent_programmes - flows.rent_own,
        APPLICATIONS: flows.applications,
    }
    paid = p.payout_ratio * sum(max(vendor.profit, 0.0) for vendor in model.vendors)
    for layer in model.layers:
        builds = layer.layer == PLATFORMS
        costs = flows.energy_platforms if builds else 0.0
        investment = flows.chips_platforms + flows.places_platforms if builds else 0.0
        paid += layer.close_books(income[layer.layer], costs, investment)
    flows.dividends = paid


def lag_of_open(model: Any) -> float:
    """Months since a closed model first reached what the best open one can do, as far as the run shows."""
    best = max([NOTHING, *(max(lab.capability) for lab in model.labs if lab.active and lab.is_open)])
    return max(sum(closed >= best for closed in model.accounts.closed_path) - 1.0, 0.0)


def learn(model: Any) -> None:
    """Growth of what users spend on tokens, a slow mean of what is seen."""
    accounts, rate, size = model.accounts, model.p.growth_learning, model.flows.tokens
    if size > 0 and accounts.market_size > 0:
        grown = 12 * math.log(size / accounts.market_size)
        accounts.market_growth += rate * (grown - accounts.market_growth)
    accounts.market_size = size


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
            and model.access[1][lab.number][source]
            and luck[lab.number] < chance * math.exp(-burden * lab.law.compliance_fixed)
        ]

    for lab in entrants:  # before exits: the weights of exiting labs can still be forked
        become_entrant(lab, origin, model)
        for adopter in model.adopters:
            adopter.try_fork(lab.number, adopter.fit[origin.number])
    flows.rescued = sum(-lab.cash for lab in leavers)
    for lab in leavers:
        lab.active, lab.cash = False, 0.0
        lab.exchanges = [0.0] * len(labs)
        hand_over(model, lab)
        for other in labs:
            other.forget(lab.number)
    flows.entry = len(entrants) * p.seed_funding
    accounts.entries, accounts.exits = float(len(entrants)), float(len(leavers))


def hand_over(model: Any, lab: Any) -> None:
    """What a leaver owns passes to the operators of its home, in proportion to their orders."""
    heirs = [operator for operator in model.operators if operator.home == lab.home]
    total = sum(heir.order_share for heir in heirs)
    for heir in heirs:
        share = heir.order_share / total
        for name in ("machines", "waiting", "building", "backlog"):
            both = zip(getattr(heir, name), getattr(lab, name), strict=True)
            setattr(heir, name, [own + share * theirs for own, theirs in both])
        heir.places += share * lab.places
    for name in ("machines", "waiting", "building", "backlog"):
        setattr(lab, name, [0.0] * len(getattr(lab, name)))
    lab.places = lab.construction = 0.0
    lab.bought = [0.0] * len(lab.bought)


def become_entrant(lab: Any, origin: Any, model: Any) -> None:
    """Enter as a fork of the best open weights."""
    p = model.p
    lab.active = True
    lab.cash = p.seed_funding
    lab.capability = [k + math.log(p.copy_fidelity) for k in origin.capability]
    lab.copied = lab.untaught = lab.capability[FLAGSHIP]
    lab.model_size, lab.price, lab.token_cost = list(origin.model_size), list(origin.price), list(origin.token_cost)
    lab.serving_efficiency = [model.accounts.serving_efficiency for _ in TIERS]
    lab.efficiency, lab.luck = origin.efficiency - 0.5, 0.0
    lab.nash_markup, lab.tier_slope = list(origin.nash_markup), list(origin.tier_slope)
    lab.distilled_share, lab.distilled, lab.own_best = 1.0, NEVER, NEVER
    lab.source = lab.copied_from = origin.number
    own = [float(other is lab) for other in model.labs]
    both = zip(origin.lineage, own, strict=True)
    lab.lineage = [p.copy_fidelity * theirs + (1 - p.copy_fidelity) * mine for theirs, mine in both]
    lab.taught_by = lab.claimant = NOBODY
    shut = max(FIRST_API - model.month - 1, 0.0)  # nobody can use flagships before
    lab.behind, lab.access_cut, lab.link_age = [False] * len(own), [shut] * len(own), [0.0] * len(own)
    lab.matched, lab.rent_share, lab.fork_age = -1.0, 0.0, 0.0
    lab.lead_months, lab.leads_ended, lab.base_cost = origin.lead_months, origin.leads_ended, origin.base_cost
    lab.rents_seen, lab.rents_lost = list(origin.rents_seen), list(origin.rents_lost)  # it knows what its origin does
    lab.leak, lab.caught_seen = list(origin.leak), list(origin.caught_seen)
    lab.royalty = lab.awards_seen = lab.case_left = lab.taught_sales = 0.0
    lab.exchanges_used = [0.0] * len(own)
    lab.hosted, lab.age = [NEVER, NEVER], [0.0, 0.0]
    lab.monetisation, lab.licence, lab.first_party_share = HOSTING, 1.0, p.first_party_share
    lab.research_intensity = p.research_floor
    lab.run_compute = lab.run_cost = lab.programme_cost = 0.0
    lab.training = lab.training_bill = lab.training_budget = 0.0
    lab.legal_exposure = lab.profit = lab.distressed = lab.nat_value = 0.0
