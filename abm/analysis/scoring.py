"""How good were frozen predictions? Scores against a forecast that knows only base rates, and against coin flips.

A prediction is a probability that a layer's abnormal return over a window is above nought, with a sign where it is far
enough from a half, and an interval. With p the probability and o = 1 where the return is above nought, else 0:

- **Brier score**, mean (p - o)^2: 0 is perfect, a half throughout gives 0.25 (Brier 1950, *Monthly Weather Review* 78).
- **Skill**, 1 - Brier / Brier of climatology: 1 is perfect, 0 no better than base rates, below 0 worse. Climatology comes
  from before the events: taken from the outcomes themselves it would make the skill one that can be hedged (Murphy 1973,
  *Journal of Applied Meteorology* 12).
- **Log score**, mean -ln of the probability of what came, in nats (Good 1952; proper: Gneiting & Raftery 2007, *Journal of
  the American Statistical Association* 102). One certain error would make it infinite: probabilities are held between
  0.01 and 0.99, so that it costs 4.6 nats.
- **Signs**: how many of those called were right. Were each called sign the throw of a coin, the number right would be
  binomial with a half, whatever came and however events hang together; the p-value is the chance of as many or more.
- **Intervals**: the share of the 90 % intervals that hold what came.

Layers of one event move together: a dozen rows are fewer than a dozen independent trials, and no score here has an interval.
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
"""Probabilities are held this far from 0 and 1 in the log score."""
INTERVAL = 0.9
"""What low and high of a prediction enclose."""


@dataclass(frozen=True)
class Score:
    """Scores of some predictions: of one event, or of all. None where there is nothing to divide by."""

    of: str
    number: int
    """Predictions."""
    brier: float
    brier_climatology: float
    skill: float | None
    """1 - brier / brier_climatology; None where climatology was perfect."""
    log: float
    """Nats, as the next; probabilities held between `CLIP` and 1 - `CLIP`."""
    log_climatology: float
    called: int
    """Predictions with a sign."""
    right: int
    """Of those."""
    covered: int
    """Outcomes that lie in their interval."""

    @property
    def share_right(self) -> float | None:
        return self.right / self.called if self.called else None


@dataclass(frozen=True)
class Coins:
    """The number of right signs, had each called sign been the throw of a coin."""

    mean: float
    low: int
    """The 5th and the 95th percentile."""
    high: int
    p: float
    """Chance of as many as were right, or more."""


@dataclass(frozen=True)
class Report:
    """What `score` says."""

    all: Score
    events: list[Score]
    coins: Coins | None
    """None where no sign was called."""
    rule_met: bool | None
    """Whether at least `RULE` of the called signs were right; None where none was called."""
    climatology_given: int
    """Predictions that came with a climatology; the others have one of a half."""
    warnings: list[str]
    """Why some rows are no predictions in the strict sense, and events that took place on another day than predicted."""

    def plain(self) -> dict[str, Any]:
        """As JSON keeps it, with the settings."""
        settings = {"rule": RULE, "clip": CLIP, "interval": INTERVAL, "called_from": {"up": UP, "down": DOWN}}
        scores = [asdict(one) | {"share_right": one.share_right} for one in (self.all, *self.events)]
        rest = {name: value for name, value in asdict(self).items() if name not in ("all", "events")}
        return {"all": scores[0], "events": scores[1:], **rest, "settings": settings}


def score(predictions: Sequence[Prediction], observed: Mapping[tuple[str, str], Observed]) -> Report:
    """Scores of predictions that have all come due; `observed` by event and layer. A return of nought is not up, and no
    sign is right about it. Raises KeyError for an outcome that is missing.
    """
    values = [observed[row.event, row.layer].value for row in predictions]
    names = list(dict.fromkeys(row.event for row in predictions))
    events = []
    for name in names:
        places = [place for place, row in enumerate(predictions) if row.event == name]
        events.append(_score(name, [predictions[place] for place in places], [values[place] for place in places]))
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
    """The binomial distribution of right signs among `called` throws of a coin, and the chance of `right` or more."""
    from scipy.stats import binom

    low, high = (int(end) for end in binom.ppf([0.05, 0.95], called, 0.5))
    return Coins(called / 2, low, high, float(binom.sf(right - 1, called, 0.5)))


def hindsight(predictions: Sequence[Prediction], observed: Mapping[tuple[str, str], Observed]) -> list[str]:
    """One line for each event that took place on another day than predicted, that had begun when it was predicted, or that
    the fit has data of. It is taken to have begun on the earlier of both days: the one that was predicted, where outcomes
    say a later one, could be known as well.
    """
    told = {event: row.date for (event, _), row in observed.items() if row.date}
    lines: dict[str, None] = {}
    for row in predictions:
        day = told.get(row.event, row.date)
        began = min(day, row.date)
        when = f"{row.event} {'began on' if began == day else 'was predicted for'} {began}"
        if day != row.date:
            lines[f"{row.event} was predicted for {row.date} and began on {day}: outcomes and predictions differ"] = (
                None
            )
        if row.made_on >= began:
            lines[f"{when} and was computed on {row.made_on}: not a prediction"] = None
        if row.fitted_to >= began:
            lines[f"{when} and the fit has data to {row.fitted_to}: not out of sample"] = None
    return list(lines)


def _score(of: str, predictions: Sequence[Prediction], values: Sequence[float]) -> Score:
    p = np.array([row.probability_up for row in predictions])
    base = np.array([row.base_rate for row in predictions])
    sign = np.array([row.sign for row in predictions])
    value = np.array(values)
    up = (value > 0).astype(float)
    brier, against = float(((p - up) ** 2).mean()), float(((base - up) ** 2).mean())
    return Score(
        of=of,
        number=len(predictions),
        brier=brier,
        brier_climatology=against,
        skill=1 - brier / against if against else None,
        log=_log(p, up),
        log_climatology=_log(base, up),
        called=int((sign != 0).sum()),
        right=int((sign * value > 0).sum()),
        covered=sum(row.low <= one <= row.high for row, one in zip(predictions, values, strict=True)),
    )


def _log(p: np.ndarray, up: np.ndarray) -> float:
    """Mean -ln of the probability of what came."""
    held = np.clip(p, CLIP, 1 - CLIP)
    return float(-np.log(np.where(up == 1, held, 1 - held)).mean())
