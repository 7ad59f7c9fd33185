"""The sampler, profiles and predictive bands, against cases whose answers are known."""

import numpy as np
import pytest
from helpers.calibration import MOMENTS, Linear, spec

from abm.calibration import Calibration
from abm.calibration import posterior as smc
from abm.calibration.criterion import Criterion
from abm.calibration.identification import identify
from abm.calibration.predictive import bands
from abm.calibration.recovery import recover
from abm.calibration.spec import Posterior


def exact(simulator):
    """Posterior mean and covariance of the positions under uniform priors that do not bind."""
    precision = np.diag(1 / (simulator.errors**2 + simulator.noise**2))
    covariance = np.linalg.inv(simulator.slopes.T @ precision @ simulator.slopes)
    return covariance @ simulator.slopes.T @ precision @ (simulator.observed - simulator.level), covariance


# --- the posterior ---


def test_the_sampler_gives_the_exact_posterior_of_a_linear_normal_model():
    calibration = spec(posterior={"particles": 800, "runs": 12_000})
    simulator = Linear(calibration)
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    sampled = smc.sample(simulator, criterion)
    unit, weights = smc.adjusted(sampled, criterion)
    mean, covariance = exact(simulator)
    assert weights @ unit == pytest.approx(mean, abs=0.012)
    spread = np.sqrt(weights @ (unit - weights @ unit) ** 2)
    assert spread == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.15)
    low, _, high = smc.intervals(unit, weights)
    assert high - low == pytest.approx(2 * 1.645 * np.sqrt(np.diag(covariance)), rel=0.15)
    tolerances = [generation.tolerance for generation in sampled.generations]
    assert all(a > b for a, b in zip(tolerances, tolerances[1:], strict=False))
    assert sampled.runs == sum(generation.proposed for generation in sampled.generations)


def test_the_posterior_equals_the_prior_where_the_data_are_uninformative():
    priors = {"task_value": {"low": 1, "high": 5, "centre": 2, "sd": 0.5}, "consumer_value": {"low": 0.5, "high": 2}}

    class Silent(Linear):
        slopes = np.array([[0.0, 0.0], [0.0, 0.8], [0.0, -0.6]])

    simulator = Silent(spec(priors, posterior={"particles": 1500, "runs": 9_000}))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    last = smc.sample(simulator, criterion).last
    centre, sd = simulator.spec.priors["task_value"].bell
    mean = last.weights @ last.unit[:, 0]
    assert mean == pytest.approx(centre, abs=0.02)
    assert np.sqrt(last.weights @ (last.unit[:, 0] - mean) ** 2) == pytest.approx(sd, rel=0.1)


def test_the_sampler_is_reproducible_and_uses_no_seed_twice():
    calibration = spec(posterior={"particles": 60, "runs": 400})
    seen = []

    class Watched(Linear):
        def _simulate(self, theta, seeds):
            seen.extend(seeds.tolist())
            return super()._simulate(theta, seeds)

    criterion = Criterion.of(Linear(calibration).observed, 0.02**2 * np.eye(3), Linear(calibration).errors)
    a, b = smc.sample(Watched(calibration), criterion), smc.sample(Linear(calibration), criterion)
    assert a.last.unit == pytest.approx(b.last.unit, abs=0)
    assert len(seen) == len(set(seen))


def test_runs_with_an_undefined_moment_are_counted_and_never_accepted():
    class Holed(Linear):
        def _simulate(self, theta, seeds):
            moments = super()._simulate(theta, seeds)
            moments[self.spec.to_unit(theta)[:, 0] > 0.6] = np.nan
            return moments

    simulator = Holed(spec(posterior={"particles": 100, "runs": 600}))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    sampled = smc.sample(simulator, criterion)
    assert sampled.generations[0].undefined > 0
    assert (sampled.last.unit[:, 0] <= 0.6).all()
    unit, _ = smc.adjusted(sampled, criterion)
    assert np.isfinite(unit).all()


def test_the_sampler_stops_when_its_budget_is_spent():
    calibration = spec(posterior={"particles": 100, "runs": 400})
    simulator = Linear(calibration)
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    sampled = smc.sample(simulator, criterion)
    assert len(sampled.generations) > 1 and sampled.runs <= 400
    assert simulator.runs <= 2 * 400


def test_the_file_name_of_stored_moments_depends_on_everything_that_determines_them():
    keys = set()
    for calibration in (
        spec(),
        spec(months=31),
        spec(scenario="no_r1"),
        spec(fixed={"habit_rate": 0.5}),
        Calibration(**{**spec().model_dump(), "observed": {}}),
        Calibration(
            **{
                **spec().model_dump(),
                "observed": {"open_discount": {"value": 0.5, "error": 0.1, "known": "2025-01-01", "scale": "log"}},
            }
        ),
    ):
        keys.add(Linear(calibration)._key(np.tile(calibration.start, (3, 1)), np.arange(3)))
    assert len(keys) == 5  # the second last has the same moments as the first, but other data


