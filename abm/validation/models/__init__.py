"""Four published models, each written on `abm.engine` in one short file.

`arthur`, `bass`, `brock_hommes` and `nelson_winter` each have an `Agent` class whose rules are written for one agent,
one run as a `loop`, and `run(...)`, an ensemble that comes back as a dictionary of NumPy arrays, first axis the runs.
They show how another model is written with the engine; none of them knows the model of the AI industry.
"""

import numpy as np

from abm.engine import seed_words


def run_seeds(seed: int, runs: int) -> np.ndarray:
    """Words (runs, 2) for `Draws.from_seed`: one per run, different for every pair of `seed` < 2^32 and run.

    Two ensembles with one seed share the draws of run 0, of run 1, and so on, whatever their parameters are.
    """
    return np.stack([seed_words((int(seed) << 32) + run) for run in range(runs)])
