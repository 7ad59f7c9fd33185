"""2. Machines: programmes raise money, owners order places and chips, vendors deliver, and machines find their places."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from abm.engine import Group
from abm.market.phases.common import serving_home
from abm.market.state import Market, Now, jurisdiction_sum
from abm.mechanisms import demand, machines, pricing
from abm.support.axes import GENERATIONS
from abm.support.shapes import Scalar

CAPPED_PRICE = 0.5
"""Elasticity of a capped chip's price in the performance it is left: an H20 cost 12 k$, at 0.15 of an H100's performance."""
OWNERS = ("operators", "programmes", "labs")
"""Who owns machines, in the order in which their rows stand in arrays of all owners (K)."""


class Site(NamedTuple):
    """Places that an owner begins in a month (K,): MW, and months from order to power."""

    begun: Float[Array, " K"]
    lag: Float[Array, " K"]


class Delivery(NamedTuple):
    """What an owner orders and receives in a month (K, V), and what the chips are (V,) and draw (G,)."""

    orders: Float[Array, "K V"]  # H100e
    filled: Float[Array, "K V"]  # share of the backlog that arrives
    price: Float[Array, "K V"]  # $ M per H100e
    performance: Float[Array, "K V"]  # share of it that export rules leave
    generation: Float[Array, "K V G"]  # 1 for the generation of the vendor's chips
    kilowatts: Float[Array, "K G"]  # per H100e


class Announcement(NamedTuple):
    """A programme announced this month (P,); amount 0: none. Money in $ M."""

    amount: Float[Array, " P"]
    months: Float[Array, " P"]
    phases: Float[Array, " P"]
    own_power: Float[Array, " P"]
    offtake: Float[Array, " P"]
    luck: Float[Array, " P"]  # of the lenders it finds


class Offer(NamedTuple):
    """Chips on sale by jurisdiction and vendor (R, V): shares of orders, price, and what of it arrives as it was made."""

    share: Float[Array, "R V"]  # of the units wanted; they add up to less than 1 where some cannot be had
    price: Float[Array, "R V"]  # $ M per H100e, with what leakage costs
    performance: Float[Array, "R V"]
    premium: Float[Array, "R V"]  # $ M per H100e of that price, to those who smuggle
    openness: Float[Array, "R V"]  # share of a vendor's compute that export rules let through
    effective: Float[Array, " R"]  # $ M per H100e of work: price index of what can be had


def trade_machines(market: Market, now: Now) -> Market:
    """Order places and chips where a machine would cover its cost, deliver, and deploy what has a place."""
    p = now.p
    vendors = market.vendors.do("launch_generation", p).do("set_price", p)
    offer = offer_of(vendors, now)
    market = learn(market.replace(vendors=vendors), now, offer)
    market = raise_money(market, now)
    market = build_places(market, now, offer)
    market = deliver_chips(market, now, offer)
    log_q = (market.exchange.log_price - market.exchange.base)[: vendors.size]
    vendors = market.vendors.do("invest", p, q=jnp.exp(log_q))
    flows = market.flows.replace(chip_costs=(vendors.revenue - vendors.profit).sum())
    return market.replace(vendors=vendors, flows=flows)


# --- rows of all owners ---


def of_owners(market: Market, name: str) -> Shaped[Array, "K ..."]:
    """A column of all owners."""
    return jnp.concatenate([getattr(getattr(market, role), name) for role in OWNERS])


def split_by_role(market: Market, rows: PyTree) -> dict[str, PyTree]:
    """Rows of all owners, split by role."""
    pieces, start = {}, 0
    for role in OWNERS:
        stop = start + getattr(market, role).size
        pieces[role] = jax.tree.map(lambda x, a=start, b=stop: x[a:b], rows)
        start = stop
    return pieces


def owners_do(market: Market, rule: str, now: Now, **own: PyTree) -> Market:
    """Run a rule of all owners; `own` has one row per owner."""
    pieces = split_by_role(market, own)
    return market.replace(**{role: getattr(market, role).do(rule, now.p, **pieces[role]) for role in OWNERS})


def by_home(market: Market, rows: Float[Array, "K ..."]) -> Float[Array, "R ..."]:
    """Sums of owners' rows by jurisdiction."""
    return jnp.tensordot(jax.nn.one_hot(of_owners(market, "home"), market.regulators.size, dtype=float).T, rows, 1)


# --- what owners know ---


def wanted_at(rent: Float[Array, " R"], market: Market, now: Now) -> Float[Array, " R"]:
    """Machines wanted at a rent by last month's demand, H100e."""
    seen = market.compute
    return machines.machines_wanted(rent, seen.training, seen.serving, seen.pull, seen.efficiency, now.p)


