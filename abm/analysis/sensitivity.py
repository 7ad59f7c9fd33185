"""Which parameters matter: Sobol indices and Morris effects, on arrays or on the runs of a sweep.

The *first-order* index of a factor is the share of an output's variance that it explains alone; the *total* index adds
all interactions that it takes part in; a *second-order* index is the interaction of one pair. Morris' *mu** is the mean
size of the change of the output when a factor moves alone, *mu* the mean of the change with its sign, *sigma* its
standard deviation over the rest of the space, all per whole range of the factor and in the output's unit.

SALib computes the indices behind a guard: by itself it turns one NaN among the outputs into indices of exactly zero,
divides zero by zero for an output that does not vary, and takes seed 0 for no seed. Effects are computed here: it takes
their step from a number of levels, and not from the points.

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
"""Bootstrap samples of an interval."""
CONFIDENCE = 0.95
SKEWED = 1 / 3
"""An output of which a hundredth of the points has more of the variance than this is told to be skewed."""
LEAST_FOR_TAIL = 100
SMALLEST = {"sobol": 8, "morris": 4}
"""Least points or trajectories of a subset of the design that is looked at for convergence."""
SUBSETS = 5
"""How many subsets, each twice as large as the one before, the whole design being the last."""
COLUMNS = ("outcome", "order", "factor", "other", "value", "low", "high", "n")


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
    """First-order and total indices (and those of pairs) of an output on a Saltelli design, with 95 % intervals.

    y : (N (k + 2),), or (N (2 k + 2),) with `second_order`, for k factors `names` in the order of SALib's design; `runs` are
    the names of its runs, for messages. x : (len(y), k), the points themselves in any unit: that they are laid out as a
    Saltelli design of this order is checked, so that N may be any number; without them N must be a power of two, which tells
    the two layouts apart. Columns of a DataFrame are taken by name, rows of a DataFrame and a Series paired by label.
    One row an index: `order` is first, total or second, `other` the second factor of a pair, `n` the N. Intervals are
    value ± 1.96 bootstrap standard errors, over the N blocks of the design; `seed` decides the bootstrap, and 0 is a seed
    like any other. Small indices may come out below 0: that is the estimator's error.

    An output that does not vary has no variance to share out: its indices are NaN.

    Raises IncompleteRuns (a ValueError) for an output that is not finite, ValueError for one of another length or layout,
    for points that are no such design, and for names that repeat.
    """
    from SALib.analyze import sobol

    names = distinct(names)
    k, step = len(names), block_size(len(names), second_order)
    x, y = paired(x, y, names)
    if k < 2 or y.ndim != 1 or y.size == 0:
        raise ValueError(f"outputs {y.shape} of {k} factors: there must be two factors or more, and a list of outputs")
    check_saltelli(x, y.size, k, second_order)
    require_finite(y, runs, of)
    n = y.size // step
    blocks = y.reshape(n, step)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)] if second_order else []
    if is_constant(blocks[:, [0, -1]]) or n < 2:  # the variance is that of the base sample
        single, both = np.full((4, k), np.nan), np.full((2, k, k), np.nan)
    else:
        found = sobol.analyze(
            problem_of(names),
            y,
            second_order,
            RESAMPLES,
            conf_level=CONFIDENCE,
            seed=positive(seed),
            keep_resamples=False,
        )
        single = np.array([found[key] for key in ("S1", "S1_conf", "ST", "ST_conf")], float)
        both = np.array([found["S2"], found["S2_conf"]], float) if second_order else np.empty((2, 0, 0))
    rows = [
        (of, order, names[i], "", *around(single[at, i], single[at + 1, i]), n)
        for at, order in ((0, "first"), (2, "total"))
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

    x : (r (k + 1), k) points, r trajectories one after the other; y : (r (k + 1),). bounds : (k, 2), the least and the
    greatest value of each factor, in the unit of x; without them x lies in the unit cube, with steps of one size that is half
    the range or more, as Morris has them. Columns of a DataFrame are taken by name, rows of a DataFrame and a Series paired
    by label. One row a number: `order` is mu_star, mu or sigma, in the output's unit per whole range of the factor, `n` the
    r. Intervals are value ± 1.96 bootstrap standard errors, over trajectories. The effects of an output that does not vary
    are zero.

    Raises IncompleteRuns for an output that is not finite, ValueError where x is no Morris design or not in the unit cube,
    and for names that repeat.
    """
    names = distinct(names)
    x, y = paired(x, y, names)
    k, x = len(names), np.asarray(x, float)
    if x.ndim != 2 or x.shape[1] != k or y.shape != x.shape[:1] or len(x) % (k + 1) or len(x) < 2 * (k + 1):
        raise ValueError(
            f"points {x.shape} and outputs {y.shape} of {k} factors: trajectories, two or more, have {k + 1} points each"
        )
    require_finite(y, runs, of)
    x = in_unit_cube(x, bounds)
    steps = np.diff(x.reshape(-1, k + 1, k), axis=1)  # (r, k, k): one factor moves at a time
    moved = np.abs(steps) > 1e-9
    if not (moved.sum(2) == 1).all() or not (moved.sum(1) == 1).all():
        raise ValueError("x is no Morris design: in a trajectory every factor moves once, and alone")
    sizes = np.abs(steps[moved])
    if bounds is None and (sizes.min() < 0.5 - 1e-9 or np.ptp(sizes) > 1e-6):
        raise ValueError(
            f"x: steps from {sizes.min():.3g} to {sizes.max():.3g} are not those of a Morris design in the unit cube, which"
            " are of one size, half the range or more; give `bounds`, the least and greatest value of each factor"
        )
    change = np.diff(y.reshape(-1, k + 1), axis=1)
    effects = np.einsum("rs,rsk->rk", change, moved / np.where(moved, steps, 1.0))  # (r, k)
    r = len(effects)
    resampled = effects[np.random.default_rng(positive(seed)).integers(r, size=(RESAMPLES, r))]  # (resamples, r, k)
    measures = {
        "mu_star": lambda some, axis: np.abs(some).mean(axis),
        "mu": lambda some, axis: some.mean(axis),
        "sigma": lambda some, axis: some.std(axis, ddof=1),
    }
    rows = [
        (of, order, names[i], "", *around(value[i], half[i]), r)
        for order, measure in measures.items()
        for value, half in [(measure(effects, 0), QUANTILE * measure(resampled, 1).std(0, ddof=1))]
        for i in range(k)
    ]
    return table(rows)


