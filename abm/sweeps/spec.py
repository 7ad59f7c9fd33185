"""The specification of a sweep: a `Sweep` in Python or one TOML file, and the conversion between the two.

    name = "clear_ip"
    scenarios = ["baseline", "export_ban"]  # built-in names, or .toml files in the same folder
    months = 60
    replications = 20                       # paired: replication k uses the same draws at every point
    seed = 0                                # or seeds = [3, 14, 15] instead of replications and seed
    observables = ["lerner_closed", "open_token_share"]
    panel = "all"                           # months stored for each run: "all", "none", or a list
    # branch_at = 24                        # until this month every run is one of the first scenario, without factors
    posterior = "june_2025"                 # replication k uses the k-th posterior draw of a fit; by default its estimate

    [design]
    kind = "grid"                           # grid, latin_hypercube, sobol, saltelli, morris, table

    [parameters]                            # fixed at every point
    guarantee_share = 0.0

    [populations]                           # the same at every point
    investors = 500
    # segments = "segments.csv"             # your own adopters, in a file of the same folder

    [factors]
    ip_strength = [0.0, 0.5, 1.0]           # a list of values, or a range:
    "ip_strength.china" = { low = 0.0, high = 1.0, levels = 3 }
    adopters = [100, 200]                   # a population size
    "r1.date" = [2025-01-20, 2025-06-20]    # the date, or another value, of a scenario event

    [outcomes]                              # columns of the runs table; by default NAME_mean and NAME_last
    lerner_2027 = { of = "lerner_closed", take = "mean", first = 48, last = 59 }
    chips_fell = { of = "abnormal_compute", date = 2025-01-27 }    # daily returns around a date

A file is data: nothing in it is executed, and it cannot reach files outside its folder. All its problems are reported
together in one `SpecError`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from abm.data import draws
from abm.scenarios.scenario import Scenario
from abm.support.files import safe_name, toml_key, toml_value
from abm.support.inputs import plain
from abm.support.specs import InvalidSpec, Wording, place_in, problems_of, read_spec
from abm.sweeps.checks import problems_in
from abm.sweeps.checks_of_outputs import OBSERVABLES
from abm.sweeps.designs import repeats, size_of
from abm.sweeps.factors import Design, Factor
from abm.sweeps.outcome import STRICT, Outcome
from abm.sweeps.own_segments import told, with_segments
from abm.sweeps.targets import Target, day_of

MOST_RUNS = 10_000_000
"""Larger sweeps are refused: at a tenth of a second per run they would take weeks."""
WORDING = Wording(invalid="{place}: {value}: {requirement}")
CONTENT_KEYS = {"factors", "design", "scenarios", "parameters", "populations", "posterior", "replications", "seeds"}
"""Keys that say what to run: a file with none of them is probably not meant as a sweep."""
NO_FACTORS = "nothing varies: add [factors] or several scenarios; for a sweep of one point, set replications = ..."


class SpecError(InvalidSpec):
    """An invalid sweep; the message lists every problem."""


class Sweep(BaseModel):
    """A complete sweep specification, without where it is stored and what computes it.

    Raises `SpecError` with every problem.

    >>> sweep = Sweep(factors={"ip_strength": [0.0, 1.0]}, replications=3)
    >>> sweep.number_of_points, sweep.number_of_runs
    (2, 6)
    """

    model_config = STRICT

    name: str = Field("sweep", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    scenarios: tuple[Any, ...] = ("baseline",)
    months: int = Field(60, ge=1, le=1200)
    replications: int = Field(10, ge=1, le=MOST_RUNS)
    seed: int = Field(0, ge=0, lt=2**64)
    """Determines the seeds of the replications and, in designs with random points, the points."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**64)], ...] | None = None
    """Explicit seeds of the replications, in order, instead of `replications` and seeds derived from `seed`."""
    common_draws: bool = True
    """Whether replication k uses the same draws at every point (False: each point has its own)."""
    observables: tuple[str, ...] = OBSERVABLES
    panel: Literal["all", "none"] | tuple[int, ...] = "all"
    daily: tuple[int, ...] = ()
    """Months whose daily returns are stored in the panel, with the leading vendor's of all months."""
    products: bool = False
    """Store price, capability, releases and sales of every product and month in the panel."""
    branch_at: int = Field(0, ge=0)
    """Months before it are those of the trunk: the first scenario with `parameters` and without factors. Factors and other
    scenarios apply from it on."""
    precision: Literal[32, 64] = 64
    pricing: Literal["posted", "flexible", "nash"] = "posted"
    posterior: str | None = None
    """A fit (`abm.data.fits`): replication k uses the k-th draw of its posterior instead of the defaults, so that results
    include parameter uncertainty. Values set by a scenario, `parameters` or a factor take precedence."""
    design: Design = Design()
    parameters: dict[str, float | dict[str, float]] = {}
    populations: dict[str, int | str | dict[str, tuple[float, ...]]] = {}
    """Sizes, names of generators of networks, and own `segments`: a table or the path of a file, kept as columns."""
    factors: dict[str, Factor] = {}
    outcomes: dict[str, Outcome] = {}
    _scenarios: dict[str, Scenario] = PrivateAttr(default_factory=dict)
    _targets: dict[str, Target] = PrivateAttr(default_factory=dict)
    _rows: tuple[dict[str, Any], ...] = PrivateAttr(default=())

    def __init__(self, /, *, folder: Path | None = None, confined: bool = False, **fields: Any):
        """Validate the fields.

        `folder` is the base of relative paths; `confined` refuses paths that leave it (for files of unknown origin).
        """
        fields, unread = with_segments(fields, folder, confined)
        fields = {key: plain(value) for key, value in fields.items()}
        for key in ("scenarios", "observables"):
            if isinstance(fields.get(key), str | Scenario):
                fields[key] = (fields[key],)
        if isinstance(fields.get("factors"), Mapping):
            fields["factors"] = _flat(fields["factors"])
        if isinstance(fields.get("seeds"), tuple) and fields["seeds"]:
            fields.setdefault("replications", len(fields["seeds"]))
        mistyped: dict[str, str] = {}
        try:
            super().__init__(**fields)
        except ValidationError as error:
            mistyped = problems_of(error, Sweep, fields, WORDING)
        scenarios, targets, rows, invalid = problems_in(fields, folder, confined)
        problems = _without_duplicates(mistyped, [*unread, *invalid])
        if problems:
            raise SpecError(problems)
        self._scenarios, self._targets, self._rows = scenarios, targets, rows
        if self.number_of_runs > MOST_RUNS:
            raise SpecError(self._too_many())
        if duplicates := repeats(self.design, self.factors, self.targets):
            raise SpecError(duplicates)

    def _too_many(self) -> str:
        """Error message for a sweep that is too large; computed from its size, without laying out the points."""
        from abm.support.messages import duration

        fewer = {
            "grid": "levels, or a Sobol or Latin hypercube design",
            "table": "rows",
            "morris": "trajectories",
        }.get(self.design.kind, "points")
        return (
            f"{self.number_of_points:,} points x {self.replications:,} replications = {self.number_of_runs:,} runs, about"
            f" {duration(min(self.number_of_runs, 10**30) * self.months * 1e-3)} on two cores; the limit is"
            f" {MOST_RUNS:,} runs. Use fewer {fewer}"
        )

    @property
    def scenarios_by_name(self) -> dict[str, Scenario]:
        """The scenarios by name."""
        return self._scenarios

    @property
    def targets(self) -> dict[str, Target]:
        """What each factor sets, by factor name."""
        return self._targets

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The points of a table design."""
        return self._rows

    @cached_property
    def number_of_points(self) -> int:
        """Number of points over all scenarios."""
        return size_of(self.design, self.factors, len(self.rows)) * (
            1 if any("scenario" in row for row in self.rows) else len(self.scenarios)
        )

    @property
    def number_of_runs(self) -> int:
        return self.number_of_points * self.replications

    @property
    def kept_months(self) -> tuple[int, ...]:
        """Months stored in the panel, sorted."""
        if isinstance(self.panel, tuple):
            return tuple(sorted(set(self.panel)))
        return tuple(range(self.months)) if self.panel == "all" else ()

    @property
    def columns(self) -> dict[str, Outcome]:
        """The outcomes by column name."""
        if self.outcomes:
            return self.outcomes
        return {f"{name}_{take}": Outcome(of=name, take=take) for name in self.observables for take in ("mean", "last")}

    @property
    def later_keys(self) -> dict[str, Any]:
        """Keys that came later, unless they have their defaults: sweeps without them keep their hash and their run ids."""
        branch = [self.branch_at, next(iter(self.scenarios_by_name))] if self.branch_at else 0
        later = {"daily": sorted(self.daily), "products": self.products, "branch_at": branch}
        return {key: value for key, value in later.items() if value}

    def plain(self) -> dict[str, Any]:
        """Everything that determines what is run, as plain values; scenarios and tables by content, not by name."""
        plain = self.model_dump(mode="json", exclude={"name", "scenarios", "daily", "products", "branch_at"})
        plain |= self.later_keys
        plain["scenarios"] = {name: _scenario_fields(scenario) for name, scenario in self.scenarios_by_name.items()}
        if self.posterior:
            plain["posterior"] = [self.posterior, digest(draws(self.posterior).to_dict("list"))]
        if segments := plain["populations"].get("segments"):
            plain["populations"]["segments"] = told(segments, digest(segments))
        rows = [dict(row) for row in self.rows]
        plain["design"]["rows"] = rows if len(rows) <= 20 else f"{len(rows)} rows {digest(rows)}"
        plain["design"].pop("file")
        return plain

    def bare(self) -> Sweep:
        """A copy without the points: all that a worker needs besides its own runs."""
        copy = self.model_copy(update={"design": Design()})
        copy._rows = ()
        return copy

    @cached_property
    def hash(self) -> str:
        return digest(self.plain())

    @classmethod
    def from_table(cls, table: Mapping[str, Any], folder: Path) -> Sweep:
        """A sweep from the parsed content of a file in `folder`, to whose files it is confined. Raises `SpecError`."""
        if problems := [f"{key}: unknown key {key!r}" for key in ("folder", "confined") if key in table]:
            raise SpecError(problems)
        return cls(folder=folder, confined=True, **table)

    @classmethod
    def load(cls, path: str | Path, changed: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Sweep:
        """Load a sweep from a TOML file; `changed` may modify the fields before they are validated."""
        path = Path(path)
        inside = path / "spec.toml"
        file = read_spec(path, SpecError, hint=f", {inside}" if os.path.isfile(inside) else "")
        with file.located():
            fields = changed({"name": safe_name(path.stem, "sweep"), **file.fields})
            sweep = cls.from_table(fields, path.parent)
        if not any(file.fields.get(key) for key in CONTENT_KEYS):
            raise SpecError(f"{path}: {NO_FACTORS}")
        return sweep

    def to_toml(
        self, scenarios: Mapping[str, str] | None = None, table: str | None = None, segments: str | None = None
    ) -> str:
        """The sweep as TOML that `load` reads back.

        `scenarios` (name -> path), `table` and `segments` name the files that accompany it.
        """
        plain = self.model_dump(exclude_defaults=True)
        plain["name"] = self.name
        if self.seeds:
            plain.pop("replications", None)
        plain["scenarios"] = [(scenarios or {}).get(name, name) for name in self.scenarios_by_name]
        tables = {
            key: plain.pop(key)
            for key in ("design", "parameters", "populations", "factors", "outcomes")
            if key in plain
        }
        if table:
            tables["design"] = {**tables.get("design", {}), "file": table}
            tables["design"].pop("rows", None)
        if segments:
            tables["populations"] = {**tables["populations"], "segments": segments}
        lines = [f"{key} = {toml_value(value)}" for key, value in plain.items()]
        for key, values in tables.items():
            if values:
                lines += [
                    "",
                    f"[{key}]",
                    *(f"{toml_key(name)} = {toml_value(_short(value))}" for name, value in values.items()),
                ]
        return "\n".join(lines) + "\n"


def digest(values: Any) -> str:
    """Hash plain values to 16 hexadecimal digits; the order of dictionary keys does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _scenario_fields(scenario: Scenario) -> dict[str, Any]:
    events = [{"kind": e.kind} | e.model_dump(mode="json", exclude={"note", "source"}) for e in scenario.all_events]
    return {"parameters": scenario.all_parameters, "events": events}


