"""Figures: one function a figure. Each takes results and, if you like, your own axes, and returns a matplotlib Figure.

Beside each `NAME(...)` stand `NAME_numbers(...)`, the table of what is plotted, and `NAME_caption(...)`.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "belief_dispersion": "minds",
    "constant_capability_price": "list_prices",
    "crash_mechanisms": "crash",
    "event_window": "crash",
    "fan_chart": "fans",
    "frontier": "products",
    "frontier_animation": "products",
    "jevons": "chips",
    "network": "multilayer",
    "network_animation": "multilayer",
    "paired_difference": "fans",
    "phase_diagram": "maps",
    "pricing_power": "markups",
    "pricing_power_change": "markups",
    "run_chart": "fans",
    "tornado": "maps",
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
    # Drawing loads when a figure is asked for: labels are used by the command line, which must start at once.
    if name in _HOME:
        return getattr(import_module(f"abm.figures.{_HOME[name]}"), name)
    raise AttributeError(f"module 'abm.figures' has no attribute {name!r}")
