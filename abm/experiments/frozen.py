"""Predictions of later events, written from the runs of an experiment before any outcome enters the repository.

An experiment requests them with a table in its file:

    [predictions]
    h20 = "H20 licence"         # the outcomes h20_LAYER of the sweep, each of abnormal_LAYER around one date

They are written to FOLDER/predictions.csv, which `abm score` reads (`abm.analysis.predictions` documents its columns).
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
    """Problems of the table [predictions], one line each."""
    if not experiment.predictions:
        return []
    if experiment.arms:
        return ["predictions: need a single sweep; remove [arms]"]
    problems = []
    if not experiment.sweep.get("posterior"):
        problems.append("predictions: the sweep must name a posterior")
    for event in experiment.predictions:
        outcomes = outcomes_of(experiment, event).values()
        if not outcomes:
            problems.append(f"predictions.{event}: the sweep needs outcomes named {event}_LAYER of abnormal_LAYER")
        elif len({(outcome.date, outcome.first, outcome.last_day, outcome.take) for outcome in outcomes}) > 1:
            problems.append(f"predictions.{event}: its outcomes must have the same date, days and take")
        elif {outcome.take for outcome in outcomes} != {"sum"}:
            problems.append(f'predictions.{event}: its outcomes must have take = "sum", the return over the days')
    return problems


def outcomes_of(experiment: Experiment, event: str) -> dict[str, Outcome]:
    """Outcomes of an event by layer."""
    (sweep,) = experiment.sweeps().values()
    prefix = f"{event}_"
    by_layer = {
        name.removeprefix(prefix): outcome for name, outcome in sweep.columns.items() if name.startswith(prefix)
    }
    return {layer: outcome for layer, outcome in by_layer.items() if outcome.date and outcome.of == f"abnormal_{layer}"}


def predictions(experiment: Experiment, runs: pd.DataFrame, made_on: dt.date) -> list[Prediction]:
    """Predict the return of each layer at each event, from runs whose parameters are draws from a posterior.

    Raises ValueError if a run has no finite outcome: nothing is left out silently.
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
    """Write predictions.csv into a folder, by default that of the experiment."""
    return write_predictions((folder or experiment.folder) / FILE, predictions(experiment, runs, now().date()))
