"""Folders of unknown origin, and folders that change while in use, are refused with a clear message."""

import json
import shutil
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.sweeps import tiny
from matplotlib.figure import Figure
from typer.testing import CliRunner

from abm.analysis.counterfactual import Counterfactual, CounterfactualError
from abm.calibration.spec import Calibration, CalibrationError
from abm.charts import style
from abm.cli.app import app
from abm.experiments import ExperimentError
from abm.experiments.load import load as load_experiment
from abm.experiments.replay import Unplayable, replay_result
from abm.scenarios.scenario import Scenario, ScenarioError
from abm.support.files import write_text, write_whole
from abm.sweeps import SpecError, Sweep, open_sweep, run_sweep
from abm.sweeps.store import Damaged


def command(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def refused(*words):
    """Output of a command that refuses its input with exit code 2 and without a traceback."""
    result = command(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    place = tmp_path_factory.mktemp("strange") / "reference"
    run_sweep(tiny(), place)
    return place


@pytest.fixture
def kept(reference, tmp_path):
    return shutil.copytree(reference, tmp_path / "kept")


# --- manifests and other files ---


@pytest.mark.parametrize(
    "odd",
    [
        {"replications": 10**9},
        {"replications": 10**30},
        {"replications": 0},
        {"replications": -1},
        {"replications": True},
        {"replications": "2"},
        {"replications": 2.5},
        {"replications": [2]},
        {"points": 10**9},
        {"points": 5_000_001},
        {"points": 3},
        {"accepted": 3},
        {"accepted": [3]},
        {"accepted": [{"when": "now"}]},
        {"spec": []},
        {"spec_hash": None},
        {"versions": []},
        {"versions": {"jax": 3}},
        {"git": 3},
        {"name": ["a"]},
        {"made_with": [3]},
        [],
        3,
        None,
    ],
)
def test_an_odd_manifest_is_refused_before_anything_is_laid_out(kept, odd):
    path = kept / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | odd if isinstance(odd, dict) else odd))
    assert "is damaged" in refused("sweep", "--show", kept)
    with pytest.raises(Damaged, match=r"manifest\.json|design\.parquet"):
        open_sweep(kept)


@pytest.mark.parametrize("text", ["[" * 900 + "]" * 900, '{"a":' * 400 + "1" + "}" * 400, "\xff", ""])
def test_invalid_or_deeply_nested_json_is_refused(kept, text):
    session = next((kept / "sessions").iterdir())
    session.write_text(text, encoding="latin-1")
    assert session.name in refused("sweep", "--show", kept)
    (kept / "manifest.json").write_text(text, encoding="latin-1")
    assert "manifest.json: is damaged" in refused("sweep", "--show", kept)
    assert "manifest.json" in refused("replay", kept)


@pytest.mark.parametrize("content", [[], {"seconds": "long"}, {"seconds": [1]}])
def test_an_odd_session_is_named(kept, content):
    session = next((kept / "sessions").iterdir())
    session.write_text(json.dumps(content))
    assert session.name in refused("sweep", "--show", kept)


@pytest.mark.parametrize(
    "manifest",
    [
        {"reproduction": ["r1_shock"]},
        {"reproduction": "r1_shock", "quick": 1, "seeds": [1]},
        {"reproduction": "r1_shock", "quick": True, "seeds": 10**9},
        {"reproduction": "r1_shock", "quick": True, "seeds": ["x"]},
        {"experiment": "x", "sweeps": [], "source": "", "packages": {}},
        {"experiment": "x", "sweeps": {"../../x": {}}, "source": "", "packages": {}},
    ],
)
def test_an_odd_manifest_of_a_result_is_refused(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Unplayable):
        replay_result(tmp_path)


@pytest.mark.parametrize(
    ("read", "refusal", "key"),
    [
        (Sweep.load, SpecError, "factors.a"),
        (Sweep.load, SpecError, "populations.a"),
        (Scenario.load, ScenarioError, "name = 'a'\nparameters.a"),
        (Calibration.load, CalibrationError, "priors.a"),
        (Counterfactual.load, CounterfactualError, "levers.a"),
        (lambda path: load_experiment(path.parent), ExperimentError, "sweep.a"),
    ],
)
@pytest.mark.parametrize("shape", ["{key}{dots} = 1\n", "{key} = {open}{close}\n"])
def test_deeply_nested_keys_and_brackets_are_refused_by_all_readers(tmp_path, read, refusal, key, shape):
    path = tmp_path / "experiment.toml"
    for depth in (300, 5_000):
        path.write_text(shape.format(key=key, dots=".a" * depth, open="[" * depth, close="]" * depth))
        with pytest.raises(refusal, match="nested too deeply"):
            read(path)


