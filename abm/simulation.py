"""Run the market: once, many times, and compare two ways of running it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.engine import Draws, interpreted, run_many, seed_words
from abm.market import Events, Month, month, run
from abm.parameters import Parameters
from abm.population import Populations, first_market
from abm.results import Comparison, Ensemble, Result
from abm.scenarios import Scenario
from abm.state import Conduct, Market, Networks, Values
from abm.timeline import World

CHUNK = 8  # runs per compiled call: small enough to stay in the processor's cache
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
        if not isinstance(months, int | np.integer) or months < 1:
            raise ValueError(f"months = {months!r}: must be a whole number of at least 1")
        for name, chosen, known in (("pricing", pricing, PRICING), ("price_form", price_form, PRICE_FORMS)):
            if chosen not in known:
                raise ValueError(f"{name} = {chosen!r}: choose {', '.join(known)}")
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
    setup = Setup.of(parameters, scenario, months, **options)
    markets = play(setup, seed, compiled=compiled)
    next(markets)
    reports = [report for _, report in markets]
    report = jax.tree.map(lambda *rows: np.stack([np.asarray(r) for r in rows]), *reports)
    return Result(setup, int(seed), report, compiled)


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
        return _compiled_start(_Shape.of(setup))(values, jnp.asarray(seed_words(seed)), setup.networks)
    return first_market(Values(values), int(seed), setup.populations, setup.networks, setup.world)


def one_month(setup: Setup, market: Market, values: Values, events: Events, draws: Draws, compiled: bool = True) -> Any:
    """`market.month`, compiled or interpreted."""
    if compiled:
        return _compiled_month(setup.conduct)(market, values, events, draws)
    with interpreted():
        return month(market, values, events, draws, setup.conduct)


def ensemble(
    parameters: Parameters | dict[str, Any] | Sequence[Parameters] | None = None,
    scenario: str | Scenario = "baseline",
    seeds: Iterable[int] = range(100),
    *,
    months: int = 60,
    precision: int = 64,
    daily: Sequence[int] | None = (23, 24, 25),
    products: bool = False,
    chunk: int = CHUNK,
    progress: Callable[[int, int, float], None] | None = None,
    **options: Any,
) -> Ensemble:
    """Many runs of one setting on different seeds (or of one parameter set per seed), compiled together.

    Parameters
    ----------
    parameters
        As in `simulate`; or a sequence with one `Parameters` per seed.
    seeds
        Whole numbers. Run i of two ensembles with the same seeds sees the same draws: compare them with `compare`.
    precision
        64 (default) or 32 bits: 32 is faster and meant for large sweeps.
    daily
        Months whose daily returns are kept (None: all).
    products
        Keep price, capability and releases of every product and month.
    progress
        Called as ``progress(done, total, seconds)``.
    """
    seeds = [int(s) for s in seeds]
    if not seeds:
        raise ValueError("seeds is empty: give at least one seed")
    if precision not in (32, 64):
        raise ValueError(f"precision = {precision!r}: choose 64 or 32")
    setups: list[Setup] = []
    if isinstance(parameters, Sequence):
        if len(parameters) != len(seeds):
            raise ValueError(f"{len(parameters)} parameter sets for {len(seeds)} seeds: give one per seed")
        setups = [Setup.of(p, scenario, months, **options) for p in parameters]
        setup = setups[0]
    else:
        setup = Setup.of(parameters, scenario, months, **options)
    if setups:
        free = all(s.conduct.short_sales for s in setups)  # one constrained run makes all pass through the kink
        setup = dataclasses.replace(setup, conduct=setup.conduct._replace(short_sales=free))
        tables = [s.values for s in setups]
        values = {name: np.stack([t[name] for t in tables]) for name in tables[0]}
    else:
        values = {name: np.broadcast_to(v, (len(seeds), *np.shape(v))) for name, v in setup.values.items()}

    kept = range(setup.months) if daily is None else [m for m in daily if 0 <= m < setup.months]

    def keep(report: Month) -> dict[str, Any]:
        out = {"observables": report.observables, "daily": np.asarray(report.daily_returns)[:, list(kept)]}
        out["leader"] = np.asarray(report.daily_returns)[:, :, :, 0].reshape(report.daily_returns.shape[0], -1)
        if products:
            out["products"] = report.products
        return out

    with jax.enable_x64(precision == 64):
        call = _compiled_chunk(_Shape.of(setup), precision)
        inputs = (
            jnp.asarray(np.stack([seed_words(seed) for seed in seeds])),
            {k: jnp.asarray(v) for k, v in values.items()},
        )
        timeline = {k: jnp.asarray(v) for k, v in setup.timeline.items()}
        out = run_many(
            lambda rows: call(*rows, timeline, setup.networks),
            inputs,
            chunk=chunk,
            keep=keep,
            progress=progress,
            x64=precision == 64,
        )
    return Ensemble(setup, seeds, out, tuple(kept))


def compare(a: Ensemble, b: Ensemble, *, confidence: float = 0.95) -> Comparison:
    """Paired differences a - b on common random numbers, month by month.

    The runs must have the same seeds in the same order. Also reports how much the pairing reduced the variance of the
    difference of means: var(a) + var(b) over var(a - b).
    """
    if a.seeds != b.seeds:
        raise ValueError("the two ensembles have different seeds: run both with the same ones to pair them")
    return Comparison(a, b, confidence)


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What fixes the arrays of a run, and so its compiled program. Equal shapes share one program."""

    populations: Populations
    world: World
    conduct: Conduct
    key: tuple[Any, ...]

    @classmethod
    def of(cls, setup: Setup) -> _Shape:
        kinds = tuple(
            (role, tuple(setup.populations.kinds(role)))
            for role in ("vendors", "closed_labs", "open_labs", "adopters", "investors", "regulators")
        )
        return cls(setup.populations, setup.world, setup.conduct, (kinds, setup.world, setup.conduct))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and self.key == other.key


@functools.cache
def _compiled_month(conduct: Conduct) -> Callable[..., Any]:
    return jax.jit(functools.partial(month, conduct=conduct))


@functools.cache
def _compiled_start(shape: _Shape) -> Callable[..., Market]:
    return jax.jit(lambda p, seed, networks: first_market(Values(p), seed, shape.populations, networks, shape.world))


@functools.cache
def _compiled_chunk(shape: _Shape, precision: int) -> Callable[..., Month]:
    def one(seed: Any, p: Any, timeline: Any, networks: Networks) -> Month:
        return run(p, seed, timeline, networks, shape.populations, shape.conduct)[1]

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)))
