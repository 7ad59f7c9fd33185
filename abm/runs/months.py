"""A run made ready, and played month by month."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from abm.engine import Draws, floats_of, interpreted, seed_words
from abm.support.inputs import plain, whole
from abm.market.month import Events, Month, month
from abm.market.observables import ProductRecord
from abm.parameters import Parameters, merged
from abm.market.start import Populations, first_market
from abm.runs.programs import Shape, compiled_month, compiled_start
from abm.scenarios.scenario import Scenario
from abm.market.state import Conduct, Market, Networks, Values
from abm.scenarios.timeline import World
from abm.support.messages import AbmWarning, meant, nearest, short

LONGEST = 1_200
"""Months: a century. What the model says of such times is another matter."""
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
    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Parameters that the user gave, without those of the scenario."""

    @classmethod
    def of(
        cls,
        parameters: Parameters | Mapping[str, Any] | Any = None,
        scenario: str | Scenario | Any = "baseline",
        months: int = 60,
        populations: Populations | None = None,
        pricing: str = "posted",
        price_form: str = "log",
        **sizes: Any,
    ) -> Setup:
        """Check and combine what a user gives; scenario parameters yield to those given explicitly."""
        months = whole("months", months, 1, LONGEST)
        known = [field.name for field in dataclasses.fields(Populations)]
        if isinstance(parameters, str):
            raise TypeError(f"parameters = {short(parameters)}: a scenario is given as scenario={short(parameters)}")
        if not isinstance(parameters, Parameters | Mapping | None):
            raise TypeError(f"parameters = {short(parameters)}: give Parameters, or a table of names and values")
        if unknown := [name for name in sizes if name not in known]:
            raise TypeError("\n".join(_no_option(name, known) for name in unknown))
        for name, chosen, choices in (("pricing", pricing, PRICING), ("price_form", price_form, PRICE_FORMS)):
            if not isinstance(chosen, str) or chosen not in choices:
                raise ValueError(f"{name} = {short(chosen)}: choose {', '.join(choices)}")
        populations = dataclasses.replace(populations, **sizes) if populations else Populations(**sizes)
        world = populations.world()
        story = Scenario.load(scenario)
        story.check_parameters(Parameters.names())
        given = Parameters.given(parameters)
        resolved = Parameters(**merged(story.all_parameters, given))
        timeline = story.timeline(months, world).arrays()
        conduct = Conduct(pricing, price_form, short_sales=resolved.short_sale_constraint < 0.5)
        with floats_of(64):
            networks = populations.networks()
        return cls(resolved, story, populations, months, world, timeline, networks, conduct, given)

    def under(
        self, parameters: Parameters | Mapping[str, Any] | None = None, scenario: str | Scenario | None = None
    ) -> Setup:
        """The same populations and months under other parameters or another scenario.

        Parameters that the user gave before stay where the new ones do not replace them; those of the old scenario go
        with it.
        """
        return Setup.of(
            merged(self.given, Parameters.given(parameters)),
            self.scenario if scenario is None else scenario,
            self.months,
            self.populations,
            self.conduct.pricing,
            self.conduct.price_form,
        )

    @property
    def values(self) -> dict[str, np.ndarray]:
        return self.parameters.values()

    @property
    def shape(self) -> Shape:
        """What its compiled programs depend on, the rules as they are now among it."""
        return Shape.of(self)

    def events(self, at: int) -> Events:
        """The timeline's row of one month."""
        return Events({name: array[at] for name, array in self.timeline.items()})


def _no_option(name: str, known: list[str]) -> str:
    """What is wrong with an option that there is not."""
    if name in Parameters.names():
        return f"{name} is a parameter: give Parameters({name}=...)"
    if name in ("seed", "seeds", "rng"):
        return f"no option {name!r} here: simulate takes seed=, ensemble seeds=, MarketModel rng= or seed="
    words = [*known, "scenario", "months", "pricing", "price_form", "compiled", "populations"]
    return f"no option {short(name)}{nearest(name, [*words, *Parameters.names()]) or meant(name, words)}"


def whole_seed(seed: Any, name: str = "seed") -> int:
    """Check a seed: an integer, not something Python would convert to one."""
    try:
        return whole(name, seed, 0, 2**64 - 1)
    except ValueError:
        raise ValueError(f"{name} = {short(seed)}: must be a whole number from 0 to 2^64 - 1") from None


def yes_or_no(name: str, value: Any) -> bool:
    """Check a switch: True or False, not something Python would take for one of them."""
    if not isinstance(switch := plain(value), bool):
        raise ValueError(f"{name} = {short(value)}: must be True or False")
    return switch


HIGHEST_PRICE = 1e9
"""$ per million tokens: a thousand dollars a token, more than a million times the dearest list price to June 2025."""