def bomb(path, rows=3_000_000):
    """Replace a file by a few kilobytes that unpack to many copies of its first row."""
    row = pq.ParquetFile(path).read().slice(0, 1)
    columns = {}
    for name, column in zip(row.column_names, row.columns, strict=True):
        plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        columns[name] = pa.repeat(plain[0], rows)
    pq.write_table(pa.table(columns), path, compression="zstd")
    assert path.stat().st_size < 300_000


@pytest.mark.parametrize("kind", ["runs", "panel"])
def test_a_small_file_that_unpacks_to_many_rows_is_refused(kept, kind):
    path = next((kept / "parts").glob(f"*.{kind}.parquet"))
    bomb(path)
    before = pa.total_allocated_bytes()
    with pytest.warns(UserWarning, match=f"{path.name}: is damaged .it unpacks to 3,000,000 rows"):
        assert open_sweep(kept).counts()["missing"] == 4
    assert pa.total_allocated_bytes() - before < 20e6
    assert run_sweep(tiny(), kept).before == 0


def test_a_text_that_unpacks_to_much_is_refused(kept):
    path = next((kept / "parts").glob("*.runs.parquet"))
    table = pq.ParquetFile(path).read()
    many = pa.concat_tables([table.slice(0, 1)] * 1000)
    many = many.set_column(5, "error", pa.array(["x" * 100_000] * 1000))
    pq.write_table(many, path, compression="zstd")
    with pytest.warns(UserWarning, match="it unpacks to"):
        open_sweep(kept).runs()


def test_a_design_that_unpacks_to_many_rows_is_refused(kept):
    bomb(kept / "design.parquet")
    with pytest.raises(Damaged, match=r"design\.parquet: is damaged .it unpacks to 3,000,000 rows"):
        open_sweep(kept)
    assert run_sweep(tiny(), kept).before == 4


def test_too_many_runs_per_part_or_per_sweep_are_refused(tmp_path):
    with pytest.raises(ValueError, match="chunk = 1000001: must be at most 1,000,000"):
        run_sweep(tiny(), tmp_path / "x", chunk=1_000_001)
    with pytest.raises(ValueError, match="replications = 10000000"):
        run_sweep(tiny(), tmp_path / "x", replications=10_000_000)
    assert not (tmp_path / "x").exists()


# --- links ---


@pytest.mark.parametrize("name", ["parts", "scenarios", "sessions"])
def test_nothing_is_written_through_a_link_of_a_sweep(kept, tmp_path, name):
    outside = tmp_path / "outside"
    (kept / name).rename(outside)
    (kept / name).symlink_to(outside)
    before = {path: path.read_bytes() for path in outside.iterdir()}
    (kept / "spec.toml").unlink()  # so that scenarios would be rewritten
    spec = tmp_path / "mine.toml"
    spec.write_text(tiny(name="mine", replications=3).to_toml())
    for words in ([spec, "--out", kept, "--accept-changes"], [spec, "--out", kept, "--dry-run"], ["--show", kept]):
        assert f"{kept / name}: is a symbolic link" in refused("sweep", *words)
    with pytest.raises(ValueError, match="is a symbolic link"):
        open_sweep(kept)
    assert {path: path.read_bytes() for path in outside.iterdir()} == before


@pytest.mark.parametrize("name", ["manifest.json", "spec.toml", "design.parquet", "parts/{part}", "scenarios/x.toml"])
def test_nothing_is_read_through_a_link_of_a_sweep(kept, tmp_path, name):
    path = kept / name.format(part=next((kept / "parts").iterdir()).name)
    if path.exists():
        path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    for use in (open_sweep, lambda folder: run_sweep(tiny(), folder)):
        with pytest.raises(ValueError, match=f"{path.name}: is a symbolic link"):
            use(kept)


