"""What a rule is: a digest of all the code and data that decide what it does."""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import inspect
import pickle
import site
import sys
import sysconfig
import types
import weakref
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

PACKAGE = __name__.partition(".")[0]
NOT_CODE = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__"),
    *("__static_attributes__", "__abstractmethods__", "_abc_impl", "__annotate_func__", "__annotations_cache__"),
    *("__dataclass_fields__", "__dataclass_params__", "__match_args__", "__classcell__"),
}
"""Attributes of a class that no rule acts on."""
OUTSIDE = {"random", "secrets", "time", "os", "uuid", "socket", "subprocess", "urllib", "shelve", "sqlite3"}
"""Standard modules whose answers depend on more than their arguments."""
READS = {"now", "today", "utcnow", "environ", "getenv", "loadtxt", "genfromtxt", "fromfile"} | {
    f"read_{form}" for form in ("csv", "parquet", "json", "text", "bytes", "table", "excel")
}
"""Names by which code reads a clock, the environment or a file."""
DYNAMIC = {"open", "input", "eval", "exec", "globals", "vars", "__import__", "compile"}
"""Built-in functions through which code reaches what cannot be seen in it."""
TAKES = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
"""Flags of a function's code that say what it takes and gives."""
ATOMS = {
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    type(Ellipsis),
    type(NotImplemented),
    range,
    slice,
}
LIBRARIES = {
    Path(folder).resolve()
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
    )
}


class Identity(NamedTuple):
    """A digest of what was looked at, and what of it could not be known (empty where all could)."""

    digest: str
    unknown: tuple[str, ...]


def identity_of(*things: Any) -> Identity:
    """The identity of classes, functions and data, through everything that their code can reach.

    Followed are a class's attributes, methods and bases; a function's code, defaults and closure, and the globals and
    attributes of modules that it names. Libraries, this package among them, stand for themselves by name. Two things with
    one digest do the same, in this process and in another one under the same Python; comments, docstrings, names of files
    and line numbers do not count. What reads a clock, a file, the environment or random numbers of its own, and objects
    that cannot be looked into, are named in `unknown`.
    """
    walk = _Walk()
    for thing in things:
        walk.look_at(thing)
    return Identity(walk.hash.hexdigest()[:32], tuple(dict.fromkeys(walk.unknown)))


@functools.cache
def _is_library_name(top: str) -> bool:
    if top == PACKAGE or top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return True
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None)
    places = [getattr(module, "__file__", None) or "", *(getattr(spec, "submodule_search_locations", None) or ())]
    return any(folder in Path(place).resolve().parents for place in places if place for folder in LIBRARIES)


def is_library(module: str | None) -> bool:
    """Whether a module, by its name, is the standard library's, an installed package's or this package's."""
    return bool(module) and _is_library_name(str(module).partition(".")[0])


class _Code(NamedTuple):
    """What a code object says by itself, its nested functions included."""

    digest: str
    globals: tuple[str, ...]
    imports: tuple[str, ...]
    words: frozenset[str]
    """Every name and text in it: attributes it may ask a module for."""


_jitted: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


@functools.lru_cache(10_000)
def _read(code: types.CodeType) -> _Code:
    names: set[str] = set()
    imports: set[str] = set()
    words = set(code.co_names)
    steps: list[tuple[str, Any]] = []

    def constant(value: Any) -> str:
        if isinstance(value, types.CodeType):
            inner = _read(value)
            names.update(inner.globals)
            imports.update(inner.imports)
            words.update(inner.words)
            return inner.digest
        if isinstance(value, tuple | frozenset):
            parts = [constant(part) for part in value]
            return f"{type(value).__name__}({', '.join(parts if isinstance(value, tuple) else sorted(parts))})"
        if isinstance(value, str):
            words.add(value)
        return f"{type(value).__name__} {value!r}"

    for step in dis.get_instructions(code):
        if (
            step.opcode in dis.hasconst or step.opname == "KW_NAMES"
        ):  # by value: a docstring moves the numbers of all others
            steps.append((step.opname, constant(code.co_consts[step.arg or 0])))
        else:
            steps.append((step.opname, step.arg))
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(str(step.argval))
        elif step.opname == "IMPORT_NAME":
            imports.add(str(step.argval))
    kinds = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & TAKES)
    variables = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    content = repr((kinds, variables, steps)).encode() + code.co_exceptiontable
    return _Code(hashlib.sha256(content).hexdigest(), tuple(sorted(names)), tuple(sorted(imports)), frozenset(words))


