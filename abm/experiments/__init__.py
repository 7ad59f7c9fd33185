"""Experiments: a claim, how it is tested, and what came out; one folder each, below `experiments/`.

abm reproduce 01                      # runs, draws, judges, writes output/01_copying_and_pricing_power
abm reproduce all --quick --check     # all of them, against the numbers that are committed
abm new-experiment my_question        # a folder that runs at once
"""

from abm.experiments.load import all_experiments, find
from abm.experiments.spec import Experiment, ExperimentError

__all__ = ["Experiment", "ExperimentError", "all_experiments", "find"]