def learn(market: Market, now: Now, offer: Offer) -> Market:
    """Work out the user cost of a new machine, with the fall of chip prices from the leader's last launch to this one."""
    p, seen, vendors = now.p, market.compute, market.vendors
    launch, age = vendors.launch_price[0], vendors.generation_age[0]
    fall = (jnp.log(seen.launch_price) - jnp.log(launch)) / (seen.launch_age + 1) * 12
    decline = jnp.where(age < seen.launch_age, jnp.maximum(fall, 0.0), seen.decline)
    watts = market.compute.kilowatts[market.vendors.generation[0]]
    place = machines.place_rent(p.capital_cost, p) * watts * 1e-3
    energy = machines.energy_cost(watts, seen.power_price)
    cost = machines.user_cost(offer.effective, decline, p.capital_cost, place, energy, p)
    compute = seen.replace(decline=decline, launch_price=launch, launch_age=age, user_cost=cost)
    return market.replace(compute=compute)


def lead_of(vendors: Group) -> Scalar:
    """Months that the leading vendor takes to deliver."""
    return jnp.clip(vendors.backlog[0] / jnp.maximum(vendors.capacity[0], 1e-9), 1.0, 24.0)


def offer_of(vendors: Group, now: Now) -> Offer:
    """Shares of the vendors in the chips that each jurisdiction orders (logit with lock-in), under its export rules.

    A capped chip is sold at a discount. A share of what is barred leaks as it was made, at a premium. What cannot be had is
    bought from vendors who may sell, or not at all. The price index is that of the same demand without lock-in, over all that
    can be had, so that a rule never makes work cheaper.
    """
    p, events = now.p, now.events
    abroad = (vendors.home[:, None] != jnp.arange(events.export_availability.shape[1])).T  # (R, V)
    reaches = ~abroad | (vendors.lock_in >= p.export_reach)
    legal = jnp.where(abroad, events.export_availability.T, 1.0)
    capped = machines.delivered_performance(vendors.performance[:, None], events.performance_cap).T
    barred = (legal < 1.0) | (capped < 1.0)
    leak = jnp.where(barred, p.export_leakage, 0.0)
    available = machines.effective_availability(legal, leak)
    leaked = jnp.minimum(leak / jnp.maximum(available, 1e-9), 1.0)  # share of what is bought
    left = capped * (1 - leaked) + leaked
    discounted = vendors.chip_price * capped**CAPPED_PRICE
    premium = leaked * vendors.chip_price * p.leakage_premium
    price = discounted * (1 - leaked) + leaked * vendors.chip_price + premium

    sigma = p.chip_price_sensitivity
    quality = jnp.where(reaches, vendors.lock_in, -jnp.inf) + sigma * jnp.log(left)
    spending = demand.shares(quality, price, price_sensitivity=sigma, price_form="log", outside=False)
    units = spending * left / price
    units = units / units.sum(1, keepdims=True)
    missing = (units * (1 - available)).sum(1, keepdims=True)
    free = jnp.where(legal == 1.0, units, 0.0)
    share = units * available + missing * free / jnp.maximum(free.sum(1, keepdims=True), 1e-9)

    at_list = (discounted / capped) ** -sigma * legal * (1 - leak) + leak * (
        vendors.chip_price * (1 + p.leakage_premium)
    ) ** -sigma
    worth = jnp.where(reaches, at_list, 0.0).sum(1) / reaches.sum(1)
    return Offer(share, price, left, premium, jnp.asarray(available * left), worth ** (-1 / sigma))


# --- programmes ---


def raise_money(market: Market, now: Now) -> Market:
    """Programmes are announced, and seek money for their next phase from lenders who look at rents."""
    p, events, programmes, seen = now.p, now.events, market.programmes, market.compute
    news = Announcement(
        events.programme_amount,
        events.programme_months,
        events.programme_phases,
        events.programme_own_power,
        events.programme_offtake,
        now.draws.normal("lenders", programmes),
    )
    cover = (seen.contract_price / seen.user_cost)[programmes.home]
    programmes = programmes.do("announce", p, news=news)
    return market.replace(programmes=programmes.do("raise_money", p, cover=cover))


# --- places ---


