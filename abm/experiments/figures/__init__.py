"""Kinds of figures that `experiment.toml` can ask for: each returns a figure and the numbers in it, one row per mark.

`outcomes`, `findings`, `elasticities`, `layers` and `discovery` register their kinds in `KINDS`.
"""

from abm.experiments.figures import discovery, elasticities, findings, layers, outcomes
from abm.experiments.figures.registry import KINDS, Drawn, Kind, Material, draw

__all__ = [
    "KINDS",
    "Drawn",
    "Kind",
    "Material",
    "discovery",
    "draw",
    "elasticities",
    "findings",
    "layers",
    "outcomes",
]
