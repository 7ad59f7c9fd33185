"""Parameter sweeps: describe (`Sweep`), run (`run_sweep`) and read (`open_sweep`), or all three in one call (`sweep`)."""

from abm.sweeps.batch import sweep
from abm.sweeps.factors import Design, Factor
from abm.sweeps.outcome import Outcome
from abm.sweeps.results import Results, open_sweep
from abm.sweeps.run import run_sweep
from abm.sweeps.spec import SpecError, Sweep

__all__ = ["Design", "Factor", "Outcome", "Results", "SpecError", "Sweep", "open_sweep", "run_sweep", "sweep"]
