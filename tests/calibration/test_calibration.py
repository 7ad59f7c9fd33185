"""Calibration: specs, criterion, search, sampler, identification, against cases whose answers are known."""

import datetime as dt
import json
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from abm import data
from abm.calibration import Calibration, CalibrationError, Prior, Simulator, Undefined, figures, pages
from abm.calibration import posterior as smc
from abm.calibration.criterion import Criterion
from abm.calibration.identification import identify
from abm.calibration.predictive import bands
from abm.calibration.recovery import recover
from abm.calibration.refinement import gauss_newton
from abm.calibration.search import objective, search
from abm.calibration.spec import Posterior, built_in
from abm.cli.app import app
from abm.mechanisms import demand
from abm.parameters import Parameters

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


# --- what may be asked ---


def test_built_in_calibrations_know_only_what_was_known():
    for name in built_in():
        one = Calibration.load(name)
        known = data.targets().loc[list(one.moments), "known"]
        assert all(dt.date.fromisoformat(day) <= one.data_to for day in known)
        assert len(one.moments) >= 14 and len(one.moments) > len(one.names)
    assert Calibration.load("january_2025").data_to == dt.date(2025, 1, 31)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"moments": ["open_discont"]}, "did you mean 'open_discount'?"),
        ({"moments": ["sign_power"]}, "is a sign or a bound"),
        ({"data_to": "2024-01-01"}, "after data_to 2024-01-01"),
        ({"priors": {"closed_trst": {"low": 1, "high": 2}}}, "did you mean 'closed_trust'?"),
        ({"priors": {"ip_strength": {"low": 0, "high": 1}}}, "policy lever"),
        ({"priors": {"closed_trust": {"low": 2, "high": 1}}}, "must be below"),
        ({"priors": {"closed_trust": {"low": -1, "high": 3, "scale": "log"}}}, "above 0 on a log scale"),
        ({"priors": {"closed_trust": {"low": -100, "high": 3}}}, "the parameter's bounds"),
        ({"priors": {"closed_trust": {"low": 1, "high": 3, "centre": 2}}}, "centre and sd go together"),
        ({"priors": {"closed_trust": {"low": 1, "high": 3, "centre": 5, "sd": 0.1}}}, "must lie between 1 and 3"),
        ({"priors": {"closed_trust": {"low": 1, "high": float("nan")}}}, "finite"),
        ({"fixed": {"closed_trust": 2.0}}, "cannot be fixed and fitted"),
        ({"observed": {"open_discont": {"value": 1, "error": 1, "known": "2025-01-01"}}}, "not among moments"),
        ({"observed": {"open_discount": {"value": 1, "error": 1}}}, "observed.open_discount.known: is missing"),
        ({"observed": {"open_discount": {"value": 1, "error": 1, "known": "2025-07-01"}}}, "after data_to 2025-06-30"),
        (
            {
                "moments": ["return_sd", "open_discount"],
                "observed": {"return_sd": {"value": -1, "error": 1, "known": "2025-01-01"}},
            },
            "has no logarithm",
        ),
        ({"scenario": "basline"}, "did you mean 'baseline'"),
        ({"fixed": {"usage_elasticity": 99.0}}, "must lie between"),
        ({"priors": {"closed_trust": {"low": 1, "high": 3, "centre": 2, "sd": 1e-9}}}, "too small"),
        ({"posterior": {"particles": 100, "runs": 200}}, "four times the particles"),
        ({"self": 1}, "unknown key"),
        ({"serch": {}}, "did you mean 'search'?"),
        ({"search": {"popultion": 3}}, "did you mean 'population'?"),
        ({"months": 29}, "must be at least 30"),
    ],
)
def test_every_fault_is_told(change, says):
    said = {
        "name": "x",
        "data_to": "2025-06-30",
        "moments": ["open_discount", "open_lag_2023"],
        "priors": {"closed_trust": {"low": 1, "high": 5}},
    }
    with pytest.raises(CalibrationError) as caught:
        Calibration(**{**said, **change})
    assert says in str(caught.value)


