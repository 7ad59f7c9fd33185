"""Do the sampler's intervals hold what is there? Parameters are drawn, histories simulated from them, and estimated again.

Where the posterior is right, its 90 % intervals hold the truth in nine cases of ten, parameter by parameter, whatever the
moments say of each: simulation-based calibration. It is the same sampler with the same adjustment as for the data, with
a smaller budget: one or two generations after the prior's, and so a larger tolerance, both of which are reported. The
first generation, which comes from the prior, is simulated once for all data sets. The search and its point estimate are
not part of it.

Source: Cook, Gelman & Rubin (2006), *J. Comput. Graph. Stat.* 15; Talts et al. (2018), arXiv 1804.06788.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abm.calibration.calibrate import PILOT
from abm.calibration.criterion import Criterion
from abm.calibration.posterior import adjusted, from_prior, intervals, sample, with_distances
from abm.calibration.simulated import Simulator
from abm.calibration.spec import Calibration, Posterior

if TYPE_CHECKING:
    import pandas as pd

TRUE_SEED = 900_000
"""Seeds of the synthetic histories: none is one of those that estimates are made with."""


@dataclass(frozen=True)
class Recovered:
    """True parameters and their 90 % intervals, (data sets, parameters)."""

    names: tuple[str, ...]
    truth: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    prior_width: np.ndarray  # (data sets, parameters) width of the interval over that of the prior
    generations: np.ndarray  # (data sets,) after the prior's
    nearest: np.ndarray  # (data sets,) share of the prior's particles that are as near as the last tolerance

    @property
    def inside(self) -> np.ndarray:
        """(data sets, parameters) whether the truth lies in the interval."""
        return (self.low <= self.truth) & (self.truth <= self.high)

    def table(self) -> pd.DataFrame:
        """One row a parameter: share of data sets inside, correlation of median and truth, mean width over the prior's."""
        import pandas as pd

        with np.errstate(invalid="ignore"):
            correlation = [np.corrcoef(t, m)[0, 1] for t, m in zip(self.truth.T, self.median.T, strict=True)]
        columns = {"inside": self.inside.mean(0), "correlation": correlation, "width": self.prior_width.mean(0)}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="parameter"))


def recover(
    spec: Calibration,
    folder: Path | None,
    data_sets: int = 30,
    first: int = 3_000,
    budget: Posterior | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Recovered:
    """Estimate `data_sets` synthetic histories of parameters drawn from the priors.

    Each is measured with error as the data were: the simulated moments plus normal errors of the stated size. `first` is
    the number of particles from the prior that all share, `budget` what each data set may spend besides; `progress` is
    called as progress(doing, data sets done, data sets).
    """
    report = progress or (lambda *_: None)
    report(f"{first:,} histories from the prior", 0, data_sets)
    budget = budget or Posterior(particles=320, quantile=0.1, runs=first + 960, least_acceptance=0.03)
    spec = spec.model_copy(update={"posterior": budget})
    simulator = Simulator(spec, folder)
    criterion = Criterion.at(simulator, spec.start, PILOT)
    shared = from_prior(simulator, criterion, first)
    rng = np.random.default_rng([spec.seed, 14])
    units = spec.draw_prior(rng, data_sets)
    truth = spec.from_unit(units)
    seeds = np.arange(TRUE_SEED, TRUE_SEED + data_sets)
    data = simulator.defined(truth, seeds, simulator(truth, seeds))
    data = data + simulator.errors * rng.standard_normal(data.shape)
    quantiles = np.empty((data_sets, 3, len(spec.names)))
    widths = np.empty((data_sets, len(spec.names)))
    generations, nearest = np.empty(data_sets, int), np.empty(data_sets)
    wide = np.ptp(intervals(shared.unit, shared.weights), axis=0)
    for i in range(data_sets):
        own = replace(criterion, observed=data[i])
        copy = Simulator(spec.model_copy(update={"seed": spec.seed + 1000 * (i + 1)}), folder)
        prior = with_distances(shared, own)
        sampled = sample(copy, own, first=prior)
        generations[i], nearest[i] = len(sampled.generations) - 1, (prior.distances <= sampled.last.tolerance).mean()
        unit, weights = adjusted(sampled, own)
        ends = intervals(unit, weights)
        quantiles[i], widths[i] = spec.from_unit(ends), np.ptp(ends, axis=0) / wide
        report(f"{i + 1} of {data_sets} data sets", i + 1, data_sets)
    low, median, high = quantiles.transpose(1, 0, 2)
    return Recovered(spec.names, truth, low, median, high, widths, generations, nearest)


def summary(recovered: Recovered) -> str:
    """In a sentence, with the range that sampling alone would give all parameters together were every posterior right."""
    from scipy.stats import binom

    inside, total = int(recovered.inside.sum()), recovered.inside.size
    low, high = binom.interval(1 - 0.05 / len(recovered.names), len(recovered.truth), 0.9)  # Bonferroni
    least = recovered.table()["inside"]
    return (
        f"{inside} of {total} true values ({inside / total:.0%}) lie in their 90 % intervals; by parameter from"
        f" {least.min():.0%} ({least.idxmin()}) to {least.max():.0%} of {len(recovered.truth)} data sets, where right intervals"
        f" give {low / len(recovered.truth):.0%} to {high / len(recovered.truth):.0%} in 19 cases of 20"
    )
