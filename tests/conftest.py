"""Every test runs in 64-bit floats, the model's default."""

import jax

jax.config.update("jax_enable_x64", True)
