"""Whatever a user has set JAX to, a run computes, and gives the same numbers to the last bit."""

import warnings

import jax
import numpy as np
import pytest

import abm
from abm.engine.compilation import EnvironmentWarning, own_settings

TINY = {"closed_labs": 1, "open_labs": 1, "entrants": 0, "vendors": 1, "adopters": 2, "investors": 2, "months": 2}
STRICT = {
    "jax_debug_nans": True,  # an observable that is not defined yet is NaN
    "jax_debug_infs": True,
    "jax_disable_jit": True,
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_default_matmul_precision": "bfloat16",
}


def numbers():
    """Observables of one run, of an ensemble and of a model and its branch, traced anew."""
    jax.clear_caches()
    run, runs = abm.simulate(seed=2, **TINY), abm.ensemble(seeds=[2, 3], **TINY)
    model = abm.MarketModel(rng=2, **TINY)
    model.step()
    branch = model.branch(scenario="ip_strict")
    for one in (model, branch):
        one.step()
    frames = [one.frame().to_dict("list") for one in (model, branch)]
    return {name: run[name] for name in runs.names}, {name: runs[name] for name in runs.names}, *frames


@pytest.fixture(scope="module")
def usual():
    return numbers()


def test_the_users_settings_change_no_number(usual):
    before = {name: getattr(jax.config, name) for name in STRICT}
    try:
        for name, value in STRICT.items():
            jax.config.update(name, value)
        with warnings.catch_warnings(record=True) as told:
            strict = numbers()
        assert {name: getattr(jax.config, name) for name in STRICT} == STRICT, "they are the user's, and stay"
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
    for ours, theirs in zip(usual, strict, strict=True):
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert not told, "nothing to say of what is put right"
    one, several, model, _ = strict
    np.testing.assert_array_equal(model["hhi"], one["hhi"])
    np.testing.assert_allclose(several["hhi"][0], one["hhi"], rtol=1e-12)


def test_a_setting_that_moves_last_digits_is_told():
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        with pytest.warns(EnvironmentWarning, match="numbers differ in their last digits"), own_settings(64):
            pass
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