QUANTILE = 1.959963984540054
"""Of the normal distribution, for intervals of 95 %."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What the runs of a sweep say of its factors. Tables have the columns `COLUMNS`; those of years a `year`, too."""

    method: str
    factors: list[str]
    indices: pd.DataFrame
    convergence: pd.DataFrame
    """The same indices on nested subsets of the design, each twice as large as the one before."""
    years: pd.DataFrame
    """Indices of the means of single years of the observables; no rows where there are no such outcomes."""
    constant: list[str]
    """Outcomes (of a year, too) that do not vary: parameters do not matter to them, and indices are undefined."""
    skewed: list[str]
    """Outcomes whose variance is that of a few points: their indices say which parameters make such points."""


def of_sweep(
    results: Results,
    of: Sequence[str] | None = None,
    *,
    years: Sequence[int] | None = None,
    logarithms: Sequence[str] = (),
    seed: int = 0,
) -> Sensitivity:
    """Indices (Saltelli design) or effects (Morris design) of a sweep's outcomes `of`, by default all but those of years.

    What is analysed is the mean over a point's replications. With common draws that is the mean response up to the part
    of the seed's noise that differs between points, divided by the replications (`abm.analysis.seed_noise` measures it);
    with one replication it is the response on one history of luck (Zhu and Sudret 2021 call these trajectory-based). Years:
    those with outcomes that `abm.analysis.sensitivity_design.yearly` names, unless `years` chooses some, or none: (). Of the
    outcomes that `logarithms` names the logarithm is analysed (and so it is of the years of their observables): in tables they
    are called `ln NAME`.

    Raises IncompleteRuns where a run is missing, failed or without a number, KeyError for an unknown outcome, ValueError
    for a design of another kind, several scenarios, draws that are not common, a logarithm of what is not positive or not
    analysed, or an `of` that is no list of names or an empty one.
    """
    import pandas as pd

    from abm.analysis.sensitivity_design import years_of

    sweep = results.sweep
    kind = sweep.design.kind
    if kind not in ("saltelli", "morris"):
        raise ValueError(f"a {kind} design has neither Sobol indices nor Morris effects: use saltelli or morris")
    if len(sweep.stories) > 1 or not sweep.common_draws:
        raise ValueError("a sensitivity analysis takes one scenario, and replications with common draws")
    cube = unit_cube(sweep.design, len(sweep.factors), sweep.seed)
    if not is_current_layout(results):
        raise ValueError(
            f"{results.folder}: the design is not the one that this version of SALib lays out; run it again"
        )
    by_year = years_of(sweep)
    if unknown := set(years or ()) - {year for _, year in by_year.values()}:
        raise ValueError(f"years = {shortened(sorted(unknown))}: the sweep has no outcomes of single years there")
    per_year = {name: at for name, at in by_year.items() if years is None or at[1] in years}
    if isinstance(of, str) or (of is not None and not of):
        raise ValueError(f"of = {shortened(of)}: must be a list of outcomes, one or more; leave it out for all of them")
    if of is not None and len(set(of)) < len(of):
        raise ValueError(f"of = {shortened(list(of))}: an outcome is named twice")
    chosen = [name for name in results.outcomes if name not in by_year] if of is None else list(of)
    if lost := [name for name in logarithms if name not in chosen]:
        raise ValueError(f"logarithm of {shortened(lost[0])}: is not analysed{did_you_mean(lost[0], chosen)}")
    watched = {sweep.columns[name].of for name in chosen if name in sweep.columns and not sweep.columns[name].date}
    per_year = {name: at for name, at in per_year.items() if at[0] in watched}
    values = outcome_cube(results, [*chosen, *per_year])
    logged = {sweep.columns[name].of for name in logarithms}
    logged = {*logarithms, *(name for name, at in per_year.items() if at[0] in logged)}
    response = {
        name: logarithm(y, name) if name in logged else y
        for name, y in zip([*chosen, *per_year], values.mean(2), strict=True)
    }
    names = results.factors

    def label(name: str, of: str = "") -> str:
        return f"ln {of or name}" if name in logged else of or name

    def analysed(y: np.ndarray, name: str) -> pd.DataFrame:
        if kind == "saltelli":
            return sobol_indices(y, names, x=cube[: len(y)], second_order=sweep.design.second_order, seed=seed, of=name)
        return morris_effects(cube[: len(y)], y, names, seed=seed, of=name)

    step = len(cube) // (sweep.design.points[0] if kind == "saltelli" else sweep.design.trajectories or 1)
    method = "sobol" if kind == "saltelli" else "morris"
    convergence = [
        analysed(response[name][: n * step], label(name)) for name in chosen for n in subsets(len(cube) // step, method)
    ]
    whole = pd.concat([one for one in convergence if one["n"].iloc[0] == len(cube) // step], ignore_index=True)
    yearly = [analysed(response[name], label(name, at[0])).assign(year=at[1]) for name, at in per_year.items()]
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
    """Sizes of nested subsets, the first blocks of a design: n, n / 2, n / 4, ..., the smallest first.

    The first 2^m points of a scrambled Sobol sequence are such a sequence (Owen 1998), hence so are a Saltelli design's
    first 2^m blocks; Morris' trajectories are drawn one independently of the other.
    """
    sizes = [n >> halvings for halvings in range(SUBSETS)]
    return sorted({size for size in sizes if size >= SMALLEST[method]} | {n})


def is_current_layout(results: Results) -> bool:
    """Whether the points that were run are those of the design as it is laid out now."""
    import pandas as pd

    wanted = pd.DataFrame(points_of(results.sweep))
    return len(wanted) == len(results.design) and all(
        np.array_equal(wanted[name].to_numpy(), results.design[name].to_numpy())
        or np.allclose(wanted[name].to_numpy(float), results.design[name].to_numpy(float), rtol=1e-12)
        for name in results.factors
    )


def logarithm(y: np.ndarray, name: str) -> np.ndarray:
    """Of an outcome's values; raises ValueError where one is not positive."""
    if not (y > 0).all():
        raise ValueError(
            f"{name}: {(y <= 0).sum():,} of {y.size:,} values are not above 0 and have no logarithm; analyse it as it is, or"
            " leave single years out"
        )
    return np.log(y)


def tail_share(y: np.ndarray) -> float:
    """Share of the variance that the hundredth of the values furthest from the mean has.

    It is a tenth of a normal distribution's variance, and half of a lognormal one's with a unit of logarithms. Fewer than a
    hundred values have no hundredth, and nothing is said of them: NaN.
    """
    if y.size < LEAST_FOR_TAIL:
        return float("nan")
    if is_constant(y):
        return 0.0
    squares = np.sort((y - y.mean()) ** 2)[::-1]
    return float(squares[: -(-y.size // 100)].sum() / squares.sum())


def positive(seed: int) -> int:
    """A seed above 0 that follows from any seed, 0 among them, which SALib would take for none."""
    return int(np.random.default_rng([seed, 4]).integers(1, 2**31))


def problem_of(names: Sequence[str]) -> dict[str, Any]:
    """Factors in the unit cube, in SALib's words."""
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def around(value: float, half: float) -> tuple[float, float, float]:
    return float(value), float(value - half), float(value + half)


def table(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(COLUMNS))
