"""Machines, places and rent: what a machine costs its owner, the rent that clears, and what owners order."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.support.axes import STAGES
from abm.support.shapes import AnyArray, Floats, Numbers, Scalar
from abm.support.values import Values

HOURS = 730.0
"""Hours in a month."""
HALVINGS = 44
"""Of the interval that holds the logarithm of the rent: to 13 digits."""
CHOKE = 16.0
"""Price of work at which other work ends, relative to the start: with it, surplus is finite at any elasticity."""


# --- what a machine costs ---


def user_cost(
    chip_price: Numbers, decline: Numbers, interest: Numbers, place: Numbers, energy: Numbers, p: Values
) -> Floats:
    """Monthly cost of owning a machine: price x (interest + wear + expected fall of the price) + place + energy.

    chip_price, place, energy : $ M per H100e (and month). decline : expected fall of the log price, per year.
    interest : per year. Returns $ M per H100e month. Source: Jorgenson (1963).
    """
    return chip_price * (interest / 12 + p.machine_wear + decline / 12) + place + energy


def place_rent(interest: Numbers, p: Values) -> Floats:
    """Monthly cost of a powered place, $ M per MW: interest and wear on building and power equipment."""
    return p.place_cost * (interest / 12 + 1 / p.place_life)


def power_price(wanted: Numbers, available: Numbers, p: Values) -> Floats:
    """Price of electricity on its supply curve, e (wanted / available)^(1 / elasticity), $ M per MWh.

    wanted, available : GW or MW that machines draw, and that the grid can spare at the price of the start.
    """
    return p.power_price_start * (wanted / jnp.maximum(available, 1e-9)) ** (1 / p.power_elasticity)


def energy_cost(kilowatts: Numbers, price: Numbers) -> Floats:
    """Energy of a running machine, $ M per H100e month, from kW per H100e and $ M per MWh."""
    return jnp.asarray(1e-3 * kilowatts * HOURS * price)


def kilowatts(generations: int, p: Values) -> Float[Array, " G"]:
    """Power that an H100e draws, cooling included, by generation, kW: the first is that of the A100."""
    return p.machine_power * jnp.exp(-p.power_saving * (jnp.arange(generations) - 1))


# --- demand for machines ---


def work_demand(rent: Numbers, pull: Numbers, efficiency: Numbers, p: Values) -> Floats:
    """Machines for other work, A w^-eps phi^(eps - 1), H100e: isoelastic in the price of work w / phi, none above its choke.

    pull : A, H100e at w = w_0, phi = 1. efficiency : ln phi, nats. Source: Saunders (1992).
    """
    price = rent / p.rental_price_start / jnp.exp(efficiency)
    machines = pull * price**-p.chip_demand_elasticity * jnp.exp(-efficiency)
    return jnp.where(price < CHOKE, machines, 0.0)


def work_surplus(rent: Numbers, pull: Numbers, efficiency: Numbers, p: Values) -> Floats:
    """Surplus of other work, $ M per month: the area under `work_demand` from the rent up to its choke."""
    price = jnp.minimum(rent / p.rental_price_start / jnp.exp(efficiency), CHOKE)
    e = p.chip_demand_elasticity
    near_one = jnp.abs(e - 1) < 1e-6
    power = jnp.where(near_one, 1.0, 1 - e)
    area = jnp.where(near_one, jnp.log(CHOKE / price), (CHOKE**power - price**power) / power)
    return p.rental_price_start * pull * area


def machines_wanted(
    rent: Numbers, training: Numbers, serving: Numbers, pull: Numbers, efficiency: Numbers, p: Values
) -> Floats:
    """Machines wanted at a rent, H100e: budgets for training spent at it, tokens to be served, and other work.

    training : $ M per month. serving : H100e.
    """
    return jnp.asarray(training / rent + serving + work_demand(rent, pull, efficiency, p))


def running(rent: Numbers, machines: Float[AnyArray, " G"], energy: Float[AnyArray, " G"]) -> Scalar:
    """Machines that run at a rent, H100e: those whose energy it covers."""
    return jnp.where(energy <= rent, machines, 0.0).sum(-1)


def clearing_rent(
    machines: Float[AnyArray, " G"],
    energy: Float[AnyArray, " G"],
    training: Numbers,
    serving: Numbers,
    pull: Numbers,
    efficiency: Numbers,
    p: Values,
) -> Scalar:
    """Spot rent at which the machines that are wanted are those that run, $ M per H100e month, by bisection in its logarithm.

    The rent lies between the energy of the thriftiest generation and the choke price of work: at the first, machines stand
    idle; at the second, tokens alone want more than there is, and what is not served is told by utilisation.
    """
    start = jnp.log(p.rental_price_start) + efficiency
    low, high = jnp.log(jnp.min(energy)), start + jnp.log(CHOKE)
    low = jnp.minimum(low, high - 1.0)

    def halve(bounds: tuple[Scalar, Scalar], _: None) -> tuple[tuple[Scalar, Scalar], None]:
        low, high = bounds
        middle = 0.5 * (low + high)
        rent = jnp.exp(middle)
        scarce = machines_wanted(rent, training, serving, pull, efficiency, p) > running(rent, machines, energy)
        return (jnp.where(scarce, middle, low), jnp.where(scarce, high, middle)), None

    (low, high), _ = jax.lax.scan(halve, (low, high), None, length=HALVINGS)
    return jnp.exp(high)


def contract_rent(spot: Numbers, cost: Numbers, lead: Numbers, p: Values) -> Floats:
    """Rent of a one-year contract: the mean over the year of a spot rent that returns to user cost within the lead.

    w = c + (spot - c) (1 - exp(-T / lead)) lead / T, with T = 12 months: free entry is expected to end scarcity, and a glut,
    within the time that chips take.
    """
    fading = lead / 12 * (1 - jnp.exp(-12 / lead))
    return jnp.asarray(cost + (spot - cost) * fading)


# --- orders and building ---


def erlang_stages(
    stages: Float[AnyArray, " stage"], inflow: Numbers, mean_lag: Numbers
) -> tuple[Scalar, Float[Array, " stage"]]:
    """Advance an Erlang-k delay by one month: (outflow, new stages).

    `stages` (k,) holds the quantity in each stage; each month, a share k / mean_lag of it moves on. The delay is `mean_lag`
    months on average, and at least k. Nothing is lost: sum(new) = sum(old) + inflow - outflow.
    Source: linear-chain delay of system dynamics (Sterman 2000, ch. 11).
    """
    stages = jnp.asarray(stages)
    k = stages.shape[0]
    moved = stages * jnp.minimum(k / mean_lag, 1.0)
    entering = jnp.concatenate([jnp.reshape(jnp.asarray(inflow, stages.dtype), (1,)), moved[:-1]])
    return moved[-1], stages - moved + entering


def out_of_stage(stage: Numbers, mean_lag: Numbers, months: int) -> Floats:
    """What leaves the last of `STAGES` stages within some months, if nothing enters it."""
    return jnp.asarray(stage * (1 - (1 - jnp.minimum(STAGES / mean_lag, 1.0)) ** months))


def places_ordered(wanted: Numbers, existing: Numbers, p: Values) -> Floats:
    """Places that owners want to begin in a month, MW: those missing, over the time of adjustment.

    wanted : MW for the machines that would cover their cost. existing : MW in use and being built.
    """
    return jnp.maximum(wanted - existing, 0.0) / p.place_adjustment


def delivered_performance(performance: Numbers, cap: Numbers) -> Floats:
    """Share of a chip's performance left by an export performance cap (H800, H20); hardly any at a cap of 0."""
    return jnp.clip(cap / performance, 1e-9, 1.0)


def effective_availability(availability: Numbers, leakage: Numbers) -> Numbers:
    """Legal availability plus leakage: a + leak (1 - a)."""
    return availability + leakage * (1 - availability)


def stranded_value(book_value: Numbers, machines: Numbers, chip_price: Numbers, utilisation: Numbers) -> Floats:
    """Excess of the book value of machines over the price of new ones for the work they do, $ M; at least 0."""
    return jnp.maximum(book_value - machines * chip_price * utilisation, 0.0)
