"""The full set of parameters, with validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ConfigDict, ValidationError, model_validator

from abm.parameters.compute import Compute
from abm.parameters.policy import Policy
from abm.parameters.quantities import Lever
from abm.parameters.research import Research
from abm.parameters.shares import Shares
from abm.parameters.tokens import Tokens
from abm.support.axes import INSTRUMENTS, JURISDICTIONS
from abm.support.messages import PARAMETERS, did_you_mean
from abm.support.specs import InvalidSpec, Wording, problems_of

WORDING = Wording(noun="parameter", listed=PARAMETERS)


class ParameterError(InvalidSpec):
    """Parameters are unknown, out of bounds or of the wrong type. The message lists all of them, one per line."""


class FixedTable(dict[str, float]):
    """Values of a policy lever by jurisdiction, immutable like the parameters that contain it."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("parameters are immutable: create a changed copy with parameters.replace(...)")

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return type(self), (dict(self),)


class Parameters(Shares, Tokens, Research, Compute, Policy):
    """All parameters, with defaults. Unknown names and values out of bounds raise one `ParameterError` that lists them all.

    A policy lever (the first group) is one number for all jurisdictions, or a table of jurisdictions with an optional
    ``default``: ``Parameters(ip_strength={"china": 0.2, "default": 0.5})``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _inside_bounds(self) -> Parameters:
        problems = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            low, high, unit = self.bounds(name)
            table = value if isinstance(value, dict) else {"": value}
            if not table:
                problems.append(
                    f"{name} = {{}}: is an empty table; give a number, or values for some of {', '.join(JURISDICTIONS)}"
                )
            for where, number in table.items():
                label = f"{name}.{where}" if where else name
                if where and where not in (*JURISDICTIONS, "default"):
                    problems.append(f"{label}: unknown jurisdiction{did_you_mean(where, (*JURISDICTIONS, 'default'))}")
                elif not math.isfinite(number):
                    problems.append(f"{label} = {number}: must be a finite number")
                elif not low <= number <= high:
                    limits = f"{low:g} and {high:g}{f' {unit}' if unit else ''}"
                    problems.append(f"{label} = {number:g}: must lie between {limits}")
            if isinstance(value, dict):
                vars(self)[name] = FixedTable(value)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ParameterError(problems_of(error, Parameters, given, WORDING).values()) from None

    def replace(self, **changes: Any) -> Parameters:
        """A copy with some parameters changed. To change a lever in one jurisdiction only, pass a table."""
        return Parameters(**{**self.model_dump(exclude_unset=True), **changes})

    def values(self) -> dict[str, np.ndarray]:
        """Numbers for the compiled model: a scalar for each parameter, and an array (R,) for each policy lever."""
        out = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in INSTRUMENTS:
                out[name] = np.array([_value_in(jurisdiction, value, name) for jurisdiction in JURISDICTIONS])
            else:
                out[name] = np.array(float(value))
        return out

    @staticmethod
    def given(parameters: Parameters | Mapping[str, Any] | None) -> dict[str, Any]:
        """Validate parameters and return those that were set explicitly, without the defaults."""
        if parameters is None:
            return {}
        checked = parameters if isinstance(parameters, Parameters) else Parameters(**parameters)
        return checked.model_dump(exclude_unset=True)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all parameters."""
        return tuple(cls.model_fields)

    @classmethod
    def bounds(cls, name: str) -> tuple[float, float, str]:
        """Lowest value, highest value and unit of a parameter."""
        declared: Any = cls.model_fields[name].json_schema_extra
        return declared["low"], declared["high"], declared["unit"]

    @classmethod
    def table(cls) -> list[dict[str, Any]]:
        """One row per parameter: name, symbol, default, unit, low, high, meaning, source."""
        rows = []
        for name, declared in cls.model_fields.items():
            extra: Any = declared.json_schema_extra
            rows.append({"name": name, "default": declared.default, "meaning": declared.description, **extra})
        return rows


def merged(*tables: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables of parameters: later values win, for a policy lever jurisdiction by jurisdiction.

    A number, or a table with a ``default``, applies to every jurisdiction and replaces all earlier values.

    >>> merged({"ip_strength": 0.7}, {"ip_strength": {"china": 0.2}})
    {'ip_strength': {'default': 0.7, 'china': 0.2}}
    """
    out: dict[str, Any] = {}
    for name, value in (pair for table in tables for pair in table.items()):
        before = out.get(name)
        if isinstance(value, Mapping) and value and "default" not in value and before is not None:
            out[name] = {**(before if isinstance(before, Mapping) else {"default": before}), **value}
        else:
            out[name] = value
    return out


def _value_in(jurisdiction: str, value: Lever, name: str) -> float:
    """Value of the policy lever `name` in one jurisdiction."""
    if not isinstance(value, dict):
        return float(value)
    default = value.get("default", Parameters.model_fields[name].default)
    return float(value.get(jurisdiction, default))
