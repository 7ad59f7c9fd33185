"""What the engine and the mechanisms are held against: limiting cases with known answers, and published models.

`ladder` runs the limiting cases (`abm validate`; `docs/validation.md` is the last full run), which stand in the modules
`*_rungs`; `models` holds published models written on the engine, and `comparison` sets their numbers beside others'.
"""
