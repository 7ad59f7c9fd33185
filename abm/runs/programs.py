"""Compiled programs of the market: one per `ProgramKey`, for any parameters, seeds and scenarios."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import RUNS, Draws, compiler_options, loop_between, on_accelerator
from abm.engine.traced import Traces
from abm.market.measures import MEASURES
from abm.market.month import Month, month
from abm.market.observables import ProductRecord
from abm.market.populations import Populations
from abm.market.start import first_market
from abm.market.state import Equations, Events, Market, Networks, Values
from abm.runs.setup import ProgramKey
from abm.support.provenance import source_hash

LEAF: Any = 0
REPORT = Month(dict.fromkeys(MEASURES, LEAF), ProductRecord(*(LEAF for _ in ProductRecord._fields)), LEAF)
"""The structure of a month's report."""
BY_RUN = Market(**{name: 0 for name in Market.names() if name not in ("networks", "month")}, networks=None, month=None)  # type: ignore[arg-type]
"""Axes for `jax.vmap`: parts of the market that differ between runs (axis 0), and parts that they share (None)."""


def start_runs(
    p: dict[str, Any], seeds: Any, networks: Networks, segments: dict[str, Any], populations: Populations
) -> Market:
    """First markets of a chunk of runs, from parameters (runs, ...) and seeds as words (runs, 2)."""
    cast = populations.cast()

    def start(values: dict[str, Any], seed: Any) -> Market:
        return first_market(Values(values), seed, populations, networks, cast, segments)

    return jax.vmap(start, out_axes=BY_RUN)(p, seeds)


def months_of_runs(equations: Equations, own_events: bool = False) -> Any:
    """`month` for all runs of a chunk: (markets, (parameters, seeds), events of the month) -> (markets, reports).

    With `own_events` every run has its own events (first axis); otherwise all runs share them.
    """

    def month_of_run(market: Market, inputs: Any, events: dict[str, Any]) -> tuple[Market, Month]:
        values, seed = inputs
        return month(market, Values(values), Events(events), Draws.from_seed(seed), equations)

    in_axes = (BY_RUN, 0, 0 if own_events else None)
    return jax.jit(jax.vmap(month_of_run, in_axes=in_axes, out_axes=(BY_RUN, 0), axis_name=RUNS))


def play_months(
    markets: Market, inputs: Any, timeline: dict[str, Any], bounds: tuple[Any, Any], reports: Any, months: Any
) -> tuple[Market, Any]:
    """Run months ``bounds[0]`` to ``bounds[1] - 1`` of a chunk of runs in one loop, to be compiled by the caller.

    `months` is a function from `months_of_runs`; reports are written to the rows of these months in `reports` (months,
    runs, ...).
    """
    return loop_between(lambda market, events: months(market, inputs, events), markets, timeline, bounds, reports)


@jax.tree_util.register_pytree_node_class
class Row(Mapping[str, Any]):
    """Numbers by name that a program returns as one array (..., names): returning a hundred arrays takes milliseconds."""

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


CACHED_PROGRAMS = 8
"""Program keys whose programs stay in a process. Each maps some 2,500 memory regions, and Linux allows 65,530 per process."""


@functools.lru_cache(CACHED_PROGRAMS)
def compiled_month(key: ProgramKey) -> Callable[..., Any]:
    """The compiled `market.month`; its observables are a `Row`."""
    equations = key.equations

    def month_of_run(market: Market, p: Values, events: Any, draws: Any) -> tuple[Market, Month]:
        market, report = month(market, p, events, draws, equations)
        return market, report._replace(observables=Row.of(report.observables))

    return jax.jit(month_of_run, compiler_options=compiler_options())


@functools.lru_cache(CACHED_PROGRAMS)
def compiled_start(key: ProgramKey) -> Callable[..., Market]:
    """The compiled `start.first_market`."""

    def start(p: Any, seed: Any, networks: Networks, segments: dict[str, Any]) -> Market:
        return first_market(Values(p), seed, key.populations, networks, key.cast, segments)

    return jax.jit(start, compiler_options=compiler_options())


ROWS = 60
"""Timelines of programs have a multiple of this many rows, so that shorter runs share a program."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """The compiled parts of an ensemble: the first markets, and the loop over a range of months."""

    start: Callable[..., Market]
    months: Callable[..., Any]
    report: Callable[..., Month]
    """Shapes and types of a month's report, for markets, inputs and events of the month."""

    @staticmethod
    @functools.lru_cache(CACHED_PROGRAMS)
    def of(key: ProgramKey, precision: int, own_timelines: bool = False) -> Program:
        """The program of a key; `precision` only separates the cache entries of 32 and 64 bits."""
        month = months_of_runs(key.equations, own_timelines)

        def months(markets: Any, inputs: Any, timeline: Any, bounds: Any, reports: Any) -> Any:
            return play_months(markets, inputs, timeline, bounds, reports, month)

        options = compiler_options()
        start = jax.jit(functools.partial(start_runs, populations=key.populations), compiler_options=options)
        traces = Traces(f"{source_hash()} {key.key} {own_timelines} {sorted(options)}" if key.is_plain else "")
        return Program(
            start,
            traces.compiled(months, lambda markets, *more: (markets, more[-1]), options),
            traces.shapes(lambda *arguments: month(*arguments)[1], REPORT),
        )

    def blank(self, markets: Market, inputs: Any, timeline: dict[str, Any], months: int = 0) -> Month:
        """Empty reports for `advance` to fill, of the months of the timeline or of more (`months`)."""
        events = {name: np.asarray(rows[0]) for name, rows in timeline.items()}
        report = self.report(markets, inputs, events)
        rows = _rows(max(months, len(timeline["programme_amount"])))
        # On an accelerator, create them on the device; on a CPU JAX would compile a program for each of them.
        zeros: Any = jnp.zeros if on_accelerator() else np.zeros
        return jax.tree.map(lambda x: zeros((rows, *x.shape), x.dtype), report)

    def advance(self, inputs: Any, timeline: dict[str, Any], state: Any, stop: int) -> Any:
        """Advance a state (month, markets, reports) to month `stop`; timeline (months, ...) or (months, runs, ...)."""
        month, markets, reports = state
        if stop <= month:
            return state

        length = len(jax.tree.leaves(reports)[0])

        def filled(x: Any) -> Any:
            return np.concatenate([x, np.repeat(x[-1:], length - len(x), 0)])

        rows = {name: filled(np.asarray(x)) for name, x in timeline.items()}
        markets, reports = self.months(markets, inputs, rows, (month, stop), reports)
        return stop, markets, reports


def _rows(months: int) -> int:
    """Number of rows of a timeline of `months`: the next multiple of `ROWS`."""
    return -(-months // ROWS) * ROWS
