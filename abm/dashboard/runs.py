"""Paired runs in the background: the baseline is kept, with its state where the changed world leaves it.

Numbers are those of `Counterfactual.run`, which plays both worlds; here a moved lever plays the changed months alone.
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
MOST = 60_000
"""Runs times months that the page plays at most: a thousand runs of five years, which take a minute or two."""
BUDGET = 800e6
"""Bytes that the runs of one page may take while they are played; what is kept for all pages together takes no more."""
STATE, KEPT = 600e3, 2 * 8 * 120
"""Bytes: the state in which a run of the baseline is left, and what is kept of a month of a run, of both worlds."""

Progress = Callable[[str, int, int, Callable[[], "Ensemble"]], None]
"""Called with the world that is played, its runs done and in all, and what gives the ensemble of those; what it raises
ends the runs."""


class Superseded(Exception):
    """Nobody waits for these runs any more."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """The baseline's runs, and the state of each chunk of them at the end of the months before `month`."""

    ensemble: Ensemble
    states: dict[int, Any]
    """First run of the chunk -> its markets."""

    @property
    def nbytes(self) -> float:
        return _bytes(self.states) + _bytes(self.ensemble.out)


class Runs:
    """What one server has played. Sessions share it: results are read only, and one set of runs is played at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._in_hand: tuple[Any, tuple[Any, ...]] | None = None
        """The baseline that is being played, by its key, and what `Progress` was told last."""
        self._others_wait = False
        self._baselines: OrderedDict[tuple[int, int, int], Baseline] = OrderedDict()
        self._results: OrderedDict[str, Comparison] = OrderedDict()

    @property
    def nbytes(self) -> float:
        """Bytes of what is kept: baselines with their states, and changed worlds."""
        return sum(one.nbytes for one in self._baselines.values()) + sum(
            _bytes(one.a.out) for one in self._results.values()
        )

    def known(self, asked: Counterfactual) -> Comparison | None:
        """The result, where it is at hand."""
        return _recall(self._results, _key(asked))

    def run(self, asked: Counterfactual, progress: Progress, waiting: Callable[[], None] = lambda: None) -> Comparison:
        """The changed world less the baseline.

        While another session's runs are played, `waiting` is called, or `progress` where they are this baseline.
        """
        settings = asked.settings()  # what is wrong shows here
        if what := too_much(asked):
            raise CounterfactualError([("seeds", what)])
        key = asked.seeds, asked.months, asked.month
        while not self._turn.acquire(timeout=0.2):
            in_hand = self._in_hand
            if in_hand is None or in_hand[0] != key:
                self._others_wait = True
                waiting()
            elif in_hand[1]:
                progress(*in_hand[1])
        try:
            found = _recall(self._results, _key(asked))
            if found is None:
                baseline = self._baseline(*key, progress)
                found = compare(self._changed(asked, settings[1], baseline, progress), baseline.ensemble)
                _keep(self._results, _key(asked), found, KEPT_RESULTS)
                while self.nbytes > BUDGET and len(self._results) > 1:
                    self._results.popitem(last=False)
                while self.nbytes > BUDGET and len(self._baselines) > 1:
                    self._baselines.popitem(last=False)
            return found
        finally:
            self._turn.release()

    def prepare(self, asked: Counterfactual) -> None:
        """Play the baseline alone, before anybody asks for it; given up as soon as somebody waits for another one."""

        def go_on(*_: Any) -> None:
            if self._others_wait:
                raise Superseded

        with self._turn, contextlib.suppress(Superseded):
            self._others_wait = False
            self._baseline(asked.seeds, asked.months, asked.month, go_on)

    def _baseline(self, seeds: int, months: int, month: int, progress: Progress) -> Baseline:
        key = seeds, months, month

        def report_progress(*what: Any) -> None:
            self._in_hand = key, what
            progress(*what)

        if key not in self._baselines:
            self._in_hand = key, ()
            try:
                _keep(self._baselines, key, play_baseline(*key, report_progress), KEPT_BASELINES)
            finally:
                self._in_hand = None
        return _recall(self._baselines, key)

    def _changed(self, asked: Counterfactual, setting: Setting, baseline: Baseline, progress: Progress) -> Ensemble:
        prepared = PreparedSetting.of(setting, list(range(asked.seeds)), asked.months, {})

        def run(rows: Any) -> Any:
            numbers, words, values = rows
            before = [_part(baseline.ensemble.out, np.asarray(numbers), asked.month / asked.months)]
            markets = baseline.states[int(numbers[0])] if asked.month else _start(prepared, values, words)
            return _joined(before + _months(prepared, markets, (values, words), asked.month, asked.months)[1])

        return played(run, prepared, asked.seeds, functools.partial(progress, "changed world"))


def play_baseline(runs: int, months: int, month: int, progress: Progress) -> Baseline:
    """Runs of the baseline on seeds 0, 1, ..., with the states in which a changed world leaves it in `month`."""
    prepared = PreparedSetting.of(Setting(), list(range(runs)), months, {})
    states: dict[int, Any] = {}

    def run(rows: Any) -> Any:
        numbers, words, values = rows
        markets, before = _months(prepared, _start(prepared, values, words), (values, words), 0, month)
        states[int(numbers[0])] = markets
        return _joined(before + _months(prepared, markets, (values, words), month, months)[1])

    return Baseline(played(run, prepared, runs, functools.partial(progress, "baseline")), states)


def played(
    run: Callable[[Any], Any],
    prepared: PreparedSetting,
    runs: int,
    progress: Callable[[int, int, Callable[[], Ensemble]], None],
) -> Ensemble:
    """An ensemble, chunk by chunk, each shown as soon as it is there; `run` takes (numbers, seeds, parameters) of one."""
    seeds = list(range(runs))
    there: list[tuple[Any, Any]] = []

    def numbered(rows: Any) -> Any:
        return rows[0], run(rows)

    def keep(out: Any) -> Any:
        there.append((np.asarray(out[0]), out[1]))
        return out[1]

    def report_progress(done: int, total: int, _seconds: float) -> None:
        def so_far() -> Ensemble:
            numbers, parts = zip(*there, strict=True)  # in the order in which chunks came; the last one is filled up
            own, first = np.unique(np.concatenate(numbers), return_index=True)
            out = jax.tree.map(lambda *leaves: np.concatenate(leaves)[first], *parts)
            return Ensemble(prepared.setup, [int(number) for number in own], out, ())

        progress(done, total, so_far)

    with floats_of(64):
        words = jnp.asarray(np.stack([seed_words(seed) for seed in seeds]))
        inputs = jnp.arange(runs), words, prepared.values
        out = run_many(numbered, inputs, chunk=CHUNK, pad=True, keep=keep, progress=report_progress)
    return Ensemble(prepared.setup, seeds, out, ())


def _start(prepared: PreparedSetting, values: Any, words: Any) -> Any:
    """The markets of runs before their first month."""
    return _program(prepared).start(values, words, prepared.setup.networks)


def _months(
    prepared: PreparedSetting, markets: Any, inputs: Any, first: int, stop: int
) -> tuple[Any, list[dict[str, Any]]]:
    """The markets of a chunk at `stop`, and what is kept of the months before, in parts.

    Months are played as many at a time as the program has rows: however long runs are, none is compiled for them, and
    the record of a few months is all that is in memory.
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
    """Of what is kept of an ensemble, these runs' first share of months (or days)."""
    return jax.tree.map(lambda x: x[numbers, : round(share * x.shape[1])], out)


