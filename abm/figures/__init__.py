"""One function per figure. Each takes results and, optionally, your own axes, and returns a matplotlib Figure.

For most figures `NAME(...)`, the same module has `NAME_numbers(...)`, the table of the plotted numbers, and
`NAME_caption(...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.charts import style as style  # for figures of the user's own
    from abm.charts.fans import fan_chart, paired_difference, run_chart
    from abm.figures.beliefs import belief_dispersion
    from abm.figures.chips import jevons
    from abm.figures.compute_market import compute_record
    from abm.figures.crash import crash_mechanisms, event_window
    from abm.figures.list_prices import constant_capability_price
    from abm.figures.markups import pricing_power, pricing_power_change
    from abm.figures.multilayer_network import network, network_animation
    from abm.figures.products import frontier, frontier_animation
    from abm.figures.rents import rent_life
    from abm.figures.sweeps import phase_diagram, tornado

__all__ = [
    "belief_dispersion",
    "compute_record",
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
    "rent_life",
    "run_chart",
    "tornado",
]


def __getattr__(name: str) -> Any:
    # Import drawing code only when a figure is requested: the command line uses the labels and must start quickly.
    from abm.support.lazy import imported_on_first_use

    return imported_on_first_use(__name__, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
