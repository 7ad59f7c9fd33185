"""Demand for tokens: what a token is worth for a task, the price of use, what is used, and users' surplus.

A segment of users has tasks. A token of worth W does as much of them as W tokens of an ideal model, so that tokens at the
price p cost p / W per unit of use. The last axis holds offers; the axes before it broadcast. Money in $ per million
tokens, logarithms in nats.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Real

from abm.support.shapes import AnyArray, Floats, Numbers
from abm.support.values import Values

PerOffer = Real[AnyArray, "*#n #offers"]
OnSale = Bool[AnyArray, "*#n #offers"]
LAST_USE = 60.0
"""Price of use over the mean value of tasks, from which on it counts as this: e^-60 of all tasks is nothing."""
NOT_ON_SALE = 1e4
"""Log price of an offer that nobody can buy."""


def usefulness(capability: Numbers, difficulty: Numbers, width: Numbers) -> tuple[Floats, Floats]:
    """ln of usefulness u = logistic((k - h)/w), and 1 - u, the share of tasks beyond a model.

    Once capability is well above difficulty, more of it adds nothing: the slope of ln u in k is (1 - u)/w, per nat. Vertical
    differentiation with saturation (Shaked and Sutton 1982; logistic item response, Rasch 1960). Nats.
    """
    x = (capability - difficulty) / width
    above = x > 0  # one case for both terms, so that the derivative is right at 0, too
    tail = jnp.exp(jnp.where(above, -x, x))
    return jnp.where(above, 0.0, x) - jnp.log1p(tail), jnp.where(above, tail, 1.0) / (1 + tail)


def gain_of_a_nat(slope: Numbers, p: Values) -> Floats:
    """ln worth that a nat of capability adds, ln u(k + 1) - ln u(k), from the slope (1 - u)/w of `usefulness`."""
    return -jnp.log(1 + jnp.expm1(-1 / p.usefulness_width) * p.usefulness_width * slope)


def acceptance(need: Numbers, trust: Numbers) -> Numbers:
    """Share of a token's worth that is left for want of trust, 1 - tau (1 - trust): without a need, trust does nothing.

    need : tau in [0, 1], share of the tasks that require a trusted provider; trust : in [0, 1].
    """
    return 1 - need * (1 - trust)


def relative_pull(log_price: PerOffer, on_sale: OnSale, p: Values) -> tuple[Float[Array, "*n offers"], Floats]:
    """Shares of spending, and ln of the price of use.

    log_price : e = ln(p / W), effective price. Pull exp(-sigma e); shares are pulls over their sum, and the price of use is
    P = (sum pull)^(-1/sigma), which costs (W p^-1) tokens their price: a CES aggregate with an elasticity of substitution of
    sigma + 1. Without any offer, shares are 0 and ln P is `NOT_ON_SALE`.
    Source: Atkeson and Burstein (2008), a sector's composite; Anderson, de Palma and Thisse (1992), ch. 3.
    """
    price = jnp.where(on_sale, log_price, NOT_ON_SALE)
    best = price.min(-1, keepdims=True)
    pull = jnp.where(on_sale, jnp.exp(p.substitution * (best - price)), 0.0)
    total = pull.sum(-1, keepdims=True)
    some = total > 0
    index = best - jnp.log(jnp.where(some, total, 1.0)) / p.substitution
    return pull / jnp.where(some, total, 1.0), index[..., 0]


def log_price_of_use(shares: PerOffer, log_price: PerOffer, p: Values) -> Floats:
    """ln of the price of use at given shares of spending, chosen or not.

    -(sigma + 1)/sigma ln sum_q (s_q e^(-e_q))^(sigma/(sigma+1)): spending over the CES aggregate of what is bought with it.
    It is lowest at the shares of `relative_pull`, where it equals theirs. Shares that add up to 0 cost `NOT_ON_SALE`.
    """
    power = p.substitution / (p.substitution + 1)
    used = shares > 0
    price = jnp.where(used, log_price, NOT_ON_SALE)
    best = price.min(-1, keepdims=True)
    part = jnp.where(used, jnp.exp(power * (jnp.log(jnp.where(used, shares, 1.0)) + best - price)), 0.0)
    total = part.sum(-1)
    some = total > 0
    return jnp.where(some, best[..., 0] - jnp.log(jnp.where(some, total, 1.0)) / power, NOT_ON_SALE)


def least_positive(numbers: Numbers) -> float:
    """The smallest positive number of their precision without loss of digits: a floor for sums that one divides by."""
    return float(jnp.finfo(jnp.result_type(numbers)).tiny)


def pull_at(share: Numbers, seen: Numbers, price: Numbers, p: Values) -> Floats:
    """Pull (seen / p)^sigma times the share at the price seen: what a share becomes at another price, before normalising.

    The exponent stays within the numbers of its precision, which matters for single precision and prices hundreds of times apart.
    """
    most = 0.9 * math.log(jnp.finfo(jnp.result_type(share, price)).max)
    return jnp.multiply(share, jnp.exp(jnp.minimum(p.substitution * jnp.log(seen / price), most)))


def pull_times(share: Numbers, gained: Numbers, p: Values) -> Floats:
    """What a share becomes, before normalising, if its offer is worth more by `gained` nats: e^(sigma gained) as much."""
    most = 0.5 * math.log(jnp.finfo(jnp.result_type(share, gained)).max)
    return jnp.multiply(share, jnp.exp(jnp.minimum(p.substitution * gained, most)))


def beside_copy(price: Numbers, cost: Numbers, p: Values) -> tuple[Numbers, Numbers, Floats]:
    """A product and a faithful copy of it at cost, as one offer: its price in choice, its price per token, the product's share.

    The two are worth the same to everybody. The product keeps 1 / (1 + (p / c)^sigma) of what is spent on both; the price
    that counts in choice is their CES index, and a token costs the mean of both prices, weighted by tokens.
    Source: Atkeson and Burstein (2008), as in `relative_pull`.
    """
    log_share = jax.nn.log_sigmoid(p.substitution * (jnp.log(cost) - jnp.log(price)))
    share = jnp.exp(log_share)
    return price * jnp.exp(log_share / p.substitution), 1 / (share / price + (1 - share) / cost), share


def use(tasks: Numbers, log_price: Numbers, value: Numbers) -> Numbers:
    """Use m exp(-P / v): tasks are done whose value per unit exceeds the price of use; values are exponential with mean v.

    tasks : m, M tokens of ideal worth per month; log_price : ln P; value : v, $ per M tokens. The elasticity is P / v, so it
    fades as tasks get done.
    """
    return tasks * jnp.exp(-relative_price(log_price, value))


def relative_price(log_price: Numbers, value: Numbers) -> Floats:
    """P / v, the elasticity of use; at most `LAST_USE`, where next to nothing is used."""
    return jnp.exp(jnp.minimum(log_price - jnp.log(value), jnp.log(LAST_USE)))


def surplus(tasks: Numbers, log_price: Numbers, value: Numbers) -> Numbers:
    """Users' surplus m v exp(-P / v), $ per month: the area under `use` above P; its slope in P is minus use."""
    return value * use(tasks, log_price, value)


