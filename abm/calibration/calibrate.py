"""All steps of a calibration, one after the other, each kept so that it is not done twice."""

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
"""Seeds of the covariance of moments: so many that its inverse is hardly too large (Hartlap et al. 2007)."""
REFINING = np.arange(510_000, 510_040)
JUDGING = np.arange(520_000, 520_200)
PREDICTING = 530_000
DRAWS = 400
"""Equally weighted draws of the posterior that are kept."""


@dataclass(frozen=True)
class Fit:
    """What a calibration found. Parameter vectors are in the parameters' own units, in the order of `spec.names`."""

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
        """J at the estimate; near its degrees of freedom, moments less parameters, where the model is right."""
        return float(self.criterion(self.moments[None])[0])

    def estimates(self) -> pd.DataFrame:
        """One row a parameter: estimate, posterior median and 90 % interval, prior range, share of its width left."""
        import pandas as pd

        low, median, high = self.interval
        columns = {"estimate": self.theta, "low": low, "median": median, "high": high}
        priors = self.spec.priors.values()
        columns |= {"prior_low": [p.low for p in priors], "prior_high": [p.high for p in priors]}
        table = pd.DataFrame(columns, index=pd.Index(self.spec.names, name="parameter"))
        return table.join(self.identification.parameters[["prior_width_left", "moment"]])


def calibrate(spec: Calibration | str | Path, folder: str | Path, progress: Progress | None = None) -> Fit:
    """Fit the model to moments: search, refine, sample the posterior, judge what is identified, predict the data.

    All that is simulated is kept below `folder`; a call that was stopped goes on from there, to the same numbers.

    Parameters
    ----------
    spec
        A `Calibration`, the name of a built-in one, or the path of a TOML file.
    progress
        Called after every batch of runs.

    Raises
    ------
    CalibrationError
        Before anything is run.
    Undefined
        A moment has no number at the centre of the priors, at the estimate or near it, or at no draw of the prior.
    ValueError
        The moments' covariance cannot be inverted.
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
    criterion = Criterion.at(simulator, searched.theta, PILOT)  # two-step: weights from where the first step led
    step[0] = "derivatives"
    refined = refinement.refine(simulator, criterion, searched.theta, REFINING)
    theta = best_of(simulator, criterion, np.stack([refined.theta, searched.theta]))
    step[0] = "posterior"
    sampled = sample(
        simulator,
        criterion,
        lambda g, one: step.__setitem__(
            0, f"posterior {g + 1}: tolerance {one.tolerance:.3g}, {one.acceptance:.0%} kept"
        ),
    )
    unit, weights = adjusted(sampled, criterion)
    kept = spec.from_unit(draws(unit, weights, DRAWS, spec.seed))
    interval = spec.from_unit(intervals(unit, weights))
    step[0] = "identification"
    slopes, _ = derivatives.differences(simulator, theta, REFINING)
    seeds = np.arange(540_000, 540_000 + spec.profile_seeds)
    identified = identification.identify(simulator, criterion, theta, slopes, seeds, kept)
    step[0] = "prediction"
    moments = simulator.mean(theta, JUDGING)
    bands = predictive.bands(simulator, kept, np.arange(PREDICTING, PREDICTING + len(kept)))
    return Fit(
        spec, criterion, searched, refined, theta, moments, sampled, kept, interval, identified, bands,
        simulator.runs, time.perf_counter() - began,
    )  # fmt: skip


def best_of(simulator: Simulator, criterion: Criterion, thetas: np.ndarray) -> np.ndarray:
    """(parameters,) the one of thetas (points, parameters) with the least objective on seeds that none was fitted on."""
    values = objective(simulator, criterion, simulator.spec.to_unit(thetas), JUDGING)
    return thetas[int(values.argmin())]


def expected_runs(spec: Calibration) -> int:
    """Runs that a calibration takes, about."""
    number = len(spec.names)
    search_runs = spec.search.population * spec.search.generations * spec.search.seeds
    slopes = 2 * number * len(REFINING) * (refinement.STEPS + 1)
    profile = 2 * number * spec.profile_points * spec.profile_seeds
    return search_runs + slopes + profile + spec.posterior.runs + 5 * len(PILOT) + DRAWS


def as_json(outcome: Fit) -> str:
    """The numbers of an outcome that are not tables."""
    spec = outcome.spec
    numbers: dict[str, Any] = {
        "name": spec.name,
        "data_to": spec.data_to.isoformat(),
        "spec_hash": spec.hash,
        "J": outcome.distance,
        "degrees_of_freedom": len(spec.moments) - len(spec.names),
        "search": {
            "points": outcome.search.points,
            "undefined": outcome.search.undefined,
            "value": outcome.search.value,
            "settled": outcome.search.settled,
        },
        "refinement": {
            "before": outcome.refined.before,
            "after": outcome.refined.after,
            "steps": outcome.refined.steps,
            "confirmed": {one.moment: int(one.confirmed.sum()) for one in outcome.refined.compared},
        },
        "posterior": [
            {
                "tolerance": one.tolerance if np.isfinite(one.tolerance) else None,
                "proposed": one.proposed,
                "undefined": one.undefined,
                "acceptance": one.acceptance,
                "effective": one.effective,
            }
            for one in outcome.sampled.generations
        ],
        "inside": int(outcome.bands["inside"].sum()),
        "moments": len(outcome.bands),
        "runs": outcome.runs,
    }
    return json.dumps(numbers, indent=1) + "\n"
