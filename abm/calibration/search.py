"""Global search for the parameters whose moments are closest to the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from abm.calibration.criterion import Criterion
from abm.calibration.simulated import Simulator

OUT = 1e12
"""Objective value reported to CMA-ES for a point with an undefined moment: worst, but finite."""


class SearchResult(NamedTuple):
    """Result of a search."""

    theta: np.ndarray  # (parameters,)
    value: float  # J - 2 log prior
    history: np.ndarray  # (generations,) best value so far
    undefined: int  # points at which a run left a moment undefined
    points: int
    settled: bool
    """Whether the search converged, rather than reaching its last generation."""


def objective(simulator: Simulator, criterion: Criterion, unit: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """(points,) J of the mean moments minus twice the log prior, at positions (points, parameters).

    Its minimum is the mode of the limited-information posterior: the likelihood of the moments, taken as normal, times
    the prior (Kim 2002, *Journal of Econometrics* 107; Chernozhukov & Hong 2003, *Journal of Econometrics* 115).
    """
    means = simulator.means(simulator.spec.from_unit(unit), seeds)
    return criterion(means) - 2 * simulator.spec.log_prior(unit)


def search(
    simulator: Simulator, criterion: Criterion, start: np.ndarray, progress: Callable[[int, float], None] | None = None
) -> SearchResult:
    """CMA-ES from `start` (parameters,), on the same seeds throughout, so that the objective is deterministic.

    Each generation is one call of the compiled ensemble. The mean of the final distribution is evaluated too: it is often
    better than the best member. Source: Hansen & Ostermeier (2001), *Evolutionary Computation* 9(2).
    """
    from cmaes import CMA

    spec = simulator.spec
    size, number = spec.search.population, len(spec.names)
    seeds = np.arange(spec.search.seeds)
    bounds = np.tile([0.0, 1.0], (number, 1))
    best, value = spec.to_unit(start), np.inf
    value = float(objective(simulator, criterion, best[None], seeds)[0])
    if number == 1:
        return _line(simulator, criterion, seeds, best, value, progress)
    optimizer = CMA(
        np.clip(best, 0.02, 0.98), spec.search.spread, bounds=bounds, seed=spec.seed + 1, population_size=size
    )
    history, undefined, points, settled = [], 0, 1, False
    for generation in range(spec.search.generations):
        candidates = np.array([optimizer.ask() for _ in range(size)])
        values = objective(simulator, criterion, candidates, seeds)
        undefined += int(np.isinf(values).sum())
        points += size
        optimizer.tell([(x, min(float(v), OUT)) for x, v in zip(candidates, values, strict=True)])
        if values.min() < value:
            value, best = float(values.min()), candidates[values.argmin()]
        history.append(value)
        if progress:
            progress(generation, value)
        if settled := optimizer.should_stop():
            break
    centre = np.clip(optimizer.mean, 0, 1)
    at_centre = float(objective(simulator, criterion, centre[None], seeds)[0])
    if at_centre < value:
        value, best = at_centre, centre
    return SearchResult(spec.from_unit(best), value, np.array(history), undefined, points + 1, settled)


def _line(
    simulator: Simulator,
    criterion: Criterion,
    seeds: np.ndarray,
    best: np.ndarray,
    value: float,
    progress: Callable[[int, float], None] | None,
) -> SearchResult:
    """Search one parameter on a grid that is refined around its best point (CMA-ES needs two parameters)."""
    size, history, undefined, points = simulator.spec.search.population, [], 0, 1
    low, high = 0.0, 1.0
    for generation in range(min(simulator.spec.search.generations, 6)):
        grid = np.linspace(low, high, size)[:, None]
        values = objective(simulator, criterion, grid, seeds)
        undefined += int(np.isinf(values).sum())
        points += size
        if values.min() < value:
            value, best = float(values.min()), grid[values.argmin()]
        history.append(value)
        step = (high - low) / (size - 1)
        low, high = max(0.0, float(best[0]) - step), min(1.0, float(best[0]) + step)
        if progress:
            progress(generation, value)
    return SearchResult(simulator.spec.from_unit(best), value, np.array(history), undefined, points, True)
