"""Names of a package that are imported on first use."""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path
from typing import Any


def imported_on_first_use(package: str, name: str) -> Any:
    """Import a name as the package does for type checkers, `if TYPE_CHECKING:`; for the package's `__getattr__`.

    Each name and its module are thus written once, where type checkers read them too. Raises AttributeError for another name.
    """
    if name not in _homes(package):
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(__import__(_homes(package)[name], fromlist=[name]), name)


@functools.cache
def _homes(package: str) -> dict[str, str]:
    """The module of each name."""
    source = Path(str(sys.modules[package].__file__)).read_text(encoding="utf-8")
    blocks = [node.body for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
