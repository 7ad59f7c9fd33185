"""Populations: all agents of one class stored as columns. Groups: several populations with the same role."""

import dataclasses
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, PyTree, Shaped

from abm.engine.agent import Agent, RuleError, bind, call_rule
from abm.engine.modes import is_interpreted
from abm.support.shapes import AnyArray

Column = Shaped[Array, "agents ..."]


@partial(jax.tree_util.register_dataclass, data_fields=["columns"], meta_fields=["kind", "offset"])
@dataclasses.dataclass(frozen=True)
class Population:
    """All agents of one class: one array per field, first axis the agents.

    `offset` is the first slot number of this population in its random stream.
    """

    kind: type[Agent]
    columns: dict[str, Column]
    offset: int = 0

    @classmethod
    def create(
        cls, kind: type[Agent], size: int, *, sizes: dict[str, int] | None = None, offset: int = 0, **given: ArrayLike
    ) -> "Population":
        """Create `size` agents. `given` sets fields, the others take their defaults; `sizes` gives the lengths of named axes.

        Raises ValueError for unknown or reserved field names, a missing axis size, or values of the wrong shape.
        """
        fields = kind.fields()
        taken = [name for name in fields if hasattr(Population, name) or name in ("kind", "columns", "offset")]
        if taken:
            raise ValueError(f"{kind.__name__}: {', '.join(taken)} cannot be a field's name: populations use it")
        unknown = [name for name in given if name not in fields]
        if unknown:
            names = ", ".join(map(repr, unknown))
            raise ValueError(f"{kind.__name__} has no field {names}; it has {', '.join(fields)}")
        columns = {}
        for name, declared in fields.items():
            shape = (size, *(_axis(sizes, axis, kind, name) for axis in declared.shape))
            value = jnp.asarray(given.get(name, declared.default), dtype=declared.dtype)
            if 0 < value.ndim < len(shape):  # one value per agent, broadcast along the further axes
                value = value.reshape(value.shape + (1,) * (len(shape) - value.ndim))
            try:
                columns[name] = jnp.broadcast_to(value, shape)
            except ValueError:
                raise ValueError(f"{kind.__name__}.{name}: shape {value.shape} given, {shape} expected") from None
        return cls(kind, columns, offset)

    @property
    def size(self) -> int:
        """Number of agents, active or not."""
        return next(iter(self.columns.values())).shape[0]

    def __getattr__(self, name: str) -> Column:
        columns = self.__dict__.get("columns")
        if columns is None or name not in columns:
            raise AttributeError(f"no field '{name}'")
        return columns[name]

    def replace(self, **columns: Column) -> "Population":
        """A copy of the population with some columns replaced."""
        return dataclasses.replace(self, columns={**self.columns, **columns})

    def do(
        self, rule: str, *shared: Any, where: Bool[AnyArray, " agents"] | None = None, **own: PyTree
    ) -> "Population":
        """Run a rule for every agent, and return the population with the fields that the rule assigned.

        Parameters
        ----------
        rule
            Name of a method of the agent class.
        *shared
            Passed unchanged to every agent.
        where
            Mask of the agents that act (default: the active agents). The others keep their state.
        **own
            Arrays (or trees of arrays) with one row per agent; each agent receives its row.
        """
        acting = self.columns["active"] if where is None else where
        if is_interpreted():
            return self._do_one_by_one(rule, shared, acting, own)

        def act(row: dict[str, Array], mine: dict[str, PyTree]) -> dict[str, AnyArray]:
            agent = bind(self.kind, dict(row))
            call_rule(self.kind, rule, agent, shared, mine)
            assigned = {name: value for name, value in agent._row.items() if value is not row[name]}
            return {name: _fitting(jnp, self.kind, rule, name, value, row[name]) for name, value in assigned.items()}

        changed = jax.vmap(act)(self.columns, own)
        return self.replace(**{name: _where(acting, changed[name], self.columns[name]) for name in changed})

    def ask(self, rule: str, *shared: Any, **own: PyTree) -> PyTree:
        """Run a rule for every agent and return its results, one row per agent; no state changes.

        Inactive agents are included: mask their rows.
        """
        if is_interpreted():
            host = {name: np.asarray(column) for name, column in self.columns.items()}
            answers = [
                call_rule(
                    self.kind, rule, bind(self.kind, _row(host, i)), shared, jax.tree.map(lambda x, i=i: x[i], own)
                )
                for i in range(self.size)
            ]
            return jax.tree.map(lambda *rows: jnp.stack([jnp.asarray(r) for r in rows]), *answers)

        def answer(row: dict[str, Array], mine: dict[str, PyTree]) -> PyTree:
            return call_rule(self.kind, rule, bind(self.kind, dict(row)), shared, mine)

        return jax.vmap(answer)(self.columns, own)

    def _do_one_by_one(
        self, rule: str, shared: tuple[Any, ...], acting: Bool[AnyArray, " agents"], own: dict[str, PyTree]
    ) -> "Population":
        host = {name: np.array(column) for name, column in self.columns.items()}
        for i in map(int, np.flatnonzero(np.asarray(acting))):
            row = _row(host, i)
            agent = bind(self.kind, row)
            call_rule(self.kind, rule, agent, shared, jax.tree.map(lambda x, i=i: x[i], own))
            for name, value in row.items():
                host[name][i] = _fitting(np, self.kind, rule, name, value, host[name][i])
        return self.replace(**{name: jnp.asarray(column) for name, column in host.items()})


