"""Mesa agents whose state is one row of their population's columns."""

import inspect
import linecache
import re
import traceback
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import jax
import mesa
import numpy as np
from jaxtyping import PyTree

from abm.engine.fields import Field

MESAS = ("model", "unique_id", "pos", "cell")
"""Attributes that Mesa sets on an agent."""


FIXED = (
    "agents are rows whose number is fixed when the model is created, and none can be added later: create the model with"
    " sizes such as closed_labs=6, free slots for new open labs such as entrants=3, or your own classes with classes=[...]"
)
"""Error message for creating an agent by calling its class."""


class RuleError(TypeError):
    """A rule cannot be compiled. The message names the rule, the line and the fields on it."""


class RuleWarning(UserWarning):
    """A method looks like a rule, but nothing calls it."""


class Vector(np.ndarray):
    """Value of a field with several numbers on a live agent.

    It is read-only, because a change to one of its elements would be lost. ``lab.price += 1`` creates and assigns a new
    vector.
    """

    __iadd__, __isub__, __imul__ = np.ndarray.__add__, np.ndarray.__sub__, np.ndarray.__mul__  # type: ignore[assignment]
    __itruediv__, __ipow__ = np.ndarray.__truediv__, np.ndarray.__pow__  # type: ignore[assignment]
    __ifloordiv__, __imod__ = np.ndarray.__floordiv__, np.ndarray.__mod__  # type: ignore[assignment]


class _LiveRow:
    """The row that a Mesa agent of a running model reads and writes, in the current state of its population.

    An agent that has left the market keeps its `last` values, because its row may be reused for another agent.
    """

    __slots__ = ("model", "address", "index", "last")

    def __init__(self, model: Any, address: Any, index: int) -> None:
        self.model, self.address, self.index = model, address, index
        self.last: dict[str, np.ndarray] | None = None

    def __getitem__(self, name: str) -> Any:
        row = self.last[name] if self.last is not None else self.model.column(self.address, name)[self.index]
        value = np.array(row)
        if value.ndim == 0:
            return value.item()
        value.flags.writeable = False
        return value.view(Vector)

    def __setitem__(self, name: str, value: Any) -> None:
        if self.last is not None:
            raise ValueError(f"{name} = {value!r}: this agent has left the market; setting its fields has no effect")
        self.model.write(self.address, name, self.index, value)

    def leave(self, names: Iterable[str]) -> None:
        """Detach from the population and keep the current values of the fields `names`."""
        self.last = {name: self.model.column(self.address, name)[self.index] for name in names}


