"""Learning from other labs: forking open weights, and distilling teachers' outputs."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Real, Shaped

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


def gaps_to_parents(
    weights: Real[AnyArray, " labs"], known: Numbers, present: Shaped[AnyArray, " labs"], p: Values
) -> Float[Array, " labs"]:
    """Nats that building on each lab's weights would bring.

    present : 1 for the parent that the lab builds on now; with any other it has to begin again, which costs `fork_cost` nats.
    """
    again = p.fork_cost * (1 - present)
    return jnp.maximum(jnp.log(p.copy_fidelity) + weights - known - again, 0.0)


def value_of_parents(
    gap: Real[AnyArray, " labs"],
    marginal_value: Numbers,
    fee: Real[AnyArray, " labs"],
    royalty: Numbers,
    revenue: Numbers,
) -> Float[Array, " labs"]:
    """What building on each lab's weights would earn, $ M per month: gap V' (1 - fee) - (fee - royalty) revenue.

    fee, royalty : share of all income that owners of weights would get, and get now. Where they ask more than the weights bring,
    nobody builds on them; where they ask nothing, any gain is worth having. Weights that bring nothing are worth 0.
    """
    earned = gap * jnp.maximum(marginal_value, 1e-6) * (1 - fee) - (fee - royalty) * revenue
    return jnp.where(gap > 0, earned, 0.0)


MOST_TEACHERS = 5
"""Teachers from which a student learns in a month: its best ones."""
SWEEPS = 3
"""Times that a student goes through them to choose exchanges. Going on would gain it at worst five per cent of their worth."""


def slices_of(gap: Real[AnyArray, " labs"]) -> tuple[Int[Array, " teachers"], Float[Array, " teachers"]]:
    """The best teachers, best first, and for each the nats that the next one cannot teach: gap_m - gap_(m+1)."""
    best = jnp.argsort(-gap)[:MOST_TEACHERS]
    gaps = gap[best]
    return best, gaps - jnp.append(gaps[1:], 0.0)


def taught(
    exchanges: Real[AnyArray, " labs"], clear: Numbers, gap: Real[AnyArray, " labs"], p: Values
) -> Float[Array, " labs"]:
    """Nats that exchanges x with teachers add in a month, by teacher.

    Whatever lies between the levels of two teachers is taught by all those above it: of the slice delta_n that only the n best
    know, a student learns (1 - exp(-kappa_d/12)) (1 - exp(-E_n)) delta_n, with E_n = sum over them of h x/x0 and h the part of
    reasoning that a teacher shows. Each has the part of it that it has in E_n. This is the gain that `optimal_exchanges` weighs.
    Source: assumption, with diminishing returns as in Busbridge et al. 2025 (arXiv 2502.08606).
    """
    best, slices = slices_of(jnp.where(exchanges > 0, gap, 0.0))  # of those that it asks
    had = (clear * exchanges)[best] / p.exchange_scale
    total = jnp.cumsum(had)
    learnt = gap_closed(p.distillation_rate) * slices * -jnp.expm1(-total) / jnp.maximum(total, 1e-30)
    return jnp.zeros_like(gap).at[best].set(had * jnp.cumsum(learnt[::-1])[::-1])


def distil(
    distilled: Numbers, best: Numbers, exchanges: Real[AnyArray, " labs"], teaching: Any, p: Values
) -> tuple[Floats, Float[Array, " labs"]]:
    """Capability reached by distilling several teachers, and what each added (nats).

    The student teaches the best model that it could release (`best`, nats), which does not get past the best of its teachers'
    ceilings ln rho + k_teacher(t - delay).
    """
    added = taught(exchanges, teaching.clear, jnp.maximum(teaching.ceiling - best, 0.0), p)
    return jnp.where(added.sum() > 0, best + added.sum(), distilled), added


def optimal_exchanges(gap: Real[AnyArray, " labs"], worth: Numbers, teaching: Any, p: Values) -> Float[Array, " labs"]:
    """Exchanges x* with each teacher (millions per month) at which the last one gains its price plus the expected penalty.

    A nat is `worth` V' D ($ M). With the others' exchanges given, the last one with teacher m gains as in `taught`
    V' D kappa_d h/x0 sum_(n >= m) delta_n exp(-E_n); x_m is where that is its cost, between nothing and the teacher's quota,
    found teacher by teacher, best first (the gain is concave). With one teacher, x* = x0/h ln(V' D kappa_d gap h / (x0 cost)).
    Source: Becker 1968 (crime) on the cost side.
    """
    best, slices = slices_of(gap)
    clear, cost, quota = (value[best] for value in (teaching.clear * jnp.ones_like(gap), teaching.cost, teaching.quota))
    gain = worth * gap_closed(p.distillation_rate) * clear / jnp.maximum(p.exchange_scale * cost, 1e-9)
    most = clear * quota / p.exchange_scale
    had = jnp.zeros_like(slices)
    for m in list(range(best.size)) * SWEEPS:
        others = jnp.cumsum(had.at[m].set(0.0))[m:]
        last = gain[m] * (slices[m:] * jnp.exp(-others)).sum()
        had = had.at[m].set(jnp.minimum(jnp.log(jnp.maximum(last, 1.0)), most[m]))
    wanted = jnp.minimum(had * p.exchange_scale / jnp.maximum(clear, 1e-6), quota)  # a quota is met exactly
    return jnp.zeros_like(gap).at[best].set(wanted)
