"""The life of releases: what each flagship earned in every month until its successor, and who matched it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FLAGSHIP = 0
NEXT_TO_NOTHING = 1e-9
"""Revenue below which a margin is rounding, $ M per month."""
SETTLING = 3
"""Months after a release in which customers have settled."""


def vintages_of(products: Any, adoption: np.ndarray, labs: tuple[str, ...]) -> pd.DataFrame:
    """One row per release of a flagship and month until the next one of its lab.

    Columns: lab, release and month (numbers of months), age (months), capability (nats), led (whether no other lab offered
    more at its release), price and cost ($ per M tokens), margin (share of revenue), revenue and rent, that is revenue less
    the cost of serving who pays ($ M per month), rent_left (rent over the best of its first `SETTLING` months, with adoption
    and unit cost held as at the release), premium (ln of price over the cheapest model of another lab that is at least as
    capable; NaN without one), matched_by (lab that first offered as much; empty before). Margin and rent_left are NaN where
    next to nothing is sold. Models that were on sale at the start have no release and are left out.

    products : an `abm.market.observables.ProductRecord` of a run, (months, L, T). adoption : (months,), the observable.
    """
    import pandas as pd

    record = {name: np.asarray(getattr(products, name)) for name in products._fields}
    active, capability = record["active"][:, :, FLAGSHIP], record["capability"][:, :, FLAGSHIP]
    out = record["released"][:, :, FLAGSHIP] & active
    months = len(out)
    tables = []
    for lab in range(out.shape[1]):
        starts = np.flatnonzero(out[:, lab])
        for start, stop in zip(starts, np.append(starts, months)[1:], strict=True):
            gone = np.flatnonzero(~active[start:stop, lab])
            rows = np.arange(start, start + gone[0] if gone.size else stop)
            tables.append(_life(record, capability, active, adoption, lab, rows).assign(lab=labs[lab], release=start))
    columns = [
        "lab",
        "release",
        "month",
        "age",
        "capability",
        "led",
        "price",
        "cost",
        "margin",
        "revenue",
        "rent",
        "rent_left",
    ]
    columns += ["premium", "matched_by"]
    if not tables:
        return pd.DataFrame(columns=columns)
    life = pd.concat(tables, ignore_index=True)
    names = np.array([*labs, ""])
    return life.assign(matched_by=names[life["matched_by"].to_numpy()])[columns]


def halvings_of(life: pd.DataFrame) -> pd.DataFrame:
    """Months in which rents of closed flagships that led at their release could halve, one row each, and whether they did.

    Columns: those of the keys of `life` (seed, lab, release) and month, halved. A rent halves when `rent_left` falls below
    half of its best so far; the months after that are left out. The hazard of a set of rows, halvings over months, gives
    the median life -ln 2 / ln(1 - hazard), pooled over runs. The observable `rent_half_life` is that of one run so far, which
    forgets a sixtieth a month and begins with half a halving in a month.

    life : the table of `Result.vintages` or `Ensemble.vintages`.
    """
    keys = [name for name in ("seed", "lab", "release") if name in life]
    rows = life[life["led"] & life["lab"].str.startswith("closed")].sort_values([*keys, "month"])
    best = rows.groupby(keys)["rent_left"].cummax().groupby([rows[key] for key in keys]).shift()
    halved = (best > 0) & (rows["rent_left"] < 0.5 * best)
    before = halved.astype(int).groupby([rows[key] for key in keys]).cumsum() - halved
    return rows.assign(halved=halved)[(best > 0) & (before == 0)][[*keys, "month", "halved"]].reset_index(drop=True)


def _life(
    record: dict[str, np.ndarray],
    capability: np.ndarray,
    active: np.ndarray,
    adoption: np.ndarray,
    lab: int,
    rows: np.ndarray,
) -> pd.DataFrame:
    import pandas as pd

    price, cost, paid, revenue = (record[name][rows, lab, FLAGSHIP] for name in ("price", "cost", "paid", "revenue"))
    rent = revenue - cost * paid * 1e-6
    sells = revenue > NEXT_TO_NOTHING
    held = (revenue - cost[0] * paid * 1e-6) / np.maximum(adoption[rows], 1e-30) * adoption[rows[0]]
    first = held[:SETTLING].max()
    first = first if first > 1e-6 * revenue[:SETTLING].max() else 0.0
    level = capability[rows[0], lab]
    rivals = active[rows] & (np.arange(active.shape[1]) != lab)
    as_good = rivals & (capability[rows] >= level)
    matched = np.maximum.accumulate(as_good, axis=0)
    rival = np.where(matched.any(1), np.argmax(matched, axis=1), -1)
    rival = np.where(rival >= 0, rival[np.argmax(rival >= 0)], -1)  # who matched it first, from then on
    cheaper = np.where(
        (record["active"][rows] & (record["capability"][rows] >= level))
        & (np.arange(active.shape[1]) != lab)[None, :, None],
        record["price"][rows],
        np.inf,
    ).min((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.DataFrame(
            {
                "month": rows,
                "age": rows - rows[0],
                "capability": capability[rows, lab],
                "led": not (rivals[0] & (capability[rows[0]] > level)).any(),
                "price": price,
                "cost": cost,
                "margin": np.where(sells, rent / revenue, np.nan),
                "revenue": revenue,
                "rent": rent,
                "rent_left": np.where(sells.any() & (first > 0), held / first, np.nan),
                "premium": np.where(np.isfinite(cheaper), np.log(price) - np.log(cheaper), np.nan),
                "matched_by": rival,
            }
        )
