"""Tables of observables that print in full on any display."""

from __future__ import annotations

import pandas as pd

from abm.market.measures import MEASURES

WIDTH = 80
"""Characters per line; further columns wrap."""


class Table(pd.DataFrame):
    """A data frame with one row per observable that prints all columns, and units next to the numbers.

    It prints four digits, and n/a for missing numbers; the stored numbers keep full precision.
    """

    def __repr__(self) -> str:
        names = self.index.get_level_values(0)
        units = [MEASURES[name].unit if isinstance(name, str) and name in MEASURES else "" for name in names]
        shown = pd.DataFrame(self).assign(unit=units)
        return str(shown.to_string(float_format="{:.4g}".format, line_width=WIDTH, na_rep="n/a"))

    __str__ = __repr__
