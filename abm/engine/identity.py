"""Identity of rules: a digest of all code and data that determine their behaviour."""

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
"""Standard modules whose results depend on more than their arguments."""
READS = {
    *("now", "today", "utcnow", "environ", "getenv", "argv", "stdin", "rvs", "open", "load", "loadtxt", "genfromtxt"),
    *("fromfile", "memmap", "loadmat", "open_dataset", "modules", "import_module", "__globals__", "f_globals"),
    *(f"read_{form}" for form in ("csv", "parquet", "json", "text", "bytes", "table", "excel", "hdf", "graphml")),
}
"""Names that show that code reads a clock, the environment, a file or other input that is invisible in the code."""
DYNAMIC = {"open", "input", "eval", "exec", "globals", "vars", "__import__", "compile"}
"""Built-in functions that do the same."""
COMPUTED = {"getattr", "__dict__", "attrgetter", "methodcaller"}
"""Names that show that code may look up attributes whose names it does not contain."""
HEAP_TYPE = 1 << 9
"""CPython's flag of classes that are created at run time."""
ATOMS = {
    *(type(None), bool, int, float, complex, str, bytes, bytearray, range, slice),
    *(type(Ellipsis), type(NotImplemented)),
}


class Identity(NamedTuple):
    """Digest of classes, functions and data, and the reasons why it may be incomplete (empty if it is complete)."""

    digest: str
    unknown: tuple[str, ...]


def identity_of(*things: Any) -> Identity:
    """Compute the identity of classes, functions and data, including everything that their code can reach.

    The walk covers a class's attributes, methods and bases; a function's code, defaults, closure and the globals that it
    names; and the attributes that any of this code may look up in the user's modules. Library code, including this
    package, is identified by name only. Objects with equal digests behave identically, in this process and in any other
    with the same version of Python; comments, docstrings, file names and line numbers do not count. `unknown` lists code
    that reads a clock, a file, the environment or its own random numbers, and objects that cannot be inspected.

    JAX caches traces by function object, regardless of the globals that a function reads. If a function has changed since
    an earlier walk, JAX's caches are therefore cleared.
    """
    walk = _Walk()
    for thing in things:
        walk.visit(thing)
    walk.visit_module_attributes()
    if walk.changed:
        jax.clear_caches()
    return Identity(walk.hash.hexdigest()[:32], tuple(dict.fromkeys(walk.unknown)))


_function_digests: weakref.WeakKeyDictionary[types.FunctionType, str] = weakref.WeakKeyDictionary()
"""Digests of the user's functions visited so far, each of its code and of the data that it reads directly."""


_serials: weakref.WeakKeyDictionary[types.FunctionType, int] = weakref.WeakKeyDictionary()
_numbers = itertools.count()


