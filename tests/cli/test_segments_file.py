"""`--segments FILE`: own adopters at the command line, kept beside the settings; a bad file takes one line and exit code 2."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from abm import Populations, ensemble, simulate
from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.cli.app import app

OWN = pd.DataFrame({"difficulty": [2.0, 6.0, 9.0, 0.0], "value": [8.0, 20.0, 60.0, 3.0], "tasks": [4e9, 3e9, 1e9, 9e9]})
FAULTS = [
    (None, "abm: segments: own.csv: cannot be read: file not found"),
    ("value\n1\nx\n", "abm: segments.value, own.csv, line 3: 'x' is not a number ($ per M tokens)"),
    ("valeu\n1\n", "abm: segments: unknown column 'valeu'; did you mean 'value'?"),
]


def command(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words", [["run"], ["compare", "--set", "ip_strength=0.9"], ["profile"]], ids=lambda words: words[0]
)
@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_a_bad_file_takes_one_line(here, words, text, message):
    if text:
        (here / "own.csv").write_text(text)
    result = command(*words, "--segments", "own.csv")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{message}\n")


@pytest.mark.filterwarnings("ignore:observables outside:abm.support.messages.AbmWarning")
def test_a_run_has_the_segments_of_the_file(here):
    OWN.to_csv("own.csv", index=False)
    result = command("run", "--months", 2, "--segments", "own.csv", "--out", "out")
    assert result.exit_code == 0, result.output
    stored = pd.read_csv("out/baseline_seed1.csv")
    run = simulate(seed=1, months=2, segments=OWN)
    assert run.setup.populations.adopters == 4
    assert stored["welfare"].to_numpy() == pytest.approx(run["welfare"])


@pytest.mark.filterwarnings("ignore:observables outside:abm.support.messages.AbmWarning")
def test_a_comparison_keeps_its_segments_beside_its_settings(here):
    """What is saved repeats it, without the file that was given."""
    OWN.to_csv("own.csv", index=False)
    words = ["--set", "ip_strength=0.9", "--since", "2023-02", "--months", 2, "--seeds", 2]
    result = command("compare", *words, "--segments", "own.csv", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "2 paired seeds; 4 own segments" in result.output
    (here / "own.csv").unlink()
    loaded = Counterfactual.load("out/compare.toml")
    assert loaded.segments == Populations(segments=OWN).segments
    stored = pd.read_csv("out/compare.csv").query("observable == 'welfare'")
    own = ensemble(seeds=[0, 1], months=2, segments=OWN)
    assert stored["baseline"].to_numpy() == pytest.approx(own["welfare"].mean(0))
    assert command("compare", "out/compare.toml", "--out", "again").exit_code == 0
    assert (here / "again" / "compare.csv").read_text() == (here / "out" / "compare.csv").read_text()


def test_settings_with_segments_can_stand_in_one_file(here):
    asked = Counterfactual(levers={"ip_strength": 0.9}, segments=OWN)
    (here / "mine.toml").write_text(asked.to_toml())
    assert Counterfactual.load("mine.toml") == asked
    assert asked != Counterfactual(levers={"ip_strength": 0.9}, segments=OWN * 2)
    assert Counterfactual.from_query(asked.to_query()).segments is None  # an address opens no files


def test_settings_name_the_line_of_a_bad_file(here):
    (here / "own.csv").write_text("value\n-1\n")
    (here / "mine.toml").write_text('seeds = 2\nsegments = "own.csv"\n[levers]\nip_strength = 0.9\n')
    with pytest.raises(CounterfactualError) as caught:
        Counterfactual.load("mine.toml")
    assert str(caught.value).startswith("mine.toml:2: segments.value, own.csv, line 2: -1 must be a number from")


def test_a_profile_counts_the_rows_of_the_file(here, monkeypatch):
    OWN.to_csv("own.csv", index=False)
    result = command("profile", "--adopters", 5, "--segments", "own.csv")
    assert result.exit_code == 2
    assert result.stderr == "abm: segments.difficulty: has 4 rows, but adopters = 5; give one value for each\n"

    class Timed(Exception):
        pass

    def measure(runs, month, repeats, *, populations, progress):
        raise Timed(json.dumps(populations.adopters))

    monkeypatch.setattr("abm.analysis.profile.profile", measure)
    for words, number in ((["--segments", "own.csv"], "4"), (["--adopters", "5"], "5"), ([], "200")):
        assert str(command("profile", *words).exception) == number
