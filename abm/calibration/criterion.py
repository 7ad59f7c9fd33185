"""Distance between simulated and observed moments: the criterion of the method of simulated moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abm.calibration.simulated import Simulator


@dataclass(frozen=True)
class Criterion:
    """J = (m - m_obs)' S^-1 (m - m_obs), with S the covariance of observed moments around the model's mean.

    The data are one history, measured with error: S = Omega + diag(error^2), where Omega (moments, moments) is the
    covariance of the moments of one simulated history. At the true parameters E[J] is the number of moments.

    Source: McFadden (1989), *Econometrica* 57(5); Duffie & Singleton (1993), *Econometrica* 61(4).
    """

    observed: np.ndarray  # (moments,)
    covariance: np.ndarray  # (moments, moments), S
    root: np.ndarray  # lower triangular, S^-1 = root' root

    @classmethod
    def at(cls, simulator: Simulator, theta: np.ndarray, seeds: np.ndarray) -> Criterion:
        """Estimate Omega from histories of `seeds` at one parameter vector (parameters,)."""
        many = np.tile(theta, (len(seeds), 1))
        moments = simulator.defined(many, seeds, simulator(many, seeds))
        return cls.of(simulator.observed, np.cov(moments, rowvar=False), simulator.errors)

    @classmethod
    def of(cls, observed: np.ndarray, spread: np.ndarray, errors: np.ndarray) -> Criterion:
        """Build the criterion from Omega (`spread`) and standard errors (moments,). Raises ValueError if S is singular."""
        covariance = np.atleast_2d(spread) + np.diag(errors**2)
        scale = np.sqrt(np.diag(covariance))
        if not (scale > 0).all():
            raise ValueError(
                "a moment neither varies between histories nor has a measurement error: its weight is infinite"
            )
        # Inverted as a correlation matrix, whose entries have similar size.
        try:
            root = np.linalg.inv(np.linalg.cholesky(covariance / np.outer(scale, scale))) / scale
        except np.linalg.LinAlgError:
            raise ValueError(
                "two moments are collinear and their covariance cannot be inverted; leave one out"
            ) from None
        return cls(observed, covariance, root)

    def standardised(self, moments: np.ndarray) -> np.ndarray:
        """Deviations from the data (..., moments), transformed to unit covariance."""
        return (moments - self.observed) @ self.root.T

    def __call__(self, moments: np.ndarray) -> np.ndarray:
        """J (...,) of moments (..., moments); infinite where a moment is undefined."""
        j = (self.standardised(moments) ** 2).sum(-1)
        return np.where(np.isfinite(j), j, np.inf)

    def deviations(self, moments: np.ndarray) -> np.ndarray:
        """Deviations from the data (..., moments), each in the moment's own standard deviations."""
        return (moments - self.observed) / np.sqrt(np.diag(self.covariance))
