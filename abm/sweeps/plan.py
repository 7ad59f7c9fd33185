"""Which runs a sweep consists of: points, seeds, ids that depend on nothing else, and chunks that compute together."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from abm.parameters import Parameters, merged
from abm.runs.policy import overridden
from abm.sweeps.designs import grid_values, scaled, unit_cube
from abm.sweeps.spec import Sweep, digest

LARGEST_CHUNK = 1_000
"""Runs of one part: a million of them make a thousand parts."""
CHUNK_MEMORY = 200e6
"""Bytes that what a chunk keeps of its runs may take: chunks of large records are smaller."""
ON_ACCELERATOR = 20
"""So many times more of both where an accelerator computes: a part is then two calls of ten thousand runs."""


class Run(NamedTuple):
    """One run: its id, its point by number, its replication, its seed."""

    id: str
    point: int
    replication: int
    seed: int


@dataclass(frozen=True)
class Point:
    """One set of conditions. Its id is a hash of all that decides its numbers, but for seeds and the model's code."""

    id: str
    scenario: str
    factors: dict[str, Any]
    parameters: dict[str, Any]
    sizes: dict[str, int]
    events: dict[tuple[str, str], Any]

    @property
    def group(self) -> tuple[Any, ...]:
        """Points of one group run through one compiled program together."""
        constrained = float(self.parameters.get("short_sale_constraint", 0.0)) >= 0.5
        return self.scenario, tuple(sorted(self.sizes.items())), constrained


