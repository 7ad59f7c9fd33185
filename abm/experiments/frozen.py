"""Predictions of later events, written from the runs of an experiment before any outcome is in the repository.

An experiment asks for them with a table of its file:

    [predictions]
    h20 = "H20 licence"         # the outcomes h20_LAYER of the sweep, each of abnormal_LAYER around one date

They become FOLDER/predictions.csv, which `abm score` takes (`abm.analysis.predictions` says what is in it).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abm import data
from abm.analysis.predictions import Prediction, called_sign, write_predictions
from abm.experiments.spec import Experiment
from abm.support.provenance import now
from abm.sweeps import Outcome

if TYPE_CHECKING:
    import pandas as pd

FILE = "predictions.csv"
INTERVAL = (0.05, 0.95)


def problems_in(experiment: Experiment) -> list[str]:
    """What is wrong with the table; one line a fault."""
    if not experiment.predictions:
        return []
    if experiment.arms:
        return ["predictions: go with one sweep, not with arms"]
    found = []
    if not experiment.sweep.get("posterior"):
        found.append("predictions: the sweep must name a posterior, whose data they are made from")
    for event in experiment.predictions:
        some = outcomes_of(experiment, event)
        if not some:
            found.append(f"predictions.{event}: no outcome of the sweep is called {event}_LAYER and of abnormal_LAYER")
        elif len({(one.date, one.first, one.last_day, one.take) for one in some.values()}) > 1:
            found.append(f"predictions.{event}: its outcomes differ in date, days or take")
        elif {one.take for one in some.values()} != {"sum"}:
            found.append(f'predictions.{event}: its outcomes must take = "sum", the return over the days')
    return found


def outcomes_of(experiment: Experiment, event: str) -> dict[str, Outcome]:
    """Layer -> outcome of an event."""
    (sweep,) = experiment.sweeps().values()
    columns = {
        name.removeprefix(f"{event}_"): one for name, one in sweep.columns.items() if name.startswith(f"{event}_")
    }
    return {layer: one for layer, one in columns.items() if one.date and one.of == f"abnormal_{layer}"}


def predictions(experiment: Experiment, runs: pd.DataFrame, made_on: dt.date) -> list[Prediction]:
    """A prediction for each event and layer, from runs whose parameters are draws of a posterior.

    Raises ValueError where a run has no finite outcome: nothing is left out silently.
    """
    fit = next(iter(data.fit(experiment.sweep["posterior"]).values()))
    base = data.load("climatology").set_index(["layer", "days"])["share_up"]
    rows = []
    for event, label in experiment.predictions.items():
        for layer, outcome in outcomes_of(experiment, event).items():
            values = runs[f"{event}_{layer}"].to_numpy(float)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{event}_{layer}: {(~np.isfinite(values)).sum()} of {values.size} runs have no outcome"
                )
            assert outcome.date is not None
            days = outcome.last_day - outcome.first + 1
            probability = float((values > 0).mean())
            low, high = np.quantile(values, INTERVAL)
            rows.append(
                Prediction(
                    event=label,
                    date=outcome.date,
                    layer=layer,
                    days=days,
                    probability_up=probability,
                    sign=called_sign(probability),
                    mean=round(float(values.mean()), 6),
                    low=round(float(low), 6),
                    high=round(float(high), 6),
                    fitted_to=dt.date.fromisoformat(fit["data_to"]),
                    made_on=made_on,
                    climatology=float(base[layer, days]) if (layer, days) in base.index else None,
                )
            )
    return rows


def keep(experiment: Experiment, runs: pd.DataFrame, folder: Path | None = None) -> Path:
    """Write the predictions into a folder, the experiment's own by default."""
    return write_predictions((folder or experiment.folder) / FILE, predictions(experiment, runs, now().date()))
