"""What several tests of the market share: a lab with a price of its own, and a comparison of observables."""

import numpy as np

from abm.agents import ClosedLab

FAST = {"price_adjustment": 1.0}
"""With flexible pricing, prices follow the wanted price at once."""
MODEST = 1.25
"""Price of a `PatientLab`, in unit costs."""


class PatientLab(ClosedLab):
    """Charges a quarter over cost."""

    def wanted_price(self, p, offer):
        return MODEST * self.token_cost


def gap(a, b):
    """Largest difference relative to the size of the numbers, over all observables."""
    worst = 0.0
    for name in a:
        x, y = np.asarray(a[name]), np.asarray(b[name])
        assert (np.isnan(x) == np.isnan(y)).all(), name
        if np.isfinite(x).any():
            worst = max(worst, float(np.nanmax(np.abs(x - y) / (1 + np.abs(x)))))
    return worst
