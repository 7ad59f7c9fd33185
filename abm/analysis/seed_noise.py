"""How much of an output's variance is the seed's own noise, and how much of that is left in indices of a mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from abm.analysis.sensitivity import CONFIDENCE, logarithm
from abm.support.messages import did_you_mean, shortened
from abm.support.samples import is_constant

if TYPE_CHECKING:
    import pandas as pd

    from abm.sweeps.results import Results


class Components(NamedTuple):
    """Components of variance, in the output's unit squared; none below zero."""

    parameters: float
    """Of the mean response over seeds."""
    seed: float
    """Of the seed's effect that is the same at all points: common draws take it out of every comparison of points."""
    interaction: float
    """Of the seed's effect that differs between points: replications alone make it smaller."""


def components(values: np.ndarray) -> Components:
    """Two-way components of variance of values (points, seeds), every seed at every point, points over the whole space.

    Estimated from mean squares (Searle, Casella and McCulloch 1992, ch. 4). With one run a cell the interaction holds all
    that is neither the point's nor the seed's.
    """
    points, seeds = values.shape
    if points < 2 or seeds < 2:
        raise ValueError(f"values {values.shape}: components take two points and two seeds, or more")
    mean, rows, columns = values.mean(), values.mean(1), values.mean(0)
    rest = values - rows[:, None] - columns[None, :] + mean
    within = (rest**2).sum() / ((points - 1) * (seeds - 1))
    between = max(rows.var(ddof=1) - within / seeds, 0.0)
    common = max(columns.var(ddof=1) - within / points, 0.0)
    return Components(float(between), float(common), float(within))


def shares(values: np.ndarray, replications: int = 1) -> dict[str, float]:
    """Shares of the variance of one run: parameters, seed, interaction; and `left_in_indices`.

    The last is the share of noise in the variance that Sobol indices of a mean over so many replications on common draws
    divide up. Total indices of all factors may be too large by up to as much, first-order ones too small in proportion.
    """
    if is_constant(values):
        return dict.fromkeys(("parameters", "seed", "interaction", "left_in_indices"), np.nan)
    found = components(values)
    whole, left = sum(found), found.interaction / replications
    explained = found.parameters + left
    return {name: part / whole for name, part in found._asdict().items()} | {
        "left_in_indices": left / explained if explained else np.nan
    }


def seed_noise(
    results: Results, replications: int = 1, logarithms: Sequence[str] = (), of: Sequence[str] | None = None
) -> pd.DataFrame:
    """`shares` of a sweep's outcomes `of`, by default all but those of years, with 95 % intervals by a jackknife over seeds
    (Miller 1974).

    One row an outcome and share: outcome, share, value, low, high, points, seeds; of outcomes that `logarithms` names those
    of the logarithm of a run, called `ln NAME`. Raises IncompleteRuns as `outcome_cube` does, ValueError for a logarithm of what
    is not positive or not analysed, and for fewer than one replication.
    """
    import pandas as pd
    from scipy.special import stdtrit

    from abm.analysis.require_finite import outcome_cube
    from abm.analysis.sensitivity_design import years_of

    by_year = years_of(results.sweep)
    names = [name for name in results.outcomes if name not in by_year] if of is None else list(of)
    if lost := [name for name in logarithms if name not in names]:
        raise ValueError(f"logarithm of {shortened(lost[0])}: is not analysed{did_you_mean(lost[0], names)}")
    if replications < 1:
        raise ValueError(f"{replications} replications: must be 1 or more")
    rows = []
    for name, runs in zip(names, outcome_cube(results, names), strict=True):
        values = logarithm(runs, name) if name in logarithms else runs
        points, seeds = values.shape
        without = [shares(np.delete(values, k, axis=1), replications) for k in range(seeds)] if seeds > 2 else []
        for share, value in shares(values, replications).items():
            some = np.array([one[share] for one in without])
            half = np.nan
            if without:
                error = np.sqrt((seeds - 1) / seeds * ((some - some.mean()) ** 2).sum())
                half = float(stdtrit(seeds - 1, 0.5 + CONFIDENCE / 2) * error)
            rows.append(
                (
                    f"ln {name}" if name in logarithms else name,
                    share,
                    value,
                    max(value - half, 0.0),
                    min(value + half, 1.0),
                    points,
                    seeds,
                )
            )
    return pd.DataFrame(rows, columns=["outcome", "share", "value", "low", "high", "points", "seeds"])
