"""Run the market: a single run, or ensembles in chunks that are computed together."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import floats_of, run_many, runs_together, seed_words
from abm.market.month import Month
from abm.parameters import Parameters
from abm.runs.alarms import warn_of_alarms
from abm.runs.guards import check_finite, check_run, warn_of_prices
from abm.runs.months import months_of
from abm.runs.policy import inert, overridden, warn
from abm.runs.programs import Program
from abm.runs.results import Ensemble, Result
from abm.runs.setup import LONGEST, Setup, whole_seed, with_segments_read, yes_or_no
from abm.scenarios.scenario import Scenario
from abm.support.inputs import plain, whole
from abm.support.messages import shortened

DAILY = (23, 24, 25)
"""Months whose daily returns an ensemble stores by default, if it reaches them: January 2025 and its neighbours."""
NEEDED = 3
"""Memory of a run while it is computed, as a multiple of its state: copies at the start, at the end, and in between."""
REPORTED = 700
"""Approximate number of values that a run reports per month."""


def simulate(
    parameters: Parameters | Mapping[str, Any] | None = None,
    scenario: str | Scenario = "baseline",
    seed: int = 1,
    *,
    months: int = 60,
    compiled: bool = True,
    **options: Any,
) -> Result:
    """Run the model once.

    Parameters
    ----------
    parameters
        `Parameters` or a table of values; defaults are the fitted ones. They apply from January 2023 on.
    scenario
        Name of a built-in scenario, path of a TOML file, or a `Scenario`. Parameters given here override its own; its
        dated events change them from their date on. A warning is issued if an event sets a given parameter to another
        value; `result.policy()` lists everything in effect.
    seed
        Same parameters, scenario and seed give the same numbers, alone or in an ensemble.
    compiled
        False calls every rule agent by agent in Python (slow; for breakpoints and rules with Python branches).
    **options
        Sizes and classes of populations (`adopters=50`, `classes=...`), networks, own `segments`, `pricing`:
        see `Populations`, `Equations`.

    Returns
    -------
    Result
        ``.frame()`` has one row per month, ``.returns`` daily log returns, ``.network(month)`` the multilayer network.
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
    warn_of_alarms([report.observables])
    return Result(setup, seed, report, compiled, rules)


def ensemble(
    parameters: Parameters | Mapping[str, Any] | Iterable[Parameters] | None = None,
    scenario: str | Scenario = "baseline",
    seeds: Iterable[int] = range(100),
    **options: Any,
) -> Ensemble:
    """Run one setting on many seeds (or one parameter set per seed), computed together.

    Parameters
    ----------
    parameters
        As in `simulate`; or one `Parameters` (or table of values) per seed, as a list, an array or a generator.
    seeds
        Whole numbers. Runs with the same seed in two ensembles use the same draws: compare them with `compare`.
    **options
        As in `ensembles`.
    """
    return ensembles([Setting(parameters, scenario)], seeds, **options)[0]


