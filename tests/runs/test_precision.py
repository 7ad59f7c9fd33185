"""64 and 32 bits: either, in one process, in any order, whatever JAX is set to."""

import jax
import numpy as np
import pytest

import abm
from abm import MarketModel, Parameters, ensemble, simulate

TINY = {"closed_labs": 1, "open_labs": 1, "entrants": 0, "vendors": 1, "adopters": 2, "investors": 2}


def many(bits):
    return ensemble(seeds=[1, 2], months=2, precision=bits, **TINY)["lerner_closed"]


def test_both_widths_run_in_one_process_in_any_order():
    first, short, again = many(64), many(32), many(64)
    assert (first.dtype, short.dtype, again.dtype) == (np.float64, np.float32, np.float64)
    assert np.array_equal(first, again)
    assert short == pytest.approx(first, rel=1e-4)
    assert simulate(seed=1, months=2, **TINY)["lerner_closed"] == pytest.approx(first[0], rel=1e-12)


def test_a_sweep_in_32_bits_follows_one_in_64():
    kept = {}
    for bits in (64, 32):
        found = abm.sweep({"ip_strength": [0.5]}, seeds=[1], months=2, populations=TINY, precision=bits).runs()
        assert set(found["status"]) == {"ok"}, found["error"].tolist()
        kept[bits] = found["lerner_closed_last"][0]
    assert kept[32] == pytest.approx(kept[64], rel=1e-4)
    assert kept[32] != kept[64]


def test_a_user_who_switches_64_bits_off_gets_the_same_numbers():
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
        assert not jax.config.jax_enable_x64  # it is the user's
    finally:
        jax.config.update("jax_enable_x64", True)
