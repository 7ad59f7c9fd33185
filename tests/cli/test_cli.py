"""The command line: user errors take one line and exit code 2; help imports nothing heavy."""

import os
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pandas as pd
import pytest
from helpers.compute_record import like_the_record
from typer.testing import CliRunner

import abm.calibration.fit_table
import abm.experiments.reproductions
import abm.runs.alarms
import abm.runs.simulate
from abm.cli.app import app
from abm.experiments.reproductions import Reproduced, Reproduction
from abm.market.measures import MEASURES, Measure
from abm.market.month import Month
from abm.runs.alarms import warn_of_alarms
from abm.runs.results import Result
from abm.scenarios.events import KINDS, Event
from abm.support.workers import Broken
from abm.sweeps.incomplete import IncompleteRuns

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
    """Imports dominate the start-up time (`abm --help` is timed by `make bench`)."""
    code = "import sys, abm.cli.app; print([m for m in ('jax', 'mesa', 'pandas', 'matplotlib') if m in sys.modules])"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert modules.stdout.strip() == "[]"
    shown = subprocess.run([sys.executable, "-m", "abm", "--help"], capture_output=True, text=True, check=True)
    assert "reproduce" in shown.stdout


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["reproduce", "--help"]])
def test_help(words):
    result = runner.invoke(app, words)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "did you mean 'run'"),
        (["run", "baseline", "--out", ""], "--out"),
        (["compare"], "nothing is changed"),
        (["compare", "--since", "2025-13"], "is not a date"),
        (["profile", "--json", "."], "is a folder"),
        (["new-experiment", "all"], "choose another name"),
        (["new-experiment", "mine", "--into", "/proc"], "--into"),
        (["compare", "--of", "foo"], "--of foo: no observable; `abm list --observables`"),
        (["run", "baseline", "--set", "foo=1"], "no parameter 'foo'; `abm list --parameters`"),
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
        (["run", "baseline", "--set", "noise_sd.china=0.2"], "noise_sd is not a policy lever"),
        (["reproduce", "r1_shok"], "did you mean 'r1_shock'"),
        (["reproduce", "r1_shock", "--seeds", "1"], "--seeds"),
    ],
)
def test_bad_input_is_one_line(words, message):
    lines = complaints(*words)
    assert len(lines) == 1
    assert message in lines[0]


def test_wrong_option_values_are_explained():
    for words, message in (
        (["run", "--months", "0"], "must be at least 1"),
        (["run", "--seed", "one"], "must be a whole number"),
        (["facts", "--seeds", "9999999"], "must be at most"),
    ):
        assert message in complaints(*words)[0]


def test_all_mistakes_are_reported_at_once():
    lines = complaints("run", "baseline", "-s", "ip_strength=3", "-s", "noise_sd=-1")
    assert len(lines) == 2
    lines = complaints("run", "baseline", "-s", "noise_sd=0.01", "-s", "noise_sd=0.02", "-s", "x")
    assert ["given twice" in lines[0], "NAME=VALUE" in lines[1]] == [True, True]


