"""The set-up of a run: all its inputs except the seed, checked and combined."""

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
from abm.support.axes import PRICING
from abm.support.inputs import plain, whole
from abm.support.messages import did_you_mean, nearest, shortened

LONGEST = 1_200
"""Most months of a run: a century, far beyond any range for which the model was built."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """All inputs of a run except its seed, checked and combined."""

    parameters: Parameters
    scenario: Scenario
    populations: Populations
    months: int
    cast: Cast
    timeline: dict[str, np.ndarray]
    networks: Networks
    segments: dict[str, Any]
    """Columns of adopters that the user gave."""
    equations: Equations = Equations()
    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Parameters given by the user, without those of the scenario."""

    @classmethod
    def of(
        cls,
        parameters: Parameters | Mapping[str, Any] | Any = None,
        scenario: str | Scenario | Any = "baseline",
        months: int = 60,
        populations: Populations | None = None,
        pricing: str = "posted",
        **sizes: Any,
    ) -> Setup:
        """Check and combine the user's inputs; explicitly given parameters override those of the scenario."""
        months = whole("months", months, 1, LONGEST)
        if isinstance(parameters, str):
            raise TypeError(
                f"parameters = {shortened(parameters)}: give a scenario as scenario={shortened(parameters)}"
            )
        if not isinstance(parameters, Parameters | Mapping | None):
            raise TypeError(f"parameters = {shortened(parameters)}: give Parameters, or a table of names and values")
        _refuse_unknown(sizes)
        if not isinstance(pricing, str) or pricing not in PRICING:
            raise ValueError(f"pricing = {shortened(pricing)}: choose {', '.join(PRICING)}")
        populations = _populations(populations, sizes)
        cast = populations.cast()
        scenario = Scenario.load(scenario)
        scenario.check_parameters(Parameters.names())
        given = Parameters.given(parameters)
        resolved = Parameters(**merged(scenario.all_parameters, given))
        timeline = scenario.timeline(months, cast).arrays()
        equations = Equations(pricing, short_sales=resolved.short_sale_constraint < 0.5)
        with floats_of(64):
            networks, segments = populations.networks(), populations.own_segments()
        return cls(resolved, scenario, populations, months, cast, timeline, networks, segments, equations, given)

    def under(
        self, parameters: Parameters | Mapping[str, Any] | None = None, scenario: str | Scenario | None = None
    ) -> Setup:
        """The same populations and months under other parameters or another scenario.

        Parameters that the user gave before stay unless the new ones replace them; those of the old scenario are dropped
        with it.
        """
        return Setup.of(
            merged(self.given, Parameters.given(parameters)),
            self.scenario if scenario is None else scenario,
            self.months,
            self.populations,
            self.equations.pricing,
        )

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Parameter values as arrays."""
        return self.parameters.values()

    @property
    def program_key(self) -> ProgramKey:
        """Key of its compiled programs, including the current code of the rules."""
        return ProgramKey.of(self)

    def events(self, month: int) -> Events:
        """The timeline's row of one month."""
        return Events({name: array[month] for name, array in self.timeline.items()})


def with_segments_read(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of several set-ups, with own segments read once, so that all have the same."""
    if options.get("segments") is None:
        return dict(options)
    sizes = {name: value for name, value in options.items() if name not in ("populations", "pricing")}
    _refuse_unknown(sizes)
    kept = {name: value for name, value in options.items() if name == "pricing"}
    return {**kept, "populations": _populations(options.get("populations"), sizes)}


def _populations(populations: Populations | None, sizes: Mapping[str, Any]) -> Populations:
    return dataclasses.replace(populations, **sizes) if populations else Populations(**sizes)


def _refuse_unknown(sizes: Mapping[str, Any]) -> None:
    known = [field.name for field in dataclasses.fields(Populations)]
    if unknown := [name for name in sizes if name not in known]:
        raise TypeError("\n".join(_no_option(name, known) for name in unknown))


def _no_option(name: str, known: list[str]) -> str:
    """Error message for an unknown option."""
    if name in Parameters.names():
        return f"{name} is a parameter: give Parameters({name}=...)"
    if name in ("seed", "seeds", "rng"):
        return f"no option {name!r} here: simulate takes seed=, ensemble seeds=, MarketModel rng= or seed="
    options = [*known, "scenario", "months", "pricing", "compiled", "populations"]
    return f"no option {shortened(name)}{nearest(name, [*options, *Parameters.names()]) or did_you_mean(name, options)}"


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
    """Everything that determines a run's compiled program: shapes and rules. Equal keys share one program."""

    populations: Populations
    cast: Cast
    equations: Equations
    key: tuple[Any, ...]

    @classmethod
    def of(cls, setup: Setup) -> ProgramKey:
        """The key with the current code of the rules: a class attribute that changes later gives another key.

        If not everything that the rules depend on can be identified, every set-up has a key of its own.
        """
        kinds = tuple((role, tuple(setup.populations.kinds(role))) for role in CLASS_OF_ROLE)
        code = identity_of_code(kind for _, counts in kinds for kind, _ in counts)
        rules: Any = UnknownRules(setup, code.digest) if code.unknown else code.digest
        return cls(
            setup.populations,
            setup.cast,
            setup.equations,
            (kinds, setup.cast, setup.equations, rules, tuple(setup.segments)),
        )

    @property
    def rules(self) -> Any:
        """Identity of the code that is not the package's own; an empty string if there is none."""
        return self.key[3]

    @property
    def own_kinds(self) -> list[type]:
        """Classes of agents that are not the package's own."""
        return [kind for _, kinds in self.key[0] for kind, _ in kinds if not is_built_in(kind)]

    @property
    def is_plain(self) -> bool:
        """Whether the run uses only the package's own code."""
        return bool(self.rules == "")

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProgramKey) and self.key == other.key


@dataclasses.dataclass(frozen=True)
class UnknownRules:
    """Rules that depend on something unidentified: equal only for the same set-up and the same known digest."""

    setup: Setup
    digest: str

    def __str__(self) -> str:
        return uuid.uuid4().hex  # unique, so that nothing stored under it is reused

    def __hash__(self) -> int:
        return hash((id(self.setup), self.digest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownRules) and self.setup is other.setup and self.digest == other.digest
