"""Check the arguments of `MarketModel`: seeds under both of Mesa's names, parameters as keywords, months, reporters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from abm.parameters import Parameters
from abm.runs.setup import whole_seed


@dataclasses.dataclass(frozen=True)
class Reporter:
    """Reporter of an agent's attribute by name. (Mesa's own string reporters of agents cannot be pickled.)"""

    name: str

    def __call__(self, agent: Any) -> Any:
        return getattr(agent, self.name, None)


def seed_of(rng: Any, seed: Any) -> int:
    """The seed of a run, given under either of Mesa's names."""
    if rng is not None and seed is not None:
        raise ValueError("rng and seed are two names for the same argument: give one of them")
    name, value = ("seed", seed) if rng is None else ("rng", rng)
    if name == "seed" and isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    return whole_seed(value, name)


def with_keywords(parameters: Any, kwargs: dict[str, Any]) -> Any:
    """Merge parameters with those among the keywords, for `Setup.of`; removes them from `kwargs`."""
    keywords = {name: kwargs.pop(name) for name in Parameters.names() if name in kwargs}
    if isinstance(parameters, Mapping):
        parameters = dict(parameters)
    if not keywords or not isinstance(parameters, dict | Parameters | None):
        return parameters
    table = parameters.model_dump(exclude_unset=True) if isinstance(parameters, Parameters) else parameters or {}
    if duplicates := [name for name in keywords if name in table]:
        raise ValueError(f"{', '.join(duplicates)}: given in `parameters` and as a keyword; give it once")
    return table | keywords


def whole_months(months: Any) -> int:
    """Check a number of months: a whole number, 0 or more."""
    is_number = isinstance(months, int | float | np.number) and not isinstance(months, bool)
    if not is_number or months < 0 or not float(months).is_integer():
        raise ValueError(f"{months!r} months: give a whole number, 0 or more")
    return int(months)


def by_name(reporters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Replace strings among the reporters by a `Reporter` of that attribute."""
    return {
        name: Reporter(reporter) if isinstance(reporter, str) else reporter
        for name, reporter in (reporters or {}).items()
    }
