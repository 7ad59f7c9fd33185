"""The state of the market: agents, records shared between them, and the payments of the month."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, TypeVar, cast, dataclass_transform

import jax
from jaxtyping import Array, Bool, Float, Int

from abm.engine import Draws, Group
from abm.support.shapes import Index, Scalar
from abm.support.values import Events, Values

Part = TypeVar("Part", bound="Record")


class Record:
    """Base class of the parts of the market: `replace` and the names of their attributes."""

    def replace(self: Part, **changes: Any) -> Part:
        """A copy with some attributes replaced."""
        return dataclasses.replace(cast(Any, self), **changes)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the attributes."""
        return tuple(f.name for f in dataclasses.fields(cast(Any, cls)))


@dataclass_transform(frozen_default=True)
def record(cls: type[Part]) -> type[Part]:
    """Make a class a frozen dataclass that is a JAX pytree with every attribute as data."""
    made = dataclasses.dataclass(frozen=True)(cls)
    jax.tree_util.register_dataclass(made, data_fields=list(made.names()), meta_fields=[])
    return made


@record
class Compute(Record):
    """The markets for running machines, one in each jurisdiction (R,), and what owners have learned from them."""

    rental_price: Float[Array, " R"]  # $ M per H100e month, spot
    contract_price: Float[Array, " R"]  # the same, of a contract for a year signed now
    contract_paid: Float[Array, " R"]  # the same, mean of the contracts in force
    running: Float[Array, " R"]  # H100e
    training: Float[Array, " R"]  # $ M per month that labs spend on training
    serving: Float[Array, " R"]  # H100e that serve tokens
    pull: Float[Array, " R"]  # H100e wanted for other work at the starting price of work
    efficiency: Scalar  # nats of inference efficiency at which the rent cleared
    growth: Float[Array, " R"]  # of machines wanted at a given rent, as learned, per year
    kilowatts: Float[Array, " G"]  # per H100e, of every generation
    user_cost: Float[Array, " R"]  # $ M per H100e month of a new machine
    launch_price: Scalar  # $ M per H100e, of the leading vendor's generation
    launch_age: Scalar  # months since its launch
    decline: Scalar  # fall of that price from the last launch to this one, per year
    openness: Float[Array, "R V"]  # share of a vendor's compute that export rules let through
    performance: Float[Array, "R V"]  # share of a chip's performance that they leave
    boom: Scalar  # persistent deviation of the growth of other work, per year
    power_available: Float[Array, " R"]  # MW that the grid can spare at the starting price
    power_price: Float[Array, " R"]  # $ M per MWh
    displaced: Float[Array, " R"]  # MW that programmes have kept others from building
    book_value: Scalar  # $ M of machines


@record
class Exchange(Record):
    """The equity market: assets are vendors, labs, then the listed layers (A,)."""

    log_price: Float[Array, " A"]  # ln of price; in the first month ln of value
    base: Float[Array, " A"]  # ln capitalised earnings priced in so far
    target_base: Float[Array, " A"]  # ln capitalised earnings as of the last accounts
    shares: Float[Array, " A"]  # shares outstanding, 1 at the start
    position: Float[Array, " A"]  # fraction of each firm held by investors; the dealer holds the rest
    momentum: Float[Array, " A"]  # average of daily log returns
    variance: Float[Array, " A"]  # average of squared daily log returns
    dealer_cash: Scalar  # $ M
    signal: Float[Array, " Q"]  # public news so far: sum of precision x signal
    precision: Float[Array, " Q"]  # sum of precision
    claims: Float[Array, " pair"]  # the same for cost claims: precision x signal, precision
    salience: Scalar  # salience of the current story
    daily_returns: Float[Array, "D A"]  # log returns of the month's trading days


