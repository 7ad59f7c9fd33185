"""Runs in 64 and in 32 bits, in one process, in any order, whatever JAX's setting."""

import jax
import numpy as np
import pytest
from helpers.sizes import SMALL, TINY

import abm
from abm import MarketModel, Parameters, ensemble, simulate


def many(bits):
    return ensemble(seeds=[1, 2], months=2, precision=bits, **TINY)["lerner_closed"]


def swept(bits):
    runs = abm.sweep({"ip_strength": [0.5]}, seeds=[1], months=2, populations=TINY, precision=bits).runs()
    assert set(runs["status"]) == {"ok"}, runs["error"].tolist()
    return runs["lerner_closed_last"][0]


@pytest.mark.slow
def test_both_precisions_run_in_one_process_in_any_order():
    """One test, since every change of the precision drops the traces of the other."""
    first, exact = many(64), swept(64)
    short, rounded = many(32), swept(32)
    again = many(64)
    assert (first.dtype, short.dtype, again.dtype) == (np.float64, np.float32, np.float64)
    assert np.array_equal(first, again)
    assert short == pytest.approx(first, rel=1e-4)
    assert simulate(seed=1, months=2, **TINY)["lerner_closed"] == pytest.approx(first[0], rel=1e-12)
    assert rounded == pytest.approx(exact, rel=1e-4)
    assert rounded != exact


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:observables outside")
def test_a_market_in_which_consumers_find_nothing_has_numbers_in_both_precisions():
    """Sums of nothing are divided by a floor that both can hold."""
    sizes = SMALL | {"closed_labs": 0, "open_labs": 2, "entrants": 0, "vendors": 1}
    short, exact = (ensemble(seeds=[1], months=2, precision=bits, **sizes)["token_revenue"] for bits in (32, 64))
    assert np.isfinite(exact).all()
    assert short == pytest.approx(exact, rel=1e-3)


def test_disabling_64_bits_in_jax_does_not_change_results():
    usual = simulate(seed=1, months=2, **TINY)
    jax.config.update("jax_enable_x64", False)
    try:
        assert np.array_equal(simulate(Parameters(), seed=1, months=2, **TINY)["welfare"], usual["welfare"])
        model = MarketModel(rng=1, months=2, **TINY)
        model.step()
        lab = model.agents_by_type[abm.agents.ClosedLab][0]
        lab.price = [30.1, 3.0, 4.0]
        assert lab.price.tolist() == [30.1, 3.0, 4.0]
        model = MarketModel(rng=1, months=2, **TINY)
        model.run_model()
        assert model.frame()["welfare"].tolist() == usual["welfare"].tolist()
        assert not jax.config.jax_enable_x64  # the user's setting stays
    finally:
        jax.config.update("jax_enable_x64", True)
