"""Theory used by the validation ladder: limits, oracles, rejected input."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.transforms import assert_transforms_agree

from abm.analysis.inverted_u import lind_mehlum
from abm.mechanisms import beliefs, disclosure
from abm.validation.theory import (
    diffusion,
    epidemics,
    growth_of_firms,
    influence,
    opinions,
    price_impact,
    race,
    reports,
    scaling,
    vertical_chain,
)


def test_bass_adoption_solves_its_equation():
    time = np.linspace(0, 25, 60)
    share = diffusion.bass_adoption(time, 0.02, 0.5)
    speed = jax.vmap(jax.grad(lambda t: diffusion.bass_adoption(t, 0.02, 0.5)))(time)
    np.testing.assert_allclose(speed, diffusion.bass_hazard(share, 0.02, 0.5) * (1 - share), rtol=1e-10)
    assert share[0] == 0
    np.testing.assert_allclose(diffusion.bass_adoption(time, 0.1, 0.0), 1 - np.exp(-0.1 * time), rtol=1e-12)


@pytest.mark.parametrize("law", [scaling.HOFFMANN, scaling.BESIROGLU])
def test_compute_optimal_is_a_minimum_that_spends_the_budget(law):
    budget = np.array([1e21, 5.76e23])
    parameters, tokens = scaling.compute_optimal(budget, law)
    np.testing.assert_allclose(6 * parameters * tokens, budget, rtol=1e-12)
    best = scaling.reducible_loss(parameters, tokens, law)
    for factor in (0.9, 1.1):
        assert np.all(scaling.reducible_loss(factor * parameters, tokens / factor, law) > best)


def test_hoffmanns_fit_implies_far_more_data():
    """93 tokens per parameter at 5.8e23, against 18 of the refit."""
    parameters, tokens = scaling.compute_optimal(5.8e23, scaling.HOFFMANN)
    assert tokens / parameters == pytest.approx(93, abs=0.5)


def test_efforts_are_best_replies():
    """Without discounting a leader, a level firm and a laggard are worth the same per unit of time: their flows of
    value, with every effort equal to what its step is worth, must agree.
    """
    competition, lead, spillover = 0.7, 1.3, 0.4
    level, behind = race.race_efforts(competition, lead, spillover)
    leader = lead - (behind + spillover) * level
    even = (1 - competition) * lead + level**2 / 2 - level * behind
    laggard = behind**2 / 2 + spillover * behind
    np.testing.assert_allclose([leader, even], laggard, rtol=1e-12)


def test_innovation_flow_is_that_of_the_two_states():
    level, behind, spillover = 0.8, 0.5, 0.3
    leaving, returning = 2 * level, behind + spillover
    at_level = returning / (leaving + returning)
    expected = at_level * leaving + (1 - at_level) * returning
    assert race.innovation_flow(level, behind, spillover) == pytest.approx(expected, rel=1e-12)


def test_each_stage_adds_half_of_the_remaining_distance():
    prices, quantity = vertical_chain.successive_monopoly(20.0, 2.0, 4.0, 3)
    np.testing.assert_allclose(prices, [12, 16, 18])
    assert quantity == 1


def test_influence_of_a_star_by_hand():
    star = np.zeros((4, 4))
    star[:, 0] = 1
    inverse = np.linalg.inv(np.eye(4) - 0.7 * star.T)
    np.testing.assert_allclose(influence.influence_vector(star, 0.3), 0.3 / 4 * inverse @ np.ones(4), rtol=1e-12)


WEIGHTS = np.array([[1, 1, 1], [1.5, 1.5, 0], [0, 0.75, 2.25]]) / 3


def test_v12_degroot():
    """V12: influence (3, 4, 4) / 11, and distance to consensus halving each round (second eigenvalue 0.5)."""
    np.testing.assert_allclose(opinions.degroot(WEIGHTS, np.eye(3), 200)[0], [0.272727, 0.363636, 0.363636], atol=1e-6)
    early, late = (opinions.degroot(WEIGHTS, np.array([1.0, 0, 0]), rounds)[1:] - 3 / 11 for rounds in (20, 21))
    np.testing.assert_allclose(late / early, 0.5, rtol=1e-6)
    np.testing.assert_array_equal(opinions.degroot(WEIGHTS, np.array([1.0, 2, 3]), 0), [1, 2, 3])


def test_v12_friedkin_johnsen():
    susceptibility, first = np.array([0.5, 0.8, 0.9]), np.array([1.0, 0, 0])
    settled = opinions.friedkin_johnsen(WEIGHTS, susceptibility, first)
    np.testing.assert_allclose(settled, [0.774834, 0.516556, 0.357616], atol=1e-6)
    opinion = first
    for _ in range(300):
        opinion = beliefs.friedkin_johnsen_step(WEIGHTS @ opinion, susceptibility, first)
    np.testing.assert_allclose(opinion, settled, rtol=1e-12)
    both = opinions.friedkin_johnsen(WEIGHTS, susceptibility, np.stack([first, 2 * first], axis=1))
    np.testing.assert_allclose(both, np.stack([settled, 2 * settled], axis=1), rtol=1e-14)


def test_the_price_response_is_the_slope_of_truth_on_report():
    rng = np.random.default_rng(0)
    value, motive = rng.normal(0, 1.5, 400_000), rng.normal(0, 2.0, 400_000)
    beta = float(disclosure.price_response(1.5, 2.0, 0.8))
    report = np.asarray(reports.reported_value(value, motive, beta, 0.8))
    assert np.cov(value, report)[0, 1] / report.var() == pytest.approx(beta, rel=0.01)


def test_v13_round_trip_costs_nothing():
    trades = jnp.array([3.0, 4.0, -5.0, -2.0])
    assert price_impact.market_maker_return(trades, 7.0).sum() == pytest.approx(0, abs=1e-15)


def test_v13_kyle_reveals_half_the_variance():
    """V13: lambda = sd_value / (2 sd_noise); the informed trader orders value * sd_noise / sd_value."""
    rng, sd_value, sd_noise = np.random.default_rng(0), 2.0, 3.0
    value, noise = rng.normal(0, sd_value, 400_000), rng.normal(0, sd_noise, 400_000)
    order = value * sd_noise / sd_value + noise
    price = np.asarray(price_impact.kyle_lambda(sd_value, sd_noise)) * order
    assert np.var(value - price) == pytest.approx(sd_value**2 / 2, rel=0.01)
    assert np.cov(value, price)[0, 1] / np.var(price) == pytest.approx(1, rel=0.01)  # the price is efficient


@pytest.mark.parametrize(
    "function",
    [
        lambda x: opinions.degroot(WEIGHTS, x, 5),
        lambda x: opinions.friedkin_johnsen(WEIGHTS, x, np.array([1.0, 0, 0])),
    ],
    ids=["degroot", "friedkin_johnsen"],
)
def test_jit_vmap_and_grad_of_opinions_agree_with_eager(function):
    assert_transforms_agree(function, np.array([0.3, 0.5, 0.2]))


def test_a_small_infection_grows_above_the_threshold_only():
    rng = np.random.default_rng(0)
    links = np.triu(rng.random((60, 60)) < 0.1, 1).astype(float)
    links += links.T
    critical = 1 / np.linalg.eigvalsh(links)[-1]

    def infected(ratio):
        step = lambda _, x: epidemics.sis_step(x, links @ x, 0.2 * ratio * critical, 0.2)  # noqa: E731
        return jax.lax.fori_loop(0, 3000, step, jnp.full(60, 1e-3)).mean()

    assert infected(0.9) < 1e-9
    assert infected(1.2) > 0.01


def test_infection_chance_and_sir_threshold():
    assert epidemics.infection_chance(2, 0.3) == pytest.approx(0.51)
    assert epidemics.infection_chance(0, 1.0) == 0
    assert epidemics.sir_threshold(np.full(10, 4)) == pytest.approx(1 / 3)  # a random regular network: 1 / (k - 1)


def test_gibrat_growth_keeps_the_mean_and_the_floor():
    luck = np.random.default_rng(0).normal(size=400_000)
    size = growth_of_firms.gibrat_growth(3.0, 3.0, luck, 0.3, 0.0)
    assert size.mean() == pytest.approx(1, abs=0.003)
    assert growth_of_firms.gibrat_growth(3.0, 3.0, luck, 0.3, 0.5).min() == 0.5


def test_hill_finds_the_exponent_of_a_pareto_sample():
    sizes = 2 * np.random.default_rng(0).pareto(1.5, 100_000) + 2
    assert growth_of_firms.hill_exponent(sizes, 20_000) == pytest.approx(1.5, abs=0.04)
    assert growth_of_firms.zipf_exponent(0.0) == 1


def test_lind_mehlum_by_hand():
    """y = 1 - x^2 with an error that is orthogonal to 1, x and x^2: slopes +2 and -2 at -1 and 1."""
    x = np.repeat(np.linspace(-1, 1, 9), 2)
    error = np.tile([0.1, -0.1], 9)
    result = lind_mehlum(x, 1 - x**2 + error)
    assert result.peak == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(result.slopes, [2, -2], rtol=1e-12)
    assert result.p < 1e-6
    assert lind_mehlum(x, x**2 + error).p > 0.99
    assert lind_mehlum(x, x + error).p > 0.4


@pytest.mark.parametrize("origin", [0.0, 2020.0, 738_000.0], ids=["steps", "years", "days"])
def test_lind_mehlum_does_not_depend_on_the_origin_of_x(origin):
    """A quadratic in days since the year 1 would lose all precision: p would be 0.3 instead of 4e-10."""
    x = np.repeat(np.linspace(-1, 1, 9), 2)
    y = 1 - x**2 + np.tile([0.1, -0.1], 9)
    result, shifted = lind_mehlum(x, y), lind_mehlum(100 * x + origin, y)
    assert shifted.p == pytest.approx(result.p, rel=1e-6)
    assert shifted.peak == pytest.approx(origin, abs=1e-6)
    np.testing.assert_allclose(shifted.slopes, [0.02, -0.02], rtol=1e-9)


def test_lind_mehlum_of_exact_and_degenerate_data():
    x = np.arange(11.0)
    assert lind_mehlum(x, np.full(11, 0.1))[::2] == (1.0, (0.0, 0.0))  # p came out as 0.52, slopes as 8e-17
    assert lind_mehlum(x, -((x / 10 - 1) ** 2)).p == 1  # flat at its end, and never falls
    assert lind_mehlum(x, -((x - 5) ** 2)).p < 1e-12
    with pytest.raises(ValueError, match="finite"):
        lind_mehlum(x, np.r_[x[1:], np.nan])
    with pytest.raises(ValueError, match="of the same length"):
        lind_mehlum(x, x[1:])
    with pytest.raises(ValueError, match="rounding"):
        lind_mehlum([0.1 + 0.2, 0.3, 0.3, 0.5, 0.5], [1, 2, 3, 2, 1])


def test_lind_mehlum_pairs_rows_by_label():
    x = pd.Series(np.arange(12.0))
    y = -((x - 5) ** 2) + np.tile([0.1, -0.1], 6)
    assert lind_mehlum(x, y.sort_values()) == lind_mehlum(x, y)


def test_lind_mehlum_rarely_rejects_a_true_null():
    """A curve that is flat at one end lies on the boundary of the null hypothesis."""
    draws = np.random.default_rng(1)
    x = np.linspace(0, 1, 40)
    p = [lind_mehlum(x, x - x**2 / 2 + 0.05 * draws.normal(size=40)).p for _ in range(1000)]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.07


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diffusion.bass_hazard(1.1, 0.1, 0.1), "adopted"),
        (lambda: diffusion.bass_hazard(0.1, -0.1, 0.1), "innovation"),
        (lambda: diffusion.bass_adoption(-1.0, 0.1, 0.1), "time"),
        (lambda: diffusion.bass_adoption(1.0, 0.0, 0.1), "innovation must be positive"),
        (lambda: diffusion.bass_adoption(1.0, 0.1, np.inf), "imitation"),
        (lambda: scaling.reducible_loss(0.0, 1.0), "parameters"),
        (lambda: scaling.reducible_loss(1.0, np.nan), "tokens"),
        (lambda: scaling.compute_optimal(0.0), "flop"),
        (lambda: race.race_efforts(1.1, 1.0, 0.1), "competition"),
        (lambda: race.race_efforts(0.5, 0.0, 0.1), "lead_profit"),
        (lambda: race.race_efforts(0.5, 1.0, -0.1), "spillover"),
        (lambda: race.innovation_flow(-1.0, 1.0, 0.1), "level"),
        (lambda: vertical_chain.successive_monopoly(10.0, 0.0, 1.0, 1), "slope"),
        (lambda: vertical_chain.successive_monopoly(10.0, 1.0, -1.0, 1), "cost"),
        (lambda: vertical_chain.successive_monopoly(10.0, 1.0, 11.0, 1), "intercept"),
        (lambda: vertical_chain.successive_monopoly(10.0, 1.0, 1.0, 0), "stages"),
        (lambda: influence.influence_vector(np.eye(2), 0.0), "labour_share"),
        (lambda: influence.influence_vector(np.ones((2, 2)), 0.5), "weights"),
        (lambda: opinions.degroot(np.ones((2, 3)) / 3, np.ones(3), 1), "weights has shape"),
        (lambda: opinions.degroot(np.ones((2, 2)), np.ones(2), 1), "weights must"),
        (lambda: opinions.friedkin_johnsen(np.eye(2), np.array([0.5, 1.0]), np.ones(2)), "susceptibility is 1"),
        (lambda: opinions.friedkin_johnsen(np.eye(2), np.array([0.5, 1.2]), np.ones(2)), "susceptibility must"),
        (lambda: reports.reported_value(1.0, 1.0, 0.5, 0.0), "cost"),
        (lambda: price_impact.market_maker_return(1.0, 0.0), "depth"),
        (lambda: price_impact.kyle_lambda(-1.0, 1.0), "sd_value"),
        (lambda: price_impact.kyle_lambda(1.0, 0.0), "sd_noise"),
        (lambda: epidemics.infection_chance(-1, 0.1), "infected_neighbours"),
        (lambda: epidemics.infection_chance(1, 1.1), "transmission"),
        (lambda: epidemics.sis_step(1.1, 0.0, 0.1, 0.1), "infected"),
        (lambda: epidemics.sis_step(0.1, 0.0, -0.1, 0.1), "transmission"),
        (lambda: epidemics.sir_threshold(np.ones(4)), "degrees"),
        (lambda: growth_of_firms.gibrat_growth(1.0, 1.0, 0.0, 0.1, 1.0), "floor"),
        (lambda: growth_of_firms.zipf_exponent(1.0), "floor"),
        (lambda: growth_of_firms.hill_exponent(np.ones(4), 4), "largest"),
        (lambda: lind_mehlum([0, 1, 0, 1], [1, 2, 3, 4]), "3 values"),
    ],
)
def test_invalid_arguments_are_rejected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
