"""Draws: published test vectors, independence of other draws, distributions."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.agents import Person, Trader
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from abm.engine import (
    Draws,
    Population,
    interpreted,
)
from abm.engine.draws import threefry


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_known_answers(key, counter, words):
    """The published test vectors of Threefry-2x32-20 (Random123)."""
    x, y = threefry(jnp.asarray(np.array(key, np.uint32)), np.uint32(counter[0]), np.uint32(counter[1]))
    assert (int(x), int(y)) == words


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1), slots=st.integers(1, 5), more=st.integers(0, 3),
    time=st.integers(0, 10_000), shape=st.sampled_from([(), (3,), (2, 2)]),
)  # fmt: skip
def test_additional_slots_do_not_change_existing_draws(seed, slots, more, time, shape):
    draws = Draws.from_seed(seed).at(time)
    few, many = Population.create(Person, slots), Population.create(Person, slots + more)
    for kind in ("uniform", "normal"):
        alone = getattr(draws, kind)("decision", few, shape)
        assert alone.shape == (slots, *shape)
        np.testing.assert_array_equal(getattr(draws, kind)("decision", many, shape)[:slots], alone)


def test_draws_depend_on_seed_period_decision_and_stream():
    people, traders = Population.create(Person, 5), Population.create(Trader, 5)
    draws = Draws.from_seed(1)
    base = draws.at(2).uniform("x", people)
    for other in (
        draws.at(3).uniform("x", people),
        draws.at(2).uniform("y", people),
        draws.at(2).uniform("x", traders),
        draws.at(2).at(2).uniform("x", people),
        Draws.from_seed(2).at(2).uniform("x", people),
        Draws.from_seed(1 + 2**32).at(2).uniform("x", people),
    ):
        assert not np.isin(other, base).any()
    np.testing.assert_array_equal(Draws.from_seed(1).at(2).uniform("x", people), base)
    periods = draws.each(jnp.arange(4), lambda period: period.uniform("x", people))
    np.testing.assert_array_equal(periods[2], base)
    with interpreted():
        np.testing.assert_array_equal(draws.each(jnp.arange(4), lambda period: period.uniform("x", people)), periods)


def test_distributions_and_serial_correlation_of_draws():
    people = Population.create(Person, 20_000)
    draws = Draws.from_seed(11)
    uniform, normal = np.asarray(draws.uniform("u", people)), np.asarray(draws.normal("n", people))
    assert uniform.min() > 0
    assert uniform.max() < 1
    assert kstest(uniform, "uniform").pvalue > 0.01
    assert kstest(normal, "norm").pvalue > 0.01
    assert kstest(np.asarray(draws.market_normal("m", 20_000)), "norm").pvalue > 0.01
    assert abs(np.corrcoef(uniform[1:], uniform[:-1])[0, 1]) < 0.03


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_rejected(seed):
    with pytest.raises(ValueError, match="between 0 and 2"):
        Draws.from_seed(seed)
