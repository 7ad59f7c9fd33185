"""Discrete choice between differentiated products: logit and nested logit, with network effects.

Conventions in this module: The last axis holds products; the axes before it (segments, scenarios, ...) broadcast.
A coefficient (`price_sensitivity`, `nest_correlation`, `network_effect`, an array `outside`) broadcasts against those
leading axes: a scalar, or one value per segment. Utility is in units of the taste shock's scale:

    v_j = quality_j - price_sensitivity * price_j     + network_effect * peer_j      price_form="linear"
    v_j = quality_j - price_sensitivity * ln(price_j) + network_effect * peer_j      price_form="log"

Concrete arguments that do not define probabilities raise ValueError; traced values cannot be checked.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Real

from abm.support.shapes import AnyArray, Floats, Mask, Numbers

PRICE_FORMS = ("log", "linear")
PerProduct = Real[AnyArray, "*#n #products"]
Available = Bool[AnyArray, "*#n #products"]
Labels = Int[np.ndarray, " products"] | tuple[int, ...]
"""One for each product, known before compilation."""


def shares(
    quality: PerProduct,
    price: PerProduct,
    *,
    price_sensitivity: Numbers,
    nest: Labels | None = None,
    nest_correlation: Numbers = 0.0,
    peer: PerProduct | None = None,
    network_effect: Numbers = 0.0,
    price_form: str = "linear",
    outside: Numbers | bool = True,
    available: Available | None = None,
) -> Float[Array, "*#n #products"]:
    """Choice probabilities of the products.

    s_j = exp(v_j / (1 - rho)) / D_g * D_g^(1 - rho) / (exp(v_0) + sum_h D_h^(1 - rho)),
    D_g = sum_{k in g} exp(v_k / (1 - rho)): the taste shocks of the products in a nest g have correlation rho, and the
    outside option is a nest of its own. rho = 0 is the logit.

    Parameters
    ----------
    quality : (..., products), utility at a price of zero (linear) or one (log); -inf: not available.
    price : (..., products), $ per unit; positive in the log form.
    price_sensitivity : utility per $ (linear) or per log point of price (log), not negative.
    nest : (products,) integer labels, known before compilation (a tuple or NumPy array), or None for the logit.
    nest_correlation : rho in [0, 1).
    peer : (..., products), use by others (shares, say); required if `network_effect` is not zero.
    network_effect : utility per unit of `peer`.
    outside : True (utility 0), False (no outside option) or an array of utilities v_0.
    available : (..., products) booleans; an unavailable product has a share of exactly 0, whatever its other entries,
        and passes no gradient.

    Returns
    -------
    (..., products), probabilities; they sum to 1 minus the outside share (to 0 if nothing at all is on offer).

    Raises
    ------
    ValueError naming the argument: NaN or infinite, no products, a price <= 0 in the log form, a negative
    price_sensitivity, nest_correlation outside [0, 1) or without nests, network_effect without peers.

    Source: McFadden (1978), nested logit; Berry (1994), section 5, the within-group and group share equations; Brock
    & Durlauf (2001), the logit with a social term.
    """
    return nested_logit(**locals())[0]


def nested_logit(
    quality, price, *, price_sensitivity, nest=None, nest_correlation=0.0, peer=None, network_effect=0.0, price_form="linear",
    outside=True, available=None
) -> tuple[Float[Array, "*#n #products"], Float[Array, "*#n #products"], Float[Array, "*#n #products"], Floats]:  # fmt: skip
    """Nested logit: choice probabilities, their logarithms, and the inclusive value, (s_j, ln s_j, ln s_j|g, I).

    Arguments, errors and source as in `shares`. The logarithms of the choice probabilities and of those within the nest
    are exact where probabilities underflow ((..., products) each, -inf for unavailable products; without nests, every
    product is a nest of its own and ln s_j|g is 0); the inclusive value is (...).
    """
    check_choice(**locals())
    outside = None if outside is False else 0.0 if outside is True else outside
    nest = None if nest is None else tuple(group_labels(nest).tolist())
    coefficients = price_sensitivity, nest_correlation, network_effect, outside
    return _probabilities(quality, price, peer, available, coefficients, nest=nest, price_form=price_form)


@partial(jax.jit, static_argnames=("nest", "price_form"))
def _probabilities(
    quality: PerProduct,
    price: PerProduct,
    peer: PerProduct | None,
    available: Available | None,
    coefficients: tuple[Numbers, Numbers, Numbers, Numbers | None],
    *,
    nest: tuple[int, ...] | None,
    price_form: str,
) -> tuple[Float[Array, "*#n #products"], Float[Array, "*#n #products"], Float[Array, "*#n #products"], Floats]:
    price_sensitivity, nest_correlation, network_effect, outside = coefficients
    quality, price = jnp.asarray(quality), jnp.asarray(price)
    present = quality != -jnp.inf  # NaN counts as present, so that it is noticed
    if available is not None:
        present = present & jnp.asarray(available)
    # Absent products get harmless numbers before any function is applied: masking afterwards leaves NaN in gradients.
    quality, price = jnp.where(present, quality, 0.0), jnp.where(present, price, 1.0)
    utility = quality - per_product(price_sensitivity) * (jnp.log(price) if price_form == "log" else price)
    if peer is not None:
        utility = utility + per_product(network_effect) * jnp.where(present, peer, 0.0)
    present = jnp.broadcast_to(present, utility.shape)
    labels = np.zeros(utility.shape[-1], dtype=int) if nest is None else np.array(nest)
    independence = 1.0 if nest is None else 1.0 - per_product(nest_correlation)

    # One exponential per product: probabilities are its shares of sums, and logarithms are taken of sums only.
    utility = jax.lax.optimization_barrier(utility / independence)  # otherwise every sum over products recomputes it
    top, some = _top_by_group(utility, present, labels)
    weight = jnp.where(present, jnp.exp(jnp.where(present, utility - _by_product(top, labels), 0.0)), 0.0)
    group = jnp.where(some, sum_by_group(weight, labels), 1.0)
    group_value = independence * jnp.where(some, jnp.log(group) + top, 0.0)
    total = _log_sum(group_value, some)
    if outside is not None:
        total = jnp.logaddexp(total, jnp.asarray(outside, dtype=utility.dtype))
    reached = jnp.isfinite(total)[..., None]
    log_group = group_value - jnp.where(reached, total[..., None], 0.0)
    share = weight * _by_product(jnp.where(some & reached, jnp.exp(log_group), 0.0) / group, labels)
    log_within = utility - _by_product(jnp.log(group) + top, labels)
    log_share = log_within + _by_product(log_group, labels)
    if nest is None:
        log_within = jnp.zeros_like(utility)
    present = jnp.broadcast_to(present, log_share.shape)
    return share, jnp.where(present, log_share, -jnp.inf), jnp.where(present, log_within, -jnp.inf), total


def per_product(coefficient: Numbers) -> Real[Array, "*#n 1"]:
    """Add an axis for products to a coefficient: (...) -> (..., 1)."""
    return jnp.asarray(coefficient)[..., None]


def group_labels(groups: Labels) -> Int[np.ndarray, " products"]:
    """Relabel groups (products,), given by any integers known before compilation, as 0, 1, ..."""
    return np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)


def sum_by_group(
    values: Float[AnyArray, "*n products"], labels: Int[np.ndarray, " products"]
) -> Float[Array, "*n groups"]:
    """Sum over the products of each group: (..., products) -> (..., groups)."""
    members = labels[:, None] == np.arange(labels.max() + 1)
    # A matrix product, because on some accelerators a scatter adds in varying order.
    return jnp.matmul(values, jnp.asarray(members, dtype=values.dtype), precision="highest")


def _log_sum(utility: Float[Array, "*n groups"], present: Bool[Array, "*n groups"]) -> Float[Array, "*n"]:
    """ln sum exp over what is present; -inf, with a gradient of zero, if nothing is present."""
    top = jax.lax.stop_gradient(jnp.max(jnp.where(present, utility, -jnp.inf), axis=-1, keepdims=True))
    top = jnp.where(present.any(axis=-1, keepdims=True), top, 0.0)
    total = jnp.where(present, jnp.exp(jnp.where(present, utility - top, 0.0)), 0.0).sum(axis=-1)
    some = present.any(axis=-1)
    return jnp.where(some, jnp.log(jnp.where(some, total, 1.0)) + top[..., 0], -jnp.inf)


FEW = 4
"""Largest number of groups for which operations by group are unrolled: gathers and scatters are slow on CPUs."""


def _top_by_group(
    utility: Float[Array, "*n products"], present: Bool[Array, "*n products"], labels: Int[np.ndarray, " products"]
) -> tuple[Float[Array, "*n groups"], Bool[Array, "*n groups"]]:
    """Largest utility in each group (..., groups), 0 for empty groups, and a mask of non-empty groups."""
    utility, groups = jax.lax.stop_gradient(jnp.where(present, utility, -jnp.inf)), labels.max() + 1
    if groups <= FEW:
        top = jnp.stack([jnp.max(jnp.where(labels == g, utility, -jnp.inf), axis=-1) for g in range(groups)], axis=-1)
    else:
        lowest = jnp.full((*utility.shape[:-1], groups), -jnp.inf, dtype=utility.dtype)
        top = lowest.at[..., labels].max(utility)
    some = top > -jnp.inf
    return jnp.where(some, top, 0.0), some


def _by_product(
    values: Float[Array, "*n groups"], labels: Int[np.ndarray, " products"]
) -> Float[Array, "*n #products"]:
    """Give each product the value of its group: (..., groups) -> (..., products)."""
    groups = values.shape[-1]
    if groups > FEW:
        return values[..., labels]
    spread = values[..., :1]
    for g in range(1, groups):
        spread = jnp.where(labels == g, values[..., g : g + 1], spread)
    return spread


def check_choice(
    quality, price, price_sensitivity, nest, nest_correlation, peer, network_effect, price_form, outside, available
) -> None:
    """Raise the errors of `shares`."""
    if price_form not in PRICE_FORMS:
        raise ValueError(f"price_form is {price_form!r}: choose one of {PRICE_FORMS}")
    products = np.broadcast_shapes(np.shape(quality), np.shape(price))[-1:]
    if products in ((), (0,)):
        raise ValueError("quality holds no products: give an array whose last axis has at least one")
    available = True if available is None else available
    reject(quality, lambda x: np.isnan(x) | (x == np.inf), "quality must not be NaN or infinite", available)
    reject(price, not_finite, "price must be finite: mask absent products with `available`", available)
    if price_form == "log":
        message = "price must be positive in the log form: raise it, or use the linear form"
        reject(price, lambda x: x <= 0, message, available)
    reject(price_sensitivity, lambda x: not_finite(x) | (x < 0), "price_sensitivity must be finite and not negative")
    reject(nest_correlation, lambda x: ~((x >= 0) & (x < 1)), "nest_correlation must lie in [0, 1)")
    reject(network_effect, not_finite, "network_effect must be finite")
    reject(outside, not_finite, "outside must be finite: False means no outside option")
    if nest is None:
        reject(nest_correlation, lambda x: x != 0, "nest_correlation needs `nest`: give one label per product")
    elif isinstance(nest, jax.core.Tracer):
        raise ValueError("nest is traced, but its labels shape the program: give a tuple or NumPy array")
    elif np.shape(nest) != products:
        raise ValueError(f"nest has shape {np.shape(nest)} for {products[0]} products: give one label per product")
    if peer is None:
        reject(network_effect, lambda x: x != 0, "network_effect needs `peer`: give the use by others")
    else:
        reject(peer, not_finite, "peer must be finite: mask absent products with `available`", available)


def not_finite(x: np.ndarray) -> Mask:
    return ~np.isfinite(x)


def reject(value: Numbers | bool, wrong: Callable[[np.ndarray], Mask], message: str, where: Mask = True) -> None:
    """Raise ValueError(message) if `wrong(value)` is true anywhere that `where` is true, and both are concrete."""
    if isinstance(value, jax.core.Tracer) or isinstance(where, jax.core.Tracer):
        return
    if np.any(wrong(np.asarray(value)) & np.asarray(where)):
        raise ValueError(message)
