"""What the data leave possible: approximate Bayesian computation by sequential Monte Carlo (ABC-SMC), in batches.

Particles are drawn from the prior, then moved and weighted so that they follow the prior of those whose simulated
history, measured with the errors of the data, lies ever nearer to the one observed. What is left of the tolerance is
corrected for by a regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from abm.calibration.criterion import Criterion
from abm.calibration.simulated import Simulator, Undefined
from abm.calibration.spec import Calibration

FIRST_SEED = 1_000_000
"""Histories of the posterior have seeds from here on: none is one of those that the search looked at."""


@dataclass(frozen=True)
class Generation:
    """One population of the sampler."""

    unit: np.ndarray  # (particles, parameters) positions in the priors' ranges
    weights: np.ndarray  # (particles,), sum 1
    moments: np.ndarray  # (particles, moments) as they would be measured
    distances: np.ndarray  # (particles,)
    tolerance: float
    proposed: int
    undefined: int

    @property
    def acceptance(self) -> float:
        return len(self.unit) / self.proposed

    @property
    def effective(self) -> float:
        """Effective number of particles (Kish)."""
        return effective(self.weights)


@dataclass
class Sampled:
    """The whole of a sequential Monte Carlo run; the last generation is the posterior before adjustment."""

    spec: Calibration
    generations: list[Generation] = field(default_factory=list)

    @property
    def last(self) -> Generation:
        return self.generations[-1]

    @property
    def runs(self) -> int:
        return sum(one.proposed for one in self.generations)


def sample(
    simulator: Simulator,
    criterion: Criterion,
    progress: Callable[[int, Generation], None] | None = None,
    first: Generation | None = None,
) -> Sampled:
    """ABC-SMC with tolerances that fall to a quantile of the last distances.

    A proposal is a particle, drawn by weight, plus a normal step with twice the weighted covariance of the particles
    (Filippi et al. 2013); the distance is that of `criterion`, of one history. A generation ends when `particles`
    proposals, in their order, lie within its tolerance; one that the budget does not reach is not begun, or given up, but
    for the first after the prior: of its proposals the nearest are then kept, at the tolerance that makes of them. A
    proposal whose history leaves a moment undefined is infinitely far, and counted. `first` is a first generation from
    the prior at an infinite tolerance, where one is at hand.

    Source: Toni et al. (2009), *J. R. Soc. Interface* 6; Beaumont et al. (2009), *Biometrika* 96(4); Filippi et al.
    (2013), *Stat. Appl. Genet. Mol. Biol.* 12(1).
    """
    spec, settings = simulator.spec, simulator.spec.posterior
    out = Sampled(spec, [first or from_prior(simulator, criterion, settings.particles * 2)])
    while True:
        if progress:
            progress(len(out.generations) - 1, out.last)
        left = min(settings.runs - out.runs, int(settings.particles / settings.least_acceptance))
        foreseen = settings.particles / (settings.quantile * out.last.acceptance)
        if foreseen > left and np.isfinite(out.last.tolerance):
            return out
        generation = _next(simulator, criterion, out.last, len(out.generations), settings.particles, max(left, 1))
        if generation is None:
            return out
        out.generations.append(generation)


def from_prior(simulator: Simulator, criterion: Criterion, number: int) -> Generation:
    """`number` particles from the prior, none rejected but those with an undefined moment (their weight is 0)."""
    spec = simulator.spec
    unit = spec.draw_prior(np.random.default_rng([spec.seed, 11, 0]), number)
    moments = measured(simulator, unit, 0, 0)
    distances = np.sqrt(criterion(moments))
    fine = np.isfinite(distances)
    if not fine.any():
        raise Undefined(f"all {number} histories drawn from the priors leave a moment undefined: narrow the priors")
    return Generation(unit, fine / fine.sum(), moments, distances, np.inf, number, int((~fine).sum()))


def measured(simulator: Simulator, unit: np.ndarray, generation: int, batch: int) -> np.ndarray:
    """(proposals, moments) of one history each, with errors of measurement: what the data would be if they came so.

    Without the errors a moment that hardly varies between histories would be taken for exact, however roughly it was
    measured (Wilkinson 2013, *Stat. Appl. Genet. Mol. Biol.* 12(2)).
    """
    spec = simulator.spec
    moments = simulator(spec.from_unit(unit), seeds_of(spec, generation, batch, len(unit)))
    errors = np.random.default_rng([spec.seed, 15, generation, batch]).standard_normal(moments.shape)
    return moments + simulator.errors * errors


def with_distances(generation: Generation, criterion: Criterion) -> Generation:
    """A generation from the prior as seen from other data: the same particles, their distances anew."""
    distances = np.sqrt(criterion(generation.moments))
    return Generation(**{**generation.__dict__, "distances": distances})


def seeds_of(spec: Calibration, generation: int, batch: int, number: int) -> np.ndarray:
    """Seeds of a batch of proposals, no two alike within a calibration, nor between two of different seeds."""
    start = FIRST_SEED + (spec.seed % 10**8) * 10**10 + (generation * 10_000 + batch) * 10_000
    return np.arange(start, start + number)


def _next(
    simulator: Simulator, criterion: Criterion, old: Generation, place: int, particles: int, limit: int
) -> Generation | None:
    """The next generation; None where `limit` proposals are not enough for it.

    After the prior's, `limit` proposals are always enough: the nearest of them are kept.
    """
    spec = simulator.spec
    tolerance = _quantile(old, spec.posterior.quantile)
    near = old.weights * (old.distances <= tolerance)
    centre = old.unit[near > 0]
    weights = near[near > 0] / near.sum()
    spread = np.atleast_2d(np.cov(centre, rowvar=False, aweights=weights)) * 2 + 1e-10 * np.eye(centre.shape[1])
    root = np.linalg.cholesky(spread)
    rng = np.random.default_rng([spec.seed, 11, place])
    units, moments, distances = [], [], []
    every: list[tuple[np.ndarray, ...]] = []
    proposed = undefined = kept = batch = 0
    size = min(max(particles, 60), 480)
    while kept < particles:
        asked = np.empty((0, centre.shape[1]))
        while len(asked) < size:  # outside the prior's range is no proposal
            parents = rng.choice(len(centre), size=size, p=weights)
            steps = centre[parents] + rng.standard_normal((size, centre.shape[1])) @ root.T
            asked = np.concatenate([asked, steps[((steps >= 0) & (steps <= 1)).all(1)]])
        asked = asked[:size]
        got = measured(simulator, asked, place, batch)
        d = np.sqrt(criterion(got))
        batch += 1
        good = np.flatnonzero(d <= tolerance)
        if kept + len(good) >= particles:  # the proposals after the last that was needed do not count
            good = good[: particles - kept]
            d_seen = d[: good[-1] + 1]
        else:
            d_seen = d
        proposed += len(d_seen)
        undefined += int(np.isinf(d_seen).sum())
        kept += len(good)
        units.append(asked[good])
        moments.append(got[good])
        distances.append(d[good])
        every.append((asked, got, d))
        if kept < particles and proposed >= limit:
            if np.isfinite(old.tolerance):
                return None
            everything = [np.concatenate(parts) for parts in zip(*every, strict=True)]
            order = np.argsort(everything[2], kind="stable")[:particles]
            tolerance = float(everything[2][order[-1]])
            if not np.isfinite(tolerance):
                return None
            units, moments, distances = ([part[np.sort(order)]] for part in everything)
            break
    unit = np.concatenate(units)
    density = _mixture(unit, centre, weights, root)
    log_weights = spec.log_prior(unit) - density
    new = np.exp(log_weights - log_weights.max())
    return Generation(
        unit, new / new.sum(), np.concatenate(moments), np.concatenate(distances), tolerance, proposed, undefined
    )


def _quantile(generation: Generation, share: float) -> float:
    """Weighted quantile of the distances."""
    order = np.argsort(generation.distances)
    mass = np.cumsum(generation.weights[order])
    return float(generation.distances[order][np.searchsorted(mass, share * mass[-1])])


def _mixture(points: np.ndarray, centres: np.ndarray, weights: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Log density of the proposals, up to a constant."""
    from scipy.special import logsumexp

    a, b = np.linalg.solve(root, points.T).T, np.linalg.solve(root, centres.T).T
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return logsumexp(-0.5 * square, axis=1, b=weights[None, :])


