"""What numbers were made with: the model's source, its commit, packages, the machine."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
NOT_THE_MODEL = (
    "analysis",
    "calibration",
    "charts",
    "cli",
    "dashboard",
    "experiments",
    "figures",
    "validation",
)
"""Parts of the package that look at numbers and do not make them."""
DECIDING = ("jax", "jaxlib", "numpy", "scipy", "networkx")
"""Packages whose versions can move the last digits of a result, or more."""
DEFAULTS = Path("data") / "fits" / "june_2025.csv"
"""Data that the model's defaults come from."""


def _hash_of_files() -> str:
    digest = hashlib.sha256()
    for path in [*sorted(PACKAGE.rglob("*.py")), PACKAGE / DEFAULTS]:
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] not in NOT_THE_MODEL and path.is_file():
            digest.update(inside.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


_AT_IMPORT = (
    _hash_of_files()
)  # not when first asked for: files may be edited while this process goes on with the old code


def source_hash() -> str:
    """Hash of the model's source files, and of the fit that its defaults come from, as they were when they were imported."""
    return _AT_IMPORT


@functools.cache
def git() -> dict[str, Any] | None:
    """Commit of the checkout that the package is in, and a hash of what differs from it; None outside one."""
    root = PACKAGE.parent

    def ask(*words: str) -> str:
        asked = subprocess.run(["git", "-C", str(root), *words], capture_output=True, timeout=30, check=True)
        return asked.stdout.decode(errors="replace")

    try:
        if Path(ask("rev-parse", "--show-toplevel").strip()).resolve() != root.resolve():
            return None
        changes = ask("diff", "HEAD") + ask("ls-files", "--others", "--exclude-standard", "abm")
        short = hashlib.sha256(changes.encode()).hexdigest()[:16] if changes else None
        return {"commit": ask("rev-parse", "HEAD").strip(), "changes": short}
    except (OSError, subprocess.SubprocessError):
        return None


@functools.cache
def machine() -> dict[str, Any]:
    """Processor, cores, system."""
    name = platform.processor()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return {"processor": name, "cores": os.cpu_count(), "platform": platform.platform()}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions by package."""
    return {package: version_of(package) for package in packages}


def version_of(package: str) -> str:
    """Installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown (not installed)"


def now() -> dt.datetime:
    """The time in UTC."""
    return dt.datetime.now(dt.UTC)


def stamp() -> str:
    return f"{now():%Y-%m-%dT%H:%M:%SZ}"
