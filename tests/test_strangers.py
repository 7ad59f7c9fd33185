"""Whatever a stranger gives, files and words, is taken or refused in words: no traceback, nothing run, no partial result."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.analysis.calibration.spec import Calibration, CalibrationError
from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.analysis.predictions import read_outcomes, read_predictions
from abm.cli_input import Mistake
from abm.cli_input import settings as settings_of
from abm.experiments import ExperimentError
from abm.experiments.load import load as load_experiment
from abm.parameters import INSTRUMENTS, JURISDICTIONS, ParameterError, Parameters
from abm.scenarios import Scenario, ScenarioError
from abm.sweeps import SpecError, Sweep

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "experiments" / "10_clarity" / "experiment.toml"
PREDICTIONS = ROOT / "experiments" / "16_frozen_prediction" / "predictions.csv"


def experiment(path):
    path.rename(path.with_name("experiment.toml"))
    return load_experiment(path.parent)


PREDICTED = read_predictions(PREDICTIONS)
made_up = "\n".join(["event,layer,value", *(f"{one.event},{one.layer},0.01" for one in PREDICTED)]).encode()
READERS = {  # of a file: who reads it, what may be raised, a file that is in order
    "scenario": (Scenario.load, ScenarioError, (ROOT / "abm/data/scenarios/export_ban.toml").read_bytes()),
    "sweep": (Sweep.load, SpecError, b'scenarios = ["baseline"]\nmonths = 12\n[factors]\nip_strength = [0.1, 0.9]\n'),
    "experiment": (experiment, ExperimentError, EXAMPLE.read_bytes()),
    "counterfactual": (Counterfactual.load, CounterfactualError, b"seeds = 10\n[levers]\nip_strength = 0.9\n"),
    "calibration": (
        Calibration.load,
        CalibrationError,
        b'data_to = 2025-06-30\nmoments = ["open_discount", "open_token_share_2024"]\n'
        b"[priors]\nclosed_trust = { low = 1.0, high = 5.0 }\n",
    ),
    "predictions": (read_predictions, ValueError, PREDICTIONS.read_bytes()),
    "outcomes": (lambda path: read_outcomes(path, PREDICTED), ValueError, made_up),
}
spoilers = st.one_of(
    st.sampled_from(
        [b"\x00", b"\xff\xfe", b"[[", b"]]", b"=", b'"', b"nan", b"-inf", b"1e999", b"../", b"{}", b"\n\n", b"9" * 400]
    ),
    st.binary(max_size=6),
)


@st.composite
def spoilt(draw, whole):
    """A file with a piece cut out of it, put elsewhere, doubled, or replaced."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        to = at + draw(st.integers(0, 12))
        content[at:to] = draw(st.one_of(st.just(b""), spoilers, st.just(bytes(content[at:to] * 2))))
    return bytes(content)


@pytest.mark.parametrize("kind", READERS)
def test_the_whole_files_are_in_order(tmp_path, kind):
    read, refusal, whole = READERS[kind]
    path = tmp_path / ("whole.csv" if refusal is ValueError else "whole.toml")
    path.write_bytes(whole)
    assert read(path)


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_file_is_read_or_refused_in_words(tmp_path_factory, kind, data):
    read, refusal, whole = READERS[kind]
    content = data.draw(st.one_of(st.binary(max_size=200), spoilt(whole)))
    path = tmp_path_factory.mktemp(kind) / ("of_a_stranger.csv" if refusal is ValueError else "of_a_stranger.toml")
    path.write_bytes(content)
    told = ["is in order"]
    try:
        read(path)
    except refusal as error:
        told = str(error).split("\n")
    assert all(line.strip() and "validation error" not in line for line in told)  # not pydantic's own words


anything = st.one_of(
    st.floats(), st.integers(), st.text(max_size=8), st.booleans(), st.none(), st.lists(st.floats(), max_size=2),
    st.dictionaries(
        st.sampled_from([*JURISDICTIONS, "default", "mars"]), st.one_of(st.floats(), st.text(max_size=3)), max_size=3
    ),
)  # fmt: skip
names = st.one_of(
    st.sampled_from([*INSTRUMENTS, *Parameters.names()[-20:]]),
    st.text(string.ascii_lowercase + "_", min_size=1, max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(said=st.dictionaries(names, anything, max_size=4))
def test_any_values_are_parameters_or_a_parameter_error(said):
    found, told = Parameters(), []
    try:
        found = Parameters(**said)
    except ParameterError as error:
        told = str(error).split("\n")
    assert all(any(name in line for name in said) and "validation error" not in line for line in told)
    for name, array in found.values().items():
        extra = Parameters.model_fields[name].json_schema_extra
        assert (array >= extra["low"]).all(), name
        assert (array <= extra["high"]).all(), name


@settings(max_examples=200, deadline=None)
@given(
    words=st.lists(st.one_of(st.text(max_size=20), st.builds("{}={}".format, names, st.text(max_size=6))), max_size=3)
)
def test_any_words_after_set_are_settings_or_a_mistake(words):
    found, told = {}, "in order"
    try:
        found = settings_of(words)
    except Mistake as mistake:
        told = str(mistake)
    assert told.strip()
    assert set(found) <= set(Parameters.names())