def adjusted(sampled: Sampled | Generation, criterion: Criterion, ridge: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Positions (particles, parameters) and weights (particles,), corrected by local-linear regression on the moments.

    theta* = theta - (m - m_obs) beta, with beta from a weighted regression of logit positions on standardised moments
    (Epanechnikov weights in the distance): as if every history had come out as the one observed. The logit keeps
    particles inside the priors' ranges. Source: Beaumont, Zhang & Balding (2002), *Genetics* 162(4); the logit, Blum &
    François (2010), *Statistics and Computing* 20.
    """
    last = sampled.last if isinstance(sampled, Sampled) else sampled
    fine = np.isfinite(last.distances)
    unit, z = np.clip(last.unit[fine], 1e-6, 1 - 1e-6), criterion.standardised(last.moments[fine])
    widest = last.distances[fine].max() * (1 + 1e-9)
    weights = last.weights[fine] * (1 - (last.distances[fine] / widest) ** 2)
    weights = weights / weights.sum()
    logit = np.log(unit / (1 - unit))
    design = np.column_stack([np.ones(len(z)), z])
    weighted = design * weights[:, None]
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 0
    beta = np.linalg.solve(design.T @ weighted + penalty, weighted.T @ logit)
    moved = logit - z @ beta[1:]
    return 1 / (1 + np.exp(-moved)), weights


def effective(weights: np.ndarray) -> float:
    """Number of equally weighted particles that say as much as these (Kish 1965): (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def draws(unit: np.ndarray, weights: np.ndarray, number: int, seed: int) -> np.ndarray:
    """(number, parameters) equally weighted, by systematic resampling (Kitagawa 1996), in random order.

    The order matters to who takes the first few: copies of a particle would stand side by side.
    """
    rng = np.random.default_rng([seed, 12])
    positions = (rng.random() + np.arange(number)) / number
    places = np.minimum(np.searchsorted(np.cumsum(weights), positions), len(unit) - 1)
    return unit[rng.permutation(places)]


def intervals(unit: np.ndarray, weights: np.ndarray, levels: tuple[float, ...] = (0.05, 0.5, 0.95)) -> np.ndarray:
    """(levels, parameters) weighted quantiles, each parameter on its own."""
    out = np.empty((len(levels), unit.shape[1]))
    for i, column in enumerate(unit.T):
        order = np.argsort(column)
        mass = np.cumsum(weights[order]) - 0.5 * weights[order]
        out[:, i] = np.interp(levels, mass, column[order])
    return out
