"""Calibration: specs, criterion, search, sampler, identification, against cases whose answers are known."""
