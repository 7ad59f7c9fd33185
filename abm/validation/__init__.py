"""Validation of the engine and the mechanisms: limiting cases with known answers, and published models.

`ladder` runs the limiting cases (`abm validate`; `docs/validation.md` is the last full run), which are defined in the
modules `*_rungs`; `models` contains published models written on the engine, and `comparison` compares their results with
published ones. `compute_limits` plays the market for compute alone; `compute_record` sets it beside its record (`abm facts
--compute`).
"""
