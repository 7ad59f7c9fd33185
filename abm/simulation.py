"""Run the market: once, many times, and compare two ways of running it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Draws, interpreted, run_many, seed_words
from abm.events import meant, short
from abm.market import Events, Month, month
from abm.observables import ProductRecord
from abm.parameters import Parameters
from abm.population import Populations, first_market
from abm.programs import Program, Shape, compiled_month, compiled_start
from abm.results import Comparison, Ensemble, Result
from abm.scenarios import Scenario
from abm.state import Conduct, Market, Networks, Values
from abm.timeline import World

LONGEST = 1_200
"""Months: a century. What the model says of such times is another matter."""
CHUNK = 10  # runs per compiled call: small enough to stay in the processor's cache
PRICING = ("posted", "flexible", "nash")
PRICE_FORMS = ("log", "linear")


@dataclasses.dataclass(frozen=True)
class Setup:
    """Everything a run needs besides its seed, checked and ready."""

    parameters: Parameters
    scenario: Scenario
    populations: Populations
    months: int
    world: World
    timeline: dict[str, np.ndarray]
    networks: Networks
    conduct: Conduct = Conduct()

    @classmethod
    def of(
        cls,
        parameters: Parameters | dict[str, Any] | None = None,
        scenario: str | Scenario | Any = "baseline",
        months: int = 60,
        populations: Populations | None = None,
        pricing: str = "posted",
        price_form: str = "log",
        **sizes: Any,
    ) -> Setup:
        """Check and combine what a user gives; scenario parameters yield to those given explicitly."""
        if isinstance(months, bool) or not isinstance(months, int | np.integer) or not 1 <= months <= LONGEST:
            raise ValueError(f"months = {short(months)}: must be a whole number from 1 to {LONGEST}")
        known = [field.name for field in dataclasses.fields(Populations)]
        if unknown := [name for name in sizes if name not in known]:
            words = [*known, "scenario", "seed", "seeds", "months", "pricing", "price_form", "compiled", "populations"]
            raise TypeError("\n".join(f"no option {short(name)}{meant(name, words)}" for name in unknown))
        for name, chosen, choices in (("pricing", pricing, PRICING), ("price_form", price_form, PRICE_FORMS)):
            if chosen not in choices:
                raise ValueError(f"{name} = {chosen!r}: choose {', '.join(choices)}")
        if isinstance(parameters, dict):
            parameters = Parameters(**parameters)
        populations = dataclasses.replace(populations, **sizes) if populations else Populations(**sizes)
        world = populations.world()
        story = Scenario.load(scenario)
        story.check_parameters(Parameters.names())
        given = parameters.model_dump(exclude_unset=True) if parameters else {}
        merged = Parameters(**{**story.all_parameters, **given})
        timeline = story.timeline(int(months), world).arrays()
        conduct = Conduct(pricing, price_form, short_sales=merged.short_sale_constraint < 0.5)
        return cls(merged, story, populations, int(months), world, timeline, populations.networks(), conduct)

    def under(self, parameters: dict[str, Any], scenario: str | Scenario) -> Setup:
        """The same populations and months under other parameters and another scenario."""
        return Setup.of(
            parameters, scenario, self.months, self.populations, self.conduct.pricing, self.conduct.price_form
        )

    @property
    def values(self) -> dict[str, np.ndarray]:
        return self.parameters.values()

    def events(self, at: int) -> Events:
        """The timeline's row of one month."""
        return Events({name: array[at] for name, array in self.timeline.items()})


