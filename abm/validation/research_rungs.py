"""V7, V8: returns to compute, the lag of a copier, and the effect of competition on research."""

import functools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from abm.analysis.inverted_u import lind_mehlum
from abm.mechanisms import imitation
from abm.support.values import Values
from abm.validation.ladder import Check, above, below, check, rung
from abm.validation.models import step_by_step
from abm.validation.theory import catch_up, race, scaling


@rung(
    "V7", "Scaling law and the lag of a copier", "Besiroglu et al. (2024), refit of Hoffmann et al. (2022); lag derived"
)
def capability() -> Iterator[Check]:
    """Compute-optimal training under the refitted law; then a follower that copies, or distils, a leader growing by
    a factor of 2.83 per year, in steps of 0.0001 years, until the gap is steady."""
    budget = 5.76e23
    parameters, tokens = scaling.compute_optimal(np.array([budget, 10 * budget]))
    loss = scaling.reducible_loss(parameters, tokens)
    yield check("ratio of reducible losses at ten times the compute", loss[1] / loss[0], 0.663305, relative=1e-3)
    yield check("tokens per parameter at 5.76e23 FLOP", tokens[0] / parameters[0], 18.4, relative=1e-3)

    def at_size(log_size: float) -> float:
        size = np.exp(log_size)
        return float(scaling.reducible_loss(size, budget / scaling.FLOP_PER_TOKEN / size))

    best = minimize_scalar(at_size, bounds=(15, 35), method="bounded", options=dict(xatol=1e-10))
    yield check("loss at the optimum over the minimum found by search", loss[0] / best.fun, 1, relative=1e-3)

    growth, rate = np.log(2.83), 3.5
    for own in (0.0, 0.3):
        formula = catch_up.catch_up_lag(growth, own * growth, rate)
        simulated = lag(copy, growth, own * growth, rate)
        yield check(f"lag of a copier in years, {own:.0%} own growth", simulated, formula, relative=1e-3)
    formula = catch_up.catch_up_lag(growth, 0.0, rate) - np.log(0.8) / growth
    simulated = lag(functools.partial(copy, fidelity=0.8), growth, 0.0, rate)
    yield check("lag of a copier in years, 20 % lost in copying", simulated, formula, relative=1e-3)
    effect = 1 - np.exp(-2.0)  # exchanges are twice their scale
    formula = catch_up.catch_up_lag(growth, 0.0, rate * effect)
    yield check("lag of a distiller in years", lag(distil, growth, 0.0, rate), formula, relative=1e-3)


def copy(own: Any, leader: Any, yearly_rate: float, step: float, fidelity: float = 1.0) -> Any:
    """One step of copying the leader."""
    p = Values(dict(copy_fidelity=fidelity, copying_rate=12 * step * yearly_rate))
    return imitation.copy(own, own, leader, p)


def distil(own: Any, leader: Any, yearly_rate: float, step: float) -> Any:
    """One step of distilling the leader, with exchanges of twice the scale."""
    p = Values(dict(exchange_scale=1.0, distillation_rate=12 * step * yearly_rate))
    teaching = SimpleNamespace(ceiling=jnp.asarray(leader)[None], clear=1.0)
    return imitation.distil(own, own, jnp.array([2.0]), teaching, p)[0]


def lag(follow: Any, growth: float, own_growth: float, rate: float, step: float = 1e-4) -> Any:
    """Steady lag of a follower in years: the functions of a month are called with a much shorter step."""

    def move(_: Any, levels: Any) -> Any:
        leader, follower = levels
        return leader + growth * step, follow(follower + own_growth * step, leader, rate, step)

    leader, follower = jax.jit(lambda: jax.lax.fori_loop(0, int(8 / step), move, (0.0, 0.0)))()
    return (leader - follower) / growth


@rung(
    "V8", "Step-by-step competition", "Aghion, Bloom, Blundell, Griffith & Howitt (2005), r = 0; Lind & Mehlum (2010)"
)
def step_by_step_competition() -> Iterator[Check]:
    """A leader earns 1 and level firms earn 1 minus competition, which ranges from 1/2 to 1. Innovation peaks
    inside that range only for intermediate spillovers h. Agents: 1,000 duopolies of 100 steps each at h = 0.4, 20
    runs per level of competition."""

    def flow(competition: Any, spillover: Any) -> Any:
        level, behind = race.race_efforts(competition, 1.0, spillover)
        return race.innovation_flow(level, behind, spillover)

    slope = jax.jit(jax.grad(flow))
    for end, target in {0.5: 0.194564, 1.0: 0.659518}.items():
        edge = brentq(lambda h, end=end: float(slope(end, h)), 0.05, 1.0, xtol=1e-12)
        yield check(f"spillover that puts the peak at competition {end:g}", edge, target, absolute=1e-3)
    for spillover, target in {0.3: 0.598733, 0.4: 0.699411, 0.5: 0.808013, 0.6: 0.925499}.items():
        peak = brentq(lambda d, h=spillover: float(slope(d, h)), 0.5, 1.0, xtol=1e-12)
        yield check(f"competition at the peak, h = {spillover:g}", peak, target, absolute=1e-3)
    for competition, target in {0.5: 1.10820, 0.808013: 1.15470, 1.0: 1.14569}.items():
        yield check(
            f"innovation at competition {competition:g}, h = 0.5", flow(competition, 0.5), target, absolute=1e-3
        )

    levels = np.linspace(0.5, 1.0, 11)
    rates = step_by_step.innovation_rates(levels, spillover=0.4, seeds=20)
    mean, error = rates.mean(1), rates.std(1, ddof=1) / np.sqrt(rates.shape[1])
    inside = np.argmax(mean)
    worst = np.argmax(np.abs(mean - flow(levels, 0.4)) / error)
    test = lind_mehlum(np.repeat(levels, rates.shape[1]), rates.ravel())
    yield above("agents: rise from the left end to the peak", mean[inside] - mean[0], 0.0)
    yield above("agents: fall from the peak to the right end", mean[inside] - mean[-1], 0.0)
    yield below("agents: p-value of the null of no inverted U (Lind & Mehlum)", test.p, 0.05)
    yield check(
        f"agents: innovation with the largest deviation, competition {levels[worst]:g}",
        mean[worst], flow(levels[worst], 0.4), standard_error=error[worst],
    )  # fmt: skip
