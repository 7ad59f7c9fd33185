"""`abm sweep` as a command: dry runs, messages, exit codes."""

import shutil
import subprocess
import sys

import pytest
from helpers.sweeps import small
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.sweeps import Design, SpecError, Sweep, open_sweep, run_sweep
from abm.sweeps.estimate import time_of
from abm.sweeps.plan import Plan


def test_help_and_bare_workers_import_little():
    heavy = ["mesa", "pandas", "scipy.stats", "matplotlib", "jax", "distributed", "SALib", "duckdb"]
    lines = [
        "import abm.cli.app",
        "import abm.support.workers",
        "import abm.sweeps.run, abm.sweeps.plan, abm.sweeps.chunk, abm.sweeps.stopping",
    ]
    for line in lines:
        code = f"{line}; import sys; print([m for m in {heavy!r} if m in sys.modules])"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout.strip() == "[]", line


def command(*words):
    from typer.testing import CliRunner

    from abm.cli.app import app

    return CliRunner().invoke(app, list(map(str, words)))


def test_a_dry_run_reports_the_size_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "mine.toml"
    spec.write_text(small(name="mine").to_toml(), encoding="utf-8")
    result = command("sweep", spec, "--dry-run")
    assert result.exit_code == 0
    assert "3 points x 4 replications = 12 runs" in result.output
    assert "seconds" in result.output
    assert "0 runs exist, 12 to do" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
    result = command("sweep", spec, "--dry-run", "--shard", "9/20")
    assert "this shard: 1)" in result.output
    assert "0 runs exist, 1 to do" in result.output


def test_a_dry_run_counts_existing_runs_and_reports_changes(folder, tmp_path):
    spec, out = tmp_path / "mine.toml", tmp_path / "out"
    shutil.copytree(folder, out)
    spec.write_text(small(name="sweep").to_toml(), encoding="utf-8")
    max((out / "parts").glob("*.runs.parquet")).unlink()
    before = sorted(out.rglob("*"))
    result = command("sweep", spec, "--out", out, "--dry-run", "--resume")
    assert result.exit_code == 0
    existing = open_sweep(out).counts()["ok"]
    assert f"{existing} runs exist, {12 - existing} to do" in result.output
    assert existing < 12
    spec.write_text(small(months=4).to_toml(), encoding="utf-8")
    result = command("sweep", spec, "--out", out, "--dry-run")
    assert result.exit_code == 2
    assert "spec, months: 3 -> 4" in result.output
    result = command("sweep", spec, "--out", out, "--dry-run", "--accept-changes")
    assert result.exit_code == 0
    assert "would be accepted" in result.output
    assert sorted(out.rglob("*")) == before
    for place in (spec, spec / "inside"):
        result = command("sweep", spec, "--out", place, "--dry-run")
        assert result.exit_code == 2
        assert "a file is in the way" in result.output


def test_a_folder_is_summarised(folder, tmp_path):
    result = command("sweep", "--show", folder)
    assert result.exit_code == 0
    for word in ("3 points x 4 replications = 12 runs", "12 ok", "seconds in", "spec.toml"):
        assert word in result.output
    run_sweep(small(), tmp_path / "half", shard=(1, 2))
    assert "6 missing, 6 ok" in command("sweep", "--show", tmp_path / "half").output
    (tmp_path / "half" / "design.parquet").write_bytes(b"PAR1")
    for place, message in (
        (tmp_path / "none", "no sweep here"),
        (tmp_path / "half", "design.parquet: is damaged"),
    ):
        result = command("sweep", "--show", place)
        assert result.exit_code == 2
        assert message in result.output


