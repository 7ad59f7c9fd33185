"""The criterion, its search and its derivatives, against cases whose answers are known."""

import sys

import numpy as np
import pytest
from helpers.calibration import MOMENTS, SMALL_FIT, Linear, spec
from typer.testing import CliRunner

from abm.calibration import Calibration, Simulator, Undefined
from abm.calibration.criterion import Criterion
from abm.calibration.refinement import gauss_newton
from abm.calibration.search import objective, search
from abm.cli.app import app

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


def test_a_moment_without_any_spread_is_refused():
    with pytest.raises(ValueError, match="weight is infinite"):
        Criterion.of(np.zeros(2), np.diag([1.0, 0.0]), np.zeros(2))


def test_an_undefined_moment_is_named_with_its_seed_and_parameters():
    class Holed(Linear):
        def _simulate(self, theta, seeds):
            moments = super()._simulate(theta, seeds)
            moments[np.asarray(seeds) == 7, 1] = np.nan
            return moments

    with pytest.raises(Undefined, match="open_token_share_2024 at seed 7 with task_value = 3, consumer_value = 1.25"):
        Criterion.at(Holed(spec()), np.array([3.0, 1.25]), np.arange(10))


# --- search ---


def test_the_search_finds_the_minimum_of_the_criterion():
    simulator = Linear(spec(search={"generations": 60, "seeds": 40, "population": 12}))
    criterion = Criterion.at(simulator, simulator.spec.start, np.arange(500, 700))
    result = search(simulator, criterion, simulator.spec.start)
    weights = criterion.root.T @ criterion.root
    means = simulator.means(result.theta[None], np.arange(40))[0]
    best = np.linalg.solve(
        simulator.slopes.T @ weights @ simulator.slopes,
        simulator.slopes.T
        @ weights
        @ (criterion.observed - (means - simulator.slopes @ simulator.spec.to_unit(result.theta))),
    )
    assert simulator.spec.to_unit(result.theta) == pytest.approx(best, abs=2e-3)
    assert (np.diff(result.history) <= 0).all()


def test_an_interrupted_search_resumes_to_the_same_result(tmp_path):
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

    calibration = spec(search={"generations": 30, "seeds": 5, "population": 8})
    criterion = Criterion.at(Linear(calibration), calibration.start, np.arange(50))
    whole = search(Linear(calibration), criterion, calibration.start)
    with pytest.raises(KeyboardInterrupt):
        search(Stopping(calibration, tmp_path), criterion, calibration.start)
    again = search(Counting(calibration, tmp_path), criterion, calibration.start)
    assert again.theta == pytest.approx(whole.theta, abs=0)
    assert 0 < Counting.calls < len(whole.history) + 3 - 20


def test_a_damaged_file_is_simulated_again(tmp_path):
    calibration = spec()
    theta, seeds = np.tile(calibration.start, (4, 1)), np.arange(4)
    first = Linear(calibration, tmp_path)(theta, seeds)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"not numpy")
    assert Linear(calibration, tmp_path)(theta, seeds) == pytest.approx(first, abs=0)


def test_a_single_parameter_is_searched_on_a_grid():
    class Single(Linear):
        slopes = np.array([[1.0], [0.5], [0.0]])

    calibration = spec({"task_value": {"low": 1, "high": 5}}, search={"seeds": 30})
    simulator = Single(calibration)
    criterion = Criterion.at(simulator, calibration.start, np.arange(100))
    result = search(simulator, criterion, calibration.start)
    fine = np.linspace(0, 1, 2001)[:, None]
    values = objective(simulator, criterion, fine, np.arange(30))
    assert calibration.to_unit(result.theta)[0] == pytest.approx(fine[values.argmin(), 0], abs=2e-3)


def test_one_gauss_newton_step_solves_a_linear_case_with_its_prior():
    priors = {
        "task_value": {"low": 1, "high": 5, "centre": 2, "sd": 0.4},
        "consumer_value": {"low": 0.5, "high": 2},
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


# --- derivatives through the run ---


@pytest.mark.slow
def test_moments_are_differentiated_through_the_whole_run():
    from abm.calibration import derivatives

    priors = {
        "diagnostic_weight": {"low": 0.5, "high": 4, "scale": "log"},
        "power_leverage": {"low": 0.8, "high": 5, "scale": "log"},
        "leader_lock_in": {"low": 1, "high": 3.5},
        "substitution": {"low": 8, "high": 40, "scale": "log"},
    }
    moments = (*MOMENTS, "vendor_return_day0", "power_return_day0", "vendor_margin_fy25q4", "datacenter_revenue_fy25q4")
    calibration = Calibration(name="smooth", data_to="2025-06-30", moments=moments, priors=priors)
    compared = derivatives.compare(Simulator(calibration), calibration.start, np.arange(16))
    assert {derivative.moment for derivative in compared} == set(moments) - {"open_discount"}
    for derivative in compared:
        assert np.isfinite(derivative.automatic).all()
    assert np.mean([derivative.confirmed.mean() for derivative in compared]) > 0.5
    by_name = {derivative.moment: derivative for derivative in compared}
    exactly = by_name["power_return_day0"]
    assert exactly.automatic[1] == pytest.approx(exactly.differences[1], rel=0.02)
    assert by_name["vendor_margin_fy25q4"].automatic[2] == pytest.approx(
        by_name["vendor_margin_fy25q4"].differences[2], rel=0.02
    )


@pytest.mark.slow
def test_a_fit_from_file_to_report_is_reproducible(tmp_path, monkeypatch):
    steps = sys.modules["abm.calibration.calibrate"]
    for name, runs in {"PILOT": 60, "REFINING": 8, "JUDGING": 20}.items():  # the steps of a fit on fewer histories
        monkeypatch.setattr(steps, name, getattr(steps, name)[:runs])
    monkeypatch.setattr(steps, "DRAWS", 60)
    path, out = tmp_path / "small.toml", tmp_path / "out"
    path.write_text(SMALL_FIT)
    first = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert first.exit_code == 0, first.output
    assert "of 4 moments inside" in first.output
    names = ["estimates.csv", "moments.csv", "profiles.csv", "derivatives.csv", "draws.csv", "fit.json", "report.md"]
    before = {name: (out / name).read_bytes() for name in names}
    stored = {entry.name for entry in (out / "simulated").iterdir()}
    again = CliRunner().invoke(app, ["calibrate", str(path), "--out", str(out)])
    assert again.exit_code == 0
    assert {name: (out / name).read_bytes() for name in names} == before
    assert {entry.name for entry in (out / "simulated").iterdir()} == stored
    page = (out / "report.md").read_text()
    assert "particles are effective (Kish). Of the 60 stored draws" in page
    assert f"Written by `abm calibrate {path}`" in page
    refused = CliRunner().invoke(app, ["calibrate", str(path), "--store", "--out", str(out)])
    assert refused.exit_code == 2 and "built-in fits" in refused.stderr
