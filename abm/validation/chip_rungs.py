"""V9, V10: the effect of efficiency on chip demand, and double marginalization."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq, minimize_scalar

from abm.mechanisms import demand, machines, pricing
from abm.support.values import Values
from abm.validation.ladder import Check, check, rung
from abm.validation.theory import vertical_chain


@rung("V9", "Jevons: efficiency and the demand for chips", "Saunders (1992); derived")
def jevons() -> Iterator[Check]:
    """Useful work per chip phi doubles. Slack capacity: isoelastic chip demand changes by a factor of 2^(epsilon -
    1). Binding capacity: sales are fixed and revenue changes by a factor of 2^((epsilon - 1) / epsilon). Logit
    adoption (utility 1 minus twice the price of work, 1 / phi): chip demand rises with phi until adoption is
    saturated, then falls."""
    price, efficiency, installed, nothing = 2.0, np.geomspace(1, 16, 9), 0.5, 0.0
    for elasticity in (0.5, 1.0, 1.11, 2.0):
        p = Values({"rental_price_start": 1.0, "chip_demand_elasticity": elasticity})
        chips = machines.work_demand(price, 1.0, np.log(efficiency), p)
        dearer = machines.work_demand(1.5 * price, 1.0, np.log(efficiency), p)
        yield check(
            f"chips at a price 50 % higher, epsilon {elasticity:g}",
            dearer[0] / chips[0],
            1.5**-elasticity,
            absolute=1e-9,
        )
        slope = np.polyfit(np.log(efficiency), np.log(chips), 1)[0]
        per_doubling = chips[2] / chips[0]
        yield check(
            f"chips after a doubling, epsilon {elasticity:g}", per_doubling, 2 ** (elasticity - 1), absolute=1e-9
        )
        yield check(f"slope of ln chips on ln phi, epsilon {elasticity:g}", slope, elasticity - 1, absolute=1e-9)

        def clearing(phi: float, p: Values = p) -> float:
            stock, energy = np.array([installed]), np.array([1e-6])
            return float(machines.clearing_rent(stock, energy, nothing, nothing, 1.0, np.log(phi), p))

        def excess(rent: float, p: Values = p) -> float:
            return float(machines.work_demand(rent, 1.0, 0.0, p)) - installed

        yield check(
            f"rent at which the market clears, epsilon {elasticity:g}",
            clearing(1.0),
            brentq(excess, 1e-3, 15.0, xtol=1e-12),
            relative=1e-9,
        )
        yield check(
            f"revenue after a doubling, binding capacity, epsilon {elasticity:g}",
            clearing(2.0) / clearing(1.0),
            2 ** ((elasticity - 1) / elasticity),
            absolute=1e-9,
        )

    def demanded(efficiency: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Chips demanded, and share of adopters."""
        share = demand.shares(jnp.ones(1), 1 / efficiency[None], price_sensitivity=2.0)[0]
        return share / efficiency, share

    slope = jax.jit(jax.grad(lambda phi: demanded(phi)[0]))
    peak = brentq(lambda phi: float(slope(jnp.asarray(phi))), 1.0, 2.0, xtol=1e-12)
    yield check("efficiency at which chip demand peaks, logit", peak, 1.276207, absolute=0.02)
    yield check("price of work at the peak", 1 / peak, 0.783572, absolute=0.02)
    yield check("share of adopters at the peak", demanded(jnp.asarray(peak))[1], 0.361896, absolute=0.02)


@rung("V10", "Vertical chain", "Spengler (1950); Lerner (1934)")
def successive_monopolies() -> Iterator[Check]:
    """Final demand P = 10 - q, cost 2: a monopolist who buys from a monopolist, and the two as one firm; the
    replies are also found by search. A Lerner index of 75 % corresponds to an elasticity of 4/3."""
    intercept, cost = 10.0, 2.0
    for stages, (price, quantity) in {2: (8.0, 2.0), 1: (6.0, 4.0)}.items():
        chain = "successive monopolies" if stages == 2 else "integrated firm"
        prices, sold = vertical_chain.successive_monopoly(intercept, 1.0, cost, stages)
        yield check(f"final price, {chain}", prices[-1], price, absolute=1e-6)
        yield check(f"quantity, {chain}", sold, quantity, absolute=1e-6)

    marginal = jax.jit(jax.grad(lambda quantity, wholesale: (intercept - quantity - wholesale) * quantity))

    def loss(wholesale: float) -> float:
        sold = brentq(lambda quantity: float(marginal(quantity, wholesale)), 0.0, intercept, xtol=1e-14)
        return -(wholesale - cost) * sold

    best = minimize_scalar(loss, bounds=(cost, intercept), method="bounded", options=dict(xatol=1e-10)).x
    prices, _ = vertical_chain.successive_monopoly(intercept, 1.0, cost, 2)
    yield check("wholesale price, compared with search", prices[0], best, absolute=1e-6)
    markup = pricing.markup_factor(4 / 3)
    yield check("Lerner index at elasticity 4/3", 1 - 1 / markup, 0.75, absolute=1e-6)
