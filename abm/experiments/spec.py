"""The specification of an experiment: the keys of `experiment.toml`.

    number = 4
    title = "..."
    hypothesis = "..."            # the claim, as stated by its author
    treatment = "..."             # what is varied
    outcome = "..."               # what is measured
    expected = "..."              # the expected sign
    falsified = "..."             # the statistic that would falsify the claim, stated before the runs

    [sweep]                       # what is run: the keys of `abm sweep`; replication k has the same draws everywhere
    [arms.NAME]                   # keys that differ from [sweep], for each arm: a sweep of its own on the same draws
    [quick]                       # keys that differ in a quick run; [quick.NAME] for one arm

    [[test]]                      # see abm.experiments.statistics
    [[figure]]                    # see abm.experiments.figures

The file is data: nothing in it is executed, and it cannot refer to files outside its folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from abm.charts.labels import Label, label_of, name_and_unit
from abm.support.files import safe_name
from abm.support.specs import ONE_OR_MORE, InvalidSpec
from abm.sweeps.outcome import Outcome
from abm.sweeps.spec import Sweep, digest

ONLY = "all"
"""Name of the arm of an experiment without [arms]."""
OWN_UNIT = "own unit"
"""Unit of a test over outcomes of several units."""
STRICT = ConfigDict(extra="forbid", frozen=True)
Names = Annotated[tuple[str, ...], ONE_OR_MORE]
CONDITION = re.compile(r"\s*([a-z][a-z_]*)\s*(<=|>=|<|>)\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*", re.ASCII)


class ExperimentError(InvalidSpec):
    """An invalid experiment; the message lists every problem."""


class Test(BaseModel):
    """A question put to the runs: a statistic, and conditions on its values that support or falsify the hypothesis.

    `y` are outcomes (columns of the table of runs), `x` a factor; `where`, `a`, `b`, `c`, `d` select runs by the values of
    columns. Conditions read ``value <= -0.5``, ``high < 0 and p < 0.05``, ``low > 20 or high < 4``; with several outcomes,
    all, most or any must meet them (`need`). A test without conditions only reports.
    """

    __test__ = False  # keeps pytest from collecting it
    model_config = STRICT

    name: str
    asks: str = ""
    statistic: str
    y: Names = ()
    x: str = ""
    where: dict[str, Any] = {}
    a: dict[str, Any] = {}
    b: dict[str, Any] = {}
    c: dict[str, Any] = {}
    d: dict[str, Any] = {}
    options: dict[str, Any] = {}
    need: Literal["all", "most", "any"] = "all"
    supported_if: str = ""
    falsified_if: str = ""
    falsified_need: Literal["all", "most", "any"] | None = None
    """`need` for falsified_if, if different."""
    unit: str = ""
    scale: float = Field(1.0, allow_inf_nan=False)
    """Factor by which values are multiplied before they are shown and judged: 100 for percent."""
    digits: int = Field(2, ge=0, le=8)


class Figure(BaseModel):
    """A figure: its kind, and the keys that this kind takes (`abm.experiments.figures`)."""

    model_config = STRICT

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")
    kind: str
    caption: str
    title: str = ""
    y: Names = ()
    x: str = ""
    by: str = ""
    where: dict[str, Any] = {}
    options: dict[str, Any] = {}


class Experiment(BaseModel):
    """An experiment as specified in its file; read by `abm.experiments.load`."""

    model_config = STRICT

    number: int = Field(ge=0, le=9999)
    title: str
    hypothesis: str
    source: str = ""
    treatment: str
    outcome: str
    expected: str
    falsified: str
    remarks: Names = ()
    """What a reader must know about how the treatment is implemented in the model."""
    sweep: dict[str, Any]
    arms: dict[str, dict[str, Any]] = {}
    quick: dict[str, Any] = {}
    labels: dict[str, str] = {}
    test: tuple[Test, ...] = Field(min_length=1)
    figure: tuple[Figure, ...] = ()
    predictions: dict[str, str] = {}
    """Events for which predictions are written (`abm.experiments.frozen`): prefix of their outcomes -> name."""
    folder: Path = Path()
    """The folder of the file; not one of its keys."""

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def arm_names(self) -> tuple[str, ...]:
        return tuple(self.arms) or (ONLY,)

    def sweeps(self, quick: bool = False) -> dict[str, Sweep]:
        """The sweeps of the experiment, by arm. Raises `SpecError`."""
        sweeps = {}
        for arm in self.arm_names:
            fields = merged(self.sweep, self.arms.get(arm, {}))
            if quick:
                common = {key: value for key, value in self.quick.items() if key not in self.arms}
                fields = merged(merged(fields, common), self.quick.get(arm, {}) if arm in self.arms else {})
            fields = {"name": safe_name(self.name, "experiment"), **fields}
            sweeps[arm] = Sweep.from_table(fields, self.folder)
        return sweeps

    @cached_property
    def vocabulary(self) -> dict[str, str]:
        """Labels of columns, without units: the experiment's own, and those of the observables behind outcomes."""
        labels = {name: name_and_unit(text).name for name, text in self.labels.items() if "=" not in name}
        for sweep in self.sweeps().values():
            for name, outcome in sweep.columns.items():
                labels.setdefault(name, label_of_outcome(outcome).name)
        return labels

    def words(self, of: str) -> str:
        """The subject of a finding (`Finding.of`) as text, with labels for the names of columns and values in it."""
        values = {name.partition("=")[2]: text for name, text in self.labels.items() if "=" in name}
        if of in values and of not in self.vocabulary:
            return values[of]
        names = sorted(self.vocabulary, key=len, reverse=True)
        of = of.replace(" - ", " − ")
        if not names:
            return of.replace("_", " ")
        any_name = "|".join(map(re.escape, names))
        parts = re.split(rf"(?<![\w.])({any_name})(?![\w.])", of)  # every second part is a name
        return "".join(self.vocabulary[part] if i % 2 else part.replace("_", " ") for i, part in enumerate(parts))

    def unit(self, test: Test, of: str) -> str:
        """Unit of a finding: that of the test, or of the outcome if the test says "own unit"."""
        if test.unit != OWN_UNIT:
            return test.unit
        own = [label_of_outcome(sweep.columns[of]).unit for sweep in self.sweeps().values() if of in sweep.columns]
        return name_and_unit(self.labels[of]).unit if of in self.labels else "".join(own[:1])

    def key(self, quick: bool) -> str:
        """Hash of all sweeps and tests: equal keys, equal results."""
        sweeps = {arm: sweep.plain() for arm, sweep in self.sweeps(quick).items()}
        return digest({"sweeps": sweeps, "tests": [test.model_dump() for test in self.test]})