def free_use(tasks: Numbers, log_price: Numbers, value: Numbers, p: Values) -> Floats:
    """Tokens of consumers for whom a subscription is not worth its fee, M tokens per month: a fraction of a subscriber's."""
    return p.free_use * (tasks - use(tasks, log_price, value))


def early_users(
    luck: Float[Array, " agents"],
    share: float,
    kind: Int[Array, " agents"],
    kinds: int,
    difficulty: Float[Array, " agents"],
) -> Bool[Array, " agents"]:
    """Segments that use models at the start: a share of them, by uniform `luck`; if none of a kind, that of its easiest tasks.

    Adoption spreads from user to user, so that a small market in which nobody had begun would stay empty for years.
    """
    rank = jnp.where(luck < share, -jnp.inf, difficulty)  # whoever is drawn comes first
    first = sum(jnp.where(kind == k, jnp.where(kind == k, rank, jnp.inf).min(), 0.0) for k in range(kinds))
    return rank <= first


def adopters_gained(adopted: Numbers, peers: Numbers, useful: Numbers, p: Values) -> Numbers:
    """New share of a segment that uses models, (a + b x peers)(1 - adopted) per year over 12, where they are useful.

    peers : mean adopted share among the segments that it observes. Source: Bass (1969), on a graph.
    """
    rate = (p.adoption_innovation + p.adoption_imitation * peers) / 12
    return useful * jnp.minimum(rate, 1.0) * (1 - adopted)


def trust_gained(trust: Numbers, used: Numbers, peers: Numbers, p: Values) -> Floats:
    """Trust gained in a month without incident, from one's own use of a provider and from that of peers (shares of spending)."""
    return jnp.minimum(p.trust_rate * (used + peers), 1.0) * jnp.maximum(p.trust_ceiling - trust, 0.0)


def inherited_fit(own: Numbers, source: Numbers, owed: Numbers, p: Values) -> Numbers:
    """Fit of a model that owes a share of its capability to another: a copy is good at what its source is good at.

    own, source : log points of worth in a segment; owed : in [0, 1].
    """
    weight = p.fit_inheritance * owed
    return own + weight * (source - own)


def renewed_fit(fit: Numbers, luck: Numbers, p: Values) -> Numbers:
    """Own fit after a release from an own run: a stationary AR(1) of standard deviation `fit_spread`. luck : standard normal."""
    return p.fit_persistence * fit + p.fit_spread * jnp.sqrt(1 - p.fit_persistence**2) * luck
