"""Local refinement of an estimate: Gauss-Newton steps with derivatives through the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from abm.calibration import derivatives
from abm.calibration.criterion import Criterion
from abm.calibration.search import objective
from abm.calibration.simulated import Simulator
from abm.calibration.spec import Calibration

STEPS = 3
TRIED = (1.0, 0.5, 0.25, 0.1)
"""Fractions of a Gauss-Newton step to try, all in one call."""


class Refined(NamedTuple):
    """Result of the refinement."""

    theta: np.ndarray  # (parameters,)
    before: float  # objective on the refinement's own seeds, at the start
    after: float
    steps: int
    compared: list[derivatives.Compared]  # both kinds of derivatives, at the start


def refine(
    simulator: Simulator,
    criterion: Criterion,
    theta: np.ndarray,
    seeds: np.ndarray,
    progress: Callable[[int, float], None] | None = None,
) -> Refined:
    """Gauss-Newton steps from `theta` (parameters,), with automatic derivatives where finite differences confirm them.

    Derivatives are confirmed once at the start (`derivatives.compare`), by moment and parameter; elsewhere finite differences
    on common draws are used. A step that does not lower the objective on `seeds` is shortened; refinement stops if no
    fraction of it does.
    """
    spec = simulator.spec
    unit = spec.to_unit(theta)
    before = value = float(objective(simulator, criterion, unit[None], seeds)[0])
    compared = derivatives.compare(simulator, theta, seeds)
    confirmed = {derivative.moment: derivative.confirmed for derivative in compared}
    taken = 0
    for step in range(STEPS):
        slopes, _ = derivatives.differences(simulator, spec.from_unit(unit), seeds)
        automatic = (
            {derivative.moment: derivative.automatic for derivative in compared}
            if step == 0
            else dict(
                zip(
                    derivatives.smooth_moments(simulator),
                    derivatives.jacobian(simulator, spec.from_unit(unit), seeds),
                    strict=True,
                )
            )
        )
        for name, where in confirmed.items():
            row = slopes[spec.moments.index(name)]
            row[where] = automatic[name][where]
        moments = simulator.means(spec.from_unit(unit)[None], seeds)[0]
        move = gauss_newton(spec, criterion, unit, moments, slopes)
        candidates = np.clip(unit + np.outer(TRIED, move), 0.0, 1.0)
        values = objective(simulator, criterion, candidates, seeds)
        if values.min() >= value - 1e-3:
            break
        unit, value, taken = candidates[values.argmin()], float(values.min()), taken + 1
        if progress:
            progress(step, value)
    return Refined(spec.from_unit(unit), before, value, taken, compared)


def gauss_newton(
    spec: Calibration, criterion: Criterion, unit: np.ndarray, moments: np.ndarray, slopes: np.ndarray
) -> np.ndarray:
    """(parameters,) step to the minimum of the linearised objective, prior included, within the unit cube."""
    from scipy.optimize import lsq_linear

    precision, centre = prior_precision(spec)
    rows = np.concatenate([criterion.root @ slopes, np.diag(np.sqrt(precision))])
    target = np.concatenate([-criterion.standardised(moments), np.sqrt(precision) * (centre - unit)])
    return lsq_linear(rows, target, bounds=(-unit - 1e-9, 1 - unit + 1e-9)).x


def prior_precision(spec: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """(parameters,) precision and centre of the normal priors in positions; 0 and 0.5 for uniform priors."""
    bells = [prior.bell for prior in spec.priors.values()]
    precision = np.array([1 / bell[1] ** 2 if bell else 0.0 for bell in bells])
    return precision, np.array([bell[0] if bell else 0.5 for bell in bells])
