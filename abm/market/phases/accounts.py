"""8. Accounts: profit and cash, and plans for the next month."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from abm.agents.infrastructure import APPLICATIONS, PLATFORMS, POWER
from abm.agents.lab import COMPLEMENT, OPEN_CORE
from abm.market.phases.common import NEAR, is_open_lab, open_frontier, per_offer, sales_of, serving_home
from abm.market.phases.exits import enter_and_exit
from abm.market.phases.machines import split_by_role
from abm.market.phases.rent import energy_of_owners, rents_of_owners, work_of
from abm.market.phases.research import claims_on, owed_to_teachers, worth_of_lead
from abm.market.state import Accounts, Flows, Market, Now, Values, jurisdiction_sum
from abm.mechanisms import enforcement, monetisation
from abm.support.shapes import Scalar

SHOCK_MONTH = 24  # January 2025
HISTORY = 12  # months over which a lab's own progress is measured


class Books(NamedTuple):
    """Income and costs of the labs in a month (L,), $ M; `lerner` is a ratio."""

    income: Float[Array, " L"]
    rent: Float[Array, " L"]  # of machines of its own
    serving: Float[Array, " L"]
    training: Float[Array, " L"]
    wages: Float[Array, " L"]
    power: Float[Array, " L"]
    compliance: Float[Array, " L"]
    teachers: Float[Array, " L"]
    tuition: Float[Array, " L"]
    damages: Float[Array, " L"]
    awards: Float[Array, " L"]
    royalties: Float[Array, " L"]
    licences: Float[Array, " L"]
    defence: Float[Array, " L"]
    funding: Float[Array, " L"]
    machines: Float[Array, " L"]  # chips and places bought
    lerner: Float[Array, " L"]


class Leads(NamedTuple):
    """What each lab sees at the end of a month."""

    below: Bool[Array, "L L"]  # labs whose flagship is well behind its own
    level: Bool[Array, "L L"]  # labs whose flagship is about as good or better; a lab that left is neither
    rent: Float[Array, " L"]  # its gross profit, as a share of all spending on tokens
    awards: Float[Array, " L"]  # $ M per month, damages and fees


class Outlook(NamedTuple):
    """The expectations on which labs plan research (L,)."""

    research_cost: Float[Array, " L"]  # $ M per month for research on trend
    lead_duration: Float[Array, " L"]  # months of today's rent that a lead is worth
    awards: Float[Array, " L"]  # $ M per nat, one by one: damages and fees that it brings
    volatility: Float[Array, " L"]  # of the value of research, per year


def close_books(market: Market, now: Now) -> Market:
    """Book income by monetisation, costs and cash; plan R&D and compute; let labs enter and exit; update the basket."""
    p, labs = now.p, market.labs
    books, flows = lab_books(market, now)
    labs = labs.replace(funded=jnp.zeros(labs.size))  # labs that left raised nothing this month
    labs = labs.do("close_books", p, books=books)
    market = layers_close_books(market.replace(labs=labs, flows=flows), now)
    market = market.replace(accounts=observe_market(market, now))
    market = market.replace(labs=market.labs.do("watch_lead", p, seen=leads_of(market, books)))
    labs = market.labs.do("plan", p, outlook=outlook_of(market, now))
    return fix_basket(enter_and_exit(market.replace(labs=labs), now))


def lab_books(market: Market, now: Now) -> tuple[Books, Flows]:
    """Income and costs of every lab in the month, and the corresponding payments between sectors."""
    p, labs = now.p, market.labs
    is_open = is_open_lab(labs)
    on = labs.active * 1.0
    sold = sales_of(market)
    sales = sold.spent.sum(-1)
    given = sold.free * labs.token_cost[:, 0] * 1e-6  # cost of serving consumers who do not pay
    cost = (sold.tokens * labs.token_cost).sum(-1) * 1e-6 + given
    own_share = jnp.where(is_open, labs.first_party_share, 1.0)
    own_sales = own_share * (sold.spent - sold.hosted_spent).sum(-1)
    own_cost = own_share * ((sold.tokens - sold.hosted_tokens) * labs.token_cost).sum(-1) * 1e-6 + given

    fee = jnp.where(labs.monetisation == OPEN_CORE, monetisation.open_core_fees(sold.enterprises.sum(-1), p), 0.0)
    advertising = jnp.where(labs.monetisation == COMPLEMENT, monetisation.complement_income(own_cost, p), 0.0)
    income = own_sales + fee + advertising

    wages = labs.research_spending * on
    serving, training = own_cost, labs.training_bill * on
    rents = rents_by_home(market, cost + sold.spent_on_copies.sum(-1))
    own_rents = split_by_role(market, rents_of_owners(market, rents))
    energy = split_by_role(market, energy_of_owners(market, now))
    power = energy["labs"]
    machines = labs.bought.sum(-1) + labs.construction
    regulators = market.regulators
    compliance = on * (regulators.compliance_fixed[labs.home] + regulators.compliance_proportional[labs.home] * income)
    paid = labs.exchanges * labs.price[:, 0] * p.tokens_per_exchange * labs.active[:, None]  # student x teacher
    claimants = labs.active & ~is_open
    leader = jax.nn.one_hot(jnp.argmax(jnp.where(claimants, labs.capability[:, 0], -jnp.inf)), labs.size)
    sued = (labs.claimant >= 0) & claimants[labs.claimant]
    # The claimant of a case, or the leading lab if that one is gone.
    winner = jnp.where(sued[:, None], jax.nn.one_hot(labs.claimant, labs.size), leader)
    damages = enforcement.damages(labs.legal_exposure, income, labs.cash, p) * on
    damages = jnp.where(
        claimants.any(), jnp.minimum(damages, labs.legal_exposure), 0.0
    )  # no damages if no closed lab is left
    claims = claims_on(market)
    royalties = labs.royalty * income * on
    owners = claims / jnp.maximum(claims.sum(-1, keepdims=True), 1e-30)
    owners = jnp.where((labs.royalty > 0)[:, None], owners, 0.0)
    defence = (p.vigilance_cost * labs.vigilance + p.hiding_cost * labs.hidden).sum(-1) * on
    exchange, lab_assets = market.exchange, slice(market.vendors.size, market.vendors.size + labs.size)
    value = (jnp.exp(exchange.log_price) * exchange.shares)[lab_assets]
    funding = on * monetisation.funding(value, labs.cash, wages + training + machines, p)
    lerner = jnp.where(sales > 0, 1 - cost / jnp.where(sales > 0, sales, 1.0), 0.0)
    books = Books(
        income=income,
        rent=own_rents["labs"],
        serving=serving,
        training=training,
        wages=wages,
        power=power,
        compliance=compliance,
        teachers=paid.sum(-1),
        tuition=paid.sum(0),
        damages=damages,
        awards=winner.T @ damages,
        royalties=royalties,
        licences=owners.T @ royalties,
        defence=defence,
        funding=funding,
        machines=machines,
        lerner=lerner,
    )
    copies = sold.spent_on_copies.sum(-1)  # hosts sell them at cost
    hosted = (sales - own_sales + copies).sum()
    hosted_cost = (cost - own_cost + copies).sum()
    flows = market.flows.replace(
        tokens=sales.sum() + copies.sum(),
        fees=fee.sum(),
        advertising=advertising.sum(),
        rent_labs=serving.sum(),
        rent_hosts=hosted_cost,
        rent_training=training.sum(),
        rent_work=rents.sum() - serving.sum() - hosted_cost - training.sum(),
        rent_programmes=own_rents["programmes"].sum(),
        rent_own=own_rents["labs"].sum(),
        hosts_margin=hosted - hosted_cost,
        energy_labs=power.sum(),
        energy_platforms=energy["operators"].sum(),
        energy_programmes=energy["programmes"].sum(),
        wages=(wages + defence).sum(),
        compliance=compliance.sum(),
        tuition=paid.sum(),
        damages=damages.sum(),
        royalties=royalties.sum(),
        funding=funding.sum(),
    )
    return books, flows


def rents_by_home(market: Market, cost: Float[Array, " L"]) -> Float[Array, " R"]:
    """Rent that is paid for the machines of each jurisdiction, $ M: tokens at their cost, training and other work at spot."""
    labs, size = market.labs, market.regulators.size
    tokens = jurisdiction_sum(cost, serving_home(labs), size)
    training = jurisdiction_sum(labs.training_bill * labs.active, labs.home, size)
    return tokens + training + work_of(market) * market.compute.rental_price


def layers_close_books(market: Market, now: Now) -> Market:
    """Book the layers: power earns energy, platforms earn rent, applications earn a part of users' surplus."""
    p, flows, layers = now.p, market.flows, market.infrastructure
    rents = flows.rent_labs + flows.rent_hosts + flows.rent_training + flows.rent_work
    applications = p.application_share * jnp.maximum(consumer_surplus(market), 0.0).sum()
    income = jnp.select(
        [layers.layer == POWER, layers.layer == PLATFORMS, layers.layer == APPLICATIONS],
        [
            flows.energy_labs + flows.energy_platforms + flows.energy_programmes,
            rents - flows.rent_programmes - flows.rent_own,
            applications,
        ],
    )
    costs = jnp.where(layers.layer == PLATFORMS, flows.energy_platforms, 0.0)
    investment = jnp.where(layers.layer == PLATFORMS, flows.chips_platforms + flows.places_platforms, 0.0)
    before = layers.cash
    layers = layers.do("close_books", p, income=income, costs=costs, investment=investment)
    layer_dividends = (before + layers.profit - investment - layers.cash).sum()
    vendor_dividends = p.payout_ratio * jnp.maximum(market.vendors.profit, 0.0).sum()
    flows = flows.replace(
        applications=applications,
        dividends=layer_dividends + vendor_dividends,
    )
    return market.replace(infrastructure=layers, flows=flows)


