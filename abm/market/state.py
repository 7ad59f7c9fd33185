"""The state of the market: agents, records shared between them, and the payments of the month."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Self, TypeVar, cast, dataclass_transform

import jax

from abm.engine import Draws, Group

Part = TypeVar("Part", bound="Record")


class Record:
    """Base class of the parts of the market: `replace` and the names of their attributes."""

    def replace(self, **changes: Any) -> Self:
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
class Cloud(Record):
    """Compute that platforms own and rent out, by jurisdiction (R,)."""

    installed: Any  # H100e
    ordered: Any  # (R, stages) H100e being built
    power: Any  # H100e that the power supply can run
    book_value: Any  # $ M
    rental_price: Any  # scalar, $ M per H100e month
    demand: Any  # scalar, H100e wanted
    serving: Any  # scalar, H100e that serve tokens
    internal: Any  # scalar, H100e of the platforms' own workloads


@record
class Exchange(Record):
    """The equity market: assets are vendors, labs, then the listed layers (A,)."""

    log_price: Any  # ln of price; in the first month ln of value
    base: Any  # ln capitalised earnings priced in so far
    target_base: Any  # ln capitalised earnings as of the last accounts
    shares: Any  # shares outstanding, 1 at the start
    position: Any  # fraction of each firm held by investors; the dealer holds the rest
    momentum: Any  # average of daily log returns
    variance: Any  # average of squared daily log returns
    dealer_cash: Any  # scalar, $ M
    signal: Any  # (Q,) public news so far: sum of precision x signal
    precision: Any  # (Q,) sum of precision
    claims: Any  # (2,) the same for cost claims: precision x signal, precision
    salience: Any  # scalar, salience of the current story
    daily_returns: Any  # (D, A) log returns of the month's trading days


@record
class Flows(Record):
    """Payments of the month, $ M: payer to receiver. The accounting identities are tested on these."""

    tokens: Any  # adopters -> labs and hosts
    fees: Any  # adopters -> labs: subscriptions, open-core contracts
    advertising: Any  # outside world -> labs
    rent_labs: Any  # labs -> platforms
    rent_hosts: Any  # hosts -> platforms
    hosts_margin: Any  # kept by hosts
    rent_internal: Any  # outside world -> platforms
    chips_labs: Any  # labs -> vendors
    chips_platforms: Any  # platforms -> vendors
    chip_costs: Any  # vendors -> outside world
    energy_labs: Any  # labs -> power
    energy_platforms: Any  # platforms -> power
    wages: Any  # labs -> outside world (research and defence)
    compliance: Any  # labs -> public
    tuition: Any  # students -> teachers
    damages: Any  # losers -> winners of suits
    funding: Any  # owners -> labs
    dividends: Any  # vendors and layers -> owners
    applications: Any  # adopters -> applications
    rescued: Any  # public and creditors -> labs that exit
    entry: Any  # owners -> entrants


@record
class Accounts(Record):
    """Records carried between months that belong to no single agent."""

    capability_history: Any  # (delay, L) flagship capability, newest first
    closed_path: Any  # (months,) best closed capability, newest first, -inf before the start
    demand_elasticity: Any  # (L,) elasticity of demand each lab perceives
    undercut: Any  # (L, T) how far rivals undercut each product, nats
    accustomed: Any  # (L, T) how far rivals usually do, nats
    contestable_share: Any  # scalar, share of spending that an open model could win
    detections: Any  # scalar, this month
    suits_lost: Any  # scalar
    entries: Any
    exits: Any
    chip_demand: Any  # scalar, unconstrained orders, H100e
    deliveries: Any  # scalar, effective H100e delivered
    retired: Any  # scalar, H100e retired
    serving_efficiency: Any  # scalar, nats of inference efficiency at the frontier
    scarcity: Any  # (R,) ln desired over delivered compute
    release_surprise: Any  # (L,) surprise of each release in the open-closed race, nats
    basket: Any  # (J,) $ M per month that each segment spent on closed models before the shock


@record
class Networks(Record):
    """Static layers as neighbour lists (constant over a run and shared by an ensemble)."""

    information: Any  # (I, k) the investors that an investor listens to
    peers: Any  # (J, k) the adopters that an adopter observes


@record
class Market(Record):
    """The whole state that a month updates."""

    vendors: Group
    labs: Group
    adopters: Group
    investors: Group
    regulators: Group
    infrastructure: Group
    cloud: Cloud
    exchange: Exchange
    accounts: Accounts
    flows: Flows
    networks: Networks
    month: Any


class Equations(NamedTuple):
    """Choices between equations rather than numbers; each combination compiles to a program of its own.

    `pricing`: ``posted`` (set at a release, then rarely changed), ``flexible`` (a damped best response every month) or
    ``nash`` (the Bertrand-Nash prices of the month). `price_form`: utility in ``log`` or ``linear`` price.
    `short_sales`: whether positions may be negative.
    """

    pricing: str = "posted"
    price_form: str = "log"
    short_sales: bool = True


class Now(NamedTuple):
    """Inputs of the month's phases besides the state: parameters, events, draws and equations."""

    p: Any
    events: Any
    draws: Draws
    equations: Equations = Equations()


def jurisdiction_sum(values: jax.Array, home: jax.Array, jurisdictions: int) -> jax.Array:
    """Sum (n,) values by home jurisdiction, shape (R,)."""
    return jax.nn.one_hot(home, jurisdictions, dtype=values.dtype).T @ values


@jax.tree_util.register_pytree_node_class
class Values:
    """Parameter values with attribute access, as the compiled model carries them."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "table":
            raise AttributeError(name)
        try:
            return self.table[name]
        except KeyError:
            raise AttributeError(f"unknown parameter '{name}'") from None

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        return tuple(self.table.values()), tuple(self.table)

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], children: tuple[Any, ...]) -> Values:
        return cls(dict(zip(names, children, strict=True)))


@jax.tree_util.register_pytree_node_class
class Events(Values):
    """The events of one month of a timeline, with attribute access."""
