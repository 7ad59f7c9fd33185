"""The experiments of this repository, and tables of runs with known answers."""

from pathlib import Path

import numpy as np
import pandas as pd

from abm.experiments.load import folders

ALL = folders(Path(__file__).parents[2] / "experiments")
"""Folders of all experiments, in order."""


def table(f, xs=(0.0, 1.0, 2.0, 3.0), replications=20, noise=0.0, seed=0, **columns):
    """A table of runs with y = f(x, replication) + noise."""
    draw = np.random.default_rng(seed)
    rows = [
        {
            "arm": "all",
            "scenario": "baseline",
            "point": i,
            "replication": k,
            "x": x,
            "y": f(x, k) + noise * draw.normal(),
        }
        for i, x in enumerate(xs)
        for k in range(replications)
    ]
    return pd.DataFrame(rows).assign(**columns)
