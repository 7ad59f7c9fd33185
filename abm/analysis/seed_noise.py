"""Share of an output's variance due to the seed, and the part of it that remains in indices of a mean."""

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
    """Components of variance, in the output's unit squared; none is negative."""

    parameters: float
    """Variance of the mean response over seeds."""
    seed: float
    """Variance of the seed effect common to all points; common draws remove it from every comparison of points."""
    interaction: float
    """Variance of the seed effect that differs between points; only more replications reduce it."""


def components(values: np.ndarray) -> Components:
    """Two-way components of variance of values (points, seeds): every seed at every point, points over the whole space.

    Estimated from mean squares (Searle, Casella and McCulloch 1992, ch. 4). With one run per cell, the interaction contains
    everything that is not due to the point or the seed alone. Raises ValueError for fewer than two points or seeds.
    """
    points, seeds = values.shape
    if points < 2 or seeds < 2:
        raise ValueError(f"values {values.shape}: variance components need at least two points and two seeds")
    mean, rows, columns = values.mean(), values.mean(1), values.mean(0)
    residual = values - rows[:, None] - columns[None, :] + mean
    within = (residual**2).sum() / ((points - 1) * (seeds - 1))
    between = max(rows.var(ddof=1) - within / seeds, 0.0)
    common = max(columns.var(ddof=1) - within / points, 0.0)
    return Components(float(between), float(common), float(within))


def shares(values: np.ndarray, replications: int = 1) -> dict[str, float]:
    """Shares of the variance of one run: parameters, seed, interaction; and `left_in_indices`.

    `left_in_indices` is the share of noise in the variance that Sobol indices decompose if they are computed from means
    over `replications` with common draws. Total indices of all factors may be too large by up to this share; first-order
    indices are too small in proportion.
    """
    if is_constant(values):
        return dict.fromkeys(("parameters", "seed", "interaction", "left_in_indices"), np.nan)
    parts = components(values)
    total, left = sum(parts), parts.interaction / replications
    explained = parts.parameters + left
    return {name: part / total for name, part in parts._asdict().items()} | {
        "left_in_indices": left / explained if explained else np.nan
    }


def seed_noise(
    results: Results, replications: int = 1, logarithms: Sequence[str] = (), of: Sequence[str] | None = None
) -> pd.DataFrame:
    """`shares` for the outcomes `of` of a sweep (default: all but those of single years), with 95 % jackknife intervals.

    The jackknife is over seeds (Miller 1974). One row per outcome and share: outcome, share, value, low, high, points,
    seeds. Outcomes in `logarithms` are analysed on the logarithmic scale and named `ln NAME`. Raises IncompleteRuns as
    `outcome_cube` does, and ValueError for a logarithm of an outcome that is not positive or not analysed and for fewer
    than one replication.
    """
    import pandas as pd
    from scipy.special import stdtrit

    from abm.analysis.require_finite import outcome_cube
    from abm.analysis.sensitivity_design import years_of

    by_year = years_of(results.sweep)
    names = [name for name in results.outcomes if name not in by_year] if of is None else list(of)
    if unknown := [name for name in logarithms if name not in names]:
        raise ValueError(
            f"logarithm of {shortened(unknown[0])}: not an analysed outcome{did_you_mean(unknown[0], names)}"
        )
    if replications < 1:
        raise ValueError(f"replications = {replications}: must be at least 1")
    rows = []
    for name, runs in zip(names, outcome_cube(results, names), strict=True):
        values = logarithm(runs, name) if name in logarithms else runs
        points, seeds = values.shape
        without = [shares(np.delete(values, k, axis=1), replications) for k in range(seeds)] if seeds > 2 else []
        for share, value in shares(values, replications).items():
            leave_one_out = np.array([estimate[share] for estimate in without])
            half = np.nan
            if without:
                error = np.sqrt((seeds - 1) / seeds * ((leave_one_out - leave_one_out.mean()) ** 2).sum())
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
