"""Where the points of a sweep lie: in the unit cube, and from there in the units of the factors."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.sweeps.targets import Target

MORRIS_LEVELS = 4
if TYPE_CHECKING:
    from abm.sweeps.spec import Factor, Sweep


def size_of(sweep: Sweep) -> int:
    """Points of the design, before it is multiplied by scenarios; nothing is laid out."""
    design, factors = sweep.design, sweep.factors
    if design.kind == "table":
        return len(sweep.rows)
    if design.kind == "grid":
        return math.prod(len(f.values) or f.levels or 0 for f in factors.values())
    if design.kind == "saltelli":
        return design.points[0] * ((2 * len(factors) if design.second_order else len(factors)) + 2)
    if design.kind == "morris":
        return (design.trajectories or 0) * (len(factors) + 1)
    return sum(design.points)


def repeats(sweep: Sweep) -> list[str]:
    """Complaints of a design that would take a value or a point more than once, and so weigh it more than the others.

    Saltelli and Morris designs may: their estimates want every point of a block, also where two coincide. So may a table,
    whose rows are as they are meant: draws of a posterior may be there several times.
    """
    design, factors = sweep.design, sweep.factors
    problems = []
    for name, factor in factors.items() if design.kind == "grid" else ():
        found = len(set(grid_values(factor, sweep.targets[name])))
        if factor.levels and found < factor.levels:
            even = factor.scale == "linear" and (sweep.targets[name].is_date or sweep.targets[name].whole)
            cure = f"take levels = {found}" if even else "take fewer levels, or list the values"
            problems.append(
                f"factors.{name}: levels = {factor.levels}, but they give only {found} different values from {factor.low} to"
                f" {factor.high}, and repeated values would count more than the others; {cure}"
            )
    if design.kind in ("latin_hypercube", "sobol") and size_of(sweep) > combinations(sweep):
        problems.append(
            f"design.points: {size_of(sweep)} points, but the factors have only {combinations(sweep):.0f} combinations of"
            " values, and repeated points would count more than the others; take a grid, or fewer points"
        )
    return problems


def combinations(sweep: Sweep) -> float:
    """How many different points a design over the sweep's factors can have; infinite with a range of real numbers."""
    return math.prod(_number_of_values(factor, sweep.targets[name]) for name, factor in sweep.factors.items())


def _number_of_values(factor: Factor, target: Target) -> float:
    low, high = factor.low, factor.high
    if factor.values:
        return len(factor.values)
    if isinstance(low, dt.date) and isinstance(high, dt.date):
        return (high - low).days + 1
    return target.typed(high) - target.typed(low) + 1 if target.whole else math.inf


def points_of(sweep: Sweep) -> list[dict[str, Any]]:
    """Every point of the design: factor -> value, in the order of the factors.

    A grid varies its last factor fastest. The first points of a Sobol, Saltelli or Morris design with more points are the
    same ones, and so are those of the first Latin hypercubes of a list.
    """
    names = list(sweep.factors)
    if sweep.design.kind == "table":
        return [{k: v for k, v in row.items() if k != "scenario"} for row in sweep.rows]
    if sweep.design.kind == "grid":
        axes = [grid_values(sweep.factors[name], sweep.targets[name]) for name in names]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]
    cube = unit_cube(sweep)
    columns = [scaled(cube[:, i], sweep.factors[name], sweep.targets[name]) for i, name in enumerate(names)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def grid_values(factor: Factor, target: Target) -> list[Any]:
    if factor.values:
        return [target.typed(value) for value in factor.values]
    return scaled(np.linspace(0, 1, factor.levels or 1), factor, target, closed=True)


def unit_cube(sweep: Sweep) -> np.ndarray:
    """(points, factors) in [0, 1].

    Sources: McKay et al. (1979), Latin hypercube; Owen (1998), scrambled Sobol; Saltelli (2002) with the scheme of
    Saltelli et al. (2010); Morris (1991).
    """
    design, number = sweep.design, len(sweep.factors)
    if design.kind in ("latin_hypercube", "sobol"):
        from scipy.stats import qmc

        if design.kind == "sobol":
            rng = np.random.default_rng([sweep.seed, 1])
            return qmc.Sobol(number, scramble=True, rng=rng).random(sum(design.points))
        blocks = [
            qmc.LatinHypercube(number, rng=np.random.default_rng([sweep.seed, 2, block])).random(points)
            for block, points in enumerate(design.points)
        ]
        return np.concatenate(blocks)
    problem = {"num_vars": number, "names": list(sweep.factors), "bounds": [[0.0, 1.0]] * number}
    seed = int(np.random.default_rng([sweep.seed, 3]).integers(1, 2**31))  # SALib takes seed 0 for no seed
    if design.kind == "saltelli":
        from SALib.sample import sobol

        return sobol.sample(problem, design.points[0], calc_second_order=design.second_order, scramble=True, seed=seed)
    from SALib.sample import morris

    return morris.sample(problem, design.trajectories, num_levels=design.levels or MORRIS_LEVELS, seed=seed)


def scaled(unit: np.ndarray, factor: Factor, target: Target, closed: bool = False) -> list[Any]:
    """Numbers in [0, 1] as values of a factor; whole numbers, days and listed values share the interval evenly.

    `closed` takes 0 and 1 for the ends themselves, and rounds what lies between: 0.3, not 0.30000000000000004 (a grid's).
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
        found = np.exp(np.log(ends[0]) + unit * (np.log(ends[1]) - np.log(ends[0])))
    else:
        found = ends[0] + unit * (ends[1] - ends[0])
    values = [float(f"{value:.12g}") for value in found.tolist()] if closed else found.tolist()
    return [target.typed(round(value) if target.whole else value) for value in np.clip(values, *ends).tolist()]


def _steps(unit: np.ndarray, number: int, closed: bool) -> list[int]:
    """Numbers in [0, 1] as 0 to number - 1."""
    steps = np.rint(unit * (number - 1)) if closed else np.minimum(np.floor(unit * number), number - 1)
    return [int(step) for step in steps]
