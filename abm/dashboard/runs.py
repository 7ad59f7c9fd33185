"""Paired runs in the background: the baseline is stored, with its state in the month in which the changed world branches off.

The numbers are those of `Counterfactual.run`, which runs both worlds; here a moved lever only runs the changed months.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.engine import floats_of, run_many, seed_words
from abm.engine.devices import CHUNK
from abm.runs.programs import ROWS, Program
from abm.runs.results import Comparison, Ensemble, compare
from abm.runs.simulate import PreparedSetting, Setting, kept_of

KEPT_BASELINES, KEPT_RESULTS = 2, 6
"""Largest numbers of stored baselines and of stored results."""
MOST = 60_000
"""Largest number of runs times months on the page: a thousand runs of five years, which take a minute or two."""
BUDGET = 1e9
"""Most bytes of the runs of one page while they are running, and of everything stored for all pages together."""
STATE, KEPT = 800e3, 2 * 8 * 145
"""Bytes of the branching state of one baseline run, and of the record of one month of a run in both worlds."""

Progress = Callable[[str, int, int, Callable[[], "Ensemble"]], None]
"""Called with the name of the world, its finished and total runs, and a function that returns the ensemble of the finished
runs; an exception raised by it stops the runs."""


class Superseded(Exception):
    """The runs are no longer needed."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """The runs of the baseline, and the state of each chunk of them at the start of the month of branching."""

    ensemble: Ensemble
    states: dict[int, Any]
    """Number of the first run of a chunk -> the markets of the chunk."""

    @property
    def nbytes(self) -> float:
        return _bytes(self.states) + _bytes(self.ensemble.out)


class Runs:
    """The runs of one server, shared by all sessions: results are read-only, and one set of runs is computed at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._current: tuple[Any, tuple[Any, ...]] | None = None
        """The key of the baseline that is running, and the latest arguments of its `Progress`."""
        self._others_wait = False
        self._baselines: OrderedDict[tuple[int, int, int], Baseline] = OrderedDict()
        self._results: OrderedDict[str, Comparison] = OrderedDict()

    @property
    def nbytes(self) -> float:
        """Bytes of everything stored: baselines with their states, and changed worlds."""
        return sum(baseline.nbytes for baseline in self._baselines.values()) + sum(
            _bytes(comparison.a.out) for comparison in self._results.values()
        )

    def known(self, counterfactual: Counterfactual) -> Comparison | None:
        """The stored result, or None."""
        return _recall(self._results, _key(counterfactual))

    def run(
        self, counterfactual: Counterfactual, progress: Progress, waiting: Callable[[], None] = lambda: None
    ) -> Comparison:
        """Run the changed world and compare it with the baseline.

        While runs of another session are computed, `waiting` is called, or `progress` if they are the same baseline.
        Raises CounterfactualError if the counterfactual is invalid or too large; and whatever `progress` and `waiting` raise.
        """
        settings = counterfactual.settings()  # raises CounterfactualError
        if problem := too_much(counterfactual):
            raise CounterfactualError([("seeds", problem)])
        key = counterfactual.seeds, counterfactual.months, counterfactual.month
        while not self._turn.acquire(timeout=0.2):
            current = self._current
            if current is None or current[0] != key:
                self._others_wait = True
                waiting()
            elif current[1]:
                progress(*current[1])
        try:
            result = _recall(self._results, _key(counterfactual))
            if result is None:
                baseline = self._baseline(*key, progress)
                result = compare(self._changed(counterfactual, settings[1], baseline, progress), baseline.ensemble)
                _store(self._results, _key(counterfactual), result, KEPT_RESULTS)
                while self.nbytes > BUDGET and len(self._results) > 1:
                    self._results.popitem(last=False)
                while self.nbytes > BUDGET and len(self._baselines) > 1:
                    self._baselines.popitem(last=False)
            return result
        finally:
            self._turn.release()

    def prepare(self, counterfactual: Counterfactual) -> None:
        """Run the baseline before it is needed; stops as soon as a session waits for a different one."""

        def stop_if_others_wait(*_: Any) -> None:
            if self._others_wait:
                raise Superseded

        with self._turn, contextlib.suppress(Superseded):
            self._others_wait = False
            self._baseline(counterfactual.seeds, counterfactual.months, counterfactual.month, stop_if_others_wait)

    def _baseline(self, seeds: int, months: int, month: int, progress: Progress) -> Baseline:
        """The stored baseline, which is run first if necessary."""
        key = seeds, months, month

        def report_progress(*arguments: Any) -> None:
            self._current = key, arguments
            progress(*arguments)

        if key not in self._baselines:
            self._current = key, ()
            try:
                _store(self._baselines, key, run_baseline(*key, report_progress), KEPT_BASELINES)
            finally:
                self._current = None
        return _recall(self._baselines, key)

    def _changed(
        self, counterfactual: Counterfactual, setting: Setting, baseline: Baseline, progress: Progress
    ) -> Ensemble:
        """Run the changed world; months before the change are those of the baseline."""
        seeds, month, months = counterfactual.seeds, counterfactual.month, counterfactual.months
        prepared = PreparedSetting.of(setting, list(range(seeds)), months, {})

        def run(rows: Any) -> Any:
            numbers, words, values = rows
            before = [_part(baseline.ensemble.out, np.asarray(numbers), month / months)]
            markets = baseline.states[int(numbers[0])] if month else _start(prepared, values, words)
            return _joined(before + _months(prepared, markets, (values, words), month, months)[1])

        return run_in_chunks(run, prepared, seeds, functools.partial(progress, "changed world"))


