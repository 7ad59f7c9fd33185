"""Derivatives of moments in the parameters, by automatic differentiation through the whole run.

A run is a pure function of its parameters and draws, so most moments can be differentiated history by history. Where a
parameter moves the date of a release or of a price change, the moment jumps, and the derivative of the mean is not the
mean of the derivatives: `compare` compares them with finite differences, and only those confirmed this way are used.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.calibration import facts
from abm.calibration.simulated import Simulator
from abm.engine import compiler_options, floats_of, seed_words
from abm.market.month import Month
from abm.runs.programs import months_of_runs, play_months, start_runs
from abm.runs.results import Ensemble
from abm.runs.setup import Setup
from abm.runs.simulate import kept_of
from abm.support.workers import processors

SMOOTH = (facts.market_facts, facts.event_facts, facts.return_facts)
"""Moments of flows, margins and returns. Excluded are those of list prices and the race, which count months and take medians."""
CHUNK = 4


def smooth_moments(simulator: Simulator) -> tuple[str, ...]:
    """Moments of the calibration that can be differentiated."""
    shapes = jax.eval_shape(
        lambda: _moments(simulator, jnp.full(len(simulator.spec.names), 0.5), jnp.zeros((1, 2), "uint32"))
    )
    return tuple(name for name in simulator.spec.moments if name in shapes)


def jacobian(simulator: Simulator, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """(smooth moments, parameters): mean over `seeds` of d moment / d position, moments on the scale of comparison.

    Positions run from 0 to 1 over the priors' ranges. Forward mode: one pass computes all directions. Stored like moments.
    """
    shape = len(smooth_moments(simulator)), len(simulator.spec.names)
    with floats_of(64):
        return simulator.cached(
            "jacobian-", np.asarray(theta), seeds, shape, lambda: _jacobian(simulator, theta, seeds)
        )


def _jacobian(simulator: Simulator, theta: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    unit = jnp.asarray(simulator.spec.to_unit(theta))
    program = _program(simulator)
    words = np.stack([seed_words(int(seed)) for seed in seeds])
    whole = len(words) - len(words) % CHUNK
    if not whole:
        raise ValueError(f"{len(seeds)} seeds: give at least {CHUNK}")

    def part(start: int) -> np.ndarray:
        with floats_of(64):
            return np.asarray(program(unit, jnp.asarray(words[start : start + CHUNK])))

    parts = [part(0)]  # compiles
    with ThreadPoolExecutor(processors()) as pool:
        parts += pool.map(part, range(CHUNK, whole, CHUNK))
    return np.mean(parts, axis=0)


@functools.lru_cache(maxsize=2)
def _program(simulator: Simulator) -> Any:
    """Compiled Jacobian of the smooth moments, cached per simulator: compiling takes a minute."""
    names = smooth_moments(simulator)

    def mean(unit: jax.Array, words: jax.Array) -> jax.Array:
        moments = _moments(simulator, unit, words)
        return jnp.stack([moments[name].mean() for name in names])

    return jax.jit(jax.jacfwd(mean), compiler_options=compiler_options())


def _moments(simulator: Simulator, unit: jax.Array, words: jax.Array) -> dict[str, jax.Array]:
    """Smooth moments (runs,) of the runs of one chunk at one position (parameters,)."""
    spec, setup = simulator.spec, simulator.setup
    runs = words.shape[0]
    values = {name: jnp.broadcast_to(jnp.asarray(v), (runs, *v.shape)) for name, v in setup.values.items()}
    for index, (name, prior) in enumerate(spec.priors.items()):
        low, high = (np.log(prior.low), np.log(prior.high)) if prior.scale == "log" else (prior.low, prior.high)
        value = low + unit[index] * (high - low)
        values[name] = jnp.broadcast_to(jnp.exp(value) if prior.scale == "log" else value, (runs,))
    report = _simulate(setup, values, words)
    results = kept_of(report, setup.months, facts.EVENT_MONTHS, products=False)
    ensemble = Ensemble(setup, [0] * runs, results, facts.EVENT_MONTHS)
    found: dict[str, Any] = functools.reduce(lambda table, of: table | of(ensemble), SMOOTH, {})
    logs = {name for name, observed in spec.data.items() if observed.scale == "log"}
    by_run = {name: found.get(f"{name} by run", found[name]) for name in spec.moments if name in found}
    return {name: jnp.log(value) if name in logs else value for name, value in by_run.items()}


def _simulate(setup: Setup, values: dict[str, Any], words: Any) -> Month:
    markets = start_runs(values, words, setup.networks, setup.segments, setup.populations)
    months, inputs = months_of_runs(setup.equations), (values, words)
    timeline = {name: jnp.asarray(rows) for name, rows in setup.timeline.items()}
    first = {name: rows[0] for name, rows in timeline.items()}
    shapes = jax.eval_shape(months, markets, inputs, first)[1]
    blank = jax.tree.map(lambda x: jnp.zeros((setup.months, *x.shape), x.dtype), shapes)
    return play_months(markets, inputs, timeline, (0, setup.months), blank, months)[1]


class Compared(NamedTuple):
    """Derivatives of one moment by automatic differentiation and by finite differences on the same draws."""

    moment: str
    automatic: np.ndarray  # (parameters,)
    differences: np.ndarray  # (parameters,)
    error: np.ndarray  # (parameters,) standard error of the finite differences between seeds

    @property
    def confirmed(self) -> np.ndarray:
        """(parameters,) whether the finite differences are precise enough and agree with the automatic derivatives.

        Precise enough means that four standard errors are at most a quarter of the moment's largest derivative: where
        histories jump with a parameter the standard error is large, and a derivative that ignores the jumps would pass.
        """
        largest = np.abs(self.differences).max()
        near = np.abs(self.automatic - self.differences) <= 4 * self.error + 0.05 * largest
        return near & (4 * self.error <= 0.25 * largest)


def differences(
    simulator: Simulator, theta: np.ndarray, seeds: np.ndarray, step: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """(moments, parameters) central differences of the mean moments on common draws, and their standard errors.

    `step` is the distance to either side, in positions. Raises `Undefined` if a run leaves a moment undefined.
    """
    spec = simulator.spec
    unit = np.clip(spec.to_unit(theta), step, 1 - step)
    points = np.concatenate([unit + step * np.eye(unit.size), unit - step * np.eye(unit.size)])
    thetas = spec.from_unit(points)
    moments = simulator.grid(thetas, seeds)
    flat = moments.reshape(-1, moments.shape[-1])
    simulator.defined(np.repeat(thetas, len(seeds), 0), np.tile(seeds, len(thetas)), flat)
    up, down = moments[: unit.size], moments[unit.size :]
    slopes = (up - down) / (2 * step)  # (parameters, seeds, moments)
    return slopes.mean(1).T, (slopes.std(1, ddof=1) / np.sqrt(len(seeds))).T


def compare(simulator: Simulator, theta: np.ndarray, seeds: np.ndarray, step: float = 0.02) -> list[Compared]:
    """Automatic derivatives and finite differences of every smooth moment, on the same seeds."""
    slopes, errors = differences(simulator, theta, seeds, step)
    names = smooth_moments(simulator)
    automatic = jacobian(simulator, theta, seeds)
    rows = [simulator.spec.moments.index(name) for name in names]
    return [Compared(n, a, slopes[r], errors[r]) for n, a, r in zip(names, automatic, rows, strict=True)]
