"""What a rule is: a digest of all the code and data that decide what it does."""

from __future__ import annotations

import enum
import functools
import hashlib
import importlib.util
import itertools
import sys
import types
import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from abm.engine.code import is_by_name, is_library, is_library_file, read_code

NO_EFFECT = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__"),
    *("__static_attributes__", "__abstractmethods__", "_abc_impl", "__annotate_func__", "__annotations_cache__"),
    *("__dataclass_fields__", "__dataclass_params__", "__match_args__", "__classcell__"),
}
"""Attributes of a class that cannot affect a rule."""
OUTSIDE = {"random", "secrets", "time", "os", "posix", "uuid", "socket", "subprocess", "urllib", "shelve", "sqlite3"}
"""Standard modules whose answers depend on more than their arguments."""
READS = {
    *("now", "today", "utcnow", "environ", "getenv", "argv", "stdin", "rvs", "open", "load", "loadtxt", "genfromtxt"),
    *("fromfile", "memmap", "loadmat", "open_dataset", "modules", "import_module", "__globals__", "f_globals"),
    *(f"read_{form}" for form in ("csv", "parquet", "json", "text", "bytes", "table", "excel", "hdf", "graphml")),
}
"""Names by which code reads a clock, the environment, a file, or what cannot be seen in it."""
DYNAMIC = {"open", "input", "eval", "exec", "globals", "vars", "__import__", "compile"}
"""Built-in functions that do so."""
COMPUTED = {"getattr", "__dict__", "attrgetter", "methodcaller"}
"""Names by which code may ask for an attribute that it does not name."""
HEAP_TYPE = 1 << 9
"""Flag of classes that are made while Python runs."""
ATOMS = {
    *(type(None), bool, int, float, complex, str, bytes, bytearray, range, slice),
    *(type(Ellipsis), type(NotImplemented)),
}


class Identity(NamedTuple):
    """A digest of what was looked at, and what of it could not be known (empty where all could)."""

    digest: str
    unknown: tuple[str, ...]


def identity_of(*things: Any) -> Identity:
    """The identity of classes, functions and data, through everything that their code can reach.

    Followed are a class's attributes, methods and bases; a function's code, defaults and closure, the globals that it
    names, and what the code at hand may ask of the user's modules. Library code, this package's included, is identified by
    name only. Two things with one digest do the same, in this process and in another one under the same Python; comments,
    docstrings, names of files and line numbers do not count. What reads a clock, a file, the environment or random numbers
    of its own, and objects that cannot be looked into, are named in `unknown`.

    JAX keeps traces by function objects, whatever globals they read: where a function that was looked at before has changed,
    its caches are cleared.
    """
    walk = _Walk()
    for thing in things:
        walk.look_at(thing)
    walk.ask_modules()
    if walk.changed:
        jax.clear_caches()
    return Identity(walk.hash.hexdigest()[:32], tuple(dict.fromkeys(walk.unknown)))


_own: weakref.WeakKeyDictionary[types.FunctionType, str] = weakref.WeakKeyDictionary()
"""Functions of the user's that were looked at, with a digest of their code and of the data that they read themselves."""


_serials: weakref.WeakKeyDictionary[types.FunctionType, int] = weakref.WeakKeyDictionary()
_numbers = itertools.count()