def consumer_surplus(market: Market) -> Float[Array, " J"]:
    """Gain of each segment over what it pays for tokens, $ M per month."""
    return market.adopters.ask("surplus") * 1e-6


def lag_of_open(market: Market) -> Scalar:
    """Months since a closed model first reached the open frontier's capability, counted from the start of the run."""
    return jnp.maximum((market.accounts.closed_path >= open_frontier(market)).sum() - 1.0, 0.0)


def observe_market(market: Market, now: Now) -> Accounts:
    """Growth of spending on tokens, as a slow mean of what was seen."""
    accounts, size = market.accounts, market.flows.tokens
    both = (size > 0) & (accounts.market_size > 0)
    seen = 12 * (jnp.log(jnp.where(both, size, 1.0)) - jnp.log(jnp.where(both, accounts.market_size, 1.0)))
    step = jnp.where(both, now.p.growth_learning * (seen - accounts.market_growth), 0.0)
    return accounts.replace(market_growth=accounts.market_growth + step, market_size=size)


def leads_of(market: Market, books: Books) -> Leads:
    """What labs see of each other's flagships, and of what they earned."""
    labs = market.labs
    k = jnp.where(labs.active, labs.capability[:, 0], -jnp.inf)
    gross, both = jnp.maximum(labs.gross_profit, 0.0), labs.active & labs.active[:, None]
    return Leads(
        below=(k[None, :] < k[:, None] - NEAR) & both,
        level=(k[None, :] >= k[:, None] - NEAR) & both,
        rent=gross / jnp.maximum(market.flows.tokens, 1e-9),
        awards=books.awards + books.licences,
    )