@dataclass(frozen=True, eq=False)
class Plan:
    """A sweep laid out. `replications` may be more than the sweep asks for, where a stopping rule wants it."""

    sweep: Sweep
    replications: int
    classes: Any = None
    """The user's own classes of agents, as `Populations` takes them."""

    @classmethod
    def of(cls, sweep: Sweep, replications: int | None = None, classes: Any = None) -> Plan:
        """Raises ValueError for more replications than seeds, and for classes that cannot play in every point."""
        replications = sweep.replications if replications is None else replications
        if sweep.seeds and replications > len(sweep.seeds):
            raise ValueError(
                f"replications = {replications}: the sweep names {len(sweep.seeds)} seeds; name more of them, or give"
                " replications instead of seeds"
            )
        plan = cls(sweep, replications, classes)
        if classes:
            from abm.market.populations import Populations

            for sizes in {tuple(point.sizes.items()) for point in plan.points}:
                own: dict[str, Any] = {**sweep.populations, **dict(sizes)}
                Populations(**own, classes=classes)
        return plan

    @cached_property
    def points(self) -> list[Point]:
        """Every point, scenario by scenario."""
        sweep, plain = self.sweep, self.sweep.plain()
        same = ("months", "precision", "pricing", "price_form", "observables", "parameters", "populations", "posterior")
        common = {key: plain[key] for key in same}
        common |= {"panel": sweep.kept_months, "outcomes": {k: v.model_dump() for k, v in sweep.columns.items()}}
        common |= {"own timelines": self.own_timelines, "classes": self.class_sources}
        head = digest(common)
        stories = {name: digest(story) for name, story in plain["scenarios"].items()}
        rows = points_of(sweep)
        named = any("scenario" in row for row in sweep.rows)
        points = []
        for scenario in [None] if named else list(sweep.stories):
            for at, row in enumerate(rows):
                name = scenario or str(sweep.rows[at]["scenario"])
                factors = {k: sweep.targets[k].typed(v) for k, v in row.items()}
                id_ = digest([head, stories[name], factors])
                points.append(Point(id_, name, factors, *self._settings(factors, name)))
        return points

    def _settings(
        self, factors: dict[str, Any], scenario: str
    ) -> tuple[dict[str, Any], dict[str, int], dict[Any, Any]]:
        """Parameters over the scenario's and the sweep's own; sizes; words of events."""
        parameters = merged(self.sweep.stories[scenario].all_parameters, self.sweep.parameters)
        sizes: dict[str, int] = {}
        events: dict[tuple[str, str], Any] = {}
        ordered = sorted(factors.items(), key=lambda pair: self.sweep.targets[pair[0]].key is not None)
        for name, value in ordered:  # a lever for all jurisdictions before one of them
            target = self.sweep.targets[name]
            if target.kind == "size":
                sizes[target.name] = value
            elif target.kind == "event":
                events[target.name, str(target.key)] = value
            elif target.key is None:
                parameters[target.name] = value
            else:
                before = parameters.get(target.name)
                table = before if isinstance(before, dict) else {} if before is None else {"default": before}
                parameters[target.name] = {**table, target.key: value}
        return parameters, sizes, events

    @cached_property
    def own_timelines(self) -> bool:
        """Whether words of events are swept, so that every run of a chunk has its own timeline."""
        return any(target.kind == "event" for target in self.sweep.targets.values())

    @property
    def without_effect(self) -> list[str]:
        """A sentence for each parameter or factor that an event of a scenario sets to something else."""
        factors = [target for target in self.sweep.targets.values() if target.kind == "parameter"]
        given = merged(self.sweep.parameters, *({one.name: {one.key or "default": None}} for one in factors))
        stories = {point.scenario: self.sweep.stories[point.scenario] for point in self.points}.values()
        return [one for story in stories for one in overridden(story, given, self.sweep.months)]

    @cached_property
    def class_sources(self) -> dict[str, Any]:
        """The user's own classes of agents by what their rules do: role -> [(name, number, digest of the code)].

        A class whose rules depend on more than their code has a digest that no other call gives again. Raises ValueError
        where rules of the package were replaced in memory: workers and whoever reads the results would not know of it.
        """
        if not self.classes and not any(
            name.startswith(("abm.agents", "abm.mechanisms", "abm.market.phases")) for name in sys.modules
        ):
            return {}  # nothing has been replaced in what is not imported yet
        from abm.runs.own_code import identity_of_code, replaced

        if changed := sorted(replaced()):
            raise ValueError(
                f"{', '.join(changed[:3])}: replaced in memory, which workers and the results' readers would not know; put the"
                " changed rule into a class of your own and give it with classes="
            )
        found: dict[str, Any] = {}
        for role, kinds in class_table(self.classes).items():
            for kind, number in kinds.items():
                code = identity_of_code([kind])
                digest = f"{code.digest}{uuid4().hex if code.unknown else ''}"
                found.setdefault(role, []).append([kind.__qualname__, number, digest])
        return found

    def seed(self, point: Point, replication: int) -> int:
        """Of a replication: the same at every point (or each point's own), whatever the order or number of runs."""
        return seed_of(self.sweep, point.id, replication)

    @cached_property
    def common_seeds(self) -> list[int]:
        return [self.seed(self.points[0], k) for k in range(self.replications)] if self.sweep.common_draws else []

    def runs(self, shard: tuple[int, int] = (1, 1)) -> Iterator[Run]:
        """All runs, or those of shard K of N: every Nth replication of every point."""
        which, shards = shard
        for at, point in enumerate(self.points):
            for k in range((which - 1 - at * self.replications) % shards, self.replications, shards):
                seed = self.common_seeds[k] if self.common_seeds else self.seed(point, k)
                yield Run(run_id(point.id, seed), at, k, seed)

    def chunks(
        self, runs: list[Run], workers: int, chunk: int | None = None, accelerated: bool = False
    ) -> list[list[Run]]:
        """Runs that compute together and are kept together; a few chunks for each worker, so that little is lost.

        On an accelerator as many as it takes at once.
        """
        groups: dict[tuple[Any, ...], list[Run]] = {}
        for one in runs:
            groups.setdefault(self.points[one.point].group, []).append(one)
        if chunk is None:
            record = 8.0 * 90 * self.sweep.months + 8 * 21 * self.sweep.months
            times, parts = (ON_ACCELERATOR, 1) if accelerated else (1, 8 * workers)
            most = times * min(LARGEST_CHUNK, int(CHUNK_MEMORY / record))
            chunk = max(8, min(most, -(-len(runs) // parts)))
            chunk = -(-chunk // 8) * 8  # whole batches of the compiled program
        return [members[at : at + chunk] for members in groups.values() for at in range(0, len(members), chunk)]


def class_table(classes: Any) -> Mapping[str, Mapping[type, int | None]]:
    """Role -> class -> number, of classes in any form that `Populations` takes; None: all of the role.

    Raises ValueError for what is no class of an agent with a role.
    """
    from abm.market.populations import role_of

    if isinstance(classes, Mapping):
        return classes
    table: dict[str, dict[type, int | None]] = {}
    for kind in [classes] if isinstance(classes, type) else classes or ():
        table.setdefault(role_of(kind), {})[kind] = None
    return table


def run_id(point_id: str, seed: int) -> str:
    return f"{point_id}-{seed:016x}"


def seed_of(sweep: Sweep, point_id: str, replication: int) -> int:
    """The seed of a replication at a point; where draws are common, whatever the point."""
    if sweep.seeds:
        return sweep.seeds[replication]
    key = (replication,) if sweep.common_draws else (replication, int(point_id, 16))
    return int(np.random.SeedSequence(sweep.seed, spawn_key=key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def values_of(point: Point) -> dict[str, np.ndarray]:
    """Parameters as the compiled model takes them."""
    return Parameters(**point.parameters).values()


def points_of(sweep: Sweep) -> list[dict[str, Any]]:
    """Every point of the design: factor -> value, in the order of the factors.

    A grid varies its last factor fastest. The first points of a Sobol, Saltelli or Morris design with more points are the
    same ones, and so are those of the first Latin hypercubes of a list.
    """
    names = list(sweep.factors)
    if sweep.design.kind == "table":
        return [{k: v for k, v in row.items() if k != "scenario"} for row in sweep.rows]
    if sweep.design.kind == "grid":
        axes = [grid_values(sweep.factors[name], sweep.targets[name]) for name in names]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]
    cube = unit_cube(sweep.design, len(names), sweep.seed)
    columns = [scaled(cube[:, i], sweep.factors[name], sweep.targets[name]) for i, name in enumerate(names)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