def test_observables_are_listed():
    result = command("list", "--observables")
    assert "lerner_closed" in result.output
    assert "ip_clarity" not in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shard", "5/4"], "form K/N"),
        (["--until-ci", "0.02"], "--of OUTCOME"),
        (["--until-ci", "0.02", "--of", "welfar"], "unknown outcome 'welfar'"),
        (["--until-ci", "-1", "--of", "welfare"], "must be a number above 0"),
        (["--of", "welfare"], "require --until-ci"),
        (["--maximum", "9"], "require --until-ci"),
        (["--resume"], "contains no sweep"),
        (["--show", "x"], "SPEC.toml"),
        pytest.param(["--dask", "tcp://127.0.0.1:9"], "no scheduler answers there", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_option_gives_one_line_and_exit_code_2(tmp_path, words, message):
    spec = tmp_path / "mine.toml"
    spec.write_text(small().to_toml(), encoding="utf-8")
    result = command("sweep", spec, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_command_reports_failures_and_refuses_changes(tmp_path, monkeypatch):
    spec, out = tmp_path / "mine.toml", tmp_path / "out"
    spec.write_text(small(replications=2).to_toml(), encoding="utf-8")
    monkeypatch.setenv("ABM_FAIL_AT", "1/1:raise")
    result = command("sweep", spec, "--out", out, "--workers", 1)
    assert result.exit_code == 1, result.output
    assert "1 failed: Injected" in result.output
    assert "--retry-failed" in result.output
    spec.write_text(small(replications=3).to_toml(), encoding="utf-8")
    result = command("sweep", spec, "--out", out, "--workers", 1)
    assert result.exit_code == 2
    assert "spec, replications: 2 -> 3" in result.output
    result = command("sweep", spec, "--out", out, "--workers", 1, "--accept-changes", "--retry-failed")
    assert result.exit_code == 1
    assert "accepted and recorded" in result.output
    monkeypatch.delenv("ABM_FAIL_AT")
    assert command("sweep", spec, "--out", out, "--workers", 1, "--retry-failed", "--resume").exit_code == 0
    result = command("sweep", out)
    assert result.exit_code == 2
    assert f"it is a folder; give the file, {out / 'spec.toml'}" in " ".join(result.output.split())


def test_points_that_differ_in_more_than_one_factor_are_not_compared(tmp_path):
    sweep = small(
        factors={"ip_strength": {"low": 0.0, "high": 1.0}, "ip_clarity": {"low": 0.0, "high": 1.0}},
        design={"kind": "latin_hypercube", "points": 2},
        replications=1,
    )
    run_sweep(sweep, tmp_path / "x")
    a, b = open_sweep(tmp_path / "x").design["ip_strength"]
    with pytest.raises(ValueError, match="no two points differ only in ip_strength"):
        open_sweep(tmp_path / "x").compare("ip_strength", a, b)


def test_a_table_of_points_with_scenarios_is_stored_with_the_results(tmp_path):
    (tmp_path / "points.csv").write_text(
        "scenario,ip_strength,adopters\nbaseline,0.1,24\nno_r1,0.2,24\n", encoding="utf-8"
    )
    spec = tmp_path / "table.toml"
    text = small(replications=1).to_toml().replace("ip_strength = [0.0, 0.5, 1.0]", "").replace("adopters = 24\n", "")
    text = text.replace('scenarios = ["baseline"]', 'scenarios = ["baseline", "no_r1"]')
    spec.write_text(text + '\n[design]\nkind = "table"\nfile = "points.csv"\n', encoding="utf-8")
    run_sweep(spec, tmp_path / "out")
    results = open_sweep(tmp_path / "out")
    assert list(results.runs()["scenario"]) == ["baseline", "no_r1"]
    assert list(results.runs()["ip_strength"]) == [0.1, 0.2]
    (tmp_path / "points.csv").unlink()
    again = run_sweep(tmp_path / "out" / "spec.toml", tmp_path / "out")
    assert again.before == 2


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["baseline", "grid", 10**400, -(10**400)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


keys = st.sampled_from([*Sweep.model_fields, "sweep", "events"])


parts = {
    "factors": st.dictionaries(
        st.sampled_from(["ip_strength", "ip_strength.us", "adopters", "r1.date", "r1.x", "nobody", ""]),
        st.lists(anything, max_size=3)
        | st.dictionaries(st.sampled_from(["low", "high", "levels", "values", "scale", "unit"]), anything, max_size=4),
        max_size=3,
    ),
    "design": st.dictionaries(
        st.sampled_from([*Design.model_fields, "x"]),
        anything | st.sampled_from(["table", "sobol", "morris"]),
        max_size=4,
    ),
    "outcomes": st.dictionaries(
        st.text(max_size=5),
        st.dictionaries(st.sampled_from(["of", "take", "first", "last"]), anything, max_size=4),
        max_size=2,
    ),
    "populations": st.dictionaries(st.sampled_from(["adopters", "investors", "peer_network"]), anything, max_size=2),
    "parameters": st.dictionaries(st.sampled_from(["ip_strength", "noise_sd", "x"]), anything, max_size=2),
}


@settings(max_examples=150, deadline=None)
@given(fields=st.dictionaries(keys, anything, max_size=3), inner=st.fixed_dictionaries({}, optional=parts))
def test_anything_is_a_sweep_or_a_spec_error(fields, inner):
    problems = []
    try:
        sweep = Sweep(**{**fields, **inner})
    except SpecError as error:
        problems = list(error.problems) or [""]
    assert all(problem and "\n" not in problem for problem in problems)
    if not problems and sweep.number_of_points < 2_000:
        assert len(Plan.of(sweep).points) == sweep.number_of_points >= 1


def test_the_estimated_time_of_a_small_sweep_separates_compiling():
    assert time_of(small(), 2) == "about 25 seconds with 2 workers (6 seconds if already compiled)"
    assert "compiled" not in time_of(small(replications=10_000, months=600), 1)
