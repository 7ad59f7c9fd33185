"""Bertrand-Nash prices: published and computed targets, a brute-force oracle, large markets, rejected input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize, minimize_scalar
from scipy.special import lambertw

from abm.mechanisms import demand
from abm.mechanisms.pricing import common_markup_elasticity
from abm.validation.theory import bertrand, choice_sets
from abm.validation.theory.nash import nash_prices, zeta_markup_step

QUALITY, COST = np.array([4.0, 3.0, 2.0]), np.array([1.0, 0.6, 0.2])  # V2: delta / mu, c, with mu = 0.5
TARGET = dict(rtol=0, atol=1e-8)  # as many digits as the targets have


@pytest.mark.parametrize(
    ("firms", "price"), [(1, 2.0), (2, 1.799470931), (3, 1.696467659), (5, 1.612099212), (10, 1.553139871)]
)
def test_v1_symmetric_logit(firms, price):
    prices = nash_prices(np.full(10, 2 / 0.5), np.ones(10), price_sensitivity=2.0, available=np.arange(10) < firms)
    np.testing.assert_allclose(prices[:firms], price, rtol=0, atol=1e-9)


def test_v1_monopoly_is_the_lambert_function():
    quality, cost, mu = 3.1, 0.7, 0.4
    closed_form = cost + mu * (1 + lambertw(np.exp((quality - cost) / mu - 1)).real)
    price = nash_prices(np.array([quality / mu]), np.array([cost]), price_sensitivity=1 / mu)
    np.testing.assert_allclose(price, closed_form, rtol=1e-12)


@pytest.mark.parametrize(("firms", "price"), [(2, 2.0), (3, 1.75), (5, 1.625)])
def test_v1_without_outside_option(firms, price):
    there = np.arange(5) < firms
    prices = nash_prices(np.full(5, 4.0), np.ones(5), price_sensitivity=2.0, outside=False, available=there)
    np.testing.assert_allclose(prices[there], price, rtol=1e-12)


@pytest.mark.parametrize(
    ("setting", "prices", "shares", "surplus"),
    [
        ({}, [1.72461308, 1.28788316, 0.85633031], [0.30997657, 0.27313237, 0.23818847], 0.8610161994),
        (
            dict(owner=(0, 0, 1)),
            [1.95190202, 1.55190202, 0.90242276],
            [0.26102591, 0.21370994, 0.28817796],
            0.7196657781,
        ),
        (
            dict(nest=(0, 0, 1), nest_correlation=0.5),
            [1.45050845, 0.99676076, 0.8368983],
            [0.34402206, 0.28591556, 0.2149453],
            None,
        ),
    ],
    ids=["a", "b", "c"],
)
def test_v2_asymmetric_logit(setting, prices, shares, surplus):
    solution = nash_prices(QUALITY, COST, price_sensitivity=2.0, **setting)
    np.testing.assert_allclose(solution, prices, **TARGET)
    choice = {k: v for k, v in setting.items() if k != "owner"}
    np.testing.assert_allclose(demand.shares(QUALITY, solution, price_sensitivity=2.0, **choice), shares, **TARGET)
    if surplus is not None:
        assert choice_sets.consumer_surplus(QUALITY, solution, price_sensitivity=2.0) == pytest.approx(
            surplus, abs=1e-10
        )


def test_v2d_open_model_priced_at_cost():
    quality, cost = np.append(QUALITY, 1.8), np.append(COST, 0.1)
    solution = nash_prices(quality, cost, price_sensitivity=2.0, at_cost=np.array([False, False, False, True]))
    np.testing.assert_allclose(solution, [1.61539277, 1.19514311, 0.77828556, 0.1], **TARGET)
    shares = demand.shares(quality, solution, price_sensitivity=2.0)
    np.testing.assert_allclose(shares, [0.18751076, 0.15986594, 0.13537526, 0.43035988], **TARGET)


@pytest.mark.parametrize(
    ("gap", "odds"), [(0, 1), (0.5, 1.180758), (1, 1.390054), (2, 1.891395), (3, 2.489567), (5, 3.896547)]
)
def test_v4_gap_and_markup(gap, odds):
    """V4, in units of mu: shares of o : 1 and margins of 1 + o and 1 + 1/o."""
    quality = np.array([gap, 0.0])
    margins = nash_prices(quality, np.zeros(2), price_sensitivity=1.0, outside=False)
    shares = demand.shares(quality, margins, price_sensitivity=1.0, outside=False)
    assert shares[0] / shares[1] == pytest.approx(odds, abs=1e-6)
    np.testing.assert_allclose(margins, [1 + shares[0] / shares[1], 1 + shares[1] / shares[0]], rtol=1e-11)


# --- An oracle that shares no code with the package: every owner maximises profit by search, until nobody moves. ---


def oracle_profit(prices, who, market):
    """Profit of an owner, nested logit written out product by product."""
    profit = 0.0
    for i, size in enumerate(market["size"]):
        sensitivity, rho = market["price_sensitivity"][i], market["nest_correlation"]
        worth = np.log(prices) if market["price_form"] == "log" else prices
        powers = np.exp((market["quality"][i] - sensitivity * worth) / (1 - rho))
        nest = np.array(market["nest"])
        sums = np.array([powers[nest == g].sum() for g in nest])
        total = float(market["outside"]) + sum(powers[nest == g].sum() ** (1 - rho) for g in set(market["nest"]))
        quantity = size * powers / sums * sums ** (1 - rho) / total
        if market["price_form"] == "log":
            quantity = quantity * total ** (market["usage_elasticity"][i] / sensitivity)
        own = np.array(market["owner"]) == who
        profit += float(((prices - market["cost"]) * quantity)[own].sum())
    return profit


def oracle_prices(market):
    prices, owner = market["cost"] * 1.5, np.array(market["owner"])
    for _ in range(200):
        before = prices.copy()
        for who in sorted(set(market["owner"])):
            own = owner == who

            def loss(x, own=own, who=who):
                trial = prices.copy()
                trial[own] = market["cost"][own] + np.exp(x) * (market["cost"][own] if len(x) == 1 else 1)
                return -np.log(oracle_profit(trial, who, market))

            if market["price_form"] == "log" or own.sum() == 1:  # one markup factor, or one price
                best = minimize_scalar(
                    lambda x: loss(np.array([x])), bounds=(-6, 6), method="bounded", options=dict(xatol=1e-11)
                )
                prices[own] = market["cost"][own] * (1 + np.exp(best.x))
            else:
                start = np.log(prices[own] - market["cost"][own])
                prices[own] = market["cost"][own] + np.exp(minimize(loss, start, tol=1e-11).x)
        if np.max(np.abs(prices / before - 1)) < 1e-7:
            return prices
    raise AssertionError("the oracle did not settle")


def compare_with_oracle(**market):
    everything = dict(
        nest=tuple(range(market["cost"].size)), nest_correlation=0.0, outside=True,
        size=np.ones(len(market["quality"])), usage_elasticity=np.zeros(len(market["quality"])),
    ) | market  # fmt: skip
    arguments = {k: v for k, v in everything.items() if not (k == "nest" and everything["nest_correlation"] == 0)}
    quality, cost = arguments.pop("quality"), arguments.pop("cost")
    solution = nash_prices(quality, cost, **arguments)
    np.testing.assert_allclose(solution, oracle_prices(everything), rtol=2e-6)
    return np.asarray(solution)


@pytest.mark.parametrize(
    ("outside", "sigma", "usage"), [(False, 4.0, 1.11), (False, 4.0, 0.5), (True, 4.0, 2.0), (True, 1.5, 6.0)]
)
def test_v19_atkeson_burstein_three_firms(outside, sigma, usage):
    """V19: log price, single products, e = sigma (1 - s) + epsilon s, against brute-force best replies."""
    quality, cost = np.array([[1.0, 0.4, 0.0]]), np.array([1.0, 0.8, 1.3])
    solution = compare_with_oracle(
        quality=quality, cost=cost, owner=(0, 1, 2), price_form="log", outside=outside,
        price_sensitivity=np.array([sigma]), usage_elasticity=np.array([usage]),
    )  # fmt: skip
    share = demand.shares(quality[0], solution, price_sensitivity=sigma, price_form="log", outside=outside)
    np.testing.assert_allclose((solution - cost) / solution, 1 / (sigma * (1 - share) + usage * share), rtol=1e-11)


SEGMENTS = dict(
    quality=np.array([[1.0, 0.4, 0.0, 0.8], [0.2, 0.9, 0.5, 0.1], [0.0, 0.0, 1.0, 1.0]]),
    cost=np.array([1.0, 0.8, 1.3, 0.9]),
    size=np.array([1.0, 2.0, 0.5]),
)


@pytest.mark.parametrize(
    "case",
    [
        dict(price_form="log", owner=(0, 1, 0, 2)),
        dict(price_form="log", owner=(0, 0, 1, 1), nest=(0, 1, 1, 0), nest_correlation=0.6, outside=False),
        dict(price_form="linear", owner=(0, 0, 1, 1), nest=(0, 1, 1, 0), nest_correlation=0.6),
        dict(price_form="linear", owner=(5, 1, 5, 1), nest=(0, 0, 0, 1), nest_correlation=0.3, outside=False),
    ],
)
def test_segments_owners_and_nests_agree_with_the_oracle(case):
    log_form = case["price_form"] == "log"
    sensitivity = np.array([3.5, 2.5, 3.0]) if log_form else np.array([2.0, 1.5, 1.2])
    usage = np.array([1.11, 0.6, 2.0]) if log_form else np.zeros(3)
    compare_with_oracle(**SEGMENTS, **case, price_sensitivity=sensitivity, usage_elasticity=usage)


@pytest.mark.parametrize("price_form", ["linear", "log"])
def test_first_order_conditions_hold_to_rounding(price_form):
    """Derivative of profit by differentiating `demand`, which the solver does not do."""
    rng = np.random.default_rng(1)
    quality, cost, owner = rng.normal(size=(30, 8)), rng.lognormal(size=8), np.array([0, 0, 1, 1, 2, 3, 4, 4])
    nest, size = np.array([0, 1, 0, 1, 0, 1, 0, 1]), rng.uniform(0.1, 1, 30)
    choice = dict(price_sensitivity=rng.uniform(1.8, 2.6, 30), nest=nest, nest_correlation=0.4, price_form=price_form)
    usage = rng.uniform(0, 1.5, 30) if price_form == "log" else np.zeros(30)
    prices = nash_prices(quality, cost, owner=owner, usage_elasticity=usage, size=size, **choice)

    @jax.jit
    @jax.jacobian
    def slopes(step):  # of each owner's ln profit in ln markup factor, or in price
        moved = prices + step if price_form == "linear" else prices * jnp.exp(step)
        share = demand.shares(quality, moved, **choice)
        index = jnp.exp(-choice_sets.inclusive_value(quality, moved, **choice) / choice["price_sensitivity"])
        quantity = (share * (size * index**-usage)[:, None]).sum(0)
        return jnp.log(demand.sum_by_group(quantity * (moved - cost), owner))

    slope = slopes(np.zeros(8))[owner, np.arange(8)]
    if price_form == "log":
        slope = demand.sum_by_group(slope, owner)  # all of an owner's prices move together
    np.testing.assert_allclose(slope, 0, atol=1e-11)


def test_zeta_converges_where_the_textbook_map_does_not():
    """A leader with s > 1/2: the slope of p <- c + mu / (1 - s) is -s / (1 - s)."""
    quality, cost = np.array([5.0, 0.0]), np.array([0.5, 0.5])
    solution = nash_prices(quality, cost, price_sensitivity=1.0)
    assert demand.shares(quality, solution, price_sensitivity=1.0)[0] > 0.5

    @jax.jit
    def step(zeta, textbook):
        share = demand.shares(quality, textbook, price_sensitivity=1.0)
        return zeta_markup_step(zeta, quality, cost, price_sensitivity=1.0), cost + 1 / (1 - share)

    zeta = textbook = solution * (1 + 1e-6)
    for _ in range(20):
        zeta, textbook = step(zeta, textbook)
    assert np.max(np.abs(zeta - solution)) < 1e-12
    assert np.max(np.abs(textbook - solution)) > 1e-3


def test_compiled_callers_can_take_single_steps():
    @jax.jit
    def prices(cost):
        def step(_, price):
            return zeta_markup_step(price, QUALITY, cost, price_sensitivity=2.0, owner=(0, 0, 1))

        return jax.lax.fori_loop(0, 60, step, cost + 0.5)

    np.testing.assert_allclose(
        prices(COST), nash_prices(QUALITY, COST, price_sensitivity=2.0, owner=(0, 0, 1)), rtol=1e-12
    )


@pytest.mark.parametrize("price_form", ["linear", "log"])
def test_jit_vmap_and_grad_agree_with_eager(price_form):
    def f(quality, cost, sensitivity):
        return nash_prices(
            quality, cost, price_sensitivity=sensitivity, owner=(0, 0, 1), nest=(0, 1, 1), nest_correlation=0.3,
            price_form=price_form, usage_elasticity=0.8 if price_form == "log" else 0.0,
            at_cost=np.array([False, True, False]),
        )  # fmt: skip

    quality, sensitivity = np.stack([QUALITY, QUALITY[::-1]]), np.array([2.0, 1.6])
    eager = f(quality, COST, sensitivity)
    both = jax.jit(jax.vmap(f, (None, 0, None)))(quality, np.stack([COST, 2 * COST]), sensitivity)
    np.testing.assert_allclose(both, jnp.stack([eager, f(quality, 2 * COST, sensitivity)]), rtol=1e-12)

    weights = jnp.array([1.0, 2.0, 3.0])
    total = jax.jit(jax.value_and_grad(lambda *x: f(*x) @ weights, argnums=(0, 1, 2)))
    value, slope = total(quality, COST, sensitivity)
    assert float(value) == pytest.approx(float(eager @ weights), rel=1e-12)
    h = 1e-6
    for number, (argument, gradient) in enumerate(zip((quality, COST, sensitivity), slope, strict=True)):
        for where in np.ndindex(argument.shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(quality), np.array(COST), np.array(sensitivity)]
                moved[number][where] += sign * h
                ends.append(float(f(*moved) @ weights))
            assert float(gradient[where]) == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-6)


def test_absent_products_change_nothing_and_cause_no_nan():
    available = np.array([True, False, True, True])
    quality, cost = np.insert(QUALITY, 1, np.nan), np.insert(COST, 1, 7.0)
    setting = dict(price_sensitivity=2.0, nest_correlation=0.5)
    solution = nash_prices(quality, cost, available=available, nest=(0, 1, 0, 1), **setting)
    np.testing.assert_allclose(solution[available], nash_prices(QUALITY, COST, nest=(0, 0, 1), **setting), rtol=1e-12)
    assert solution[1] == 7.0

    def total(quality, cost, available):
        return nash_prices(quality, cost, available=available, nest=(0, 1, 0, 1), **setting)[available.argmin() - 1]

    slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(quality, cost, available)
    assert all(np.all(np.isfinite(x)) for x in slopes)
    assert slopes[0][1] == slopes[1][1] == 0


def test_products_may_be_absent_from_some_segments():
    """A product absent from a segment is equivalent to one that nobody there wants."""
    quality, cost = SEGMENTS["quality"], SEGMENTS["cost"]
    available = np.array([[True, True, False, True], [True, True, True, True], [False, True, True, True]])
    solution = nash_prices(quality, cost, price_sensitivity=1.5, available=available)
    unwanted = nash_prices(np.where(available, quality, -60.0), cost, price_sensitivity=1.5)
    np.testing.assert_allclose(solution, unwanted, rtol=1e-12)


def test_blocks_of_segments_add_up(monkeypatch):
    rng = np.random.default_rng(2)
    quality, cost = rng.normal(size=(12, 5)), rng.lognormal(size=5)
    sensitivity, size = rng.uniform(2, 3, 12), np.append(rng.uniform(0, 1, 11), 0.0)
    setting = dict(owner=(0, 0, 1, 2, 2), price_form="log", usage_elasticity=0.8)
    whole = nash_prices(quality, cost, price_sensitivity=sensitivity, size=size, **setting)
    monkeypatch.setattr(bertrand, "BLOCK", 20)  # 4 segments; without the empty one, the last block steps back by one
    blocks = nash_prices(quality[:11], cost, price_sensitivity=sensitivity[:11], size=size[:11], **setting)
    np.testing.assert_allclose(blocks, whole, rtol=1e-13)


def test_segments_split_in_two_are_the_same_market():
    setting = dict(price_form="log", usage_elasticity=0.8)
    one = nash_prices(QUALITY, COST, price_sensitivity=3.0, size=2.0, **setting)
    split = nash_prices(np.stack([QUALITY] * 3), COST, price_sensitivity=3.0, size=np.array([0.5, 0.0, 1.5]), **setting)
    np.testing.assert_allclose(split, one, rtol=1e-12)


def test_products_without_demand_still_have_a_price():
    """Shares of exp(-2000) underflow; the markup of a negligible seller is mu."""
    quality = np.array([[0.0, -2000.0], [0.5, -3000.0]])
    solution = nash_prices(quality, np.array([1.0, 1.0]), price_sensitivity=np.array([2.0, 4.0]))
    assert solution[1] == pytest.approx(1 + 1 / 2.0, rel=1e-12)


@pytest.mark.slow
def test_a_thousand_products_in_ten_thousand_segments():
    import resource

    rng = np.random.default_rng(0)
    quality, cost = rng.normal(0, 2, (10_000, 1_000)), rng.lognormal(0, 0.5, 1_000)
    sensitivity = rng.lognormal(0.5, 0.2, 10_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    price = nash_prices(quality, cost, price_sensitivity=sensitivity, owner=rng.integers(0, 30, 1_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # kB; the qualities alone take 80 MB
    again = zeta_markup_step(price, quality, cost, price_sensitivity=sensitivity, owner=np.arange(1_000))
    assert np.all(np.isfinite(again))


def test_posted_price_elasticity_is_that_of_equilibrium():
    quality, cost, owner = SEGMENTS["quality"], SEGMENTS["cost"], np.array([0, 1, 0, 2])
    sigma, epsilon = np.array([3.5, 2.5, 3.0]), np.array([1.11, 0.6, 2.0])
    choice = dict(price_sensitivity=sigma, price_form="log")
    price = nash_prices(quality, cost, owner=owner, usage_elasticity=epsilon, size=SEGMENTS["size"], **choice)
    share = demand.shares(quality, price, **choice)
    used = SEGMENTS["size"] * choice_sets.price_index(quality, price, price_sensitivity=sigma) ** -epsilon
    own_share = demand.sum_by_group(share, owner)
    revenue = demand.sum_by_group(share * used[:, None] * price, owner)
    elasticity = common_markup_elasticity(revenue, own_share, sigma, epsilon)
    np.testing.assert_allclose(((price - cost) / price), 1 / np.asarray(elasticity)[owner], rtol=1e-11)


def test_posted_price_elasticity_by_hand():
    quantity, own = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[0.5, 0.0], [0.25, 0.0]])
    solution = common_markup_elasticity(quantity, own, np.array([2.0, 4.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(solution, [(1.5 + 3 * 3.0) / 4, 3.0])


PRICES = dict(quality=arrays(float, 4, elements=st.floats(-4, 6)), cost=arrays(float, 4, elements=st.floats(0.1, 3)))


@settings(max_examples=15, deadline=None)
@given(rise=st.floats(0.01, 2), **PRICES)
def test_a_rivals_higher_cost_raises_every_price(rise, quality, cost):
    """Prices are strategic complements under logit demand."""
    setting = dict(price_sensitivity=1.5, owner=(0, 1, 2, 2))
    before = np.asarray(nash_prices(quality, cost, **setting))
    after = np.asarray(nash_prices(quality, cost + np.array([rise, 0, 0, 0]), **setting))
    assert np.all(after >= before * (1 - 1e-11))
    assert np.all(before > cost)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(4)), **PRICES)
def test_prices_do_not_depend_on_the_order_of_products(order, quality, cost):
    order, at_cost = np.array(order), np.array([False, False, True, False])
    setting = dict(price_sensitivity=2.5, price_form="log", usage_elasticity=0.7)
    solution = np.asarray(nash_prices(quality, cost, at_cost=at_cost, **setting))
    moved = nash_prices(quality[order], cost[order], at_cost=at_cost[order], **setting)
    np.testing.assert_allclose(moved, solution[order], rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(unit=st.floats(0.01, 100), **PRICES)
def test_the_unit_of_money_does_not_matter(unit, quality, cost):
    setting = dict(price_form="log", price_sensitivity=2.5, outside=False, usage_elasticity=1.1)
    solution = np.asarray(nash_prices(quality, cost, **setting))
    np.testing.assert_allclose(nash_prices(quality, cost * unit, **setting), solution * unit, rtol=1e-10)


def test_the_highest_of_several_profit_peaks_is_found():
    """A monopolist facing rich and poor: from near-zero margins the map stops at the lower peak of profit."""
    quality, sensitivity, size = np.array([[6.0], [2.5]]), np.array([10.0, 0.5]), np.array([1.0, 0.15])
    grid = np.linspace(0.01, 20, 200_001)
    value = quality - sensitivity[:, None] * grid
    profit = (size[:, None] * grid / (1 + np.exp(-value))).sum(0)
    peaks = np.flatnonzero((profit[1:-1] > profit[:-2]) & (profit[1:-1] > profit[2:])) + 1
    assert len(peaks) == 2
    solution = nash_prices(quality, np.zeros(1), price_sensitivity=sensitivity, size=size)
    assert solution[0] == pytest.approx(grid[profit.argmax()], abs=2e-4)


def test_captives_and_shoppers_have_no_price_equilibrium():
    """Varian (1980): each seller has customers of its own and both compete for one who looks at price alone."""
    quality = np.array([[3.0, 0.0], [0.0, 3.0], [60.0, 60.0]])
    there = np.array([[True, False], [False, True], [True, True]])
    with pytest.raises(RuntimeError, match="no equilibrium found"):
        nash_prices(quality, np.zeros(2), price_sensitivity=np.array([1.0, 1.0, 60.0]), available=there)


def test_failure_to_converge_raises():
    with pytest.raises(RuntimeError, match="after 2 iterations"):
        nash_prices(QUALITY, COST, price_sensitivity=2.0, max_iterations=2)
    traced = jax.jit(lambda c: nash_prices(QUALITY, c, price_sensitivity=2.0, max_iterations=2))(COST)
    assert np.all(np.isnan(traced))


def test_unbounded_prices_are_reported():
    """Asymmetric sellers without outside option, e = sigma (1 - s) + epsilon s near 1: prices diverge."""
    with pytest.raises(RuntimeError, match="no equilibrium"):
        nash_prices(
            np.zeros((2, 2)), np.ones(2), price_sensitivity=np.array([1.2, 3.0]), usage_elasticity=0.1,
            price_form="log", outside=False, size=np.array([1.0, 0.01]),
        )  # fmt: skip


LOG = dict(price_form="log", price_sensitivity=3.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(quality=np.array([1, np.nan, 1])), "quality must be finite"),
        (dict(quality=np.array([1, -np.inf, 1])), "quality must be finite"),
        (dict(quality=np.zeros(0), cost=np.zeros(0)), "no products"),
        (dict(quality=np.zeros((2, 2))), "quality is"),
        (dict(cost=np.array([1, np.inf, 1])), "cost must be finite"),
        (dict(cost=np.array([1, -0.1, 1])), "cost must not be negative"),
        (dict(cost=np.array([1, 0.0, 1]), **LOG), "cost must be positive"),
        (dict(price_sensitivity=0.0), "price_sensitivity"),
        (dict(price_sensitivity=np.inf), "price_sensitivity"),
        (dict(price_sensitivity=1.0, price_form="log"), "price_sensitivity must exceed 1"),
        (dict(price_sensitivity=np.ones(2), size=np.ones(3)), "price_sensitivity has"),
        (dict(price_form="cubic"), "price_form"),
        (dict(nest_correlation=0.5), "needs `nest`"),
        (dict(nest=(0, 0, 1), nest_correlation=1.0), "nest_correlation must lie"),
        (dict(nest=(0, 0)), "nest has shape"),
        (dict(owner=(0, 0)), "owner has shape"),
        (dict(at_cost=(True,)), "at_cost has shape"),
        (dict(available=np.ones((2, 2), bool)), "available has shape"),
        (dict(usage_elasticity=0.5), "usage_elasticity belongs"),
        (dict(usage_elasticity=-0.5, **LOG), "usage_elasticity must be"),
        (dict(outside=np.nan), "outside"),
        (dict(size=-1.0), "size must be"),
        (dict(size=np.zeros(2)), "size is 0"),
        (dict(outside=False, owner=(0, 0, 0)), "one owner without competition"),
        (dict(outside=False, available=np.array([True, False, False])), "one owner without competition"),
        (dict(outside=False, owner=(0, 0, 0), usage_elasticity=0.9, **LOG), "elasticity of 0.9"),
        (dict(outside=False, price_form="log", price_sensitivity=1.2, usage_elasticity=0.3), "elasticity of 0.9"),
    ],
)
def test_arguments_without_equilibrium_are_rejected(change, message):
    arguments = dict(quality=QUALITY, cost=COST, price_sensitivity=2.0) | change
    with pytest.raises(ValueError, match=message):
        nash_prices(**arguments)


def test_other_invalid_arguments_are_rejected():
    with pytest.raises(ValueError, match="owner is traced"):
        jax.jit(lambda owner: nash_prices(QUALITY, COST, price_sensitivity=2.0, owner=owner))(np.arange(3))
    with pytest.raises(ValueError, match="quantity"):
        common_markup_elasticity(-np.ones((1, 1)), np.ones((1, 1)), 2.0, 1.0)
    with pytest.raises(ValueError, match="own_share"):
        common_markup_elasticity(np.ones((1, 1)), np.full((1, 1), 30.0), 2.0, 1.0)
