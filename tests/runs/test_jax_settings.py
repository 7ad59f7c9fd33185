"""Runs give bitwise identical numbers whatever the user's JAX settings."""

import warnings

import jax
import numpy as np
import pytest
from helpers import sizes

import abm
from abm.engine.compilation import EnvironmentWarning, own_settings
from abm.support.messages import AbmWarning

TINY = sizes.TINY | {"months": 2}
STRICT = {
    "jax_debug_nans": True,  # observables may be NaN while they are undefined
    "jax_debug_infs": True,
    "jax_disable_jit": True,
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_default_matmul_precision": "bfloat16",
}


def numbers():
    """Observables of a run, an ensemble, a model and its branch, after clearing JAX's caches."""
    jax.clear_caches()
    run, runs = abm.simulate(seed=2, **TINY), abm.ensemble(seeds=[2, 3], **TINY)
    model = abm.MarketModel(rng=2, **TINY)
    model.step()
    branch = model.branch(scenario="ip_strict")
    frames = []
    for market in (model, branch):
        market.step()
        frames.append(market.frame().to_dict("list"))
    return {name: run[name] for name in runs.names}, {name: runs[name] for name in runs.names}, *frames


@pytest.fixture(scope="module")
def usual():
    return numbers()


@pytest.mark.slow
def test_jax_settings_do_not_change_results(usual):
    before = {name: getattr(jax.config, name) for name in STRICT}
    try:
        for name, value in STRICT.items():
            jax.config.update(name, value)
        with warnings.catch_warnings(record=True) as caught:
            strict = numbers()
        assert {name: getattr(jax.config, name) for name in STRICT} == STRICT, "the user's settings stay"
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
    for expected, values in zip(usual, strict, strict=True):
        for name in expected:
            np.testing.assert_array_equal(expected[name], values[name], err_msg=name)
    about = [str(warning.message) for warning in caught if not issubclass(warning.category, AbmWarning)]
    assert not about, "no warning about settings that are overridden"
    run, runs, model, _ = strict
    np.testing.assert_array_equal(model["hhi"], run["hhi"])
    np.testing.assert_allclose(runs["hhi"][0], run["hhi"], rtol=1e-12)


def test_a_setting_that_changes_last_digits_raises_a_warning():
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        with pytest.warns(EnvironmentWarning, match="numbers differ in their last digits"), own_settings(64):
            pass
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
