"""The engine on two textbook models (SIR on a graph, Boltzmann wealth) and its guarantees, without the AI market."""

import ast
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from helpers.agents import INFECTED, RECOVERED, SUSCEPTIBLE, Counter, Person, Trader
from scipy.optimize import brentq

import abm.engine
from abm.engine import (
    Agent,
    Draws,
    Field,
    Group,
    Population,
    interpreted,
    loop,
    loop_between,
    map_rows,
    run_many,
    seed_words,
    when,
)

PEOPLE, DAYS = 60, 25


GRAPH = nx.to_numpy_array(nx.random_regular_graph(4, PEOPLE, seed=1))


def sir(seed, infection=0.15, recovery=0.1, days=DAYS):
    """Simulate an SIR epidemic; returns health, shape (days, people)."""
    draws = Draws.from_seed(seed)
    people = Population.create(Person, PEOPLE, health=(np.arange(PEOPLE) < 3) * INFECTED)

    def day(people, t):
        sick = GRAPH @ (people.health == INFECTED)
        luck = draws.at(t).uniform("disease", people, (2,))
        people = people.do("live", infection, recovery, sick_neighbours=sick, luck=luck)
        return people, people.health

    return loop(day, people, jnp.arange(days))[1]


def sir_in_numpy(seed, infection=0.15, recovery=0.1):
    """The same epidemic by loops over people and neighbours; only the random numbers come from the engine."""
    draws, slots = Draws.from_seed(seed), Population.create(Person, PEOPLE)
    health = [INFECTED if i < 3 else SUSCEPTIBLE for i in range(PEOPLE)]
    history = []
    for t in range(DAYS):
        luck = np.asarray(draws.at(t).uniform("disease", slots, (2,)))
        after = list(health)
        for i in range(PEOPLE):
            if health[i] == SUSCEPTIBLE:
                escapes = 1.0
                for j in range(PEOPLE):
                    if GRAPH[i, j] and health[j] == INFECTED:
                        escapes *= 1 - infection
                if luck[i, 0] < 1 - escapes:
                    after[i] = INFECTED
            elif health[i] == INFECTED and luck[i, 1] < recovery:
                after[i] = RECOVERED
        health = after
        history.append(health)
    return np.array(history)


@pytest.fixture(scope="module")
def compiled_sir():
    return jax.jit(sir)


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_sir_agrees_with_loops(compiled_sir, seed):
    history = np.asarray(compiled_sir(jnp.asarray(seed_words(seed))))
    np.testing.assert_array_equal(history, sir_in_numpy(seed))
    assert set(history[-1]) > {RECOVERED}, "without an epidemic the comparison shows little"
    assert (np.diff(history, axis=0) >= 0).all()


def test_interpreted_and_compiled_runs_agree(compiled_sir):
    with interpreted():
        history = sir(7, days=6)
    np.testing.assert_array_equal(history, compiled_sir(jnp.asarray(seed_words(7)))[:6])


def test_runs_of_an_ensemble_equal_single_runs(compiled_sir):
    """Chunks of any length (the last one padded) in any number of threads give the same numbers as single runs."""
    seeds = np.stack([seed_words(s) for s in range(7)])
    infection = np.linspace(0.05, 0.3, 7)
    chunk = jax.jit(jax.vmap(lambda row: sir(row[0], row[1])))
    singles = np.stack([compiled_sir(jnp.asarray(s), b) for s, b in zip(seeds, infection, strict=True)])
    calls = []
    for size, workers in ((3, 1), (2, 2), (100, None)):
        progress = lambda done, total, seconds: calls.append((done, total))  # noqa: E731
        out = run_many(
            chunk, (jnp.asarray(seeds), jnp.asarray(infection)), chunk=size, workers=workers, progress=progress
        )
        assert isinstance(out, np.ndarray)
        np.testing.assert_array_equal(out, singles)
    assert calls[:3] == [(3, 7), (6, 7), (7, 7)]
    assert calls[-1] == (7, 7)
    last = run_many(chunk, (jnp.asarray(seeds), jnp.asarray(infection)), chunk=4, keep=lambda out: out[:, -1])
    np.testing.assert_array_equal(last, singles[:, -1])
    with pytest.raises(ValueError, match="no runs"):
        run_many(chunk, (jnp.zeros((0, 2), jnp.uint32), jnp.zeros(0)))