def test_a_fixed_value_out_of_range_is_told_with_the_other_faults():
    fixed = {"usage_elasticity": 99.0, "ip_strength": 0.5, "closed_trst": 1.0}
    with pytest.raises(CalibrationError) as caught:
        spec(moments=("open_discont", *MOMENTS[1:]), fixed=fixed)
    lines = str(caught.value).split("\n")
    assert (
        "fixed.ip_strength: a policy lever differs by jurisdiction and cannot be fixed here; set it in a scenario"
        in lines
    )
    for says in ("usage_elasticity", "did you mean 'open_discount'?", "did you mean 'closed_trust'?"):
        assert sum(says in line for line in lines) == 1


def test_more_parameters_than_moments_are_refused():
    with pytest.raises(CalibrationError, match="1 for 2 parameters; there must be more"):
        spec(moments=MOMENTS[:1], errors=(0.1,), values=(0.5,))


def test_positions_and_values_are_inverse():
    for prior in (Prior(low=0.5, high=8, scale="log"), Prior(low=-3, high=2)):
        unit = np.linspace(0, 1, 11)
        assert prior.to_unit(prior.from_unit(unit)) == pytest.approx(unit)
    assert Prior(low=0.5, high=8, scale="log").from_unit(0.5) == pytest.approx(2.0)


def test_draws_follow_a_normal_prior_cut_at_its_ends():
    one = spec({"copying_rate": {"low": 2, "high": 6, "scale": "log", "centre": 4, "sd": 0.2}}, search={"seeds": 2})
    values = one.from_unit(one.draw_prior(np.random.default_rng(0), 20_000))[:, 0]
    assert values.min() >= 2 and values.max() <= 6
    assert np.median(np.log(values)) == pytest.approx(np.log(4), abs=0.01)
    density = one.log_prior(one.to_unit(np.array([[4.0], [4 * np.exp(0.2)], [7.0]])))
    assert density[0] - density[1] == pytest.approx(0.5)
    assert density[2] == -np.inf or one.to_unit(np.array([[7.0]]))[0, 0] > 1


# --- the criterion ---


def test_the_criterion_has_as_many_moments_as_its_mean_at_the_truth():
    rng = np.random.default_rng(3)
    spread = np.array([[1.0, 0.6, 0], [0.6, 2.0, 0.1], [0, 0.1, 0.5]])
    errors = np.array([0.5, 0.0, 1.0])
    criterion = Criterion.of(np.array([1.0, 2.0, 3.0]), spread, errors)
    histories = rng.multivariate_normal(criterion.observed, spread + np.diag(errors**2), 40_000)
    assert criterion(histories).mean() == pytest.approx(3, rel=0.02)
    assert np.isinf(criterion(np.array([[1.0, np.nan, 3.0]])))
    assert criterion.deviations(criterion.observed + [0, np.sqrt(2), 0]) == pytest.approx([0, 1, 0])


def test_a_moment_without_any_spread_has_no_weight():
    with pytest.raises(ValueError, match="no weight"):
        Criterion.of(np.zeros(2), np.diag([1.0, 0.0]), np.zeros(2))


def test_an_undefined_moment_is_named_with_its_seed_and_parameters():
    class Holed(Linear):
        def _simulate(self, theta, seeds):
            moments = super()._simulate(theta, seeds)
            moments[np.asarray(seeds) == 7, 1] = np.nan
            return moments

    with pytest.raises(Undefined, match="open_token_share_2024 at seed 7 with closed_trust = 3, quality_taste = 1.25"):
        Criterion.at(Holed(spec()), np.array([3.0, 1.25]), np.arange(10))


# --- search ---


