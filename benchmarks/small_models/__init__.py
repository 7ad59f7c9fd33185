"""Two small models, the same in six frameworks: do they give the same numbers, and what does each take?

- *SIR on a graph*: per step every infected neighbour infects with chance 0.05, and the infected recover with chance 0.1.
- *Beliefs and adoption*: beliefs follow the neighbours' mean (Friedkin & Johnsen 1990); whoever believes enough adopts
  with a chance that rises with the share of neighbours who have.

The graph (mean degree about 10) and all starting values are made once, with NumPy, and handed to every framework. Everybody
computes what comes next from the present, and all advance at once. `problem` states the rest; `with_*` are the models, each
as users of that framework write them.

    python -m benchmarks.small_models [--quick] [--json FILE] [--only FRAMEWORK] [--python FRAMEWORK=INTERPRETER]

A framework is timed only where its numbers agree with this engine's at 1000 agents: beliefs to 1e-9 (1e-6 where it
computes in 32 bits), and means over runs of the shares at four times to four standard errors of their difference.
A framework that cannot be installed beside this package can be measured with another interpreter (`--python`).
"""

from benchmarks.small_models.comparing import check, measure
from benchmarks.small_models.reporting import figure, section

__all__ = ["check", "figure", "measure", "section"]
