"""Distinguish library code from a user's code, and compute digests of code objects."""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import site
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = {PACKAGE} | {
    Path(folder).resolve()
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
    )
}
"""Folders of library code; all other code belongs to the user."""
SIGNATURE = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
"""Flags of a function's code that describe its arguments and result."""


def is_library(name: Any) -> bool:
    """Whether the file of the module `name` belongs to the standard library, an installed package or this package."""
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or name in ("__main__", "__mp_main__"):
        return False
    spec = getattr(module, "__spec__", None)
    origin = getattr(module, "__file__", None) or getattr(spec, "origin", None)
    if origin is None or origin in ("built-in", "frozen"):
        folders = list(getattr(spec, "submodule_search_locations", None) or ())
        if folders:
            return all(map(is_library_file, folders))
        # A module inside a compiled one, such as jaxlib._jax.pytree, has no file of its own.
        return name in sys.stdlib_module_names or ("." in name and is_library(name.rpartition(".")[0]))
    return is_library_file(str(origin))


@functools.lru_cache(100_000)
def is_library_file(path: str) -> bool:
    """Whether a file belongs to a library or to this package."""
    if not Path(path).is_absolute():  # interactive input, or a script in the working directory
        return path.startswith("<frozen ")
    return not LIBRARIES.isdisjoint(Path(path).resolve().parents)


def is_by_name(value: Any) -> bool:
    """Whether a library holds exactly this object under its own name; the code of a function must be the library's as well."""
    try:
        module, name = value.__module__, getattr(value, "__qualname__", None) or value.__name__
    except Exception:  # an object may raise anything when asked for an attribute that it does not have
        return False
    if type(module) is not str or type(name) is not str or not is_library(module):
        return False
    if type(value) is types.FunctionType and not is_library_file(value.__code__.co_filename):
        return False
    target: Any = sys.modules[module]
    for part in name.split("."):
        target = inspect.getattr_static(target, part, None)
    return (target.__func__ if isinstance(target, staticmethod | classmethod) else target) is value


class Code(NamedTuple):
    """Contents of a code object, including its nested functions."""

    digest: str
    globals: tuple[str, ...]
    imports: tuple[tuple[int, str], ...]
    """Level and name of each import."""
    words: frozenset[str]
    """All names and strings in the code: the attributes that it may look up in a module."""


@functools.lru_cache(10_000)
def read_code(code: types.CodeType) -> Code:
    """Read a code object. Constants enter by value, because adding a docstring shifts the indices of all others."""
    names: set[str] = set()
    imports: set[tuple[int, str]] = set()
    words = set(code.co_names)
    steps: list[tuple[str, Any]] = []

    def constant(value: Any) -> str:
        if isinstance(value, types.CodeType):
            inner = read_code(value)
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

    instructions = list(dis.get_instructions(code))
    for index, step in enumerate(instructions):
        if step.opcode in dis.hasconst or step.opname == "KW_NAMES":
            steps.append((step.opname, constant(code.co_consts[step.arg or 0])))
        else:
            steps.append((step.opname, step.arg))
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(str(step.argval))
        elif step.opname == "IMPORT_NAME":
            imports.add((int(instructions[index - 2].argval or 0), str(step.argval)))
    kinds = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & SIGNATURE)
    variables = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    content = repr((kinds, variables, steps)).encode(errors="surrogatepass") + code.co_exceptiontable
    return Code(hashlib.sha256(content).hexdigest(), tuple(sorted(names)), tuple(sorted(imports)), frozenset(words))
