"""Which models are replaced."""

import numpy as np
import pytest
from helpers.machines import inputs_of, played

from abm.agents.lab import NEVER, SMALLEST_GAIN
from abm.market.phases.release import release_models
from abm.market.state import Now
from abm.mechanisms import conduct


@pytest.mark.parametrize(("gain", "out"), [(1e-9, False), (0.5 * SMALLEST_GAIN, False), (0.01, True)])
def test_an_old_efficient_model_is_replaced_for_a_gain_but_not_for_rounding(gain, out):
    market, _ = played()[26]
    p, events, draws = inputs_of(market)
    p = type(p)(p.table | {"release_hazard": p.table["release_hazard"] * 0 + 1.0})
    labs = market.labs
    slope = labs.tier_slope
    lost = np.array([conduct.overtraining_losses(p)[1] * conduct.best_overtraining(row, p)[1] ** 2 for row in slope])
    old = labs.replace(
        run_compute=labs.run_compute * 0,  # no flagship is due
        copied=labs.copied * 0 + NEVER,
        distilled=labs.distilled * 0 + NEVER,
        age=labs.age * 0 + 50.0,
        capability=labs.capability.at[:, 1].set(labs.capability[:, 0] - lost - gain),
    )
    released = np.asarray(release_models(market.replace(labs=old), Now(p, events, draws)).labs.released)
    assert not released[:, 0].any()
    assert (released[:, 1] == out).all()
