"""The manifest of a reproduction: versions, parameters, seeds and scenarios, which are needed to repeat it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from abm.support.provenance import source_hash, stamp, versions

if TYPE_CHECKING:
    from abm.runs.results import Ensemble

PACKAGES = ("ai-market-abm", "jax", "jaxlib", "mesa", "numpy", "scipy", "pandas", "networkx", "matplotlib", "pydantic")

FILES = ("runs", "figures", "tables", "experiment", "manifest.json", "result.json", "report.html", "predictions.csv")
"""What the folder of a reproduction or an experiment may hold."""


def manifest(
    name: str, runs: dict[str, Ensemble], specs: dict[str, Any], quick: bool, seconds: float
) -> dict[str, Any]:
    """Everything needed to repeat the reproduction `name`, for manifest.json: its ensembles and its sweeps, by name."""
    baseline = next(iter(runs.values()))
    parts = {}
    for part, ensemble in runs.items():
        setup = ensemble.setup
        changed = setup.parameters.model_dump(exclude_unset=True)
        parts[part] = {"scenario": setup.scenario.name, "months": setup.months, "parameters_changed": changed}
    sizes = ("vendors", "closed_labs", "open_labs", "entrants", "adopters", "investors", "network_seed")
    return {
        "reproduction": name,
        "quick": quick,
        "made": stamp(),
        "seconds": round(seconds, 1),
        "seeds": baseline.seeds,
        "ensembles": parts,
        "sweeps": specs,
        "populations": {size: getattr(baseline.setup.populations, size) for size in sizes},
        "parameters": {name: getattr(baseline.setup.parameters, name) for name in baseline.setup.parameters.names()},
        "source": source_hash(),
        "python": platform.python_version(),
        "packages": versions(PACKAGES),
    }
