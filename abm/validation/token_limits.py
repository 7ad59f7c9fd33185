"""The token market on its own: the model's own phase of tokens, in markets whose labs and users are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.agents.adopter import DEVELOPER
from abm.agents.lab import METERED
from abm.engine import Draws
from abm.market.phases.common import products_of
from abm.market.phases.tokens import demand_at, trade_tokens, use_models
from abm.market.start import first_market
from abm.market.state import Events, Market, Now, Values
from abm.parameters import Parameters
from abm.runs.setup import Setup
from abm.scenarios.timeline import Timeline
from abm.support.axes import OFFERS, TIERS

CLOSED, OPEN, SEGMENTS = 5, 5, 40
"""Labs and segments of every market here, so that all are played by one program."""
LABS = CLOSED + OPEN
MONTHS = 24
"""Months that are played: prices settle."""
NOTHING = -60.0
"""Capability at which a model is worth nothing, nats."""
PLAIN: dict[str, Any] = dict(
    token_cost_start=1.0,
    habit_rate=1.0,
    host_differentiation=0.0,
    complement_benefit=0.0,
    trust_rate=0.0,
    serving_retrofit=0.0,
    adoption_innovation=0.0,
    adoption_imitation=0.0,
)
"""No habit, hosts who charge what a token costs, no complements, and users who stay as they are."""


def labs_of(
    active: Any, fit: Any = 0.0, cost: Any = 1.0, capability: Any = 20.0, efficient: Any = NOTHING
) -> dict[str, Any]:
    """Labs by class, closed ones first: those in business, their flagships' unit cost ($ per M tokens) and the capability of
    both tiers (nats). `fit` (L,) or (J, L) is that of their models, log points of worth.
    """
    flagship, second = (np.broadcast_to(np.asarray(x, float), LABS) for x in (capability, efficient))
    tokens = np.broadcast_to(np.log(np.asarray(cost, float)), LABS)
    return {
        "active": np.isin(np.arange(LABS), active),
        "capability": np.stack([flagship, second], 1),
        "hosted": np.full((LABS, TIERS), NOTHING),
        "model_size": np.stack([tokens, tokens - 1], 1),
        "fit": np.broadcast_to(np.asarray(fit, float), (SEGMENTS, LABS)),
        "monetisation": np.full(LABS, METERED),
    }


def users_of(value: Any = 5.0, segment: Any = DEVELOPER, difficulty: Any = 0.0, need: Any = 0.0) -> dict[str, Any]:
    """Segments, all of whom use models: mean value of tasks ($ per M tokens), kind, difficulty (nats), need of trust."""

    def each(x: Any, kind: type = float) -> np.ndarray:
        return np.broadcast_to(np.asarray(x, kind), SEGMENTS)

    return {
        "value": each(value),
        "segment": each(segment, int),
        "difficulty": each(difficulty),
        "compliance_need": each(need),
        "tasks": each(1.0),
        "adopted": each(1.0),
        "trust": np.ones((SEGMENTS, LABS + 1)),
    }


def traded(labs: dict[str, Any], users: dict[str, Any], pricing: str = "nash", **parameters: Any) -> Market:
    """The market after `MONTHS` months of the phase of tokens, with nothing else moving."""
    setup, play, _ = program(pricing)
    return play(values_of(parameters), blank(setup), labs, users)


def bought(labs: dict[str, Any], users: dict[str, Any], price: Any = 3.0, **parameters: Any) -> Market:
    """The market after one month in which users buy at given prices, $ per M tokens, (L,) or (L, O)."""
    setup, _, buy = program("posted")
    prices = np.broadcast_to(
        np.reshape(np.asarray(price, float), (-1, 1)) if np.ndim(price) == 1 else price, (LABS, OFFERS)
    )
    return buy(values_of(parameters), blank(setup), labs, users, prices)


def values_of(parameters: dict[str, Any]) -> Values:
    """Parameters of the plain market, some of them changed, as arrays."""
    given = Parameters(**(PLAIN | parameters)).values()
    return Values({name: jnp.asarray(value) for name, value in given.items()})


def blank(setup: Setup) -> Events:
    """The events of a month without any."""
    rows = Timeline.blank(1, setup.cast).arrays()
    return Events({name: jnp.asarray(row[0]) for name, row in rows.items()})


@cache
def setup_of(pricing: str) -> Setup:
    """The set-up of every market here."""
    return Setup.of(
        closed_labs=CLOSED, open_labs=OPEN, entrants=0, adopters=SEGMENTS, investors=4, months=1, pricing=pricing
    )


def market_of(setup: Setup, p: Values, labs: dict[str, Any], users: dict[str, Any]) -> Market:
    """The first market of a run, with the labs and the users that are given."""
    market = first_market(p, 0, setup.populations, setup.networks, setup.cast)
    columns = {name: jnp.asarray(value) for name, value in labs.items() if name != "fit"}
    fit = {name: jnp.asarray(labs["fit"]) for name in ("fit", "own_fit")}
    adopters = market.adopters.replace(**{name: jnp.asarray(value) for name, value in users.items()}, **fit)
    return market.replace(labs=market.labs.replace(**columns), adopters=adopters)


@cache
def program(pricing: str) -> tuple[Setup, Callable[..., Market], Callable[..., Market]]:
    """The set-up, and programs that play months of the whole phase and one month of users alone, compiled once."""
    setup = setup_of(pricing)

    @jax.jit
    def play(p: Values, events: Events, labs: dict[str, Any], users: dict[str, Any]) -> Market:
        def month(market: Market, _: Any) -> tuple[Market, None]:
            now = Now(p, events, Draws.from_seed(0).at(market.month), setup.equations)
            return trade_tokens(market, now).replace(month=market.month + 1), None

        return jax.lax.scan(month, market_of(setup, p, labs, users), length=MONTHS)[0]

    @jax.jit
    def buy(p: Values, events: Events, labs: dict[str, Any], users: dict[str, Any], price: Any) -> Market:
        market = market_of(setup, p, labs, users)
        market = market.replace(labs=market.labs.replace(price=price))
        now = Now(p, events, Draws.from_seed(0).at(market.month), setup.equations)
        products = products_of(market.labs, p)
        worth, certified, _, useful = market.adopters.ask("worth", p, products)
        target = demand_at(market, now, products, worth).chosen.reshape(worth.shape)
        return use_models(market, now, products, worth, certified, useful, target)

    return setup, play, buy


def lerner_of(market: Market, lab: int, offer: int = 0) -> float:
    """Lerner index of one offer."""
    labs = market.labs
    return float(1 - labs.token_cost[lab, offer] / labs.price[lab, offer])
