"""What it takes to do a reproduction again: versions, parameters, seeds, scenarios."""

from __future__ import annotations

import datetime as dt
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from abm.reproduce import store

if TYPE_CHECKING:
    from abm.results import Ensemble

PACKAGES = ("ai-market-abm", "jax", "jaxlib", "mesa", "numpy", "scipy", "pandas", "networkx", "matplotlib", "pydantic")


def manifest(name: str, runs: dict[str, Ensemble], quick: bool, seconds: float) -> dict[str, Any]:
    """What it takes to do it again."""
    baseline = next(iter(runs.values()))
    parts = {}
    for part, each in runs.items():
        chosen = each.setup.parameters.model_dump(exclude_unset=True)
        parts[part] = {"scenario": each.setup.scenario.name, "months": each.setup.months, "parameters_changed": chosen}
    sizes = ("vendors", "closed_labs", "open_labs", "entrants", "adopters", "investors", "network_seed")
    return {
        "reproduction": name,
        "quick": quick,
        "made": f"{now():%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round(seconds, 1),
        "seeds": baseline.seeds,
        "ensembles": parts,
        "populations": {size: getattr(baseline.setup.populations, size) for size in sizes},
        "parameters": {name: getattr(baseline.setup.parameters, name) for name in baseline.setup.parameters.names()},
        "source": store.source_hash(),
        "python": platform.python_version(),
        "packages": {name: version_of(name) for name in PACKAGES},
    }


def version_of(package: str) -> str:
    """Installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown (not installed)"


def now() -> dt.datetime:
    """The time in UTC."""
    return dt.datetime.now(dt.UTC)