class _Walk:
    """One pass over what is reachable."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.unknown: list[str] = []
        self.seen: dict[int, int] = {}  # functions, classes and modules, which are what they are by identity
        self.above: list[int] = []  # containers and objects that we are inside of
        self.alive: list[Any] = []  # so that no id is given out twice

    def note(self, *words: Any) -> None:
        self.hash.update("\x1f".join(map(str, words)).encode(errors="surrogatepass") + b"\x1e")

    def look_at(self, value: Any, words: frozenset[str] = frozenset(), where: str = "") -> None:
        """Add a value to the digest; `words` are the names that the code which holds it may ask it for."""
        if type(value) in ATOMS:
            return self.note(type(value).__name__, repr(value))
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            return self.array(np.asarray(value), where)
        if isinstance(value, types.CodeType):
            return self.note("code", _read(value).digest)
        if isinstance(value, types.ModuleType):
            return self.module(value, words, where)
        if isinstance(value, types.CellType):
            try:
                return self.look_at(value.cell_contents, words, where)
            except ValueError:
                return self.note("empty cell")
        if self.is_named_in_library(value, words, where):
            return None
        if isinstance(value, type):
            return self.once(value, self.kind)
        if isinstance(value, types.FunctionType):
            return self.once(value, self.function)
        self.inside(value, words, where)

    def once(self, value: Any, follow: Any) -> None:
        if id(value) in self.seen:
            return self.note("again", self.seen[id(value)])
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        return follow(value)

    def is_named_in_library(self, value: Any, words: frozenset[str], where: str) -> bool:
        """Functions, classes and other objects that a library has under their own name stand by that name."""
        module, name = (
            getattr(value, "__module__", None),
            getattr(value, "__qualname__", getattr(value, "__name__", None)),
        )
        if not isinstance(module, str) or not isinstance(name, str) or not is_library(module):
            return False
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if not isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) and found is not value:
            return False
        if "<locals>" in name and isinstance(value, types.FunctionType):
            return False  # made by a library out of something else: look into it
        self.outside(module, words, where, name)
        self.note("library", module, name)
        return True

    def outside(self, module: str, words: Set[str], where: str, name: str = "") -> None:
        if module.partition(".")[0] in OUTSIDE or module == "posix" or module.startswith("numpy.random"):
            self.unknown.append(f"{where or 'it'} uses {module}{'.' * bool(name)}{name}")

    def array(self, value: np.ndarray, where: str) -> None:
        self.note("array", value.dtype.str, value.shape)
        if value.dtype.hasobject:
            return self.look_at(value.ravel().tolist(), where=where)
        self.hash.update(np.ascontiguousarray(value).tobytes())

    def module(self, value: types.ModuleType, words: frozenset[str], where: str) -> None:
        """A library by its name; a module of the user's by what the code at hand may ask it for."""
        self.note("module", value.__name__)
        if is_library(value.__name__):
            self.outside(value.__name__, words, where)
            if value.__name__ == "numpy" and "random" in words:
                self.unknown.append(f"{where or 'it'} uses numpy.random")
            return
        for name in sorted(words & vars(value).keys()):
            key = hash((id(value), name))
            if key not in self.seen:
                self.seen[key] = len(self.seen)
                self.note("attribute", name)
                self.look_at(vars(value)[name], words, where)

    def kind(self, value: type) -> None:
        """A class of the user's: its name, its bases and all of its attributes."""
        self.note("class", value.__name__, len(value.__bases__))
        for base in value.__bases__:
            self.look_at(base)
        if type(value) is not type:
            self.look_at(type(value))
        for name in sorted(vars(value).keys() - NOT_CODE):
            self.note("attribute", name)
            self.look_at(vars(value)[name], where=f"{value.__name__}.{name}")

    def function(self, value: types.FunctionType) -> None:
        code, where = _read(value.__code__), value.__qualname__.replace("<locals>.", "")
        self.note("function", code.digest)
        if reads := sorted(READS & code.words):
            self.unknown.append(f"{where} uses {', '.join(reads)}")
        for part in (value.__defaults__, value.__kwdefaults__, value.__closure__, vars(value)):
            self.look_at(part or None, code.words, where)
        for name in code.globals:
            if name in value.__globals__:
                self.note("global", name)
                self.look_at(value.__globals__[name], code.words, where)
            elif name in DYNAMIC:
                self.unknown.append(f"{where} uses {name}")
            else:
                self.note("built-in or absent", name)
        for name in code.imports:
            if name in sys.modules:
                self.look_at(sys.modules[name], code.words, where)
            elif not is_library(name):
                self.unknown.append(f"{where} imports {name}")

    def inside(self, value: Any, words: frozenset[str], where: str) -> None:
        """A container or an object, by what it holds."""
        if id(value) in self.above:
            return self.note("above", len(self.above) - self.above.index(id(value)))
        self.above.append(id(value))
        self.alive.append(value)
        try:
            self.contents(value, words, where)
        finally:
            self.above.pop()

    def contents(self, value: Any, words: frozenset[str], where: str) -> None:
        kind = type(value)
        self.note("object", kind.__qualname__)
        if isinstance(value, property):
            parts: Any = (value.fget, value.fset, value.fdel)
        elif isinstance(value, staticmethod | classmethod):
            parts = (value.__func__,)
        elif isinstance(value, types.MethodType):
            parts = (value.__func__, value.__self__)
        elif isinstance(value, types.BuiltinFunctionType):  # of an object: a list's append, a generator's draw
            parts = (value.__name__, value.__self__)
        elif isinstance(value, functools.partial):
            parts = (value.func, value.args, value.keywords)
        elif isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
            parts = ()
        elif isinstance(value, enum.Enum):
            parts = (value.name, value.value)
        elif isinstance(value, Mapping) and kind.__module__ != "os":
            parts = tuple(x for pair in value.items() for x in pair)
        elif isinstance(value, set | frozenset):
            digests = [identity_of(part) for part in value]
            self.unknown += [reason for one in digests for reason in one.unknown]
            parts = tuple(sorted(one.digest for one in digests))
        elif isinstance(value, tuple | list):
            parts = tuple(value)
        elif hasattr(value, "__wrapped__"):
            parts = (value.__wrapped__,)
            self.forget_if_changed(value)
        elif is_library(kind.__module__) and kind.__module__.partition(".")[0] != PACKAGE:
            return self.foreign(value, where)
        else:
            parts = ()
        if not is_library(kind.__module__):
            self.look_at(kind)
        for part in parts:
            self.look_at(part, words, where)
        self.attributes(value, words, where)

    def attributes(self, value: Any, words: frozenset[str], where: str) -> None:
        """What an object keeps in its dictionary and its slots."""
        slots = [
            name
            for base in type(value).__mro__
            for name in _names(vars(base).get("__slots__", ()))
            if name not in ("__dict__", "__weakref__") and hasattr(value, name)
        ]
        own = {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}
        for name in sorted(own, key=str):
            if name != "__wrapped__":
                self.note("attribute", name)
                self.look_at(own[name], words, where)

    def foreign(self, value: Any, where: str) -> None:
        """An object of a library's: by its pickled form, if it has one."""
        kind = type(value)
        self.outside(kind.__module__, frozenset(), where, kind.__name__)
        try:
            self.hash.update(pickle.dumps(value, protocol=5))
        except Exception:
            self.unknown.append(f"{where or 'it'} holds a {kind.__module__}.{kind.__qualname__}")

    def forget_if_changed(self, value: Any) -> None:
        """A function compiled by the user keeps its program when a global that it reads changes; let it go then."""
        if not hasattr(value, "clear_cache"):
            return
        now = identity_of(value.__wrapped__).digest
        if _jitted.get(value, now) != now:
            value.clear_cache()
        _jitted[value] = now


def _names(slots: str | Iterable[str]) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots
