"""Types of arrays for signatures: what an array holds, and its axes by the letters of docs/explanation/axes.md.

`Float[Array, "J q"]` holds floats, adopters x products; `" L"` is one axis (the space keeps linters from taking it for a name),
`""` none, `"..."` any. Within a signature or a record, a letter stands for one length. Nothing is checked while a model runs;
tests/market/test_shapes.py checks it.
"""

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Real

AnyArray = Array | np.ndarray

Numbers = Real[AnyArray, "*#n"] | np.number | float
"""Numbers of Python, NumPy or JAX, for functions that work element by element: arguments broadcast against each other."""
Floats = Float[Array, "*#n"]
"""What JAX computes from `Numbers`."""
Mask = Bool[AnyArray, "*#n"] | np.bool_ | bool
"""Truth values of Python, NumPy or JAX, which broadcast likewise."""

Scalar = Float[Array, ""]
Index = Int[Array, ""]
