"""Every parameter of the model: symbol, meaning, unit, bounds, default, source; one file a part of the model."""

from abm.parameters.parameters import ParameterError, Parameters, merged

__all__ = ["ParameterError", "Parameters", "merged"]
