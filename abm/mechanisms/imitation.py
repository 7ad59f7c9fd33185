"""Copying open weights and distilling a teacher's outputs."""

import jax.numpy as jnp

from abm.support.shapes import Floats, Numbers
from abm.support.values import Values


def gap_closed(rate: Numbers) -> Floats:
    """Share of a gap closed in one month at a rate per year, 1 - exp(-rate / 12)."""
    return 1 - jnp.exp(-rate / 12)


def copy(copied: Numbers, known: Numbers, open_capability: Numbers, ip_strength: Numbers, p: Values) -> Floats:
    """Capability reached by copying open weights: it approaches k_open - ln(1/fidelity) at rate kappa_c (1 - block S).

    `open_capability` is that of the best open model whose licence allows copying; `known` is the best that the lab has
    released without a teacher, where copying starts (nats); S is IP strength. Copies never get worse, and a lab that is
    already past the target copies nothing.
    Source: imitation draw on best practice, Nelson and Winter 1982 ch. 12, in continuous form.
    """
    target = open_capability + jnp.log(p.copy_fidelity)
    share = gap_closed(p.copying_rate * (1 - p.ip_copy_block * ip_strength))
    start = jnp.maximum(copied, known)
    return jnp.where((share > 0) & (target > start), start + share * (target - start), copied)


def distil(distilled: Numbers, known: Numbers, ceiling: Numbers, exchanges: Numbers, p: Values) -> Floats:
    """Capability reached by distillation: it closes the gap to the ceiling, dd = kappa_d (1 - exp(-x/x0)) (ln rho + k_T - d)^+.

    `ceiling` = ln rho + k_teacher(t - delay), nats; `known` is the capability that the student has on sale, where
    distillation starts, nats; `exchanges` x in millions per month. Source: assumption, with
    diminishing returns as in Busbridge et al. 2025 (arXiv 2502.08606).
    """
    effect = 1 - jnp.exp(-exchanges / p.exchange_scale)
    start = jnp.maximum(distilled, known)
    moved = start + gap_closed(p.distillation_rate * effect) * (ceiling - start)
    return jnp.where((exchanges > 0) & (ceiling > start), moved, distilled)


def optimal_exchanges(gap: Numbers, marginal_value: Numbers, teaching, p: Values) -> Floats:
    """Optimal exchanges x* (millions per month), at which the marginal gain equals the price plus the expected penalty.

    Gain per month from x: V' H kappa_d (1 - exp(-x/x0)) gap, with V' the value of a nat and H the planning horizon.
    First-order condition: V' H kappa_d gap exp(-x/x0) / x0 = price + eta (vigilance + effort) S damages, hence
    x* = x0 ln(V' H kappa_d gap / (x0 marginal cost)) if positive. Source: Becker 1968 (crime) on the cost side.
    """
    gain = marginal_value * p.lead_horizon * gap_closed(p.distillation_rate) * gap
    marginal_cost = teaching.exchange_price + teaching.expected_penalty
    ratio = gain / jnp.maximum(p.exchange_scale * marginal_cost, 1e-9)
    optimal = p.exchange_scale * jnp.log(jnp.maximum(ratio, 1.0))
    return jnp.where(teaching.teacher >= 0, jnp.minimum(optimal, p.exchange_limit), 0.0)
