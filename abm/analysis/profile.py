"""Profiling: time of each phase of a month, and of tracing and compiling the month."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import RUNS, Draws, compiler_options, floats_of, seed_words
from abm.engine.devices import CHUNK
from abm.market.month import PHASES
from abm.market.observables import observe, record_products
from abm.market.state import Equations, Events, Market, Now, Values
from abm.runs.programs import BY_RUN, Program, months_of_runs
from abm.runs.setup import Setup
from abm.runs.simulate import PreparedSetting, Setting

if TYPE_CHECKING:
    import pandas as pd


class Profile(NamedTuple):
    """Result of `profile`."""

    phases: pd.DataFrame
    """Index: phases, then the whole month. Columns: ms (minimum over the repeats, for one month of all runs together),
    median_ms, us_per_run, share (of the sum of the phases)."""
    compiling: dict[str, float]
    """Seconds for tracing and compiling; compiling may use the cache of compiled programs."""
    runs: int
    month: int


def profile(
    runs: int = CHUNK,
    month: int = 24,
    repeats: int = 20,
    *,
    progress: Callable[[int, int, float], None] | None = None,
    **options: Any,
) -> Profile:
    """Time each phase of a month of a default run, compiled separately, and the month as a whole.

    Parameters
    ----------
    runs
        Number of runs computed together.
    month
        Month to time; 0 is January 2023. Earlier months are simulated first.
    repeats
        Timed calls of each phase; the minimum is the cost of the program, the median what to expect on this machine.
    progress
        Called as ``progress(done, total, seconds)`` after each measurement.
    **options
        Sizes and classes of populations, `pricing`, as in `abm.simulate`.

    Phases compiled together share work, so the sum of the phases may exceed the whole month.
    """
    import pandas as pd

    if runs < 1 or repeats < 1 or month < 0:
        raise ValueError(f"runs = {runs}, repeats = {repeats}, month = {month}: must be at least 1, 1 and 0")
    with floats_of(64):
        setup, inputs, events, markets = eve_of(month, runs, **options)
        equations = setup.equations
        rows: dict[str, tuple[float, float]] = {}
        began, steps = time.perf_counter(), len(PHASES) + 2

        def report_progress() -> None:
            if progress:
                progress(len(rows), steps, time.perf_counter() - began)

        before = markets
        for name, phase in PHASES.items():
            changed, put = _changes(phase, equations, markets)
            program = _compiled(changed, markets, inputs, events)
            rows[name] = _times(program, markets, inputs, events, repeats)
            markets = put(program(markets, inputs, events))  # the next phase starts from this result
            report_progress()
        observing = _compiled(of_runs(_report, equations), markets, inputs, events)
        rows["observing"] = _times(observing, markets, inputs, events, repeats)
        report_progress()
        compiling: dict[str, float] = {}
        whole = _compiled(months_of_runs(equations), before, inputs, events, compiling)
        rows["whole month"] = _times(whole, before, inputs, events, repeats)
        report_progress()
    table = pd.DataFrame(rows, index=["ms", "median_ms"]).T
    table["us_per_run"] = 1e3 * table["ms"] / runs
    table["share"] = table["ms"] / table["ms"].drop("whole month").sum()
    return Profile(table, compiling, runs, month)


def _report(market: Market, now: Now) -> Any:
    return observe(market, market, now), record_products(market)


def of_runs(phase: Callable[[Market, Now], Any], equations: Equations) -> Callable[..., Any]:
    """Map a phase over the runs of a chunk: (markets, (parameters, seeds), events of the month) -> result of the phase."""

    def of_run(market: Market, inputs: Any, events: dict[str, Any]) -> Any:
        values, seed = inputs
        return phase(market, Now(Values(values), Events(events), Draws.from_seed(seed).at(market.month), equations))

    return jax.vmap(of_run, in_axes=(BY_RUN, 0, None), axis_name=RUNS)


def _changes(phase: Callable[[Market, Now], Market], equations: Equations, markets: Market) -> tuple[Any, Any]:
    """Return a function that computes only the arrays a phase changes, and a function that puts them back.

    A whole month writes no other arrays either.
    """
    indices: list[int] = []

    def changed(market: Market, now: Now) -> list[Any]:
        pairs = list(zip(jax.tree.leaves(market), jax.tree.leaves(phase(market, now)), strict=True))
        indices[:] = [index for index, (old, new) in enumerate(pairs) if old is not new]
        return [pairs[index][1] for index in indices]

    def put(leaves: list[Any]) -> Market:
        whole, tree = jax.tree.flatten(markets)
        for index, leaf in zip(indices, leaves, strict=True):
            whole[index] = leaf
        return jax.tree.unflatten(tree, whole)

    return of_runs(changed, equations), put


class Eve(NamedTuple):
    """State of a chunk of default runs at the start of a month."""

    setup: Setup
    inputs: Any
    """Parameters (runs, ...) by name, and seeds as words (runs, 2)."""
    events: dict[str, Any]
    markets: Market


def eve_of(month: int, runs: int = CHUNK, **options: Any) -> Eve:
    """Simulate runs of seeds 0, 1, ... up to the start of a month; options as in `profile`."""
    prepared = PreparedSetting.of(Setting(), list(range(runs)), month + 1, options)
    setup, timeline = prepared.setup, prepared.setup.timeline
    values = {name: jnp.asarray(rows) for name, rows in prepared.values.items()}
    inputs = values, jnp.asarray(np.stack([seed_words(seed) for seed in range(runs)]))
    program = Program.of(setup.program_key, 64)
    markets = program.start(*inputs, setup.networks, setup.segments)
    state = 0, markets, program.blank(markets, inputs, timeline)
    events = {name: jnp.asarray(rows[month]) for name, rows in timeline.items()}
    return Eve(setup, inputs, events, program.advance(inputs, timeline, state, month)[1])


def _compiled(
    function: Any, markets: Market, inputs: Any, events: Any, seconds: dict[str, float] | None = None
) -> Callable[..., Any]:
    began = time.perf_counter()
    lowered = jax.jit(function, compiler_options=compiler_options()).lower(markets, inputs, events)
    traced = time.perf_counter()
    compiled = lowered.compile()
    if seconds is not None:
        seconds |= {"tracing": traced - began, "compiling": time.perf_counter() - traced}
    return compiled


def _times(program: Callable[..., Any], markets: Market, inputs: Any, events: Any, repeats: int) -> tuple[float, float]:
    """Minimum and median time of a call, in ms."""
    jax.block_until_ready(program(markets, inputs, events))
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(program(markets, inputs, events))
        seconds.append(time.perf_counter() - began)
    return 1e3 * min(seconds), 1e3 * statistics.median(seconds)