def test_boltzmann_wealth():
    """Coins are conserved exactly, and wealth settles near the exponential law (Dragulescu and Yakovenko 2000).

    All traders give at the same time, so each purse is a queue with one departure and Poisson(rho) arrivals per round: a
    share rho is not empty, with mean rho + rho^2 / (2 (1 - rho)) (Pollaczek-Khinchine); the tail falls as z^-k with
    z = exp(rho (z - 1)).
    """
    traders, mean = 2_000, 10.0
    draws = Draws.from_seed(3)

    def deal(people, t):
        people = people.do("give")
        recipient = (draws.at(t).uniform("whom", people) * people.size).astype(int)
        coins = jnp.zeros(people.size).at[recipient].add(people.gift)
        people = people.do("receive", coins=coins)
        return people, people.wealth.sum()

    start = Population.create(Trader, traders, wealth=mean)
    people, total = jax.jit(lambda: loop(deal, start, jnp.arange(3_000)))()
    assert (np.asarray(total) == mean * traders).all()
    wealth = np.asarray(people.wealth)
    assert wealth.min() >= 0
    rho = brentq(lambda r: r + r**2 / (2 * (1 - r)) - mean, 0.5, 1 - 1e-9)
    z = brentq(lambda x: x - np.exp(rho * (x - 1)), 1 + 1e-6, 3)
    assert (wealth >= 1).mean() == pytest.approx(rho, abs=0.015)
    assert (wealth >= 30).mean() / (wealth >= 10).mean() == pytest.approx(z**-20, abs=0.04)
    assert wealth.std() == pytest.approx(mean, rel=0.15), "an exponential law has its mean as standard deviation"


class Careful(Person):
    def live(self, infection, recovery, sick_neighbours, luck):
        super().live(infection / 2, recovery, sick_neighbours, luck)


class Loner(Person):
    stream = "loner"
    solitude = Field(1.0)


# --- groups ---


