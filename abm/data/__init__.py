"""Facts about the AI market up to 30 June 2025, each row with its source.

Units, sources, licences and what is left out on purpose: docs/data.md.
"""

from difflib import get_close_matches
from importlib.resources import files

DATE_COLUMNS = ("date", "release_date", "event_date", "start_date", "end_date", "price_from", "price_to")


def names():
    """Names of the tables, as `load` takes them."""
    return sorted(entry.name.removesuffix(".csv") for entry in files(__name__).iterdir() if entry.name.endswith(".csv"))


def load(name):
    """One table as a DataFrame; date columns come as timestamps, a blank number as NaN.

    Raises ValueError, with the nearest table name, where there is no such table.
    """
    if name not in names():
        nearest = get_close_matches(str(name), names(), n=1, cutoff=0)[0]
        raise ValueError(f"no table {name!r}; did you mean {nearest!r}? Tables: {', '.join(names())}")
    import pandas as pd

    table = pd.read_csv(files(__name__) / f"{name}.csv")
    for column in table.columns.intersection(DATE_COLUMNS):
        table[column] = pd.to_datetime(table[column])
    return table


def targets():
    """The moments to fit, indexed by name: description, value, lower, upper, unit, source.

    `lower` and `upper` are inclusive; a one-sided moment states its bound as `value` and may have an infinite `upper`.
    """
    return load("targets").set_index("name")