class _Walk:
    """One pass over all reachable objects; a shallow walk stops at other functions, classes and modules."""

    def __init__(self, shallow: bool = False) -> None:
        self.hash, self.shallow = hashlib.sha256(), shallow
        self.unknown: list[str] = []
        self.seen: dict[Any, int] = {}
        self.alive: list[Any] = []  # keeps objects alive, so that no id is reused
        self.modules: list[types.ModuleType] = []
        self.words: set[str] = set()
        self.changed = False

    def record(self, *words: Any) -> None:
        self.hash.update("\x1f".join(map(str, words)).encode(errors="surrogatepass") + b"\x1e")

    def visit(self, value: Any, where: str = "") -> None:
        """Add a value to the digest; `where` names the rule that reads it."""
        kind = type(value)
        if kind in ATOMS:
            self.record(kind.__name__, repr(value))
            return
        try:
            if self.is_new(value):
                self.follow(value, kind, where)
        except Exception as error:  # objects may raise anything when their attributes are read
            self.record("unknown")
            self.unknown.append(f"{where or 'it'} holds a {kind.__name__} ({type(error).__name__} when inspected)")

    def is_new(self, value: Any) -> bool:
        """Whether a value has not been visited in this pass; a repeated value is recorded by its number."""
        if id(value) in self.seen:
            self.record("again", self.seen[id(value)])
            return False
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        return True

    def follow(self, value: Any, kind: type, where: str) -> None:
        if issubclass(kind, types.ModuleType):
            self.visit_module(value, where)
        elif issubclass(kind, jax.core.Tracer):
            self.unknown.append(f"{where or 'it'} holds a value of another trace")
        elif kind is np.ndarray or issubclass(kind, np.generic | jax.Array):
            self.visit_array(value, where)
        elif kind is types.CodeType:
            self.record("code", read_code(value).digest)
        elif is_by_name(value):
            self.check_module(value.__module__, where)
            self.record("library", value.__module__, getattr(value, "__qualname__", None) or value.__name__)
        elif issubclass(kind, type):
            self.visit_class(value)
        elif kind is types.FunctionType:
            self.visit_function(value)
        else:
            self.visit_contents(value, kind, where)

    def check_module(self, module: str, where: str) -> None:
        if module.partition(".")[0] in OUTSIDE or module.startswith("numpy.random"):
            self.unknown.append(f"{where or 'it'} uses {module}")

    def visit_array(self, value: Any, where: str) -> None:
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            value = jax.random.key_data(value)
        array = np.asarray(value)
        self.record("array", array.dtype.descr if array.dtype.names else array.dtype.str, array.shape)
        if array.dtype.hasobject:
            self.visit(array.ravel().tolist(), where)
        else:
            self.hash.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def visit_module(self, value: types.ModuleType, where: str) -> None:
        """Record a library by its name; the attributes of a user's module are visited later, as far as code may read them."""
        self.record("module", value.__name__)
        if is_library(value.__name__):
            self.check_module(value.__name__, where)
        else:
            self.modules.append(value)

    def visit_module_attributes(self) -> None:
        """Visit the attributes of the user's modules whose names occur in visited code, until there are no new ones."""
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
                        self.record("attribute", module.__name__, name)
                        self.visit(vars(module)[name], f"{module.__name__}.{name}")

    def visit_class(self, value: type) -> None:
        """Visit a user's class: its name, its bases (unless the walk is shallow) and all of its attributes."""
        self.record("class", value.__name__, len(value.__bases__))
        own = {name: inside for name, inside in vars(value).items() if name not in NO_EFFECT}
        if not self.shallow:
            for base in value.__bases__:
                self.visit(base)
            if type(value) is not type:
                self.visit(type(value))
        for name in sorted(own):
            self.record("attribute", name)
            self.visit(own[name], f"{value.__name__}.{name}")

    def visit_function(self, value: types.FunctionType) -> None:
        if self.shallow and len(self.seen) > 1:  # another function than the first: recorded by a serial number
            self.record("function", _serials.setdefault(value, next(_numbers)))
            return
        code, where = read_code(value.__code__), value.__qualname__.replace("<locals>.", "")
        self.record("function", code.digest)
        attributes = {name: inside for name, inside in vars(value).items() if name != "__wrapped__"}
        if {"registry", "dispatch"} <= attributes.keys():  # functools.singledispatch: other attributes are caches
            self.visit(dict(attributes["registry"]), where)
            return
        for part in (value.__defaults__, value.__kwdefaults__, attributes or None):
            self.visit(part, where)
        for cell in value.__closure__ or ():
            try:
                self.visit(cell.cell_contents, where)
            except ValueError:
                self.record("empty cell")
        if is_library_file(value.__code__.co_filename):  # created by a library: the user's parts are in its closure
            return
        self.words |= code.words
        if reads := sorted(READS & code.words):
            self.unknown.append(f"{where} uses {', '.join(reads)}")
        for name in code.globals:
            self.visit_global(value, name, where)
        for level, name in code.imports:
            self.visit_import(value, level, name, where)
        if not self.shallow:
            self.detect_change(value)

    def visit_global(self, value: types.FunctionType, name: str, where: str) -> None:
        builtin = getattr(sys.modules["builtins"], name, None)
        if name in value.__globals__:
            self.record("global", name)
            target = value.__globals__[name]
            self.visit(target, where)
            if target is np and "random" in read_code(value.__code__).words:
                self.unknown.append(f"{where} uses numpy.random")
        elif name in DYNAMIC:
            self.unknown.append(f"{where} uses {name}")
        else:
            self.record("built-in or absent", name)
            self.visit(builtin, where)

    def visit_import(self, value: types.FunctionType, level: int, name: str, where: str) -> None:
        package = value.__globals__.get("__package__") or ""
        full = importlib.util.resolve_name("." * level + name, package) if level else name
        if full in sys.modules:
            self.visit(sys.modules[full], where)
        else:
            self.unknown.append(f"{where} imports {full}, which has not been imported yet")

    def detect_change(self, value: types.FunctionType) -> None:
        """Detect whether a function, or the data that it reads directly, has changed since an earlier walk."""
        shallow = _Walk(shallow=True)
        shallow.visit(value)
        shallow.visit_module_attributes()
        now = shallow.hash.hexdigest()
        self.changed |= _function_digests.get(value, now) != now
        _function_digests[value] = now

    def visit_contents(self, value: Any, kind: type, where: str) -> None:
        """Visit a container or an object by its contents."""
        self.record("object", kind.__qualname__)
        if issubclass(kind, property):
            parts: Any = (value.fget, value.fset, value.fdel)
        elif issubclass(kind, staticmethod | classmethod):
            parts = (value.__func__,)
        elif kind is types.MethodType:
            parts = (value.__func__, value.__self__)
        elif kind is types.BuiltinFunctionType:  # a method of an object: a list's append, a generator's draw
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
            parts = self.sorted_digests(value)
        elif kind in (tuple, list):
            parts = tuple(value)
        elif type(wrapped := vars(value).get("__wrapped__") if hasattr(value, "__dict__") else None) is not type(None):
            parts = (wrapped,)
        else:
            self.visit_object(value, kind, where)
            return
        for part in parts:
            self.visit(part, where)
        if _may_be_user_class(kind):
            self.visit_object(value, kind, where)

    def sorted_digests(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Sorted digests of the elements of an unordered collection."""
        identities = [identity_of(value) for value in values]
        self.unknown += [reason for identity in identities for reason in identity.unknown]
        return tuple(sorted(identity.digest for identity in identities))

    def visit_object(self, value: Any, kind: type, where: str) -> None:
        """Visit an object by its class and its state: attributes, slots and its pickled form."""
        library = is_library(kind.__module__)
        self.check_module(kind.__module__, where)
        if _may_be_user_class(kind):
            self.visit(kind, where)
            self.visit_attributes(value, kind, where)
        if library or any(is_by_name(base) and base is not object for base in kind.__mro__[1:]):
            self.visit_reduced(value, kind, where, must=library)

    def visit_attributes(self, value: Any, kind: type, where: str) -> None:
        own = dict(getattr(value, "__dict__", {}))
        for base in kind.__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                hidden = name.startswith("__") and not name.endswith("__")
                full = f"_{base.__name__.lstrip('_')}{name}" if hidden else name
                if name not in ("__dict__", "__weakref__") and hasattr(value, full):
                    own[full] = getattr(value, full)
        own.pop("__wrapped__", None)
        own |= {name: getattr(value, name) for name in _cached(kind)}  # whether or not they have been computed yet
        for name in sorted(own, key=str):
            self.record("attribute", name)
            self.visit(own[name], where)

    def visit_reduced(self, value: Any, kind: type, where: str, must: bool) -> None:
        """Visit the parts from which pickle would rebuild an object, without cached properties."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            if must:
                self.unknown.append(f"{where or 'it'} holds a {kind.__module__}.{kind.__qualname__}")
            return
        if isinstance(reduced, str):
            self.record("global object", reduced)
            return
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict):  # without cached values
            state = {name: inside for name, inside in state.items() if name not in {"__wrapped__", *_cached(kind)}}
        if kind.__module__ == "operator":  # attrgetter, methodcaller
            self.words |= COMPUTED
        for part in (make, arguments, state, items and list(items), pairs and list(pairs)):
            self.visit(part, where)


def _may_be_user_class(kind: type) -> bool:
    """Whether a class may be the user's: neither built into Python, in C, nor held by a library under its name."""
    return bool(kind.__flags__ & HEAP_TYPE) and not is_by_name(kind)


def _cached(kind: type) -> set[str]:
    """Names of the attributes that `functools.cached_property` computes on first use."""
    return {
        name
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, functools.cached_property)
    }
