"""Releases like that of R1: open, near the frontier, and cheap by their own account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

NEAR = 0.5
"""Nats below the best closed flagship within which an open one counts as near."""
CHEAP = 0.1
"""Share of the leader's disclosed cost below which a release counts as cheap."""


def r1_like_of(products: Any, labs: tuple[str, ...], near: float = NEAR, cheap: float = CHEAP) -> pd.DataFrame:
    """One row per release of an open flagship that is near the closed frontier at a small part of its disclosed cost.

    Columns: month (number of the month), lab, capability (nats), gap (nats below the best closed flagship of that month;
    negative if it leads), cost and leader_cost ($ M, as disclosed), leader (the lab with that closed flagship).

    products : an `abm.market.observables.ProductRecord` of a run, (months, L, T). labs : names of all labs. near, cheap : what
    counts. Months before any closed lab sells have no rows.
    """
    import pandas as pd

    out, active, capability, cost = (
        np.asarray(getattr(products, name))[:, :, 0] for name in ("released", "active", "capability", "disclosed")
    )
    closed = np.array([lab.startswith("closed") for lab in labs])
    best = np.where(active & closed, capability, -np.inf)
    leader = best.argmax(1)
    months = np.arange(len(out))
    gap = best[months, leader][:, None] - capability
    leader_cost = cost[months, leader]
    like = out & active & ~closed & (gap <= near) & (cost < cheap * leader_cost[:, None])
    month, lab = np.nonzero(like)
    return pd.DataFrame(
        {
            "month": month,
            "lab": np.array(labs)[lab],
            "capability": capability[month, lab],
            "gap": gap[month, lab],
            "cost": cost[month, lab],
            "leader_cost": leader_cost[month],
            "leader": np.array(labs)[leader[month]],
        }
    )