def check_prices(products: ProductRecord, setup: Setup, first: int = 0) -> None:
    """Reject prices that are not finite and positive, and warn of those that nobody would ever ask.

    products : arrays (months, labs, tiers) from month `first` on. Raises ValueError with the first lab and month. Parameters
    that are extreme together can give prices beyond any market: of these it warns.
    """
    bad = np.asarray(products.active) & ~((np.asarray(products.price) > 0) & np.isfinite(products.price))
    if bad.any():
        month, lab, tier = np.argwhere(bad)[0]
        price = np.asarray(products.price)[month, lab, tier]
        raise ValueError(
            f"the price of {setup.world.labs[lab]} in month {first + month} is {price:g}: a price must be a finite number"
            " above 0; look at the rules that this run overrides"
        )
    dear = np.asarray(products.active) & (np.asarray(products.price) > HIGHEST_PRICE)
    if dear.any():
        month, lab, tier = np.argwhere(dear)[0]
        price = np.asarray(products.price)[month, lab, tier]
        warnings.warn(
            f"the price of {setup.world.labs[lab]} in month {first + month} is {price:.3g} $ per million tokens, above"
            f" {HIGHEST_PRICE:.0e}: this run is of no market; look at its parameters and rules",
            AbmWarning,
            stacklevel=3,
        )


def warn_of_prices(observables: Mapping[str, Any], seeds: Sequence[int]) -> None:
    """As `check_prices` of runs whose products are not kept; observables : arrays (runs, months)."""
    for name in ("frontier_price", "mean_price_paid"):
        dear = np.asarray(observables[name]) > HIGHEST_PRICE
        if dear.any():
            run, month = np.argwhere(dear)[0]
            warnings.warn(
                f"{name} of {int(dear.any(1).sum())} of {len(seeds)} runs is above {HIGHEST_PRICE:.0e} $ per million"
                f" tokens, first in month {month} of seed {seeds[run]}: those runs are of no market; look at their"
                " parameters and rules",
                AbmWarning,
                stacklevel=3,
            )
            return


def play(setup: Setup, seed: int, *, compiled: bool = True) -> Iterator[tuple[Market, Month | None]]:
    """The markets of a run one after the other: the first with no report, then one per month."""
    values = device_values(setup)
    with floats_of(64):
        draws = Draws.from_seed(int(seed))
    market = first_market_of(setup, seed, compiled)
    yield market, None
    for at in range(setup.months):
        market, report = one_month(setup, market, values, setup.events(at), draws, compiled)
        yield market, report


def device_values(setup: Setup) -> Values:
    """Parameters as arrays that a program takes without converting them."""
    with floats_of(64):
        return Values({name: jnp.asarray(value) for name, value in setup.values.items()})


def first_market_of(setup: Setup, seed: int, compiled: bool = True) -> Market:
    values = device_values(setup)
    with floats_of(64):
        if compiled:
            return compiled_start(setup.shape)(values.table, jnp.asarray(seed_words(seed)), setup.networks)
        return first_market(values, int(seed), setup.populations, setup.networks, setup.world)


def one_month(setup: Setup, market: Market, values: Values, events: Events, draws: Draws, compiled: bool = True) -> Any:
    """`market.month`, compiled or interpreted, always in 64 bits."""
    shape = setup.shape  # where rules have changed since, this drops what JAX keeps of them, in Python too
    with floats_of(64):
        if compiled:
            return compiled_month(shape)(market, values, events, draws)
        with interpreted():
            return month(market, values, events, draws, setup.conduct)


MAY_BE_UNDEFINED = ("price_at_k",)
"""Observables, by their beginning, that have no value where nothing of the kind is on sale."""


def check_finite(observables: Mapping[str, Any], setup: Setup, seeds: Sequence[int], first: int = 0) -> None:
    """Reject a run in which a user's rule gave NaN or infinity, or a price that is not above 0 (`observables.of_a_market`).

    observables : arrays (runs, months) from month `first` on. Raises ValueError with the first month, the seed, and whose
    rules to look at.
    """
    if setup.shape.is_plain:
        return
    bad = {n: ~np.isfinite(np.asarray(x)) for n, x in observables.items() if not n.startswith(MAY_BE_UNDEFINED)}
    begin = {name: int(np.argmax(wrong.any(0))) for name, wrong in bad.items() if wrong.any()}
    if begin:
        name = min(begin, key=lambda one: begin[one])
        seed = seeds[int(np.argmax(bad[name][:, begin[name]]))]
        whose = ", ".join(kind.__name__ for kind in setup.shape.own_kinds) or "the package that were replaced"
        raise ValueError(
            f"{name} is not a finite number from month {first + begin[name]} on (seed {seed}): look at the rules of {whose},"
            " which gave NaN, infinity or a price that is not above 0"
        )


def check_run(report: Month, setup: Setup, seed: int, first: int = 0) -> None:
    """Both checks of one run; report : arrays (months, ...) from month `first` on."""
    values = {name: np.asarray(x)[None] for name, x in report.observables.items()}
    wrong = [~np.isfinite(x[0]) for name, x in values.items() if not name.startswith(MAY_BE_UNDEFINED)]
    until = (
        int(np.argmax(np.any(wrong, axis=0))) + 1 if np.any(wrong) else None
    )  # what came of it later is nobody's price
    check_prices(ProductRecord(*(np.asarray(x)[:until] for x in report.products)), setup, first)
    check_finite(values, setup, [seed], first)
