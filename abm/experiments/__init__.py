"""Experiments: a claim, how it is tested, and the result; one folder each, below `experiments/`.

abm reproduce 01                      # runs, draws, judges, writes output/01_copying_and_pricing_power
abm reproduce all --quick --check     # all of them, compared with the committed numbers
abm new-experiment my_question        # a folder that runs as it is
"""

from abm.experiments.load import all_experiments, find
from abm.experiments.spec import Experiment, ExperimentError

__all__ = ["Experiment", "ExperimentError", "all_experiments", "find"]