class Setting(NamedTuple):
    """One setting of `ensembles`: parameters and scenario as `ensemble` takes them.

    `months` overrides the argument `months` of `ensembles`. With `branch_at`, the months before it are those of the first
    setting, whatever this one's parameters and scenario: a counterfactual with a shared history.
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
    """Run ensembles of several settings on the same seeds, e.g. a baseline and its counterfactuals.

    Months that a setting shares with the first one (same parameters, scenarios not yet different) are computed once.

    Parameters
    ----------
    settings
        Each is a `Setting` or a tuple (parameters, scenario, ...).
    precision
        64 (default) or 32 bits; 32 is faster and meant for large sweeps.
    daily
        Months whose daily returns are stored (None: all); months beyond the end of a setting are ignored.
    products
        Store price, capability and releases of every product and month.
    chunk
        Number of runs computed together. Default: ten on a CPU; on an accelerator up to ten thousand, depending on the
        number of seeds and the memory (`abm.engine.runs_together`). Different sizes may differ in the last digit.
    progress
        Called as ``progress(done, total, seconds)``, counting seeds.
    **options
        Sizes, classes and networks of populations, own `segments`, `pricing`.
    """
    if isinstance(settings, Setting | str | Mapping) or not isinstance(settings, Iterable):
        raise TypeError(
            f"settings = {shortened(settings)}: give a list, such as [Setting(), Setting(scenario='no_r1')]"
        )
    given = [checked(setting) for setting in settings]
    if not given or given[0].branch_at:
        raise ValueError("settings: give a first one without branch_at, whose history the others can share")
    products, chunk = yes_or_no("products", products), None if chunk is None else whole("chunk", chunk, 1)
    if not (progress is None or callable(progress)):
        raise TypeError(f"progress = {shortened(progress)}: give a function of (done, total, seconds)")
    seeds = distinct(seeds, repeated=any(isinstance(setting.parameters, tuple) for setting in given))
    options = with_segments_read(options)
    prepared = [PreparedSetting.of(setting, seeds, months, options) for setting in given]
    warn(dict.fromkeys(sentence for setting in prepared for sentence in setting.without_effect(prepared[0])))
    days = kept_days(daily, max(setting.setup.months for setting in prepared))
    results = run_prepared(prepared, seeds, plain(precision), days, products, chunk, progress)
    for result in results:
        check_finite({name: result[name] for name in result.names}, result.setup, seeds)
        warn_of_prices(result.out["observables"], seeds)
    warn_of_alarms([result.out["observables"] for result in results], len(results) * len(seeds))
    return results


def checked(setting: Any) -> Setting:
    """Check a setting, and convert parameters per seed to a tuple. Raises TypeError for anything else."""
    if isinstance(setting, str) or not isinstance(setting, Sequence) or len(setting) > len(Setting._fields):
        raise TypeError(
            f"settings: {shortened(setting)} is neither a Setting nor a tuple ({', '.join(Setting._fields)})"
        )
    setting = Setting(*setting)
    given = setting.parameters
    if isinstance(given, np.ndarray | Iterator | Sequence) and not isinstance(given, str):
        return setting._replace(parameters=tuple(given))
    return setting._replace(parameters=plain(given)) if hasattr(given, "to_dict") else setting  # a pandas Series


def distinct(seeds: Any, repeated: bool) -> list[int]:
    """Seeds as integers. Raises ValueError for duplicates, unless `repeated` (every run has its own parameters)."""
    if isinstance(seeds, str | bytes | Mapping) or not isinstance(seeds, Iterable):
        raise ValueError(f"seeds = {shortened(seeds)}: give several, such as range({shortened(seeds)})")
    numbers = [whole_seed(seed) for seed in seeds]
    if not repeated and (duplicates := [seed for seed, count in Counter(numbers).items() if count > 1]):
        raise ValueError(f"seeds: duplicate seed {duplicates[0]}; it would count as two independent runs")
    return numbers


def kept_days(daily: Any, months: int) -> tuple[int, ...] | None:
    """Check the months of daily returns against `months`, the length of the longest run. Raises ValueError."""
    if daily is None or daily is DAILY:
        return daily
    if isinstance(daily, str | Mapping) or not isinstance(daily, Iterable):
        raise ValueError(f"daily = {shortened(daily)}: give months, such as [23, 24, 25], or None for all of them")
    days = tuple(whole("daily month", month, 0, months - 1) for month in daily)
    if len(set(days)) < len(days):
        raise ValueError(f"daily = {shortened(days)}: duplicate month; give each month once")
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
    """Run `ensembles` of prepared settings; `workers` as in `run_many`."""
    if not seeds:
        raise ValueError("seeds is empty: give at least one seed")
    if not isinstance(precision, int) or precision not in (32, 64):
        raise ValueError(f"precision = {shortened(precision)}: choose 64 or 32")
    stored = [
        tuple(m for m in (range(setting.setup.months) if daily is None else daily) if 0 <= m < setting.setup.months)
        for setting in prepared
    ]

    def keep(reports: list[Month]) -> list[dict[str, Any]]:
        nothing: Any = None  # products are not copied from the device
        reports = jax.device_get(reports if products else [report._replace(products=nothing) for report in reports])
        return [
            kept_of(report, setting.setup.months, days, products)
            for report, setting, days in zip(reports, prepared, stored, strict=True)
        ]

    with floats_of(precision):
        usual = runs_together(
            len(seeds), lambda: 0 if chunk else sum(setting.bytes_of_run(precision) for setting in prepared)
        )
        inputs = (
            jnp.asarray(np.stack([seed_words(seed) for seed in seeds])),
            [setting.values for setting in prepared],
            [setting.timelines for setting in prepared],
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
        Ensemble(setting.setup, seeds, out, days, own_parameters=bool(setting.given))
        for setting, out, days in zip(prepared, outs, stored, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class PreparedSetting:
    """A checked setting: its set-up and parameter values (runs, ...).

    `timelines` (runs, months, ...), if given, replace the set-up's timeline by one per run.
    """

    setup: Setup
    values: dict[str, np.ndarray]
    branch_at: int = 0
    timelines: dict[str, np.ndarray] | None = None
    given: tuple[dict[str, Any], ...] = ()
    """Explicitly given parameters of each run, if every run has its own."""

    @classmethod
    def of(cls, setting: Setting, seeds: list[int], months: int, options: dict[str, Any]) -> PreparedSetting:
        """Check a setting and prepare its values for the seeds."""
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
        setups = [Setup.of(table, scenario, months, **options) for table in parameters]
        free = all(
            s.equations.short_sales for s in setups
        )  # one constrained run makes all runs use the constrained equations
        setup = dataclasses.replace(setups[0], equations=setups[0].equations._replace(short_sales=free))
        tables = [s.values for s in setups]
        values = {name: np.stack([table[name] for table in tables]) for name in tables[0]}
        return cls(setup, values, branch_at, given=tuple(s.given for s in setups))

    def without_effect(self, first: PreparedSetting) -> list[str]:
        """One sentence for each of its parameters that has no effect, or not all the time."""
        setup = self.setup
        sentences = [
            sentence
            for given in self.given or (setup.given,)
            for sentence in overridden(setup.scenario, given, setup.months, self.branch_at)
        ]
        return sentences + (inert(self.values, first.values, self.branch_at) if self.branch_at else [])

    def bytes_of_run(self, precision: int) -> float:
        """Approximate memory of one run while it is computed: copies of its state, and two copies of its reports."""
        values = {name: rows[:1] for name, rows in self.values.items()}
        program = Program.of(self.setup.program_key, precision)
        state = jax.eval_shape(
            program.start, values, np.zeros((1, 2), np.uint32), self.setup.networks, self.setup.segments
        )
        own = jax.tree.leaves(state.replace(networks=None))
        reports = 2 * REPORTED * self.setup.months * precision // 8
        return float(NEEDED * sum(leaf.size * leaf.dtype.itemsize for leaf in own) + reports)

    def parts_from(self, first: PreparedSetting) -> int:
        """First month that this setting does not share with the first setting of its ensembles."""
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
    """Run one chunk of all settings; return the reports (months, runs, ...) of each."""
    seeds, values, timelines = rows
    turns = [setting.parts_from(prepared[0]) for setting in prepared]
    longest = max(setting.setup.months for setting in prepared)  # a branch may run longer than the first setting
    reached: dict[int, Any] = {}  # states of the first setting in the months from which others differ
    out = []
    for number, (setting, parameters, own) in enumerate(zip(prepared, values, timelines, strict=True)):
        setup, inputs = setting.setup, (parameters, seeds)
        program = Program.of(setup.program_key, precision, own is not None)
        timeline = {name: np.swapaxes(x, 0, 1) for name, x in own.items()} if own else setup.timeline
        if number and turns[number]:
            state = reached[turns[number]]
        else:
            markets = program.start(parameters, seeds, setup.networks, setup.segments)
            state = 0, markets, program.blank(markets, inputs, timeline, longest)
        if number == 0:
            for turn in sorted({t for t in turns[1:] if t}):
                reached[turn] = state = program.advance(inputs, timeline, state, turn)
        out.append(program.advance(inputs, timeline, state, setup.months)[2])
    return out


def kept_of(report: Month, months: int, daily: Sequence[int], products: bool) -> dict[str, Any]:
    """The part of reports (months or more, runs, ...) that an ensemble stores, with the run as first axis."""
    report = jax.tree.map(lambda x: x[:months].swapaxes(0, 1), report)
    returns = report.daily_returns
    out = {"observables": report.observables, "daily": returns[:, np.array(daily, int)]}
    out["leader"] = returns[:, :, :, 0].reshape(returns.shape[0], -1)
    if products:
        out["products"] = report.products
    return out