def outlook_of(market: Market, now: Now) -> Outlook:
    """Expected cost of research on trend, worth of a lead, awards, and volatility of what research is worth."""
    p, labs, regulators = now.p, market.labs, market.regulators
    cost = p.research_cost_start * jnp.exp(p.research_burden_growth * market.month / 12)
    forecast, squared = market.accounts.rulings[labs.home].T
    courts = at_stake(market, p) ** 2 * squared / jnp.maximum(forecast, 1e-3) ** 2
    variance = p.demand_volatility**2 + courts + regulators.policy_uncertainty[labs.home] ** 2
    gained = labs.capability[:, 0] - market.accounts.capability_history[-1]
    return Outlook(
        research_cost=jnp.full(labs.size, cost),
        lead_duration=worth_of_lead(market, now)[0],
        awards=labs.awards_seen * HISTORY / jnp.maximum(gained, 0.5),
        volatility=jnp.sqrt(variance) * (1 - p.guarantee_share * p.guarantee_insurance),
    )


def at_stake(market: Market, p: Values) -> Float[Array, " L"]:
    """Share of each lab's income that hangs on how courts rule: royalties, damages that accrue in a case, awards.

    All of them are in proportion to the chance that owners win.
    """
    labs, chance = market.labs, market.accounts.rulings[market.labs.home, 0]
    damages = jnp.where(labs.case_left > 0, chance * p.damages_multiple * owed_to_teachers(labs), 0.0)
    hangs = (labs.royalty + damages) * labs.revenue + labs.awards_seen
    return jnp.clip(hangs / jnp.maximum(labs.revenue + labs.awards_seen, 1e-9), 0.0, 1.0)


def fix_basket(market: Market) -> Market:
    """Before the shock, record each segment's spending on closed models: the weights of the fixed basket."""
    closed = per_offer(~is_open_lab(market.labs)) * 1.0
    spent = market.adopters.spent @ closed * 1e-6
    basket = jnp.where(market.month < SHOCK_MONTH, spent, market.accounts.basket)
    return market.replace(accounts=market.accounts.replace(basket=basket))
