"""The sampler, profiles and predictive bands, against cases whose answers are known."""

import numpy as np
import pytest

from abm.calibration import Calibration, Simulator
from abm.calibration import posterior as smc
from abm.calibration.criterion import Criterion
from abm.calibration.identification import identify
from abm.calibration.predictive import bands
from abm.calibration.recovery import recover
from abm.calibration.spec import Posterior

MOMENTS = ("open_discount", "open_token_share_2024", "closed_margin_before_r1")


def spec(priors=None, moments=MOMENTS, errors=(0.05, 0.05, 0.05), values=(0.6, 0.2, 0.65), **more):
    priors = priors or {"closed_trust": {"low": 1, "high": 5}, "quality_taste": {"low": 0.5, "high": 2}}
    observed = {
        n: {"value": v, "error": e, "known": "2025-06-30"} for n, v, e in zip(moments, values, errors, strict=True)
    }
    return Calibration(name="toy", data_to="2025-06-30", moments=moments, priors=priors, observed=observed, **more)


class Linear(Simulator):
    """Moments A u + b + noise of a seed, with u the positions: every answer is known in closed form."""

    slopes = np.array([[1.0, 0.0], [0.5, 0.8], [0.0, -0.6]])
    level = np.array([0.1, -0.3, 0.9])
    noise = 0.02

    def _simulate(self, theta, seeds):
        shocks = np.array([np.random.default_rng(int(s)).standard_normal(len(self.level)) for s in seeds])
        return self.spec.to_unit(theta) @ self.slopes.T + self.level + self.noise * shocks


def exact(simulator):
    """Posterior mean and covariance of the positions under uniform priors that do not bind."""
    precision = np.diag(1 / (simulator.errors**2 + simulator.noise**2))
    covariance = np.linalg.inv(simulator.slopes.T @ precision @ simulator.slopes)
    return covariance @ simulator.slopes.T @ precision @ (simulator.observed - simulator.level), covariance


# --- the posterior ---


def test_the_sampler_gives_the_exact_posterior_of_a_linear_normal_model():
    one = spec(posterior={"particles": 800, "runs": 12_000})
    simulator = Linear(one)
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    sampled = smc.sample(simulator, criterion)
    unit, weights = smc.adjusted(sampled, criterion)
    mean, covariance = exact(simulator)
    assert weights @ unit == pytest.approx(mean, abs=0.012)
    spread = np.sqrt(weights @ (unit - weights @ unit) ** 2)
    assert spread == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.15)
    low, _, high = smc.intervals(unit, weights)
    assert high - low == pytest.approx(2 * 1.645 * np.sqrt(np.diag(covariance)), rel=0.15)
    tolerances = [one.tolerance for one in sampled.generations]
    assert all(a > b for a, b in zip(tolerances, tolerances[1:], strict=False))
    assert sampled.runs == sum(one.proposed for one in sampled.generations)


def test_weights_give_the_prior_back_where_the_data_say_nothing():
    priors = {"closed_trust": {"low": 1, "high": 5, "centre": 2, "sd": 0.5}, "quality_taste": {"low": 0.5, "high": 2}}

    class Silent(Linear):
        slopes = np.array([[0.0, 0.0], [0.0, 0.8], [0.0, -0.6]])

    simulator = Silent(spec(priors, posterior={"particles": 1500, "runs": 9_000}))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    last = smc.sample(simulator, criterion).last
    centre, sd = simulator.spec.priors["closed_trust"].bell
    mean = last.weights @ last.unit[:, 0]
    assert mean == pytest.approx(centre, abs=0.02)
    assert np.sqrt(last.weights @ (last.unit[:, 0] - mean) ** 2) == pytest.approx(sd, rel=0.1)


def test_the_sampler_repeats_itself_and_no_seed_serves_twice():
    one = spec(posterior={"particles": 60, "runs": 400})
    seen = []

    class Watched(Linear):
        def _simulate(self, theta, seeds):
            seen.extend(seeds.tolist())
            return super()._simulate(theta, seeds)

    criterion = Criterion.of(Linear(one).observed, 0.02**2 * np.eye(3), Linear(one).errors)
    a, b = smc.sample(Watched(one), criterion), smc.sample(Linear(one), criterion)
    assert a.last.unit == pytest.approx(b.last.unit, abs=0)
    assert len(seen) == len(set(seen))


def test_runs_with_an_undefined_moment_are_counted_and_never_kept():
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


def test_a_budget_that_is_spent_ends_the_sampler_with_what_it_has():
    one = spec(posterior={"particles": 100, "runs": 400})
    simulator = Linear(one)
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    sampled = smc.sample(simulator, criterion)
    assert len(sampled.generations) > 1 and sampled.runs <= 400
    assert simulator.runs <= 2 * 400


def test_what_decides_the_moments_is_in_the_name_they_are_kept_under():
    seen = set()
    for one in (
        spec(),
        spec(months=31),
        spec(scenario="no_r1"),
        spec(fixed={"usage_elasticity": 1.0}),
        Calibration(**{**spec().model_dump(), "observed": {}}),
        Calibration(
            **{
                **spec().model_dump(),
                "observed": {"open_discount": {"value": 0.5, "error": 0.1, "known": "2025-01-01", "scale": "log"}},
            }
        ),
    ):
        seen.add(Linear(one)._key(np.tile(one.start, (3, 1)), np.arange(3)))
    assert len(seen) == 5  # the second last has the same moments as the first, and other data


