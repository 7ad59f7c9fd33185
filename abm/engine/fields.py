"""Declaration of state variables."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(eq=False)
class Field:
    """A state variable of an agent class, declared as a class attribute.

    Inside a rule and on a live agent, `agent.price` reads and `agent.price = 3.0` writes the agent's own row.

    Parameters
    ----------
    default
        Initial value for new agents, broadcast over `shape`.
    unit, symbol, meaning
        Used in tables and documentation.
    shape
        Names of further axes, e.g. ``("tier",)``; their sizes are given when the population is created.
    dtype
        ``float`` (default), ``int`` or ``bool``.
    """

    default: Any = 0.0
    unit: str = ""
    meaning: str = ""
    symbol: str = ""
    shape: tuple[str, ...] = ()
    dtype: type = float
    name: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Check the declaration, so that an error points at the class that contains it."""
        if self.dtype not in (float, int, bool):
            raise TypeError(f"Field(dtype={self.dtype!r}): must be float, int or bool")
        if not isinstance(self.shape, tuple):
            raise TypeError(f"Field(shape={self.shape!r}): must be the names of axes, such as ('tier',)")
        given = np.asarray(self.default)
        if given.dtype.kind not in "biuf":
            raise TypeError(f"Field({self.default!r}): the default comes first and must be a number, or True or False")
        if not np.isfinite(given).all():
            raise ValueError(f"Field({self.default!r}): the default must be a finite number")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, agent: Any, owner: type | None = None) -> Any:
        return self if agent is None else agent._row[self.name]

    def __set__(self, agent: Any, value: Any) -> None:
        agent._row[self.name] = value
