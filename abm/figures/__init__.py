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
    "jevons": "chips",
    "pricing_power": "markups",
    "pricing_power_change": "markups",
}

__all__ = [
    "belief_dispersion",
    "constant_capability_price",
    "crash_mechanisms",
    "event_window",
    "jevons",
    "pricing_power",
    "pricing_power_change",
]


def __getattr__(name: str) -> Any:
    # Drawing loads when a figure is asked for: labels are used by the command line, which must start at once.
    if name in _HOME:
        return getattr(import_module(f"abm.figures.{_HOME[name]}"), name)
    raise AttributeError(f"module 'abm.figures' has no attribute {name!r}")
