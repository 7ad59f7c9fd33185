"""The specification of a calibration: a `Calibration` in Python or one TOML file.

name = "june_2025"
data_to = 2025-06-30            # moments that became known later are refused
moments = ["open_discount", "open_token_share_2024", "vendor_return_day0"]    # must outnumber the parameters

[priors]
trust_in_open = { low = 0.05, high = 0.6 }                                  # uniform
copying_rate = { low = 1.5, high = 9.0, scale = "log", centre = 3.8, sd = 0.3 }   # truncated normal

[observed]                      # overrides rows of abm/data/targets.csv
open_discount = { value = 0.5, error = 0.1, known = 2025-05-31 }
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abm.calibration.facts import LAST_MONTH
from abm.data import targets
from abm.parameters import Parameters
from abm.support.axes import INSTRUMENTS
from abm.support.files import safe_name
from abm.support.messages import PARAMETERS, did_you_mean, shortened
from abm.support.specs import InvalidSpec, problems_of, read_spec

FITS = Path(__file__).parents[1] / "data" / "fits"
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
LEAST_SPREAD = 1e-3
"""Smallest standard deviation of a normal prior, as a share of its range."""


class CalibrationError(InvalidSpec):
    """An invalid calibration; the message lists every problem."""


class Prior(BaseModel):
    """Prior of a parameter: uniform between `low` and `high`, or normal around `centre`, truncated there.

    `sd` is in units of the scale: 0.3 on a log scale is about 30 %.
    """

    model_config = STRICT

    low: float
    high: float
    scale: Literal["level", "log"] = "level"
    centre: float | None = None
    sd: float | None = Field(None, gt=0)
    source: str = ""

    def problems_in(self, name: str) -> list[str]:
        """Problems of the prior as that of parameter `name`."""
        low, high, _ = Parameters.bounds(name)
        if not self.low < self.high:
            return [f"priors.{name}: low {self.low:g} must be below high {self.high:g}"]
        if self.scale == "log" and self.low <= 0:
            return [f"priors.{name}: low {self.low:g} must be above 0 on a log scale"]
        problems = []
        if self.low < low or self.high > high:
            problems.append(f"priors.{name}: must lie between {low:g} and {high:g}, the parameter's bounds")
        if (self.centre is None) != (self.sd is None):
            problems.append(f"priors.{name}: give both centre and sd, or neither")
        elif self.centre is not None and not self.low <= self.centre <= self.high:
            problems.append(f"priors.{name}: centre {self.centre:g} must lie between {self.low:g} and {self.high:g}")
        elif self.bell and self.bell[1] < LEAST_SPREAD:
            problems.append(f"priors.{name}: sd {self.sd:g} is too small to differ from a fixed value; use [fixed]")
        return problems

    def to_unit(self, value: Any) -> Any:
        """Position between the ends, 0 to 1, on the prior's scale."""
        if self.scale == "log":
            return (np.log(value) - np.log(self.low)) / (np.log(self.high) - np.log(self.low))
        return (np.asarray(value, float) - self.low) / (self.high - self.low)

    def from_unit(self, unit: Any) -> Any:
        """Value at a position between 0 and 1."""
        unit = np.clip(unit, 0.0, 1.0)
        if self.scale == "log":
            value = np.exp(np.log(self.low) + unit * (np.log(self.high) - np.log(self.low)))
        else:
            value = self.low + unit * (self.high - self.low)
        return np.clip(value, self.low, self.high)

    @property
    def bell(self) -> tuple[float, float] | None:
        """Centre and standard deviation in unit positions; None for a uniform prior."""
        if self.centre is None or self.sd is None:
            return None
        width = np.log(self.high / self.low) if self.scale == "log" else self.high - self.low
        return float(self.to_unit(self.centre)), float(self.sd / width)


class Observed(BaseModel):
    """A moment's measured value, its standard error, and the scale of comparison (default: that of targets.csv).

    `known` is the date by which the value was known.
    """

    model_config = STRICT

    value: float
    error: float = Field(ge=0)
    known: dt.date
    scale: Literal["level", "log"] | None = None


