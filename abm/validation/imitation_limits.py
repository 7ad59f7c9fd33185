"""Labs on their own: the model's own phases of research, enforcement and release, in markets whose labs are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Draws
from abm.market.phases import accounts, enforcement, release, research, tokens
from abm.market.state import Events, Market, Now, Values
from abm.validation.token_limits import CLOSED, LABS, blank, labs_of, market_of, setup_of, users_of, values_of

TEACHER, SECOND, STUDENT = 0, 1, CLOSED
"""Two closed labs, and an open one that learns from them."""
STILL: dict[str, Any] = dict(
    spillover_rate=0.0, research_luck=0.0, access_delay=1, policy_uncertainty=0.0, openness_response=0.0
)
"""Nobody learns but from teachers and weights, and what is on sale can be learnt at once."""


class World(NamedTuple):
    """A market, and the parameters and events of its months."""

    market: Market
    p: Values
    events: Events


def world(active: Any, capability: Any, parameters: dict[str, Any] | None = None, **columns: Any) -> World:
    """Labs in business with their flagships' capability (L,), nats; `columns` are further columns of all labs.

    Nobody has copied or distilled anything yet or guards against it, and no run of anybody's own is worth releasing.
    """
    p, setup = values_of(STILL | (parameters or {})), setup_of("posted")
    flagship = np.broadcast_to(np.asarray(capability, float), LABS)
    idle = dict(
        efficiency=np.full(LABS, -20.0),
        untaught=flagship,
        own_best=flagship,
        licence=np.where(np.arange(LABS) < CLOSED, 0.0, 0.5),
        gross_profit=np.zeros(LABS),
        access_cut=pairs(),
        vigilance=pairs(),
    )
    given = labs_of(active, capability=flagship, efficient=flagship - 1) | idle | columns
    market = market_of(setup, p, given, users_of())
    history = jnp.broadcast_to(jnp.asarray(flagship), market.accounts.capability_history.shape)
    return World(market.replace(accounts=market.accounts.replace(capability_history=history)), p, blank(setup))


def with_labs(at: World, **columns: Any) -> World:
    """The same world with some columns of labs replaced."""
    new = {name: jnp.asarray(value) for name, value in columns.items()}
    return at._replace(market=at.market.replace(labs=at.market.labs.replace(**new)))


def under(at: World, **parameters: Any) -> World:
    """The same state under other parameters."""
    return at._replace(p=Values(at.p.table | {name: jnp.asarray(float(x)) for name, x in parameters.items()}))


@cache
def program(name: str) -> Callable[[Market, Values, Events], Any]:
    """A phase or a function that phases use, compiled once."""
    step = {
        "research": research.do_research,
        "enforcement": enforcement.enforce,
        "release": release.release_models,
        "tokens": tokens.trade_tokens,
        "teaching": research.teaching_of,
        "threat": enforcement.threat_of,
        "duration": lambda market, now: research.worth_of_lead(market, now)[0],
        "outlook": accounts.outlook_of,
        "books": lambda market, now: accounts.lab_books(market, now)[0],
    }[name]
    return jax.jit(lambda market, p, events: step(market, Now(p, events, Draws.from_seed(0).at(market.month))))


def seen(name: str, at: World) -> Any:
    """What a phase, or a function that it uses, makes of a market: `teaching`, `threat`, `duration`, `outlook`, `books`."""
    return program(name)(*at)


def after(at: World, *phases: str) -> World:
    """The world after phases of a month: `research`, `enforcement`, `release`."""
    for phase in phases:
        at = at._replace(market=program(phase)(*at))
    return at


def months(at: World, number: int, *phases: str) -> World:
    """The world after months of some phases."""
    for _ in range(number):
        at = after(at, *phases)
        at = at._replace(market=at.market.replace(month=at.market.month + 1))
    return at


def pairs(rows: Any = 0.0, **at: float) -> np.ndarray:
    """A value for every pair of labs (L, L), with some set: `pairs(s5t0=2.0)` is 2 for student 5 and teacher 0."""
    out = np.full((LABS, LABS), rows)
    for name, value in at.items():
        student, teacher = name[1:].split("t")
        out[int(student), int(teacher)] = value
    return out


def alone(rows: Any, lab: int, value: float) -> np.ndarray:
    """A column of labs in which one has another value."""
    return np.where(np.arange(LABS) == lab, value, rows)
