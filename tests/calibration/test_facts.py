"""Comparison of the model with observed moments."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.calibration import fit_table
from abm.data import targets


def target(name):
    return targets().loc[name]


def test_a_typical_history_has_a_large_p_value():
    draws = 0.65 + 0.03 * np.random.default_rng(1).normal(size=400)
    assert fit_table.predictive_p_value(draws, target("closed_margin_before_r1")) > 0.5
    assert fit_table.predictive_p_value(draws + 1, target("closed_margin_before_r1")) == pytest.approx(2 / 401)


def test_p_values_are_uniform_under_the_model():
    rng = np.random.default_rng(2)
    row = target("closed_margin_before_r1").copy()
    result = []
    for _ in range(400):
        row["value"] = rng.normal()
        result.append(fit_table.predictive_p_value(rng.normal(size=199), row))
    assert np.mean(np.array(result) <= 0.1) == pytest.approx(0.1, abs=0.04)


def test_a_bound_counts_the_runs_that_meet_it():
    assert fit_table.is_bound(target("sign_power")) and fit_table.is_bound(target("return_excess_kurtosis"))
    assert not fit_table.is_bound(target("vendor_return_day0"))
    assert fit_table.predictive_p_value(np.array([2.0, 4.0, 5.0, np.nan]), target("return_excess_kurtosis")) == 2 / 3
    assert fit_table.predictive_p_value(np.array([-0.1, -0.2, 0.1, -0.3]), target("sign_power")) == 0.75


def test_a_moment_that_no_run_defines_has_no_p_value():
    assert np.isnan(fit_table.predictive_p_value(np.array([np.nan]), target("vendor_return_day0")))


def test_moments_on_a_log_scale_have_a_geometric_mean():
    mean, error = fit_table.mean_of(np.array([1.0, 4.0]), True)
    assert mean == pytest.approx(2.0)
    assert error == pytest.approx(2.0 * np.log(4) / 2)
    assert fit_table.mean_of(np.array([1.0, 4.0]), False)[0] == pytest.approx(2.5)


def test_a_band_includes_measurement_error_and_excludes_undefined_histories():
    row = target("closed_margin_before_r1")
    draws = 0.65 + 0.02 * np.random.default_rng(3).normal(size=4000)
    result = fit_table.band(np.append(draws, np.nan), row, 1)
    assert result["band_high"] - result["band_low"] == pytest.approx(2 * 1.645 * np.hypot(0.02, 0.05), rel=0.05)
    assert result["inside"] and result["undefined_draws"] == 1
    assert np.isnan(fit_table.band(draws, target("return_acf1"), 1)["band_low"])


def test_few_histories_have_neither_band_nor_p_value():
    row = target("closed_margin_before_r1")
    draws = 0.65 + 0.02 * np.random.default_rng(4).normal(size=400)
    for number, undefined in ((fit_table.LEAST - 1, 0), (400, 361)):
        values = np.where(np.arange(number) < undefined, np.nan, draws[:number])
        result = fit_table.band(values, row, 1)
        assert np.isnan([result["band_low"], result["p_value"], result["inside"]]).all()
        assert result["undefined_draws"] == undefined
    assert fit_table.band(draws[: fit_table.LEAST], row, 1)["inside"]
    assert np.isnan(fit_table.band(draws[:3], target("sign_power"), 1)["p_value"])


def test_a_moment_without_a_band_is_counted():
    """A moment that could have a band must not be dropped from the sentence."""
    names = ["open_discount", "open_lag_2023", "sign_power"]
    inside = [True, np.nan, np.nan]
    table = pd.DataFrame({"target": names, "inside": inside, "runs": 400})
    assert fit_table.inside_band(table).startswith(
        "1 of the 2 moments of the fit (1 without a band), and 0 of 0 others, lie"
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (25.1509, 5, 25, "25.2"),
        (0.000056, -0.15, 0, "0.000056"),
        (14.08, 18.75, 75, "14"),
        (-0.1504, -0.15, 0, "−0.1504"),
    ],
)
def test_a_missed_target_is_not_rounded_into_its_bounds(value, low, high, shown):
    path = Path(__file__).parents[2] / "docs" / "fill_results.py"
    spec = importlib.util.spec_from_file_location("fill_results", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.outside(value, low, high) == shown
