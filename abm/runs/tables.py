"""Tables of observables that print whole, wherever they are printed."""

from __future__ import annotations

import pandas as pd

from abm.market.measures import MEASURES

WIDTH = 80
"""Letters of a line: what does not fit goes on below."""


class Table(pd.DataFrame):
    """A data frame, one row an observable, whose printed form has every column, and units beside the numbers.

    It is printed with four digits, and n/a where there is not a number; the numbers themselves have all of theirs.
    """

    def __repr__(self) -> str:
        names = self.index.get_level_values(0)
        units = [MEASURES[name].unit if isinstance(name, str) and name in MEASURES else "" for name in names]
        shown = pd.DataFrame(self).assign(unit=units)
        return str(shown.to_string(float_format="{:.4g}".format, line_width=WIDTH, na_rep="n/a"))

    __str__ = __repr__
