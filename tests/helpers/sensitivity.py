"""Sweeps of analytic test functions, and helpers for the commands of sensitivity analysis."""

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from abm.cli.app import app
from abm.parameters import Parameters
from abm.sweeps import Sweep
from abm.sweeps.designs import unit_cube
from abm.sweeps.plan import Plan, points_of

PARAMETERS = (
    "ip_strength",
    "ip_clarity",
    "copying_rate",
    "menu_cost",
    "adoption_imitation",
    "fit_spread",
    "runway",
    "trust_in_open",
)
NAN = float("nan")
runner = CliRunner()


def complaints(*words):
    """Lines on stderr, without the prefix, of a command that must fail with exit code 2 and print nothing else."""
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return [line.removeprefix("abm: ") for line in result.stderr.splitlines()]


def cube_of(sweep):
    """Points of a sweep's design in the unit cube, (points, factors)."""
    return unit_cube(sweep.design, len(sweep.factors), sweep.seed)


def value(table, order, factor, other=""):
    """Value of one index or effect in a table."""
    rows = table[(table["order"] == order) & (table["factor"] == factor) & (table["other"] == other)]
    assert len(rows) == 1
    return rows["value"].iloc[0]


def ishigami(cube, a=7.0, b=0.1):
    """Ishigami and Homma (1990)."""
    x = np.pi * (2 * cube - 1)
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


class Answers:
    """Results of a sweep without running it: outcome y is a function of the unit cube, equal for all replications."""

    folder = "nowhere"

    def __init__(self, function, k, kind, size, replications=1, **design):
        names = [name for name in PARAMETERS if Parameters.model_fields[name].json_schema_extra["low"] <= 1][:k]
        number = {"saltelli": "points", "morris": "trajectories"}[kind]
        low = {"runway": 1.0}
        factors = {n: {"low": low.get(n, 0.0), "high": low.get(n, 0.0) + 1.0} for n in names}
        self.sweep = Sweep(
            factors=factors,
            design={"kind": kind, number: size, **design},
            replications=replications,
            outcomes={"y": {"of": "welfare"}},
        )
        self.design = pd.DataFrame(points_of(self.sweep))
        plan = Plan.of(self.sweep)
        self.design.insert(0, "point_id", [point.id for point in plan.points])
        self.manifest = {"replications": replications}
        self.factors, self.outcomes = names, ["y"]
        y = function(cube_of(self.sweep))
        self.table = pd.DataFrame(
            [(run.id, run.point, run.replication, "ok", y[run.point]) for run in plan.runs()],
            columns=["run_id", "point", "replication", "status", "y"],
        )

    def runs(self):
        return self.table.copy()
