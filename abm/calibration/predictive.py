"""What a fit says of the data: bands of histories simulated from the posterior, and where the observed one lies in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from abm.calibration.simulated import Simulator

BAND = (0.05, 0.95)


def bands(simulator: Simulator, theta: np.ndarray, seeds: np.ndarray) -> pd.DataFrame:
    """One row a moment: observed, median, low and high end of the posterior predictive 90 % band, inside, p-value.

    theta (draws, parameters) are draws of the posterior, each with a seed of its own. The band is of what would be
    measured: the simulated history plus the error of measurement, normal on the scale of comparison; `inside_exactly`
    judges without that error. Values are in the moments' own units. `undefined` counts the draws whose history leaves the
    moment without a number: they are no part of its band.

    Source: Gelman, Meng & Stern (1996), *Statistica Sinica* 6.
    """
    import pandas as pd

    moments = simulator(theta, seeds)
    rng = np.random.default_rng([simulator.spec.seed, 13])
    measured = moments + simulator.errors * rng.standard_normal(moments.shape)
    rows = []
    for i, (name, observed) in enumerate(simulator.spec.data.items()):
        at = float(simulator.observed[i])
        back: Any = np.exp if observed.scale == "log" else float
        defined = np.isfinite(moments[:, i])
        would, own = measured[defined, i], moments[defined, i]
        low, high = np.quantile(would, BAND)
        bare = np.quantile(own, BAND)
        tails = [(1 + (would <= at).sum()), (1 + (would >= at).sum())]
        rows.append(
            {
                "moment": name,
                "observed": observed.value,
                "median": float(back(np.median(own))),
                "low": float(back(low)),
                "high": float(back(high)),
                "inside": bool(low <= at <= high),
                "inside_exactly": bool(bare[0] <= at <= bare[1]),
                "p_value": float(min(1.0, 2 * min(tails) / (1 + len(own)))),
                "undefined": int((~defined).sum()),
            }
        )
    return pd.DataFrame(rows).set_index("moment")
