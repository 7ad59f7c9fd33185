"""Experiment files: what they must state beforehand, and messages about mistakes in them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers.experiments import ALL
from hypothesis import example, given, settings
from hypothesis import strategies as st

from abm.experiments import ExperimentError, find
from abm.experiments.load import from_table, load

ROOT = Path(__file__).parents[2]


def test_there_are_eighteen_experiments_numbered_like_their_folders():
    assert len(ALL) == 18
    for folder in ALL:
        assert load(folder).number == int(folder.name[:2])


def test_experiments_load_in_a_fresh_process():
    """No other import is needed to register the statistics and figures that they use."""
    code = "import sys; from pathlib import Path; from abm.experiments import all_experiments;"
    code += "print(len(all_experiments(Path(sys.argv[1]))))"
    command = [sys.executable, "-c", code, str(ROOT / "experiments")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "18"


@pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
def test_every_experiment_states_beforehand_what_falsifies_it(folder):
    experiment = load(folder)
    assert any(test.falsified_if for test in experiment.test)
    assert any(test.supported_if for test in experiment.test)
    assert experiment.figure
    common = [sweep for sweep in experiment.sweeps().values() if sweep.common_draws]
    assert all(sweep.replications >= 200 for sweep in common)
    for full, quick in zip(experiment.sweeps().values(), experiment.sweeps(True).values(), strict=True):
        assert quick.number_of_runs < full.number_of_runs
        assert quick.targets.keys() == full.targets.keys()


@pytest.mark.parametrize("word", ["01", "1", "copying_and_pricing_power", "01_copying_and_pricing_power"])
def test_an_experiment_is_found_by_number_or_name(word):
    assert find(word, ROOT / "experiments").name == "01_copying_and_pricing_power"


def test_all_problems_of_a_file_are_reported_at_once(tmp_path):
    path = tmp_path / "experiment.toml"
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    text = text.replace('statistic = "contrast"', 'statistic = "contrst"').replace(
        'supported_if = "low > 0"', 'supported_if = "low"'
    )
    text = text.replace('kind = "response"', 'kind = "respons"').replace('y = "open_share"', 'y = "open_shar"')
    path.write_text(text)
    with pytest.raises(ExperimentError) as error:
        load(tmp_path)
    message = "\n".join(error.value.problems)
    for part in ("did you mean 'contrast'", "must read like", "did you mean 'response'"):
        assert part in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("number = 0", 'number = "one"', "number: must be a whole number, not 'one'"),
        ('x = "ip_strength"\ny = "lerner"', 'x = ["ip_strength"]\ny = "lerner"', "test 1.x: must be text"),
        ("[sweep]", "[sweeep]", "did you mean 'sweep'"),
        ("ip_strength = [0.0", "ip_strenth = [0.0", "did you mean 'ip_strength'"),
        ("replications = 100", "replications = 0", "replications"),
        ('falsified = "', 'falsifed = "', "did you mean 'falsified'"),
        ("hypothesis", "= hypothesis", "TOML syntax: Invalid statement"),
    ],
)
def test_a_message_names_the_file_and_the_likely_intention(tmp_path, old, new, word):
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    (tmp_path / "experiment.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ExperimentError) as error:
        load(tmp_path)
    assert word in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("a = { ip_strength = 1.0 }\n", "", "contrast needs a"),
        ('x = "ip_strength"\ny = "lerner"', 'y = "lerner"', "slope needs x"),
        ('x = "ip_strength"\ny = "lerner"', 'x = "lerner"\ny = "lerner"', "is not a factor"),
        ('unit = "points"', 'unit = "points"\noptions = { relativ = true }', "did you mean 'relative'"),
        ('unit = "points"', 'unit = "points"\noptions = { relative = "no" }', "must be true or false"),
        ('supported_if = "low > 0"', 'supported_if = "lwo > 0"', "gives value, low, high, but not lwo"),
        ('supported_if = "low > 0"', 'supported_if = "p > 0"', "but not p"),
        ('falsified_if = "value <= 0"', 'falsified_if = "low > 0"', "are the same"),
        ('name = "open share"', 'name = "slope"', "duplicate"),
        ('x = "ip_strength"\ny = ["lerner", "open_share"]', 'y = ["lerner"]', "response needs x"),
        ('kind = "response"', 'kind = "own"', "needs a figure.py"),
        ('kind = "response"', 'kind = "response"\noptions = { tests = ["nope"] }', "no option 'tests'"),
        ("[sweep.factors]", '[arms."../up"]\n\n[sweep.factors]', "the name of an arm"),
        ("[sweep.factors]", "[arms.months]\n\n[sweep.factors]", "must not be a key of a sweep"),
        ("scale = 100.0", "scale = 0", "scale must not be 0"),
    ],
)
def test_fields_of_tests_and_figures_are_checked_before_anything_runs(tmp_path, old, new, word):
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    assert old in text
    (tmp_path / "experiment.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ExperimentError) as error:
        load(tmp_path)
    assert word in str(error.value)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@example("sweep", {"[": None})
@given(st.sampled_from(["number", "title", "sweep", "arms", "quick", "labels", "test", "figure", "remarks"]), junk)
def test_any_content_of_a_file_loads_or_raises_an_experiment_error(key, value):
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    with contextlib.suppress(ExperimentError):  # any other exception fails the test
        from_table({**tomllib.loads(text), key: value}, Path("nowhere"))


def test_a_file_cannot_refer_to_files_outside_its_folder(tmp_path):
    (tmp_path / "secret.toml").write_text('name = "x"\nsummary = "y"\nextends = "baseline"\n')
    folder = tmp_path / "one"
    folder.mkdir()
    text = (ROOT / "abm" / "data" / "new_experiment.toml").read_text()
    (folder / "experiment.toml").write_text(text.replace("[sweep]\n", '[sweep]\nscenarios = ["../secret.toml"]\n'))
    with pytest.raises(ExperimentError, match="outside the folder"):
        load(folder)
