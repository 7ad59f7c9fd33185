"""All steps of a calibration in sequence; simulated moments are stored, so that nothing is computed twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.calibration import derivatives, identification, predictive, refinement
from abm.calibration.criterion import Criterion
from abm.calibration.posterior import Sampled, adjusted, draws, intervals, sample
from abm.calibration.search import SearchResult, objective, search
from abm.calibration.simulated import Simulator
from abm.calibration.spec import Calibration

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
"""Called as progress(step, runs done, runs expected)."""
PILOT = np.arange(500_000, 500_600)
"""Seeds for the covariance of moments: enough that its inverse has little upward bias (Hartlap et al. 2007)."""
REFINING = np.arange(510_000, 510_040)
JUDGING = np.arange(520_000, 520_200)
PREDICTING = 530_000
DRAWS = 400
"""Number of equally weighted posterior draws that are stored."""


@dataclass(frozen=True)
class Fit:
    """Result of a calibration. Parameter vectors are in the parameters' own units, in the order of `spec.names`."""

    spec: Calibration
    criterion: Criterion
    search: SearchResult
    refined: refinement.Refined
    theta: np.ndarray  # (parameters,) the estimate
    moments: np.ndarray  # (moments,) means at the estimate
    sampled: Sampled
    draws: np.ndarray  # (draws, parameters) of the posterior
    interval: np.ndarray  # (3, parameters): 5 %, 50 %, 95 %
    identification: identification.Identification
    bands: pd.DataFrame
    runs: int
    seconds: float

    @property
    def distance(self) -> float:
        """J at the estimate; close to its degrees of freedom (moments minus parameters) if the model is correct."""
        return float(self.criterion(self.moments[None])[0])

    def estimates(self) -> pd.DataFrame:
        """One row per parameter: estimate, posterior median and 90 % interval, prior range, share of the prior's width left."""
        import pandas as pd

        low, median, high = self.interval
        columns = {"estimate": self.theta, "low": low, "median": median, "high": high}
        priors = self.spec.priors.values()
        columns |= {"prior_low": [p.low for p in priors], "prior_high": [p.high for p in priors]}
        table = pd.DataFrame(columns, index=pd.Index(self.spec.names, name="parameter"))
        return table.join(self.identification.parameters[["prior_width_left", "moment"]])


def calibrate(spec: Calibration | str | Path, folder: str | Path, progress: Progress | None = None) -> Fit:
    """Fit the model to moments: search, refine, sample the posterior, check identification, predict the data.

    All simulated moments are stored in `folder`; an interrupted call resumes from there and gives the same numbers.

    Parameters
    ----------
    spec
        A `Calibration`, the name of a built-in one, or the path of a TOML file.
    folder
        Folder for simulated moments, created if missing.
    progress
        Called after every batch of runs.

    Raises
    ------
    CalibrationError
        The specification is invalid; raised before anything runs.
    Undefined
        A moment is undefined at the centre of the priors, at or near the estimate, or at every draw of the prior.
    ValueError
        The covariance of the moments cannot be inverted.
    """
    import time

    began = time.perf_counter()
    spec = spec if isinstance(spec, Calibration) else Calibration.load(spec)
    report, step, total = progress or (lambda *_: None), ["starting"], expected_runs(spec)
    simulator = Simulator(spec, Path(folder) / "simulated", lambda runs: report(step[0], min(runs, total), total))

    step[0] = "covariance of moments"
    criterion = Criterion.at(simulator, spec.start, PILOT)
    step[0] = "search"
    searched = search(simulator, criterion, spec.start, lambda g, v: step.__setitem__(0, f"search {g + 1}: J {v:.3g}"))
    criterion = Criterion.at(simulator, searched.theta, PILOT)  # two-step: weights from the result of the first step
    step[0] = "derivatives"
    refined = refinement.refine(simulator, criterion, searched.theta, REFINING)
    theta = best_of(simulator, criterion, np.stack([refined.theta, searched.theta]))
    step[0] = "posterior"
    sampled = sample(
        simulator,
        criterion,
        lambda g, last: step.__setitem__(
            0, f"posterior {g + 1}: tolerance {last.tolerance:.3g}, {last.acceptance:.0%} accepted"
        ),
    )
    unit, weights = adjusted(sampled, criterion)
    posterior_draws = spec.from_unit(draws(unit, weights, DRAWS, spec.seed))
    interval = spec.from_unit(intervals(unit, weights))
    step[0] = "identification"
    slopes, _ = derivatives.differences(simulator, theta, REFINING)
    seeds = np.arange(540_000, 540_000 + spec.profile_seeds)
    identified = identification.identify(simulator, criterion, theta, slopes, seeds, posterior_draws)
    step[0] = "prediction"
    moments = simulator.mean(theta, JUDGING)
    bands = predictive.bands(simulator, posterior_draws, np.arange(PREDICTING, PREDICTING + len(posterior_draws)))
    return Fit(
        spec, criterion, searched, refined, theta, moments, sampled, posterior_draws, interval, identified, bands,
        simulator.runs, time.perf_counter() - began,
    )  # fmt: skip


def best_of(simulator: Simulator, criterion: Criterion, thetas: np.ndarray) -> np.ndarray:
    """(parameters,) the row of thetas (points, parameters) with the lowest objective on seeds not used for fitting."""
    values = objective(simulator, criterion, simulator.spec.to_unit(thetas), JUDGING)
    return thetas[int(values.argmin())]


def expected_runs(spec: Calibration) -> int:
    """Approximate number of runs of a calibration."""
    number = len(spec.names)
    search_runs = spec.search.population * spec.search.generations * spec.search.seeds
    slopes = 2 * number * len(REFINING) * (refinement.STEPS + 1)
    profile = 2 * number * spec.profile_points * spec.profile_seeds
    return search_runs + slopes + profile + spec.posterior.runs + 5 * len(PILOT) + DRAWS


def as_json(fit: Fit) -> str:
    """Scalar results of a fit as JSON."""
    spec = fit.spec
    numbers: dict[str, Any] = {
        "name": spec.name,
        "data_to": spec.data_to.isoformat(),
        "spec_hash": spec.hash,
        "J": fit.distance,
        "degrees_of_freedom": len(spec.moments) - len(spec.names),
        "search": {
            "points": fit.search.points,
            "undefined": fit.search.undefined,
            "value": fit.search.value,
            "settled": fit.search.settled,
        },
        "refinement": {
            "before": fit.refined.before,
            "after": fit.refined.after,
            "steps": fit.refined.steps,
            "confirmed": {compared.moment: int(compared.confirmed.sum()) for compared in fit.refined.compared},
        },
        "posterior": [
            {
                "tolerance": generation.tolerance if np.isfinite(generation.tolerance) else None,
                "proposed": generation.proposed,
                "undefined": generation.undefined,
                "acceptance": generation.acceptance,
                "effective": generation.effective,
            }
            for generation in fit.sampled.generations
        ],
        "inside": int(fit.bands["inside"].sum()),
        "moments": len(fit.bands),
        "runs": fit.runs,
    }
    return json.dumps(numbers, indent=1) + "\n"
