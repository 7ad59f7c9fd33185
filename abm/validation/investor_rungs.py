"""V11 to V14: strategy switching, opinion dynamics, information in prices, and the option to wait before investing."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from abm.mechanisms import beliefs, disclosure, investment, trading
from abm.validation.ladder import Check, check, rung
from abm.validation.models import brock_hommes, cobweb
from abm.validation.theory import opinions, price_impact, reports


@rung("V11", "Strategy switching", "Brock & Hommes (1998), section 3.2; Brock & Hommes (1997)")
def switching() -> Iterator[Check]:
    """Fundamentalists at a cost of 1 compete with trend followers (g = 1.2), R = 1.1: the intensities of choice at
    which the fundamental price, and then the steady states that replace it, lose stability; also a market of 10,000
    agents. Cobweb with rational expectations at a cost of 1 and naive expectations, supply slope 1.35, demand slope
    0.5."""

    def outside_circle(intensity: float, price: float) -> float:
        return abs(brock_hommes.largest_eigenvalue(intensity, price)) - 1

    pitchfork = brentq(outside_circle, 1.0, 4.0, args=(0.0,), xtol=1e-10)
    yield check("pitchfork, intensity of choice", pitchfork, 2.397895, absolute=1e-3)
    circle = brentq(lambda b: outside_circle(b, brock_hommes.steady_price(b)), 2.6, 3.6, xtol=1e-10)
    yield check("Neimark-Sacker, intensity of choice", circle, 3.331337, absolute=1e-3)
    price = brock_hommes.run([3.0, 3.4], periods=20_000, start=1.3)["price"][:, -5000:]
    yield check("steady deviation at 3.0", price[0, -1], 1.293257, absolute=1e-3)
    yield check("lowest deviation of the cycle at 3.4", price[1].min(), 1.270, absolute=1e-3)
    yield check("highest deviation of the cycle at 3.4", price[1].max(), 1.677, absolute=1e-3)
    crowd = brock_hommes.run(3.0, investors=10_000, start=1.3)["price"][0, 500:]
    yield check("agents: mean deviation at 3.0", crowd.mean(), 1.293257, relative=0.02)

    producers = cobweb.two_kinds()

    @jax.jit
    @jax.grad
    def slope(price: Any, intensity: Any) -> jax.Array:
        return cobweb.period((producers, price), intensity, cobweb.SUPPLY_SLOPE, cobweb.DEMAND_SLOPE)[1]

    flip = brentq(lambda b: float(slope(0.0, b)) + 1, 0.1, 5.0, xtol=1e-10)
    yield check("cobweb: intensity at which the price flips", flip, 0.777705, absolute=1e-3)


@rung("V12", "Opinion dynamics", "DeGroot (1974); Friedkin & Johnsen (1990)")
def opinion_dynamics() -> Iterator[Check]:
    """Three agents with listening weights (1/3, 1/3, 1/3; 1/2, 1/2, 0; 0, 1/4, 3/4). Friedkin-Johnsen:
    susceptibilities (0.5, 0.8, 0.9) and initial opinions (1, 0, 0), solved directly and by repeating the model's
    own step."""
    weights = np.array([[1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0], [0, 1 / 4, 3 / 4]])
    settled = opinions.degroot(weights, np.eye(3), 200)[0]
    for agent, target in enumerate([3 / 11, 4 / 11, 4 / 11]):
        yield check(f"DeGroot: weight of agent {agent + 1} in the consensus", settled[agent], target, absolute=1e-5)
    early, late = (opinions.degroot(weights, np.array([1.0, 0, 0]), rounds)[1] - 3 / 11 for rounds in (20, 21))
    yield check("DeGroot: distance to consensus, ratio of successive rounds", late / early, 0.5, absolute=1e-5)

    susceptibility, first = np.array([0.5, 0.8, 0.9]), np.array([1.0, 0, 0])
    solved = opinions.friedkin_johnsen(weights, susceptibility, first)
    rounds = jax.lax.fori_loop(
        0, 500, lambda _, x: beliefs.friedkin_johnsen_step(weights @ x, susceptibility, first), jnp.asarray(first)
    )
    for agent, target in enumerate([0.774834, 0.516556, 0.357616]):
        yield check(f"Friedkin-Johnsen: opinion of agent {agent + 1}", solved[agent], target, absolute=1e-5)
        yield check(
            f"Friedkin-Johnsen: opinion of agent {agent + 1} after 500 rounds", rounds[agent], target, absolute=1e-5
        )


@rung("V13", "Information in prices", "Kyle (1985); Farmer (2002); Fischer & Verrecchia (2000)")
def revelation() -> Iterator[Check]:
    """One million draws. Kyle: value sd 2, noise sd 3, and an informed trader whose best reply to the impact lambda
    is value / (2 lambda). Farmer: purchases of 3 and 4, sales of 5 and 2. Reports: value sd 1, cost of bias 1,
    motive sd 0 to 4, and two other settings."""
    draws, size = np.random.default_rng(13), 1_000_000
    sd_value, sd_noise = 2.0, 3.0
    impact = float(price_impact.kyle_lambda(sd_value, sd_noise))
    value, noise = draws.normal(0, sd_value, size), draws.normal(0, sd_noise, size)
    order = value / (2 * impact) + noise
    yield check("Kyle: lambda", impact, sd_value / (2 * sd_noise), relative=0.01)
    yield check("Kyle: regression of value on order", np.cov(value, order)[0, 1] / order.var(), impact, relative=0.01)
    left = np.var(value - impact * order) / sd_value**2
    yield check("Kyle: share of the variance remaining after trading", left, 0.5, relative=0.01)

    trades = np.array([3.0, 4.0, -5.0, -2.0])
    yield check(
        "Farmer: a purchase of 3 into depth 7", price_impact.market_maker_return(3.0, 7.0), 3 / 7, absolute=1e-12
    )
    yield check(
        "the model's dealer: 3 into depth 5 and a slope of 2",
        trading.price_change(3.0, 2.0, 5.0),
        3 / 7,
        absolute=1e-12,
    )
    yield check(
        "Farmer: price after a round trip", price_impact.market_maker_return(trades, 7.0).sum(), 0, absolute=1e-12
    )
    yield check(
        "the model's dealer: price after a round trip",
        np.sum(trading.price_change(trades, 2.0, 5.0)),
        0,
        absolute=1e-12,
    )

    truth, motive = draws.normal(0, 1, size), draws.normal(0, 1, size)
    for sd_motive, target in {0.0: 1.0, 0.5: 0.847708, 1.0: 0.682328, 2.0: 0.5, 4.0: 0.344699}.items():
        response = float(disclosure.price_response(1.0, sd_motive, 1.0))
        yield check(f"reports: price response, motive sd {sd_motive:g}", response, target, relative=0.01)
        report = np.asarray(reports.reported_value(truth, sd_motive * motive, response, 1.0))
        regression = np.cov(truth, report)[0, 1] / report.var()
        yield check(f"reports: regression of truth, motive sd {sd_motive:g}", regression, target, relative=0.01)
    for sd_value, sd_motive, cost in ((2.0, 1.0, 0.5), (0.5, 1.0, 3.0)):  # np.roots solves the cubic independently
        roots = np.roots([sd_motive**2 / cost**2, 0.0, sd_value**2, -(sd_value**2)])
        target = float(roots[np.abs(roots.imag) < 1e-9].real[0])
        where = f"value sd {sd_value:g}, motive sd {sd_motive:g}, cost {cost:g}"
        response = float(disclosure.price_response(sd_value, sd_motive, cost))
        yield check(f"reports: price response, {where}", response, target, absolute=1e-9)
        report = np.asarray(reports.reported_value(sd_value * truth, sd_motive * motive, response, cost))
        regression = np.cov(sd_value * truth, report)[0, 1] / report.var()
        yield check(f"reports: regression of truth, {where}", regression, target, relative=0.01)
        bias = np.cov(sd_motive * motive, report)[0, 1] / sd_motive**2
        yield check(f"reports: bias per unit of motive, {where}", bias, target / cost, relative=0.01)


@rung("V14", "The option to wait before investing", "Dixit & Pindyck (1994), ch. 5")
def waiting() -> Iterator[Check]:
    """Ratio of value to cost from which investing is optimal: interest and payout rates of 4 % per year, then
    different rates."""
    for volatility, target in {0.1: 1.421535, 0.2: 2.0, 0.3: 2.763086, 0.4: 3.732051}.items():
        multiple = investment.option_multiple(0.04, 0.04, volatility)
        yield check(f"value over cost, volatility {volatility:g}", multiple, target, absolute=1e-4)
    for interest, payout, target in (
        (0.06, 0.03, 3.0),
        (0.03, 0.06, 1.5),
    ):  # roots 3/2 and 3 of the characteristic equation
        multiple = investment.option_multiple(interest, payout, 0.2)
        yield check(
            f"value over cost, interest {interest:g}, payout {payout:g}, volatility 0.2",
            multiple,
            target,
            absolute=1e-9,
        )
