"""Posterior predictive checks: bands of histories simulated from the posterior, and the position of the data in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from abm.calibration.simulated import Simulator

BAND = (0.05, 0.95)


def bands(simulator: Simulator, theta: np.ndarray, seeds: np.ndarray) -> pd.DataFrame:
    """One row per moment: observed, median, low and high end of the posterior predictive 90 % band, inside, p-value.

    theta (draws, parameters) are posterior draws, each with its own seed. The band is that of measured values: the simulated
    history plus the measurement error, normal on the scale of comparison; `inside_exactly` ignores that error. Values are
    in the moments' own units. `undefined` counts the draws whose history leaves the moment undefined; they are excluded
    from its band.

    Source: Gelman, Meng & Stern (1996), *Statistica Sinica* 6.
    """
    import pandas as pd

    moments = simulator(theta, seeds)
    rng = np.random.default_rng([simulator.spec.seed, 13])
    measured = moments + simulator.errors * rng.standard_normal(moments.shape)
    rows = []
    for i, (name, observed) in enumerate(simulator.spec.data.items()):
        target = float(simulator.observed[i])
        back: Any = np.exp if observed.scale == "log" else float
        defined = np.isfinite(moments[:, i])
        with_error, simulated = measured[defined, i], moments[defined, i]
        low, high = np.quantile(with_error, BAND)
        exact = np.quantile(simulated, BAND)
        tails = [(1 + (with_error <= target).sum()), (1 + (with_error >= target).sum())]
        rows.append(
            {
                "moment": name,
                "observed": observed.value,
                "median": float(back(np.median(simulated))),
                "low": float(back(low)),
                "high": float(back(high)),
                "inside": bool(low <= target <= high),
                "inside_exactly": bool(exact[0] <= target <= exact[1]),
                "p_value": float(min(1.0, 2 * min(tails) / (1 + len(simulated)))),
                "undefined": int((~defined).sum()),
            }
        )
    return pd.DataFrame(rows).set_index("moment")