def run_baseline(runs: int, months: int, month: int, progress: Progress) -> Baseline:
    """Run the baseline on seeds 0, 1, ..., and store the states from which a changed world branches off in `month`."""
    prepared = PreparedSetting.of(Setting(), list(range(runs)), months, {})
    states: dict[int, Any] = {}

    def run(rows: Any) -> Any:
        numbers, words, values = rows
        markets, before = _months(prepared, _start(prepared, values, words), (values, words), 0, month)
        states[int(numbers[0])] = markets
        return _joined(before + _months(prepared, markets, (values, words), month, months)[1])

    return Baseline(run_in_chunks(run, prepared, runs, functools.partial(progress, "baseline")), states)


def run_in_chunks(
    run: Callable[[Any], Any],
    prepared: PreparedSetting,
    runs: int,
    progress: Callable[[int, int, Callable[[], Ensemble]], None],
) -> Ensemble:
    """Run an ensemble chunk by chunk, reporting each one; `run` takes (numbers, seeds, parameters) of a chunk."""
    seeds = list(range(runs))
    finished: list[tuple[Any, Any]] = []

    def numbered(rows: Any) -> Any:
        return rows[0], run(rows)

    def keep(out: Any) -> Any:
        finished.append((np.asarray(out[0]), out[1]))
        return out[1]

    def report_progress(done: int, total: int, _seconds: float) -> None:
        def so_far() -> Ensemble:
            numbers, parts = zip(*finished, strict=True)  # in order of completion; the last chunk is padded
            unique, first = np.unique(np.concatenate(numbers), return_index=True)
            out = jax.tree.map(lambda *leaves: np.concatenate(leaves)[first], *parts)
            return Ensemble(prepared.setup, [int(number) for number in unique], out, ())

        progress(done, total, so_far)

    with floats_of(64):
        words = jnp.asarray(np.stack([seed_words(seed) for seed in seeds]))
        inputs = jnp.arange(runs), words, prepared.values
        out = run_many(numbered, inputs, chunk=CHUNK, pad=True, keep=keep, progress=report_progress)
    return Ensemble(prepared.setup, seeds, out, ())


def _start(prepared: PreparedSetting, values: Any, words: Any) -> Any:
    """The markets of runs before their first month."""
    return _program(prepared).start(values, words, prepared.setup.networks, prepared.setup.segments)


def _months(
    prepared: PreparedSetting, markets: Any, inputs: Any, first: int, stop: int
) -> tuple[Any, list[dict[str, Any]]]:
    """Run months `first` to `stop` - 1 of a chunk; returns its markets at `stop`, and the record of these months in parts.

    The program runs a fixed number of months at a time (`ROWS`), so runs of any length need no new compilation, and only
    the record of a few months is in memory.
    """
    program, parts = _program(prepared), []
    while first < stop:
        begin = first - first % ROWS
        window = {name: rows[begin : begin + ROWS] for name, rows in prepared.setup.timeline.items()}
        end = min(stop, begin + ROWS)
        state = first - begin, markets, program.blank(markets, inputs, window)
        _, markets, report = program.advance(inputs, window, state, end - begin)
        report = jax.tree.map(functools.partial(_rows, first - begin, end - begin), report)
        parts.append(kept_of(report, end - first, (), False))
        first = end
    return markets, parts


def _rows(first: int, stop: int, array: Any) -> np.ndarray:
    return np.asarray(array)[first:stop]


def _part(out: dict[str, Any], numbers: np.ndarray, share: float) -> dict[str, Any]:
    """The first `share` of months (or days) of some runs of an ensemble's record."""
    return jax.tree.map(lambda x: x[numbers, : round(share * x.shape[1])], out)


def _joined(parts: list[dict[str, Any]]) -> Any:
    """Concatenate parts of a record along months (or days), the second axis."""
    return jax.tree.map(lambda *several: np.concatenate(several, axis=1), *parts)


def too_much(counterfactual: Counterfactual) -> str:
    """Why the page cannot run a counterfactual, and what to change; empty if it can."""
    runs, months = counterfactual.seeds, counterfactual.months
    if runs * months > MOST:
        return f"seeds x months = {runs * months:,}: the page runs up to {MOST:,}; use abm compare for more"
    if (needed := bytes_of(runs, months)) <= BUDGET:
        return ""
    seeds = max(n for n in range(runs) if bytes_of(n, months) <= BUDGET)
    return (
        f"{runs:,} seeds of {months:,} months need about {needed / 1e6:,.0f} MB, but a page may use only"
        f" {BUDGET / 1e6:,.0f} MB: lower seeds to {seeds:,}; use abm compare for more"
    )


def bytes_of(seeds: int, months: int) -> float:
    """Approximate memory of paired runs on the page, bytes."""
    return float(seeds * (STATE + KEPT * months))


def _bytes(tree: Any) -> float:
    return float(sum(leaf.nbytes for leaf in jax.tree.leaves(tree)))


def _program(prepared: PreparedSetting) -> Program:
    return Program.of(prepared.setup.program_key, 64)


def _key(counterfactual: Counterfactual) -> str:
    return counterfactual.to_toml()


def _recall(store: OrderedDict[Any, Any], key: Any) -> Any:
    """The value stored under a key, or None; a value read becomes the last to be dropped."""
    if key in store:
        store.move_to_end(key)
    return store.get(key)


def _store(store: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Store a value, and drop the least recently used ones beyond `most`."""
    store[key] = value
    while len(store) > most:
        store.popitem(last=False)


RUNS = Runs()
"""The runs of this server."""
