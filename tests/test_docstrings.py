"""Examples in docstrings run: files load as they stand, and what follows `>>>` gives what is written below it."""

import doctest
import importlib
import inspect
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from abm.analysis.counterfactual import Counterfactual
from abm.calibration.spec import Calibration
from abm.experiments.spec import Experiment
from abm.scenarios.scenario import Scenario
from abm.sweeps import Sweep

PACKAGE = Path(__file__).parents[1] / "abm"
LOADERS = {
    "abm.scenarios.scenario": Scenario.load,
    "abm.sweeps.spec": Sweep.load,
    "abm.calibration.spec": Calibration.load,
    "abm.analysis.counterfactual": Counterfactual.load,
}
FRAGMENTS = {"abm.experiments.spec", "abm.experiments.frozen"}
"""Modules whose example leaves out what an experiment must have."""
TABLE = re.compile(r"^\s*\[+[\w.]+\]+(\s*#.*)?$", re.MULTILINE)
LONG = {"abm", "abm.sweeps.batch"}
"""Modules whose `>>>` take minutes: hundreds of runs."""


def module_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_of(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
HEADS = {name: importlib.import_module(name).__doc__ or "" for name in [*LOADERS, *FRAGMENTS]}


def example(text):
    """The lines of a TOML file in a docstring: indented below a sentence, or from the second paragraph on."""
    body = text.partition("\n\n")[2]
    return textwrap.dedent("\n\n".join(part for part in body.split("\n\n") if not part[0].isupper()))


def test_every_module_with_a_file_in_its_docstring_is_loaded_here():
    heads = {
        name: re.match(r'(?:from __future__.*\n|\s|#.*\n)*"""(.*?)"""', text, re.DOTALL)
        for name, text in SOURCES.items()
    }
    assert {name for name, head in heads.items() if head and TABLE.search(head[1])} == set(LOADERS) | FRAGMENTS


@pytest.mark.parametrize("name", LOADERS)
def test_a_file_in_a_docstring_loads(tmp_path, name):
    path = tmp_path / "example.toml"
    path.write_text(example(HEADS[name]), encoding="utf-8")
    assert len(tomllib.loads(path.read_text(encoding="utf-8"))) > 2
    assert LOADERS[name](path)


@pytest.mark.parametrize("name", sorted(FRAGMENTS))
def test_the_keys_of_an_experiment_in_a_docstring_are_keys(name):
    said = tomllib.loads(example(HEADS[name]))
    assert said
    assert set(said) <= set(Experiment.model_fields)


def test_the_sweep_of_the_docstring_says_what_its_comments_say(tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(example(HEADS["abm.sweeps.spec"]), encoding="utf-8")
    sweep = Sweep.load(path)
    assert (sweep.name, sweep.posterior, sweep.design.kind) == ("clear_ip", "june_2025", "grid")
    assert sweep.number_of_points == 2 * 3 * 3 * 2 * 2  # scenarios, and levels of four factors


@pytest.mark.parametrize("name", sorted(name for name, text in SOURCES.items() if re.search(r"^\s*>>> ", text, re.M)))
def test_what_follows_a_prompt_gives_what_is_below_it(name):
    module = importlib.import_module(name)
    found = [one for one in doctest.DocTestFinder(exclude_empty=True).find(module) if one.examples]
    assert found
    for one in found:
        if name in LONG:
            for line in one.examples:
                compile(line.source, name, "single")
        else:
            failed, _ = doctest.DocTestRunner(verbose=False).run(one)
            assert not failed, inspect.getdoc(module)
