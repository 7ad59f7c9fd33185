"""The table of kinds of figures by name, and what a figure is drawn from."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts import style
from abm.charts.labels import parameter_name, spaced
from abm.experiments.spec import Experiment, ExperimentError, Figure, label_of_outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from abm.experiments.judge import Verdict


@dataclass(frozen=True)
class Material:
    """What a figure is drawn from."""

    experiment: Experiment
    asked: Figure
    """The figure as the experiment's file specifies it."""
    runs: pd.DataFrame
    verdict: Verdict

    @property
    def rows(self) -> pd.DataFrame:
        """The runs that the figure's `where` selects."""
        from abm.experiments.sampling import select_runs

        return select_runs(self.runs, self.asked.where)

    def label(self, name: str) -> str:
        """Label of a column, with its unit."""
        if name in self.experiment.labels:
            return self.experiment.labels[name]
        for sweep in self.experiment.sweeps().values():
            if name in sweep.columns:
                return str(label_of_outcome(sweep.columns[name]))
            if name in sweep.targets:
                unit = sweep.targets[name].unit
                return f"{parameter_name(name)} ({unit})" if unit else parameter_name(name)
        return parameter_name(name)

    def value(self, name: str, value: Any) -> str:
        """Label of a value of a column: the experiment's label "column=value" if there is one."""
        if isinstance(value, float | np.floating | int | np.integer):
            text = f"{value:g}"
            return self.experiment.labels.get(f"{name}={text}", text.replace("-", "−"))
        return self.experiment.labels.get(f"{name}={value}", spaced(value))


Drawn = tuple["Canvas", "pd.DataFrame"]


@dataclass(frozen=True)
class Kind:
    """A kind of figure and what it needs; `checks.of_figure` compares the two before anything runs."""

    draw: Callable[[Material], Drawn]
    takes: tuple[str, ...] = ()
    """Which of x, by and y it requires."""
    needed: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)


KINDS: dict[str, Kind] = {}


def kind(*takes: str, needed: Mapping[str, Any] | None = None, optional: Mapping[str, Any] | None = None) -> Any:
    """Register a function as the kind of figure of its name."""

    def register(draw: Callable[[Material], Drawn]) -> Callable[[Material], Drawn]:
        KINDS[draw.__name__] = Kind(style.styled(draw), takes, needed or {}, optional or {})
        return draw

    return register


def draw(material: Material) -> Drawn:
    """Draw a figure; kind "own" calls `draw(material)` of the figure.py in the experiment's folder."""
    if material.asked.kind != "own":
        return KINDS[material.asked.kind].draw(material)
    path = material.experiment.folder / "figure.py"
    spec = importlib.util.spec_from_file_location(f"figure_of_{material.experiment.number}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "draw"):
        raise ExperimentError([f"{path}: must define draw(material)"])
    drawn: Drawn = style.styled(module.draw)(material)
    return drawn
