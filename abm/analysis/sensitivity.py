"""Global sensitivity analysis: Sobol indices and Morris effects, from arrays or from the runs of a sweep.

The *first-order* index of a factor is the share of an output's variance that it explains alone; the *total* index adds
all its interactions; a *second-order* index is the interaction of one pair. Morris' *mu** is the mean absolute change of
the output when a single factor moves, *mu* the mean signed change, *sigma* the standard deviation of the change over the
rest of the space, all in the output's unit per whole range of the factor.

SALib computes the Sobol indices, after checks of the input: by itself it turns one NaN among the outputs into indices of
exactly zero, divides zero by zero for a constant output, and treats seed 0 as no seed. Morris effects are computed here,
because SALib derives their step from a number of levels rather than from the points.

Sources: Sobol (2001), *Mathematics and Computers in Simulation* 55, for the indices; Saltelli et al. (2010), *Computer
Physics Communications* 181, for the design and the first-order estimator; Jansen (1999), *Computer Physics
Communications* 117, for the total one; Saltelli (2002), *ibid.* 145, for the second order; Morris (1991),
*Technometrics* 33; Campolongo, Cariboni and Saltelli (2007), *Environmental Modelling & Software* 22, for mu*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.analysis.layout import block_size, check_saltelli, distinct, in_unit_cube, paired
from abm.analysis.require_finite import outcome_cube, require_finite
from abm.support.messages import did_you_mean, shortened
from abm.support.samples import is_constant
from abm.sweeps.designs import unit_cube
from abm.sweeps.plan import points_of

if TYPE_CHECKING:
    import pandas as pd

    from abm.sweeps.results import Results

RESAMPLES = 500
"""Number of bootstrap samples per interval."""
CONFIDENCE = 0.95
SKEWED = 1 / 3
"""An output is reported as skewed if 1 % of its points account for more than this share of its variance."""
LEAST_FOR_TAIL = 100
"""Minimum number of values for `tail_share`."""
SMALLEST = {"sobol": 8, "morris": 4}
"""Minimum number of blocks or trajectories of a subset of the design used to judge convergence."""
SUBSETS = 5
"""Number of subsets, each twice as large as the one before; the last is the whole design."""
COLUMNS = ("outcome", "order", "factor", "other", "value", "low", "high", "n")
"""Columns of the tables of indices and effects."""


def sobol_indices(
    y: Any,
    names: Sequence[str],
    *,
    x: Any = None,
    second_order: bool = False,
    seed: int = 0,
    runs: Sequence[str] | None = None,
    of: str = "output",
) -> pd.DataFrame:
    """First-order, total and optionally second-order Sobol indices on a Saltelli design, with 95 % intervals.

    y : (N (k + 2),), or (N (2 k + 2),) with `second_order`, for k factors `names`, in the order of SALib's design; `runs`
    names the runs in error messages. x : (len(y), k), the points in any unit; if given, their layout as a Saltelli design
    of this order is checked and N may be any number. Without x, N must be a power of two, which distinguishes the two
    layouts. Columns of a DataFrame are selected by name; rows of a DataFrame and a Series are paired by label.

    Returns one row per index: `order` is first, total or second, `other` the second factor of a pair, `n` is N. Intervals
    are value ± 1.96 bootstrap standard errors over the N blocks of the design; `seed` seeds the bootstrap, and 0 is a seed
    like any other. Small indices may be estimated below 0. The indices of a constant output are NaN.

    Raises IncompleteRuns (a ValueError) for an output that is not finite, and ValueError for an output of the wrong length
    or layout, for points that are not such a design and for duplicate names.
    """
    from SALib.analyze import sobol

    names = distinct(names)
    k, step = len(names), block_size(len(names), second_order)
    x, y = paired(x, y, names)
    if k < 2 or y.ndim != 1 or y.size == 0:
        raise ValueError(
            f"outputs {y.shape} of {k} factors: give at least two factors and a one-dimensional list of outputs"
        )
    check_saltelli(x, y.size, k, second_order)
    require_finite(y, runs, of)
    n = y.size // step
    blocks = y.reshape(n, step)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)] if second_order else []
    if is_constant(blocks[:, [0, -1]]) or n < 2:  # the estimators use the variance of the base sample
        single, both = np.full((4, k), np.nan), np.full((2, k, k), np.nan)
    else:
        estimates = sobol.analyze(
            problem_of(names),
            y,
            second_order,
            RESAMPLES,
            conf_level=CONFIDENCE,
            seed=positive(seed),
            keep_resamples=False,
        )
        single = np.array([estimates[key] for key in ("S1", "S1_conf", "ST", "ST_conf")], float)
        both = np.array([estimates["S2"], estimates["S2_conf"]], float) if second_order else np.empty((2, 0, 0))
    rows = [
        (of, order, names[i], "", *around(single[row, i], single[row + 1, i]), n)
        for row, order in ((0, "first"), (2, "total"))
        for i in range(k)
    ]
    rows += [(of, "second", names[i], names[j], *around(both[0, i, j], both[1, i, j]), n) for i, j in pairs]
    return table(rows)


def morris_effects(
    x: Any,
    y: Any,
    names: Sequence[str],
    *,
    bounds: Any = None,
    seed: int = 0,
    runs: Sequence[str] | None = None,
    of: str = "output",
) -> pd.DataFrame:
    """mu*, mu and sigma of an output's elementary effects on a Morris design, with 95 % intervals.

    x : (r (k + 1), k), points of r successive trajectories; y : (r (k + 1),). bounds : (k, 2), the lowest and highest value
    of each factor, in the unit of x; without bounds, x lies in the unit cube and all steps have the same size, at least
    half the range, as in Morris (1991). Columns of a DataFrame are selected by name; rows of a DataFrame and a Series are
    paired by label.

    Returns one row per measure: `order` is mu_star, mu or sigma, in the output's unit per whole range of the factor, `n` is
    r. Intervals are value ± 1.96 bootstrap standard errors over trajectories. The effects of a constant output are zero.

    Raises IncompleteRuns for an output that is not finite, and ValueError if x is not a Morris design or not in the unit
    cube and for duplicate names.
    """
    names = distinct(names)
    x, y = paired(x, y, names)
    k, x = len(names), np.asarray(x, float)
    if x.ndim != 2 or x.shape[1] != k or y.shape != x.shape[:1] or len(x) % (k + 1) or len(x) < 2 * (k + 1):
        raise ValueError(
            f"points {x.shape} and outputs {y.shape} of {k} factors: give at least two trajectories of {k + 1} points each"
        )
    require_finite(y, runs, of)
    x = in_unit_cube(x, bounds)
    steps = np.diff(x.reshape(-1, k + 1, k), axis=1)  # (r, k, k): one factor moves at a time
    moved = np.abs(steps) > 1e-9
    if not (moved.sum(2) == 1).all() or not (moved.sum(1) == 1).all():
        raise ValueError("x is not a Morris design: in each trajectory every factor must move once, one at a time")
    sizes = np.abs(steps[moved])
    if bounds is None and (sizes.min() < 0.5 - 1e-9 or np.ptp(sizes) > 1e-6):
        raise ValueError(
            f"x: steps from {sizes.min():.3g} to {sizes.max():.3g}, but a Morris design in the unit cube has steps of one"
            " size, at least half the range; pass the lowest and highest value of each factor as `bounds`"
        )
    change = np.diff(y.reshape(-1, k + 1), axis=1)
    effects = np.einsum("rs,rsk->rk", change, moved / np.where(moved, steps, 1.0))  # (r, k)
    r = len(effects)
    resampled = effects[np.random.default_rng(positive(seed)).integers(r, size=(RESAMPLES, r))]  # (resamples, r, k)
    measures = {
        "mu_star": lambda sample, axis: np.abs(sample).mean(axis),
        "mu": lambda sample, axis: sample.mean(axis),
        "sigma": lambda sample, axis: sample.std(axis, ddof=1),
    }
    rows = [
        (of, order, names[i], "", *around(value[i], half[i]), r)
        for order, measure in measures.items()
        for value, half in [(measure(effects, 0), QUANTILE * measure(resampled, 1).std(0, ddof=1))]
        for i in range(k)
    ]
    return table(rows)


QUANTILE = 1.959963984540054
"""97.5 % quantile of the standard normal distribution, for 95 % intervals."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Results of a sensitivity analysis. Tables have the columns `COLUMNS`; `years` also has a column `year`."""

    method: str
    """`sobol` or `morris`."""
    factors: list[str]
    indices: pd.DataFrame
    convergence: pd.DataFrame
    """The same indices on nested subsets of the design, each twice as large as the one before."""
    years: pd.DataFrame
    """Indices of annual means of the observables; empty without such outcomes."""
    constant: list[str]
    """Outcomes, including those of single years, that do not vary: no parameter matters, and Sobol indices are undefined."""
    skewed: list[str]
    """Outcomes whose variance is dominated by a few points: their indices show which parameters produce such points."""