def test_the_search_finds_the_minimum_of_the_criterion():
    simulator = Linear(spec(search={"generations": 60, "seeds": 40, "population": 12}))
    criterion = Criterion.at(simulator, simulator.spec.start, np.arange(500, 700))
    found = search(simulator, criterion, simulator.spec.start)
    weights = criterion.root.T @ criterion.root
    means = simulator.means(found.theta[None], np.arange(40))[0]
    best = np.linalg.solve(
        simulator.slopes.T @ weights @ simulator.slopes,
        simulator.slopes.T
        @ weights
        @ (criterion.observed - (means - simulator.slopes @ simulator.spec.to_unit(found.theta))),
    )
    assert simulator.spec.to_unit(found.theta) == pytest.approx(best, abs=2e-3)
    assert (np.diff(found.history) <= 0).all()


def test_a_search_stopped_and_begun_again_ends_where_it_would_have(tmp_path):
    class Stopping(Linear):
        left = 25

        def _simulate(self, theta, seeds):
            Stopping.left -= 1
            if not Stopping.left:
                raise KeyboardInterrupt
            return super()._simulate(theta, seeds)

    class Counting(Linear):
        calls = 0

        def _simulate(self, theta, seeds):
            Counting.calls += 1
            return super()._simulate(theta, seeds)

    one = spec(search={"generations": 30, "seeds": 5, "population": 8})
    criterion = Criterion.at(Linear(one), one.start, np.arange(50))
    whole = search(Linear(one), criterion, one.start)
    with pytest.raises(KeyboardInterrupt):
        search(Stopping(one, tmp_path), criterion, one.start)
    again = search(Counting(one, tmp_path), criterion, one.start)
    assert again.theta == pytest.approx(whole.theta, abs=0)
    assert 0 < Counting.calls < len(whole.history) + 3 - 20


def test_a_damaged_file_is_simulated_again(tmp_path):
    one = spec()
    theta, seeds = np.tile(one.start, (4, 1)), np.arange(4)
    first = Linear(one, tmp_path)(theta, seeds)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"not numpy")
    assert Linear(one, tmp_path)(theta, seeds) == pytest.approx(first, abs=0)


def test_one_parameter_alone_is_searched_on_a_grid():
    class Single(Linear):
        slopes = np.array([[1.0], [0.5], [0.0]])

    one = spec({"closed_trust": {"low": 1, "high": 5}}, search={"seeds": 30})
    simulator = Single(one)
    criterion = Criterion.at(simulator, one.start, np.arange(100))
    found = search(simulator, criterion, one.start)
    fine = np.linspace(0, 1, 2001)[:, None]
    values = objective(simulator, criterion, fine, np.arange(30))
    assert one.to_unit(found.theta)[0] == pytest.approx(fine[values.argmin(), 0], abs=2e-3)


def test_one_gauss_newton_step_solves_a_linear_case_with_its_prior():
    priors = {
        "closed_trust": {"low": 1, "high": 5, "centre": 2, "sd": 0.4},
        "quality_taste": {"low": 0.5, "high": 2},
    }
    simulator = Linear(spec(priors))
    criterion = Criterion.of(simulator.observed, simulator.noise**2 * np.eye(3), simulator.errors)
    unit = np.array([0.5, 0.5])
    moved = unit + gauss_newton(
        simulator.spec, criterion, unit, simulator.slopes @ unit + simulator.level, simulator.slopes
    )
    weights = criterion.root.T @ criterion.root
    precision, centre = np.array([100.0, 0.0]), np.array([0.25, 0.0])
    wanted = np.linalg.solve(
        simulator.slopes.T @ weights @ simulator.slopes + np.diag(precision),
        simulator.slopes.T @ weights @ (simulator.observed - simulator.level) + precision * centre,
    )
    assert moved == pytest.approx(wanted, abs=1e-6)


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


# --- from the command line, and what is stored ---