def test_a_folder_may_be_reached_through_a_link(kept, tmp_path):
    (tmp_path / "link").symlink_to(kept)
    assert open_sweep(tmp_path / "link").counts()["ok"] == 4
    assert run_sweep(tiny(), tmp_path / "link").before == 4


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["reproduce", "10_clarity", "--quick", "--out", "{out}"], "runs"),
        (["reproduce", "10_clarity", "--quick", "--out", "{out}"], "tables"),
        (["reproduce", "10_clarity", "--quick", "--out", "{out}"], "result.json"),
        (["reproduce", "all", "--quick", "--out", "{out}"], "01_copying_and_pricing_power_quick"),
        (["reproduce", "r1_shock", "--quick", "--out", "{out}"], "figures"),
        (["calibrate", "june_2025", "--out", "{out}"], "simulated"),
        (["sensitivity", "--out", "{out}"], "runs"),
        (["replications", "--out", "{out}"], "runs"),
    ],
)
def test_no_command_writes_through_a_link_in_its_folder(tmp_path, words, name):
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / name).symlink_to(outside)
    assert f"{out / name}: is a symbolic link" in refused(*(word.format(out=out) for word in words))
    assert not any(outside.iterdir())


def test_writing_a_file_replaces_a_link_instead_of_following_it(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for i, write in enumerate(
        (
            lambda path: write_text(path, "x"),
            lambda path: write_whole(path, lambda file: pd.DataFrame({"x": [1]}).to_csv(file)),
            lambda path: style.save(Figure(), path),
        )
    ):
        link = tmp_path / f"{i}.png"
        link.symlink_to(secret)
        write(link)
        assert not link.is_symlink()
        assert link.stat().st_size > 0
    assert secret.read_text() == "mine"


def result_of_an_experiment(place):
    """A minimal result for `abm export`."""
    (place / "tables").mkdir(parents=True)
    (place / "tables" / "a.csv").write_text("x\n1\n")
    (place / "manifest.json").write_text(json.dumps({"reproduction": "r1_shock"}))
    return place


def test_a_crate_is_written_to_a_file_and_contains_no_links(tmp_path):
    pytest.importorskip("rocrate")
    place, secret = result_of_an_experiment(tmp_path / "result"), tmp_path / "secret"
    secret.write_text("mine")
    assert f"{tmp_path}: is a folder; name the .zip file to write" in refused("export", place, "--out", tmp_path)
    (tmp_path / "result.crate.zip").symlink_to(secret)
    assert "result.crate.zip: is a symbolic link" in refused("export", place)
    assert secret.read_text() == "mine"
    (tmp_path / "result.crate.zip").unlink()
    (place / "more.txt").symlink_to(secret)
    assert "more.txt: is a symbolic link" in refused("export", place)
    (place / "more.txt").unlink()
    assert command("export", place).exit_code == 0
    assert (tmp_path / "result.crate.zip").stat().st_size > 0


# --- folders that change during a run ---


def removed_after_the_first_part(folder):
    """Start a thread that deletes the folder once it has a first part."""

    def work():
        deadline = time.monotonic() + 200
        while not list((folder / "parts").glob("*.runs.parquet")) and time.monotonic() < deadline:
            time.sleep(0.002)
        while folder.exists():
            shutil.rmtree(folder, ignore_errors=True)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_folder_deleted_during_the_run_is_reported_in_one_line(tmp_path):
    spec, out = tmp_path / "mine.toml", tmp_path / "out"
    spec.write_text(tiny(name="mine", replications=100).to_toml())
    thread = removed_after_the_first_part(out)
    message = refused("sweep", spec, "--out", out, "--workers", 1, "--chunk", 1)
    thread.join()
    assert f"{out}: was deleted, renamed or emptied" in message
    assert not out.exists()
    thread = removed_after_the_first_part(out)
    with pytest.raises(FileNotFoundError, match="deleted or renamed during the run"):
        run_sweep(tiny(replications=100), out, chunk=1)
    thread.join()
    assert not out.exists()  # it is not recreated with some of the parts
    run_sweep(tiny(), out)
    np.testing.assert_array_equal(open_sweep(out).runs()["status"], "ok")
