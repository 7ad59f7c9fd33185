"""V20: rules of the month that no other rung covers, each compared with a closed form or a search by scipy."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import fixed_quad, quad
from scipy.optimize import brentq, minimize_scalar

from abm.agents import Adopter, ChipVendor, Investor, Programme
from abm.engine import Draws, Population
from abm.market.phases import machines as phase
from abm.market.phases.common import Products
from abm.market.state import Events, Market, Now, Values
from abm.mechanisms import attention, beliefs, compute, enforcement, imitation, machines, pricing, research, welfare
from abm.parameters import Parameters
from abm.runs.months import first_market_of
from abm.runs.setup import Setup
from abm.support.axes import JURISDICTIONS
from abm.validation.ladder import Check, check, rung

QUALITY, PRICE = np.array([-0.2, -0.9, -2.5]), np.array([9.0, 2.5, 0.4])


@rung("V20", "Rules used in the month", "named in each check; best replies and optimal efforts found by scipy")
def month() -> Iterator[Check]:
    """Agents' rules and mechanisms of the month at default parameters, one at a time: users, sellers, research,
    enforcement, investors, machines."""
    p = Values(dict(Parameters().values()))
    yield from users(p)
    yield from sellers(p)
    yield from laboratories(p)
    yield from minds(p)
    yield from compute_market(p)


def changed(p: Values, **given: float) -> Values:
    """Parameters with some values replaced."""
    return Values({**p.table, **given})


def repeat(step: Callable[[Any], Any], state: Any, times: int) -> Any:
    """Apply a step repeatedly."""
    return jax.lax.fori_loop(0, times, lambda _, now: step(now), jax.tree.map(jnp.asarray, state))


def users(p: Values) -> Iterator[Check]:
    """An adopter without nests or habit is a CES consumer (Dixit & Stiglitz 1977; Anderson, de Palma & Thisse 1992)."""
    p = changed(p, habit_rate=1.0, nest_correlation=0.0, network_effect=0.0)
    adopters = Population.create(Adopter, 1, sizes={"product": 3}, price_sensitivity=0.7, scale=5.0)
    elasticity, substitution = float(adopters.usage_elasticity[0]), 1.7
    scale = 5.0 * p.outside_price**elasticity  # tokens at an index of one: 5 at the price of the status quo
    zeros, price, available = jnp.zeros(3), jnp.asarray(PRICE), jnp.ones(3, bool)
    offers = Products(zeros, price, zeros, zeros, zeros, zeros, available, np.array([0, 0, 1]), np.arange(3))
    taste: dict[str, Any] = dict(quality=QUALITY[None], peer_share=zeros[None])

    def use(price: Any) -> tuple[Any, Any]:
        on_sale = offers._replace(price=price)
        target, _ = adopters.ask("choose", p, on_sale, "log", **taste)
        after = adopters.do("adopt", p, on_sale, target=target).do("use", p, on_sale, "log", 1.0, **taste)
        surplus = welfare.surplus_of_use(scale, after.price_index, p.outside_price, elasticity, "log")
        return surplus[0], after

    slope, after = jax.grad(use, has_aux=True)(jnp.asarray(PRICE))
    weights, prices = np.append(np.exp(QUALITY), 1.0), np.append(PRICE, p.outside_price)
    index = (weights * prices ** (1 - substitution)).sum() ** (1 / (1 - substitution))
    textbook = weights[:3] * (PRICE / index) ** -substitution * scale * index**-elasticity
    yield check("users: price index of Dixit and Stiglitz", after.price_index[0], index, relative=1e-10)
    for product in range(3):
        yield check(
            f"users: tokens of product {product + 1}, demand of Dixit and Stiglitz",
            after.tokens[0, product],
            textbook[product],
            relative=1e-10,
        )
        yield check(
            f"users: surplus lost per $ on the price of product {product + 1} equals its quantity",
            -slope[product],
            textbook[product],
            relative=1e-9,
        )
    slow = changed(p, habit_rate=0.25)
    target = np.full((1, 3), 0.2)
    moving = adopters
    for _ in range(6):
        moving = moving.do("adopt", slow, offers, target=target)
    yield check(
        "users: share of the adjustment done after 6 months at a habit rate of 0.25 per month",
        moving.usage[0, 0] / 0.2,
        1 - 0.75**6,
        relative=1e-10,
    )


def sellers(p: Values) -> Iterator[Check]:
    """Markups of labs and vendors: no seller gains from another one (Atkeson & Burstein 2008; nests as in McFadden)."""
    sigma, usage, rho = 0.8, 1.1, 0.4
    value = np.array([1.0, 0.3, 0.6])  # utilities before price of three sellers, the first two in one nest
    cost, nest = np.array([1.0, 0.7, 1.2]), np.array([0, 0, 1])

    def spending(log_price: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Shares of spending, shares within the nest and total spending, with a status quo at price 1."""
        worth = np.exp((value - sigma * log_price) / (1 - rho))
        sums = np.array([worth[nest == g].sum() for g in (0, 1)])
        total = 1 + (sums ** (1 - rho)).sum()
        within = worth / sums[nest]
        return within * sums[nest] ** (1 - rho) / total, within, float(total ** (-(1 - usage) / sigma))

    log_price = np.log(cost) + 0.8
    for _ in range(300):
        share, within, all_spent = spending(log_price)
        elasticity = pricing.common_markup_elasticity(
            (share * all_spent)[None],
            share[None],
            sigma,
            usage,
            within=within[None],
            nest_correlation=rho,
            share_of="spending",
        )
        log_price = 0.5 * log_price + 0.5 * np.log(cost * elasticity / (elasticity - 1))
    for seller in range(3):

        def loss(own: float, seller: int = seller) -> float:
            moved = np.where(np.arange(3) == seller, own, log_price)
            share, _, all_spent = spending(moved)
            return -share[seller] * all_spent * (1 - cost[seller] / np.exp(own))

        best = minimize_scalar(loss, bounds=(np.log(cost[seller]), np.log(cost[seller]) + 4), options=dict(xatol=1e-12))
        yield check(
            f"sellers: best reply of seller {seller + 1} to the prices of the markup rule, nested logit",
            np.exp(best.x),
            np.exp(log_price[seller]),
            relative=1e-6,
        )

    vendors = Population.create(
        ChipVendor, 1, sizes={"stage": 3}, demand_elasticity=1.4, capacity=2.0, generation_age=p.chip_generation_gap
    )
    vendors = repeat(lambda v: v.do("set_price", p), vendors.do("launch_generation", p), 400)
    yield check(
        "vendors: price converges to cost at launch times e / (e - 1), e = 1.4 (Lerner 1934)",
        vendors.chip_price[0] / vendors.unit_cost[0],
        1.4 / 0.4,
        relative=1e-9,
    )
    busy = repeat(
        lambda v: v.do("sell", p, orders=jnp.array([3.0]), elasticity=jnp.array([1.4]), supply=jnp.array([0.75])),
        vendors,
        10,
    )
    yield check(
        "vendors: deliveries of 10 months at three quarters of a capacity of 2",
        30 - busy.backlog[0],
        15,
        absolute=1e-12,
    )
    yield check(
        "vendors: unit cost after three doublings of output at 20 % (Wright 1936)",
        compute.learning_cost(80.0, 10.0, 1.0, 0.2),
        0.8**3,
        relative=1e-12,
    )


