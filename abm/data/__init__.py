"""Facts about the AI market up to 30 June 2025, each row with its source.

Units, sources, licences and what is left out on purpose: docs/data.md.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from abm.support.messages import did_you_mean, nearest

if TYPE_CHECKING:
    import pandas as pd

DATE_COLUMNS = ("date", "release_date", "event_date", "start_date", "end_date", "price_from", "price_to")


def names() -> list[str]:
    """Names of the tables, as `load` takes them."""
    return sorted(entry.name.removesuffix(".csv") for entry in files(__name__).iterdir() if entry.name.endswith(".csv"))


def load(name: str) -> pd.DataFrame:
    """One table as a DataFrame; date columns come as timestamps, a blank number as NaN.

    Raises ValueError, with a table name that is close, where there is no such table.
    """
    if name not in names():
        raise ValueError(f"no table {name!r}{nearest(name, names())}; tables: {', '.join(names())}")
    import pandas as pd

    table = pd.read_csv(str(files(__name__) / f"{name}.csv"))
    for column in table.columns.intersection(DATE_COLUMNS):
        table[column] = pd.to_datetime(table[column])
    return table


def targets() -> pd.DataFrame:
    """The moments to fit, indexed by name: description, value, lower, upper, unit, source.

    `lower` and `upper` are inclusive; a one-sided moment states its bound as `value` and may have an infinite `upper`.
    """
    return load("targets").set_index("name")


def fits() -> list[str]:
    """Names of the calibrations whose results are kept here, as `fit` takes them."""
    folder = files(__name__) / "fits"
    kept = {entry.name for entry in folder.iterdir()}
    return sorted(
        name.removesuffix(".csv") for name in kept if name.endswith(".csv") and not name.endswith("_draws.csv")
    )


def fit(name: str) -> dict[str, dict[str, Any]]:
    """What a calibration found: parameter -> its row of fits/NAME.csv.

    `estimate`, and `low`, `median`, `high` of the posterior's 90 % interval, are numbers in the parameter's unit;
    `data_to`, the last day of what it was fitted to, and `fitted_on` are dates as text. Raises ValueError, with a
    name that is close, where there is no such fit. Read without pandas, because `Parameters` asks for it.
    """
    return {parameter: dict(row) for parameter, row in _fit(name).items()}


@cache
def _fit(name: str) -> dict[str, dict[str, Any]]:
    path = files(__name__) / "fits" / f"{name}.csv"
    if name not in fits():
        raise ValueError(f"no fit {name!r}{did_you_mean(name, fits()) or ': none is kept'}")
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    words = ("parameter", "moment", "data_to", "fitted_on")
    return {row["parameter"]: {k: v if k in words else float(v) for k, v in row.items()} for row in rows}


def draws(name: str) -> pd.DataFrame:
    """Equally weighted draws of a fit's posterior as a DataFrame: one row a draw, one column a parameter."""
    fit(name)
    import pandas as pd

    return pd.read_csv(str(files(__name__) / "fits" / f"{name}_draws.csv"))
