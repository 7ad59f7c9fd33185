"""The compiled programs of a market: one for each `ProgramKey`, whatever the parameters, seeds and scenarios."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import RUNS, Draws, compiler_options, loop_between, on_accelerator, traced
from abm.market.month import Month, month
from abm.market.observables import ProductRecord
from abm.market.populations import Populations
from abm.market.start import first_market
from abm.market.state import Equations, Events, Market, Networks, Values
from abm.runs.setup import ProgramKey
from abm.support.provenance import source_hash

BY_RUN = Market(**{name: 0 for name in Market.names() if name not in ("networks", "month")}, networks=None, month=None)  # type: ignore[arg-type]
"""Which parts of the market differ between the runs of an ensemble (axis 0), and which they share."""


def start_runs(p: dict[str, Any], seeds: Any, networks: Networks, populations: Populations) -> Market:
    """The first markets of the runs of a chunk: parameters (runs, ...), seeds as words (runs, 2)."""
    cast = populations.cast()

    def start(values: dict[str, Any], seed: Any) -> Market:
        return first_market(Values(values), seed, populations, networks, cast)

    return jax.vmap(start, out_axes=BY_RUN)(p, seeds)


def months_of_runs(equations: Equations, own_events: bool = False) -> Any:
    """`month` of all runs of a chunk: (markets, (parameters, seeds), events of the month) -> (markets, reports).

    With `own_events` every run has its own, first axis; otherwise all share one month's events.
    """

    def one(market: Market, inputs: Any, events: dict[str, Any]) -> tuple[Market, Month]:
        values, seed = inputs
        return month(market, Values(values), Events(events), Draws.from_seed(seed), equations)

    return jax.jit(jax.vmap(one, in_axes=(BY_RUN, 0, 0 if own_events else None), out_axes=(BY_RUN, 0), axis_name=RUNS))


def play_months(
    markets: Market, inputs: Any, timeline: dict[str, Any], bounds: tuple[Any, Any], reports: Any, months: Any
) -> tuple[Market, Any]:
    """Months ``bounds[0]`` to ``bounds[1] - 1`` of a chunk of runs: one loop, compiled by whoever calls it.

    `months` is what `months_of_runs` gives; the reports of the months played replace their rows of `reports`
    (months, runs, ...).
    """
    return loop_between(lambda market, events: months(market, inputs, events), markets, timeline, bounds, reports)


@jax.tree_util.register_pytree_node_class
class Row(Mapping[str, Any]):
    """Numbers by name that a program hands over as one array (..., names): a hundred arrays take milliseconds."""

    def __init__(self, names: tuple[str, ...], array: Any) -> None:
        self.names, self.array = names, array

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Row:
        return cls(tuple(numbers), jnp.stack([jnp.asarray(number, float) for number in numbers.values()], axis=-1))

    def __getitem__(self, name: str) -> Any:
        if not isinstance(self.array, np.ndarray):
            self.array = np.asarray(self.array)
        return self.array[..., self.names.index(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def tree_flatten(self) -> tuple[tuple[Any], tuple[str, ...]]:
        return (self.array,), self.names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], children: tuple[Any, ...]) -> Row:
        return cls(names, *children)


KEPT = 8
"""Shapes whose programs are kept in a process. Each maps some 2,500 stretches of memory, and Linux ends one with 65,530."""


@functools.lru_cache(KEPT)
def compiled_month(key: ProgramKey) -> Callable[..., Any]:
    """`market.month`, compiled; its observables are a `Row`."""
    equations = key.equations

    def one(market: Market, p: Values, events: Any, draws: Any) -> tuple[Market, Month]:
        market, report = month(market, p, events, draws, equations)
        return market, report._replace(observables=Row.of(report.observables))

    return jax.jit(one, compiler_options=compiler_options())


@functools.lru_cache(KEPT)
def compiled_start(key: ProgramKey) -> Callable[..., Market]:
    def start(p: Any, seed: Any, networks: Networks) -> Market:
        return first_market(Values(p), seed, key.populations, networks, key.cast)

    return jax.jit(start, compiler_options=compiler_options())


ROWS = 60
"""A program's timeline has this many rows or a multiple: shorter runs use the same program."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """The compiled parts of an ensemble: first markets, and months from one to another."""

    start: Callable[..., Market]
    month: Callable[..., Any]
    months: Callable[..., Any]
    identity: str = ""
    """Stands for what decides the traces, where they are kept (`abm.engine.traced`)."""

    @staticmethod
    @functools.lru_cache(KEPT)
    def of(key: ProgramKey, precision: int, own_timelines: bool = False) -> Program:
        month = months_of_runs(key.equations, own_timelines)

        def months(markets: Any, inputs: Any, timeline: Any, bounds: Any, reports: Any) -> Any:
            return play_months(markets, inputs, timeline, bounds, reports, month)

        options = compiler_options()
        start = jax.jit(functools.partial(start_runs, populations=key.populations), compiler_options=options)
        if not (traced.is_wanted() and key.is_plain):
            return Program(start, month, jax.jit(months, compiler_options=options))
        identity = f"{source_hash()} {key.key} {own_timelines} {sorted(options)}"
        traced_months = traced.Traced(months, lambda markets, *more: (markets, more[-1]), identity, options)
        return Program(start, month, traced_months, identity)

    def blank(self, markets: Market, inputs: Any, timeline: dict[str, Any]) -> Month:
        """Reports to be filled."""
        events = {name: np.asarray(rows[0]) for name, rows in timeline.items()}

        def shapes() -> Month:
            return jax.eval_shape(self.month, markets, inputs, events)[1]

        report = _kept_shapes(self.identity, (markets, inputs, events), shapes) if self.identity else shapes()
        rows = _rows(len(timeline["capex"]))
        # On an accelerator they are made where they are needed; here JAX would compile a program for each of them.
        zeros: Any = jnp.zeros if on_accelerator() else np.zeros
        return jax.tree.map(lambda x: zeros((rows, *x.shape), x.dtype), report)

    def advance(self, inputs: Any, timeline: dict[str, Any], state: Any, stop: int) -> Any:
        """From state (month, markets, reports) to the state at `stop`; timeline (months, ...) or (months, runs, ...)."""
        month, markets, reports = state
        if stop <= month:
            return state

        def filled(x: Any) -> Any:
            return np.concatenate([x, np.repeat(x[-1:], _rows(len(x)) - len(x), 0)])

        rows = {name: filled(np.asarray(x)) for name, x in timeline.items()}
        markets, reports = self.months(markets, inputs, rows, (month, stop), reports)
        return stop, markets, reports


def _kept_shapes(identity: str, arguments: Any, shapes: Callable[[], Month]) -> Month:
    """Shapes and types of a month's report, from disk where another process has traced it."""

    def plain() -> bytes:
        report = shapes()
        parts = {
            "observables": report.observables,
            "products": report.products._asdict(),
            "returns": report.daily_returns,
        }
        return json.dumps(jax.tree.map(lambda x: f"{x.dtype} {json.dumps(x.shape)}", parts)).encode()

    def shape(words: str) -> Any:
        kind, _, size = words.partition(" ")
        return jax.ShapeDtypeStruct(tuple(json.loads(size)), np.dtype(kind))

    name = traced.key_of(f"report {identity}", jax.tree.leaves(arguments))
    parts = jax.tree.map(shape, json.loads(traced.kept(name, plain)))
    return Month(parts["observables"], ProductRecord(**parts["products"]), parts["returns"])


def _rows(months: int) -> int:
    return -(-months // ROWS) * ROWS
