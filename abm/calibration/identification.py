"""Identification: profiles of the distance along each parameter, and pairs of parameters that moments cannot separate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abm.calibration.criterion import Criterion
from abm.calibration.refinement import prior_precision
from abm.calibration.simulated import Simulator

if TYPE_CHECKING:
    import pandas as pd

RISE = 2.706
"""Rise of the profile at the end of a 90 % interval: the 90 % quantile of chi-square with one degree of freedom."""
COLLINEAR = 10.0
"""Collinearity index above which two parameters have similar effects on the moments (Brun et al. 2001)."""
CORRELATED = 0.8
"""Absolute posterior correlation above which a pair of parameters is reported."""


@dataclass(frozen=True)
class Identification:
    """Profiles and pairs of one calibration."""

    grid: np.ndarray  # (parameters, points) positions
    profile: np.ndarray  # (parameters, points) J minus its minimum over all profiles
    slopes: np.ndarray  # (moments, parameters) d moment / d position
    collinearity: np.ndarray  # (parameters, parameters), 1 on the diagonal
    parameters: pd.DataFrame
    """By parameter: whether the distance rises to either side ("yes", "no", or "at its end" if the estimate is at the end of
    the range), the share of the prior's width that is left, and the most informative moment."""
    pairs: pd.DataFrame
    """Pairs that the moments do not separate: first, second, collinearity, correlation."""
    together: float
    """Collinearity index of all parameters together: that of the combination with the least effect on the moments."""
    weakest: dict[str, float]
    """That combination: parameter -> coefficient, if at least a third of the largest."""
    rise: float = RISE


def identify(
    simulator: Simulator,
    criterion: Criterion,
    theta: np.ndarray,
    slopes: np.ndarray,
    seeds: np.ndarray,
    draws: np.ndarray | None = None,
) -> Identification:
    """Profiles of the distance along each parameter around `theta` (parameters,), and pairs that moments do not separate.

    At each point of a profile the other parameters move to the minimum of the linearised objective, then once more to a
    minimum corrected by the moments simulated there; the lower distance counts. This is not the exact optimum, so a profile
    is an upper bound of the distance. The prior enters the conditional optimum, but not the distance reported. `draws`
    (draws, parameters) are posterior draws in the parameters' own units.

    Source: Brun, Reichert & Künsch (2001), *Water Resources Research* 37(4), eq. 14, for the collinearity index; profiles:
    Raue et al. (2009), *Bioinformatics* 25(15).
    """
    import pandas as pd

    spec = simulator.spec
    number, names = len(spec.names), spec.names
    unit = spec.to_unit(theta)
    precision, centre = prior_precision(spec)
    weighted = criterion.root @ slopes  # (moments, parameters)
    information = weighted.T @ weighted + np.diag(precision) + 1e-6 * np.eye(number)
    grid = np.linspace(0.02, 0.98, spec.profile_points)
    points = np.repeat(unit[None], number * len(grid), 0).reshape(number, len(grid), number)
    for k in range(number):
        rest = [i for i in range(number) if i != k]
        response = -np.linalg.solve(information[np.ix_(rest, rest)], information[rest, k])
        points[k, :, k] = grid
        points[k][:, rest] = np.clip(unit[rest] + np.outer(grid - unit[k], response), 0, 1)
    first = simulator.means(spec.from_unit(points.reshape(-1, number)), seeds).reshape(number, len(grid), -1)
    second = points.copy()
    for k in range(number):
        rest = [i for i in range(number) if i != k]
        inner = np.linalg.inv(information[np.ix_(rest, rest)])
        defined = np.isfinite(first[k]).all(
            -1, keepdims=True
        )  # one undefined moment would spread to all standardised ones
        residual = np.where(defined, criterion.standardised(first[k]), 0.0)
        pull = -residual @ weighted[:, rest] + (precision * (centre - points[k]))[:, rest]
        second[k][:, rest] = np.clip(points[k][:, rest] + pull @ inner, 0, 1)
    corrected = simulator.means(spec.from_unit(second.reshape(-1, number)), seeds).reshape(number, len(grid), -1)
    least = float(criterion(simulator.means(theta[None], seeds))[0])
    distance = np.minimum(criterion(first), criterion(corrected))
    least = min(least, float(distance.min()))
    profile = distance - least
    cosines = _cosines(weighted)
    with np.errstate(divide="ignore"):
        collinearity = 1 / np.sqrt(np.maximum(1 - np.abs(cosines), 1e-12))
    np.fill_diagonal(collinearity, 1.0)
    widths = spec.draw_prior(np.random.default_rng([spec.seed, 16]), 20_000).std(0)
    width_left = np.ones(number)
    if draws is not None:
        width_left = spec.to_unit(draws).std(0) / widths
    rows = []
    for k, name in enumerate(names):
        below, above = grid < unit[k], grid > unit[k]
        rows.append(
            {
                "parameter": name,
                "rises_below": _rises(profile[k][below][::-1]),
                "rises_above": _rises(profile[k][above]),
                "prior_width_left": float(width_left[k]),
                "moment": spec.moments[int(np.abs(criterion.deviations(criterion.observed + slopes[:, k])).argmax())],
            }
        )
    correlation = np.corrcoef(spec.to_unit(draws), rowvar=False) if draws is not None and number > 1 else np.eye(number)
    pairs = [
        {
            "first": names[i],
            "second": names[j],
            "collinearity": float(collinearity[i, j]),
            "correlation": float(np.atleast_2d(correlation)[i, j]),
        }
        for i in range(number)
        for j in range(i + 1, number)
        if collinearity[i, j] > COLLINEAR or abs(np.atleast_2d(correlation)[i, j]) > CORRELATED
    ]
    weakest = _weakest(cosines, names)
    table = pd.DataFrame(rows).set_index("parameter")
    columns = ["first", "second", "collinearity", "correlation"]
    return Identification(
        np.tile(grid, (number, 1)), profile, slopes, collinearity, table, pd.DataFrame(pairs, columns=columns), *weakest
    )


def _rises(outwards: np.ndarray) -> str:
    """Whether a profile has risen by its end; `outwards` lists its values from the estimate outwards, undefined ones ignored."""
    defined = outwards[np.isfinite(outwards)]
    return "at its end" if not defined.size else "yes" if defined[-1] > RISE else "no"


def _weakest(cosines: np.ndarray, names: tuple[str, ...]) -> tuple[float, dict[str, float]]:
    """Collinearity index of all parameters, and the combination with the least effect on the moments."""
    values, vectors = np.linalg.eigh(cosines)
    parts = vectors[:, 0] / np.abs(vectors[:, 0]).max()
    combination = {name: float(part) for name, part in zip(names, parts, strict=True) if abs(part) >= 1 / 3}
    return float(1 / np.sqrt(max(values[0], 1e-12))), combination


def _cosines(weighted: np.ndarray) -> np.ndarray:
    """(parameters, parameters) cosines between the parameters' weighted derivatives; 0 for a parameter without effect."""
    lengths = np.sqrt((weighted**2).sum(0))
    scaled = np.where(lengths > 0, weighted / np.where(lengths > 0, lengths, 1.0), 0.0)
    cosines = scaled.T @ scaled
    np.fill_diagonal(cosines, 1.0)
    return cosines