@record
class Flows(Record):
    """Payments of the month, $ M: payer to receiver. The accounting identities are tested on these."""

    tokens: Scalar  # adopters -> labs and hosts, subscriptions included
    fees: Scalar  # adopters -> labs: open-core contracts
    advertising: Scalar  # outside world -> labs
    rent_labs: Scalar  # labs -> owners, for serving tokens
    rent_hosts: Scalar  # hosts -> owners
    hosts_margin: Scalar  # kept by hosts
    rent_work: Scalar  # outside world -> owners, for other work
    rent_training: Scalar  # labs -> owners
    rent_programmes: Scalar  # of all rents: to programmes, which pass them on to their lenders
    rent_own: Scalar  # of all rents: to labs, for machines of their own
    chips_labs: Scalar  # labs -> vendors
    chips_platforms: Scalar  # operators -> vendors
    chips_programmes: Scalar  # programmes, that is their lenders -> vendors
    smuggling: Scalar  # owners -> outside world: what leakage costs over the list price
    places_labs: Scalar  # labs -> outside world: construction
    places_platforms: Scalar  # operators -> outside world: construction
    places_programmes: Scalar  # programmes, that is their lenders -> outside world
    chip_costs: Scalar  # vendors -> outside world
    energy_labs: Scalar  # labs -> power
    energy_platforms: Scalar  # operators -> power
    energy_programmes: Scalar  # programmes -> power
    wages: Scalar  # labs -> outside world (research and defence)
    compliance: Scalar  # labs -> public
    tuition: Scalar  # students -> teachers
    royalties: Scalar  # labs -> owners of weights
    damages: Scalar  # losers -> winners of suits
    funding: Scalar  # owners -> labs
    dividends: Scalar  # vendors and layers -> owners
    applications: Scalar  # adopters -> applications
    rescued: Scalar  # public and creditors -> labs that exit
    entry: Scalar  # owners -> entrants


@record
class Accounts(Record):
    """Records carried between months that belong to no single agent."""

    capability_history: Float[Array, "delay L"]  # flagship capability, newest first
    closed_path: Float[Array, " lag"]  # best closed capability, newest first, -inf before the start
    contestable_share: Scalar  # share of spending on closed models that open ones would win from a monopolist
    market_growth: Scalar  # of spending on tokens per year, a slow mean of what was seen
    market_size: Scalar  # spending on tokens, $ M per month
    rulings: Float[Array, "R 2"]  # forecast of courts' rulings, and mean squared error of forecasts so far
    nash: Float[Array, "L O 2"]  # $ M per month of sales, and of gross profit, at the month's Nash prices
    incidents: Float[Array, " L"]  # that cost a lab trust, this month
    vintage: Float[Array, "L 3"]  # unit cost at release ($ per M tokens), best rent per $ of tasks, 1 if watched
    rent_life: Float[Array, " 2"]  # months in which rents could halve, and halvings, moving sums
    detections: Scalar  # this month
    suits_lost: Scalar
    entries: Scalar
    exits: Scalar
    chip_demand: Scalar  # orders, H100e
    deliveries: Scalar  # effective H100e delivered
    retired: Scalar  # H100e retired
    serving_efficiency: Scalar  # nats of inference efficiency at the frontier
    release_surprise: Float[Array, " L"]  # surprise of each release in the open-closed race, nats
    basket: Float[Array, " J"]  # $ M per month that each segment spent on closed models before the shock


@record
class Networks(Record):
    """Static layers as neighbour lists (constant over a run and shared by an ensemble)."""

    information: Int[Array, "I k_I"]  # the investors that an investor listens to
    peers: Int[Array, "J k_J"]  # the adopters that an adopter observes
    access: Bool[Array, "2 L L"]  # whether a lab may distil, and build on the weights of, each other lab


@record
class Market(Record):
    """The whole state that a month updates."""

    vendors: Group
    labs: Group
    adopters: Group
    investors: Group
    regulators: Group
    infrastructure: Group
    operators: Group
    programmes: Group
    compute: Compute
    exchange: Exchange
    accounts: Accounts
    flows: Flows
    networks: Networks
    month: Index


class Equations(NamedTuple):
    """Choices between equations rather than numbers; each combination compiles to a program of its own.

    `pricing`: ``posted`` (set at a release, then rarely changed), ``flexible`` (a damped best response every month) or
    ``nash`` (the Bertrand-Nash prices of the month). `short_sales`: whether positions may be negative.
    """

    pricing: str = "posted"
    short_sales: bool = True


class Now(NamedTuple):
    """Inputs of the month's phases besides the state: parameters, events, draws and equations."""

    p: Values
    events: Events
    draws: Draws
    equations: Equations = Equations()


def jurisdiction_sum(
    values: Float[Array, " agents"], home: Int[Array, " agents"], jurisdictions: int
) -> Float[Array, " R"]:
    """Sum values of agents by home jurisdiction."""
    return jax.nn.one_hot(home, jurisdictions, dtype=values.dtype).T @ values
