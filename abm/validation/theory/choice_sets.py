"""What a choice set is worth to those who choose by (nested) logit: inclusive value, its money value, and the price index."""

import jax.numpy as jnp

from abm.mechanisms.demand import PerProduct, nested_logit, reject
from abm.support.shapes import Floats, Numbers


def inclusive_value(quality: PerProduct, price: PerProduct, **terms) -> Floats:
    """Expected utility of the best choice, up to Euler's constant: the log-sum.

    I = ln(exp(v_0) + sum_g D_g^(1 - rho)), with v_0 and D_g, arguments and errors as in `abm.mechanisms.demand.shares`.

    Returns (...), utility; -inf where nothing at all is on offer.
    Source: McFadden (1978); Small & Rosen (1981), section 5.
    """
    return nested_logit(quality, price, **terms)[3]


def consumer_surplus(quality: PerProduct, price: PerProduct, *, price_sensitivity: Numbers, **terms) -> Floats:
    """Money value of the choice set to one adopter: the inclusive value over the marginal utility of money.

    Linear form: I / price_sensitivity, in $ per choice, relative to having only an option of utility zero.

    Log form: I / price_sensitivity = -ln(price_index), in log points of spending. With utility in log price, the
    representative consumer is CES, and this is its money metric: if a change in the offers raises it by x, an
    adopter with budget y gains as much as from a budget of y * exp(x), an equivalent variation of y * (exp(x) - 1) $.
    The level depends on the unit of quality; only differences are meaningful.

    Arguments as in `inclusive_value`. Returns (...). Raises what it does, and ValueError for a price_sensitivity of zero.
    Source: Small & Rosen (1981), section 5; Anderson, de Palma & Thisse (1992), ch. 3 (representative consumer, CES).
    """
    reject(price_sensitivity, lambda x: x == 0, "price_sensitivity is 0: money then has no value; make it positive")
    value = inclusive_value(quality, price, price_sensitivity=price_sensitivity, **terms)
    return value / jnp.asarray(price_sensitivity)


def price_index(quality: PerProduct, price: PerProduct, *, price_sensitivity: Numbers, **terms) -> Floats:
    """Quality-adjusted price of the whole choice set in the log form: P = exp(-I / price_sensitivity).

    A single product of quality 0 without outside option has P = its price; d ln P / d ln price_j = s_j.

    Arguments and errors as in `consumer_surplus`, without `price_form`. Returns (...), $ per quality-adjusted unit.
    Source: Anderson, de Palma & Thisse (1992), ch. 3 (CES).
    """
    return jnp.exp(-consumer_surplus(quality, price, price_sensitivity=price_sensitivity, price_form="log", **terms))
