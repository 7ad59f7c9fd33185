"""What a sweep is: a `Sweep` in Python, or one TOML file, and the way from one to the other and back.

    name = "clear_ip"
    scenarios = ["baseline", "export_ban"]  # built-in, or .toml files of the same folder
    months = 60
    replications = 20                       # paired: replication k sees the same draws at every point
    seed = 0                                # or seeds = [3, 14, 15]: just these, in place of replications and seed
    observables = ["lerner_closed", "open_token_share"]
    panel = "all"                           # of each run: "all", "none", or a list of months
    posterior = "june_2025"                 # replication k has the k-th draw of a fit's posterior; without it, its estimate

    [design]
    kind = "grid"                           # grid, latin_hypercube, sobol, saltelli, morris, table

    [parameters]                            # the same at every point
    guarantee_share = 0.0

    [factors]
    ip_strength = [0.0, 0.5, 1.0]           # values, or a range:
    "ip_strength.china" = { low = 0.0, high = 1.0, levels = 3 }
    adopters = [100, 200]                   # the size of a population
    "r1.date" = [2025-01-20, 2025-06-20]    # a date, or a number, of an event of the scenarios

    [outcomes]                              # columns of the table of runs; by default NAME_mean and NAME_last
    lerner_2027 = { of = "lerner_closed", take = "mean", first = 48, last = 59 }
    chips_fell = { of = "abnormal_compute", date = 2025-01-27 }    # daily returns around a date

A file is data: nothing in it is run, and it reaches no file outside its folder. One `SpecError` has all its faults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from abm.data import draws
from abm.scenarios.scenario import Scenario
from abm.support.files import Unreadable, parse_toml, read_text, safe_name, toml_key, toml_value
from abm.support.inputs import plain
from abm.support.messages import did_you_mean, requirement, shortened
from abm.support.toml_lines import lines_of, placed
from abm.sweeps.checks import OBSERVABLES, problems_in
from abm.sweeps.designs import repeats, size_of
from abm.sweeps.factors import Design, Factor
from abm.sweeps.outcome import STRICT, Outcome
from abm.sweeps.targets import Target, day_of

MOST_RUNS = 10_000_000
"""Larger sweeps are refused: at a tenth of a second a run they take weeks."""
SAYS_WHAT = {"factors", "design", "scenarios", "parameters", "populations", "posterior", "replications", "seeds"}
"""Keys of a file, of which one at least says what is run: a file with none of them was hardly meant to be a sweep."""
NO_FACTORS = (
    "names no factors, so that nothing is varied: give [factors], or several scenarios;"
    " a sweep of one point says how many replications = ... it takes"
)


class SpecError(ValueError):
    """Everything that is wrong with a sweep, one line each; `problems` has them one by one."""

    def __init__(self, problems: list[str]):
        self.problems = tuple(dict.fromkeys(" ".join(problem.split()) for problem in problems))
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> Any:
        return type(self), (list(self.problems),)


class Sweep(BaseModel):
    """The whole of a sweep but where it is kept and who computes it. Raises `SpecError` with all that is wrong.

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
    """Decides the seeds of replications and, where points are drawn, the points."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**64)], ...] | None = None
    """The replications' own seeds, in their order, instead of `replications` and those that follow from `seed`."""
    common_draws: bool = True
    """Replication k sees the same draws at every point (False: every point its own)."""
    observables: tuple[str, ...] = OBSERVABLES
    panel: Literal["all", "none"] | tuple[int, ...] = "all"
    precision: Literal[32, 64] = 64
    pricing: Literal["posted", "flexible", "nash"] = "posted"
    price_form: Literal["log", "linear"] = "log"
    posterior: str | None = None
    """A fit (`abm.data.fits`): replication k has the k-th draw of its posterior in place of the defaults, so that what
    comes out has the uncertainty of the parameters in it. Whatever a scenario, `parameters` or a factor sets is set."""
    design: Design = Design()
    parameters: dict[str, float | dict[str, float]] = {}
    populations: dict[str, int | str] = {}
    factors: dict[str, Factor] = {}
    outcomes: dict[str, Outcome] = {}
    _stories: dict[str, Scenario] = PrivateAttr(default_factory=dict)
    _targets: dict[str, Target] = PrivateAttr(default_factory=dict)
    _rows: tuple[dict[str, Any], ...] = PrivateAttr(default=())

    def __init__(self, *, folder: Path | None = None, confined: bool = False, **said: Any):
        """`folder` is where relative paths start; `confined` keeps them inside it (files from elsewhere)."""
        said = {key: plain(value) for key, value in said.items()}
        for key in ("scenarios", "observables"):
            if isinstance(said.get(key), str | Scenario):
                said[key] = (said[key],)
        if isinstance(said.get("factors"), Mapping):
            said["factors"] = _flat(said["factors"])
        if isinstance(said.get("seeds"), tuple) and said["seeds"]:
            said.setdefault("replications", len(said["seeds"]))
        mistyped: dict[str, str] = {}
        try:
            super().__init__(**said)
        except ValidationError as error:
            mistyped = _complaints(error)
        stories, targets, rows, found = problems_in(said, folder, confined)
        problems = _once(mistyped, found)
        if problems:
            raise SpecError(problems)
        self._stories, self._targets, self._rows = stories, targets, rows
        if self.number_of_runs > MOST_RUNS:
            raise SpecError([self._too_many()])
        if repeated := repeats(self.design, self.factors, self.targets):
            raise SpecError(repeated)

    def _too_many(self) -> str:
        """A grid of a thousand million points is refused with its size, before it is laid out."""
        from abm.support.messages import duration

        fewer = {
            "grid": "levels, or a Sobol or Latin hypercube design",
            "table": "rows",
            "morris": "trajectories",
        }.get(self.design.kind, "points")
        return (
            f"{self.number_of_points:,} points x {self.replications:,} replications = {self.number_of_runs:,} runs, which"
            f" would take about {duration(min(self.number_of_runs, 10**30) * self.months * 1e-3)} on two cores; the most that"
            f" is taken on is {MOST_RUNS:,}. Take fewer {fewer}"
        )

    @property
    def stories(self) -> dict[str, Scenario]:
        """The scenarios by name."""
        return self._stories

    @property
    def targets(self) -> dict[str, Target]:
        """What each factor sets."""
        return self._targets

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The points of a table."""
        return self._rows

    @cached_property
    def number_of_points(self) -> int:
        """Points of all scenarios together."""
        return size_of(self.design, self.factors, len(self.rows)) * (
            1 if any("scenario" in row for row in self.rows) else len(self.scenarios)
        )

    @property
    def number_of_runs(self) -> int:
        return self.number_of_points * self.replications

    @property
    def kept_months(self) -> tuple[int, ...]:
        """Months of the panel."""
        if isinstance(self.panel, tuple):
            return tuple(sorted(set(self.panel)))
        return tuple(range(self.months)) if self.panel == "all" else ()

    @property
    def columns(self) -> dict[str, Outcome]:
        """The outcomes, by the name of their column."""
        if self.outcomes:
            return self.outcomes
        return {f"{name}_{take}": Outcome(of=name, take=take) for name in self.observables for take in ("mean", "last")}

    def plain(self) -> dict[str, Any]:
        """Everything that decides what is run, as plain values; scenarios and tables by what they say."""
        plain = self.model_dump(mode="json", exclude={"name", "scenarios"})
        plain["scenarios"] = {name: _said(story) for name, story in self.stories.items()}
        if self.posterior:
            plain["posterior"] = [self.posterior, digest(draws(self.posterior).to_dict("list"))]
        rows = [dict(row) for row in self.rows]
        plain["design"]["rows"] = rows if len(rows) <= 20 else f"{len(rows)} rows {digest(rows)}"
        plain["design"].pop("file")
        return plain

    def bare(self) -> Sweep:
        """This sweep without its points: what a worker needs beside its own runs."""
        copy = self.model_copy(update={"design": Design()})
        copy._rows = ()
        return copy

    @cached_property
    def hash(self) -> str:
        return digest(self.plain())

    @classmethod
    def load(cls, path: str | Path, changed: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Sweep:
        """From a TOML file; `changed` makes of what it says what is to be run."""
        path = Path(path)
        try:
            text = read_text(path)
            said = parse_toml(text, str(path))
        except Unreadable as error:
            inside = path / "spec.toml"
            raise SpecError([f"{error}, {inside}" if inside.is_file() else str(error)]) from None
        try:
            found = cls(folder=path.parent, confined=True, **changed({"name": safe_name(path.stem, "sweep"), **said}))
        except SpecError as error:
            lines = lines_of(text)
            raise SpecError([placed(str(path), problem, lines) for problem in error.problems]) from None
        except TypeError:  # a key that is no keyword
            raise SpecError([f"{path}: 'folder' and 'confined' are no keys of a sweep"]) from None
        if not any(said.get(key) for key in SAYS_WHAT):
            raise SpecError([f"{path}: {NO_FACTORS}"])
        return found

    def to_toml(self, scenarios: Mapping[str, str] | None = None, table: str | None = None) -> str:
        """The sweep as a file that `load` reads back; `scenarios` and `table` name the files that go with it."""
        plain = self.model_dump(exclude_defaults=True)
        plain["name"] = self.name
        if self.seeds:
            plain.pop("replications", None)
        plain["scenarios"] = [(scenarios or {}).get(name, name) for name in self.stories]
        tables = {
            key: plain.pop(key)
            for key in ("design", "parameters", "populations", "factors", "outcomes")
            if key in plain
        }
        if table:
            tables["design"] = {**tables.get("design", {}), "file": table}
            tables["design"].pop("rows", None)
        lines = [f"{key} = {toml_value(value)}" for key, value in plain.items()]
        for key, inside in tables.items():
            if inside:
                lines += [
                    "",
                    f"[{key}]",
                    *(f"{toml_key(name)} = {toml_value(_short(value))}" for name, value in inside.items()),
                ]
        return "\n".join(lines) + "\n"


def digest(said: Any) -> str:
    """Sixteen hexadecimal digits that stand for plain values: equal for equal values, whatever their order."""
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _said(story: Scenario) -> dict[str, Any]:
    events = [{"kind": e.kind} | e.model_dump(mode="json", exclude={"note", "source"}) for e in story.all_events]
    return {"parameters": story.all_parameters, "events": events}


def _short(value: Any) -> Any:
    """A factor that is only a list of values is written as one."""
    return value["values"] if isinstance(value, Mapping) and set(value) == {"values"} else value


def _flat(factors: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as factors; `ip_strength.china = [...]` without quotes, which TOML nests, as one name."""
    flat: dict[str, Any] = {}
    for name, given in factors.items():
        if isinstance(given, Mapping) and given and not set(given) & set(Factor.model_fields):
            flat |= {f"{name}.{inner}": one for inner, one in _flat(given).items()}
            continue
        said = {"values": given} if isinstance(given, tuple) else given
        if isinstance(said, Mapping):
            said = {k: tuple(map(day_of, v)) if isinstance(v, tuple) else day_of(v) for k, v in said.items()}
        flat[name] = said
    return flat


