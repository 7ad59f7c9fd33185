"""7. Rent: in every jurisdiction the rent clears between machines and the training, serving and other work that want them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from abm.engine import Group
from abm.market.phases.common import sales_of, serving_home, serving_of_tiers
from abm.market.phases.machines import by_home, lead_of, of_owners
from abm.market.state import Compute, Market, Now, Values, jurisdiction_sum
from abm.mechanisms import machines, tokens


def clear_rent(market: Market, now: Now) -> Market:
    """Let the demand for work grow, find the spot rent, allot machines, sign contracts, price power, and learn from all this."""
    p, size, before = now.p, market.regulators.size, market.compute
    efficiency = market.accounts.serving_efficiency
    labs = serve_tokens(market, now)
    budgets = jnp.where(labs.active, labs.training_budget, 0.0)
    seen = work_grows(before, market, now).replace(
        training=jurisdiction_sum(budgets, labs.home, size),
        serving=jurisdiction_sum(labs.serving, serving_home(labs), size),
        efficiency=efficiency,
    )

    watts = seen.kilowatts
    installed = by_home(market, of_owners(market, "machines"))
    energy = machines.energy_cost(watts, before.power_price[:, None])
    demand = seen.training, seen.serving, seen.pull
    spot = jax.vmap(machines.clearing_rent, (0, 0, 0, 0, 0, None, None))(installed, energy, *demand, efficiency, p)
    wanted = machines.machines_wanted(spot, *demand, efficiency, p)
    running = jnp.minimum(wanted, installed.sum(-1))
    served = jnp.minimum(running / jnp.maximum(wanted, 1e-9), 1.0)  # below 1 only where rent has reached its choke

    programmes = market.programmes
    own_power = jurisdiction_sum(programmes.own_power * (programmes.machines @ watts), programmes.home, size)
    draw = running / jnp.maximum(installed.sum(-1), 1e-9) * (installed @ watts - own_power) * 1e-3
    contract = machines.contract_rent(spot, before.user_cost, lead_of(market.vendors), p)
    compute = seen.replace(
        rental_price=spot,
        contract_price=contract,
        contract_paid=before.contract_paid + (contract - before.contract_paid) / 12,
        running=running,
        power_price=machines.power_price(draw, before.power_available, p),
        growth=expected_growth(before, seen, p),
    )
    labs = labs.replace(
        training=budgets / spot[labs.home] * served[labs.home], training_bill=budgets * served[labs.home]
    )
    accounts = market.accounts.replace(serving_efficiency=efficiency + p.inference_efficiency_growth / 12)
    return market.replace(labs=labs, compute=compute, accounts=accounts)


def work_grows(compute: Compute, market: Market, now: Now) -> Compute:
    """Other work grows at a fading rate, with persistent shocks common to all jurisdictions."""
    p = now.p
    boom = p.boom_persistence * compute.boom + p.boom_volatility * now.draws.market_normal("demand for work", 1)[0]
    usual = p.workload_growth * jnp.exp(-p.workload_slowdown * market.month / 12)
    return compute.replace(pull=compute.pull * jnp.exp((usual + boom) / 12), boom=boom)


def expected_growth(before: Compute, after: Compute, p: Values) -> Float[Array, " R"]:
    """Growth of the machines wanted at a rent that covers their cost, per year: a slow mean of what owners saw."""

    def at_cost(seen: Compute) -> Float[Array, " R"]:
        wanted = machines.machines_wanted(before.user_cost, seen.training, seen.serving, seen.pull, seen.efficiency, p)
        return jnp.log(jnp.maximum(wanted, 1.0))

    return before.growth + p.growth_learning * (12 * (at_cost(after) - at_cost(before)) - before.growth)


def serve_tokens(market: Market, now: Now) -> Group:
    """Machines that serve each lab's tokens."""
    p, labs = now.p, market.labs
    sold = sales_of(market)
    volume = serving_of_tiers(sold.tokens + sold.copies, sold.free)
    retrofit = p.serving_retrofit * (market.accounts.serving_efficiency - labs.serving_efficiency)
    need = tokens.compute_per_token(labs.model_size, labs.serving_efficiency + retrofit, p)
    return labs.replace(serving=(volume * need).sum(-1) * labs.active)


def work_of(market: Market) -> Float[Array, " R"]:
    """Machines that do other work, H100e."""
    labs, size = market.labs, market.regulators.size
    training = jurisdiction_sum(labs.training, labs.home, size)
    return jnp.maximum(market.compute.running - training - market.compute.serving, 0.0)


def energy_of_owners(market: Market, now: Now) -> Float[Array, " K"]:
    """Payments of each owner for the energy of its running machines, $ M."""
    held, home = of_owners(market, "machines"), of_owners(market, "home")
    watts = market.compute.kilowatts
    return machines.energy_cost(held @ watts, market.compute.power_price[home]) * utilisation(market)[home]


def rents_of_owners(market: Market, rents: Float[Array, " R"]) -> Float[Array, " K"]:
    """Rents by jurisdiction shared out by machines, $ M."""
    held = of_owners(market, "machines").sum(-1)
    return (rents / jnp.maximum(by_home(market, held), 1e-9))[of_owners(market, "home")] * held


def utilisation(market: Market) -> Float[Array, " R"]:
    """Share of the machines in their places that run."""
    return market.compute.running / jnp.maximum(by_home(market, of_owners(market, "machines").sum(-1)), 1e-9)