def build_places(market: Market, now: Now, offer: Offer) -> Market:
    """Order places for the machines that would cover their cost when the places are there, and open those that are ready.

    Programmes spend what they have raised: on their own sites without waiting for the grid, elsewhere within what can be
    connected. Others fill what is still missing, and `displaced` records what programmes have kept them from building.
    """
    p, seen, programmes, size = now.p, market.compute, market.programmes, market.regulators.size
    connected = by_home(market, of_owners(market, "places"))
    existing = connected + by_home(market, of_owners(market, "building").sum(-1))
    sensible = sensible_places(market, now)
    in_use = programmes.places * (1 - programmes.own_power)
    off_grid = jurisdiction_sum(programmes.places - in_use, programmes.home, size)
    limit = p.connection_rate * (connected - off_grid)

    watts = market.compute.kilowatts[market.vendors.generation[0]]
    cost = (p.place_cost + offer.effective / (watts * 1e-3))[programmes.home]  # with the machines that fill it
    announced = programmes.ask("wanted_places", p, cost=cost)
    on_grid = announced * (1 - programmes.own_power)
    wanted_on_grid = jurisdiction_sum(on_grid, programmes.home, size)
    share = jnp.minimum(limit / jnp.maximum(wanted_on_grid, 1e-9), 1.0)
    begun = announced * programmes.own_power + on_grid * share[programmes.home]
    room = limit - wanted_on_grid * share

    with_theirs = existing + jurisdiction_sum(begun, programmes.home, size)
    theirs = jurisdiction_sum(programmes.places + programmes.building.sum(-1) + begun, programmes.home, size)
    usual = jnp.minimum(machines.places_ordered(sensible, with_theirs, p), room)
    without = connected - jurisdiction_sum(programmes.places, programmes.home, size)
    limit_alone = p.connection_rate * (without + jnp.minimum(seen.displaced, connected - without))
    alone = jnp.minimum(machines.places_ordered(sensible, with_theirs - theirs + seen.displaced, p), limit_alone)
    displaced = jnp.clip(seen.displaced + alone - usual, 0.0, theirs)

    lag = (p.build_time + market.regulators.permitting_lag)[of_owners(market, "home")]
    own = jnp.concatenate([jnp.zeros(market.operators.size), programmes.own_power, jnp.zeros(market.labs.size)])
    begins = order_shares(market, now) * usual[of_owners(market, "home")]
    begins = begins.at[market.operators.size : -market.labs.size].set(begun)
    site = Site(begins, own * p.own_site_time + (1 - own) * lag)
    market = owners_do(market, "build", now, site=site)
    available = seen.power_available * jnp.exp(market.regulators.power_growth / 12)
    return market.replace(
        programmes=market.programmes.do("commit", p, begun=begun, cost=cost),
        compute=market.compute.replace(displaced=displaced, power_available=available),
    )


def sensible_places(market: Market, now: Now) -> Float[Array, " R"]:
    """MW for the machines that would be wanted at a rent which just covers their cost, when chips ordered after building come.

    The time of permits is left out: owners who waited longer would order more.
    """
    seen = market.compute
    months = lead_of(market.vendors) + now.p.build_time
    ahead = jnp.exp(jnp.clip(seen.growth * months / 12, -1.0, 2.0))
    wanted = wanted_at(seen.user_cost, market, now) * ahead * spirits_of(market, now)
    watts = market.compute.kilowatts
    installed = by_home(market, of_owners(market, "machines"))
    more = jnp.maximum(wanted - installed.sum(-1), 0.0)  # of the newest generation
    return (installed @ watts + more * watts[market.vendors.generation[0]]) * 1e-3


def spirits_of(market: Market, now: Now) -> Scalar:
    """Factor on what owners order: beliefs about the compute that the future needs and about who keeps the rents."""
    p = now.p
    weight = market.investors.wealth * market.investors.active
    belief = (weight[:, None] * market.investors.belief).sum(0) / weight.sum()
    return jnp.exp(p.capex_belief * (belief[0] + p.crash_rents * belief[1]))


def order_shares(market: Market, now: Now) -> Float[Array, " K"]:
    """Share of each owner in what its jurisdiction orders: labs for what they want to own, operators for the rest."""
    labs, operators, size = market.labs, market.operators, market.regulators.size
    at_home = labs.training + jnp.where(serving_home(labs) == labs.home, labs.serving, 0.0)
    wanted = jnp.where(labs.active, labs.own_share * at_home, 0.0)
    everything = wanted_at(market.compute.rental_price, market, now)
    of_labs = wanted / jnp.maximum(everything, 1e-9)[labs.home]
    rest = jnp.maximum(1 - jurisdiction_sum(of_labs, labs.home, size), 0.0)[operators.home]
    total = jurisdiction_sum(operators.order_share, operators.home, size)
    of_operators = operators.order_share / jnp.maximum(total, 1e-9)[operators.home] * rest
    return jnp.concatenate([of_operators, jnp.zeros(market.programmes.size), of_labs])


# --- chips ---


