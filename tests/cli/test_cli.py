"""The command line: what goes wrong is one line, exit code 2; help loads nothing heavy."""

import os
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import abm.calibration.fit_table
import abm.experiments.reproductions
import abm.runs.simulate
from abm.cli.app import app
from abm.experiments.reproductions import Reproduced, Reproduction, Stopped
from abm.market.month import Month
from abm.runs.results import Result
from abm.scenarios.events import KINDS, Event

ROOT = Path(__file__).parents[2]
runner = CliRunner()


def complaints(*words):
    """Lines on the error stream of a command that must fail with exit code 2."""
    result = runner.invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert all(line.startswith("abm: ") for line in lines)
    return [line.removeprefix("abm: ") for line in lines]


def test_help_loads_nothing_heavy():
    """What takes time at the start is importing (`abm --help` is timed by `make bench`)."""
    code = "import sys, abm.cli.app; print([m for m in ('jax', 'mesa', 'pandas', 'matplotlib') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout.strip() == "[]"
    shown = subprocess.run([sys.executable, "-m", "abm.cli.app", "--help"], capture_output=True, text=True, check=True)
    assert "reproduce" in shown.stdout


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["reproduce", "--help"]])
def test_help(words):
    result = runner.invoke(app, words)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "did you mean 'run'"),
        (["run", "baseline", "--out", ""], "--out"),
        (["compare"], "nothing is changed"),
        (["compare", "--since", "2025-13"], "is not a date"),
        (["profile", "--json", "."], "is a folder"),
        (["new-experiment", "all"], "choose another name"),
        (["new-experiment", "mine", "--into", "/proc"], "choose another with --into"),
        (["compare", "--of", "foo"], "--of foo: no observable; `abm list --observables` has them all"),
        (["run", "baseline", "--set", "foo=1"], "no parameter 'foo'; `abm list --parameters` has them all"),
        (["run", "baseline", "--set", "ip_strength.mars=1"], "no jurisdiction 'mars' (one of: us, china, eu, row)"),
        (["replay", str(ROOT / "pyproject.toml")], "pyproject.toml: is a file; give the folder of a stored result"),
        (["compare", "--seeds", "1"], "--seeds"),
        (["run", "basline"], "did you mean 'baseline'"),
        (["run", "missing.toml"], "missing.toml: cannot be read"),
        (["run", "baseline", "--bogus"], "--bogus"),
        (["run", "baseline", "--seed", "-1"], "--seed"),
        (["run", "baseline", "--seed", "one"], "--seed"),
        (["run", "baseline", "--months", "0"], "--months"),
        (["run", "baseline", "--set", "foo"], "NAME=VALUE"),
        (["run", "baseline", "--set", "ip_strenght=1"], "did you mean 'ip_strength'"),
        (["run", "baseline", "--set", "noise_sd=much"], "'much' is not a number"),
        (["run", "baseline", "--set", "noise_sd=nan"], "finite"),
        (["run", "baseline", "--set", "ip_strength=3"], "between 0 and 1"),
        (["run", "baseline", "--set", "ip_strength.chnia=0.2"], "did you mean 'china'"),
        (["run", "baseline", "--set", "noise_sd.china=0.2"], "no policy lever"),
        (["reproduce", "r1_shok"], "did you mean 'r1_shock'"),
        (["reproduce", "r1_shock", "--seeds", "1"], "--seeds"),
    ],
)
def test_bad_input_is_one_line(words, said):
    lines = complaints(*words)
    assert len(lines) == 1
    assert said in lines[0]


def test_an_option_that_is_wrong_is_told_in_words():
    for words, said in (
        (["run", "--months", "0"], "must be at least 1"),
        (["run", "--seed", "one"], "must be a whole number"),
        (["facts", "--seeds", "9999999"], "must be at most"),
    ):
        assert said in complaints(*words)[0]


def test_every_mistake_is_told_at_once():
    lines = complaints("run", "baseline", "-s", "ip_strength=3", "-s", "noise_sd=-1")
    assert len(lines) == 2
    lines = complaints("run", "baseline", "-s", "noise_sd=0.01", "-s", "noise_sd=0.02", "-s", "x")
    assert ["given twice" in lines[0], "NAME=VALUE" in lines[1]] == [True, True]


