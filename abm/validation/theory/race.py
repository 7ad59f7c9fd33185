"""Step-by-step competition: research efforts of level firms and of a laggard."""

import jax.numpy as jnp

from abm.mechanisms.demand import not_finite, reject


def race_efforts(competition, lead_profit, spillover):
    """Research efforts of a firm level with its rival and of a firm one step behind: (n_0, n_{-1}).

    n_0 = -h + sqrt(h^2 + 2 D pi_1), n_{-1} = -(h + n_0) + sqrt(h^2 + n_0^2 + 2 pi_1). Effort n costs n^2 / 2, the
    future is not discounted, and a leader cannot get further ahead.

    competition : D in [0, 1], one minus the profit of level firms relative to a leader's. lead_profit : pi_1 > 0, $ per unit
    of time. spillover : h >= 0, hazard of catching up without effort. Arrays that broadcast.

    Returns hazards, per unit of time. Raises ValueError for concrete arguments out of range.
    Source: Aghion, Bloom, Blundell, Griffith & Howitt (2005), with a discount rate of zero.
    """
    reject(competition, lambda x: ~((x >= 0) & (x <= 1)), "competition must lie in [0, 1]")
    reject(lead_profit, lambda x: not_finite(x) | (x <= 0), "lead_profit must be finite and positive")
    _check_spillover(spillover)
    competition, lead_profit, spillover = jnp.asarray(competition), jnp.asarray(lead_profit), jnp.asarray(spillover)
    level = -spillover + jnp.sqrt(spillover**2 + 2 * competition * lead_profit)
    behind = -(spillover + level) + jnp.sqrt(spillover**2 + level**2 + 2 * lead_profit)
    return level, behind


def innovation_flow(level, behind, spillover):
    """Innovations per unit of time of an average industry: I = 4 n_0 (n_{-1} + h) / (2 n_0 + n_{-1} + h).

    level, behind : efforts n_0 and n_{-1} >= 0 of `race_efforts`. spillover : h >= 0. Arrays that broadcast.

    An industry leaves the level state at rate 2 n_0 and returns at rate n_{-1} + h, so it is level for a share
    (n_{-1} + h) / (2 n_0 + n_{-1} + h) of the time. Raises ValueError for concrete negative arguments.
    Source: Aghion, Bloom, Blundell, Griffith & Howitt (2005).
    """
    for name, effort in {"level": level, "behind": behind}.items():
        reject(effort, lambda x: ~(x >= 0), f"{name} must not be negative: efforts are hazards")
    _check_spillover(spillover)
    leaving, returning = 2 * jnp.asarray(level), jnp.asarray(behind) + jnp.asarray(spillover)
    return 2 * leaving * returning / (leaving + returning)


def _check_spillover(spillover):
    reject(spillover, lambda x: not_finite(x) | (x < 0), "spillover must be finite and not negative: it is a hazard")
