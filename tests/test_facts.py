"""How the model is compared with what was observed."""

import numpy as np
import pytest

from abm.analysis import fit_table as facts
from abm.data import targets


def target(name):
    return targets().loc[name]


def test_a_history_like_the_models_is_no_surprise():
    draws = 0.65 + 0.03 * np.random.default_rng(1).normal(size=400)
    assert facts.predictive_p_value(draws, target("closed_margin_before_r1")) > 0.5
    assert facts.predictive_p_value(draws + 1, target("closed_margin_before_r1")) == pytest.approx(2 / 401)


def test_p_values_are_uniform_under_the_model():
    rng = np.random.default_rng(2)
    row = target("closed_margin_before_r1").copy()
    found = []
    for _ in range(400):
        row["value"] = rng.normal()
        found.append(facts.predictive_p_value(rng.normal(size=199), row))
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.04)


def test_a_bound_counts_the_runs_that_meet_it():
    assert facts.is_bound(target("sign_power")) and facts.is_bound(target("return_excess_kurtosis"))
    assert not facts.is_bound(target("vendor_return_day0"))
    assert facts.predictive_p_value(np.array([2.0, 4.0, 5.0, np.nan]), target("return_excess_kurtosis")) == 2 / 3
    assert facts.predictive_p_value(np.array([-0.1, -0.2, 0.1, -0.3]), target("sign_power")) == 0.75


def test_a_moment_that_no_run_defines_has_no_p_value():
    assert np.isnan(facts.predictive_p_value(np.array([np.nan]), target("vendor_return_day0")))
