"""The two models in abmax: agents as a set whose step is vectorised, and the set stepped in a scan."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from abmax.functions import step_agents
from abmax.structs import Agent, Params, Set, Signal, State
from flax import struct

from benchmarks.small_models.problem import IMITATION, INNOVATION, RECOVERY, TRANSMISSION, Problem

PACKAGE, DIGITS = "abmax", 1e-6
SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2


@struct.dataclass
class Person(Agent):
    @staticmethod
    def create_agent(kind, params, number, active, key):
        state = jnp.where(params.content["infected"], INFECTED, SUSCEPTIBLE).astype(jnp.int8)
        return Person(number, active, 0.0, kind, None, State({"state": state}), None, key)

    @staticmethod
    def step_agent(agent, seen, _):
        state, luck = agent.state.content["state"], seen.content["luck"]
        caught = (state == SUSCEPTIBLE) & (luck < 1 - (1 - TRANSMISSION) ** seen.content["infected"])
        recovers = (state == INFECTED) & (luck < RECOVERY)
        new = jnp.where(caught, INFECTED, jnp.where(recovers, RECOVERED, state)).astype(jnp.int8)
        return agent.replace(state=State({"state": new}))


@struct.dataclass
class Believer(Agent):
    @staticmethod
    def create_agent(kind, params, number, active, key):
        own = params.content
        return Believer(
            number, active, 0.0, kind, params, State({"belief": own["opinion"], "adopted": jnp.array(False)}), None, key
        )

    @staticmethod
    def step_agent(agent, seen, _):
        own, weight = agent.params.content, agent.params.content["susceptibility"]
        belief = (1 - weight) * own["opinion"] + weight * seen.content["belief"]
        adopts = (belief > own["threshold"]) & (seen.content["luck"] < INNOVATION + IMITATION * seen.content["adopted"])
        return agent.replace(state=State({"belief": belief, "adopted": agent.state.content["adopted"] | adopts}))


KINDS = {"sir": Person, "belief": Believer}


@functools.partial(jax.jit, static_argnums=0)
def create(kind, params, key):
    """Like abmax's `create_agents`, but without its list of one key per agent."""
    size = jax.tree.leaves(params)[0].shape[0]
    columns = jnp.arange(size), jnp.ones(size, dtype=bool), jax.random.split(key, size)
    agents = jax.vmap(kind.create_agent, in_axes=(None, 0, 0, 0, 0))(0, params, *columns)
    return Set(size, size, agents, 0, 0, None, None, None, key)


def sum_of_seen(values, links, size):
    seen, sees = links
    return jax.ops.segment_sum(values[seen], sees, size)


def epidemic(people, links, _, steps):
    size = people.agents.id.shape[0]

    def step(people, key):
        state = people.agents.state.content["state"]
        infected = sum_of_seen((state == INFECTED).astype(jnp.int8), links, size)
        seen = Signal({"infected": infected, "luck": jax.random.uniform(key, (size,))})
        people = step_agents(Person.step_agent, None, seen, people)
        state = people.agents.state.content["state"]
        return people, {"infected": (state == INFECTED).mean(), "recovered": (state == RECOVERED).mean()}

    return jax.lax.scan(step, people, jax.random.split(people.key, steps))[1]


def adoption(people, links, degrees, steps):
    size = people.agents.id.shape[0]

    def step(people, key):
        now = people.agents.state.content
        belief = sum_of_seen(now["belief"], links, size) / degrees
        adopted = sum_of_seen(now["adopted"].astype(jnp.int8), links, size) / degrees
        seen = Signal({"belief": belief, "adopted": adopted, "luck": jax.random.uniform(key, (size,))})
        people = step_agents(Believer.step_agent, None, seen, people)
        return people, people.agents.state.content["adopted"].mean()

    people, adopted = jax.lax.scan(step, people, jax.random.split(people.key, steps))
    return {"adopted": adopted, "belief": people.agents.state.content["belief"]}


RUNS = {"sir": epidemic, "belief": adoption}
one_run = {name: jax.jit(run, static_argnums=3) for name, run in RUNS.items()}


def _given(model: str, problem: Problem) -> tuple[Any, ...]:
    own = ("infected",) if model == "sir" else ("opinion", "susceptibility", "threshold")
    params = Params({name: jnp.asarray(getattr(problem, name)) for name in own})
    seen, sees = problem.both_ways()
    degrees = None if model == "sir" else jnp.asarray(np.bincount(sees, minlength=problem.agents).astype(np.float32))
    return params, (jnp.asarray(seen), jnp.asarray(sees)), degrees


def build(model: str, problem: Problem, seed: int, steps: int) -> Any:
    params, links, degrees = _given(model, problem)
    people = create(KINDS[model], params, jax.random.key(seed))
    return model, steps, jax.block_until_ready((people, links, degrees))


def run(built: Any) -> dict[str, np.ndarray]:
    model, steps, given = built
    return {name: np.asarray(values) for name, values in one_run[model](*given, steps).items()}


@functools.partial(jax.jit, static_argnums=(0, 5))
def many_runs(model, params, links, degrees, keys, steps):
    def one(key):
        out = RUNS[model](create(KINDS[model], params, key), links, degrees, steps)
        return out["recovered" if model == "sir" else "adopted"][-1]

    return jax.vmap(one)(keys)


def ensemble(model: str, problem: Problem, seeds: list[int], steps: int) -> np.ndarray:
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    return np.asarray(many_runs(model, *_given(model, problem), keys, steps))