def _complaints(error: ValidationError) -> dict[str, str]:
    """Where -> what, with the nearest name for an unknown one; of a place that may be one thing or another, the first."""
    found: dict[str, str] = {}
    for fault in error.errors():
        loc = fault["loc"]  # with tags such as tuple[int, ...] among the keys, which a user has not written
        tagged = fault["type"] != "extra_forbidden"
        where = [str(part) for at, part in enumerate(loc) if at == 0 or not tagged or "[" not in str(part)]
        if where[0] == "factors" and len(where) > 3:
            continue  # a value, which is checked against what its factor sets
        if where[0] in ("parameters", "populations", "panel"):
            where = where[: 1 if where[0] == "panel" else 2]  # not whether it failed to be a number or to be a table
        place, what = ".".join(where), fault["msg"][:1].lower() + fault["msg"][1:]
        if fault["type"] == "extra_forbidden":
            inner: dict[str, type[BaseModel]] = {"factors": Factor, "design": Design, "outcomes": Outcome}
            known = inner.get(where[0], Sweep) if len(where) > 1 else Sweep
            what = f"unknown key {shortened(where[-1])}{did_you_mean(where[-1], list(known.model_fields))}"
        elif where[0] == "factors" and len(where) > 1 and fault["type"].startswith("model"):
            what = f"{shortened(fault['input'])}: give a list of values, or a table with low and high"
        elif place == "panel":
            what = f'{shortened(fault["input"])}: must be "all", "none" or a list of months'
        elif fault["type"] != "value_error":
            what = (
                requirement(fault)
                if fault["type"] == "missing"
                else f"{shortened(fault['input'])}: {requirement(fault)}"
            )
        found.setdefault(place or "sweep", what)
    return found


def _once(mistyped: Mapping[str, str], found: list[str]) -> list[str]:
    """One line a fault: what was found of a place that is of a wrong type, too, is told once, by who knows more of it."""
    knows = ("design", "factors", "panel", "populations")  # whose checks say what is wanted
    kept = []
    places = {problem: problem.partition(":")[0].partition(" = ")[0] for problem in found}
    for place, what in mistyped.items():
        known = place.partition(".")[0] in knows and not what.startswith("unknown key")
        if known and any(
            place == other or place.startswith(f"{other}.") and place.count(".") > 1 for other in places.values()
        ):
            continue
        kept.append(f"{place}: {what}")
    told = {line.partition(":")[0] for line in kept}
    return kept + [problem for problem in found if places[problem] not in told]
