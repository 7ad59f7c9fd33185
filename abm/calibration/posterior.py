"""Posterior sampling: approximate Bayesian computation by sequential Monte Carlo (ABC-SMC), in batches.

Particles are drawn from the prior, then moved and weighted so that they follow the prior conditional on the simulated
history, measured with the errors of the data, lying within a shrinking distance of the observed one. A regression corrects
for the remaining tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from abm.calibration.criterion import Criterion
from abm.calibration.simulated import Simulator, Undefined
from abm.calibration.spec import Calibration

FIRST_SEED = 1_000_000
"""First seed of posterior histories, distinct from all seeds used by the search."""


@dataclass(frozen=True)
class Generation:
    """One generation of the sampler."""

    unit: np.ndarray  # (particles, parameters) positions in the priors' ranges
    weights: np.ndarray  # (particles,), sum 1
    moments: np.ndarray  # (particles, moments) with measurement error
    distances: np.ndarray  # (particles,)
    tolerance: float
    proposed: int
    undefined: int

    @property
    def acceptance(self) -> float:
        """Share of proposals accepted."""
        return len(self.unit) / self.proposed

    @property
    def effective(self) -> float:
        """Effective number of particles (Kish 1965)."""
        return effective(self.weights)


@dataclass
class Sampled:
    """Result of the sampler: all generations; the last one is the posterior before adjustment."""

    spec: Calibration
    generations: list[Generation] = field(default_factory=list)

    @property
    def last(self) -> Generation:
        return self.generations[-1]

    @property
    def runs(self) -> int:
        """Number of runs counted as proposals."""
        return sum(generation.proposed for generation in self.generations)


def sample(
    simulator: Simulator,
    criterion: Criterion,
    progress: Callable[[int, Generation], None] | None = None,
    first: Generation | None = None,
) -> Sampled:
    """ABC-SMC whose tolerance falls to a quantile of the previous distances.

    A proposal is a particle, drawn by weight, plus a normal step with twice the weighted covariance of the particles
    (Filippi et al. 2013). Its distance is that of `criterion` for one history; if the history leaves a moment undefined,
    the distance is infinite and the proposal is counted. A generation is complete when `particles` proposals, in order, lie
    within its tolerance. A generation that the budget does not allow is not started, or abandoned, except for the first one
    after the prior: then the closest proposals are accepted, which sets its tolerance. `first` is an existing generation
    from the prior, at infinite tolerance.

    Source: Toni et al. (2009), *J. R. Soc. Interface* 6; Beaumont et al. (2009), *Biometrika* 96(4); Filippi et al.
    (2013), *Stat. Appl. Genet. Mol. Biol.* 12(1).
    """
    spec, settings = simulator.spec, simulator.spec.posterior
    out = Sampled(spec, [first or from_prior(simulator, criterion, settings.particles * 2)])
    while True:
        if progress:
            progress(len(out.generations) - 1, out.last)
        left = min(settings.runs - out.runs, int(settings.particles / settings.least_acceptance))
        expected = settings.particles / (settings.quantile * out.last.acceptance)
        if expected > left and np.isfinite(out.last.tolerance):
            return out
        generation = _next(simulator, criterion, out.last, len(out.generations), settings.particles, max(left, 1))
        if generation is None:
            return out
        out.generations.append(generation)


def from_prior(simulator: Simulator, criterion: Criterion, number: int) -> Generation:
    """Draw `number` particles from the prior; those with an undefined moment get weight 0.

    Raises `Undefined` if all of them do.
    """
    spec = simulator.spec
    unit = spec.draw_prior(np.random.default_rng([spec.seed, 11, 0]), number)
    moments = measured(simulator, unit, 0, 0)
    distances = np.sqrt(criterion(moments))
    defined = np.isfinite(distances)
    if not defined.any():
        raise Undefined(f"all {number} histories drawn from the priors leave a moment undefined: narrow the priors")
    return Generation(unit, defined / defined.sum(), moments, distances, np.inf, number, int((~defined).sum()))


def measured(simulator: Simulator, unit: np.ndarray, generation: int, batch: int) -> np.ndarray:
    """(proposals, moments) of one simulated history each, with measurement error added as in the data.

    Without the errors, a moment that hardly varies between histories would be treated as exact, however imprecisely it was
    measured (Wilkinson 2013, *Stat. Appl. Genet. Mol. Biol.* 12(2)).
    """
    spec = simulator.spec
    moments = simulator(spec.from_unit(unit), seeds_of(spec, generation, batch, len(unit)))
    errors = np.random.default_rng([spec.seed, 15, generation, batch]).standard_normal(moments.shape)
    return moments + simulator.errors * errors


def with_distances(generation: Generation, criterion: Criterion) -> Generation:
    """Recompute the distances of a generation from the prior for other data, with the same particles."""
    distances = np.sqrt(criterion(generation.moments))
    return Generation(**{**generation.__dict__, "distances": distances})


def seeds_of(spec: Calibration, generation: int, batch: int, number: int) -> np.ndarray:
    """Seeds of a batch of proposals, unique within a calibration and between calibrations with different seeds."""
    start = FIRST_SEED + (spec.seed % 10**8) * 10**10 + (generation * 10_000 + batch) * 10_000
    return np.arange(start, start + number)


def _next(
    simulator: Simulator, criterion: Criterion, previous: Generation, index: int, particles: int, limit: int
) -> Generation | None:
    """Sample the next generation; None if `limit` proposals are not enough.

    For the first generation after the prior, `limit` proposals are always enough: the closest are accepted.
    """
    spec = simulator.spec
    tolerance = _quantile(previous, spec.posterior.quantile)
    near = previous.weights * (previous.distances <= tolerance)
    centre = previous.unit[near > 0]
    weights = near[near > 0] / near.sum()
    spread = np.atleast_2d(np.cov(centre, rowvar=False, aweights=weights)) * 2 + 1e-10 * np.eye(centre.shape[1])
    root = np.linalg.cholesky(spread)
    rng = np.random.default_rng([spec.seed, 11, index])
    units, moments, distances = [], [], []
    batches: list[tuple[np.ndarray, ...]] = []
    proposed = undefined = accepted = batch = 0
    size = min(max(particles, 60), 480)
    while accepted < particles:
        candidates = np.empty((0, centre.shape[1]))
        while len(candidates) < size:  # steps outside the prior's range are discarded
            parents = rng.choice(len(centre), size=size, p=weights)
            steps = centre[parents] + rng.standard_normal((size, centre.shape[1])) @ root.T
            candidates = np.concatenate([candidates, steps[((steps >= 0) & (steps <= 1)).all(1)]])
        candidates = candidates[:size]
        simulated = measured(simulator, candidates, index, batch)
        d = np.sqrt(criterion(simulated))
        batch += 1
        good = np.flatnonzero(d <= tolerance)
        if accepted + len(good) >= particles:  # proposals after the last one needed do not count
            good = good[: particles - accepted]
            d_seen = d[: good[-1] + 1]
        else:
            d_seen = d
        proposed += len(d_seen)
        undefined += int(np.isinf(d_seen).sum())
        accepted += len(good)
        units.append(candidates[good])
        moments.append(simulated[good])
        distances.append(d[good])
        batches.append((candidates, simulated, d))
        if accepted < particles and proposed >= limit:
            if np.isfinite(previous.tolerance):
                return None
            pooled = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
            order = np.argsort(pooled[2], kind="stable")[:particles]
            tolerance = float(pooled[2][order[-1]])
            if not np.isfinite(tolerance):
                return None
            units, moments, distances = ([part[np.sort(order)]] for part in pooled)
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
    """Log density of the proposal distribution at `points`, up to a constant."""
    from scipy.special import logsumexp

    a, b = np.linalg.solve(root, points.T).T, np.linalg.solve(root, centres.T).T
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return logsumexp(-0.5 * square, axis=1, b=weights[None, :])


def adjusted(sampled: Sampled | Generation, criterion: Criterion, ridge: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Positions (particles, parameters) and weights (particles,), corrected by local-linear regression on the moments.

    theta* = theta - (m - m_obs) beta, with beta from a weighted regression of logit positions on standardised moments
    (Epanechnikov weights in the distance): it moves particles as if every history had matched the observed one. The logit
    keeps particles inside the priors' ranges. Source: Beaumont, Zhang & Balding (2002), *Genetics* 162(4); the logit, Blum &
    François (2010), *Statistics and Computing* 20.
    """
    last = sampled.last if isinstance(sampled, Sampled) else sampled
    defined = np.isfinite(last.distances)
    unit, z = np.clip(last.unit[defined], 1e-6, 1 - 1e-6), criterion.standardised(last.moments[defined])
    widest = last.distances[defined].max() * (1 + 1e-9)
    weights = last.weights[defined] * (1 - (last.distances[defined] / widest) ** 2)
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
    """Effective number of particles (Kish 1965): (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def draws(unit: np.ndarray, weights: np.ndarray, number: int, seed: int) -> np.ndarray:
    """(number, parameters) equally weighted draws by systematic resampling (Kitagawa 1996), in random order.

    The random order matters to users of the first few draws: otherwise copies of a particle would be adjacent.
    """
    rng = np.random.default_rng([seed, 12])
    positions = (rng.random() + np.arange(number)) / number
    rows = np.minimum(np.searchsorted(np.cumsum(weights), positions), len(unit) - 1)
    return unit[rng.permutation(rows)]


def intervals(unit: np.ndarray, weights: np.ndarray, levels: tuple[float, ...] = (0.05, 0.5, 0.95)) -> np.ndarray:
    """(levels, parameters) weighted marginal quantiles."""
    out = np.empty((len(levels), unit.shape[1]))
    for i, column in enumerate(unit.T):
        order = np.argsort(column)
        mass = np.cumsum(weights[order]) - 0.5 * weights[order]
        out[:, i] = np.interp(levels, mass, column[order])
    return out
