"""Fitting parameters to moments of the data: `calibrate` does all steps, each of its own module.

Search (CMA-ES), refinement (derivatives through the run), posterior (sequential Monte Carlo, approximate Bayesian
computation), identification (what the moments say of each parameter), prediction (what the fit says of the data).
"""

from abm.calibration.calibrate import Fit, calibrate
from abm.calibration.simulated import Simulator, Undefined
from abm.calibration.spec import Calibration, CalibrationError, Prior

__all__ = ["Calibration", "CalibrationError", "Fit", "Prior", "Simulator", "Undefined", "calibrate"]