def test_own_data_use_the_scale_of_the_targets_table():
    own = {"return_sd": {"value": 0.05, "error": 0.1, "known": "2025-01-01"}}
    calibration = spec(moments=("return_sd", *MOMENTS), errors=(0.1,) * 4, values=(0.05, 0.6, 0.2, 0.65))
    assert calibration.data["return_sd"].scale == "log"
    assert Linear.__mro__[1](Calibration(**{**calibration.model_dump(), "observed": own})).observed[0] == pytest.approx(
        np.log(0.05)
    )


def test_draws_have_the_weights_of_particles():
    unit = np.array([[0.1], [0.5], [0.9]])
    picked = smc.draws(unit, np.array([0.2, 0.5, 0.3]), 1000, seed=1)[:, 0]
    assert len(set(picked[:20])) == 3  # in random order: the first few are different particles
    assert [(picked == u).mean() for u in (0.1, 0.5, 0.9)] == pytest.approx([0.2, 0.5, 0.3], abs=0.002)


def test_posterior_intervals_have_about_their_nominal_coverage():
    simulator_spec = spec(posterior={"particles": 100, "runs": 400})
    import abm.calibration.recovery as module

    original = module.Simulator
    module.Simulator = Linear
    try:
        result = recover(
            simulator_spec, None, data_sets=30, first=800, budget=Posterior(particles=150, quantile=0.1, runs=1_800)
        )
    finally:
        module.Simulator = original
    assert result.generations.min() >= 1  # the sampler itself is judged, not draws from the prior alone
    assert result.nearest.max() < 0.3
    assert result.inside.mean() >= 0.8
    assert result.inside.mean() <= 0.99  # not wider than necessary
    assert (result.table()["correlation"] > 0.8).all()


# --- identification and prediction ---


def test_profiles_rise_where_a_parameter_matters_and_pairs_are_named():
    priors = {name: {"low": 1, "high": 5} for name in ("task_value", "adoption_imitation", "menu_cost")}

    class Twins(Linear):
        slopes = np.array([[1.0, 0.99, 0.0], [0.5, 0.51, 0.0], [0.3, 0.3, 0.0], [0.0, 0.0, 0.0]])
        level = np.array([0.1, -0.3, 0.9, 0.5])

    more = dict(moments=(*MOMENTS, "vendor_margin_fy25q4"), errors=(0.05,) * 4, values=(0.6, 0.2, 0.65, 0.5))
    simulator = Twins(spec(priors, profile_points=5, **more))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(4), simulator.errors)
    theta = simulator.spec.from_unit(np.array([0.25, 0.25, 0.5]))
    result = identify(simulator, criterion, theta, simulator.slopes, np.arange(40))
    (pair,) = result.pairs.itertuples()
    assert {pair.first, pair.second} == {"task_value", "adoption_imitation"}
    assert pair.collinearity > 10
    silent = result.parameters.loc["menu_cost"]
    assert silent["rises_below"] == silent["rises_above"] == "no"
    assert result.together > 10 and set(result.weakest) == {"task_value", "adoption_imitation"}
    alone = Linear(spec())
    best, _ = exact(alone)
    criterion = Criterion.of(alone.observed, alone.noise**2 * np.eye(3), alone.errors)
    result = identify(alone, criterion, alone.spec.from_unit(best), alone.slopes, np.arange(40))
    assert not len(result.pairs)
    assert (result.parameters["rises_above"] == "yes").all() and result.together < 3
    assert result.profile.min() >= 0


def test_an_undefined_point_of_a_profile_does_not_affect_the_others():
    class Holed(Linear):
        def _simulate(self, theta, seeds):
            moments = super()._simulate(theta, seeds)
            moments[self.spec.to_unit(theta)[:, 0] > 0.9, 0] = np.nan
            return moments

    finite = []

    class Watched(Holed):
        def __call__(self, theta, seeds):
            finite.append(np.isfinite(theta).all())
            return super().__call__(theta, seeds)

    simulator = Watched(spec(profile_points=5))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    best, _ = exact(simulator)
    result = identify(simulator, criterion, simulator.spec.from_unit(best), simulator.slopes, np.arange(40))
    assert all(finite)  # no parameter is moved to an undefined position
    assert np.isinf(result.profile[0, -1]) and np.isfinite(result.profile[0, :-1]).all()


def test_a_profile_is_the_distance_minimised_over_the_other_parameters():
    simulator = Linear(spec(profile_points=5))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    best, covariance = exact(simulator)
    result = identify(simulator, criterion, simulator.spec.from_unit(best), simulator.slopes, np.arange(400))
    wanted = (result.grid[1] - best[1]) ** 2 / covariance[1, 1]
    interior = wanted < 30  # further out the other parameter meets the end of its range
    assert result.profile[1][interior] == pytest.approx(wanted[interior], rel=0.1, abs=0.2)


def test_the_predictive_band_includes_measurement_error():
    simulator = Linear(spec())
    best, _ = exact(simulator)
    thetas = np.tile(simulator.spec.from_unit(best), (4000, 1))
    table = bands(simulator, thetas, np.arange(4000))
    width = (table["high"] - table["low"]).to_numpy()
    assert width == pytest.approx(2 * 1.645 * np.sqrt(0.05**2 + 0.02**2), rel=0.05)
    assert table["inside"].all()
