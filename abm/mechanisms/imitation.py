"""Learning from other labs: forking open weights, and distilling teachers' outputs."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from abm.support.shapes import AnyArray, Floats, Numbers
from abm.support.values import Values


def gap_closed(rate: Numbers) -> Floats:
    """Share of a gap closed in one month at a rate per year, 1 - exp(-rate / 12)."""
    return 1 - jnp.exp(-rate / 12)


def copy(copied: Numbers, known: Numbers, weights: Numbers, p: Values) -> Floats:
    """Capability reached by building on open weights: it approaches k_open - ln(1/fidelity) at rate kappa_c.

    `weights` is the capability of the parent model; `known` is the best that the lab has released without a teacher, where
    copying starts (nats). Copies never get worse, and a lab that is already past the target copies nothing.
    Source: imitation draw on best practice, Nelson and Winter 1982 ch. 12, in continuous form.
    """
    target = weights + jnp.log(p.copy_fidelity)
    share = gap_closed(p.copying_rate)
    start = jnp.maximum(copied, known)
    return jnp.where((share > 0) & (target > start), start + share * (target - start), copied)


def value_of_parents(
    weights: Real[AnyArray, " labs"],
    fee: Real[AnyArray, " labs"],
    known: Numbers,
    present: Real[AnyArray, " labs"],
    p: Values,
) -> Float[Array, " labs"]:
    """Nats that building on each lab's weights would bring, less the owners' share of them.

    fee : share of gross profit that owners of the weights would get. present : 1 for the parent that the lab builds on now;
    with any other it has to begin again, which costs it `fork_cost` nats.
    """
    gap = jnp.maximum(weights + jnp.log(p.copy_fidelity) - known - p.fork_cost * (1 - present), 0.0)
    return gap * (1 - fee)


def taught(
    exchanges: Real[AnyArray, " labs"], clear: Numbers, gap: Real[AnyArray, " labs"], p: Values
) -> Float[Array, " labs"]:
    """Nats that exchanges x with each teacher add in a month: a share (1 - exp(-kappa_d/12)) (1 - exp(-h x/x0)) of the gap.

    `clear` h is the part of reasoning that the teacher shows. This is the gain that `optimal_exchanges` weighs. Source:
    assumption, with diminishing returns as in Busbridge et al. 2025 (arXiv 2502.08606).
    """
    return gap_closed(p.distillation_rate) * (1 - jnp.exp(-clear * exchanges / p.exchange_scale)) * gap


def distil(
    distilled: Numbers, known: Numbers, exchanges: Real[AnyArray, " labs"], teaching: Any, p: Values
) -> tuple[Floats, Float[Array, " labs"]]:
    """Capability reached by distilling several teachers, and what each added (nats).

    The student starts from what it has on sale (`known`); what teachers add is summed, and it does not get past the best
    of their ceilings ln rho + k_teacher(t - delay).
    """
    start = jnp.maximum(distilled, known)
    added = taught(exchanges, teaching.clear, jnp.maximum(teaching.ceiling - start, 0.0), p)
    best = jnp.max(jnp.where(exchanges > 0, teaching.ceiling, start), initial=-jnp.inf)
    moved = jnp.minimum(start + added.sum(), best)
    return jnp.where(added.sum() > 0, moved, distilled), added


def optimal_exchanges(gap: Real[AnyArray, " labs"], worth: Numbers, teaching: Any, p: Values) -> Float[Array, " labs"]:
    """Exchanges x* with each teacher (millions per month) at which the last one gains its price plus the expected penalty.

    A nat is `worth` V' D ($ M), so that x exchanges gain V' D kappa_d (1 - exp(-h x/x0)) gap a month, with h the part of
    reasoning that the teacher shows; hence x* = x0/h ln(V' D kappa_d gap h / (x0 cost)) if positive, up to the teacher's
    quota. Source: Becker 1968 (crime) on the cost side.
    """
    gain = worth * gap_closed(p.distillation_rate) * gap * teaching.clear
    ratio = gain / jnp.maximum(p.exchange_scale * teaching.cost, 1e-9)
    wanted = p.exchange_scale / jnp.maximum(teaching.clear, 1e-6) * jnp.log(jnp.maximum(ratio, 1.0))
    return jnp.minimum(wanted, teaching.quota)
