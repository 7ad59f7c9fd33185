"""Recovery of known parameters: draw parameters, simulate histories from them, and estimate them again.

If the posterior is correct, its 90 % intervals contain the truth in 90 % of cases for every parameter, however informative
the moments are (simulation-based calibration). The sampler and its adjustment are those used for the data, with a smaller
budget: one or two generations after the prior, and hence a larger tolerance, both of which are reported. The first
generation, drawn from the prior, is simulated once for all data sets. The search and its point estimate are not tested.

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
"""First seed of the synthetic histories, distinct from all seeds used for estimation."""


@dataclass(frozen=True)
class Recovered:
    """True parameters and their 90 % intervals, (data sets, parameters)."""

    names: tuple[str, ...]
    truth: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    prior_width: np.ndarray  # (data sets, parameters) width of the interval over that of the prior
    generations: np.ndarray  # (data sets,) number of generations after the prior
    nearest: np.ndarray  # (data sets,) share of the prior's particles within the last tolerance

    @property
    def inside(self) -> np.ndarray:
        """(data sets, parameters) whether the truth lies in the interval."""
        return (self.low <= self.truth) & (self.truth <= self.high)

    def table(self) -> pd.DataFrame:
        """One row per parameter: share of data sets inside, correlation of median and truth, mean width relative to the prior."""
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
    """Estimate the parameters of `data_sets` synthetic histories, with true parameters drawn from the priors.

    Each history is measured with error like the data: simulated moments plus normal errors of the stated size. `first` is
    the number of particles from the prior that all data sets share, `budget` the settings of the sampler for each data set;
    `progress` is called as progress(step, data sets done, data sets).
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
    """Summary sentence, with the joint 95 % range of the shares by parameter under correct posteriors."""
    from scipy.stats import binom

    inside, total = int(recovered.inside.sum()), recovered.inside.size
    low, high = binom.interval(1 - 0.05 / len(recovered.names), len(recovered.truth), 0.9)  # Bonferroni
    share = recovered.table()["inside"]
    return (
        f"{inside} of {total} true values ({inside / total:.0%}) lie in their 90 % intervals; by parameter,"
        f" {share.min():.0%} ({share.idxmin()}) to {share.max():.0%} of {len(recovered.truth)} data sets, where correct"
        f" intervals would give {low / len(recovered.truth):.0%} to {high / len(recovered.truth):.0%} (jointly, with 95 %"
        " probability)"
    )
