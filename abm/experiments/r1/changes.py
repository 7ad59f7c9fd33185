"""What changed in the results of the R1 job from world to world: each headline before and now, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from abm import data
from abm.charts.labels import label_of
from abm.experiments import html
from abm.experiments.r1.sentences import in_percent
from abm.experiments.r1.tables import IN_LOGS

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

COMPARISONS = {"no_r1": "R1", "no_stargate": "Stargate"}
"""What a comparison is the effect of."""
WHEN = ("earlier", "before", "after")
"""The world before the last, the last one, and this one."""
NUMBERS = ("difference", "low", "high")
NOTHING = (np.nan,) * len(NUMBERS)


def changes(paired: pd.DataFrame) -> pd.DataFrame:
    """The headlines of the worlds before this one beside those of these runs, with 95 % intervals; empty if none can be compared.

    `abm/data/r1_before.csv` has the headlines by `world`, oldest first: those of the last world are shown, with their values
    in the world before it. NaN: a headline that was not measured then. Columns: effect, name, year, unit; earlier, before and
    after, each with _low and _high; cause, provisional. Effects on the observables of `IN_LOGS` are in percent.
    """
    import pandas as pd

    stored = data.load("r1_before")
    worlds = list(stored["world"].unique())
    last = by_key(stored[stored["world"] == worlds[-1]], *NUMBERS, "cause", "provisional")
    earlier = by_key(stored[stored["world"].isin(worlds[-2:-1])], *NUMBERS)
    now = by_key(paired, *NUMBERS)
    out = []
    for key, (*numbers, cause, provisional) in last.items():
        if key not in now:
            continue
        comparison, observable, year = key
        label, logs = label_of(observable), observable in IN_LOGS
        row = {"effect": COMPARISONS[comparison], "name": label.name, "year": int(year)}
        row |= {"unit": "%" if logs else label.unit}
        for when, values in zip(WHEN, (earlier.get(key, NOTHING), numbers, now[key]), strict=True):
            shown = dict(zip(NUMBERS, values, strict=True))
            shown = in_percent(shown) if logs else shown
            row |= {when: shown["difference"], f"{when}_low": shown["low"], f"{when}_high": shown["high"]}
        out.append(row | {"cause": cause, "provisional": provisional if isinstance(provisional, str) else ""})
    return pd.DataFrame(out)


def by_key(rows: pd.DataFrame, *columns: str) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """Columns of the rows, by comparison, observable and year."""
    keys = zip(rows["comparison"], rows["observable"], rows["year"].astype(str), strict=True)
    return dict(zip(keys, rows[[*columns]].itertuples(index=False, name=None), strict=True))


def what_changed(table: pd.DataFrame) -> Markup:
    """The table of the report."""
    shown = table.copy()
    for when in WHEN:
        ends = zip(shown[when], shown[f"{when}_low"], shown[f"{when}_high"], strict=True)
        shown[when] = ["–" if m != m else with_interval(m, low, high) for m, low, high in ends]
    shown["provisional"] = [f"provisional: {what}" if what else "" for what in shown["provisional"]]
    columns = {"effect": "effect of", "name": "on", "year": "year", "unit": "unit"}
    columns |= {"earlier": "two worlds ago", "before": "before", "after": "now", "cause": "why", "provisional": ""}
    worlds = list(data.load("r1_before")["world"].unique())
    caption = (
        f"Effects in the worlds {' and '.join(worlds)}, and in this one, with 95 % intervals of the mean over paired runs;"
        " –: not measured, or not defined in these runs. Provisional: the named mechanism is still to be replaced"
    )
    return html.table(shown, caption, columns)


def with_interval(mean: float, low: float, high: float) -> str:
    return f"{html.number(mean)} [{html.number(low)}, {html.number(high)}]"