def of_sweep(
    results: Results,
    of: Sequence[str] | None = None,
    *,
    years: Sequence[int] | None = None,
    logarithms: Sequence[str] = (),
    seed: int = 0,
) -> Sensitivity:
    """Sobol indices (Saltelli design) or Morris effects (Morris design) of the outcomes `of` of a sweep.

    The default is all outcomes but those of single years. The mean over the replications of each point is analysed. With
    common draws, this is the mean response plus the part of the seed noise that differs between points, divided by the
    number of replications (`abm.analysis.seed_noise` measures it); with one replication it is the response for one
    realization of the draws (called trajectory-based by Zhu and Sudret 2021).

    `years` selects the years that are analysed as well, among those with outcomes named by
    `abm.analysis.sensitivity_design.yearly`; the default is all of them, () is none. Outcomes in `logarithms`, and the years
    of their observables, are analysed on the logarithmic scale and named `ln NAME` in the tables.

    Raises IncompleteRuns if a run is missing, failed or has no finite value, KeyError for an unknown outcome, and
    ValueError for another kind of design, several scenarios, draws that are not common, a logarithm of an outcome that is
    not positive or not analysed, or an `of` that is not a list or is empty.
    """
    import pandas as pd

    from abm.analysis.sensitivity_design import years_of

    sweep = results.sweep
    kind = sweep.design.kind
    if kind not in ("saltelli", "morris"):
        raise ValueError(f"a {kind} design gives neither Sobol indices nor Morris effects: use saltelli or morris")
    if len(sweep.scenarios_by_name) > 1 or not sweep.common_draws:
        raise ValueError("a sensitivity analysis needs a single scenario and common draws")
    cube = unit_cube(sweep.design, len(sweep.factors), sweep.seed)
    if not is_current_layout(results):
        raise ValueError(
            f"{results.folder}: the design differs from the one laid out by this version of SALib; run the sweep again"
        )
    by_year = years_of(sweep)  # outcome -> (observable, year)
    if unknown_years := set(years or ()) - {year for _, year in by_year.values()}:
        raise ValueError(f"years = {shortened(sorted(unknown_years))}: the sweep has no outcomes for these years")
    per_year = {name: key for name, key in by_year.items() if years is None or key[1] in years}
    if isinstance(of, str) or (of is not None and not of):
        raise ValueError(f"of = {shortened(of)}: must be a list of at least one outcome; leave it out for all outcomes")
    if of is not None and len(set(of)) < len(of):
        raise ValueError(f"of = {shortened(list(of))}: duplicate outcome")
    chosen = [name for name in results.outcomes if name not in by_year] if of is None else list(of)
    if unknown := [name for name in logarithms if name not in chosen]:
        raise ValueError(
            f"logarithm of {shortened(unknown[0])}: not an analysed outcome{did_you_mean(unknown[0], chosen)}"
        )
    observables = {sweep.columns[name].of for name in chosen if name in sweep.columns and not sweep.columns[name].date}
    per_year = {name: key for name, key in per_year.items() if key[0] in observables}
    values = outcome_cube(results, [*chosen, *per_year])
    logged = {sweep.columns[name].of for name in logarithms}
    logged = {*logarithms, *(name for name, key in per_year.items() if key[0] in logged)}
    response = {
        name: logarithm(y, name) if name in logged else y
        for name, y in zip([*chosen, *per_year], values.mean(2), strict=True)
    }
    names = results.factors

    def label(name: str, of: str = "") -> str:
        return f"ln {of or name}" if name in logged else of or name

    def analyse(y: np.ndarray, name: str) -> pd.DataFrame:
        if kind == "saltelli":
            return sobol_indices(y, names, x=cube[: len(y)], second_order=sweep.design.second_order, seed=seed, of=name)
        return morris_effects(cube[: len(y)], y, names, seed=seed, of=name)

    step = len(cube) // (sweep.design.points[0] if kind == "saltelli" else sweep.design.trajectories or 1)
    method = "sobol" if kind == "saltelli" else "morris"
    convergence = [
        analyse(response[name][: n * step], label(name)) for name in chosen for n in subsets(len(cube) // step, method)
    ]
    whole = pd.concat([part for part in convergence if part["n"].iloc[0] == len(cube) // step], ignore_index=True)
    yearly = [
        analyse(response[name], label(name, observable)).assign(year=year)
        for name, (observable, year) in per_year.items()
    ]
    return Sensitivity(
        method,
        names,
        whole,
        pd.concat(convergence, ignore_index=True),
        pd.concat(yearly, ignore_index=True) if yearly else pd.DataFrame(columns=[*COLUMNS, "year"]),
        [label(name) for name, y in response.items() if is_constant(y)],
        [label(name) for name in chosen if kind == "saltelli" and tail_share(response[name]) > SKEWED],
    )


def subsets(n: int, method: str) -> list[int]:
    """Sizes n, n / 2, n / 4, ... of nested subsets, which are the first blocks of a design, in increasing order.

    The first 2^m points of a scrambled Sobol sequence are such a sequence themselves (Owen 1998), hence so are the first 2^m
    blocks of a Saltelli design; Morris trajectories are drawn independently of each other.
    """
    sizes = [n >> halvings for halvings in range(SUBSETS)]
    return sorted({size for size in sizes if size >= SMALLEST[method]} | {n})


def is_current_layout(results: Results) -> bool:
    """Whether the stored points equal those that the current version lays out for this design."""
    import pandas as pd

    current = pd.DataFrame(points_of(results.sweep))
    return len(current) == len(results.design) and all(
        np.array_equal(current[name].to_numpy(), results.design[name].to_numpy())
        or np.allclose(current[name].to_numpy(float), results.design[name].to_numpy(float), rtol=1e-12)
        for name in results.factors
    )


def logarithm(y: np.ndarray, name: str) -> np.ndarray:
    """Natural logarithm of an outcome's values. Raises ValueError if a value is not positive."""
    if not (y > 0).all():
        raise ValueError(
            f"{name}: {(y <= 0).sum():,} of {y.size:,} values are not above 0 and have no logarithm; analyse it without"
            " logarithms, or leave out single years"
        )
    return np.log(y)


def tail_share(y: np.ndarray) -> float:
    """Share of the variance due to the 1 % of values that are furthest from the mean.

    It is about 10 % for a normal distribution and 50 % for a lognormal one with a standard deviation of 1 in logarithms.
    NaN for fewer than 100 values.
    """
    if y.size < LEAST_FOR_TAIL:
        return float("nan")
    if is_constant(y):
        return 0.0
    squares = np.sort((y - y.mean()) ** 2)[::-1]
    return float(squares[: -(-y.size // 100)].sum() / squares.sum())


def positive(seed: int) -> int:
    """Map any seed, including 0, to a positive one: SALib treats 0 as no seed."""
    return int(np.random.default_rng([seed, 4]).integers(1, 2**31))


def problem_of(names: Sequence[str]) -> dict[str, Any]:
    """SALib problem definition for factors in the unit cube."""
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def around(value: float, half: float) -> tuple[float, float, float]:
    """Value, low and high end of an interval of this half-width."""
    return float(value), float(value - half), float(value + half)


def table(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Table with the columns `COLUMNS`."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(COLUMNS))