def test_an_error_in_a_scenario_file_names_the_line(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nextends = "baseline"\n[[event]]\nkind = "relase"\ndate = 2025-01-20\n')
    lines = complaints("run", str(path))
    assert len(lines) == 1
    assert "mine.toml:4" in lines[0]


def test_an_unwritable_folder_is_rejected(tmp_path):
    (tmp_path / "file").touch()
    for words in (["run", "baseline"], ["reproduce", "r1_shock"]):
        lines = complaints(*words, "--out", str(tmp_path / "file" / "deeper"))
        assert len(lines) == 1
        assert "cannot be written" in lines[0]
    assert "is a folder" in complaints("facts", "--out", str(tmp_path))[0]


@pytest.fixture
def one_run(tiny_shock, monkeypatch):
    """Replace `simulate` by one that returns an existing run; the fixture holds its arguments."""
    runs, arguments = tiny_shock.runs["baseline"], {}

    def simulate(parameters, scenario, seed, *, months):
        arguments.update(parameters=parameters, scenario=scenario, seed=seed, months=months)
        observables = {name: runs[name][0] for name in runs.names}
        return Result(runs.setup, seed, Month(observables, None, None))

    monkeypatch.setattr(abm.runs.simulate, "simulate", simulate)
    return arguments


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


def test_warnings_of_a_run_are_printed_in_one_line(one_run, monkeypatch):
    usual = abm.runs.simulate.simulate

    def simulate(*given, **more):
        warnings.warn("the price is 1e+30", stacklevel=1)
        return usual(*given, **more)

    monkeypatch.setattr(abm.runs.simulate, "simulate", simulate)
    result = runner.invoke(app, ["run", "--months", "31"])
    assert result.exit_code == 0
    assert "abm: warning: the price is 1e+30" in result.stderr.splitlines()


def test_alarms_of_a_run_are_printed_one_to_a_line(one_run, monkeypatch):
    usual, ranges = abm.runs.simulate.simulate, {"hhi": Measure("", "", (2, 3)), "releases": Measure("", "", (-2, -1))}

    def simulate(*given, **more):
        run = usual(*given, **more)
        warn_of_alarms([run.report.observables])
        return run

    monkeypatch.setattr(abm.runs.simulate, "simulate", simulate)
    monkeypatch.setattr(abm.runs.alarms, "MEASURES", ranges | {n: m for n, m in MEASURES.items() if n not in ranges})
    lines = runner.invoke(app, ["run", "--months", "31"]).stderr.splitlines()
    (start,) = (row for row, line in enumerate(lines) if line.startswith("abm: warning: observables outside"))
    assert lines[start + 1].startswith("abm:   hhi = 0.") and lines[start + 1].endswith(
        "in January 2023 (range 2 to 3)"
    )
    assert lines[start + 2].startswith("abm:   releases = ")


@pytest.fixture
def job(monkeypatch, tmp_path):
    """Replace the reproduction by one that records its arguments and raises job["raises"], if set."""
    arguments = {}

    def run(self, folder, seeds, quick, progress, workers):
        arguments.update(folder=folder, seeds=len(seeds), quick=quick)
        progress("working", 1, 2)
        if "raises" in arguments:
            raise arguments["raises"]
        return Reproduced(folder, folder / "report.html", [folder / "tables" / "a.csv"], ["It held."], 1.0)

    monkeypatch.setattr(Reproduction, "run", run)
    monkeypatch.chdir(tmp_path)
    return arguments


def test_reproduce_prints_the_result_and_its_location(job):
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert result.exit_code == 0
    assert job["seeds"] == 200
    assert str(job["folder"]) == os.path.join("output", "r1_shock")
    assert "It held." in result.stdout
    assert os.path.join("output", "r1_shock", "report.html") in result.stdout


def test_reproduce_with_quick_and_with_seeds(job):
    assert runner.invoke(app, ["reproduce", "r1_shock", "--quick"]).exit_code == 0
    assert job["quick"]
    assert job["seeds"] == abm.experiments.reproductions.REPRODUCTIONS["r1_shock"].quick_seeds
    assert runner.invoke(app, ["reproduce", "r1_shock", "--seeds", "5", "--out", "here"]).exit_code == 0
    assert job["seeds"] == 5
    assert str(job["folder"]) == "here"


def test_ctrl_c_reports_what_was_saved(job):
    job["raises"] = KeyboardInterrupt()
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert result.exit_code == 130
    runs = os.path.join("output", "r1_shock", "runs")
    assert f"finished runs are saved in {runs}; run the same command again" in result.stderr.splitlines()[-1]


def test_a_failed_run_of_the_shock_is_reported_in_one_line(job):
    job["raises"] = IncompleteRuns("1 of 84 runs failed")
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "abm: r1_shock: 1 of 84 runs failed"


def test_workers_that_hang_are_reported_in_one_line(job):
    job["raises"] = Broken("the workers hang")
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "abm: the workers hang"


LOST = """
import gc, signal, time
from abm.cli import app as cli

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in background processes
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


def test_ctrl_c_in_a_garbage_collector_hook_is_not_lost():
    done = subprocess.run([sys.executable, "-c", LOST, "busy"], check=False, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, RecursionError, NotImplementedError])
def test_unexpected_exceptions_are_not_hidden(job, kind):
    job["raises"] = kind("not the user's fault")
    result = runner.invoke(app, ["reproduce", "r1_shock"])
    assert result.exception is job["raises"]


def test_list_shows_scenarios_and_parameters():
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    for word in ("baseline", "no_stargate", "r1_shock"):
        assert word in result.stdout
    result = runner.invoke(app, ["list", "--parameters"], env={"COLUMNS": "200"})
    assert "ip_strength" in result.stdout
    assert "distillation_ceiling" in result.stdout


def test_list_of_events_shows_every_key_of_every_kind():
    message = runner.invoke(app, ["list", "--events"], env={"COLUMNS": "400"}).stdout
    for name, kind in KINDS.items():
        row = next(line for line in message.splitlines() if line.startswith(f"{name} "))
        assert all(key in row for key in kind.model_fields if key not in Event.model_fields)


def fitted(runs, target="constant_capability_fold", **more):
    row = {"target": target, "description": "d", "observed": -0.2222, "low": -1.0, "high": 2.0, "unit": "fraction"}
    row |= {"model": -0.000211, "mcse": 0.1, "within": True, "p_value": 1.0, "is_bound": True, "runs": runs}
    row |= {"band_low": -0.000123, "band_high": -0.00264, "inside": True, "undefined_runs": 0, "undefined_draws": 0}
    return row | more


def test_facts_prints_and_writes_the_table(monkeypatch, tmp_path):
    arguments = {}

    def table(seeds, progress):
        arguments["seeds"] = len(seeds)
        progress(1, 2, 0.1)
        rows = [fitted(len(seeds)), fitted(len(seeds), "hazard", undefined_runs=2, undefined_draws=1)]
        return pd.DataFrame(rows)

    monkeypatch.setattr(abm.calibration.fit_table, "table", table)
    out = tmp_path / "facts.md"
    result = runner.invoke(app, ["facts", "--seeds", "50", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert arguments["seeds"] == 50
    assert "2 of 2 within" in result.stdout
    assert "1 of the 1 moments of the fit, and 1 of 1 others, lie inside" in result.stdout
    left_out = "hazard: 2 of 50 runs and 1 of 50 draws of the posterior leave it undefined and are excluded"
    assert left_out in result.stdout.splitlines()
    shown = result.stdout.splitlines()[:3]
    assert max(map(len, shown)) <= 80
    assert "-0.000123 to -0.00264 yes 1.00*" in " ".join(shown)
    page = out.read_text()
    assert f"Written by `abm facts --seeds 50 --out {out}`" in page
    assert f"\n\n{left_out}.\n" in page


def test_facts_with_few_runs_show_only_means(monkeypatch, tmp_path):
    none = dict.fromkeys(("band_low", "band_high", "inside", "p_value"), float("nan"))
    table = pd.DataFrame([fitted(3, **none)])
    monkeypatch.setattr(abm.calibration.fit_table, "table", lambda **_: table)
    result = runner.invoke(app, ["facts", "--seeds", "3", "--out", str(tmp_path / "facts.md")])
    assert result.exit_code == 0, result.output
    assert "40 seeds" in result.stdout
    assert result.stdout.splitlines()[0].split() == ["target", "data", "mean", "ok"]
    assert "nan" not in result.stdout + (tmp_path / "facts.md").read_text()


def test_facts_of_the_compute_market_are_printed_written_and_drawn(monkeypatch, tmp_path):
    asked = {}

    def ensemble(**options):
        asked.update(options)
        return like_the_record([0.99, 1.0, 1.01])

    monkeypatch.setattr(abm.runs.simulate, "ensemble", ensemble)
    out = tmp_path / "compute.md"
    result = runner.invoke(app, ["facts", "--compute", "--seeds", "3", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert list(asked["seeds"]) == [0, 1, 2]
    assert asked["months"] == 36
    lines = result.stdout.splitlines()
    assert max(map(len, lines[:-2])) <= 80
    assert "…" not in result.stdout
    assert "2024-12-31  6.53e+06" in " ".join(result.stdout.split("compute_installed")[1].splitlines()).replace(
        " 6", "  6"
    )
    assert any(line.endswith("overlap the 90 % band of 3 runs") for line in lines)
    page = out.read_text()
    assert f"Written by `abm facts --compute --seeds 3 --out {out}`" in page
    assert "| chip_price | $ M per H100e | 2025-03-13 | 0.0184 |" in page
    assert "![](compute.png)" in page
    assert (tmp_path / "compute.png").stat().st_size > 10_000


def test_the_version_agrees_everywhere():
    message = runner.invoke(app, ["version"]).stdout.strip()
    assert message == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {message}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert message in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
