"""Two small models implemented in six frameworks: do they give the same numbers, and how fast are they?

- *SIR on a graph*: in each step every infected neighbour infects with probability 0.05, and infected agents recover with probability 0.1.
- *Beliefs and adoption*: beliefs follow the neighbours' mean (Friedkin & Johnsen 1990); agents above their threshold
  adopt with a probability that increases with the share of neighbours who have adopted.

The graph (mean degree about 10) and all starting values are created once, with NumPy, and passed to every framework. All
agents compute their next state from the current one and update simultaneously. `problem` has the details; `with_*` are the
models, written as users of each framework would write them.

    python -m benchmarks.small_models [--quick] [--json FILE] [--only FRAMEWORK] [--python FRAMEWORK=INTERPRETER]

A framework is timed only if its numbers agree with this engine's at 1000 agents: beliefs to 1e-9 (1e-6 if it computes in
32 bits), and means over runs of the shares at four points in time to within four standard errors of their difference. A
framework that cannot be installed together with this package can be measured with another interpreter (`--python`).
"""

from benchmarks.small_models.comparing import check, measure
from benchmarks.small_models.reporting import figure, section

__all__ = ["check", "figure", "measure", "section"]
