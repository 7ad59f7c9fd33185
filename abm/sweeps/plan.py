"""The runs of a sweep: points, seeds, ids that depend on nothing else, and chunks that are computed together."""

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
from abm.runs.policy import inert, overridden
from abm.scenarios.calendar import date_of
from abm.support.axes import DAYS
from abm.sweeps.designs import grid_values, scaled, unit_cube
from abm.sweeps.spec import Sweep, digest
from abm.sweeps.targets import same_history, with_changed_events

LARGEST_CHUNK = 1_000
"""Runs per part: a million runs make a thousand parts."""
CHUNK_MEMORY = 200e6
"""Bytes that the stored results of a chunk may take: runs with more data make smaller chunks."""
CALL = 10
"""Runs that the compiled program takes at once on a CPU (`abm.engine.devices`)."""
ON_ACCELERATOR = 20
"""Factor by which both limits grow on an accelerator: a part is then two calls of ten thousand runs."""


class Run(NamedTuple):
    """One run: its id, point number, replication and seed."""

    id: str
    point: int
    replication: int
    seed: int


@dataclass(frozen=True)
class Point:
    """One set of conditions. Its id hashes everything that determines results, except seeds and the model's code."""

    id: str
    scenario: str
    factors: dict[str, Any]
    parameters: dict[str, Any]
    sizes: dict[str, int]
    events: dict[tuple[str, str], Any]

    @property
    def group(self) -> tuple[Any, ...]:
        """Key of points that run together in one compiled program."""
        constrained = float(self.parameters.get("short_sale_constraint", 0.0)) >= 0.5
        return self.scenario, tuple(sorted(self.sizes.items())), constrained