def laboratories(p: Values) -> Iterator[Check]:
    """Research, imitation and enforcement by labs."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    luck = (np.asarray(research.own_progress(1.0, nodes, 0.0, p)) * weights).sum() / weights.sum()
    yield check(
        "research: efficiency doubles in the doubling time, averaged over luck",
        luck * p.algorithmic_doubling_time,
        np.log(2),
        relative=1e-9,
    )
    more = research.own_progress(3.0, 0.0, 0.0, p) / research.own_progress(1.0, 0.0, 0.0, p)
    yield check(
        "research: returns to effort, elasticity psi", np.log(more) / np.log(3), p.research_returns, relative=1e-12
    )

    outlook = SimpleNamespace(volatility=0.3, lead_duration=9.0, research_cost=40.0)
    free = changed(p, research_floor=1e-3, research_ceiling=1e3)
    target = float(research.research_target(600.0, outlook, free))
    # Dixit and Pindyck's multiple, from their quadratic: s2/2 b (b - 1) + (r - d) b - r = 0, multiple b / (b - 1).
    variance, drift = 0.3**2, p.interest_rate - p.payout_rate
    root = np.roots([variance / 2, drift - variance / 2, -p.interest_rate]).max()
    hurdle = root / (root - 1)

    def net(log_effort: float) -> float:
        progress = research.own_progress(np.exp(log_effort), 0.0, 0.0, changed(p, research_luck=0.0))
        return -float(600.0 * 9.0 * progress - hurdle * 40.0 * np.exp(log_effort))

    best = minimize_scalar(net, bounds=(-6, 6), options=dict(xatol=1e-10))
    yield check(
        "research: effort at which a nat of lead is worth its cost and the option to wait (Dixit & Pindyck 1994)",
        target,
        np.exp(best.x),
        relative=1e-5,
    )

    teaching = SimpleNamespace(exchange_price=0.04, expected_penalty=0.02, teacher=0)
    chosen = float(imitation.optimal_exchanges(0.8, 300.0, teaching, changed(p, exchange_limit=1e6)))
    closed = imitation.gap_closed(p.distillation_rate)

    def student(x: float) -> float:
        return -float(300.0 * p.lead_horizon * closed * 0.8 * (1 - np.exp(-x / p.exchange_scale)) - 0.06 * x)

    best = minimize_scalar(student, bounds=(0, 30 * p.exchange_scale), options=dict(xatol=1e-9))
    yield check("students: most profitable number of exchanges (Becker 1968)", chosen, best.x, relative=1e-5)

    effort = float(enforcement.defence_effort(400.0, 50.0, changed(p, vigilance_maximum=1e6)))

    def teacher(v: float) -> float:
        return float(400.0 * np.exp(-p.detection_rate * 50.0 * v) + p.vigilance_cost * v)

    best = minimize_scalar(teacher, bounds=(0, 1e3), options=dict(xatol=1e-10))
    yield check("teachers: vigilance that minimizes its cost plus expected losses", effort, best.x, relative=1e-5)
    small = 1_000_000
    yield check(
        "enforcement: probability that at least one of many exchanges is detected (Poisson)",
        enforcement.detection_probability(3.0, 1.2, changed(p, detection_rate=0.15)),
        1 - (1 - 0.15 * 3.0 * 1.2 / small) ** small,
        absolute=1e-6,
    )


def minds(p: Values) -> Iterator[Check]:
    """Beliefs and attention of investors."""
    first, less = beliefs.absorb(0.3, 0.5, 4.0 * 1.0, 4.0)
    mean, variance = beliefs.absorb(first, less, 1.5 * -0.2, 1.5)
    weight = np.array([1 / 0.5, 4.0, 1.5])
    yield check(
        "news: mean after two items is the precision-weighted mean",
        mean,
        weight @ [0.3, 1.0, -0.2] / weight.sum(),
        absolute=1e-12,
    )
    yield check("news: variance is 1 / sum of precisions (Kalman 1960)", variance, 1 / weight.sum(), absolute=1e-12)

    listens = np.array([[0, 0.5, 0.5], [1.0, 0, 0], [0.3, 0.7, 0]])
    start, susceptible = np.array([1.0, -0.4, 0.2]), np.array([0.2, 0.5, 0.8])
    crowd = Population.create(
        Investor,
        3,
        sizes={"question": 1, "asset": 1, "pair": 2},
        belief=start[:, None],
        anchor=start[:, None],
        susceptibility=susceptible,
    )
    stubborn = changed(p, anchoring=0.1)
    crowd = repeat(lambda c: c.do("talk", stubborn, neighbours_belief=listens @ c.belief), crowd, 600)
    heard = susceptible * p.social_influence
    keep = 0.9 * (heard[:, None] * listens + np.diag(1 - heard))
    settled = np.linalg.solve(np.eye(3) - keep, 0.1 * start)
    for agent in range(3):
        yield check(
            f"talk: opinion {agent + 1} converges to the value of Friedkin and Johnsen (1990)",
            crowd.belief[agent, 0],
            settled[agent],
            absolute=1e-9,
        )

    salience = repeat(lambda s: attention.fading(s, 1.0, p), 0.0, 2000)
    retained = np.exp(-1 / p.story_life)
    yield check("stories: salience with one story a day, a geometric sum", salience, 1 / (1 - retained), relative=1e-9)


def compute_market(p: Values) -> Iterator[Check]:
    """Machines, places and rent: what they cost, what clears, what is ordered, sold under export rules and financed."""
    yield from costs_of_machines(p)
    yield from rents(p)
    yield from surplus_of_work(p)
    yield from orders_of_owners(p)
    yield from money_of_programmes(p)


def costs_of_machines(p: Values) -> Iterator[Check]:
    """User cost, place rent, power, and the delay of building."""
    price, decline, free = 0.03, 0.31, 0.0

    def earned(month: np.ndarray) -> np.ndarray:
        """What a machine bought today earns in a month, discounted, if rents always cover the cost of a new one."""
        new = price * np.exp(-decline * month / 12)
        rent = np.asarray(machines.user_cost(new, decline, p.capital_cost, free, free, p))
        return rent * np.exp(-(p.machine_wear + p.capital_cost / 12) * month)

    yield check(
        "machines: discounted user cost equals the price, chips 31 % a year cheaper (Jorgenson 1963)",
        fixed_quad(earned, 0, 1000, n=100)[0],
        price,
        relative=1e-9,
    )
    months = np.arange(1, 20_000)
    left = (1 - 1 / p.place_life) ** (months - 1) * (1 + p.capital_cost / 12.0) ** -months
    rent = machines.place_rent(p.capital_cost, p)
    yield check("places: discounted rent equals the cost", (rent * left).sum(), p.place_cost, relative=1e-9)
    drawn = p.power_elasticity * np.log(machines.power_price(7.0, 4.0, p) / p.power_price_start)
    yield check("power: GW on the supply curve at the price, of 4 spare", 4.0 * np.exp(drawn), 7.0, relative=1e-12)

    stages, out = jnp.zeros(3), []
    for month_number in range(400):
        opened, stages = machines.erlang_stages(stages, 1.0 if month_number == 0 else 0.0, 9.0)
        out.append(float(opened))
    yield check("places: all that are begun are opened", sum(out), 1.0, absolute=1e-12)
    delay = (np.arange(400) * np.array(out)).sum()
    yield check("places: mean delay of three stages in months (Sterman 2000)", delay, 9.0, relative=1e-9)


def rents(p: Values) -> Iterator[Check]:
    """Spot rent, with machines that idle where it does not cover their energy, and the rent of a contract."""
    stock = np.array([400.0, 300.0, 200.0])
    energy = np.array([0.5, 0.3, 0.1]) * p.rental_price_start  # the oldest draws most
    budget, serving, efficiency = 0.3 * p.rental_price_start * 100, 20.0, 0.4

    def wanted(rent: float, pull: float) -> float:
        work = pull * (rent / p.rental_price_start) ** -p.chip_demand_elasticity
        return float(budget / rent + serving + work * np.exp((p.chip_demand_elasticity - 1) * efficiency))

    for running, stock_that_runs, pull in (
        ("all generations run", 900.0, 700.0),
        ("the oldest generation idles", 500.0, 150.0),
        ("only the newest generation runs", 200.0, 20.0),
    ):
        found = brentq(lambda rent, pull=pull, run=stock_that_runs: wanted(rent, pull) - run, 1e-6, 1.0, xtol=1e-16)
        rent = float(machines.clearing_rent(stock, energy, budget, serving, pull, efficiency, p))
        yield check(f"rent: {running}", rent, found, relative=1e-9)
        runs = machines.running(rent, stock, energy)
        yield check(f"rent: machines that run, {running}", runs, stock_that_runs, absolute=1e-9)
    rent = float(machines.clearing_rent(stock, energy, budget, serving, 300.0, efficiency, p))
    yield check("rent: that of the energy of a generation which runs in part", rent, energy[0], relative=1e-9)

    cost, spot, lead = 0.0021, 0.0034, 7.0
    year = quad(lambda month: cost + (spot - cost) * np.exp(-month / lead), 0, 12)[0] / 12
    contract = machines.contract_rent(spot, cost, lead, p)
    yield check("rent of a contract: mean over a year of the path that is expected", contract, year, relative=1e-10)


def surplus_of_work(p: Values) -> Iterator[Check]:
    """Surplus of other work: the area under its demand, at any elasticity."""
    rent, pull, efficiency = 0.8 * p.rental_price_start, 500.0, 0.7
    choke = machines.CHOKE * p.rental_price_start * np.exp(efficiency)
    for elasticity in (0.6, 1.0, 1.4):
        given = changed(p, chip_demand_elasticity=elasticity)

        def demanded(log_rent: np.ndarray, given: Values = given) -> np.ndarray:
            return np.exp(log_rent) * np.asarray(machines.work_demand(np.exp(log_rent), pull, efficiency, given))

        yield check(
            f"work: surplus is the area under demand, elasticity {elasticity:g}",
            machines.work_surplus(rent, pull, efficiency, given),
            fixed_quad(demanded, np.log(rent), np.log(choke), n=40)[0],
            relative=1e-10,
        )
    at = [
        float(machines.work_surplus(rent, pull, efficiency, changed(p, chip_demand_elasticity=1 + away)))
        for away in (0.0, 2e-6, -2e-6)
    ]
    yield check("work: surplus is continuous at an elasticity of 1", (at[1] + at[2]) / 2, at[0], relative=1e-9)
    slope = jax.grad(machines.work_surplus)(rent, pull, efficiency, p)
    used = machines.work_demand(rent, pull, efficiency, p)
    yield check("work: surplus lost per $ of rent is the machines used", -slope, used, relative=1e-9)


def orders_of_owners(p: Values) -> Iterator[Check]:
    """Places and chips that owners order, and the vendors they buy from under export rules."""
    setup = Setup.of(closed_labs=2, open_labs=1, entrants=0, adopters=4, investors=4, months=1)
    first = first_market_of(setup, 0)
    now = Now(p, setup.events(0), Draws.from_seed(0).at(0), setup.equations)

    def without(*columns: str) -> Market:
        """The first market where owners have nothing in some columns, and other work alone wants machines."""
        owners = {role: getattr(first, role) for role in phase.OWNERS}
        owners = {
            role: own.replace(**{name: 0 * getattr(own, name) for name in columns}) for role, own in owners.items()
        }
        return first.replace(compute=first.compute.replace(training=0 * first.compute.training), **owners)

    bare = without("machines")

    def places(belief: float = 0.0, efficiency: float = 0.0, **given: float) -> float:
        """Places for the machines that would cover their cost in the United States, which has none, MW."""
        held = jnp.zeros_like(bare.investors.belief).at[:, 0].set(belief)
        accounts = bare.accounts.replace(serving_efficiency=jnp.asarray(efficiency))
        seen = bare.replace(investors=bare.investors.replace(belief=held), accounts=accounts)
        return float(phase.sensible_places(seen, now._replace(p=changed(p, **given)))[0])

    spirits = np.log(places(belief=0.3) / places())
    yield check("places: effect of a belief of 0.3 nats in compute, ln", spirits, 0.3 * p.capex_belief, relative=1e-9)
    for elasticity in (0.6, 1.4):
        given = dict(chip_demand_elasticity=elasticity)
        slope = np.log(places(efficiency=0.5, **given) / places(**given)) / 0.5
        what = f"places: slope of their logarithm in log efficiency, elasticity {elasticity:g} (Jevons)"
        yield check(what, slope, elasticity - 1, absolute=1e-9)

    shares = phase.by_home(first, phase.order_shares(first, now))
    for home, share in zip(JURISDICTIONS, shares, strict=True):
        yield check(f"orders: owners' shares in {home} add up", share, 1.0, relative=1e-12)

    unplaced = without("places", "building", "machines")
    ordered = phase.chip_orders(unplaced, now, phase.offer_of(first.vendors, now)).sum()
    yield check("orders: chips for a world without places", ordered, 0, absolute=1e-12)

    china, abroad = JURISDICTIONS.index("china"), np.asarray(first.vendors.home) != JURISDICTIONS.index("china")

    def on_offer(availability: float, **given: float) -> phase.Offer:
        """What vendors offer when a share of the chips from abroad may be sold."""
        rules = {"export_availability": availability, "performance_cap": 1e6}
        table = {name: jnp.full_like(now.events.table[name], value) for name, value in rules.items()}
        given = {"export_leakage": 0.06, **given}
        return phase.offer_of(
            first.vendors, now._replace(p=changed(p, **given), events=Events(now.events.table | table))
        )

    free, banned = (on_offer(x, leakage_premium=0.0).share[china] for x in (1.0, 0.0))
    yield check(
        "exports: of units from abroad, the share that a ban leaves is what leaks",
        banned[abroad].sum() / free[abroad].sum(),
        0.06,
        relative=1e-9,
    )
    turned = free[~abroad].sum() + 0.94 * free[abroad].sum()
    yield check("exports: the rest turns to vendors at home", banned[~abroad].sum(), turned, relative=1e-9)
    dear = on_offer(0.0, leakage_premium=0.5).price[china] / first.vendors.chip_price
    yield check("exports: price of what leaks, of the list price", dear[abroad].max(), 1.5, relative=1e-12)


def money_of_programmes(p: Values) -> Iterator[Check]:
    """Phases that lenders grant or refuse; a programme is given up when their patience ends."""
    p = changed(p, lenders_spread=0.0)
    announced = phase.Announcement(*(jnp.array([x]) for x in (600.0, 24.0, 4.0, 0.0, 0.0)))
    later = announced._replace(amount=jnp.zeros(1))

    def played(cover: Callable[[int], float], months: int, offtake: float = 0.0) -> Any:
        """Money raised in each month, and the programme at the end."""
        programme, raised = Population.create(Programme, 1, sizes=dict(generation=1, stage=3, vendor=1)), []
        for month_number in range(months):
            news = (later if month_number else announced)._replace(offtake=jnp.array([offtake]))
            terms = phase.Terms(jnp.array([cover(month_number)]), jnp.zeros(1))
            programme = programme.do("announce", p, news=news).do("raise_money", p, terms=terms)
            raised.append(float(programme.raised[0]))
        return np.array(raised), programme

    raised, _ = played(lambda _: 1.01 * p.lenders_cover, 30)
    due = np.zeros(30)
    due[[0, 6, 12, 18]] = 150.0
    yield check(
        "programmes: phases granted when due, where rent covers cost", abs(raised - due).max(), 0, absolute=1e-12
    )
    raised, programme = played(lambda _: 0.99 * p.lenders_cover, 30)
    yield check("programmes: money raised where it does not", raised.sum(), 0, absolute=1e-12)
    yield check("programmes: given up when refused for a year", programme.cancelled[0], 1, absolute=0)
    patience = int(p.programme_patience)
    raised, _ = played(lambda now: (0.99, 1.01)[now >= patience - 1] * p.lenders_cover, 30)
    yield check("programmes: financed after all, if rents recover in its last month", raised.sum(), 600, absolute=1e-12)
    raised, _ = played(lambda now: (0.99, 1.01)[now >= patience] * p.lenders_cover, 30)
    yield check("programmes: a recovery a month later finds none", raised.sum(), 0, absolute=1e-12)
    raised, _ = played(lambda _: 0.5 * p.lenders_cover, 30, offtake=1.0)
    yield check("programmes: customers who promise the rent stand in for the market", raised.sum(), 600, absolute=1e-12)
