"""The two models in this project's engine in 32 bits, which is what abmax computes in."""

from typing import Any

import jax

from benchmarks.small_models import with_engine
from benchmarks.small_models.with_engine import PACKAGE

__all__ = ["DIGITS", "PACKAGE", "build", "ensemble", "run"]

DIGITS = 1e-6


def build(*given: Any) -> Any:
    with jax.enable_x64(False):
        return with_engine.build(*given)


def run(built: Any) -> Any:
    with jax.enable_x64(False):
        return with_engine.run(built)


def ensemble(*given: Any) -> Any:
    with jax.enable_x64(False):
        return with_engine.ensemble(*given)