def test_own_data_are_compared_on_the_scale_of_the_table():
    own = {"return_sd": {"value": 0.05, "error": 0.1, "known": "2025-01-01"}}
    one = spec(moments=("return_sd", *MOMENTS), errors=(0.1,) * 4, values=(0.05, 0.6, 0.2, 0.65))
    assert one.data["return_sd"].scale == "log"
    assert Linear.__mro__[1](Calibration(**{**one.model_dump(), "observed": own})).observed[0] == pytest.approx(
        np.log(0.05)
    )


def test_draws_have_the_weights_of_particles():
    unit = np.array([[0.1], [0.5], [0.9]])
    picked = smc.draws(unit, np.array([0.2, 0.5, 0.3]), 1000, seed=1)[:, 0]
    assert len(set(picked[:20])) == 3  # in random order: who takes a few takes different ones
    assert [(picked == u).mean() for u in (0.1, 0.5, 0.9)] == pytest.approx([0.2, 0.5, 0.3], abs=0.002)


def test_intervals_hold_the_truth_as_often_as_they_say():
    simulator_spec = spec(posterior={"particles": 100, "runs": 400})
    import abm.calibration.recovery as module

    original = module.Simulator
    module.Simulator = Linear
    try:
        found = recover(
            simulator_spec, None, data_sets=30, first=800, budget=Posterior(particles=150, quantile=0.1, runs=1_800)
        )
    finally:
        module.Simulator = original
    assert found.generations.min() >= 1  # the sampler itself is judged, not draws from the prior alone
    assert found.nearest.max() < 0.3
    assert found.inside.mean() >= 0.8
    assert found.inside.mean() <= 0.99  # as wide as they need be, and no wider
    assert (found.table()["correlation"] > 0.8).all()


# --- identification and prediction ---


def test_profiles_rise_where_a_parameter_matters_and_pairs_are_named():
    priors = {name: {"low": 1, "high": 5} for name in ("closed_trust", "switching_cost", "undercut_response")}

    class Twins(Linear):
        slopes = np.array([[1.0, 0.99, 0.0], [0.5, 0.51, 0.0], [0.3, 0.3, 0.0], [0.0, 0.0, 0.0]])
        level = np.array([0.1, -0.3, 0.9, 0.5])

    more = dict(moments=(*MOMENTS, "vendor_margin_fy25q4"), errors=(0.05,) * 4, values=(0.6, 0.2, 0.65, 0.5))
    simulator = Twins(spec(priors, profile_points=5, **more))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(4), simulator.errors)
    theta = simulator.spec.from_unit(np.array([0.25, 0.25, 0.5]))
    found = identify(simulator, criterion, theta, simulator.slopes, np.arange(40))
    (pair,) = found.pairs.itertuples()
    assert {pair.first, pair.second} == {"closed_trust", "switching_cost"}
    assert pair.collinearity > 10
    silent = found.parameters.loc["undercut_response"]
    assert silent["rises_below"] == silent["rises_above"] == "no"
    assert found.together > 10 and set(found.weakest) == {"closed_trust", "switching_cost"}
    alone = Linear(spec())
    best, _ = exact(alone)
    criterion = Criterion.of(alone.observed, alone.noise**2 * np.eye(3), alone.errors)
    found = identify(alone, criterion, alone.spec.from_unit(best), alone.slopes, np.arange(40))
    assert not len(found.pairs)
    assert (found.parameters["rises_above"] == "yes").all() and found.together < 3
    assert found.profile.min() >= 0


def test_a_point_of_a_profile_without_a_number_leaves_the_others_as_they_are():
    class Holed(Linear):
        def _simulate(self, theta, seeds):
            moments = super()._simulate(theta, seeds)
            moments[self.spec.to_unit(theta)[:, 0] > 0.9, 0] = np.nan
            return moments

    asked = []

    class Watched(Holed):
        def __call__(self, theta, seeds):
            asked.append(np.isfinite(theta).all())
            return super().__call__(theta, seeds)

    simulator = Watched(spec(profile_points=5))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    best, _ = exact(simulator)
    found = identify(simulator, criterion, simulator.spec.from_unit(best), simulator.slopes, np.arange(40))
    assert all(asked)  # no parameter is moved to where nothing is
    assert np.isinf(found.profile[0, -1]) and np.isfinite(found.profile[0, :-1]).all()


def test_a_profile_is_the_distance_at_the_best_of_the_other_parameters():
    simulator = Linear(spec(profile_points=5))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    best, covariance = exact(simulator)
    found = identify(simulator, criterion, simulator.spec.from_unit(best), simulator.slopes, np.arange(400))
    wanted = (found.grid[1] - best[1]) ** 2 / covariance[1, 1]
    interior = wanted < 30  # further out the other parameter meets the end of its range
    assert found.profile[1][interior] == pytest.approx(wanted[interior], rel=0.1, abs=0.2)


def test_the_band_of_what_would_be_measured_holds_the_error_of_measurement():
    simulator = Linear(spec())
    best, _ = exact(simulator)
    thetas = np.tile(simulator.spec.from_unit(best), (4000, 1))
    table = bands(simulator, thetas, np.arange(4000))
    width = (table["high"] - table["low"]).to_numpy()
    assert width == pytest.approx(2 * 1.645 * np.sqrt(0.05**2 + 0.02**2), rel=0.05)
    assert table["inside"].all()
