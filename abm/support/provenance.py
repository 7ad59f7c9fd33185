"""Provenance of results: the model's source, its commit, package versions and the machine."""

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
    "__main__.py",
    "analysis",
    "calibration",
    "charts",
    "cli",
    "dashboard",
    "experiments",
    "figures",
    "validation",
)
"""Parts of the package that read results and do not affect them."""
DECIDING = ("jax", "jaxlib", "numpy", "scipy", "networkx")
"""Packages whose versions can change the last digits of a result, or more."""
DEFAULTS = Path("data") / "fits" / "june_2025.csv"
"""The calibration that the model's default values come from."""


def _hash_of_files() -> str:
    digest = hashlib.sha256()
    for path in [*sorted(PACKAGE.rglob("*.py")), PACKAGE / DEFAULTS]:
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] not in NOT_THE_MODEL and path.is_file():
            digest.update(inside.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


# Computed now, not on first use: files may be edited later, while this process continues with the old code.
_AT_IMPORT = _hash_of_files()


def source_hash() -> str:
    """Hash of the model's source files and of the fit behind its defaults, both as they were at import."""
    return _AT_IMPORT


@functools.cache
def git() -> dict[str, Any] | None:
    """Commit of the checkout that contains the package, and a hash of uncommitted changes; None outside a checkout."""
    root = PACKAGE.parent

    def output_of(*arguments: str) -> str:
        completed = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=30, check=True)
        return completed.stdout.decode(errors="replace")

    try:
        if Path(output_of("rev-parse", "--show-toplevel").strip()).resolve() != root.resolve():
            return None
        changes = output_of("diff", "HEAD") + output_of("ls-files", "--others", "--exclude-standard", "abm")
        short = hashlib.sha256(changes.encode()).hexdigest()[:16] if changes else None
        return {"commit": output_of("rev-parse", "HEAD").strip(), "changes": short}
    except (OSError, subprocess.SubprocessError):
        return None


@functools.cache
def machine() -> dict[str, Any]:
    """Processor, number of cores, and operating system."""
    name = platform.processor()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return {"processor": name, "cores": os.cpu_count(), "platform": platform.platform()}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed version of each package."""
    return {package: version_of(package) for package in packages}


def version_of(package: str) -> str:
    """Installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown (not installed)"


def now() -> dt.datetime:
    """Current time in UTC."""
    return dt.datetime.now(dt.UTC)


def stamp() -> str:
    """Current time in UTC as text, such as 2025-06-30T12:00:00Z."""
    return f"{now():%Y-%m-%dT%H:%M:%SZ}"
