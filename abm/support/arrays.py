"""Arrays shared with users without a copy."""

from typing import Any

import numpy as np


def read_only(arrays: Any) -> Any:
    """Make an array, or a tree of arrays, read-only and return it: users who want to change numbers must copy it first.

    A result returns its own arrays, not copies; ``x = run["hhi"]; x *= 0`` would otherwise change the run.
    """
    import jax

    for array in jax.tree.leaves(arrays):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays
