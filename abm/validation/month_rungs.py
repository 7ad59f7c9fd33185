"""V20: rules of the month that no other rung covers, each compared with a closed form or a search by scipy."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize_scalar

from abm.agents import Adopter, ChipVendor, Investor
from abm.engine import Population
from abm.market.phases.common import Products
from abm.market.state import Values
from abm.mechanisms import attention, beliefs, compute, enforcement, imitation, pricing, research, welfare
from abm.parameters import Parameters
from abm.validation.compute_rules import changed, compute_market
from abm.validation.ladder import Check, check, rung

QUALITY, PRICE = np.array([-0.2, -0.9, -2.5]), np.array([9.0, 2.5, 0.4])


@rung("V20", "Rules used in the month", "named in each check; best replies and optimal efforts found by scipy")
def month() -> Iterator[Check]:
    """Agents' rules and mechanisms of the month at default parameters, one at a time: users, sellers, research,
    enforcement, investors, machines. Then export rules, permits, power and Stargate in the whole model: each against its
    absence, in twelve pairs of runs with the same draws, with the reason for its size."""
    p = Values(dict(Parameters().values()))
    yield from users(p)
    yield from sellers(p)
    yield from laboratories(p)
    yield from minds(p)
    yield from compute_market(p)


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

    def sell(v: Any) -> Any:
        """Sales of a month in which 3 are ordered and export rules leave three quarters of the capacity."""
        orders, supply = jnp.array([3.0]), jnp.array([0.75])
        seen = {"due": v.backlog + orders, "paid": v.chip_price, "elasticity": v.demand_elasticity}
        return v.do("sell", p, orders=orders, supply=supply, **seen)

    busy = repeat(sell, vendors, 10)
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
