"""Rules are written once, for a single agent, and compiled for a population, a run or an ensemble.

The engine is independent of the AI market. It has five concepts:

- `Field`: a declared state variable of an agent class.
- `Agent`: a `mesa.Agent` whose state is a live row of its population's columns.
- `Population` / `Group`: all agents of one class / of several classes with the same role; `do` runs a rule for all.
- `Draws`: counter-based random numbers, one stream per (seed, decision, month, day, slot).
- `loop`, `loop_between`, `run_many`: repeat a period, and repeat a run over parameters and seeds.
"""

from abm.engine.agent import Agent, RuleError
from abm.engine.code import is_by_name, is_library, is_library_file
from abm.engine.compilation import compiler_options, configure, floats_of
from abm.engine.devices import on_accelerator, runs_together
from abm.engine.draws import Draws, seed_words
from abm.engine.ensemble import concatenate_runs, run_many
from abm.engine.fields import Field
from abm.engine.identity import Identity, identity_of
from abm.engine.modes import (
    RUNS,
    in_any_run,
    interpreted,
    is_interpreted,
    loop,
    loop_between,
    map_rows,
    when,
    without_weak_types,
)
from abm.engine.neighbours import mean_of_neighbours
from abm.engine.population import Group, Population, answer_like

__all__ = [
    "RUNS",
    "Agent",
    "Draws",
    "Field",
    "Group",
    "Identity",
    "Population",
    "RuleError",
    "answer_like",
    "compiler_options",
    "concatenate_runs",
    "configure",
    "map_rows",
    "without_weak_types",
    "floats_of",
    "identity_of",
    "in_any_run",
    "interpreted",
    "is_by_name",
    "is_interpreted",
    "is_library",
    "is_library_file",
    "loop",
    "mean_of_neighbours",
    "on_accelerator",
    "run_many",
    "runs_together",
    "seed_words",
    "loop_between",
    "when",
]

configure()
