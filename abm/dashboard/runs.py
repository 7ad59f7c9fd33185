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
from abm.programs import Program
from abm.results import Comparison, Ensemble, compare
from abm.simulation import Member, Setting, kept_of

KEPT_BASELINES, KEPT_RESULTS = 2, 6
MOST = 60_000
"""Runs times months that the page plays at most: a thousand runs of five years, which take a minute or two."""

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
    """First run of the chunk -> state as `Program.play` takes it."""


class Runs:
    """What one server has played. Sessions share it: results are read only, and one set of runs is played at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._in_hand: tuple[Any, tuple[Any, ...]] | None = None
        """The baseline that is being played, by its key, and what `Progress` was told last."""
        self._others_wait = False
        self._baselines: OrderedDict[tuple[int, int, int], Baseline] = OrderedDict()
        self._results: OrderedDict[str, Comparison] = OrderedDict()

    def known(self, asked: Counterfactual) -> Comparison | None:
        """The result, where it is at hand."""
        return _recall(self._results, _key(asked))

    def run(self, asked: Counterfactual, progress: Progress, waiting: Callable[[], None] = lambda: None) -> Comparison:
        """The changed world less the baseline.

        While another session's runs are played, `waiting` is called, or `progress` where they are this baseline.
        """
        settings = asked.settings()  # what is wrong shows here
        if asked.seeds * asked.months > MOST:
            raise CounterfactualError(
                [("seeds", f"the page plays at most {MOST:,} months in all: abm compare plays more")]
            )
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
        member = Member.of(setting, list(range(asked.seeds)), asked.months, {})

        def run(rows: Any) -> Any:
            numbers, words, values = rows
            state = baseline.states[int(numbers[0])] if asked.month else _start(member, values, words)
            return _program(member).play((values, words), member.setup.timeline, state, asked.months)[2]

        return played(run, member, asked.seeds, functools.partial(progress, "changed world"))


def play_baseline(runs: int, months: int, month: int, progress: Progress) -> Baseline:
    """Runs of the baseline on seeds 0, 1, ..., with the states in which a changed world leaves it in `month`."""
    member = Member.of(Setting(), list(range(runs)), months, {})
    setup, states = member.setup, {}

    def run(rows: Any) -> Any:
        numbers, words, values = rows
        program, setting = _program(member), (values, words)
        state = _start(member, values, words)
        states[int(numbers[0])] = state = program.play(setting, setup.timeline, state, month)
        return program.play(setting, setup.timeline, state, months)[2]

    return Baseline(played(run, member, runs, functools.partial(progress, "baseline")), states)


def played(
    run: Callable[[Any], Any], member: Member, runs: int, progress: Callable[[int, int, Callable[[], Ensemble]], None]
) -> Ensemble:
    """An ensemble, chunk by chunk, each shown as soon as it is there; `run` takes (numbers, seeds, parameters) of one."""
    seeds = list(range(runs))
    there: list[tuple[Any, Any]] = []

    def numbered(rows: Any) -> Any:
        return rows[0], run(rows)

    def keep(out: Any) -> Any:
        numbers, report = out
        kept = kept_of(jax.tree.map(np.asarray, report), member.setup.months, (), False)
        there.append((np.asarray(numbers), kept))
        return kept

    def report_progress(done: int, total: int, _seconds: float) -> None:
        def so_far() -> Ensemble:
            numbers, parts = zip(*there, strict=True)  # in the order in which chunks came; the last one is filled up
            own, first = np.unique(np.concatenate(numbers), return_index=True)
            out = jax.tree.map(lambda *leaves: np.concatenate(leaves)[first], *parts)
            return Ensemble(member.setup, [int(number) for number in own], out, ())

        progress(done, total, so_far)

    with floats_of(64):
        words = jnp.asarray(np.stack([seed_words(seed) for seed in seeds]))
        inputs = jnp.arange(runs), words, member.values
        out = run_many(numbered, inputs, chunk=CHUNK, pad=True, keep=keep, progress=report_progress)
    return Ensemble(member.setup, seeds, out, ())


def _start(member: Member, values: Any, words: Any) -> Any:
    """The state of runs before their first month, as `Program.play` takes it."""
    program, setup = _program(member), member.setup
    markets = program.start(values, words, setup.networks)
    return 0, markets, program.blank(markets, (values, words), setup.timeline)


def _program(member: Member) -> Program:
    return Program.of(member.setup.shape, 64)


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
