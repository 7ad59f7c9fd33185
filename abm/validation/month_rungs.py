"""V20: rules of the month that no other rung covers, each compared with a closed form or a search by scipy."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize, minimize_scalar

from abm.agents import Adopter, ChipVendor, Investor
from abm.engine import Population, mean_of_neighbours
from abm.market.phases.common import Products
from abm.market.state import Values
from abm.mechanisms import attention, beliefs, compute, conduct, enforcement, imitation, research
from abm.parameters import Parameters
from abm.support.axes import OFFERS, TIERS
from abm.validation.compute_rules import changed, compute_market
from abm.validation.ladder import Check, check, rung
from abm.validation.theory import diffusion

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
    """A segment without habit is a CES consumer (Atkeson and Burstein 2008); segments adopt as in Bass (1969)."""
    p = changed(p, habit_rate=1.0, substitution=4.0)
    labs, value, tasks = 3, 6.0, 5.0
    sizes = {"product": labs * OFFERS, "lab": labs, "provider": labs + 1}
    adopters = Population.create(Adopter, 1, sizes=sizes, value=value, tasks=tasks, adopted=1.0)
    worth, price = np.repeat(np.exp(QUALITY), OFFERS), np.repeat(PRICE, OFFERS)
    sold = np.arange(labs * OFFERS) % OFFERS == 0  # flagships alone
    models, list_price = jnp.zeros((labs, TIERS)), jnp.asarray(price)
    offers = Products(models, models, list_price, list_price, jnp.asarray(sold), closed_labs=labs)
    log_worth, nobody = jnp.log(jnp.asarray(worth))[None], jnp.zeros((1, labs * OFFERS), bool)

    def buy(price: Any, p: Values = p, adopters: Any = adopters) -> tuple[Any, Any]:
        on_sale = offers._replace(price=price, paid=price)
        target, _ = adopters.ask("choose", p, on_sale, worth=log_worth)
        after = adopters.do("buy", p, on_sale, worth=log_worth, certified=nobody, target=target)
        return after.ask("surplus")[0], after

    slope, after = jax.grad(buy, has_aux=True)(jnp.asarray(price))
    elasticity = 1 + 4.0
    weights, prices = np.exp(QUALITY) ** (elasticity - 1), PRICE
    index = (weights * prices ** (1 - elasticity)).sum() ** (1 / (1 - elasticity))
    textbook = weights * (prices / index) ** -elasticity * tasks * np.exp(-index / value)
    yield check("users: price of use, index of a CES consumer", after.price_index[0], index, relative=1e-10)
    for product in range(labs):
        offer = product * OFFERS
        yield check(
            f"users: tokens of product {product + 1}, demand of a CES consumer",
            after.tokens[0, offer],
            textbook[product],
            relative=1e-10,
        )
        yield check(
            f"users: surplus lost per $ on the price of product {product + 1} equals its quantity",
            -slope[offer],
            textbook[product],
            relative=1e-9,
        )
    held = adopters.replace(usage=jnp.asarray(np.eye(1, labs * OFFERS)))
    target = jnp.asarray(np.eye(1, labs * OFFERS, OFFERS))
    slow, moving = changed(p, habit_rate=0.25), held
    for _ in range(6):
        moving = moving.do("buy", slow, offers, worth=log_worth, certified=nobody, target=target)
    yield check(
        "users: share of the adjustment done after 6 months at a habit rate of 0.25 per month",
        moving.usage[0, OFFERS],
        1 - 0.75**6,
        relative=1e-10,
    )
    ring = jnp.stack([(jnp.arange(20) - 1) % 20, (jnp.arange(20) + 1) % 20], axis=1)
    curve = changed(p, adoption_innovation=0.03, adoption_imitation=0.38)
    crowd = Population.create(Adopter, 20, sizes=sizes, adopted=0.0)

    def month(crowd: Any) -> Any:
        return crowd.do("adopt", curve, useful=jnp.ones(20), peers_adopted=mean_of_neighbours(crowd.adopted, ring))

    for year in (5, 10):
        yield check(
            f"users: share that has adopted after {year} years, segments on a ring (Bass 1969)",
            repeat(month, crowd, 12 * year).adopted[7],
            diffusion.bass_adoption(float(year), 0.03, 0.38),
            relative=0.02,
        )


def sellers(p: Values) -> Iterator[Check]:
    """Prices of labs with two tiers and of vendors: no seller gains from others (Atkeson and Burstein 2008; Lerner 1934)."""
    sigma = 6.0
    p = changed(p, substitution=sigma)
    luck = np.random.default_rng(4)
    worth = np.exp(luck.normal(size=(4, 3, 2)))  # of four segments, three labs, two tiers
    value, tasks = np.array([2.0, 4.0, 8.0, 3.0]), np.array([3.0, 2.0, 1.0, 2.0])
    cost = np.array([[1.0, 0.3], [0.8, 0.4], [1.5, 0.2]])

    def market(price: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shares (J, L, T), spending of segments and elasticity of use (J,)."""
        pull = (price / worth) ** -sigma
        total = pull.sum((1, 2))
        index = total ** (-1 / sigma)
        return pull / total[:, None, None], tasks * index * np.exp(-index / value), index / value

    @jax.jit
    def margins(spent: Any, cross: Any) -> Any:
        never = jnp.zeros(1)  # a subscription that nobody buys
        return jax.vmap(lambda a, b: conduct.best_margins(jnp.append(a, never), jnp.pad(b, ((0, 1), (0, 1))), p)[:2])(
            spent, cross
        )

    price = 1.3 * cost
    for _ in range(800):
        share, spending, elasticity = market(price)
        spent = share * spending[:, None, None]
        cross = np.einsum("jlr,jlq,j->lrq", share, spent, sigma + 1 - elasticity)
        wanted = np.asarray(conduct.step_towards(price, cost, margins(spent.sum(0), cross)))
        price = price**0.7 * wanted**0.3
    for lab in range(3):

        def loss(own: np.ndarray, lab: int = lab) -> float:
            moved = price.copy()
            moved[lab] = np.exp(own)
            share, spending, _ = market(moved)
            return -float((share[:, lab] * spending[:, None] * (1 - cost[lab] / moved[lab])).sum())

        best = minimize(
            loss, np.log(price[lab]) + 0.1, method="Nelder-Mead", options=dict(xatol=1e-10, fatol=1e-14, maxiter=4000)
        )
        for tier, words in enumerate(("flagship", "efficient model")):
            yield check(
                f"sellers: best reply of lab {lab + 1} to prices of first-order conditions, {words}",
                np.exp(best.x[tier]),
                price[lab, tier],
                relative=1e-5,
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

    outlook = SimpleNamespace(volatility=0.3, lead_duration=9.0, awards=500.0, research_cost=40.0)
    free = changed(p, research_floor=1e-3, research_ceiling=1e3)
    target = float(research.research_target(600.0, outlook, free))
    # Dixit and Pindyck's multiple, from their quadratic: s2/2 b (b - 1) + (r - d) b - r = 0, multiple b / (b - 1).
    variance, drift = 0.3**2, p.interest_rate - p.payout_rate
    root = np.roots([variance / 2, drift - variance / 2, -p.interest_rate]).max()
    hurdle = root / (root - 1)

    def net(log_effort: float) -> float:
        progress = research.own_progress(np.exp(log_effort), 0.0, 0.0, changed(p, research_luck=0.0))
        return -float((600.0 * 9.0 + 500.0) * progress - hurdle * 40.0 * np.exp(log_effort))

    best = minimize_scalar(net, bounds=(-6, 6), options=dict(xatol=1e-10))
    yield check(
        "research: effort at which a nat of lead and its awards are worth its cost and the option to wait (Dixit & Pindyck 1994)",
        target,
        np.exp(best.x),
        relative=1e-5,
    )

    teaching = SimpleNamespace(cost=np.array([0.06]), quota=np.array([1e6]), clear=np.array([0.7]))
    chosen = float(imitation.optimal_exchanges(np.array([0.8]), 300.0, teaching, p)[0])

    def student(x: float) -> float:
        return -float(300.0 * imitation.taught(np.array([x]), 0.7, np.array([0.8]), p)[0] - 0.06 * x)

    best = minimize_scalar(student, bounds=(0, 30 * p.exchange_scale), options=dict(xatol=1e-9))
    yield check("students: most profitable number of exchanges (Becker 1968)", chosen, best.x, relative=1e-5)

    def limits(v: float) -> float:
        return float(8.0 * enforcement.quota(v, p) + p.vigilance_cost * v)

    def hides(h: float) -> float:
        return float(8.0 * 12.0 * np.exp(-h) + p.hiding_cost * h)

    for words, cost, effort in (
        ("vigilance", limits, enforcement.vigilance(8.0, changed(p, vigilance_maximum=1e6))),
        ("reasoning hidden", hides, enforcement.hiding(8.0, 12.0, p)),
    ):
        best = minimize_scalar(cost, bounds=(0, 1e2), options=dict(xatol=1e-10))
        yield check(f"teachers: {words} that minimizes its cost plus expected losses", effort, best.x, relative=1e-5)
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
