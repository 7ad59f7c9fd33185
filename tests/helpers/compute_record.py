"""Runs that stand in for an ensemble where only observables are read."""

from types import SimpleNamespace

import numpy as np

from abm import data
from abm.scenarios.calendar import month_of


class Runs:
    """Observables (runs, months) by name, with what figures and tables ask of an ensemble."""

    def __init__(self, observables):
        self.observables = observables
        runs, months = next(iter(observables.values())).shape
        self.seeds = list(range(runs))
        self.setup = SimpleNamespace(months=months, scenario=SimpleNamespace(all_events=()))

    @property
    def names(self):
        return sorted(self.observables)

    def __getitem__(self, name):
        return self.observables[name]


def like_the_record(factors, months=36, names=None):
    """One run per factor: the record times the factor in the months that it has, and in between the last value."""
    observables = {}
    for name, rows in data.load("compute_record").groupby("observable"):
        path = np.full(months, np.nan)
        for row in rows.itertuples():
            if (month := month_of(row.date.date())) < months:
                path[max(month, 0) :] = row.value
        observables[name] = np.outer(factors, path)
    return Runs({name: observables[name] for name in names or observables})
