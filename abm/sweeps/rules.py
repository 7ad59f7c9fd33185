"""User-defined agent classes, packed for worker processes."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import cloudpickle

from abm.sweeps.plan import Plan, class_table

_LED: dict[str, Any] = {}
"""Classes of the last sweeps led by this process, so that workers in this process need not unpickle them."""


@dataclass(frozen=True)
class Rules:
    """Agent classes: pickled by value if no module has them by name (those of a notebook, a script or a function)."""

    name: str
    names: str
    packed: bytes
    digest: str
    """Digest of the rules in the process that leads the sweep."""
    key: str
    """Identity of the classes in the sweep's folder."""

    @classmethod
    def of(cls, plan: Plan) -> Rules | None:
        """Pack the classes of a plan; None if it has none. Raises ValueError for classes that cannot be pickled."""
        if not plan.classes:
            return None
        names = ", ".join(name for kinds in plan.class_sources.values() for name, *_ in kinds)
        try:
            packed = cloudpickle.dumps(plan.classes)
        except Exception as error:
            raise ValueError(f"classes: {names} cannot be sent to workers: {error}") from None
        rules = cls(uuid4().hex, names, packed, _digest(plan.classes), json.dumps(plan.class_sources))
        while len(_LED) >= 8:
            _LED.pop(next(iter(_LED)))
        _LED[rules.name] = plan.classes
        return rules

    def classes(self) -> Any:
        """The classes in this process. Raises ValueError if they cannot be loaded or differ from those of the leading process."""
        return _LED[self.name] if self.name in _LED else _unpacked(self)


@functools.lru_cache(8)
def _unpacked(rules: Rules) -> Any:
    try:
        classes = cloudpickle.loads(rules.packed)
    except Exception as error:
        raise ValueError(f"a worker cannot load the sweep's agent classes: {type(error).__name__}: {error}") from None
    if _digest(classes) != rules.digest:
        raise ValueError(
            f"classes {rules.names}: their rules or data differ between a worker and the process that leads the sweep;"
            " if a module was edited after it was imported, restart both"
        )
    return classes


def _digest(classes: Any) -> str:
    from abm.runs.own_code import identity_of_code

    return identity_of_code(kind for kinds in class_table(classes).values() for kind in kinds).digest