class Search(BaseModel):
    """Settings of the global search: CMA-ES, each population on the same seeds."""

    model_config = STRICT

    population: int = Field(default=16, ge=4, le=1000)
    generations: int = Field(default=50, ge=1, le=10_000)
    seeds: int = Field(default=20, ge=2, le=10_000)
    spread: float = Field(default=0.15, gt=0, le=0.5)
    """Initial standard deviation of the population, as a share of the priors' ranges."""


class Posterior(BaseModel):
    """Settings of the sampler: particles, the quantile of distances that sets the next tolerance, and when to stop."""

    model_config = STRICT

    particles: int = Field(default=800, ge=20, le=1_000_000)
    quantile: float = Field(default=0.5, gt=0, lt=1)
    runs: int = Field(default=30_000, ge=100)
    """No new generation after this many runs."""
    least_acceptance: float = Field(default=0.02, gt=0, lt=1)
    """Nor after the share of accepted proposals falls below this."""


class Calibration(BaseModel):
    """A complete calibration, without where it is stored. Raises `CalibrationError` with every problem."""

    model_config = STRICT

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    data_to: dt.date
    moments: tuple[str, ...] = Field(min_length=1)
    priors: dict[str, Prior] = Field(min_length=1)
    observed: dict[str, Observed] = {}
    fixed: dict[str, float] = {}
    scenario: str = "baseline"
    months: int = Field(default=LAST_MONTH, ge=LAST_MONTH, le=120)
    seed: int = Field(default=1, ge=0, lt=2**32)
    search: Search = Search()
    posterior: Posterior = Posterior()
    profile_seeds: int = Field(default=40, ge=2)
    profile_points: int = Field(default=7, ge=3)

    def __init__(self, /, **fields: Any):
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise CalibrationError(problems_of(error, Calibration, fields).values()) from None
        if problems := self._problems():
            raise CalibrationError(problems)

    def _problems(self) -> list[str]:
        known, problems = targets(), []
        for name in (*self.priors, *self.fixed):
            where = "priors" if name in self.priors else "fixed"
            if name not in Parameters.model_fields:
                problems.append(
                    f"{where}.{shortened(name)}: unknown parameter{did_you_mean(name, Parameters.names(), PARAMETERS)}"
                )
            elif name in INSTRUMENTS:
                what = "fitted" if name in self.priors else "fixed here; set it in a scenario"
                problems.append(f"{where}.{name}: a policy lever differs by jurisdiction and cannot be {what}")
            elif name in self.priors:
                problems += self.priors[name].problems_in(name)
        if both := sorted(set(self.priors) & set(self.fixed)):
            problems.append(f"fixed: {', '.join(both)} cannot be fixed and fitted")
        if len(set(self.moments)) < len(self.moments):
            problems.append("moments: duplicate name")
        if len(self.priors) >= len(self.moments):
            problems.append(
                f"moments: {len(self.moments)} moments for {len(self.priors)} parameters; give more moments than parameters"
            )
        if self.posterior.runs < 4 * self.posterior.particles:
            problems.append(
                "posterior.runs: must be at least four times the particles; fewer runs learn nothing from the data"
            )
        for name in self.moments:
            if name not in known.index:
                problems.append(f"moments: unknown moment {shortened(name)}{did_you_mean(name, list(known.index))}")
                continue
            own, row = self.observed.get(name), known.loc[name]
            scale = (own and own.scale) or row["scale"]
            if not isinstance(scale, str):
                problems.append(
                    f"moments: {name} is a sign or a bound and has no distance; it can be checked, but not fitted"
                )
                continue
            day = own.known if own else dt.date.fromisoformat(row["known"])
            if day > self.data_to:
                problems.append(f"moments: {name} was known on {day}, after data_to {self.data_to}")
            if scale == "log" and own and own.value <= 0:
                problems.append(
                    f'observed.{name}: {own.value:g} has no logarithm; give a positive value, or scale = "level"'
                )
        problems += [
            f"observed.{shortened(name)}: not among moments{did_you_mean(name, list(self.moments))}"
            for name in self.observed
            if name not in self.moments
        ]
        return problems + self._setup_problems()

    def _setup_problems(self) -> list[str]:
        """Problems of the scenario and of the values of fixed parameters, as a run would report them."""
        from abm.runs.setup import Setup

        fixed = {n: v for n, v in self.fixed.items() if n in Parameters.model_fields and n not in INSTRUMENTS}
        try:
            Setup.of(fixed, self.scenario, self.months)
        except (OSError, ValueError) as error:  # ScenarioError and ParameterError are ValueErrors
            return [str(error)]
        return []

    @classmethod
    def load(cls, which: str | Path) -> Calibration:
        """Load a built-in calibration by name, or a TOML file by path."""
        name = str(which)
        path = FITS / f"{name}.toml" if name in built_in() else Path(which)
        hint = "" if name.endswith(".toml") else f"; built in: {', '.join(built_in())}"
        file = read_spec(path, CalibrationError, label=name, hint=hint)
        with file.located():
            return cls(**{"name": safe_name(Path(name).stem, "calibration", "_-"), **file.fields})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Fitted parameters, in the order of the columns of theta."""
        return tuple(self.priors)

    @cached_property
    def data(self) -> dict[str, Observed]:
        """Observed values by moment."""
        table, observed = targets(), {}
        for name in self.moments:
            row = {key: table.loc[name, key] for key in ("value", "error", "known", "scale")}
            own = self.observed.get(name)
            observed[name] = Observed(**({**row, **own.model_dump(exclude_none=True)} if own else row))
        return observed

    def to_unit(self, theta: Any) -> np.ndarray:
        """Convert parameters (..., parameters) to positions in the priors' ranges."""
        theta = np.asarray(theta, float)
        return np.stack([prior.to_unit(theta[..., i]) for i, prior in enumerate(self.priors.values())], axis=-1)

    def from_unit(self, unit: Any) -> np.ndarray:
        """Inverse of `to_unit`; positions outside 0 to 1 are clipped."""
        unit = np.asarray(unit, float)
        return np.stack([prior.from_unit(unit[..., i]) for i, prior in enumerate(self.priors.values())], axis=-1)

    def log_prior(self, unit: Any) -> np.ndarray:
        """(...,) log prior density at positions (..., parameters), up to a constant; -inf outside the unit cube."""
        unit = np.asarray(unit, float)
        out = np.where(((unit >= 0) & (unit <= 1)).all(-1), 0.0, -np.inf)
        for i, prior in enumerate(self.priors.values()):
            if prior.bell:
                out = out - 0.5 * ((unit[..., i] - prior.bell[0]) / prior.bell[1]) ** 2
        return out

    def draw_prior(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """(number, parameters) positions drawn from the priors."""
        from scipy.stats import truncnorm

        columns = []
        for prior in self.priors.values():
            u = rng.random(number)
            if prior.bell:
                centre, sd = prior.bell
                u = truncnorm.ppf(u, (0 - centre) / sd, (1 - centre) / sd, loc=centre, scale=sd)
            columns.append(u)
        return np.stack(columns, axis=-1)

    @cached_property
    def start(self) -> np.ndarray:
        """(parameters,) starting point of the search: the priors' centres, or their midpoints.

        Not the model's defaults: these may come from an earlier fit, and the search would not be reproducible.
        """
        return np.array([p.from_unit(0.5) if p.centre is None else p.centre for p in self.priors.values()], dtype=float)

    @cached_property
    def hash(self) -> str:
        """Digest of everything that determines what is computed."""
        fields = {**self.model_dump(mode="json"), "data": {k: o.model_dump() for k, o in self.data.items()}}
        return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()[:16]


def built_in() -> list[str]:
    """Names of the calibrations that come with the package."""
    return sorted(path.stem for path in FITS.glob("*.toml"))
