"""What JAX makes of a function, compared with the function."""

import jax
import numpy as np


def assert_transforms_agree(function, point):
    """jit, vmap and the derivatives of a function of a vector agree with the function, called at a point and near it."""
    np.testing.assert_allclose(jax.jit(function)(point), function(point), rtol=1e-13)
    several = np.stack([point, 1.1 * point])
    np.testing.assert_allclose(jax.vmap(function)(several), np.stack([function(x) for x in several]), rtol=1e-12)
    step = 1e-6 * np.eye(point.size)
    numeric = np.stack([(np.asarray(function(point + h)) - np.asarray(function(point - h))) / 2e-6 for h in step], -1)
    np.testing.assert_allclose(jax.jit(jax.jacobian(function))(point), numeric, rtol=1e-6, atol=1e-8)