def simulate(
    parameters: Parameters | dict[str, Any] | None = None,
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
        `Parameters` or a table of values; defaults are the fitted ones.
    scenario
        Name of a built-in scenario, path of a TOML file, or a `Scenario`.
    seed
        Same parameters, scenario and seed give the same numbers, alone or inside an ensemble.
    compiled
        False calls every rule agent by agent in Python (slow; for breakpoints and rules with Python branches).
    **options
        Sizes and classes of populations (`adopters=50`, `classes=...`), networks, `pricing`,
        `price_form`: see `Populations`, `Conduct`.

    Returns
    -------
    Result
        ``.frame()`` is one row a month, ``.returns`` daily log returns, ``.network(month)`` the multilayer network.
    """
    seed = whole_seed(seed)
    setup = Setup.of(parameters, scenario, months, **options)
    markets = play(setup, seed, compiled=compiled)
    next(markets)
    reports = [report for _, report in markets]
    report = jax.tree.map(lambda *rows: np.stack([np.asarray(r) for r in rows]), *reports)
    check_prices(report.products, setup)
    return Result(setup, seed, report, compiled)


def whole_seed(seed: Any) -> int:
    """A seed as it was meant: a whole number, and no other thing that Python turns into one."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ValueError(f"seed = {short(seed)}: must be a whole number from 0 to 2^64 - 1")
    return int(seed)


def check_prices(products: ProductRecord, setup: Setup) -> None:
    """A rule of a user's that gives a price which is none must not pass for a market without sales.

    products : arrays (months, labs, tiers). Raises ValueError with the first lab and month.
    """
    bad = np.asarray(products.active) & ~((np.asarray(products.price) > 0) & np.isfinite(products.price))
    if bad.any():
        month, lab, tier = np.argwhere(bad)[0]
        price = np.asarray(products.price)[month, lab, tier]
        raise ValueError(
            f"the price of {setup.world.labs[lab]} in month {month} is {price:g}: a price must be a finite number above 0;"
            " look at the rules that this run overrides"
        )


def play(setup: Setup, seed: int, *, compiled: bool = True) -> Iterator[tuple[Market, Month | None]]:
    """The markets of a run one after the other: the first with no report, then one per month."""
    values, draws = Values({k: jnp.asarray(v) for k, v in setup.values.items()}), Draws.from_seed(int(seed))
    market = first_market_of(setup, seed, compiled)
    yield market, None
    for at in range(setup.months):
        market, report = one_month(setup, market, values, setup.events(at), draws, compiled)
        yield market, report


def first_market_of(setup: Setup, seed: int, compiled: bool = True) -> Market:
    values = {k: jnp.asarray(v) for k, v in setup.values.items()}
    if compiled:
        return compiled_start(Shape.of(setup))(values, jnp.asarray(seed_words(seed)), setup.networks)
    return first_market(Values(values), int(seed), setup.populations, setup.networks, setup.world)


def one_month(setup: Setup, market: Market, values: Values, events: Events, draws: Draws, compiled: bool = True) -> Any:
    """`market.month`, compiled or interpreted."""
    if compiled:
        return compiled_month(setup.conduct)(market, values, events, draws)
    with interpreted():
        return month(market, values, events, draws, setup.conduct)


def ensemble(
    parameters: Parameters | dict[str, Any] | Sequence[Parameters] | None = None,
    scenario: str | Scenario = "baseline",
    seeds: Iterable[int] = range(100),
    **options: Any,
) -> Ensemble:
    """Many runs of one setting on different seeds (or of one parameter set per seed), compiled together.

    Parameters
    ----------
    parameters
        As in `simulate`; or a sequence with one `Parameters` per seed.
    seeds
        Whole numbers. Run i of two ensembles with the same seeds sees the same draws: compare them with `compare`.
    **options
        As in `ensembles`.
    """
    return ensembles([Setting(parameters, scenario)], seeds, **options)[0]


class Setting(NamedTuple):
    """One member of `ensembles`: parameters and scenario as `ensemble` takes them.

    `months` overrides the months of the others. With `branch_at` the months before that one are those of the first
    member, whatever this one's parameters and scenario say: a counterfactual that shares its history.
    """

    parameters: Parameters | dict[str, Any] | Sequence[Parameters] | None = None
    scenario: str | Scenario = "baseline"
    months: int | None = None
    branch_at: int = 0


def ensembles(
    settings: Sequence[Setting | tuple[Any, ...]],
    seeds: Iterable[int] = range(100),
    *,
    months: int = 60,
    precision: int = 64,
    daily: Sequence[int] | None = (23, 24, 25),
    products: bool = False,
    chunk: int = CHUNK,
    progress: Callable[[int, int, float], None] | None = None,
    **options: Any,
) -> list[Ensemble]:
    """Ensembles of several settings on the same seeds, e.g. a baseline and its counterfactuals.

    A setting with the parameters of the first one does not play again the months before their scenarios part.

    Parameters
    ----------
    settings
        `Setting`s, or tuples (parameters, scenario, ...).
    precision
        64 (default) or 32 bits: 32 is faster and meant for large sweeps.
    daily
        Months whose daily returns are kept (None: all).
    products
        Keep price, capability and releases of every product and month.
    chunk
        Runs that are computed together.
    progress
        Called as ``progress(done, total, seconds)``, counting seeds.
    **options
        Sizes, classes and networks of populations, `pricing`, `price_form`.
    """
    if not isinstance(seeds, Iterable):
        raise ValueError(f"seeds = {short(seeds)}: give several, such as range({short(seeds)})")
    seeds = [whole_seed(s) for s in seeds]
    if len(set(seeds)) < len(seeds) and not any(isinstance(setting[0], Sequence) for setting in settings if setting):
        raise ValueError("seeds: one is there twice, and would count as two independent runs")
    family = [Member.of(Setting(*setting), seeds, months, options) for setting in settings]
    return play_members(family, seeds, precision, daily, products, chunk, progress)


def play_members(
    family: list[Member],
    seeds: list[int],
    precision: int = 64,
    daily: Sequence[int] | None = (23, 24, 25),
    products: bool = False,
    chunk: int = CHUNK,
    progress: Callable[[int, int, float], None] | None = None,
    workers: int | None = None,
) -> list[Ensemble]:
    """`ensembles` of settings that were made ready; `workers` as in `run_many`."""
    if not seeds:
        raise ValueError("seeds is empty: give at least one seed")
    if precision not in (32, 64):
        raise ValueError(f"precision = {precision!r}: choose 64 or 32")
    kept = [
        tuple(m for m in (range(member.setup.months) if daily is None else daily) if 0 <= m < member.setup.months)
        for member in family
    ]

    def keep(reports: list[Month]) -> list[dict[str, Any]]:
        reports = jax.tree.map(np.asarray, reports)
        return [kept_of(r, m.setup.months, days, products) for r, m, days in zip(reports, family, kept, strict=True)]

    with jax.enable_x64(precision == 64):
        inputs = (
            jnp.asarray(np.stack([seed_words(seed) for seed in seeds])),
            [m.values for m in family],
            [m.timelines for m in family],
        )
        outs = run_many(
            functools.partial(_play_family, family, precision),
            inputs,
            chunk=chunk,
            pad=True,
            workers=workers,
            keep=keep,
            progress=progress,
            x64=precision == 64,
        )
    return [Ensemble(m.setup, seeds, out, days) for m, out, days in zip(family, outs, kept, strict=True)]


@dataclasses.dataclass(frozen=True)
class Member:
    """A setting made ready: its set-up, and its parameter values (runs, ...).

    `timelines` (runs, months, ...), where they are given, stand in for the set-up's own, one for each run.
    """

    setup: Setup
    values: dict[str, np.ndarray]
    branch_at: int = 0
    timelines: dict[str, np.ndarray] | None = None

    @classmethod
    def of(cls, setting: Setting, seeds: list[int], months: int, options: dict[str, Any]) -> Member:
        parameters, scenario, own_months, branch_at = setting
        months = own_months or months
        if not 0 <= branch_at < months:
            raise ValueError(f"branch_at = {branch_at}: must lie between 0 and {months - 1}, the last month")
        if not isinstance(parameters, Sequence):
            setup = Setup.of(parameters, scenario, months, **options)
            values = {name: np.broadcast_to(v, (len(seeds), *v.shape)) for name, v in setup.values.items()}
            return cls(setup, values, branch_at)
        if len(parameters) != len(seeds):
            raise ValueError(f"{len(parameters)} parameter sets for {len(seeds)} seeds: give one per seed")
        setups = [Setup.of(one, scenario, months, **options) for one in parameters]
        free = all(s.conduct.short_sales for s in setups)  # one constrained run makes all pass through the kink
        setup = dataclasses.replace(setups[0], conduct=setups[0].conduct._replace(short_sales=free))
        tables = [s.values for s in setups]
        return cls(setup, {name: np.stack([table[name] for table in tables]) for name in tables[0]}, branch_at)

    def parts_from(self, first: Member) -> int:
        """First month that this member does not share with the first one of its family."""
        shared = min(self.setup.months, first.setup.months)
        if self.branch_at or self.setup.conduct != first.setup.conduct:
            return min(self.branch_at, shared)
        if self.timelines or first.timelines:
            return 0
        if any(not np.array_equal(self.values[name], first.values[name]) for name in self.values):
            return 0
        pairs = [(rows[:shared], first.setup.timeline[name][:shared]) for name, rows in self.setup.timeline.items()]
        differs = np.array([(a != b).reshape(shared, -1).any(1) for a, b in pairs]).any(0)
        return int(np.flatnonzero(differs)[0]) if differs.any() else shared


def _play_family(family: list[Member], precision: int, rows: Any) -> list[Month]:
    """Reports (months, runs, ...) of one chunk for every member."""
    seeds, values, timelines = rows
    turns = [member.parts_from(family[0]) for member in family]
    reached: dict[int, Any] = {}  # states of the first member where others leave it
    out = []
    for number, (member, parameters, own) in enumerate(zip(family, values, timelines, strict=True)):
        setup, setting = member.setup, (parameters, seeds)
        program = Program.of(Shape.of(setup), precision, own is not None)
        timeline = {name: np.swapaxes(x, 0, 1) for name, x in own.items()} if own else setup.timeline
        if number and turns[number]:
            state = reached[turns[number]]
        else:
            markets = program.start(parameters, seeds, setup.networks)
            state = 0, markets, program.blank(markets, setting, timeline)
        if number == 0:
            for turn in sorted({t for t in turns[1:] if t}):
                reached[turn] = state = program.play(setting, timeline, state, turn)
        out.append(program.play(setting, timeline, state, setup.months)[2])
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


def compare(a: Ensemble, b: Ensemble, *, confidence: float = 0.95) -> Comparison:
    """Paired differences a - b on common random numbers, month by month.

    The runs must have the same seeds in the same order. Also reports how much the pairing reduced the variance of the
    difference of means: var(a) + var(b) over var(a - b).
    """
    if not (isinstance(a, Ensemble) and isinstance(b, Ensemble)):
        raise TypeError(f"compare takes two ensembles, not {type(a).__name__} and {type(b).__name__}")
    if a.seeds != b.seeds:
        raise ValueError("the two ensembles have different seeds: run both with the same ones to pair them")
    return Comparison(a, b, confidence)
