"""Detection, litigation, and a teacher's spending on defence."""

import jax.numpy as jnp
from jax.scipy.stats import norm

from abm.support.shapes import Floats, Numbers
from abm.support.values import Values


def detection_probability(exchanges: Numbers, effort: Numbers, p: Values) -> Floats:
    """1 - exp(-eta x effort), with x in millions of exchanges per month and effort = teacher's vigilance + public effort."""
    return 1 - jnp.exp(-p.detection_rate * exchanges * effort)


def win_probability(ip_strength: Numbers, ip_clarity: Numbers, luck: Numbers, p: Values) -> Floats:
    """Probability that the rights holder wins: strength S plus a case-by-case draw whose spread falls with clarity.

    The draw is S + spread (1 - clarity) z, clipped to [0, 1] (mean-preserving as long as it stays inside).
    """
    return jnp.clip(ip_strength + p.ruling_spread * (1 - ip_clarity) * luck, 0.0, 1.0)


def damages(exposure: Numbers, revenue: Numbers, cash: Numbers, p: Values) -> Floats:
    """Damages paid this month: a share of the damages owed, limited by what the firm can pay."""
    return jnp.minimum(p.damages_pace * exposure, jnp.maximum(cash, 0.0) * 0.5 + 0.1 * jnp.maximum(revenue, 0.0))


def defence_effort(loss: Numbers, exchanges: Numbers, p: Values) -> Floats:
    """Vigilance v that minimises loss exp(-eta x v) + c_d v: v* = ln(eta x loss / c_d) / (eta x), if positive.

    `loss` : $ M per month at stake. `exchanges` : millions per month taken from this teacher.
    """
    exposure = p.detection_rate * exchanges
    ratio = exposure * loss / p.vigilance_cost
    effort = jnp.log(jnp.maximum(ratio, 1.0)) / jnp.maximum(exposure, 1e-9)
    return jnp.minimum(effort, p.vigilance_maximum)


def ruling_variance(ip_strength: Numbers, ip_clarity: Numbers, p: Values) -> Floats:
    """Variance of perceived IP strength from unclear rulings and noisy announcements, for the option to wait."""
    spread = p.ruling_spread * (1 - ip_clarity)
    return spread**2 * norm.cdf(4 * ip_strength) * (1 - ip_strength)
