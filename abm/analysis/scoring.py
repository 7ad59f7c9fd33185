"""Scores of frozen predictions, compared with a forecast of base rates (climatology) and with coin flips.

A prediction is the probability that a layer's abnormal return over a window is positive, a sign if that probability is far
enough from a half, and an interval. With p the probability and o = 1 for a positive return, else 0:

- **Brier score**, mean (p - o)^2: 0 is perfect; always predicting a half gives 0.25 (Brier 1950, *Monthly Weather Review*
  78).
- **Skill**, 1 - Brier / Brier of climatology: 1 is perfect, 0 no better than base rates, negative worse. Climatology must
  predate the events: estimated from the outcomes themselves, it would make an improper skill score, which can be hedged
  (Murphy 1973, *Journal of Applied Meteorology* 12).
- **Log score**, mean -ln of the probability of the outcome, in nats (Good 1952; proper: Gneiting & Raftery 2007, *Journal
  of the American Statistical Association* 102). A single error made with certainty would be infinite, so probabilities are
  clipped to [0.01, 0.99]: such an error costs 4.6 nats.
- **Signs**: the number of called signs that were right. If each called sign were a coin flip, that number would be binomial
  with probability 1/2, whatever the outcomes and their dependence; the p-value is the chance of at least as many.
- **Intervals**: the share of the 90 % intervals that contain the outcome.

Layers of one event move together: a dozen rows carry less information than a dozen independent trials, and the scores here
have no intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from abm.analysis.predictions import DOWN, UP, Observed, Prediction

RULE = 0.7
"""Share of called signs that must be right (experiment 16)."""
CLIP = 0.01
"""Minimum distance of probabilities from 0 and 1 in the log score."""
INTERVAL = 0.9
"""Probability of the interval from low to high of a prediction."""


@dataclass(frozen=True)
class Score:
    """Scores of the predictions of one event or of all events."""

    of: str
    number: int
    """Number of predictions."""
    brier: float
    brier_climatology: float
    skill: float | None
    """1 - brier / brier_climatology; None if climatology was perfect."""
    log: float
    """In nats, with probabilities clipped to [`CLIP`, 1 - `CLIP`]."""
    log_climatology: float
    """Log score of climatology, likewise."""
    called: int
    """Number of predictions with a sign."""
    right: int
    """Number of called signs that were right."""
    covered: int
    """Number of outcomes inside their interval."""

    @property
    def share_right(self) -> float | None:
        """Share of called signs that were right; None if no sign was called."""
        return self.right / self.called if self.called else None


@dataclass(frozen=True)
class Coins:
    """Distribution of the number of right signs if each called sign were a coin flip."""

    mean: float
    low: int
    """5th percentile."""
    high: int
    """95th percentile."""
    p: float
    """Probability of at least as many right signs as observed."""


@dataclass(frozen=True)
class Report:
    """Result of `score`."""

    all: Score
    events: list[Score]
    coins: Coins | None
    """None if no sign was called."""
    rule_met: bool | None
    """Whether at least `RULE` of the called signs were right; None if no sign was called."""
    climatology_given: int
    """Number of predictions with a climatology of their own; it is a half for the others."""
    warnings: list[str]
    """Reasons why rows are not out-of-sample predictions, and events whose date differs from the predicted one."""

    def plain(self) -> dict[str, Any]:
        """Report and settings as a dictionary for JSON."""
        settings = {"rule": RULE, "clip": CLIP, "interval": INTERVAL, "called_from": {"up": UP, "down": DOWN}}
        scores = [asdict(score) | {"share_right": score.share_right} for score in (self.all, *self.events)]
        rest = {name: value for name, value in asdict(self).items() if name not in ("all", "events")}
        return {"all": scores[0], "events": scores[1:], **rest, "settings": settings}


def score(predictions: Sequence[Prediction], observed: Mapping[tuple[str, str], Observed]) -> Report:
    """Score predictions against outcomes, given as (event, layer) -> outcome.

    A return of exactly zero does not count as a rise, and makes every called sign wrong. Raises KeyError for a missing
    outcome.
    """
    values = [observed[row.event, row.layer].value for row in predictions]
    names = list(dict.fromkeys(row.event for row in predictions))
    events = []
    for name in names:
        rows = [index for index, row in enumerate(predictions) if row.event == name]
        events.append(_score(name, [predictions[index] for index in rows], [values[index] for index in rows]))
    total = _score("all", predictions, values)
    return Report(
        all=total,
        events=events,
        coins=coins(total.called, total.right) if total.called else None,
        rule_met=total.right >= RULE * total.called - 1e-9 if total.called else None,
        climatology_given=sum(row.climatology is not None for row in predictions),
        warnings=hindsight(predictions, observed),
    )


def coins(called: int, right: int) -> Coins:
    """Binomial distribution of right signs in `called` coin flips, and the probability of at least `right`."""
    from scipy.stats import binom

    low, high = (int(end) for end in binom.ppf([0.05, 0.95], called, 0.5))
    return Coins(called / 2, low, high, float(binom.sf(right - 1, called, 0.5)))


def hindsight(predictions: Sequence[Prediction], observed: Mapping[tuple[str, str], Observed]) -> list[str]:
    """Warnings about events that began on another day than predicted, before the prediction or within the fitted data.

    An event counts as begun on the earlier of the actual and the predicted date: if the actual date is later, the event
    could still be known from the predicted date on.
    """
    dates = {event: row.date for (event, _), row in observed.items() if row.date}
    lines: dict[str, None] = {}  # a set in order of insertion
    for row in predictions:
        actual = dates.get(row.event, row.date)
        began = min(actual, row.date)
        when = f"{row.event} {'began on' if began == actual else 'was predicted for'} {began}"
        if actual != row.date:
            lines[f"{row.event} was predicted for {row.date} but began on {actual}: the dates differ"] = None
        if row.made_on >= began:
            lines[f"{when} and the prediction was computed on {row.made_on}: not a prediction"] = None
        if row.fitted_to >= began:
            lines[f"{when} and the fit has data up to {row.fitted_to}: not out of sample"] = None
    return list(lines)


def _score(of: str, predictions: Sequence[Prediction], values: Sequence[float]) -> Score:
    """Scores of predictions with these outcomes, under the name `of`."""
    p = np.array([row.probability_up for row in predictions])
    base = np.array([row.base_rate for row in predictions])
    sign = np.array([row.sign for row in predictions])
    value = np.array(values)
    up = (value > 0).astype(float)
    brier, climatology = float(((p - up) ** 2).mean()), float(((base - up) ** 2).mean())
    return Score(
        of=of,
        number=len(predictions),
        brier=brier,
        brier_climatology=climatology,
        skill=1 - brier / climatology if climatology else None,
        log=_log(p, up),
        log_climatology=_log(base, up),
        called=int((sign != 0).sum()),
        right=int((sign * value > 0).sum()),
        covered=sum(row.low <= outcome <= row.high for row, outcome in zip(predictions, values, strict=True)),
    )


def _log(p: np.ndarray, up: np.ndarray) -> float:
    """Mean -ln of the probability of the outcome, in nats."""
    clipped = np.clip(p, CLIP, 1 - CLIP)
    return float(-np.log(np.where(up == 1, clipped, 1 - clipped)).mean())