def _short(value: Any) -> Any:
    """Write a factor that has nothing but a list of values as that list."""
    return value["values"] if isinstance(value, Mapping) and set(value) == {"values"} else value


def _flat(factors: Mapping[str, Any]) -> dict[str, Any]:
    """Turn lists into factors, and unquoted `ip_strength.china = [...]`, which TOML nests, into one name."""
    flat: dict[str, Any] = {}
    for name, given in factors.items():
        if isinstance(given, Mapping) and given and not set(given) & set(Factor.model_fields):
            flat |= {f"{name}.{inner}": levels for inner, levels in _flat(given).items()}
            continue
        factor = {"values": given} if isinstance(given, tuple) else given
        if isinstance(factor, Mapping):
            factor = {k: tuple(map(day_of, v)) if isinstance(v, tuple) else day_of(v) for k, v in factor.items()}
        flat[name] = factor
    return flat


def _without_duplicates(mistyped: Mapping[str, str], invalid: list[str]) -> list[str]:
    """One line per problem: where a type error and a check concern one key, keep the more specific."""
    specific = ("design", "factors", "panel", "daily", "populations")  # whose checks state what is required
    places = {problem: place_in(problem) for problem in invalid}

    def is_checked(place: str) -> bool:
        return any(
            place == other or place.startswith(f"{other} ") or ("." in other and place.startswith(f"{other}."))
            for other in places.values()
        )

    def is_part(place: str) -> bool:  # the value of one jurisdiction, where the check names the whole parameter
        return any(other.startswith("parameters.") and place.startswith(f"{other}.") for other in places.values())

    kept = {
        place: line
        for place, line in mistyped.items()
        if ": unknown key" in line or not (is_part(place) or (place.startswith(specific) and is_checked(place)))
    }
    return [*kept.values(), *(problem for problem in invalid if places[problem] not in kept)]
