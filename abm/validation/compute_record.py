"""The compute market of the model beside its record, from 2023 to June 2025 (`abm/data/compute_record.csv`)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from abm import data
from abm.scenarios.calendar import month_of
from abm.support.messages import AbmWarning
from abm.support.samples import quantiles

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Ensemble

BAND = (0.05, 0.5, 0.95)
MONTHS = 36
"""Length of the runs that are compared: to December 2025, half a year past the record."""
GROWTH = {"end of 2023 to end of 2024": (11, 23), "June 2024 to June 2025": (17, 29)}
GROWTH_BOUNDS = (2.7, 4.5)
"""Of the stock in twelve months: lower with retirements, higher since TPUs are counted only from 2023."""
YEARS = (2024, 2025)


def beside_the_record(results: Ensemble) -> pd.DataFrame:
    """One row per row of the record that falls into the runs' months, against the runs in that month.

    Columns: date, observable, unit; record, low, high; model (median), q05, q95 over runs; ratio = model / record; inside:
    whether [q05, q95] overlaps [low, high]. Warns of observables that the runs lack, and leaves them out.
    """
    import pandas as pd

    record = data.load("compute_record").rename(columns={"value": "record"})
    if lacking := [name for name in record["observable"].unique() if name not in results.names]:
        warnings.warn(f"not among the observables of these runs: {', '.join(lacking)}", AbmWarning, stacklevel=2)
    months = record["date"].map(lambda date: month_of(date.date()))
    record = record[record["observable"].isin(results.names) & months.between(0, results.setup.months - 1)]
    model = pd.DataFrame(
        [band(results[row.observable][:, months[row.Index]]) for row in record.itertuples()], index=record.index
    )
    columns = ["date", "observable", "unit", "record", "low", "high"]
    return compared(record[columns].join(model)).reset_index(drop=True)


def growth_and_spread(results: Ensemble) -> pd.DataFrame:
    """Growth of the stock of machines in 12 months, and the spread of the leader's yearly revenue over runs.

    Columns: quantity, period; record, low, high; model, q05, q95; ratio; inside. The spread is the coefficient of variation
    over runs, which the one history that was observed does not have. Periods that the runs do not reach are left out.
    """
    import pandas as pd

    months = results.setup.months
    record = data.load("compute_record").query("observable == 'compute_installed'").set_index("date")["value"]
    record.index = record.index.map(lambda date: month_of(date.date()))
    stock, revenue = results["compute_installed"], results["leader_revenue"]
    rows: list[dict[str, Any]] = []
    for period, (first, last) in GROWTH.items():
        if last < months:
            head = {"quantity": "growth of compute installed", "period": period}
            observed = {"record": record[last] / record[first], "low": GROWTH_BOUNDS[0], "high": GROWTH_BOUNDS[1]}
            rows.append(head | observed | band(stock[:, last] / stock[:, first]))
    for year in YEARS:
        first = 12 * (year - 2023)
        if first + 12 <= months:
            total = revenue[:, first : first + 12].sum(1)
            spread = float(total.std(ddof=1) / total.mean()) if total.size > 1 else np.nan
            rows.append({"quantity": "variation of leader revenue", "period": str(year), "model": spread})
    columns = ["quantity", "period", "record", "low", "high", "model", "q05", "q95"]
    return compared(pd.DataFrame(rows, columns=columns))


def band(values: np.ndarray) -> dict[str, float]:
    """Median and 90 % band over runs (runs,)."""
    q = quantiles(values, BAND)
    return {"model": float(q["q50"]), "q05": float(q["q05"]), "q95": float(q["q95"])}


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the ratio of model to record, and whether the two ranges overlap (blank without a record)."""
    overlap = (table["q05"] <= table["high"]) & (table["q95"] >= table["low"])
    inside = overlap.astype("boolean").mask(table["record"].isna())
    return table.assign(ratio=table["model"] / table["record"], inside=inside)
