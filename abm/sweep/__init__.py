"""Batch parameter sweeps: what is run (`Sweep`), running it (`run_sweep`), reading it (`open_sweep`)."""

from abm.sweep.results import Results, open_sweep
from abm.sweep.run import run_sweep
from abm.sweep.spec import Design, Factor, Outcome, SpecError, Sweep

__all__ = ["Design", "Factor", "Outcome", "Results", "SpecError", "Sweep", "open_sweep", "run_sweep"]
