"""All parameters of the model, with symbol, meaning, unit, bounds, default and source; one file per part of the model."""

from abm.parameters.parameters import ParameterError, Parameters, merged

__all__ = ["ParameterError", "Parameters", "merged"]
