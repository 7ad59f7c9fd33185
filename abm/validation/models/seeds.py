"""Seeds for the runs of an ensemble."""

import numpy as np

from abm.engine import seed_words


def run_seeds(seed: int, runs: int) -> np.ndarray:
    """Words (runs, 2) for `Draws.from_seed`: one per run, different for every pair of `seed` < 2^32 and run.

    Ensembles with the same seed share the draws of run 0, of run 1, and so on, whatever their parameters.
    """
    return np.stack([seed_words((int(seed) << 32) + run) for run in range(runs)])