def label_of_outcome(outcome: Outcome) -> Label:
    """Name and unit of an outcome."""
    if not outcome.date:
        return label_of(outcome.of)
    kind, _, layer = outcome.of.partition("_")
    day = f"{outcome.date.day} {outcome.date:%B %Y}"
    layer = {"leader": "the leading vendor", "compute": "chips"}.get(layer, layer)
    if outcome.take == "trough":
        return Label(f"Days from {day} to the trough of {layer}", "trading days")
    return Label(f"{kind.capitalize()} return of {layer}, {day}", "share")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` updated with `changes`; tables are merged key by key, except `design`, which is replaced as a whole."""
    out = dict(base)
    for key, value in changes.items():
        old = out.get(key)
        both = key != "design" and isinstance(old, Mapping) and isinstance(value, Mapping)
        out[key] = {**dict(old or {}), **value} if both else value
    return out


def holds(condition: str, numbers: Mapping[str, float]) -> bool:
    """Whether the numbers meet a condition; a missing number or NaN meets no comparison."""
    every = " or " not in condition
    parts = []
    for part in re.split(r"\band\b|\bor\b", condition):
        match = CONDITION.fullmatch(part)
        assert match, condition
        name, sign, bound = match[1], match[2], float(match[3])
        value = numbers.get(name, float("nan"))
        meets = {"<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}
        parts.append(meets[sign])
    return all(parts) if every else any(parts)
