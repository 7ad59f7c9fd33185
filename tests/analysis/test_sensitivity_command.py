"""`abm sensitivity` on a sweep of the model."""

import os
import subprocess
import sys

import pandas as pd
import pytest
from helpers.sensitivity import complaints, runner, value

from abm.analysis.require_finite import IncompleteRuns
from abm.analysis.seed_noise import seed_noise
from abm.analysis.sensitivity import of_sweep
from abm.analysis.sensitivity_design import Wanted, load
from abm.cli.app import app
from abm.sweeps import open_sweep, run_sweep

SPEC = """
replications = 2
months = 6

[populations]
adopters = 24
investors = 40

[factors]
substitution = { low = 5.0, high = 40.0, scale = "log" }
task_value = { low = 1.0, high = 4.0 }

[outcomes]
lerner_closed_mean = { of = "lerner_closed" }
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SPEC)
    return path


def test_a_resumed_analysis_equals_an_uninterrupted_one(spec, tmp_path):
    sweep = load(spec, Wanted(points=8))
    run_sweep(sweep, tmp_path / "whole")
    run_sweep(sweep, tmp_path / "parts", shard=(1, 3))
    with pytest.raises(IncompleteRuns, match=r"42 of 64 runs have no result: .*\(missing\)"):
        of_sweep(open_sweep(tmp_path / "parts"))
    run_sweep(sweep, tmp_path / "parts")
    whole, parts = (of_sweep(open_sweep(tmp_path / name)) for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole.indices, parts.indices, check_exact=True)
    pd.testing.assert_frame_equal(whole.years, parts.years, check_exact=True)
    larger = load(spec, Wanted(points=16))
    tally = run_sweep(larger, tmp_path / "whole", accept_changes=True)
    assert tally.before == 64, "the runs of the smaller design are reused"
    grown = of_sweep(open_sweep(tmp_path / "whole")).convergence
    half = grown[grown["n"] == 8].reset_index(drop=True)
    pd.testing.assert_frame_equal(half, whole.indices, check_exact=True)


@pytest.mark.slow
def test_the_command_sensitivity(spec, tmp_path):
    words = ["sensitivity", spec, "--points", "8", "--seeds", "3", "--workers", "1", "--of", "lerner_closed,frontier"]
    words = [*map(str, words), "--second-order", "--out", str(tmp_path / "out")]
    result = runner.invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "left in the indices" in result.stdout
    table = pd.read_csv(tmp_path / "out" / "indices.csv", keep_default_na=False)
    assert list(table.columns) == ["outcome", "order", "factor", "other", "value", "low", "high", "n"]
    assert set(table["outcome"]) == {"lerner_closed_mean", "frontier_mean"}
    assert set(table["order"]) == {"first", "total", "second"}
    known = of_sweep(open_sweep(tmp_path / "out" / "runs")).indices
    for factor in ("substitution", "task_value"):
        found, expected = (
            value(rows[rows["outcome"] == "lerner_closed_mean"], "total", factor) for rows in (table, known)
        )
        assert found == pytest.approx(expected, rel=1e-9)
    years = pd.read_csv(tmp_path / "out" / "years.csv")
    assert set(years["year"]) == {2023}
    assert set(pd.read_csv(tmp_path / "out" / "noise.csv")["seeds"]) == {3}
    for name in ("indices", "convergence", "years"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 10_000
    again = runner.invoke(app, [*words, "--no-time-resolved"])
    assert "0 runs in" in again.stdout
    log = runner.invoke(app, [*words, "--log", "frontier", "--no-time-resolved"])
    assert log.exit_code == 0, log.output
    logged = pd.read_csv(tmp_path / "out" / "indices.csv")
    changed = (logged["value"] != table["value"]).groupby(logged["outcome"]).all()
    assert changed.to_dict() == {"ln frontier_mean": True, "lerner_closed_mean": False}
    assert set(pd.read_csv(tmp_path / "out" / "noise.csv")["outcome"]) == {"ln frontier_mean", "lerner_closed_mean"}
    assert seed_noise(open_sweep(tmp_path / "out" / "seeds")).shape == (8, 7)
    assert not list((tmp_path / "out").glob("years.*")), "files of the earlier analysis are removed"
    assert runner.invoke(app, [*words, "--seeds", "0", "--no-time-resolved"]).exit_code == 0
    left = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert left == {f"{name}.{kind}" for name in ("indices", "convergence") for kind in ("csv", "png")}


def test_the_command_with_morris(spec, tmp_path):
    words = [
        "sensitivity",
        spec,
        "--method",
        "morris",
        "--trajectories",
        "4",
        "--seeds",
        "0",
        "--out",
        tmp_path / "out",
    ]
    result = runner.invoke(app, [*map(str, words), "--workers", "1"])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "indices.csv")
    assert set(table["order"]) == {"mu_star", "mu", "sigma"}
    assert not (tmp_path / "out" / "noise.csv").exists()


def test_failed_runs_are_reported_and_nothing_is_analysed(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("ABM_FAIL_AT", "5/1:raise")
    words = ["sensitivity", spec, "--points", "8", "--seeds", "0", "--out", tmp_path / "out", "--workers", "1"]
    result = runner.invoke(app, list(map(str, words)))
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("abm: 1 of 64 runs has no result: ")
    assert "--retry-failed" in last
    assert not (tmp_path / "out" / "indices.csv").exists()
    monkeypatch.delenv("ABM_FAIL_AT")
    assert runner.invoke(app, [*map(str, words), "--retry-failed"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--of", "lerner_close"], "no outcome or observable 'lerner_close'; did you mean 'lerner_closed"),
        (["--of", "lerner_closed,welfar"], "did you mean 'welfare'?"),
        (["--method", "sobel"], "--method sobel: must be sobol or morris; did you mean 'sobol'?"),
        (["--points", "100"], "powers of two, such as 128, not 100"),
        (["--points", "1"], "design.points: 1 is too few for Sobol indices; give a power of two, at least 4"),
        (["--points", "2"], "design.points: 2 is too few"),
        (["--method", "morris", "--points", "64"], "--points and --second-order: require --method sobol"),
        (["--trajectories", "4"], "--trajectories: does not apply to a sobol design"),
        (["--method", "morris", "--trajectories", "1"], "morris needs a whole number from 2"),
        (["--log", "lerner_close"], "--log lerner_close: not an analysed outcome; did you mean 'lerner_closed_mean'?"),
        (["--of", "hhi", "--log", "lerner_closed"], "--log lerner_closed: not an analysed outcome"),
        (["--of", ""], "--of '': a name is blank"),
        (["--of", ","], "--of ',': a name is blank"),
        (["--log", "lerner_closed,"], "--log 'lerner_closed,': a name is blank"),
        (["--seeds", "1"], "--seeds 1: estimating noise needs at least two seeds"),
        (["--points", "0"], "--points"),
    ],
)
def test_bad_options_take_one_line(spec, words, message):
    lines = complaints("sensitivity", spec, *words)
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[outcomes]", '[design]\nkind = "grid"\n\n[outcomes]', "design.kind: must be saltelli or morris, not 'grid'"),
        ("task_value =", "# task_value =", "factors: a sensitivity analysis needs at least two, not 1"),
        ("months = 6", 'months = 6\nscenarios = ["baseline", "no_r1"]', "takes one, not 2"),
        ("months = 6", "months = 6\ncommon_draws = false", "points must share their draws"),
        ("task_value", "task_vaule", "did you mean 'task_value'?"),
        ('"lerner_closed" }', '"lerner_close" }', "did you mean 'lerner_closed'?"),
        ("months = 6", "months = 6\nmonth = 7", "unknown key 'month'"),
        ("[factors]", "[factors", "TOML syntax"),
    ],
)
def test_an_unsuitable_file_takes_one_line(spec, old, new, message):
    spec.write_text(SPEC.replace(old, new))
    lines = complaints("sensitivity", spec)
    assert len(lines) == 1
    assert message in lines[0]


def test_missing_files_and_unwritable_folders(tmp_path):
    assert "file not found" in complaints("sensitivity", tmp_path / "none.toml")[0]
    (tmp_path / "file").touch()
    result = runner.invoke(app, ["sensitivity", "--dry-run", "--out", str(tmp_path / "file" / "x")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_dry_run_prints_the_number_of_points(tmp_path):
    result = runner.invoke(app, ["sensitivity", "--points", "1024", "--dry-run", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert "23,552 points" in result.stdout
    assert not (tmp_path / "new").exists()


def test_the_commands_import_nothing_heavy():
    code = (
        "import sys, abm.cli.app; print([m for m in ('SALib', 'scipy', 'numpy', 'pandas', 'jax') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert result.stdout.strip() == "[]"
