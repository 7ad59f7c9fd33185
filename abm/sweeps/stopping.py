"""Stopping rule: add replications until the confidence interval at every point is, and stays, narrow enough."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abm.sweeps.results import Results, open_sweep
from abm.sweeps.run import Progress, Tally, run_sweep
from abm.sweeps.spec import Sweep


@dataclass(frozen=True)
class Rule:
    """Stop when the confidence interval of outcome `of` has at most `half_width` at every point.

    With several points the interval is that of the paired difference from the first point, otherwise that of the mean.
    `half_width` is a share of the absolute mean at the first point, or in the outcome's unit if `absolute`. The rule is met
    at n replications if it holds at n and at each of the next `look_ahead`, so that chance does not stop a sweep (Hoad,
    Robinson and Davies 2010).
    """

    of: str
    half_width: float
    absolute: bool = False
    confidence: float = 0.95
    minimum: int = 8
    maximum: int = 1_000
    look_ahead: int = 5

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.half_width < np.inf:
            problems.append(f"half-width {self.half_width}: must be a number above 0")
        if not 0 < self.confidence < 1:
            problems.append(f"confidence {self.confidence}: must lie between 0 and 1")
        if not 2 <= self.minimum <= self.maximum:
            problems.append(f"replications from {self.minimum} to {self.maximum}: must be 2 or more, minimum first")
        if self.look_ahead < 0:
            problems.append(f"look-ahead {self.look_ahead}: must be 0 or more")
        if problems:
            raise ValueError("\n".join(problems))


@dataclass(frozen=True)
class Verdict:
    """Number of replications that meets the rule (None if not met), and the widest half-width at each number."""

    enough: int | None
    widest: np.ndarray
    """(replications + 1,) widest half-width over points, in the unit of the rule; NaN below two replications."""
    left_out: int
    """Runs without a finite outcome: failed, missing or non-finite."""
    trouble: str = ""
    """Why more replications would not help, if so."""


def half_widths(values: np.ndarray, rule: Rule) -> np.ndarray:
    """(replications + 1,) widest half-width over points after the first n replications; NaN for n below two.

    values : (points, replications); non-finite values are left out. An outcome that is the same in every run has half-width
    0, also as a share of a mean of 0. The half-width is infinite where the mean is 0 and runs differ, or where a point has
    fewer than two finite values.
    """
    from scipy.special import stdtrit

    values = np.where(np.isfinite(values), values, np.nan)
    points, number = values.shape
    series = values[1:] - values[:1] if points > 1 else values
    widest = np.full(number + 1, np.nan)
    for n in range(2, number + 1):
        first_n = series[:, :n]
        counts = np.isfinite(first_n).sum(1)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # from NumPy, for points with fewer than two values
            sd = np.nanstd(first_n, axis=1, ddof=1)
            half = stdtrit(np.maximum(counts - 1, 1), 0.5 + rule.confidence / 2) * sd / np.sqrt(counts)
            half = np.where(counts < 2, np.inf, half).max()
            size = 1.0 if rule.absolute else abs(np.nanmean(values[0, :n]))
            widest[n] = half / size if half > 0 and np.isfinite(half) else half
    return widest


def judge(values: np.ndarray, rule: Rule) -> Verdict:
    """Apply the rule to values (points, replications)."""
    widest = half_widths(values, rule)
    narrow = widest <= rule.half_width  # False for NaN
    enough = None
    for n in range(rule.minimum, values.shape[1] + 1):
        window = narrow[n : n + rule.look_ahead + 1]
        if window.all() and (len(window) == rule.look_ahead + 1 or values.shape[1] >= rule.maximum):
            enough = n
            break
    left_out = int((~np.isfinite(values)).sum())
    return Verdict(enough, widest, left_out, "" if enough else hopeless(values, rule))


def hopeless(values: np.ndarray, rule: Rule) -> str:
    """Why no number of replications would meet the rule, judging by values (points, replications); empty if one might."""
    blank = ~np.isfinite(values).any(1)
    if blank.any():
        return f"no run of point {int(np.argmax(blank))} has a finite {rule.of}"
    if not rule.absolute and (np.nan_to_num(values[0]) == 0).all() and np.ptp(np.nan_to_num(values)) > 0:
        return f"{rule.of} is 0 in every run of the first point, so a relative half-width is undefined; give one in its own unit"
    return ""


def values_of(results: Results, of: str) -> np.ndarray:
    """Values (points, replications) of an outcome; NaN where a run is missing or not ok."""
    values = np.full((len(results.design), int(results.manifest["replications"])), np.nan)
    runs = results.runs()
    good = runs["status"] == "ok"
    values[runs["point"][good], runs["replication"][good]] = runs[of][good]
    return values


def column(sweep: Sweep, of: str) -> str:
    """Resolve a name to an outcome: the outcome itself, or the mean of the observable of that name."""
    from abm.support.messages import did_you_mean, shortened

    for name in (of, f"{of}_mean"):
        if name in sweep.columns:
            return name
    raise ValueError(f"unknown outcome {shortened(of)}{did_you_mean(of, list(sweep.columns))}")


def run_until(
    sweep: Sweep,
    folder: str | Path,
    rule: Rule,
    progress: Progress | None = None,
    on_verdict: Callable[[int, Verdict], Any] | None = None,
    **options: Any,
) -> tuple[Tally, Verdict]:
    """Add replications until the rule is met at every point or its maximum is reached; options as in `run_sweep`.

    Each round adds about as many replications as the interval's width suggests are needed. Results do not depend on how
    replications are split into rounds, and the tally covers all rounds. Stops early if more replications would not help.
    """
    if sweep.seeds:
        raise ValueError("a sweep with explicit seeds cannot grow: give replications and seed instead of seeds")
    name = column(sweep, rule.of)
    whole: Tally | None = None
    number = min(max(sweep.replications, rule.minimum + rule.look_ahead), rule.maximum)
    while True:
        tally = run_sweep(sweep, folder, replications=number, progress=progress, **options)
        whole = tally if whole is None else whole.then(tally)
        options["accept_changes"] = False
        verdict = judge(values_of(open_sweep(folder), name), rule)
        if on_verdict:
            on_verdict(number, verdict)
        if verdict.enough is not None or verdict.trouble or number >= rule.maximum:
            return whole, verdict
        now = verdict.widest[-1]
        wanted = number * (now / rule.half_width) ** 2 if np.isfinite(now) else 2.0 * number
        number = int(
            min(max(wanted + rule.look_ahead, number + rule.look_ahead + 1), 2 * number + rule.look_ahead, rule.maximum)
        )