class Agent(mesa.Agent):
    """Base class of all compiled agents: declare `Field`s, and write rules as methods that assign to ``self``.

    A rule is called with ``self`` bound to one row. In a live model, this is a row of the model's current state; inside
    `Population.do`, it is a row of traced columns. A rule must not branch in Python on the value of a field (use
    ``jnp.where``) unless the model runs interpreted.

    `stream` names the random stream of the class. Subclasses share their parent's stream, so a changed rule sees the same
    draws as the rule it replaces.
    """

    stream: str = "agent"
    active = Field(True, "", "takes part; inactive rows are slots for entrants", dtype=bool)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Warn about a new method whose name nearly matches an inherited rule: nothing would call it."""
        super().__init_subclass__(**kwargs)
        inherited = {name for base in cls.__mro__[1:] for name in vars(base) if not name.startswith("_")}
        for name in [name for name in vars(cls) if inspect.isfunction(vars(cls)[name]) and name not in inherited]:
            if close := get_close_matches(name, inherited, n=1, cutoff=0.85):
                warnings.warn(
                    f"{cls.__name__}.{name} is not the name of a rule, so nothing calls it; did you mean {close[0]!r}?",
                    RuleWarning,
                    stacklevel=2,
                )

    def __init__(self, model: mesa.Model, address: Any = None, index: int = -1) -> None:
        if address is None:
            raise TypeError(f"{type(self).__name__}: {FIXED}")
        self._row: Any = _LiveRow(model, address, index)
        super().__init__(model)

    def __repr__(self) -> str:
        live = isinstance(vars(self).get("_row"), _LiveRow)  # inside a rule, an agent has no slot
        return f"<{type(self).__name__} in slot {self.slot}>" if live else f"<{type(self).__name__}>"

    def step(self) -> None:
        """Raise NotImplementedError: Mesa's method does nothing, and agents of this model act in the phases of a month."""
        raise NotImplementedError(
            f"{type(self).__name__} cannot step on its own: model.step() advances all agents together by one month; to"
            " change what an agent does, override a rule in a subclass"
        )

    def advance(self) -> None:
        """Raise NotImplementedError, as `step` does."""
        self.step()

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """All declared fields by name, those of base classes first."""
        return {n: f for kind in reversed(cls.__mro__) for n, f in vars(kind).items() if isinstance(f, Field)}

    @property
    def slot(self) -> int:
        """Row of this agent in its population."""
        return int(self._row.index)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but reject a misspelt field of a live agent: nothing would read it.

        Other attributes that Mesa or a user sets on an agent are allowed.
        """
        known = name.startswith("_") or hasattr(type(self), name) or name in MESAS or name in vars(self)
        live = isinstance(vars(self).get("_row"), _LiveRow)
        if live and not known and (close := get_close_matches(name, self.fields(), n=1, cutoff=0.75)):
            raise AttributeError(
                f"{type(self).__name__} has no field {name!r}; did you mean {close[0]!r}? (to add your own attribute,"
                f" begin its name with _ or declare it in the class)"
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "model":
            raise AttributeError(
                f"a rule of {type(self).__name__} sees only its own fields and its arguments, not the model; "
                "pass what it needs as an argument of do(...)"
            )
        raise AttributeError(f"{type(self).__name__} has no field or attribute '{name}'")


def bind(kind: type[Agent], row: dict[str, Any]) -> Agent:
    """Create a lightweight agent of class `kind` on `row`, without a model and not registered with one."""
    agent = object.__new__(kind)
    object.__setattr__(agent, "_row", row)
    return agent


def call_rule(kind: type[Agent], rule: str, agent: Agent, shared: tuple[Any, ...], own: dict[str, PyTree]) -> PyTree:
    """Call a rule for one row, and turn JAX's tracing errors into a message about the rule."""
    try:
        method = getattr(kind, rule)
    except AttributeError:
        raise RuleError(f"{kind.__name__} has no rule '{rule}'") from None
    try:
        answer = method(agent, *shared, **own)
    except (jax.errors.TracerBoolConversionError, jax.errors.ConcretizationTypeError) as error:
        raise RuleError(_explain(kind, rule, error)) from None
    except jax.errors.TracerArrayConversionError as error:
        raise RuleError(_explain_numpy(kind, rule, error)) from None
    except Exception as error:
        if not isinstance(error, RuleError):
            error.add_note(f"This happened in rule {kind.__name__}.{rule}, or in a function that it calls.")
        raise
    lost = [name for name in vars(agent) if name != "_row"]
    if lost:
        raise RuleError(
            f"rule {kind.__name__}.{rule} assigns to self.{lost[0]}, which is not a field and would be lost: declare "
            f"{lost[0]} = Field(...) in the class, or use a local variable"
        )
    return answer


def _explain(kind: type[Agent], rule: str, error: Exception) -> str:
    """Error message for a Python branch: the rule, its line and the fields on that line, and `jnp.where` as the remedy."""
    rule, line, where = _place(kind, rule, error)
    branch = re.search(r"\b(?:if|while)\s+(.*?)(?::|\s+else\b|$)", line)
    condition = branch[1] if branch else line
    names = list(dict.fromkeys(n for n in re.findall(r"self\.(\w+)", condition) if n in kind.fields()))
    plural = "s" if len(names) > 1 else ""
    field = f" the field{plural} {', '.join(names)}" if names else " a value"
    assigned = re.search(r"self\.(\w+)\s*=[^=]", line)
    left = f"self.{assigned[1]} = " if assigned else f"self.{names[0]} = " if names else ""
    return (
        f"rule {kind.__name__}.{rule}{where} branches in Python on{field}, whose value is not known while the rule is "
        f"compiled. Write  {left}jnp.where(condition, value_if_true, value_if_false)  instead of if/else, "
        "max/min or float(); or run the model with compiled=False."
    )


def _explain_numpy(kind: type[Agent], rule: str, error: Exception) -> str:
    """Error message for a call of NumPy: the rule, its line and the function called there, and its JAX counterpart."""
    rule, line, where = _place(kind, rule, error)
    called = re.search(r"\b(?:np|numpy)\.([a-z_]\w*(?:\.\w+)*)", line)
    instead = f"jnp.{called[1]} instead of {called[0]}" if called else "jnp's function of the same name"
    return (
        f"rule {kind.__name__}.{rule}{where} passes NumPy a value that is not known while the rule is compiled. Write "
        f"{instead} (import jax.numpy as jnp); or run the model with compiled=False."
    )


def _place(kind: type[Agent], rule: str, error: Exception) -> tuple[str, str, str]:
    """Locate an error in a rule or in a method that it calls: the method's name, the line, and a phrase for both."""
    codes = {method.__code__ for c in kind.__mro__ for method in vars(c).values() if inspect.isfunction(method)}
    frames = [(f, number) for f, number in traceback.walk_tb(error.__traceback__) if f.f_code in codes]
    line, where = "", ""
    if frames:  # the innermost method: the rule itself, or a method that it calls
        frame, number = frames[-1]
        rule = frame.f_code.co_name
        line = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
        where = f" (line {number}: `{line}`)"
    return rule, line, where