def _joined(parts: list[dict[str, Any]]) -> Any:
    """Parts one after the other, months (or days) being the second axis."""
    return jax.tree.map(lambda *several: np.concatenate(several, axis=1), *parts)


def too_much(asked: Counterfactual) -> str:
    """Why the page does not play these runs, and what would do; empty where it does."""
    if asked.seeds * asked.months > MOST:
        return f"seeds x months = {asked.seeds * asked.months:,}: the page plays up to {MOST:,}; abm compare plays more"
    if (needed := bytes_of(asked.seeds, asked.months)) <= BUDGET:
        return ""
    seeds = max(n for n in range(asked.seeds) if bytes_of(n, asked.months) <= BUDGET)
    return (
        f"{asked.seeds:,} seeds of {asked.months:,} months take about {needed / 1e6:,.0f} MB, and a page may take"
        f" {BUDGET / 1e6:,.0f} MB: lower seeds to {seeds:,}; abm compare plays more"
    )


def bytes_of(seeds: int, months: int) -> float:
    """Bytes that so many paired runs take on the page, about."""
    return float(seeds * (STATE + KEPT * months))


def _bytes(tree: Any) -> float:
    return float(sum(leaf.nbytes for leaf in jax.tree.leaves(tree)))


def _program(prepared: PreparedSetting) -> Program:
    return Program.of(prepared.setup.program_key, 64)


def _key(asked: Counterfactual) -> str:
    return asked.to_toml()


def _recall(store: OrderedDict[Any, Any], key: Any) -> Any:
    """What is kept under a key, which then is the last to go; None where there is nothing."""
    if key in store:
        store.move_to_end(key)
    return store.get(key)


def _keep(store: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    store[key] = value
    while len(store) > most:
        store.popitem(last=False)


RUNS = Runs()
"""The server's."""
