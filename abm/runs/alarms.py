"""Alarms: observables that leave their sane range (`Measure` in `abm.market.measures`)."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from abm.market.measures import MEASURES
from abm.scenarios.calendar import first_day
from abm.support.messages import AbmWarning

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5
"""Alarms that a warning lists."""
ROUNDING = 100
"""How far outside its range a value may lie, in rounding errors of 1: a share may be 1 + 1e-16, a residual 1e-6 in 32 bits."""


class Alarm(NamedTuple):
    """An observable outside its range: the first month in which a run leaves it, that run's value, how many runs do."""

    observable: str
    month: int
    value: float
    low: float
    high: float
    runs: int

    @property
    def date(self) -> dt.date:
        """First day of the month."""
        return first_day(self.month)


def outside(observables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Masks (runs, months) of the values outside their range, for the observables that have any.

    observables : arrays (runs, months), or (months,) of one run. NaN, the value of an undefined observable, is inside.
    """
    masks = {}
    for name, measure in MEASURES.items():
        if measure.sane is None or name not in observables:
            continue
        values, (low, high) = np.atleast_2d(observables[name]), measure.sane
        slack = ROUNDING * np.finfo(np.result_type(values, 0.0)).eps
        mask = (values < low - slack) | (values > high + slack)
        if mask.any():
            masks[name] = mask
    return masks


def alarms_of(*settings: Mapping[str, Any]) -> list[Alarm]:
    """Alarms of the runs of one or more settings, earliest first.

    settings : observables, as for `outside`. Only those that are there can be checked.
    """
    found: dict[str, Alarm] = {}
    for observables in settings:
        for name, mask in outside(observables).items():
            month = int(mask.any(0).argmax())
            value = float(np.atleast_2d(observables[name])[mask[:, month].argmax(), month])
            low, high = MEASURES[name].sane or (-np.inf, np.inf)
            alarm = Alarm(name, month, value, float(low), float(high), int(mask.any(1).sum()))
            before = found.get(name, alarm._replace(runs=0))
            first = min(before, alarm, key=lambda either: either.month)
            found[name] = first._replace(runs=before.runs + alarm.runs)
    return sorted(found.values(), key=lambda alarm: alarm.month)


def table_of(observables: Mapping[str, Any]) -> pd.DataFrame:
    """Alarms as a table, earliest first: index `observable`; columns date, value, low, high, runs."""
    import pandas as pd

    from abm.runs.tables import Table

    rows = [alarm._asdict() | {"date": pd.Timestamp(alarm.date)} for alarm in alarms_of(observables)]
    columns = ["observable", "date", "value", "low", "high", "runs"]
    return Table(pd.DataFrame(rows, columns=columns).set_index("observable"))


def warn_of_alarms(settings: Sequence[Mapping[str, Any]], runs: int = 1) -> None:
    """Issue one warning at the caller's caller about all alarms of the settings, which have `runs` runs together."""
    alarms = alarms_of(*settings)
    if alarms:
        lines = ["observables outside their sane range, which alarms() of the result lists:"]
        lines += [f"  {sentence(alarm, runs)}" for alarm in alarms[:SHOWN]]
        lines += [f"  and {len(alarms) - SHOWN} more"] if len(alarms) > SHOWN else []
        warnings.warn("\n".join(lines), AbmWarning, stacklevel=3)


def sentence(alarm: Alarm, runs: int = 1) -> str:
    """An alarm as text: `lab_cash = 1.02e+06 $ M in May 2027 (range 0 to 1e+06), 3 of 4 runs`."""
    value = f"{alarm.value:.6g} {MEASURES[alarm.observable].unit}".strip()
    share = f", {alarm.runs} of {runs} runs" if runs > 1 else ""
    return f"{alarm.observable} = {value} in {alarm.date:%B %Y} (range {alarm.low:g} to {alarm.high:g}){share}"
