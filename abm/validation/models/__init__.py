"""Published models, each written on `abm.engine` in one short file.

Each has an `Agent` class whose rules are written for one agent, one run as a `loop`, and an ensemble, `run(...)`, that
comes back as a dictionary of NumPy arrays, first axis the runs: `arthur`, `bass`, `brock_hommes`, `cobweb`,
`nelson_winter`. They show how another model is written with the engine; none knows the model of the AI industry.

`step_by_step`, `epidemic` and `firms` are the agents of rungs V8, V16 and V17 of the ladder, and have no more than those
need.
"""