def test_a_wrong_file_is_told_in_a_line(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(
        'data_to = 2025-06-30\nmoments = ["open_discont"]\n[priors]\nclosed_trust = { low = 1, high = 2 }\n'
    )
    for what, says in ((str(path), "did you mean 'open_discount'?"), ("june_2052", "built in: ")):
        result = CliRunner().invoke(app, ["calibrate", what, "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert says in result.stderr and "Traceback" not in result.stderr


def test_results_of_another_spec_are_not_mixed_with_new_ones(tmp_path):
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)
    out.mkdir()
    (out / "fit.json").write_text(json.dumps({"spec_hash": Calibration.load(path).hash}))
    assert pages.of_another(Calibration.load(path), out) == ""
    assert pages.of_another(Calibration.load(path), tmp_path) == ""
    path.write_text(SMALL_FIT.replace("generations = 3", "generations = 4"))
    for more in ([], ["--recover", "3"]):
        result = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out), *more])
        assert (result.exit_code, result.stdout) == (2, "")
        said = f"abm: {out / 'fit.json'}: is of another spec than small is now; choose another folder, or delete this file\n"
        assert result.stderr == said
    (out / "fit.json").write_text("[")
    assert pages.of_another(Calibration.load(path), out)


def test_ctrl_c_says_how_many_runs_are_kept(tmp_path, monkeypatch):
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)

    def stop(*_):
        one = spec()
        Linear(one, out / "simulated")(np.tile(one.start, (1000, 1)), np.arange(1000))
        (out / "simulated" / "jacobian-x.npy").write_bytes(b"")
        (out / "simulated" / f"{'x' * 24}.npy").write_bytes(b"not numpy")
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["abm.calibration.calibrate"], "calibrate", stop)
    result = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert result.exit_code == 130
    said = f"abm: stopped; 1,000 runs are kept in {out / 'simulated'}; run it again to go on"
    assert result.stderr.splitlines()[-1] == said


def test_a_file_where_runs_should_be_kept_is_told_in_a_line(tmp_path):
    (tmp_path / "simulated").touch()
    result = CliRunner().invoke(app, ["calibrate", "june_2025", "--out", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    where = tmp_path / "simulated"
    assert result.stderr == f"abm: --out {where}: cannot be written (a file is in the way); choose another folder\n"


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ([9.0], "ended with its generations"),
        ([9.0, 7.5, 7.0], "ended with its generations, 2.00 better in the last 2"),
        ([30.0, *range(20, 9, -1)], "ended with its generations, 10.00 better in the last ten"),
    ],
)
def test_the_report_says_what_the_last_generations_brought(history, says):
    outcome = SimpleNamespace(search=SimpleNamespace(history=np.array(history, float), settled=False))
    assert pages._ended(outcome) == says


def test_dotted_and_dashed_lines_are_explained():
    one = spec(profile_points=3)
    found = SimpleNamespace(grid=np.tile([0.0, 0.5, 1.0], (2, 1)), profile=np.ones((2, 3)), rise=2.7)
    draws = one.from_unit(np.random.default_rng(0).random((50, 2)))
    outcome = SimpleNamespace(spec=one, identification=found, theta=one.start, draws=draws)
    for draw, dashed in ((figures.profiles, "rise of 2.7: end of a 90 % interval"), (figures.posterior, "prior")):
        (legend,) = draw(outcome).legends
        said = {
            text.get_text(): line.get_linestyle()
            for text, line in zip(legend.get_texts(), legend.get_lines(), strict=False)
        }
        assert (said["estimate"], said[dashed]) == (":", "--")


def test_stored_fits_are_what_the_model_and_its_sweeps_take():
    for name in data.fits():
        rows, table, asked = data.fit(name), data.draws(name), Calibration.load(name)
        assert tuple(rows) == tuple(table.columns) == asked.names
        for parameter, row in rows.items():
            prior = asked.priors[parameter]
            assert prior.low <= row["low"] <= row["median"] <= row["high"] <= prior.high
            assert prior.low <= row["estimate"] <= prior.high
            assert table[parameter].between(prior.low * 0.999, prior.high * 1.001).all()
            assert row["data_to"] == asked.data_to.isoformat()
    defaults = Parameters()
    for parameter, row in data.fit("june_2025").items():
        assert getattr(defaults, parameter) == row["estimate"]
    with pytest.raises(ValueError, match="did you mean 'june_2025'"):
        data.fit("june_2024")


