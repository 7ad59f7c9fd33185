"""Capability: effective compute, own progress, public knowledge, and the optimal intensity of research."""

import jax.numpy as jnp

from abm.mechanisms import investment
from abm.support.shapes import Floats, Numbers
from abm.support.values import Values

HORIZON = 60
"""Months for which labs plan."""


def effective_compute(efficiency: Numbers, run_compute: Numbers, p: Values) -> Numbers:
    """Capability in nats, z = e + ln(C / C_ref): algorithmic efficiency times training compute.

    Parameters
    ----------
    efficiency : algorithmic efficiency e, nats.
    run_compute : compute C accumulated by the run, H100e months.

    Source: effective compute as in Ho et al. 2024 (arXiv 2403.05812).
    """
    return efficiency + jnp.log(jnp.maximum(run_compute, 1e-9) / p.reference_compute)


def optimal_size(run_compute: Numbers, p: Values) -> Floats:
    """ln parameters of a compute-optimal model relative to the reference: half of ln C (Hoffmann et al. 2022; C = 6ND)."""
    return 0.5 * jnp.log(jnp.maximum(run_compute, 1e-9) / p.reference_compute)


def worth_of_lead(
    lead: Numbers, lost_ahead: Numbers, lost_matched: Numbers, growth: Numbers, p: Values
) -> tuple[Floats, Floats]:
    """Months of today's rent that a lead is worth, and what is left of that when it has just been matched.

    sum over the months t of the planning horizon of exp(G(t) - r t) x the part of the rent that is left. While a lead lasts,
    on average for `lead` months, rents fall by `lost_ahead` a month; after it by `lost_matched`. The market grows by
    G(t) = growth/phi (1 - exp(-phi t)): as it did of late (`growth`, per year), less and less so.
    """
    months = jnp.arange(1.0, HORIZON + 1)[:, None]
    years = months / 12
    grown = growth / p.growth_fading * -jnp.expm1(-p.growth_fading * years) - p.interest_rate * years
    end = 1 / jnp.maximum(lead, 1.0)
    first, then = jnp.clip(lost_ahead, 0.0, 1.0) + end, jnp.clip(lost_matched, 0.0, 1.0)  # a share of the rent
    apart = (first - then) * months
    near = jnp.abs(apart) < 1e-6
    slope = jnp.where(near, 1 - apart / 2, -jnp.expm1(-apart) / jnp.where(near, 1.0, apart))
    matched = jnp.exp(-then * months)
    left = jnp.exp(-first * months) + end * months * matched * slope
    return (jnp.exp(grown) * left).sum(0), (jnp.exp(grown) * matched).sum(0)


def worth_of_nat(marginal_value: Numbers, outlook, /) -> Floats:
    """What a nat is worth, $ M: V' D, what it earns a month times the months of today's rent that a lead is worth, and awards."""
    return jnp.maximum(marginal_value, 0.0) * outlook.lead_duration + outlook.awards


def training_budget(marginal_value: Numbers, outlook, p: Values) -> Floats:
    """Rent worth paying for training, $ M per month: V' D / (M T).

    A run of compute C adds ln C to capability, so that the last H100e month of it is worth V' D / C to a lab whose
    capability is worth V' ($ M per month per nat) for D months; it costs the rent w, times the option multiple M. Hence
    w C = V' D / M, spread over the T months of a run: the first-order condition does not depend on the rent, the compute
    bought does.
    """
    multiple = investment.option_multiple(p.interest_rate, p.payout_rate, outlook.volatility)
    return worth_of_nat(marginal_value, outlook) / (multiple * p.training_months)


def own_progress(intensity: Numbers, luck: Numbers, scarcity: Numbers, p: Values) -> Floats:
    """Monthly growth of algorithmic efficiency, g R^psi xi (1 + iota scarcity), nats.

    `intensity` R is research effort relative to trend; `luck` is standard normal, and xi lognormal with mean one: how good
    the lab is at the moment, which lasts (`persistent_luck`);
    `scarcity` is the excess of the rent at home over the world's, nats (scarcity-induced innovation, Hicks 1932; Acemoglu
    2002): what it directs to training is missing elsewhere, in the efficiency of serving.
    g = ln 2 / doubling time.
    """
    g = jnp.log(2.0) / p.algorithmic_doubling_time
    xi = jnp.exp(p.research_luck * luck - 0.5 * p.research_luck**2)
    return g * intensity**p.research_returns * xi * (1 + p.scarcity_induction * scarcity)


def persistent_luck(luck: Numbers, fresh: Numbers, p: Values) -> Floats:
    """Luck of the month, rho luck + sqrt(1 - rho^2) fresh: standard normal in the long run, if the fresh draw is.

    Source: productivity of firms in one industry differs, and for years (Syverson 2011).
    """
    return p.luck_persistence * luck + jnp.sqrt(1 - p.luck_persistence**2) * fresh


def spillover(efficiency: Numbers, published: Numbers, p: Values) -> Floats:
    """Monthly catch-up with published efficiency, s (e_pub - e)^+, nats."""
    return p.spillover_rate * jnp.maximum(published - efficiency, 0.0)


def research_target(marginal_value: Numbers, outlook, p: Values) -> Floats:
    """Optimal research intensity, at which the marginal benefit of a lead equals the cost of research.

    benefit(R) = V' D g R^psi per month, with V' the marginal value of capability ($ M per month per nat) and D the duration
    of a lead (months); cost(R) = M w R, with w the cost of trend research ($ M per month) and M >= 1 the
    option multiple of investment under uncertainty. The first-order condition gives R* = (psi g V' D / (M w))^(1/(1-psi)).

    Source: first-order condition of step-by-step R&D (Aghion et al. 2001) with the hurdle of Dixit and Pindyck (1994).
    """
    g = jnp.log(2.0) / p.algorithmic_doubling_time
    multiple = investment.option_multiple(p.interest_rate, p.payout_rate, outlook.volatility)
    ratio = p.research_returns * g * worth_of_nat(marginal_value, outlook) / (multiple * outlook.research_cost)
    target = jnp.maximum(ratio, 1e-6) ** (1 / (1 - p.research_returns))
    return jnp.clip(target, p.research_floor, p.research_ceiling)
