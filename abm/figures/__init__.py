"""One function per figure. Each takes results and, optionally, your own axes, and returns a matplotlib Figure.

For most figures `NAME(...)`, the same module has `NAME_numbers(...)`, the table of the plotted numbers, and
`NAME_caption(...)`.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "belief_dispersion": "abm.figures.beliefs",
    "constant_capability_price": "abm.figures.list_prices",
    "crash_mechanisms": "abm.figures.crash",
    "event_window": "abm.figures.crash",
    "fan_chart": "abm.charts.fans",
    "frontier": "abm.figures.products",
    "frontier_animation": "abm.figures.products",
    "jevons": "abm.figures.chips",
    "network": "abm.figures.multilayer_network",
    "network_animation": "abm.figures.multilayer_network",
    "paired_difference": "abm.charts.fans",
    "phase_diagram": "abm.figures.sweeps",
    "pricing_power": "abm.figures.markups",
    "pricing_power_change": "abm.figures.markups",
    "run_chart": "abm.charts.fans",
    "tornado": "abm.figures.sweeps",
}

__all__ = [
    "belief_dispersion",
    "constant_capability_price",
    "crash_mechanisms",
    "event_window",
    "fan_chart",
    "frontier",
    "frontier_animation",
    "jevons",
    "network",
    "network_animation",
    "paired_difference",
    "phase_diagram",
    "pricing_power",
    "pricing_power_change",
    "run_chart",
    "tornado",
]


def __getattr__(name: str) -> Any:
    # Import drawing code only when a figure is requested: the command line uses the labels and must start quickly.
    if name == "style":  # for figures of the user's own
        return import_module("abm.charts.style")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'abm.figures' has no attribute {name!r}")
