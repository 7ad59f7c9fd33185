"""Sizes of the populations, their classes, and the networks between them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from abm.agents import Adopter, ChipVendor, ClosedLab, Investor, OpenLab, Operator, Programme, Regulator
from abm.engine import Agent, Group, Population
from abm.market.access_input import access_links
from abm.market.networks import static_layer
from abm.market.segment_input import SegmentError, Table, table_of
from abm.market.state import Networks
from abm.scenarios.timeline import SIZES, Cast
from abm.support.axes import JURISDICTIONS, OPERATORS, PROGRAMMES
from abm.support.inputs import whole
from abm.support.messages import AbmWarning
from abm.support.shapes import AnyArray

CLASS_OF_ROLE: dict[str, type[Agent]] = {
    "vendors": ChipVendor,
    "closed_labs": ClosedLab,
    "open_labs": OpenLab,
    "adopters": Adopter,
    "investors": Investor,
    "regulators": Regulator,
    "operators": Operator,
    "programmes": Programme,
}
FIXED_SIZES = {"regulators": len(JURISDICTIONS), "operators": len(OPERATORS), "programmes": PROGRAMMES}
"""Roles whose number of agents is not an option."""


class Usual(int):
    """A number that nobody asked for: it gives way to the number of own segments."""


@dataclass(frozen=True)
class Populations:
    """Sizes, classes and networks: everything that determines the shapes of a run's arrays.

    `classes` maps a role (`vendors`, `closed_labs`, ...) to its classes and the number of agents of each, e.g.
    ``{"closed_labs": {PatientLab: 2, ClosedLab: 3}}``; or it is a list of classes, each of which takes over its whole role.

    `information_network` (among investors) and `peer_network` (among adopters) are the name of a generator or your own
    network, as in `abm.market.networks.static_layer`; `information_order` and `peer_order` list its nodes in the order of the
    agents, if their names do not identify the agents. `access_network` says which labs may learn from which, as in
    `abm.market.access_input.access_links`.

    `segments` describes the adopters: a table with one row for each, the path of a CSV or Parquet file, or a function from the
    number of adopters to one of these, as in `abm.market.segment_input`. `adopters` need not be given with a table. What was
    read is kept here as `Segments`: a function is called once, and a file that changes later has no effect.
    """

    vendors: int = 4
    closed_labs: int = 5
    open_labs: int = 6
    entrants: int = 3
    adopters: int = Usual(200)
    investors: int = 1_000
    information_network: Any = "small_world"
    peer_network: Any = "small_world"
    access_network: Any = "complete"
    information_order: Any = None
    peer_order: Any = None
    network_seed: int = 0
    segments: Any = None
    classes: Any = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.classes, type):
            object.__setattr__(self, "classes", [self.classes])
        own = None if self.segments is None else self._read_segments()
        if not isinstance(self.classes, Mapping):  # a list of classes, each for a whole role
            roles = {kind: role_of(kind) for kind in self.classes}
            object.__setattr__(self, "classes", {role: {kind: self._count(role)} for kind, role in roles.items()})
        problems = []
        if self.closed_labs == 0 and self.open_labs == 0:
            problems.append("closed_labs = open_labs = 0: a market needs a lab")
        for name, (least, most) in {**SIZES, "network_seed": (0, None)}.items():
            try:
                object.__setattr__(self, name, whole(name, getattr(self, name), least, most))
            except ValueError as error:
                problems.append(str(error))
        for role, kinds in self.classes.items():
            if role not in CLASS_OF_ROLE:
                problems.append(f"unknown role {role!r}: choose {', '.join(CLASS_OF_ROLE)}")
                continue
            problems += [
                f"{kind.__name__} cannot play {role}: it must be a subclass of {CLASS_OF_ROLE[role].__name__}"
                for kind in kinds
                if not issubclass(kind, CLASS_OF_ROLE[role])
            ]
            if sum(kinds.values()) != (size := self._count(role)):
                there = f"there are {size}" if role in FIXED_SIZES else f"{role} = {size}"
                problems.append(f"classes for {role} add up to {sum(kinds.values())} agents, but {there}")
        if problems:
            raise ValueError("\n".join(problems))
        if own:
            object.__setattr__(self, "segments", own.checked(self.adopters, self.cast().named_labs))
        for kind in {kind for kinds in self.classes.values() for kind in kinds if kind.step is not Agent.step}:
            call = f"model.agents_by_type[{kind.__name__}].do('step')"
            message = f"{kind.__name__}.step: no phase of a month calls it; override a rule instead, or call it yourself: {call}"
            warnings.warn(message, AbmWarning, stacklevel=3)

    def _read_segments(self) -> Table:
        """Read own segments; there are as many adopters, unless the user gave another number."""
        own = table_of(self.segments, whole("adopters", self.adopters, *SIZES["adopters"]))
        if own.rows == 0:
            raise SegmentError("segments: has no rows; give one for each adopter")
        if isinstance(self.adopters, Usual) and own.rows:
            object.__setattr__(self, "adopters", Usual(own.rows))
        return own

    def _count(self, role: str) -> int:
        return FIXED_SIZES[role] if role in FIXED_SIZES else getattr(self, role)

    def cast(self) -> Cast:
        """Names and homes of firms for scenarios: the default cast, shortened or extended to these sizes."""
        base = Cast()
        cycle = base.jurisdictions

        def homes_of(names: list[str], homes: dict[str, str]) -> tuple[str, ...]:
            return tuple(homes.get(name, cycle[i % len(cycle)]) for i, name in enumerate(names))

        vendor_names = [*base.vendors, *(f"vendor_{i}" for i in range(5, self.vendors + 1))][: self.vendors]
        lab_names = [f"closed_{i + 1}" for i in range(self.closed_labs)] + [
            f"open_{i + 1}" for i in range(self.open_labs)
        ]
        homes = dict(zip(base.labs, base.lab_home, strict=True)) | dict(
            zip(base.vendors, base.vendor_home, strict=True)
        )
        vendor_homes, lab_homes = homes_of(vendor_names, homes), homes_of(lab_names, homes)
        cast = Cast(tuple(vendor_names), vendor_homes, tuple(lab_names), lab_homes, cycle)
        return cast.with_entrants(self.entrants)

    def networks(self) -> Networks:
        """The static layers as neighbour lists."""
        return Networks(
            information=jnp.asarray(
                static_layer(
                    self.information_network,
                    self.investors,
                    self.network_seed,
                    layer="information",
                    order=self.information_order,
                )
            ),
            peers=jnp.asarray(
                static_layer(
                    self.peer_network, self.adopters, self.network_seed + 1, layer="peers", order=self.peer_order
                )
            ),
            access=jnp.asarray(access_links(self.access_network, self.cast().labs, self.network_seed + 2)),
        )

    def own_segments(self) -> dict[str, jax.Array]:
        """Columns of adopters that the user gave."""
        given = {} if self.segments is None else self.segments.with_fits(self.cast().named_labs)
        return {name: jnp.asarray(column) for name, column in given.items()}

    def kinds(self, role: str) -> list[tuple[type[Agent], int]]:
        """Classes of a role with the number of agents of each, slots for entrants included."""
        kinds = list(self.classes.get(role, {CLASS_OF_ROLE[role]: self._count(role)}).items())
        if role == "open_labs" and self.entrants:  # free slots belong to the last class
            kind, number = kinds[-1]
            kinds[-1] = (kind, number + self.entrants)
        return kinds

    def group(self, role: str, sizes: dict[str, int], columns: Mapping[str, AnyArray]) -> Group:
        """Create the populations of a role; `columns` have one row per agent of the role."""
        populations, start = [], 0
        for kind, number in self.kinds(role):
            own = {
                name: np.asarray(v)[start : start + number] if isinstance(v, np.ndarray) else v[start : start + number]
                for name, v in columns.items()
            }
            populations.append(Population.create(kind, number, sizes=sizes, offset=start, **own))
            start += number
        return Group(*populations)


def role_of(kind: object) -> str:
    """The role of a class of agents. Raises ValueError for a class without one."""
    for role, base in CLASS_OF_ROLE.items():
        if isinstance(kind, type) and issubclass(kind, base):
            return role
    bases = ", ".join(base.__name__ for base in CLASS_OF_ROLE.values())
    raise ValueError(f"{kind!r} has no role: subclass one of {bases}")
