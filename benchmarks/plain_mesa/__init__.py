"""The same model in plain Mesa: objects with rules, no JAX. The peer with which the compiled engine is compared.

Written as one writes a Mesa model: agents are objects that know their model, numbers are Python floats, and vectors over
products or assets are small NumPy arrays. What does not change within a month is computed once a month. The default
conduct only: posted prices, short sales allowed. `check` plays months in both and compares.
"""

from benchmarks.plain_mesa.model import PlainMarket

__all__ = ["PlainMarket"]
