"""Arbitrary files and arguments are accepted or rejected with a message: no traceback, no run, no partial result."""

from pathlib import Path

import pytest
from helpers.parameters import NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.analysis.predictions import read_outcomes, read_predictions
from abm.calibration.spec import Calibration, CalibrationError
from abm.cli.mistakes import Mistake, parse_settings
from abm.experiments import ExperimentError
from abm.experiments.load import load as load_experiment
from abm.parameters import Parameters
from abm.scenarios.scenario import Scenario, ScenarioError
from abm.support.axes import JURISDICTIONS
from abm.support.messages import did_you_mean, nearest
from abm.sweeps import SpecError, Sweep

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "experiments" / "10_clarity" / "experiment.toml"
PREDICTIONS = ROOT / "experiments" / "16_frozen_prediction" / "predictions.csv"


def experiment(path):
    path.rename(path.with_name("experiment.toml"))
    return load_experiment(path.parent)


PREDICTED = read_predictions(PREDICTIONS)
JARGON = ("validation error", "valid tuple", "valid dictionary", "valid string", "input should", "instance of", "None)")
"""Pydantic terms, which authors of files need not know."""
made_up = "\n".join(["event,layer,value", *(f"{one.event},{one.layer},0.01" for one in PREDICTED)]).encode()
READERS = {  # kind of file: reader, exception it may raise, a valid file
    "scenario": (Scenario.load, ScenarioError, (ROOT / "abm/data/scenarios/export_ban.toml").read_bytes()),
    "sweep": (Sweep.load, SpecError, b'scenarios = ["baseline"]\nmonths = 12\n[factors]\nip_strength = [0.1, 0.9]\n'),
    "experiment": (experiment, ExperimentError, EXAMPLE.read_bytes()),
    "counterfactual": (Counterfactual.load, CounterfactualError, b"seeds = 10\n[levers]\nip_strength = 0.9\n"),
    "calibration": (
        Calibration.load,
        CalibrationError,
        b'data_to = 2025-06-30\nmoments = ["open_discount", "open_token_share_2024"]\n'
        b"[priors]\ntask_value = { low = 1.0, high = 5.0 }\n",
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
    """A file with a piece removed, duplicated or replaced."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(len(content) - 1, 0)))
        stop = start + draw(st.integers(0, 12))
        content[start:stop] = draw(st.one_of(st.just(b""), spoilers, st.just(bytes(content[start:stop] * 2))))
    return bytes(content)


@pytest.mark.parametrize("kind", READERS)
def test_the_unmodified_files_are_valid(tmp_path, kind):
    read, refusal, whole = READERS[kind]
    path = tmp_path / ("whole.csv" if refusal is ValueError else "whole.toml")
    path.write_bytes(whole)
    assert read(path)


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_file_is_read_or_rejected_with_a_message(tmp_path_factory, kind, data):
    read, refusal, whole = READERS[kind]
    content = data.draw(st.one_of(st.binary(max_size=200), spoilt(whole)))
    path = tmp_path_factory.mktemp(kind) / ("of_a_stranger.csv" if refusal is ValueError else "of_a_stranger.toml")
    path.write_bytes(content)
    message = ["is in order"]
    try:
        read(path)
    except refusal as error:
        message = str(error).split("\n")
    assert all(line.strip() and not any(word in line for word in JARGON) for line in message)


@pytest.mark.parametrize("kind", READERS)
def test_all_readers_report_unreadable_files_alike(tmp_path, kind):
    read, refusal, _ = READERS[kind]
    path = tmp_path / "experiment.toml"

    def message():
        with pytest.raises(refusal) as caught:
            read(path)
        return str(caught.value)

    if kind != "experiment":  # whose reader moves the file
        assert message() == f"{path}: cannot be read: file not found"
        path.mkdir()
        assert message() == f"{path}: cannot be read: it is a folder; give the file"
        path.rmdir()
    path.write_bytes(b"\xff\xfe")
    assert message() == f"{path}:1: cannot be read: it is not UTF-8 text"
    path.write_bytes(b"#" * 1_000_001)
    limit = "100,000" if kind == "counterfactual" else "1,000,000"
    assert message() == f"{path}: cannot be read: more than {limit} bytes"
    if kind in ("predictions", "outcomes"):
        return  # CSV
    path.write_text("[ok]\n\na = ")
    assert message() == f"{path}:3: TOML syntax: Invalid value (at end of document)"


def test_a_file_without_read_permission_is_reported(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret.toml"
    path.touch()
    monkeypatch.setattr(Path, "open", forbidden)  # root could read it despite its permissions
    with pytest.raises(SpecError) as caught:
        Sweep.load(path)
    assert str(caught.value) == f"{path}: cannot be read: permission denied"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("scenario", 'name = "a"\nremove = "r1"', ":2: remove: must be a list, not 'r1'"),
        ("scenario", 'name = "a"\nparameters = 3', ":2: parameters: must be a table, not 3"),
        ("scenario", 'name = "a"\n[[event]]\nlab = "open_1"', ":2: event 1: missing field 'kind' (one of: policy,"),
        ("sweep", "\nscenarios = 3", ":2: scenarios: 3: must be a list"),
        ("sweep", "[design]\nkind = 'gird'", ":2: design.kind: 'gird': must be 'grid', 'latin_hypercube',"),
        ("sweep", "[outcomes]\nx = 3", ":2: outcomes.x: 3: must be a table"),
        ("sweep", "[outcomes]\n\nx = { take = 'mean' }", ":3: outcomes.x.of: is missing"),
        ("sweep", "[factors]\nip_clarity = [0.1]\nip_strength = [2]", ":3: factors.ip_strength: 2 must lie between"),
        (
            "sweep",
            '[factors]\n"ip_strength.us" = [0.1]\nip_strength.eu = [2]',
            ":3: factors.ip_strength.eu: 2 must lie",
        ),
        ("sweep", "[factors]\n[factors.ip_strength]\nlow = 2\nhigh = 3\nlevels = 2", ":2: factors.ip_strength: 2 must"),
        ("sweep", "months = 3\n[parameters]\nnoise_sd = -1", ":3: parameters.noise_sd = -1: must lie between"),
        ("calibration", "data_to = 3\nmoments = 3", ":2: moments = 3: must be a list"),
        ("calibration", "[search]\npopulation = 1", ":2: search.population = 1: must be at least 4"),
        ("counterfactual", "[levers]\nip_strength = nan", ":2: ip_strength = nan: must be a number from 0 to 1"),
        ("experiment", "number = 1\n\n[[test]]\n[[test]]\ny = 3", ":5: test 2.y: must be a list, not 3"),
    ],
)
def test_problems_are_reported_with_their_line(tmp_path, kind, text, message):
    read, refusal, _ = READERS[kind]
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    with pytest.raises(refusal) as caught:
        read(path)
    assert f"{path}{message}" in str(caught.value)
    assert not any(word in str(caught.value) for word in JARGON)


def test_nan_is_reported_once(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "a"\n[[event]]\nkind = "policy"\nmonth = 3\ninstrument = "ip_strength"\nvalue = nan\n')
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    assert caught.value.problems == (f"{path}:6: event 1 (kind 'policy'): value: must be a finite number, not nan",)


@pytest.mark.parametrize("text", ["", 'name = "mine"\nmonths = 12\n', "[factors]\n"])
def test_a_sweep_without_factors_is_rejected(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"mine.toml: nothing varies: add \[factors\]"):
        Sweep.load(path)
    path.write_text(text.replace("[factors]", "") + "replications = 3\n")
    assert Sweep.load(path).number_of_runs == 3


def test_only_close_names_are_suggested():
    assert nearest("rnu", ["run", "list"]) == "; did you mean 'run'?"
    assert nearest("lerner", ["lerner_closed_mean"]) == "; did you mean 'lerner_closed_mean'?"
    assert nearest("uk", JURISDICTIONS) == nearest("foo", ["of", "info"]) == nearest("mars", JURISDICTIONS) == ""
    assert did_you_mean("mars", JURISDICTIONS, "abm list") == " (one of: us, china, eu, row)"
    assert (
        did_you_mean("foo", Parameters.names(), "abm list --parameters") == "; `abm list --parameters` lists them all"
    )


@settings(max_examples=200, deadline=None)
@given(
    words=st.lists(st.one_of(st.text(max_size=20), st.builds("{}={}".format, NAMES, st.text(max_size=6))), max_size=3)
)
def test_any_argument_of_set_is_parsed_or_rejected(words):
    values, message = {}, "in order"
    try:
        values = parse_settings(words)
    except Mistake as mistake:
        message = str(mistake)
    assert message.strip()
    assert set(values) <= set(Parameters.names())