def deliver_chips(market: Market, now: Now, offer: Offer) -> Market:
    """Order chips for places, deliver from the vendors' backlogs, and deploy what has a place.

    A stricter export rule cancels orders that it no longer lets through.
    """
    p, home = now.p, of_owners(market, "home")
    seen = market.compute
    let_through = jnp.minimum(offer.openness / jnp.maximum(seen.openness, 1e-9), 1.0)
    let_through = let_through * seen.performance / jnp.maximum(offer.performance, 1e-9)  # in compute of what is left
    market = owners_do(market, "lose_orders", now, left=let_through[home])
    orders = chip_orders(market, now, offer)
    due = of_owners(market, "backlog") + orders
    bought = by_home(market, orders * (offer.price - offer.premium)[home])
    elasticity = pricing.common_markup_elasticity(
        bought,
        bought / jnp.maximum(bought.sum(1, keepdims=True), 1e-9),
        p.chip_price_sensitivity,
        p.chip_demand_elasticity,
        share_of="spending",
    )
    paid = (due * (offer.price - offer.premium)[home]).sum(0) / jnp.maximum(due.sum(0), 1e-9)
    paid = jnp.where(due.sum(0) > 0, paid, market.vendors.chip_price)
    home_supply = jnp.diagonal(jnp.asarray(now.events.export_availability)[:, market.vendors.home])
    sales = {"orders": orders.sum(0), "due": due.sum(0), "paid": paid, "elasticity": elasticity, "supply": home_supply}
    vendors = market.vendors.do("sell", p, **sales)

    owners = home.size
    generation = jax.nn.one_hot(vendors.generation, GENERATIONS, dtype=float)
    delivery = Delivery(
        orders=orders,
        filled=jnp.broadcast_to(vendors.delivered / jnp.maximum(due.sum(0), 1e-9), orders.shape),
        price=offer.price[home],
        performance=offer.performance[home],
        generation=jnp.broadcast_to(generation, (owners, *generation.shape)),
        kilowatts=jnp.broadcast_to(market.compute.kilowatts, (owners, GENERATIONS)),
    )
    held = (of_owners(market, "machines") + of_owners(market, "waiting")).sum()
    market = owners_do(market.replace(vendors=vendors), "deploy", now, delivery=delivery)
    delivered = (of_owners(market, "bought") / offer.price[home] * offer.performance[home]).sum()

    spent = {role: getattr(market, role).bought.sum() for role in OWNERS}
    flows = market.flows.replace(
        chips_platforms=spent["operators"],
        chips_programmes=spent["programmes"],
        chips_labs=spent["labs"],
        places_platforms=market.operators.construction.sum(),
        places_labs=market.labs.construction.sum(),
        places_programmes=market.programmes.construction.sum(),
        smuggling=sum(spent.values()) - vendors.revenue.sum(),
    )
    accounts = market.accounts.replace(chip_demand=orders.sum(), deliveries=delivered, retired=held * p.machine_wear)
    book = market.compute.book_value * (1 - p.book_depreciation) + sum(spent.values())
    compute = market.compute.replace(book_value=book, openness=offer.openness, performance=offer.performance)
    return market.replace(flows=flows, accounts=accounts, compute=compute)


def chip_orders(market: Market, now: Now, offer: Offer) -> Float[Array, "K V"]:
    """Chips that each owner orders of each vendor: for places it has or will have within a quarter, H100e of list performance.

    Only while more machines would cover their cost.
    """
    p, home = now.p, of_owners(market, "home")
    seen = market.compute
    watts = market.compute.kilowatts
    new = watts[market.vendors.generation[0]] * 1e-3  # MW per H100e
    mine = of_owners(market, "machines")
    lag = (p.build_time + market.regulators.permitting_lag)[home]
    soon = of_owners(market, "places") + machines.out_of_stage(of_owners(market, "building")[:, -1], lag, 3)
    free = jnp.maximum(soon - (mine @ watts) * 1e-3, 0.0) / new
    performance = offer.performance[home]
    on_order = (of_owners(market, "backlog") * performance).sum(-1) + of_owners(market, "waiting").sum(-1)
    lacking = jnp.maximum(free + mine.sum(-1) * p.machine_wear - on_order, 0.0)

    quarter = jnp.exp(jnp.clip(seen.growth / 4, -0.5, 0.5)) * spirits_of(market, now)
    sensible = wanted_at(seen.user_cost, market, now) * quarter
    have = by_home(market, mine.sum(-1) * (1 - p.machine_wear) + on_order)
    worth = jnp.maximum(sensible - have, 0.0)
    share = jnp.minimum(worth / jnp.maximum(by_home(market, lacking), 1e-9), 1.0)
    merchant = market.vendors.merchant | jnp.concatenate([getattr(market, role).designs for role in OWNERS])[:, None]
    shares = jnp.where(merchant, offer.share[home], 0.0)
    shares = shares * (offer.share.sum(1)[home] / jnp.maximum(shares.sum(1), 1e-9))[:, None]
    return (lacking * share[home])[:, None] * shares / performance
