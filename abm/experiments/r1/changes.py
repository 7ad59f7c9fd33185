"""What changed in the results of the R1 job since the world before: each headline before and after, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def changes(paired: pd.DataFrame) -> pd.DataFrame:
    """The headlines of `abm/data/r1_before.csv` beside those of these runs, with 95 % intervals; empty if none can be compared.

    Columns: effect, name, year, unit, before, before_low, before_high, after, after_low, after_high, cause, provisional.
    Effects on the observables of `IN_LOGS` are in percent.
    """
    import pandas as pd

    rows = paired.set_index(["comparison", "observable", "year"])
    out = []
    for was in data.load("r1_before").itertuples():
        key = (was.comparison, was.observable, str(was.year))
        if key not in rows.index:
            continue
        logs, label = was.observable in IN_LOGS, label_of(was.observable)
        now = in_percent(rows.loc[key]) if logs else rows.loc[key]
        then = {"difference": was.difference, "low": was.low, "high": was.high}
        before = in_percent(then) if logs else then
        out.append(
            {"effect": COMPARISONS[was.comparison], "name": label.name, "year": was.year}
            | {"unit": "%" if logs else label.unit}
            | {"before": before["difference"], "before_low": before["low"], "before_high": before["high"]}
            | {"after": now["difference"], "after_low": now["low"], "after_high": now["high"]}
            | {"cause": was.cause, "provisional": was.provisional if isinstance(was.provisional, str) else ""}
        )
    return pd.DataFrame(out)


def what_changed(table: pd.DataFrame) -> Markup:
    """The table of the report."""
    shown = table.copy()
    for when in ("before", "after"):
        ends = zip(shown[when], shown[f"{when}_low"], shown[f"{when}_high"], strict=True)
        shown[when] = [f"{html.number(m)} [{html.number(low)}, {html.number(high)}]" for m, low, high in ends]
    shown["provisional"] = [f"provisional: {what}" if what else "" for what in shown["provisional"]]
    columns = {"effect": "effect of", "name": "on", "year": "year", "unit": "unit", "before": "before", "after": "now"}
    columns |= {"cause": "why", "provisional": ""}
    caption = (
        "Effects in the world before the market for compute (decision 24) and in this one, with 95 % intervals of the mean over"
        " paired runs."
        " Provisional: the named mechanism is still to be replaced"
    )
    return html.table(shown, caption, columns)
