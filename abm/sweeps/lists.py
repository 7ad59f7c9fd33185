"""Lists in the panel: the daily returns and the products of a month, one list per run and month.

daily_returns    log returns of the listed firms, day by day; empty in months that are not stored
leader_returns   those of the leading chip vendor, in every month
product_*        price ($ per M tokens), capability (nats), ... of each lab's products, lab by lab
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.support.axes import DAYS, TIERS
from abm.sweeps.spec import Sweep

if TYPE_CHECKING:
    import pyarrow as pa

    from abm.runs.results import Ensemble

PRODUCT = ("price", "capability", "released", "revision", "active", "volume", "cost", "revenue", "paid", "disclosed")
"""Fields of `abm.market.observables.ProductRecord`, which this file does not import because it needs JAX."""


def months_stored(sweep: Sweep) -> dict[str, tuple[int, ...]]:
    """The list columns of a sweep's panel, each with the months in which its lists are stored."""
    every = tuple(range(sweep.months))
    daily = {"daily_returns": tuple(sorted(sweep.daily)), "leader_returns": every} if sweep.daily else {}
    return daily | ({f"product_{name}": every for name in PRODUCT} if sweep.products else {})


def of_ensemble(ensemble: Ensemble, sweep: Sweep) -> dict[str, np.ndarray]:
    """The lists of an ensemble: column -> (runs, months in which it is stored, numbers of a month)."""
    out = ensemble.out
    arrays: dict[str, np.ndarray] = {}
    if sweep.daily:
        days = [ensemble.daily_months.index(month) for month in sorted(sweep.daily)]
        arrays = {"daily_returns": out["daily"][:, days], "leader_returns": out["leader"]}
    if sweep.products:
        arrays |= {f"product_{name}": getattr(out["products"], name) for name in PRODUCT}
    stored = months_stored(sweep)
    return {name: array.reshape(len(array), len(stored[name]), -1) for name, array in arrays.items()}


def to_ensemble(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The inverse of `of_ensemble`: entries of `Ensemble.out`."""
    from abm.market.observables import ProductRecord

    out: dict[str, Any] = {}
    if "daily_returns" in arrays:
        runs, months, _ = arrays["daily_returns"].shape
        out["daily"] = arrays["daily_returns"].reshape(runs, months, DAYS, -1)
        out["leader"] = arrays["leader_returns"].reshape(runs, -1)
    if "product_price" in arrays:
        volume = arrays["product_volume"]
        unknown = np.full_like(volume, np.nan)
        missing = {"product_paid": volume, "product_disclosed": unknown}  # in folders of earlier versions
        fields = {name: (missing | dict(arrays))[f"product_{name}"] for name in PRODUCT}
        out["products"] = ProductRecord(**{k: x.reshape(*x.shape[:2], -1, TIERS) for k, x in fields.items()})
    return out


def packed(arrays: Sequence[np.ndarray], stored: Sequence[int], months: int) -> pa.Array:
    """A list per run and month, from an array (stored months, numbers of a month) of each run; empty in other months."""
    import pyarrow as pa

    lengths = np.zeros((len(arrays), months), np.int32)
    lengths[:, list(stored)] = arrays[0].shape[1] if arrays else 0
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    numbers = np.concatenate([array.reshape(-1) for array in arrays]) if arrays else np.zeros(0)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(numbers))


def unpacked(column: pa.ChunkedArray, runs: int, stored: Sequence[int]) -> np.ndarray:
    """The inverse of `packed`: (runs, stored months, numbers of a month), from the lists of all runs and months."""
    flat = column.combine_chunks().flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(runs, len(stored), -1)
