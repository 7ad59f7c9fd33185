"""Run the market: once, and many times in chunks that are compiled together."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import floats_of, run_many, runs_together, seed_words
from abm.market.month import Month
from abm.parameters import Parameters
from abm.runs.guards import check_finite, check_run, warn_of_prices
from abm.runs.months import months_of
from abm.runs.policy import inert, overridden, warn
from abm.runs.programs import Program
from abm.runs.results import Ensemble, Result
from abm.runs.setup import LONGEST, Setup, whole_seed, yes_or_no
from abm.scenarios.scenario import Scenario
from abm.support.inputs import plain, whole
from abm.support.messages import shortened

DAILY = (23, 24, 25)
"""Months whose daily returns an ensemble keeps by default, those of them that it reaches: January 2025 and its neighbours."""
NEEDED = 3
"""Memory of a run while it is computed, in sizes of its state: at the start, at the end, and between."""
REPORTED = 700
"""Numbers that a month of a run reports, about."""


def simulate(
    parameters: Parameters | Mapping[str, Any] | None = None,
    scenario: str | Scenario = "baseline",
    seed: int = 1,
    *,
    months: int = 60,
    compiled: bool = True,
    **options: Any,
) -> Result:
    """One run.

    Parameters
    ----------
    parameters
        `Parameters` or a table of values; defaults are the fitted ones. They hold from January 2023 on.
    scenario
        Name of a built-in scenario, path of a TOML file, or a `Scenario`. Its own parameters yield to those given here; its
        dated events act on whatever is given, from their date on. Where an event sets a policy lever that was given to
        another value, a warning tells so: `result.policy()` has all that acts.
    seed
        Same parameters, scenario and seed give the same numbers, alone or inside an ensemble.
    compiled
        False calls every rule agent by agent in Python (slow; for breakpoints and rules with Python branches).
    **options
        Sizes and classes of populations (`adopters=50`, `classes=...`), networks, `pricing`,
        `price_form`: see `Populations`, `Equations`.

    Returns
    -------
    Result
        ``.frame()`` is one row a month, ``.returns`` daily log returns, ``.network(month)`` the multilayer network.
    """
    seed, compiled = whole_seed(seed), yes_or_no("compiled", compiled)
    setup = Setup.of(parameters, scenario, months, **options)
    warn(overridden(setup.scenario, setup.given, setup.months))
    rules = setup.program_key.rules
    markets = months_of(setup, seed, compiled=compiled)
    next(markets)
    reports = [report for _, report in markets]
    report = jax.tree.map(lambda *rows: np.stack([np.asarray(r) for r in rows]), *reports)
    report = report._replace(observables=dict(report.observables))
    check_run(report, setup, seed)
    return Result(setup, seed, report, compiled, rules)


def ensemble(
    parameters: Parameters | Mapping[str, Any] | Iterable[Parameters] | None = None,
    scenario: str | Scenario = "baseline",
    seeds: Iterable[int] = range(100),
    **options: Any,
) -> Ensemble:
    """Many runs of one setting on different seeds (or of one parameter set per seed), compiled together.

    Parameters
    ----------
    parameters
        As in `simulate`; or one `Parameters` (or table of values) per seed, in a list, an array or a generator.
    seeds
        Whole numbers. Run i of two ensembles with the same seeds sees the same draws: compare them with `compare`.
    **options
        As in `ensembles`.
    """
    return ensembles([Setting(parameters, scenario)], seeds, **options)[0]


class Setting(NamedTuple):
    """One setting of `ensembles`: parameters and scenario as `ensemble` takes them.

    `months` overrides the months of the others. With `branch_at` the months before that one are those of the first
    setting, whatever this one's parameters and scenario say: a counterfactual that shares its history.
    """

    parameters: Parameters | Mapping[str, Any] | Iterable[Parameters] | None = None
    scenario: str | Scenario = "baseline"
    months: int | None = None
    branch_at: int = 0


def ensembles(
    settings: Iterable[Setting | tuple[Any, ...]],
    seeds: Iterable[int] = range(100),
    *,
    months: int = 60,
    precision: int = 64,
    daily: Iterable[int] | None = DAILY,
    products: bool = False,
    chunk: int | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    **options: Any,
) -> list[Ensemble]:
    """Ensembles of several settings on the same seeds, e.g. a baseline and its counterfactuals.

    A setting with the parameters of the first one does not play again the months before their scenarios part.

    Parameters
    ----------
    settings
        Each a `Setting`, or a tuple (parameters, scenario, ...).
    precision
        64 (default) or 32 bits: 32 is faster and meant for large sweeps.
    daily
        Months whose daily returns are kept (None: all); of a setting with fewer months those that it has.
    products
        Keep price, capability and releases of every product and month.
    chunk
        Runs that are computed together. By default ten on a processor; on an accelerator up to ten thousand, by the
        number of seeds and the memory there is (`abm.engine.runs_together`). Other sizes may round otherwise in the last
        digit.
    progress
        Called as ``progress(done, total, seconds)``, counting seeds.
    **options
        Sizes, classes and networks of populations, `pricing`, `price_form`.
    """
    if isinstance(settings, Setting | str | Mapping) or not isinstance(settings, Iterable):
        raise TypeError(
            f"settings = {shortened(settings)}: give a list, such as [Setting(), Setting(scenario='no_r1')]"
        )
    given = [checked(setting) for setting in settings]
    if not given or given[0].branch_at:
        raise ValueError("settings: give a first one without branch_at, from whose history others may branch")
    products, chunk = yes_or_no("products", products), None if chunk is None else whole("chunk", chunk, 1)
    if not (progress is None or callable(progress)):
        raise TypeError(f"progress = {shortened(progress)}: give a function of (done, total, seconds)")
    seeds = distinct(seeds, repeated=any(isinstance(one.parameters, tuple) for one in given))
    prepared = [PreparedSetting.of(setting, seeds, months, options) for setting in given]
    warn(dict.fromkeys(sentence for setting in prepared for sentence in setting.without_effect(prepared[0])))
    days = kept_days(daily, max(setting.setup.months for setting in prepared))
    played = run_prepared(prepared, seeds, plain(precision), days, products, chunk, progress)
    for one in played:
        check_finite({name: one[name] for name in one.names}, one.setup, seeds)
        warn_of_prices(one.out["observables"], seeds)
    return played


def checked(setting: Any) -> Setting:
    """A setting with parameters that are one per seed as a tuple, whatever they were. Raises TypeError where it is none."""
    if isinstance(setting, str) or not isinstance(setting, Sequence) or len(setting) > len(Setting._fields):
        raise TypeError(
            f"settings: {shortened(setting)} is neither a Setting nor a tuple ({', '.join(Setting._fields)})"
        )
    setting = Setting(*setting)
    given = setting.parameters
    if isinstance(given, np.ndarray | Iterator | Sequence) and not isinstance(given, str):
        return setting._replace(parameters=tuple(given))
    return setting._replace(parameters=plain(given)) if hasattr(given, "to_dict") else setting  # of pandas


def distinct(seeds: Any, repeated: bool) -> list[int]:
    """Seeds as integers. Raises ValueError for duplicates, unless `repeated` says that each has parameters of its own."""
    if isinstance(seeds, str | bytes | Mapping) or not isinstance(seeds, Iterable):
        raise ValueError(f"seeds = {shortened(seeds)}: give several, such as range({shortened(seeds)})")
    numbers = [whole_seed(seed) for seed in seeds]
    if len(set(numbers)) < len(numbers) and not repeated:
        raise ValueError("seeds: one is there twice, and would count as two independent runs")
    return numbers


def kept_days(daily: Any, months: int) -> tuple[int, ...] | None:
    """Months whose daily returns are kept; `months` is the length of the longest run. Raises ValueError for any other."""
    if daily is None or daily is DAILY:
        return daily
    if isinstance(daily, str | Mapping) or not isinstance(daily, Iterable):
        raise ValueError(f"daily = {shortened(daily)}: give months, such as [23, 24, 25], or None for all of them")
    days = tuple(whole("daily month", month, 0, months - 1) for month in daily)
    if len(set(days)) < len(days):
        raise ValueError(f"daily = {shortened(days)}: a month is there twice")
    return days


def run_prepared(
    prepared: list[PreparedSetting],
    seeds: list[int],
    precision: int = 64,
    daily: Sequence[int] | None = DAILY,
    products: bool = False,
    chunk: int | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    workers: int | None = None,
) -> list[Ensemble]:
    """`ensembles` of settings that were made ready; `workers` as in `run_many`."""
    if not seeds:
        raise ValueError("seeds is empty: give at least one seed")
    if not isinstance(precision, int) or precision not in (32, 64):
        raise ValueError(f"precision = {shortened(precision)}: choose 64 or 32")
    kept = [
        tuple(m for m in (range(setting.setup.months) if daily is None else daily) if 0 <= m < setting.setup.months)
        for setting in prepared
    ]

    def keep(reports: list[Month]) -> list[dict[str, Any]]:
        nothing: Any = None  # is not fetched
        reports = jax.device_get(reports if products else [one._replace(products=nothing) for one in reports])
        return [kept_of(r, m.setup.months, days, products) for r, m, days in zip(reports, prepared, kept, strict=True)]

    with floats_of(precision):
        usual = runs_together(len(seeds), lambda: 0 if chunk else sum(one.bytes_of_run(precision) for one in prepared))
        inputs = (
            jnp.asarray(np.stack([seed_words(seed) for seed in seeds])),
            [m.values for m in prepared],
            [m.timelines for m in prepared],
        )
        outs = run_many(
            functools.partial(_run_chunk, prepared, precision),
            inputs,
            chunk=chunk or usual.chunk,
            pad=True,
            workers=workers or usual.workers,
            keep=keep,
            progress=progress,
            x64=precision == 64,
        )
    return [
        Ensemble(m.setup, seeds, out, days, own_parameters=bool(m.given))
        for m, out, days in zip(prepared, outs, kept, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class PreparedSetting:
    """A setting made ready: its set-up, and its parameter values (runs, ...).

    `timelines` (runs, months, ...), where they are given, stand in for the set-up's own, one for each run.
    """

    setup: Setup
    values: dict[str, np.ndarray]
    branch_at: int = 0
    timelines: dict[str, np.ndarray] | None = None
    given: tuple[dict[str, Any], ...] = ()
    """What was set explicitly, run by run, where every run has parameters of its own."""

    @classmethod
    def of(cls, setting: Setting, seeds: list[int], months: int, options: dict[str, Any]) -> PreparedSetting:
        parameters, scenario, own_months, branch_at = checked(setting)
        months = whole("months", months if own_months is None else own_months, 1, LONGEST)
        if (branch_at := whole("branch_at", branch_at, 0)) >= months:
            raise ValueError(f"branch_at = {branch_at}: must lie between 0 and {months - 1}, the last month")
        if not isinstance(parameters, tuple):
            setup = Setup.of(parameters, scenario, months, **options)
            values = {name: np.broadcast_to(v, (len(seeds), *v.shape)) for name, v in setup.values.items()}
            return cls(setup, values, branch_at)
        if len(parameters) != len(seeds):
            raise ValueError(f"{len(parameters)} parameter sets for {len(seeds)} seeds: give one per seed")
        setups = [Setup.of(one, scenario, months, **options) for one in parameters]
        free = all(s.equations.short_sales for s in setups)  # one constrained run makes all pass through the kink
        setup = dataclasses.replace(setups[0], equations=setups[0].equations._replace(short_sales=free))
        tables = [s.values for s in setups]
        values = {name: np.stack([table[name] for table in tables]) for name in tables[0]}
        return cls(setup, values, branch_at, given=tuple(s.given for s in setups))

    def without_effect(self, first: PreparedSetting) -> list[str]:
        """A sentence for each of its parameters that does not act, or not all the time."""
        setup = self.setup
        found = [
            sentence
            for given in self.given or (setup.given,)
            for sentence in overridden(setup.scenario, given, setup.months, self.branch_at)
        ]
        return found + (inert(self.values, first.values, self.branch_at) if self.branch_at else [])

    def bytes_of_run(self, precision: int) -> float:
        """About what one run takes while it is computed: its state, and its reports as they come and go."""
        one = {name: rows[:1] for name, rows in self.values.items()}
        program = Program.of(self.setup.program_key, precision)
        state = jax.eval_shape(program.start, one, np.zeros((1, 2), np.uint32), self.setup.networks)
        own = jax.tree.leaves(state.replace(networks=None))
        reports = 2 * REPORTED * self.setup.months * precision // 8
        return float(NEEDED * sum(leaf.size * leaf.dtype.itemsize for leaf in own) + reports)

    def parts_from(self, first: PreparedSetting) -> int:
        """First month that this setting does not share with the first one of its ensembles."""
        shared = min(self.setup.months, first.setup.months)
        if self.branch_at or self.setup.equations != first.setup.equations:
            return min(self.branch_at, shared)
        if self.timelines or first.timelines:
            return 0
        if any(not np.array_equal(self.values[name], first.values[name]) for name in self.values):
            return 0
        pairs = [(rows[:shared], first.setup.timeline[name][:shared]) for name, rows in self.setup.timeline.items()]
        differs = np.array([(a != b).reshape(shared, -1).any(1) for a, b in pairs]).any(0)
        return int(np.flatnonzero(differs)[0]) if differs.any() else shared


def _run_chunk(prepared: list[PreparedSetting], precision: int, rows: Any) -> list[Month]:
    """Reports (months, runs, ...) of one chunk for every setting."""
    seeds, values, timelines = rows
    turns = [setting.parts_from(prepared[0]) for setting in prepared]
    reached: dict[int, Any] = {}  # states of the first setting where others leave it
    out = []
    for number, (setting, parameters, own) in enumerate(zip(prepared, values, timelines, strict=True)):
        setup, inputs = setting.setup, (parameters, seeds)
        program = Program.of(setup.program_key, precision, own is not None)
        timeline = {name: np.swapaxes(x, 0, 1) for name, x in own.items()} if own else setup.timeline
        if number and turns[number]:
            state = reached[turns[number]]
        else:
            markets = program.start(parameters, seeds, setup.networks)
            state = 0, markets, program.blank(markets, inputs, timeline)
        if number == 0:
            for turn in sorted({t for t in turns[1:] if t}):
                reached[turn] = state = program.advance(inputs, timeline, state, turn)
        out.append(program.advance(inputs, timeline, state, setup.months)[2])
    return out


def kept_of(report: Month, months: int, daily: Sequence[int], products: bool) -> dict[str, Any]:
    """What an ensemble keeps of reports (months or more, runs, ...), with the run as first axis."""
    report = jax.tree.map(lambda x: x[:months].swapaxes(0, 1), report)
    returns = report.daily_returns
    out = {"observables": report.observables, "daily": returns[:, np.array(daily, int)]}
    out["leader"] = returns[:, :, :, 0].reshape(returns.shape[0], -1)
    if products:
        out["products"] = report.products
    return out