@jax.tree_util.register_pytree_node_class
class Group:
    """Populations with the same role (all labs, say), addressed as one: fields are concatenated, rules run in each.

    This allows a user's subclass beside the built-in classes: it is one more population in the group.
    """

    def __init__(self, *populations: Population) -> None:
        self.populations = populations

    def tree_flatten(self) -> tuple[tuple[Population, ...], None]:
        return self.populations, None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Population, ...]) -> "Group":
        group = object.__new__(cls)
        group.populations = tuple(children)
        return group

    @property
    def size(self) -> int:
        """Number of agents in all populations, active or not."""
        return sum(p.size for p in self.populations)

    def __getattr__(self, name: str) -> Column:
        if name.startswith("__") or name == "populations":
            raise AttributeError(name)
        parts = [getattr(p, name) for p in self.populations]
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)

    def split(self, rows: PyTree) -> list[PyTree]:
        """Split arrays with one row per agent of the group into one piece per population."""
        pieces, start = [], 0
        for population in self.populations:
            stop = start + population.size
            pieces.append(jax.tree.map(lambda x, a=start, b=stop: x[a:b], rows))
            start = stop
        return pieces

    def replace(self, **columns: Shaped[AnyArray, "agents ..."]) -> "Group":
        """A copy of the group with some columns replaced; each has one row per agent of the group."""
        parts = self.split({name: jnp.asarray(value) for name, value in columns.items()})
        return Group(*(p.replace(**part) for p, part in zip(self.populations, parts, strict=True)))

    def do(self, rule: str, *shared: Any, where: Bool[AnyArray, " agents"] | None = None, **own: PyTree) -> "Group":
        """Call `Population.do` on every population; `where` and `own` have one row per agent of the group."""
        masks = [None] * len(self.populations) if where is None else self.split(where)
        return Group(
            *(
                p.do(rule, *shared, where=mask, **mine)
                for p, mask, mine in zip(self.populations, masks, self.split(own), strict=True)
            )
        )

    def ask(self, rule: str, *shared: Any, **own: PyTree) -> PyTree:
        """Call `Population.ask` on every population and concatenate the results."""
        answers = [p.ask(rule, *shared, **mine) for p, mine in zip(self.populations, self.split(own), strict=True)]
        return answers[0] if len(answers) == 1 else jax.tree.map(lambda *rows: jnp.concatenate(rows), *answers)

    def is_kind(self, kind: type[Agent]) -> Bool[np.ndarray, " agents"]:
        """Mask of the rows whose class is `kind` or a subclass of it (a constant, not traced)."""
        return np.concatenate([np.full(p.size, issubclass(p.kind, kind)) for p in self.populations])


def _axis(sizes: dict[str, int] | None, axis: str, kind: type[Agent], name: str) -> int:
    if not sizes or axis not in sizes:
        raise ValueError(f"{kind.__name__}.{name} needs the size of axis '{axis}'")
    return sizes[axis]


def _row(host: dict[str, np.ndarray], index: int) -> dict[str, np.ndarray | np.generic]:
    # Scalars are returned as NumPy scalars, so that Python branches work in interpreted mode; vectors are copied, so that
    # a rule cannot modify the columns directly.
    return {name: (column[index] if column.ndim == 1 else column[index].copy()) for name, column in host.items()}


def _fitting(
    numpy: ModuleType, kind: type[Agent], rule: str, name: str, value: Any, old: Shaped[AnyArray, "*n"] | np.generic
) -> Shaped[AnyArray, "*n"]:
    """Convert the value that a rule assigned to a field to the field's shape and type. Raises RuleError if it does not fit."""
    try:
        return numpy.broadcast_to(numpy.asarray(value, old.dtype), old.shape)
    except (TypeError, ValueError):
        given = f"shape {value.shape}" if hasattr(value, "shape") else repr(value)
        message = f"rule {kind.__name__}.{rule} assigns {given} to the field {name}, which has shape {old.shape}"
        raise RuleError(message) from None


def answer_like(
    template: Shaped[AnyArray, "*n"] | np.generic, answer: Any, kind: type[Agent], rule: str
) -> Shaped[Array, "*n"]:
    """Convert the result of `rule` to the shape and type of `template`. Raises RuleError, naming the rule, if it does not fit."""
    try:
        if answer is None or jnp.asarray(answer).dtype.kind == "c":
            raise TypeError
        return jnp.broadcast_to(jnp.asarray(answer, template.dtype), template.shape)
    except (TypeError, ValueError):
        given = f"shape {answer.shape}" if getattr(answer, "shape", None) else repr(answer)
        expected = f"numbers of shape {template.shape}" if template.shape else "a number"
        raise RuleError(f"rule {kind.__name__}.{rule} returns {given}, but must return {expected}") from None


def _where(
    mask: Bool[AnyArray, " agents"], new: Shaped[AnyArray, " agents *n"], old: Shaped[Array, " agents *n"]
) -> Shaped[Array, " agents *n"]:
    return jnp.where(jnp.reshape(mask, mask.shape + (1,) * (new.ndim - 1)), new, old)
