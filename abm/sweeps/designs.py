"""Sampling designs: points in the unit cube, scaled to the units of the factors."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm.sweeps.factors import Design, Factor
from abm.sweeps.targets import Target

MORRIS_LEVELS = 4


def size_of(design: Design, factors: Mapping[str, Factor], rows: int = 0) -> int:
    """Number of points of a design for one scenario, without laying them out. `rows` : number of rows of a table."""
    if design.kind == "table":
        return rows
    if design.kind == "grid":
        return math.prod(len(f.values) or f.levels or 0 for f in factors.values())
    if design.kind == "saltelli":
        return design.points[0] * ((2 * len(factors) if design.second_order else len(factors)) + 2)
    if design.kind == "morris":
        return (design.trajectories or 0) * (len(factors) + 1)
    return sum(design.points)


def repeats(design: Design, factors: Mapping[str, Factor], targets: Mapping[str, Target]) -> list[str]:
    """Problems of a design that would repeat a value or a point, and so give it more weight than the others.

    Saltelli and Morris designs may repeat points: their estimators need every point of a block, even where two coincide. So
    may a table, whose rows are taken as given: draws from a posterior may occur several times.
    """
    problems = []
    for name, factor in factors.items() if design.kind == "grid" else ():
        distinct = len(set(grid_values(factor, targets[name])))
        if factor.levels and distinct < factor.levels:
            even = factor.scale == "linear" and (targets[name].is_date or targets[name].whole)
            cure = f"use levels = {distinct}" if even else "use fewer levels, or list the values"
            problems.append(
                f"factors.{name}: levels = {factor.levels}, but there are only {distinct} distinct values from {factor.low} to"
                f" {factor.high}, and repeated values would get more weight; {cure}"
            )
    if design.kind not in ("latin_hypercube", "sobol"):
        return problems
    size, distinct_points = size_of(design, factors), combinations(factors, targets)
    if size > distinct_points:
        problems.append(
            f"design.points: {size} points, but the factors have only {distinct_points:.0f} combinations of"
            " values, and repeated points would get more weight; use a grid, or fewer points"
        )
    return problems


def combinations(factors: Mapping[str, Factor], targets: Mapping[str, Target]) -> float:
    """Number of distinct points that a design over the factors can have; infinite with a range of real numbers."""
    return math.prod(_number_of_values(factor, targets[name]) for name, factor in factors.items())


def _number_of_values(factor: Factor, target: Target) -> float:
    low, high = factor.low, factor.high
    if factor.values:
        return len(factor.values)
    if isinstance(low, dt.date) and isinstance(high, dt.date):
        return (high - low).days + 1
    return target.typed(high) - target.typed(low) + 1 if target.whole else math.inf


def grid_values(factor: Factor, target: Target) -> list[Any]:
    """Levels of a factor in a grid, in its own unit."""
    if factor.values:
        return [target.typed(value) for value in factor.values]
    return scaled(np.linspace(0, 1, factor.levels or 1), factor, target, closed=True)


def unit_cube(design: Design, factors: int, seed: int) -> np.ndarray:
    """Points of a design, (points, factors) in [0, 1].

    Sources: McKay et al. (1979), Latin hypercube; Owen (1998), scrambled Sobol; Saltelli (2002) with the scheme of
    Saltelli et al. (2010); Morris (1991).
    """
    if design.kind in ("latin_hypercube", "sobol"):
        from scipy.stats import qmc

        if design.kind == "sobol":
            rng = np.random.default_rng([seed, 1])
            return qmc.Sobol(factors, scramble=True, rng=rng).random(sum(design.points))
        blocks = [
            qmc.LatinHypercube(factors, rng=np.random.default_rng([seed, 2, block])).random(points)
            for block, points in enumerate(design.points)
        ]
        return np.concatenate(blocks)
    problem = {"num_vars": factors, "names": [f"x{i}" for i in range(factors)], "bounds": [[0.0, 1.0]] * factors}
    salib_seed = int(np.random.default_rng([seed, 3]).integers(1, 2**31))  # SALib treats seed 0 as no seed
    if design.kind == "saltelli":
        from SALib.sample import sobol

        return sobol.sample(
            problem, design.points[0], calc_second_order=design.second_order, scramble=True, seed=salib_seed
        )
    from SALib.sample import morris

    return morris.sample(problem, design.trajectories, num_levels=design.levels or MORRIS_LEVELS, seed=salib_seed)


def scaled(unit: np.ndarray, factor: Factor, target: Target, closed: bool = False) -> list[Any]:
    """Scale numbers in [0, 1] to values of a factor; integers, days and listed values share the interval evenly.

    `closed` (for grids) maps 0 and 1 exactly to the ends and rounds values between them: 0.3, not 0.30000000000000004.
    """
    low, high = factor.low, factor.high
    if factor.values:
        return [target.typed(factor.values[i]) for i in _steps(unit, len(factor.values), closed)]
    if isinstance(low, dt.date) and isinstance(high, dt.date):
        return [low + dt.timedelta(step) for step in _steps(unit, (high - low).days + 1, closed)]
    if target.whole and factor.scale == "linear":
        return [int(low) + step for step in _steps(unit, int(high - low) + 1, closed)]  # type: ignore[arg-type, operator]
    ends = float(low), float(high)  # type: ignore[arg-type]
    if factor.scale == "log":
        raw = np.exp(np.log(ends[0]) + unit * (np.log(ends[1]) - np.log(ends[0])))
    else:
        raw = ends[0] + unit * (ends[1] - ends[0])
    values = [float(f"{value:.12g}") for value in raw.tolist()] if closed else raw.tolist()
    return [target.typed(round(value) if target.whole else value) for value in np.clip(values, *ends).tolist()]


def _steps(unit: np.ndarray, number: int, closed: bool) -> list[int]:
    """Map numbers in [0, 1] to integers from 0 to number - 1."""
    steps = np.rint(unit * (number - 1)) if closed else np.minimum(np.floor(unit * number), number - 1)
    return [int(step) for step in steps]
