"""Statistics that decide an experiment: each a function of the table of runs, with an interval over replications.

The table has one row per run: `arm`, `scenario`, `replication`, factors, outcomes. Replication k has the same draws at every
point and in every arm, so replications are the independent observations: differences, slopes and correlations are taken
within a replication, or resampled by whole replications.

`trends`, `elasticities`, `contrasts`, `distributions`, `layers` and `discovery` register their statistics in `STATISTICS`.
"""

from abm.experiments.statistics import contrasts, discovery, distributions, elasticities, layers, trends
from abm.experiments.statistics.registry import NUMBER, STATISTICS, Statistic

__all__ = [
    "NUMBER",
    "STATISTICS",
    "Statistic",
    "contrasts",
    "discovery",
    "distributions",
    "elasticities",
    "layers",
    "trends",
]
