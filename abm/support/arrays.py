"""Arrays that are handed out without a copy."""

from typing import Any

import numpy as np


def read_only(arrays: Any) -> Any:
    """The same array, or tree of arrays, that can no longer be written to: a user who changes numbers works on a copy.

    A result keeps its arrays and gives them away; ``x = run["hhi"]; x *= 0`` would otherwise change the run.
    """
    import jax

    for array in jax.tree.leaves(arrays):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays
