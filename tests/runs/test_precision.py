"""Runs in 64 and in 32 bits, in one process, in any order, whatever JAX's setting."""

import jax
import numpy as np
import pytest
from helpers.sizes import TINY

import abm
from abm import MarketModel, Parameters, ensemble, simulate


def many(bits):
    return ensemble(seeds=[1, 2], months=2, precision=bits, **TINY)["lerner_closed"]


@pytest.mark.slow
def test_both_precisions_run_in_one_process_in_any_order():
    first, short, again = many(64), many(32), many(64)
    assert (first.dtype, short.dtype, again.dtype) == (np.float64, np.float32, np.float64)
    assert np.array_equal(first, again)
    assert short == pytest.approx(first, rel=1e-4)
    assert simulate(seed=1, months=2, **TINY)["lerner_closed"] == pytest.approx(first[0], rel=1e-12)


@pytest.mark.slow
def test_sweeps_in_32_and_64_bits_agree_up_to_rounding():
    values = {}
    for bits in (64, 32):
        runs = abm.sweep({"ip_strength": [0.5]}, seeds=[1], months=2, populations=TINY, precision=bits).runs()
        assert set(runs["status"]) == {"ok"}, runs["error"].tolist()
        values[bits] = runs["lerner_closed_last"][0]
    assert values[32] == pytest.approx(values[64], rel=1e-4)
    assert values[32] != values[64]


def test_disabling_64_bits_in_jax_does_not_change_results():
    usual = simulate(seed=1, months=2, **TINY)
    jax.config.update("jax_enable_x64", False)
    try:
        assert np.array_equal(simulate(Parameters(), seed=1, months=2, **TINY)["welfare"], usual["welfare"])
        model = MarketModel(rng=1, months=2, **TINY)
        model.step()
        lab = model.agents_by_type[abm.agents.ClosedLab][0]
        lab.price = [30.1, 3.0]
        assert lab.price.tolist() == [30.1, 3.0]
        model = MarketModel(rng=1, months=2, **TINY)
        model.run_model()
        assert model.frame()["welfare"].tolist() == usual["welfare"].tolist()
        assert not jax.config.jax_enable_x64  # the user's setting stays
    finally:
        jax.config.update("jax_enable_x64", True)