def test_a_subclass_beside_its_parent():
    """A subclass that takes over some slots inherits their draws, follows its own rule, and is part of the group's columns."""
    whole = Population.create(Person, 6)
    group = Group(Population.create(Careful, 2), Population.create(Person, 4, offset=2))
    draws = Draws.from_seed(5)
    np.testing.assert_array_equal(draws.uniform("x", group, (2,)), draws.uniform("x", whole, (2,)))
    assert group.size == 6
    np.testing.assert_array_equal(group.is_kind(Careful), [True, True, False, False, False, False])
    assert group.is_kind(Person).all()

    luck = jnp.full((6, 2), 0.3)  # between 1 - (1 - 0.2)^1 and 1 - (1 - 0.4)^1
    after = group.do("live", 0.4, 0.0, sick_neighbours=jnp.ones(6), luck=luck)
    np.testing.assert_array_equal(after.health, [0, 0, 1, 1, 1, 1])
    assert [p.kind for p in after.populations] == [Careful, Person]
    some = group.do("live", 0.4, 0.0, where=jnp.arange(6) > 3, sick_neighbours=jnp.ones(6), luck=luck)
    np.testing.assert_array_equal(some.health, [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(group.replace(health=np.arange(6)).health, np.arange(6))

    other = Group(Population.create(Loner, 2), Population.create(Person, 4))  # a stream of its own takes no slots
    assert not np.isin(draws.uniform("x", other)[:2], draws.uniform("x", whole)).any()
    np.testing.assert_array_equal(draws.uniform("x", other)[2:], draws.uniform("x", whole)[:4])
    with pytest.raises(AttributeError, match="no field 'solitude'"):
        _ = other.solitude


def test_a_subclass_adds_fields_without_changing_its_parent():
    assert list(Loner.fields()) == ["active", "health", "solitude"]
    assert "solitude" not in Person.fields()


# --- fields ---


def test_create_broadcasts_defaults_and_given_values():
    people = Population.create(Counter, 3, sizes={"part": 2}, weight=np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(people.weight, [[1, 1], [2, 2], [3, 3]])
    assert people.count.dtype == int
    assert people.active.dtype == bool
    assert people.weight.dtype == np.float64
    np.testing.assert_array_equal(Population.create(Counter, 1, sizes={"part": 2}, weight=[[4, 5]]).weight, [[4, 5]])


@pytest.mark.parametrize(
    ("given_fields", "sizes", "message"),
    [
        ({"count": np.arange(4)}, {"part": 2}, r"Counter\.count: shape \(4,\) given, \(3,\) expected"),
        ({"weight": np.ones((3, 5))}, {"part": 2}, r"Counter\.weight: shape \(3, 5\) given, \(3, 2\) expected"),
        ({"height": 1.0}, {"part": 2}, "Counter has no field 'height'; it has active, count, weight"),
        ({}, None, r"Counter\.weight needs the size of axis 'part'"),
    ],
)
def test_create_rejects_wrong_shapes_unknown_fields_and_missing_sizes(given_fields, sizes, message):
    with pytest.raises(ValueError, match=message):
        Population.create(Counter, 3, sizes=sizes, **given_fields)


def test_a_field_may_not_hide_an_attribute_of_populations():
    class Bad(Agent):
        size = Field(1.0)

    with pytest.raises(ValueError, match="Bad: size cannot be a field's name"):
        Population.create(Bad, 2)


# --- when, map_rows, loop ---


def test_when_runs_one_branch_and_passes_only_changed_arrays():
    state = {"moved": jnp.zeros(2), "unchanged": jnp.arange(3)}

    def act(s):
        return {**s, "moved": s["moved"] + 1}

    program = jax.jit(lambda condition, s: when(condition, act, s))
    for condition in (True, False):
        for result in (program(condition, state), when(jnp.asarray(condition), act, state)):
            np.testing.assert_array_equal(result["moved"], [condition] * 2)
            np.testing.assert_array_equal(result["unchanged"], [0, 1, 2])
        with interpreted():
            np.testing.assert_array_equal(when(condition, act, state)["moved"], [condition] * 2)
    branches = jax.make_jaxpr(lambda c, s: when(c, act, s))(True, state).jaxpr.eqns
    (switch,) = [e for e in branches if e.primitive.name == "cond"]
    assert len(switch.outvars) == 1, "only arrays that the action changes pass through the branch"
    with interpreted():
        when(False, lambda s: pytest.fail("the action ran"), state)


def test_when_on_a_population():
    people = Population.create(Counter, 2, sizes={"part": 2})
    after = jax.jit(lambda t, p: when(t == 1, lambda q: q.do("up", 5), p))
    np.testing.assert_array_equal(after(1, people).count, [5, 5])
    np.testing.assert_array_equal(after(0, people).count, [0, 0])


def test_map_rows_and_loop_agree_with_interpreted_mode():
    rows = {"x": jnp.arange(4.0), "y": jnp.ones((4, 2))}

    def body(total, row):
        return total + row["x"], {"so far": total, "y": row["y"] * row["x"]}

    compiled = loop(body, 0.0, rows), map_rows(lambda r: r["x"] * r["y"].sum(), rows)
    with interpreted():
        plain = loop(body, 0.0, rows), map_rows(lambda r: r["x"] * r["y"].sum(), rows)
    jax.tree.map(np.testing.assert_array_equal, compiled, plain)
    assert float(compiled[0][0]) == 6.0
    np.testing.assert_array_equal(compiled[0][1]["so far"], [0, 0, 1, 3])
    np.testing.assert_array_equal(compiled[1], [0, 2, 4, 6])


def test_two_consecutive_partial_loops_equal_one_loop():
    rows = jnp.arange(1.0, 8.0)

    def body(total, row):
        return total + row, total * row

    def in_two_parts(cut):
        state = loop_between(body, 0.0, rows, (0, cut), jnp.zeros(7))
        return loop_between(body, state[0], rows, (cut, 7), state[1])

    whole = loop(body, 0.0, rows)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(in_two_parts)(3), whole)
    with interpreted():
        jax.tree.map(np.testing.assert_array_equal, in_two_parts(3), whole)


def test_interpreted_mode_ends_with_its_block():
    with interpreted():
        assert abm.engine.is_interpreted()
    with pytest.raises(ZeroDivisionError), interpreted():
        1 / 0  # noqa: B018
    assert not abm.engine.is_interpreted()


# --- independence ---


def test_the_engine_imports_nothing_from_the_model():
    known = {"jax", "jaxtyping", "mesa", "numpy", *sys.stdlib_module_names}
    for path in Path(abm.engine.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name} has a relative import"
                names = [node.module]
            else:
                continue
            for name in names:
                own = name.startswith("abm.engine") or name == "abm.support.shapes"
                assert own or name.split(".")[0] in known, f"{path.name} imports {name}"
