"""Published models, each written with `abm.engine` in one short file.

`arthur`, `bass`, `brock_hommes`, `cobweb` and `nelson_winter` each have an `Agent` class whose rules are written for one
agent, a single run as a `loop`, and an ensemble `run(...)`, which returns a dictionary of NumPy arrays whose first axis
is the run. They show how to write other models with the engine and do not depend on the model of the AI industry.

`step_by_step`, `epidemic` and `firms` contain the agents of rungs V8, V16 and V17 of the ladder, and only what those
rungs need.
"""