@dataclass(frozen=True, eq=False)
class Plan:
    """A sweep laid out as points and runs. A stopping rule may raise `replications` above those of the sweep."""

    sweep: Sweep
    replications: int
    classes: Any = None
    """User-defined agent classes, in any form that `Populations` takes."""

    @classmethod
    def of(cls, sweep: Sweep, replications: int | None = None, classes: Any = None) -> Plan:
        """Lay out a sweep. Raises ValueError for more replications than seeds, or classes that do not fit every point."""
        replications = sweep.replications if replications is None else replications
        if sweep.seeds and replications > len(sweep.seeds):
            raise ValueError(
                f"replications = {replications}: the sweep has {len(sweep.seeds)} seeds; add seeds, or give"
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
        """All points, scenario by scenario."""
        sweep, plain = self.sweep, self.sweep.plain()
        keys = ("months", "precision", "pricing", "observables", "parameters", "populations", "posterior")
        common = {key: plain[key] for key in keys}
        common |= {"panel": sweep.kept_months, "outcomes": {k: v.model_dump() for k, v in sweep.columns.items()}}
        common |= {"own timelines": self.own_timelines, "classes": self.class_sources} | sweep.later_keys
        scenarios = {name: digest(fields) for name, fields in plain["scenarios"].items()}
        if sweep.branch_at:
            common["branch_at"] = [sweep.branch_at, scenarios[self.trunk.scenario]]
        common_digest = digest(common)
        rows = points_of(sweep)
        named = any("scenario" in row for row in sweep.rows)
        points = []
        for scenario in [None] if named else list(sweep.scenarios_by_name):
            for i, row in enumerate(rows):
                name = scenario or str(sweep.rows[i]["scenario"])
                factors = {k: sweep.targets[k].typed(v) for k, v in row.items()}
                id_ = digest([common_digest, scenarios[name], factors])
                points.append(Point(id_, name, factors, *self._inputs(factors, name)))
        return points

    def _inputs(self, factors: dict[str, Any], scenario: str) -> tuple[dict[str, Any], dict[str, int], dict[Any, Any]]:
        """Parameters (factors over those of the sweep over those of the scenario), sizes and event values of a point."""
        parameters = merged(self.sweep.scenarios_by_name[scenario].all_parameters, self.sweep.parameters)
        sizes: dict[str, int] = {}
        events: dict[tuple[str, str], Any] = {}
        ordered = sorted(factors.items(), key=lambda pair: self.sweep.targets[pair[0]].key is not None)
        for name, value in ordered:  # a lever of all jurisdictions before that of one
            target = self.sweep.targets[name]
            if target.kind == "size":
                sizes[target.name] = value
            elif target.kind == "event":
                events[target.name, str(target.key)] = value
            elif target.key is None:
                parameters[target.name] = value
            else:
                current = parameters.get(target.name)
                table = current if isinstance(current, dict) else {} if current is None else {"default": current}
                parameters[target.name] = {**table, target.key: value}
        return parameters, sizes, events

    @cached_property
    def trunk(self) -> Point:
        """What all points share before `branch_at`: the first scenario, without factors."""
        name = next(iter(self.sweep.scenarios_by_name))
        return Point("trunk", name, {}, *self._inputs({}, name))

    @cached_property
    def own_timelines(self) -> bool:
        """Whether event fields are swept, so that each run of a chunk needs its own timeline."""
        return any(target.kind == "event" for target in self.sweep.targets.values())

    @property
    def without_effect(self) -> list[str]:
        """Warnings about what has no effect, one sentence each.

        These are parameters and factors that an event of a scenario overrides, and what a scenario has before `branch_at`.
        """
        factors = [target for target in self.sweep.targets.values() if target.kind == "parameter"]
        given = merged(self.sweep.parameters, *({f.name: {f.key or "default": None}} for f in factors))
        points = {point.scenario: point for point in self.points}
        months, since = self.sweep.months, self.sweep.branch_at
        sentences = [
            sentence
            for name in points
            for sentence in overridden(self.sweep.scenarios_by_name[name], given, months, since)
        ]
        others = [point for name, point in points.items() if since and name != self.trunk.scenario]
        return sentences + [sentence for point in others for sentence in self._before_branching(point)]

    def _before_branching(self, point: Point) -> list[str]:
        """What the scenario of a point has before `branch_at`, where the run is one of the trunk's; one sentence each."""
        from abm.market.populations import Populations

        month, scenarios = self.sweep.branch_at, self.sweep.scenarios_by_name
        populations: dict[str, Any] = dict(self.sweep.populations)
        sentences = inert(values_of(point), values_of(self.trunk), month)
        scenario, trunk = with_changed_events(scenarios[point.scenario], point.events), scenarios[self.trunk.scenario]
        if not same_history(scenario, trunk, month, Populations(**populations).cast()):
            sentences.append(
                f"its events before branch_at = {month} ({date_of(month):%B %Y}) have no effect: until then every run is one"
                f" of scenario {trunk.name}"
            )
        return [f"scenario {point.scenario}: {sentence}" for sentence in sentences]

    @cached_property
    def class_sources(self) -> dict[str, Any]:
        """Identity of the user-defined classes: role -> [(name, number, digest of the code)].

        A class whose rules depend on more than their code gets a new digest in every call. Raises ValueError if rules of the
        package were replaced in memory: workers and readers of the results would not know of it.
        """
        if not self.classes and not any(
            name.startswith(("abm.agents", "abm.market.phases", "abm.mechanisms")) for name in sys.modules
        ):
            return {}  # modules that are not imported yet cannot have been changed
        from abm.runs.own_code import identity_of_code, replaced

        if changed := sorted(replaced()):
            raise ValueError(
                f"{', '.join(changed[:3])}: replaced in memory, which workers and readers of the results cannot see; put the"
                " changed rule into a class of your own and pass it with classes="
            )
        sources: dict[str, Any] = {}
        for role, kinds in class_table(self.classes).items():
            for kind, number in kinds.items():
                code = identity_of_code([kind])
                digest = f"{code.digest}{uuid4().hex if code.unknown else ''}"
                sources.setdefault(role, []).append([kind.__qualname__, number, digest])
        return sources

    def seed(self, point: Point, replication: int) -> int:
        """Seed of a replication: the same at every point (or one per point), whatever the order or number of runs."""
        return seed_of(self.sweep, point.id, replication)

    @cached_property
    def common_seeds(self) -> list[int]:
        return [self.seed(self.points[0], k) for k in range(self.replications)] if self.sweep.common_draws else []

    def runs(self, shard: tuple[int, int] = (1, 1)) -> Iterator[Run]:
        """Iterate over all runs, or over those of shard K of N: every Nth run, or every Nth replication of branches."""
        shard_number, shards = shard
        for index, point in enumerate(self.points):
            before = 0 if self.sweep.branch_at else index * self.replications
            for k in range((shard_number - 1 - before) % shards, self.replications, shards):
                seed = self.common_seeds[k] if self.common_seeds else self.seed(point, k)
                yield Run(run_id(point.id, seed), index, k, seed)

    def chunks(
        self, runs: list[Run], workers: int, chunk: int | None = None, accelerated: bool = False
    ) -> list[list[Run]]:
        """Split runs into chunks that are computed and stored together.

        A few chunks per worker, so that an interruption loses little; on an accelerator, as many runs as it takes at once.
        Branches are computed together with those of the same replications, which share their trunk.
        """
        if chunk is None:
            record = 8.0 * 90 * self.sweep.months + 8 * 21 * self.sweep.months + bytes_of_lists(self.sweep)
            times, parts = (ON_ACCELERATOR, 1) if accelerated else (1, 8 * workers)
            most = times * min(LARGEST_CHUNK, int(CHUNK_MEMORY / record))
            least = CALL * len({run.point for run in runs}) if self.sweep.branch_at else 8
            chunk = min(most, max(least, -(-len(runs) // parts)))
            chunk = -(-chunk // 8) * 8  # whole batches of the compiled program
        groups: dict[tuple[Any, ...], list[Run]] = {}
        if self.sweep.branch_at:
            order = {point: number for number, point in enumerate(sorted({run.point for run in runs}))}
            together = max(chunk // len(order) // CALL * CALL, min(chunk, CALL))  # replications: whole compiled calls
            across = max(chunk // together, 1)
            for run in runs:
                groups.setdefault((run.replication // together, order[run.point] // across), []).append(run)
            return list(groups.values())
        for run in runs:
            groups.setdefault(self.points[run.point].group, []).append(run)
        return [members[i : i + chunk] for members in groups.values() for i in range(0, len(members), chunk)]


def class_table(classes: Any) -> Mapping[str, Mapping[type, int | None]]:
    """Role -> class -> number, from classes in any form that `Populations` takes; None: all agents of the role.

    Raises ValueError for anything but an agent class with a role.
    """
    from abm.market.populations import role_of

    if isinstance(classes, Mapping):
        return classes
    table: dict[str, dict[type, int | None]] = {}
    for kind in [classes] if isinstance(classes, type) else classes or ():
        table.setdefault(role_of(kind), {})[kind] = None
    return table


def bytes_of_lists(sweep: Sweep) -> float:
    """Approximate bytes of the daily returns and products that a run stores, with the usual numbers of firms and labs."""
    firms, products = 21, 2 * 14
    daily = 8.0 * DAYS * (firms * len(sweep.daily) + sweep.months) if sweep.daily else 0.0
    return daily + (34.0 * products * sweep.months if sweep.products else 0.0)


def run_id(point_id: str, seed: int) -> str:
    """Id of a run: its point's id and its seed."""
    return f"{point_id}-{seed:016x}"


def seed_of(sweep: Sweep, point_id: str, replication: int) -> int:
    """Seed of a replication at a point; with common draws, the same at every point."""
    if sweep.seeds:
        return sweep.seeds[replication]
    key = (replication,) if sweep.common_draws else (replication, int(point_id, 16))
    return int(np.random.SeedSequence(sweep.seed, spawn_key=key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def values_of(point: Point) -> dict[str, np.ndarray]:
    """Parameters of a point as arrays for the compiled model."""
    return Parameters(**point.parameters).values()


def points_of(sweep: Sweep) -> list[dict[str, Any]]:
    """All points of the design: factor -> value, in the order of the factors.

    A grid varies its last factor fastest. Increasing the number of points of a Sobol, Saltelli or Morris design, or adding
    Latin hypercubes to a list, leaves the earlier points unchanged.
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
