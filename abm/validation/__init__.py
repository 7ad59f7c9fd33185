"""The validation ladder: limiting cases of the model whose answers are known.

Every rung calls the functions that the model itself runs on, in a set-up where the literature (or a solver that shares
no code with them) gives the answer. `abm validate` prints the ladder; `docs/validation.md` is its last full run.
"""

from importlib import import_module

import abm.engine  # noqa: F401 - 64-bit floats, before the first array
from abm.validation.ladder import RUNGS, Check, Result, Rung, cells, climb, markdown, summary

for _subject in ("adoption", "chip", "demand", "investor", "network", "nevo", "research", "size"):
    import_module(f"abm.validation.{_subject}_rungs")  # each adds its rungs

__all__ = ["RUNGS", "Check", "Result", "Rung", "cells", "climb", "markdown", "summary"]
