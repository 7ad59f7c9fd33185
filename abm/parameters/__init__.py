"""Every parameter of the model: symbol, meaning, unit, bounds, default, source; one file a part of the model."""

from abm.parameters.parameters import ParameterError, Parameters, merged
from abm.parameters.quantities import INSTRUMENTS, JURISDICTIONS

__all__ = ["INSTRUMENTS", "JURISDICTIONS", "ParameterError", "Parameters", "merged"]
