"""Calibration: fitting parameters to moments of the data. `calibrate` runs all steps, one module each.

Search (CMA-ES), refinement (derivatives through the run), posterior (approximate Bayesian computation by sequential Monte
Carlo), identification (how well the moments determine each parameter), prediction (posterior predictive bands of the data).
"""

from abm.calibration.calibrate import Fit, calibrate
from abm.calibration.simulated import Simulator, Undefined
from abm.calibration.spec import Calibration, CalibrationError, Prior

__all__ = ["Calibration", "CalibrationError", "Fit", "Prior", "Simulator", "Undefined", "calibrate"]