class _Walk:
    """One pass over what is reachable; a shallow one stops at other functions, classes and modules."""

    def __init__(self, shallow: bool = False) -> None:
        self.hash, self.shallow = hashlib.sha256(), shallow
        self.unknown: list[str] = []
        self.seen: dict[Any, int] = {}
        self.alive: list[Any] = []  # so that no id is given out twice
        self.modules: list[types.ModuleType] = []
        self.words: set[str] = set()
        self.changed = False

    def note(self, *words: Any) -> None:
        self.hash.update("\x1f".join(map(str, words)).encode(errors="surrogatepass") + b"\x1e")

    def look_at(self, value: Any, where: str = "") -> None:
        """Add a value to the digest; `where` is the rule that reads it."""
        kind = type(value)
        if kind in ATOMS:
            self.note(kind.__name__, repr(value))
            return
        try:
            if self.is_new(value):
                self.follow(value, kind, where)
        except Exception as error:  # objects may do anything when they are asked for something
            self.note("unknown")
            self.unknown.append(f"{where or 'it'} holds a {kind.__name__} ({type(error).__name__} when looked into)")

    def is_new(self, value: Any) -> bool:
        """Whether a value has not been looked at in this pass."""
        if id(value) in self.seen:
            self.note("again", self.seen[id(value)])
            return False
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        return True

    def follow(self, value: Any, kind: type, where: str) -> None:
        if issubclass(kind, types.ModuleType):
            self.module(value, where)
        elif issubclass(kind, jax.core.Tracer):
            self.unknown.append(f"{where or 'it'} holds a value of another trace")
        elif kind is np.ndarray or issubclass(kind, np.generic | jax.Array):
            self.array(value, where)
        elif kind is types.CodeType:
            self.note("code", read_code(value).digest)
        elif is_by_name(value):
            self.outside(value.__module__, where)
            self.note("library", value.__module__, getattr(value, "__qualname__", None) or value.__name__)
        elif issubclass(kind, type):
            self.kind(value)
        elif kind is types.FunctionType:
            self.function(value)
        else:
            self.contents(value, kind, where)

    def outside(self, module: str, where: str) -> None:
        if module.partition(".")[0] in OUTSIDE or module.startswith("numpy.random"):
            self.unknown.append(f"{where or 'it'} uses {module}")

    def array(self, value: Any, where: str) -> None:
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = jax.random.key_data(value)
        array = np.asarray(value)
        self.note("array", array.dtype.descr if array.dtype.names else array.dtype.str, array.shape)
        if array.dtype.hasobject:
            self.look_at(array.ravel().tolist(), where)
        else:
            self.hash.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def module(self, value: types.ModuleType, where: str) -> None:
        """A library by its name; of a module of the user's, what all the code that is reached may ask it for."""
        self.note("module", value.__name__)
        if is_library(value.__name__):
            self.outside(value.__name__, where)
        else:
            self.modules.append(value)

    def ask_modules(self) -> None:
        """Look at the attributes of the user's modules that any code reached has a word for, until there are no more."""
        before = -1
        while before < len(self.seen):
            before = len(self.seen)
            for module in list(self.modules):
                names = vars(module).keys() & (self.words | {"__getattr__"})
                if self.words & COMPUTED:
                    names = {name for name in vars(module) if not name.startswith("__")}
                for name in sorted(names):
                    if (key := (id(module), name)) not in self.seen:
                        self.seen[key] = len(self.seen)
                        self.note("attribute", module.__name__, name)
                        self.look_at(vars(module)[name], f"{module.__name__}.{name}")

    def kind(self, value: type) -> None:
        """A class of the user's: its name, its bases and all of its attributes; a shallow walk leaves out its bases."""
        self.note("class", value.__name__, len(value.__bases__))
        own = {name: inside for name, inside in vars(value).items() if name not in NO_EFFECT}
        if not self.shallow:
            for base in value.__bases__:
                self.look_at(base)
            if type(value) is not type:
                self.look_at(type(value))
        for name in sorted(own):
            self.note("attribute", name)
            self.look_at(own[name], f"{value.__name__}.{name}")

    def function(self, value: types.FunctionType) -> None:
        if self.shallow and len(self.seen) > 1:  # not the one that it began with: by which one it is
            self.note("function", _serials.setdefault(value, next(_numbers)))
            return
        code, where = read_code(value.__code__), value.__qualname__.replace("<locals>.", "")
        self.note("function", code.digest)
        attributes = {name: inside for name, inside in vars(value).items() if name != "__wrapped__"}
        if {"registry", "dispatch"} <= attributes.keys():  # functools.singledispatch: the rest is its memory
            self.look_at(dict(attributes["registry"]), where)
            return
        for part in (value.__defaults__, value.__kwdefaults__, attributes or None):
            self.look_at(part, where)
        for cell in value.__closure__ or ():
            try:
                self.look_at(cell.cell_contents, where)
            except ValueError:
                self.note("empty cell")
        if is_library_file(value.__code__.co_filename):  # made by a library: what is the user's stands in its closure
            return
        self.words |= code.words
        if reads := sorted(READS & code.words):
            self.unknown.append(f"{where} uses {', '.join(reads)}")
        for name in code.globals:
            self.global_of(value, name, where)
        for level, name in code.imports:
            self.imported(value, level, name, where)
        if not self.shallow:
            self.compare(value)

    def global_of(self, value: types.FunctionType, name: str, where: str) -> None:
        builtin = getattr(sys.modules["builtins"], name, None)
        if name in value.__globals__:
            self.note("global", name)
            found = value.__globals__[name]
            self.look_at(found, where)
            if found is np and "random" in read_code(value.__code__).words:
                self.unknown.append(f"{where} uses numpy.random")
        elif name in DYNAMIC:
            self.unknown.append(f"{where} uses {name}")
        else:
            self.note("built-in or absent", name)
            self.look_at(builtin, where)

    def imported(self, value: types.FunctionType, level: int, name: str, where: str) -> None:
        package = value.__globals__.get("__package__") or ""
        full = importlib.util.resolve_name("." * level + name, package) if level else name
        if full in sys.modules:
            self.look_at(sys.modules[full], where)
        else:
            self.unknown.append(f"{where} imports {full}, which is not there yet")

    def compare(self, value: types.FunctionType) -> None:
        """Notice a function that has changed, or what it reads itself, since it was looked at before."""
        shallow = _Walk(shallow=True)
        shallow.look_at(value)
        shallow.ask_modules()
        now = shallow.hash.hexdigest()
        self.changed |= _own.get(value, now) != now
        _own[value] = now

    def contents(self, value: Any, kind: type, where: str) -> None:
        """A container or an object, by what it holds."""
        self.note("object", kind.__qualname__)
        if issubclass(kind, property):
            parts: Any = (value.fget, value.fset, value.fdel)
        elif issubclass(kind, staticmethod | classmethod):
            parts = (value.__func__,)
        elif kind is types.MethodType:
            parts = (value.__func__, value.__self__)
        elif kind is types.BuiltinFunctionType:  # of an object: a list's append, a generator's draw
            parts = (value.__name__, value.__self__)
        elif issubclass(kind, functools.partial | functools.partialmethod):
            parts = (value.func, value.args, value.keywords)
        elif issubclass(kind, functools.cached_property):
            parts = (value.func,)
        elif kind in (types.MemberDescriptorType, types.GetSetDescriptorType):
            parts = ()
        elif issubclass(kind, enum.Enum):
            parts = (value.name, value.value)
        elif kind is types.MappingProxyType or kind is dict:
            parts = tuple(x for pair in value.items() for x in pair)
        elif kind in (set, frozenset):
            parts = self.sorted(value)
        elif kind in (tuple, list):
            parts = tuple(value)
        elif type(wrapped := vars(value).get("__wrapped__") if hasattr(value, "__dict__") else None) is not type(None):
            parts = (wrapped,)
        else:
            self.object(value, kind, where)
            return
        for part in parts:
            self.look_at(part, where)
        if _may_be_users(kind):
            self.object(value, kind, where)

    def sorted(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Digests of what stands in no order."""
        found = [identity_of(value) for value in values]
        self.unknown += [reason for one in found for reason in one.unknown]
        return tuple(sorted(one.digest for one in found))

    def object(self, value: Any, kind: type, where: str) -> None:
        """An object by its class and by what it keeps: attributes, slots, and what it would be rebuilt from."""
        library = is_library(kind.__module__)
        self.outside(kind.__module__, where)
        if _may_be_users(kind):
            self.look_at(kind, where)
            self.attributes(value, kind, where)
        if library or any(is_by_name(base) and base is not object for base in kind.__mro__[1:]):
            self.rebuilt(value, kind, where, must=library)

    def attributes(self, value: Any, kind: type, where: str) -> None:
        own = dict(getattr(value, "__dict__", {}))
        for base in kind.__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                hidden = name.startswith("__") and not name.endswith("__")
                full = f"_{base.__name__.lstrip('_')}{name}" if hidden else name
                if name not in ("__dict__", "__weakref__") and hasattr(value, full):
                    own[full] = getattr(value, full)
        own.pop("__wrapped__", None)
        own |= {name: getattr(value, name) for name in _cached(kind)}  # before or after they were first asked for
        for name in sorted(own, key=str):
            self.note("attribute", name)
            self.look_at(own[name], where)

    def rebuilt(self, value: Any, kind: type, where: str, must: bool) -> None:
        """What an object would be rebuilt from in another process, its state without what it has only remembered."""
        try:
            found = value.__reduce_ex__(4)
        except Exception:
            if must:
                self.unknown.append(f"{where or 'it'} holds a {kind.__module__}.{kind.__qualname__}")
            return
        if isinstance(found, str):
            self.note("global object", found)
            return
        make, arguments, state, items, pairs = (*found, None, None, None)[:5]
        if isinstance(state, dict):  # without what it only remembers
            state = {name: inside for name, inside in state.items() if name not in {"__wrapped__", *_cached(kind)}}
        if kind.__module__ == "operator":  # attrgetter, methodcaller
            self.words |= COMPUTED
        for part in (make, arguments, state, items and list(items), pairs and list(pairs)):
            self.look_at(part, where)


def _may_be_users(kind: type) -> bool:
    """Whether a class is neither Python's own, made in C, nor found in a library under its name."""
    return bool(kind.__flags__ & HEAP_TYPE) and not is_by_name(kind)


def _cached(kind: type) -> set[str]:
    """Attributes that `functools.cached_property` fills when they are first asked for."""
    return {
        name
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, functools.cached_property)
    }