def test_a_faulty_scenario_file_names_its_line(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nextends = "baseline"\n[[event]]\nkind = "relase"\ndate = 2025-01-20\n')
    lines = complaints("run", str(path))
    assert len(lines) == 1
    assert "mine.toml:4" in lines[0]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for words in (["run", "baseline"], ["reproduce", "r1_shock"]):
        lines = complaints(*words, "--out", str(tmp_path / "file" / "deeper"))
        assert len(lines) == 1
        assert "cannot be written" in lines[0]
    assert "is a folder" in complaints("facts", "--out", str(tmp_path))[0]


@pytest.fixture
def one_run(tiny_shock, monkeypatch):
    """`simulate` hands back a run that is there already; returns what it was asked for."""
    runs, asked = tiny_shock.runs["baseline"], {}

    def simulate(parameters, scenario, seed, *, months):
        asked.update(parameters=parameters, scenario=scenario, seed=seed, months=months)
        observables = {name: runs[name][0] for name in runs.names}
        return Result(runs.setup, seed, Month(observables, None, None))

    monkeypatch.setattr(abm.runs.simulate, "simulate", simulate)
    return asked


def test_run_prints_headlines_and_writes_csv(one_run, tmp_path):
    words = ["run", "no_r1", "--set", "ip_strength=0.5", "--set", "ip_strength.china=0.2", "-s", "noise_sd=0.02"]
    result = runner.invoke(app, [*words, "--seed", "7", "--months", "31", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert one_run == {
        "parameters": {"ip_strength": {"default": 0.5, "china": 0.2}, "noise_sd": 0.02},
        "scenario": "no_r1",
        "seed": 7,
        "months": 31,
    }
    assert "Lerner index, closed labs" in result.stdout
    written = list((tmp_path / "new").glob("*.csv"))
    assert len(written) == 1
    assert len(pd.read_csv(written[0])) == 31


def test_what_a_run_warns_of_is_one_line(one_run, monkeypatch):
    usual = abm.runs.simulate.simulate

    def simulate(*given, **more):
        warnings.warn("the price is 1e+30", stacklevel=1)
        return usual(*given, **more)

    monkeypatch.setattr(abm.runs.simulate, "simulate", simulate)
    result = runner.invoke(app, ["run", "--months", "31"])
    assert result.exit_code == 0
    assert "abm: warning: the price is 1e+30" in result.stderr.splitlines()


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A reproduction that only notes what it was asked for, or raises what it was told to."""
    asked = {}

    def run(self, folder, seeds, quick, progress, workers):
        asked.update(folder=folder, seeds=len(seeds), quick=quick)
        progress("working", 1, 2)
        if "raises" in asked:
            raise asked["raises"]
        return Reproduced(folder, folder / "report.html", [folder / "tables" / "a.csv"], ["It held."], 1.0)

    monkeypatch.setattr(Reproduction, "run", run)
    monkeypatch.chdir(tmp_path)
    return asked


def test_reproduce_prints_the_result_and_where_it_is(job):
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert result.exit_code == 0
    assert job["seeds"] == 200
    assert str(job["folder"]) == os.path.join("output", "r1_shock")
    assert "It held." in result.stdout
    assert os.path.join("output", "r1_shock", "report.html") in result.stdout


def test_reproduce_quickly(job):
    assert runner.invoke(app, ["reproduce", "r1_shock", "--quick"]).exit_code == 0
    assert job["quick"]
    assert job["seeds"] == abm.experiments.reproductions.REPRODUCTIONS["r1_shock"].quick_seeds
    assert runner.invoke(app, ["reproduce", "r1_shock", "--seeds", "5", "--out", "here"]).exit_code == 0
    assert job["seeds"] == 5
    assert str(job["folder"]) == "here"


def test_ctrl_c_says_what_was_kept(job, tmp_path):
    for raised, said in ((Stopped(["baseline"], tmp_path), "kept baseline"), (KeyboardInterrupt(), "stopped")):
        job["raises"] = raised
        result = runner.invoke(app, ["reproduce", "r1_shock"])
        assert result.exit_code == 130
        assert said in result.stderr.splitlines()[-1]


LOST = """
import gc, signal, time
from abm.cli import app as cli

signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells take from what runs in the background
lost = []


def hook(*_):
    if len(lost) < 2:
        lost.append(1)
        raise KeyboardInterrupt


@cli.app.command()
def busy():
    gc.callbacks.append(hook)
    gc.collect()
    time.sleep(60)


cli.main()
"""


def test_ctrl_c_in_a_hook_of_the_garbage_collector_is_not_lost():
    done = subprocess.run([sys.executable, "-c", LOST, "busy"], check=False, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_bug_is_not_hidden(job):
    job["raises"] = ValueError("not the user's fault")
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert isinstance(result.exception, ValueError)


def test_list():
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    for word in ("baseline", "no_stargate", "r1_shock"):
        assert word in result.stdout
    result = runner.invoke(app, ["list", "--parameters"], env={"COLUMNS": "200"})
    assert "ip_strength" in result.stdout
    assert "distillation_ceiling" in result.stdout


def test_list_of_events_has_every_key_of_every_kind():
    said = runner.invoke(app, ["list", "--events"], env={"COLUMNS": "400"}).stdout
    for name, kind in KINDS.items():
        row = next(line for line in said.splitlines() if line.startswith(f"{name} "))
        assert all(key in row for key in kind.model_fields if key not in Event.model_fields)


def fitted(runs, target="constant_capability_fold", **more):
    row = {"target": target, "description": "d", "observed": -0.2222, "low": -1.0, "high": 2.0, "unit": "fraction"}
    row |= {"model": -0.000211, "mcse": 0.1, "within": True, "p_value": 1.0, "is_bound": True, "runs": runs}
    row |= {"band_low": -0.000123, "band_high": -0.00264, "inside": True, "undefined_runs": 0, "undefined_draws": 0}
    return row | more


def test_facts(monkeypatch, tmp_path):
    asked = {}

    def table(seeds, progress):
        asked["seeds"] = len(seeds)
        progress(1, 2, 0.1)
        rows = [fitted(len(seeds)), fitted(len(seeds), "hazard", undefined_runs=2, undefined_draws=1)]
        return pd.DataFrame(rows)

    monkeypatch.setattr(abm.calibration.fit_table, "table", table)
    out = tmp_path / "facts.md"
    result = runner.invoke(app, ["facts", "--seeds", "50", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert asked["seeds"] == 50
    assert "2 of 2 within" in result.stdout
    assert "1 of the 1 moments of the fit, and 1 of 1 others, lie inside" in result.stdout
    left_out = "hazard: 2 of 50 runs and 1 of 50 draws of the posterior give no number and are left out"
    assert left_out in result.stdout.splitlines()
    shown = result.stdout.splitlines()[:3]
    assert max(map(len, shown)) <= 80
    assert "-0.000123 to -0.00264 yes 1.00*" in " ".join(shown)
    page = out.read_text()
    assert f"Written by `abm facts --seeds 50 --out {out}`" in page
    assert f"\n\n{left_out}.\n" in page


def test_facts_of_few_runs_are_means_alone(monkeypatch, tmp_path):
    none = dict.fromkeys(("band_low", "band_high", "inside", "p_value"), float("nan"))
    table = pd.DataFrame([fitted(3, **none)])
    monkeypatch.setattr(abm.calibration.fit_table, "table", lambda **_: table)
    result = runner.invoke(app, ["facts", "--seeds", "3", "--out", str(tmp_path / "facts.md")])
    assert result.exit_code == 0, result.output
    assert "Bands and p-values take 40 seeds or more." in result.stdout.splitlines()
    assert result.stdout.splitlines()[0].split() == ["target", "data", "mean", "ok"]
    assert "nan" not in result.stdout + (tmp_path / "facts.md").read_text()


def test_version_is_one_everywhere():
    said = runner.invoke(app, ["version"]).stdout.strip()
    assert said == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {said}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert said in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
