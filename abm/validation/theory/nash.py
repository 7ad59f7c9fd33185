"""Bertrand competition in prices between owners of differentiated products, for the demand of `abm.mechanisms.demand`.

Linear form: every price is set separately as its owner's best reply. Log form: an owner sets one markup factor over cost for
all its products, and a segment buys the quantity m * P^(-epsilon) (P is `choice_sets.price_index`).

The first-order conditions are solved by the zeta-markup map of Morrow & Skerlos (2011): every term but a product's
direct response is on the right-hand side, and the map is flat in a product's own price at the solution. The textbook
map p <- c + mu / (1 - s) has slope -s / (1 - s) there, and diverges from the solution if s > 1/2.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from abm.mechanisms.demand import check_choice, group_labels, not_finite, reject
from abm.validation.theory.bertrand import BLOCK, as_market, block_shape, deviation, zeta


def nash_prices(
    quality,
    cost,
    *,
    price_sensitivity,
    owner=None,
    nest=None,
    nest_correlation=0.0,
    at_cost=None,
    price_form="linear",
    usage_elasticity=0.0,
    outside=True,
    size=1.0,
    available=None,
    tolerance=1e-12,
    max_iterations=5000,
):
    """Bertrand-Nash equilibrium prices.

    Linear (logit, one segment): p_j = c_j + 1 / (alpha (1 - sum of the owner's s_k)). Log: p_j = c_j e_f / (e_f - 1),
    e_f = sum_i y_if [sigma_i (1 - s_if) + epsilon_i s_if] / sum_i y_if over segments i, with the owner's share s_if of
    a segment's quantity and its quantities at cost y_if = sum_j c_j x_ij. With nests: see `zeta_markup_step`.

    Parameters
    ----------
    quality : (products,) or (segments, products), utility.
    cost : (products,), $ per unit; not negative, and positive in the log form.
    price_sensitivity : scalar or (segments,); alpha > 0, utility per $ (linear); sigma > 1, an elasticity (log).
    owner : (products,) integer labels known before compilation; None gives every product its own owner.
    nest, nest_correlation, outside, available : as in `demand.shares`; coefficients are scalars or (segments,).
    at_cost : (products,) booleans: sold at cost, whatever the owner.
    usage_elasticity : epsilon >= 0, scalar or (segments,); log form only.
    size : scalar or (segments,): adopters (linear), or the quantity m they buy at a price index of one (log).
    tolerance : relative error of the prices.
    max_iterations : of the zeta-markup map.

    Returns
    -------
    (products,), $ per unit. A product that is available nowhere gets its cost. Works under jit, vmap and grad (implicit
    function theorem), but traced code cannot raise: there, prices that did not converge are NaN, and neither
    the arguments nor large deviations are checked.

    Raises
    ------
    ValueError naming the argument, if no equilibrium can exist. RuntimeError if the map does not converge, or if
    it only finds prices at which an owner gains by rescaling its margins (separate profit peaks in different segments).

    Source: Morrow & Skerlos (2011), the zeta-markup equation; Anderson, de Palma & Thisse (1992), ch. 7, logit
    oligopoly. Log form: Atkeson & Burstein (2008), Bertrand case; shares are of spending there, so that one markup per
    owner is optimal; here they are of quantity, and a single markup is assumed.
    """
    terms = dict(locals())
    tolerance, max_iterations = float(terms.pop("tolerance")), int(terms.pop("max_iterations"))
    check_conduct(**terms)
    market, structure = as_market(**terms)
    price = _start(market, price_form)
    for _ in range(8):
        price, change = _fixed_point(price, market, structure, tolerance, max_iterations)
        if isinstance(price, jax.core.Tracer):
            return price
        if not np.isfinite(price).all():
            raise RuntimeError(
                f"no equilibrium prices after {max_iterations} iterations: the last changed a price by"
                f" {float(change):.1e} of its level. If that is small, raise max_iterations; if not, add competition."
            )
        gain, factor = (np.asarray(x) for x in deviation(price, market, structure))
        if gain.max() <= 1e-6:
            return price
        # Restart from the better reply: there may be another equilibrium that survives large deviations.
        deviator = int(np.argmax(gain))
        rescale = np.where(group_labels(structure[0]) == deviator, factor[deviator], 1.0)
        price = market["cost"] + rescale * (price - market["cost"])
    owner_label = np.unique(structure[0])[deviator]
    raise RuntimeError(
        f"no equilibrium found: at prices that meet the first-order conditions, owner {owner_label} would gain"
        f" {gain[deviator]:.1%} with {factor[deviator]:.2g} times its margins. Make segments more similar."
    )


def zeta_markup_step(
    price,
    quality,
    cost,
    *,
    price_sensitivity,
    owner=None,
    nest=None,
    nest_correlation=0.0,
    at_cost=None,
    price_form="linear",
    usage_elasticity=0.0,
    outside=True,
    size=1.0,
    available=None,
):
    """One step of the zeta-markup map, whose fixed points meet every owner's first-order condition.

    Sums run over segments i and over the products k of j's owner f, in j's nest g where marked.

    Linear: p_j <- c_j + sum_i w_ij [1 + alpha_i sum_k m_k (s_ik + rho_i s_ik|g / (1 - rho_i))] / sum_i w_ij b_i,
    with b_i = alpha_i / (1 - rho_i), margins m_k = p_k - c_k and weights w_ij = size_i s_ij.

    Log: p_j <- c_j M_f, M_f - 1 <- [1 + (M_f - 1)(b_f - e_f)] / (b_f - 1), where e_f and b_f are means, weighted by
    c_j x_ij, of e_ij = sigma_i [(1 - rho_i s_if|g) / (1 - rho_i) - s_if] + epsilon_i s_if (the elasticity of j's sales
    to M_f) and of b_i = max(sigma_i / (1 - rho_i), epsilon_i).

    `price` (products,), $ per unit, positive; other arguments and the result as in `nash_prices`. Arguments are not
    checked: this is for compiled callers that take a fixed number of steps. Near the solution 20 to 40 reach 1e-12 in ordinary
    markets; an owner with a nest to itself converges only as nest_correlation ** steps.

    Source: Morrow & Skerlos (2011), the zeta-markup equation.
    """
    terms = dict(locals())
    price = jnp.asarray(terms.pop("price"), dtype=float)
    return zeta(price, *as_market(**terms))


@partial(jax.jit, static_argnums=(2, 3, 4))
def _fixed_point(start, market, structure, tolerance, max_iterations):
    """Fixed point of the map (NaN if not reached), and the last relative change of a price."""
    rounding = 8 * jnp.finfo(start.dtype).eps

    def done(change, before):
        # Steps that shrink by a factor r leave an error of step * r / (1 - r).
        return (change <= rounding) | (change <= tolerance * (1 - jnp.clip(change / before, 0.0, 0.999)))

    def iterate(residual, start):
        def step(state):
            price, change, _, count = state
            following = price - residual(price)
            change_now = jnp.max(jnp.abs(following - price) / jnp.maximum(following, jnp.finfo(start.dtype).tiny))
            return following, change_now, change, count + 1

        def unfinished(state):
            _, change, before, count = state
            return (count < max_iterations) & ~done(change, before) & ~jnp.isnan(change)

        never = jnp.asarray(jnp.inf, dtype=start.dtype)
        price, change, before, _ = jax.lax.while_loop(unfinished, step, (start, never, never, 0))
        return jnp.where(done(change, before), price, jnp.nan), change

    def implicit(linear, right):
        at_once = max(1, BLOCK // (block_shape(market)[1] * right.size))
        columns = jax.lax.map(linear, jnp.eye(right.size, dtype=right.dtype), batch_size=min(at_once, right.size))
        return jnp.linalg.solve(columns.T, right)

    def condition(price):
        return price - zeta(price, market, structure)

    return jax.lax.custom_root(condition, start, iterate, implicit, has_aux=True)


def _start(market, price_form):
    """Prices of sellers with a negligible share, the start of the iteration."""
    sensitivity = market["price_sensitivity"].mean()
    return market["cost"] + 1 / sensitivity if price_form == "linear" else market["cost"] * (1 + 1 / (sensitivity - 1))


def check_conduct(
    quality,
    cost,
    *,
    price_sensitivity,
    owner,
    nest,
    nest_correlation,
    at_cost,
    price_form,
    usage_elasticity,
    outside,
    size,
    available,
):
    """Raise the ValueErrors of `nash_prices`."""
    products = np.shape(quality)[-1:]
    if np.ndim(quality) not in (1, 2) or np.shape(cost) != products:
        raise ValueError(
            f"quality is {np.shape(quality)}, cost {np.shape(cost)}: give ([segments,] products), (products,)"
        )
    log_form, offered = price_form == "log", True if available is None else available
    for name, entries in {"owner": owner, "at_cost": at_cost, "available": available}.items():
        if entries is not None and np.shape(entries)[-1:] != products:
            raise ValueError(
                f"{name} has shape {np.shape(entries)} for {products[0]} products: give one entry per product"
            )
    if isinstance(owner, jax.core.Tracer):
        raise ValueError("owner is traced, but its labels shape the program: give a tuple or NumPy array")
    rows = {"quality": np.shape(quality)[:-1], "available": np.shape(offered)[:-1]}
    rows |= {"price_sensitivity": np.shape(price_sensitivity), "nest_correlation": np.shape(nest_correlation)}
    rows |= {"usage_elasticity": np.shape(usage_elasticity), "outside": np.shape(outside), "size": np.shape(size)}
    segments = max(shape[0] for shape in [*rows.values(), (1,)] if shape)
    for name, shape in rows.items():
        if shape not in ((), (1,), (segments,)):
            raise ValueError(f"{name} has {shape} rows for {segments} segments: give one, or one per segment")
    reject(quality, not_finite, "quality must be finite: mask absent products with `available`", offered)
    reject(cost, not_finite, "cost must be finite: give absent products any cost, and mask them with `available`")
    reject(cost, lambda x: x < 0, "cost must not be negative: raise it to 0 and book a subsidy as income")
    check_choice(
        quality, np.ones(products), price_sensitivity, nest, nest_correlation, None, 0.0, price_form, outside, available
    )
    reject(size, lambda x: not_finite(x) | (x < 0), "size must be finite and not negative: put 0 for an empty segment")
    reject(size, lambda x: np.all(x == 0), "size is 0 in every segment: give some segment adopters")
    reject(usage_elasticity, lambda x: not_finite(x) | (x < 0), "usage_elasticity must be finite and not negative")
    if log_form:
        reject(cost, lambda x: x == 0, "cost must be positive in the log form: prices are multiples of it")
        reject(price_sensitivity, lambda x: x <= 1, "price_sensitivity must exceed 1 in the log form: raise it")
    else:
        reject(price_sensitivity, lambda x: x == 0, "price_sensitivity must be positive: at 0 every price is too low")
        reject(usage_elasticity, lambda x: x != 0, "usage_elasticity belongs to the log form: set price_form='log'")

    if outside is False:
        owner = np.arange(products[0]) if owner is None else owner
        _check_rivals(owner, at_cost, offered, price_sensitivity, usage_elasticity, log_form)


def _check_rivals(owner, at_cost, available, price_sensitivity, usage_elasticity, log_form):
    """Raise ValueError if, without an outside option, too little competition leaves a price unbounded."""
    if any(isinstance(x, jax.core.Tracer) for x in (at_cost, available, price_sensitivity, usage_elasticity)):
        return
    offered = np.broadcast_to(np.atleast_2d(available), (np.atleast_2d(available).shape[0], len(owner))).any(axis=0)
    if at_cost is not None and np.any(offered & np.asarray(at_cost)):
        return
    rivals = len(np.unique(np.asarray(owner)[offered]))
    share = 1 / max(rivals, 1)
    elasticity = np.asarray(price_sensitivity) * (1 - share) + np.asarray(usage_elasticity) * share
    if rivals < 2 and not log_form:
        raise ValueError("outside=False leaves one owner without competition: add a rival or an outside option")
    if log_form and np.all(elasticity <= 1):
        raise ValueError(
            f"price_sensitivity and usage_elasticity leave {rivals} equal owners without outside option an elasticity"
            f" of {elasticity.max():.3g}, where above 1 is needed: raise them, add owners, or add an outside option"
        )
