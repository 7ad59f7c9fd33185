"""Capability of a lab: copies, distilled models, and the fallback after a lost suit."""

import jax.numpy as jnp
import numpy as np
import pytest

from abm import Parameters
from abm.agents import OpenLab
from abm.engine import Population
from abm.market.state import Values
from abm.mechanisms import imitation

SIZES = {"tier": 2, "stage": 3, "offer": 3, "vendor": 2, "question": 4, "pair": 2, "asset": 5, "generation": 6}


@pytest.fixture(scope="module")
def p():
    return Values({name: jnp.asarray(value) for name, value in Parameters().values().items()})


def labs(**columns):
    """Three labs with a flagship of 3 nats, which the first two owe partly to a teacher."""
    defaults = {
        "capability": np.array([[3.0, 2.5]] * 3),
        "untaught": np.array([2.0, 1.0, 3.0]),
        "copied": np.array([1.5, 2.7, 1.0]),
        "distilled": np.full(3, 3.4),
        "distilled_share": np.array([0.6, 0.6, 0.0]),
        "run_compute": np.full(3, 1e-9),
    }
    return Population.create(OpenLab, 3, sizes=SIZES, **(defaults | columns))


def test_a_lost_suit_leaves_the_best_capability_without_a_teacher(p):
    before = labs()
    everyone = jnp.ones(3, dtype=bool)
    after = before.do("answer_case", p, detected=everyone, lost=everyone)
    np.testing.assert_allclose(after.capability, [[2.0, 2.0], [2.7, 2.5], [3.0, 2.5]])  # release, copy, own run
    assert (np.asarray(after.distilled) < 0).all()
    assert (np.asarray(after.legal_exposure) > 0).all()


def test_a_detected_lab_that_wins_loses_only_access(p):
    before = labs()
    after = before.do("answer_case", p, detected=jnp.ones(3, dtype=bool), lost=jnp.zeros(3, dtype=bool))
    np.testing.assert_array_equal(after.capability, before.capability)
    np.testing.assert_array_equal(after.distilled, before.distilled)
    np.testing.assert_array_equal(after.access_cut, np.full(3, p.access_cut_months))


@pytest.mark.parametrize("known", [2.0, 5.0])
def test_nothing_is_copied_or_distilled_beyond_the_target(p, known):
    """A lab's own capability does not become a copy."""
    assert imitation.copy(-50.0, known, 1.0, 0.0, p) == -50.0
    assert imitation.distil(-50.0, known, 1.0, 3.0, p) == -50.0


def test_copies_start_from_the_lab_s_own_capability_and_stay_below_the_target(p):
    copied = imitation.copy(-50.0, 2.0, 3.0, 0.0, p)
    assert 2.0 < copied < 3.0 + np.log(p.copy_fidelity)
    blocked = imitation.copy(-50.0, 2.0, 3.0, 1.0, p)
    assert blocked < copied