# --- derivatives through the run ---


def test_composite_rivals_have_derivatives_where_products_are_missing():
    available = jnp.array([True, False, True, False])
    utility = jnp.array([1.0, -jnp.inf, 0.5, 2.0])

    def total(rho):
        same, other = demand.rivals_as_one(utility, available, (0, 1, 2, 3), (0, 0, 1, 1), rho)
        return jnp.where(jnp.isfinite(same), same, 0.0).sum() + jnp.where(jnp.isfinite(other), other, 0.0).sum()

    with jax.enable_x64(True):
        slope = float(jax.jvp(total, (0.3,), (1.0,))[1])
        wanted = float(total(0.3 + 1e-6) - total(0.3 - 1e-6)) / 2e-6
    assert slope == pytest.approx(wanted, rel=1e-6)


@pytest.mark.slow
def test_moments_are_differentiated_through_the_whole_run():
    from abm.calibration import derivatives

    priors = {
        "diagnostic_weight": {"low": 0.5, "high": 4, "scale": "log"},
        "power_leverage": {"low": 0.8, "high": 5, "scale": "log"},
        "leader_lock_in": {"low": 1, "high": 3.5},
        "enterprise_sensitivity": {"low": 0.2, "high": 0.8, "scale": "log"},
    }
    moments = (*MOMENTS, "vendor_return_day0", "power_return_day0", "vendor_margin_fy25q4", "datacenter_revenue_fy25q4")
    one = Calibration(name="smooth", data_to="2025-06-30", moments=moments, priors=priors)
    compared = derivatives.compare(Simulator(one), one.start, np.arange(40))
    assert {each.moment for each in compared} == set(moments) - {"open_discount"}
    for each in compared:
        assert np.isfinite(each.automatic).all()
    assert np.mean([each.confirmed.mean() for each in compared]) > 0.5
    by_name = {each.moment: each for each in compared}
    exactly = by_name["power_return_day0"]
    assert exactly.automatic[1] == pytest.approx(exactly.differences[1], rel=0.02)
    assert by_name["vendor_margin_fy25q4"].automatic[2] == pytest.approx(
        by_name["vendor_margin_fy25q4"].differences[2], rel=0.02
    )


SMALL_FIT = """
data_to = 2025-06-30
moments = ["open_discount", "closed_margin_before_r1", "vendor_return_day0", "power_return_day0"]
profile_seeds = 4
profile_points = 3

[priors]
enterprise_sensitivity = { low = 0.2, high = 0.8, scale = "log" }
power_leverage = { low = 0.8, high = 5, scale = "log" }

[search]
population = 4
generations = 3
seeds = 4

[posterior]
particles = 30
runs = 240
"""


@pytest.mark.slow
def test_a_fit_from_its_file_to_its_report_and_again(tmp_path):
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)
    first = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert first.exit_code == 0, first.output
    assert "of 4 moments inside" in first.output
    names = ["estimates.csv", "moments.csv", "profiles.csv", "derivatives.csv", "draws.csv", "fit.json", "report.md"]
    before = {name: (out / name).read_bytes() for name in names}
    kept = {each.name for each in (out / "simulated").iterdir()}
    again = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert again.exit_code == 0
    assert {name: (out / name).read_bytes() for name in names} == before
    assert {each.name for each in (out / "simulated").iterdir()} == kept
    page = (out / "report.md").read_text()
    assert "particles are effective (Kish). Of the 400 stored draws" in page
    assert f"Written by `abm calibrate {path}`" in page
    refused = CliRunner().invoke(app, ["calibrate", str(path), "--store", "--out", str(out)])
    assert refused.exit_code == 2 and "the package's own fits" in refused.stderr
