"""Data on the AI market up to 30 June 2025, with a source for each row.

Units, sources, licences and deliberate omissions: docs/data.md.
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
CUTOFF = "2025-06-30"
"""Later data are deliberately withheld: the fitted model is meant to predict them."""


def names() -> list[str]:
    """Names of the tables, for use with `load`."""
    return sorted(entry.name.removesuffix(".csv") for entry in files(__name__).iterdir() if entry.name.endswith(".csv"))


def load(name: str) -> pd.DataFrame:
    """Load a table as a DataFrame, with dates as timestamps and blank numbers as NaN.

    Raises ValueError for an unknown name, suggesting a similar one.
    """
    if name not in names():
        raise ValueError(f"unknown table {name!r}{nearest(name, names())}; tables: {', '.join(names())}")
    import pandas as pd

    table = pd.read_csv(str(files(__name__) / f"{name}.csv"))
    for column in table.columns.intersection(DATE_COLUMNS):
        table[column] = pd.to_datetime(table[column])
    return table


def targets() -> pd.DataFrame:
    """Target moments of the calibration, indexed by name: description, value, lower, upper, unit, source.

    `lower` and `upper` are inclusive; a one-sided moment has its bound as `value` and may have an infinite `upper`.
    """
    return load("targets").set_index("name")


def fits() -> list[str]:
    """Names of the calibrations whose results are stored here, for use with `fit`."""
    folder = files(__name__) / "fits"
    entries = {entry.name for entry in folder.iterdir()}
    return sorted(
        name.removesuffix(".csv") for name in entries if name.endswith(".csv") and not name.endswith("_draws.csv")
    )


def fit(name: str) -> dict[str, dict[str, Any]]:
    """Estimates of a calibration: a dictionary from each parameter to its row of fits/NAME.csv.

    `estimate`, and `low`, `median`, `high` of the posterior's 90 % interval, are numbers in the parameter's unit;
    `data_to`, the last day of the data used, and `fitted_on` are dates as text. Raises ValueError for an unknown name,
    suggesting a similar one. Does not use pandas, because `Parameters` calls it on import.
    """
    return {parameter: dict(row) for parameter, row in _fit(name).items()}


@cache
def _fit(name: str) -> dict[str, dict[str, Any]]:
    path = files(__name__) / "fits" / f"{name}.csv"
    if name not in fits():
        raise ValueError(f"unknown fit {name!r}{did_you_mean(name, fits()) or ': no fits are stored'}")
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    text_columns = ("parameter", "moment", "data_to", "fitted_on")
    return {row["parameter"]: {k: v if k in text_columns else float(v) for k, v in row.items()} for row in rows}


def draws(name: str) -> pd.DataFrame:
    """Equally weighted posterior draws of a fit as a DataFrame: one row per draw, one column per parameter."""
    fit(name)
    import pandas as pd

    return pd.read_csv(str(files(__name__) / "fits" / f"{name}_draws.csv"))
