"""A run made ready: everything it needs besides its seed, checked."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm.engine import floats_of
from abm.market.populations import CLASS_OF_ROLE, Populations
from abm.market.state import Equations, Events, Networks
from abm.parameters import Parameters, merged
from abm.runs.own_code import identity_of_code, is_built_in
from abm.scenarios.scenario import Scenario
from abm.scenarios.timeline import Cast
from abm.support.axes import PRICE_FORMS, PRICING
from abm.support.inputs import plain, whole
from abm.support.messages import did_you_mean, nearest, shortened

LONGEST = 1_200
"""Months: a century. What the model says of such times is another matter."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """Everything a run needs besides its seed, checked and ready."""

    parameters: Parameters
    scenario: Scenario
    populations: Populations
    months: int
    cast: Cast
    timeline: dict[str, np.ndarray]
    networks: Networks
    equations: Equations = Equations()
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
            raise TypeError(
                f"parameters = {shortened(parameters)}: a scenario is given as scenario={shortened(parameters)}"
            )
        if not isinstance(parameters, Parameters | Mapping | None):
            raise TypeError(f"parameters = {shortened(parameters)}: give Parameters, or a table of names and values")
        if unknown := [name for name in sizes if name not in known]:
            raise TypeError("\n".join(_no_option(name, known) for name in unknown))
        for name, chosen, choices in (("pricing", pricing, PRICING), ("price_form", price_form, PRICE_FORMS)):
            if not isinstance(chosen, str) or chosen not in choices:
                raise ValueError(f"{name} = {shortened(chosen)}: choose {', '.join(choices)}")
        populations = dataclasses.replace(populations, **sizes) if populations else Populations(**sizes)
        cast = populations.cast()
        story = Scenario.load(scenario)
        story.check_parameters(Parameters.names())
        given = Parameters.given(parameters)
        resolved = Parameters(**merged(story.all_parameters, given))
        timeline = story.timeline(months, cast).arrays()
        equations = Equations(pricing, price_form, short_sales=resolved.short_sale_constraint < 0.5)
        with floats_of(64):
            networks = populations.networks()
        return cls(resolved, story, populations, months, cast, timeline, networks, equations, given)

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
            self.equations.pricing,
            self.equations.price_form,
        )

    @property
    def values(self) -> dict[str, np.ndarray]:
        return self.parameters.values()

    @property
    def program_key(self) -> ProgramKey:
        """What its compiled programs depend on, the rules as they are now among it."""
        return ProgramKey.of(self)

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
    return f"no option {shortened(name)}{nearest(name, [*words, *Parameters.names()]) or did_you_mean(name, words)}"


def whole_seed(seed: Any, name: str = "seed") -> int:
    """Check a seed: an integer, not something Python would convert to one."""
    try:
        return whole(name, seed, 0, 2**64 - 1)
    except ValueError:
        raise ValueError(f"{name} = {shortened(seed)}: must be a whole number from 0 to 2^64 - 1") from None


def yes_or_no(name: str, value: Any) -> bool:
    """Check a switch: True or False, not something Python would take for one of them."""
    if not isinstance(switch := plain(value), bool):
        raise ValueError(f"{name} = {shortened(value)}: must be True or False")
    return switch


@dataclasses.dataclass(frozen=True)
class ProgramKey:
    """What fixes the arrays and the rules of a run, and so its compiled program. Equal keys share one program."""

    populations: Populations
    cast: Cast
    equations: Equations
    key: tuple[Any, ...]

    @classmethod
    def of(cls, setup: Setup) -> ProgramKey:
        """With the rules as they are now: a class attribute that has changed since makes another key.

        Where what the rules do cannot all be known, every set-up has a key of its own.
        """
        kinds = tuple((role, tuple(setup.populations.kinds(role))) for role in CLASS_OF_ROLE)
        code = identity_of_code(kind for _, several in kinds for kind, _ in several)
        rules: Any = UnknownRules(setup, code.digest) if code.unknown else code.digest
        return cls(setup.populations, setup.cast, setup.equations, (kinds, setup.cast, setup.equations, rules))

    @property
    def rules(self) -> Any:
        """Stands for code that is not the package's: empty where there is none."""
        return self.key[3]

    @property
    def own_kinds(self) -> list[type]:
        """Classes of agents that are not the package's."""
        return [kind for _, kinds in self.key[0] for kind, _ in kinds if not is_built_in(kind)]

    @property
    def is_plain(self) -> bool:
        """Whether no code but the package's own takes part."""
        return bool(self.rules == "")

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProgramKey) and self.key == other.key


@dataclasses.dataclass(frozen=True)
class UnknownRules:
    """Rules of which not all can be known: equal for one and the same set-up, while what is known of them is the same."""

    setup: Setup
    digest: str

    def __str__(self) -> str:
        return uuid.uuid4().hex  # nothing that is stored under it is found again

    def __hash__(self) -> int:
        return hash((id(self.setup), self.digest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownRules) and self.setup is other.setup and self.digest == other.digest
